/** A dictionary as a folder: what comes back, and what is refused. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { InvalidInputError } from '../../index.ts'
import { Dictionary, fitDictionary, openArray, writeSafetensors } from '../../src-ts/manifold/index.ts'
import { planted, SplitMix } from '../reference/manifold/planted.ts'
import { folder } from './files.ts'

const { rows, p: cols, values, train } = planted('T1b')
const data = { rows, cols, data: values }
let circles: Dictionary
let points: Dictionary
beforeAll(async () => {
  circles = await fitDictionary(data, { atoms: 6, trainRows: train, seed: 1 })
  const random = new SplitMix(4)
  const noise = random.normals(300 * 5)
  const mixed = noise.map((x, i) => 0.05 * x + (i % 5 === Math.floor(i / 5) % 3 ? 2 + random.uniform() : 0))
  points = await fitDictionary({ rows: 300, cols: 5, data: mixed }, { atoms: 3, topology: 'constant' })
})

const FILES = ['cfg.json', 'certificate.json', 'coords.safetensors', 'report.json', 'weights.safetensors']
const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex')
/** Fields and arrays, with their exact bits. */
const exact = (dictionary: Dictionary): unknown => ({
  ...structuredClone({ ...dictionary, atoms: dictionary.atoms.map(({ decoder: _, ...facts }) => facts) }),
  decoders: dictionary.atoms.map(({ decoder }) => [decoder.rows, decoder.cols, bytes(decoder.data)]),
  offset: bytes(dictionary.offset),
  amounts: bytes(dictionary.codes.amounts),
  coordinates: bytes(dictionary.codes.coordinates),
})

test('what is loaded is what was saved, field by field and bit by bit, and codes rows to the same bits', async () => {
  for (const dictionary of [circles, points]) {
    const path = folder()
    dictionary.save(path)
    expect(readdirSync(path).sort()).toEqual([...FILES].sort())
    const loaded = Dictionary.load(path)
    expect(exact(loaded)).toEqual(exact(dictionary))
    expect(Object.keys(loaded).sort()).toEqual(Object.keys(dictionary).sort())
    // Saved once more, the same files.
    const again = folder()
    loaded.save(again)
    for (const name of FILES) expect(readFileSync(join(again, name)).equals(readFileSync(join(path, name)))).toBe(true)
  }
  const path = folder()
  circles.save(path)
  const [one, two] = await Promise.all([circles, Dictionary.load(path)].map((dictionary) => dictionary.encode(data)))
  for (const name of ['sizes', 'atoms', 'amounts', 'coordinates'] as const) {
    expect(bytes(one![name])).toBe(bytes(two![name]))
  }
  expect(two!.score).toEqual(one!.score)
})

test('the rows of the fit get the codes that the fit gave them', async () => {
  const fitted = { rows: train, cols, data: values.slice(0, train * cols) }
  const { score, ...codes } = await circles.encode(fitted)
  expect(codes.sizes).toEqual(circles.codes.sizes)
  expect(codes.atoms).toEqual(circles.codes.atoms)
  expect(bytes(codes.coordinates)).toBe(bytes(circles.codes.coordinates))
  expect(bytes(codes.amounts)).toBe(bytes(circles.codes.amounts))
  expect(score.ev).toBe(circles.train.ev)
})

test('a structured clone becomes a dictionary again', async () => {
  const clone = new Dictionary(structuredClone({ ...circles }))
  expect(exact(clone)).toEqual(exact(circles))
  expect(bytes((await clone.encode(data)).coordinates)).toBe(bytes((await circles.encode(data)).coordinates))
  expect(bytes(clone.decode().data)).toBe(bytes(circles.decode().data))
})

test('a fit that was stopped before its objective was known comes back as it is', () => {
  const checks = circles.certificate.checks.map((check) => ({ ...check, value: NaN, threshold: NaN }))
  const certificate = { ...circles.certificate, checks }
  const stopped = new Dictionary({ ...circles, status: 'aborted', value: NaN, certificate })
  const path = folder()
  stopped.save(path)
  expect(exact(Dictionary.load(path))).toEqual(exact(stopped))
})

test('nothing is overwritten without force, and a broken save is no dictionary', () => {
  const path = folder()
  circles.save(path)
  expect(() => points.save(path)).toThrow(/already holds .*cfg\.json/)
  expect(Dictionary.load(path).columns).toBe(24)
  points.save(path, { force: true })
  expect(exact(Dictionary.load(path))).toEqual(exact(points))
  rmSync(join(path, 'cfg.json'))
  expect(() => Dictionary.load(path)).toThrow(/there is no such file/)
})

