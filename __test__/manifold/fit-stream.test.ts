import { fitDictionaryStream } from 'headwater/manifold'
import { expect, test } from 'vitest'
import { SplitMix } from '../reference/manifold/planted.ts'

test('planted directions, four times as many as columns, are found', async () => {
  const random = new SplitMix(3)
  const [n, p, k, s] = [4000, 16, 64, 2]
  const truth = Array.from({ length: k }, () => {
    const d = [...random.normals(p)]
    const size = Math.hypot(...d)
    return d.map((x) => x / size)
  })
  const data = new Float32Array(n * p)
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < s; a++) {
      const [d, c] = [truth[Math.floor(random.uniform() * k)]!, 0.5 + random.uniform()]
      for (let o = 0; o < p; o++) data[i * p + o]! += c * d[o]!
    }
  }
  const dictionary = await fitDictionaryStream({ rows: n, cols: p, data }, { atoms: k, active: s, seed: 1 })
  const best = truth.map((d) => {
    const cosine = (j: number): number => d.reduce((sum, x, o) => sum + x * dictionary.decoders.data[j * p + o]!, 0)
    return Math.max(...Array.from({ length: k }, (_, j) => cosine(j)))
  })
  expect(best.filter((cosine) => cosine > 0.95).length).toBeGreaterThan(0.9 * k)
  expect(dictionary.passes.at(-1)!.ev!).toBeGreaterThan(0.97)
  expect(dictionary.codes.sizes.every((size) => size <= s)).toBe(true)
  expect(dictionary.codes.amounts.every((amount) => amount >= 0)).toBe(true)
  // By hand from codes and decoders: the objective.
  let [slot, left] = [0, 0]
  for (let i = 0; i < n; i++) {
    const row = [...dictionary.offset]
    for (let a = 0; a < dictionary.codes.sizes[i]!; a++, slot++) {
      const j = dictionary.codes.atoms[slot]!
      for (let o = 0; o < p; o++) row[o]! += dictionary.codes.amounts[slot]! * dictionary.decoders.data[j * p + o]!
    }
    for (let o = 0; o < p; o++) left += 0.5 * (data[i * p + o]! - row[o]!) ** 2
  }
  const penalty = dictionary.codes.amounts.reduce((sum, c) => sum + 0.5e-6 * c * c, 0)
  expect(left + penalty).toBeLessThanOrEqual(dictionary.objective! * (1 + 1e-6))
  const codes = await dictionary.encode({ rows: 50, cols: p, data: data.slice(0, 50 * p) })
  expect(codes.sizes).toHaveLength(50)
  const few = new Float64Array(4 * p)
  await expect(fitDictionaryStream({ rows: 4, cols: p, data: few }, { atoms: 5, active: 1 })).rejects.toMatchObject({
    code: 'too-many-atoms',
  })
  few[3] = Number.NaN
  await expect(fitDictionaryStream({ rows: 4, cols: p, data: few }, { atoms: 2, active: 1 })).rejects.toMatchObject({
    code: 'value-missing',
  })
}, 60_000)
