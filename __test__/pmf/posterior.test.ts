/** Draws of the posterior through the API. What they should be is tested in crates/pmf/tests/posterior.rs. */
import { beforeAll, expect, test } from 'vitest'
import { factorize, Factorization, Matrix, posteriorCoverage, type Posterior } from '../../index.ts'
import { noise } from '../native/problem.ts'
import { epaData, spoilt } from './sources.ts'

let model: Factorization
let posterior: Posterior

beforeAll(async () => {
  model = await factorize({ ...spoilt(), species: [...'ABCDEF'] }, { factors: 2, seed: 1, starts: 5 })
  posterior = await model.samplePosterior({ seed: 3 })
})

test('chains agree, and what is said of every element is what its draws are', () => {
  expect(posterior).toMatchObject({ status: 'converged', seed: 3, temperature: 1, minimumEss: 400, warnings: [] })
  expect(posterior.chains).toHaveLength(4)
  expect(posterior.draws).toMatchObject({ rows: 4 * posterior.drawsPerChain, cols: 12 })
  expect(posterior.mean.colNames).toEqual([...'ABCDEF'])
  for (let k = 0; k < 2; k++) {
    for (let j = 0; j < 6; j++) {
      const draws = posterior.draws.toArray().map((row) => row[k * 6 + j]!)
      const mean = draws.reduce((sum, x) => sum + x) / draws.length
      const deviation = Math.sqrt(draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (draws.length - 1))
      expect(Math.min(...draws)).toBeGreaterThanOrEqual(0)
      expect(posterior.mean.get(k, j)).toBeCloseTo(mean, 12)
      expect(posterior.deviation.get(k, j)).toBeCloseTo(deviation, 12)
      const below = draws.filter((x) => x <= posterior.quantiles['16'].get(k, j)).length
      expect(below / draws.length).toBeCloseTo(0.16, 2)
      expect(posterior.ess.get(k, j)).toBeGreaterThanOrEqual(400)
      expect(posterior.rHat.get(k, j)).toBeLessThanOrEqual(1.01)
      // As sd/√ess, which is the bulk's and not the mean's own, nearly.
      const error = posterior.meanError.get(k, j) / (deviation / Math.sqrt(posterior.ess.get(k, j)))
      expect(error).toBeGreaterThan(0.6)
      expect(error).toBeLessThan(1.7)
      const laplace = posterior.standardErrors.get(k, j)
      if (model.profiles.get(k, j) === 0) expect(laplace).toBeNaN()
      else expect(posterior.ratio.get(k, j)).toBeCloseTo(deviation / laplace, 10)
    }
  }
})

test('the result is plain data, does not depend on threads, and is repeated by its seed', async () => {
  expect(structuredClone(posterior).quantiles['50'].data).toEqual(posterior.quantiles['50'].data)
  const quick = { maxDraws: 20, seed: 7 }
  const one = await model.samplePosterior({ ...quick, threads: 1 })
  const two = await model.samplePosterior({ ...quick, threads: 2 })
  expect(one.draws.data).toEqual(two.draws.data)
  expect(one.drawsPerChain).toBe(20)
  const other = await model.samplePosterior({ ...quick, seed: 8 })
  expect(other.draws.data).not.toEqual(one.draws.data)
  // The seed is the fit's by default.
  expect((await model.samplePosterior({ maxDraws: 4 })).seed).toBe(1)
  // So few draws are worth nothing, and it says so.
  expect(one.status).toBe('budget')
  expect(one.warnings).toMatchObject([{ code: 'posterior-not-mixed' }])
})

test('a temperature of 4 doubles the width, and not the ratio to standard errors', async () => {
  const hot = await model.samplePosterior({ temperature: 4, seed: 3 })
  const at = model.profiles.data.indexOf(Math.max(...model.profiles.data))
  const by = hot.deviation.data[at]! / posterior.deviation.data[at]!
  expect(by).toBeGreaterThan(1.7)
  expect(by).toBeLessThan(2.3)
  expect(hot.ratio.data[at]! / posterior.ratio.data[at]!).toBeCloseTo(by / 2, 10)
})

test('displacement holds most of the draws', async () => {
  const displacement = await model.displacement({ levels: [4, 15] })
  const coverage = posteriorCoverage(posterior, displacement)
  expect(coverage).toHaveLength(12)
  for (const { factor, species, column, levels } of coverage) {
    expect([...'ABCDEF'][column]).toBe(species)
    const [four, fifteen] = levels as [(typeof levels)[0], (typeof levels)[0]]
    expect(four.level).toBe(4)
    // 86.5 % of an exponential, 95.4 % of a parabola.
    expect(four.share, `${factor} ${species}`).toBeGreaterThan(0.8)
    expect(fifteen.share).toBeGreaterThan(0.985)
    expect(four.error).toBeLessThan(0.02)
  }
  const other = { elements: [{ ...displacement.elements[0]!, factor: 2 }] }
  expect(() => posteriorCoverage(posterior, other)).toThrow(expect.objectContaining({ code: 'results-differ' }))
})