describe('a folder that does not hold together is refused with the name of its file', () => {
  /** What loading says after a change of the folder. */
  const refused = (change: (path: string) => void): { code: string; file: string; message: string } => {
    const path = folder()
    circles.save(path)
    change(path)
    try {
      Dictionary.load(path)
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidInputError)
      const { code, message, problems } = error as InvalidInputError
      return { code, message, file: String(problems[0]!.file).slice(path.length + 1) }
    }
    throw new Error('it was loaded')
  }
  const edit = (name: string, change: (json: any) => void) => (path: string) => {
    const json = JSON.parse(readFileSync(join(path, name), 'utf8'))
    change(json)
    writeFileSync(join(path, name), JSON.stringify(json))
  }
  /** Writes a file of arrays once more, with some of them changed. */
  const arrays = (name: string, changes: Record<string, (data: Float64Array) => Float64Array>) => (path: string) => {
    const file = join(path, name)
    const first = name.startsWith('weights') ? 'offset' : 'sizes'
    using opened = openArray(file, { name: first })
    const tensors = opened.names.map((tensor) => {
      using array = openArray(file, { name: tensor })
      const found = array.readRows(0, array.rows)
      const made = changes[tensor]?.(found) ?? found
      return [tensor, { shape: made === found ? [...array.shape] : [made.length], data: made }] as const
    })
    writeSafetensors(file, Object.fromEntries(tensors))
  }

  test.each(FILES)('%s is missing', (name) => {
    const { code, file } = refused((path) => rmSync(join(path, name)))
    expect([code, file]).toEqual(['file-not-found', name])
  })

  test.each(FILES)('%s is cut off in the middle', (name) => {
    const { code, file } = refused((path) => truncateSync(join(path, name), 100))
    expect(file).toBe(name)
    expect(code).toMatch(/^(json-not-valid|array-.*)$/)
  })

  test.each(FILES)('%s is empty, or another kind of file', (name) => {
    expect(refused((path) => writeFileSync(join(path, name), '')).file).toBe(name)
    expect(refused((path) => writeFileSync(join(path, name), '[1, 2]')).file).toBe(name)
    expect(refused((path) => writeFileSync(join(path, name), '{}')).file).toBe(name)
  })

  test('another version', () => {
    const { code, file, message } = refused(edit('cfg.json', (json) => (json.version = 2)))
    expect([code, file]).toEqual(['json-not-valid', 'cfg.json'])
    expect(message).toMatch(/no dictionary of headwater of version 1 .*version 2/)
  })

  test.each<[string, (json: any) => void, RegExp]>([
    ['columns', (json) => delete json.columns, /'columns' is no number/],
    ['gate', (json) => (json.gate.kind = 'or'), /'or' is no gate/],
    ['status', (json) => (json.status = 'fine'), /'fine' is no status/],
    ['atoms', (json) => (json.atoms = 3), /'atoms' is no list/],
    ['shape', (json) => (json.atoms[1].shape = { topology: 'knot' }), /atoms\[1\] must be of topology/],
    ['strengths', (json) => json.strengths.ridge.pop(), /'strengths.ridge' is no list of 6 numbers/],
    ['options', (json) => delete json.options, /'options' is missing/],
  ])('cfg.json: %s', (_, change, message) => {
    const found = refused(edit('cfg.json', change))
    expect([found.code, found.file]).toEqual(['json-not-valid', 'cfg.json'])
    expect(found.message).toMatch(message)
  })

  test('a certificate or arrays of another dictionary', () => {
    const other = folder()
    points.save(other)
    const from = (name: string) => (path: string) => copyFileSync(join(other, name), join(path, name))
    expect(refused(from('weights.safetensors'))).toMatchObject({ file: 'weights.safetensors' })
    expect(refused(from('coords.safetensors'))).toMatchObject({ code: 'shape-mismatch', file: 'coords.safetensors' })
    const stalled = refused(edit('certificate.json', (json) => (json.status = 'stalled')))
    expect(stalled).toMatchObject({ code: 'json-not-valid', file: 'certificate.json' })
  })

  test('numbers that are damaged', () => {
    const nan = (data: Float64Array): Float64Array => data.with(3, NaN)
    for (const [file, name] of [
      ['weights.safetensors', 'offset'],
      ['coords.safetensors', 'amounts'],
      ['coords.safetensors', 'coordinates'],
    ] as const) {
      expect(refused(arrays(file, { [name]: nan }))).toMatchObject({ code: 'value-not-finite', file })
    }
    const far = refused(arrays('coords.safetensors', { atoms: (data) => data.with(0, 6) }))
    expect(far).toMatchObject({ code: 'support-not-valid', file: 'coords.safetensors' })
    const short = refused(arrays('coords.safetensors', { amounts: (data) => data.slice(1) }))
    expect(short).toMatchObject({ code: 'shape-mismatch', file: 'coords.safetensors' })
    const wide = refused(arrays('weights.safetensors', { 'decoder.2': (data) => data.slice(1) }))
    expect(wide).toMatchObject({ code: 'shape-mismatch', file: 'weights.safetensors' })
  })
})

describe('SAELens', () => {
  test('takes points with amplitudes', () => {
    const path = join(folder(), 'sae')
    points.exportSaeLens(path, { model_name: 'planted' })
    const config = JSON.parse(readFileSync(join(path, 'cfg.json'), 'utf8'))
    expect(config).toMatchObject({ architecture: 'topk', d_in: 5, d_sae: 3, k: 1, metadata: { model_name: 'planted' } })
    using decoder = openArray(join(path, 'sae_weights.safetensors'), { name: 'W_dec' })
    const written = decoder.readRows(0, 3)
    expect(written).toEqual(Float64Array.from(points.atoms.flatMap((atom) => [...atom.decoder.data]), Math.fround)) // prettier-ignore
  })

  test('refuses curves, and gates without amplitudes', () => {
    const path = join(folder(), 'sae')
    const refusal = (dictionary: Dictionary): unknown => {
      try {
        return dictionary.exportSaeLens(path)
      } catch (error) {
        return error
      }
    }
    expect(refusal(circles)).toMatchObject({
      code: 'topology-not-supported',
      message: expect.stringMatching(/atom 0 is no point/),
    })
    const unit = new Dictionary({ ...points, gate: { kind: 'unit' } })
    expect(refusal(unit)).toMatchObject({
      code: 'topology-not-supported',
      message: expect.stringMatching(/no amplitudes/),
    })
    expect(existsSync(path)).toBe(false)
  })
})
