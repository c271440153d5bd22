/** Linear dictionaries in SAELens' files. bench/peers/saelens loads them with SAELens itself. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../index.ts'
import { exportSaeLens, openArray, type SaeLensDictionary } from '../../src-ts/manifold/index.ts'
import { folder } from './files.ts'

const decoder = [[3, 0, 4], [0, 2, 0], [0, 0, 0], [1, 1, 1]] // prettier-ignore
const offset = [0.5, -1, 0.25]

/** A tensor's shape and elements. */
function tensor(dir: string, name: string): { shape: readonly number[]; data: number[] } {
  using opened = openArray(join(dir, 'sae_weights.safetensors'), { name })
  expect(opened.dtype).toBe('float32')
  return { shape: opened.shape, data: Array.from(opened.read().data) }
}

test('a top-k dictionary has the layout that SAELens loads, with the matched filter as its encoder', () => {
  const dir = join(folder(), 'deep', 'sae')
  exportSaeLens(dir, { decoder, offset, active: 2, metadata: { model_name: 'gpt2' } })
  expect(readdirSync(dir).sort()).toEqual(['cfg.json', 'sae_weights.safetensors'])
  expect(JSON.parse(readFileSync(join(dir, 'cfg.json'), 'utf8'))).toEqual({
    architecture: 'topk',
    d_in: 3,
    d_sae: 4,
    k: 2,
    rescale_acts_by_decoder_norm: false,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: true,
    normalize_activations: 'none',
    reshape_activations: 'none',
    metadata: { model_name: 'gpt2', sae_lens_version: expect.stringMatching(/^6\./) },
  })
  expect(tensor(dir, 'W_dec')).toEqual({ shape: [4, 3], data: decoder.flat() })
  expect(tensor(dir, 'b_dec')).toEqual({ shape: [3], data: offset })
  expect(tensor(dir, 'b_enc')).toEqual({ shape: [4], data: [0, 0, 0, 0] })
  // Column k is d_k / |d_k|², and zeros for an atom of zeros.
  const third = Math.fround(1 / 3)
  const columns = [[3 / 25, 0, 0, third], [0, 0.5, 0, third], [4 / 25, 0, 0, third]] // prettier-ignore
  expect(tensor(dir, 'W_enc')).toEqual({ shape: [3, 4], data: columns.flat().map(Math.fround) })
})

test('an encoder, its offset and thresholds of the caller are stored as they are', () => {
  const dir = folder()
  const encoder = decoder.map((row, k) => row.map((_, j) => 10 * k + j))
  exportSaeLens(dir, { decoder, encoder, encoderOffset: [1, 2, 3, 4], threshold: [0, 0.5, 1, 1.5] })
  expect(JSON.parse(readFileSync(join(dir, 'cfg.json'), 'utf8'))).toMatchObject({ architecture: 'jumprelu' })
  expect(tensor(dir, 'W_enc').data).toEqual([0, 10, 20, 30, 1, 11, 21, 31, 2, 12, 22, 32])
  expect(tensor(dir, 'b_enc').data).toEqual([1, 2, 3, 4])
  expect(tensor(dir, 'b_dec').data).toEqual([0, 0, 0])
  expect(tensor(dir, 'threshold')).toEqual({ shape: [4], data: [0, 0.5, 1, 1.5] })
})

test('what cannot be exported is refused, and nothing is written', () => {
  const dir = join(folder(), 'sae')
  const cases: [Partial<SaeLensDictionary>, string][] = [
    [{ decoder }, 'option-missing'],
    [{ active: 1 }, 'option-missing'],
    [{ decoder, active: 5 }, 'option-out-of-range'],
    [{ decoder, active: 0 }, 'option-out-of-range'],
    [{ decoder, active: 1, threshold: [0, 0, 0, 0] }, 'options-conflict'],
    [{ decoder, threshold: [0, 0, 0, -1] }, 'option-out-of-range'],
    [{ decoder, threshold: [0] }, 'shape-mismatch'],
    [{ decoder, active: 1, offset: [1] }, 'shape-mismatch'],
    [{ decoder, active: 1, encoder: [[1]] }, 'shape-mismatch'],
    [{ decoder: [], active: 1 }, 'matrix-not-valid'],
    [{ decoder: [[1e39]], active: 1 }, 'value-not-finite'],
    [{ decoder: [[NaN]], active: 1 }, 'value-not-finite'],
    [{ decoder, active: 1, encoderOffsets: [] } as object, 'option-unknown'],
  ]
  for (const [options, code] of cases) {
    try {
      exportSaeLens(dir, options as SaeLensDictionary)
      expect.unreachable(code)
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidInputError)
      expect((error as InvalidInputError).problems.map((problem) => problem.code)).toContain(code)
    }
  }
  expect(existsSync(dir)).toBe(false)
})