test('a share counts draws within the ends, infinite ones too, and is not known where an end is not', () => {
  const one = (data: number[]): Matrix => new Matrix(1, 1, Float64Array.from(data))
  const draws = new Matrix(4, 1, Float64Array.from([1, 2, 3, 4]))
  const level = { level: 4, lower: 2, upper: 3, lowerDeltaQ: 4, upperDeltaQ: 4, lowerBranch: false }
  const element = { factor: 0, species: 'a', column: 0, base: 2.5, standardError: 1 }
  const levels = [
    level,
    { ...level, upper: NaN, upperUnbounded: true as const },
    { ...level, lower: NaN, lowerUnbounded: true as const, upper: NaN, upperUnbounded: true as const },
    { ...level, upper: NaN, failed: true as const },
  ]
  const posterior = { mean: one([2.5]), ess: one([4]), draws }
  const [found] = posteriorCoverage(posterior, { elements: [{ ...element, levels }] })
  expect(found!.levels.map(({ share }) => share)).toEqual([0.5, 0.75, 1, NaN])
  expect(found!.levels[0]!.error).toBe(0.25)
})

test('what is wrong comes back at once', async () => {
  const wrong = { chains: 1, maxDraws: 3, minimumEss: 0, temperature: Infinity, seed: -1, levels: [4] }
  const error = await model.samplePosterior(wrong as object).catch((error: unknown) => error)
  const codes = (error as { problems: { code: string; name: string }[] }).problems.map(({ name }) => name)
  expect(codes).toEqual(['chains', 'maxDraws', 'minimumEss', 'temperature', 'seed', 'levels'])
  const bare = Factorization.fromJSON(model.toJSON())
  await expect(bare.samplePosterior()).rejects.toMatchObject({ code: 'data-needed' })
})

test("robust fits are sampled by their own objective, Student's loss is refused", async () => {
  const huber = await factorize(spoilt(), { factors: 2, seed: 1, starts: 5, robust: 4 })
  const found = await huber.samplePosterior({ maxDraws: 20 })
  expect(found.mean.data.every((mean) => mean > 0)).toBe(true)
  const student = await factorize(spoilt(), { factors: 2, seed: 1, starts: 5, robust: { student: 5 } })
  await expect(student.samplePosterior()).rejects.toMatchObject({ code: 'posterior-not-defined' })
})

test('what the data do not determine is NaN, with a warning', async () => {
  // Two factors without zeros in rank-two data can be mixed.
  const [rows, cols] = [12, 5]
  const values = Float64Array.from({ length: rows * cols }, (_, at) => {
    const [i, j] = [Math.floor(at / cols), at % cols]
    return (1 + (i % 3)) * (1 + j) + (2 + ((i * 5) % 7)) * (6 - j)
  })
  const uncertainties = new Matrix(rows, cols, new Float64Array(rows * cols).fill(0.5))
  const free = await factorize(
    { values: new Matrix(rows, cols, values), uncertainties },
    { factors: 2, seed: 1, starts: 3 },
  )
  const found = await free.samplePosterior({ maxDraws: 10 })
  expect(found.warnings.map(({ code }) => code)).toContain('not-unique')
  expect(found.mean.data.some(Number.isNaN)).toBe(true)
  expect(Array.from(found.quantiles['50'].data, Number.isNaN)).toEqual(Array.from(found.mean.data, Number.isNaN))
})

test('draws of other factors than the fit’s are counted, and chains that do not mix are called so', async () => {
  const data = noise(20, 6)
  data.uncertainties.data.fill(0.6)
  const vague = await factorize(data, { factors: 3, seed: 1, starts: 5 })
  const found = await vague.samplePosterior({ maxDraws: 40 })
  const others = found.chains.reduce((sum, { swapped }) => sum + swapped, 0)
  expect(others).toBeGreaterThan(0)
  expect(others).toBeLessThanOrEqual(160)
  expect(found.status).toBe('budget')
  expect(found.warnings.map(({ code }) => code)).toEqual(['posterior-not-mixed', 'factors-swapped'])
  // Where the data determine no element there is nothing to draw.
  const nothing = await factorize(noise(12, 4), { factors: 3, seed: 1, starts: 5 })
  const none = await nothing.samplePosterior()
  expect(none).toMatchObject({ status: 'stalled', drawsPerChain: 0, chains: [] })
  expect(none.warnings.map(({ code }) => code)).toEqual(['not-unique'])
})

test('an aborted call rejects, or gives the draws until then', async () => {
  const large = await factorize(epaData('stlouis'), { factors: 6, seed: 1, starts: 2 })
  const never = { minimumEss: 1e9 }
  const reason = new Error('enough')
  await expect(large.samplePosterior({ ...never, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const early = new AbortController()
  setTimeout(() => early.abort(reason), 50)
  await expect(
    large.samplePosterior({ ...never, signal: early.signal, onAbort: 'partial' }),
    'nothing was drawn yet',
  ).rejects.toBe(reason)
  const later = new AbortController()
  const found = await model.samplePosterior({
    ...never,
    maxDraws: 1e6,
    signal: later.signal,
    onAbort: 'partial',
    onProgress: ({ done, total }) => {
      expect(total).toBe(4 * (260 + 1e6))
      if (done > 4 * 400) later.abort(reason)
    },
  })
  expect(found.status).toBe('aborted')
  expect(found.warnings).toMatchObject([{ code: 'posterior-incomplete' }])
  expect(found.drawsPerChain).toBeGreaterThan(100)
  expect(found.draws.rows).toBe(4 * found.drawsPerChain)
})
