/** Bootstrap with displacement through the API: which resamples count, quantiles and intervals by their definitions. */
import { beforeAll, expect, test } from 'vitest'
import {
  factorize,
  Factorization,
  Matrix,
  type BootstrapDisplacement,
  type BootstrapDisplacementOptions,
} from '../../index.ts'
import { copies, fitted, quantile } from '../reference/bootstrap.ts'
import { displaced } from '../reference/displacement.ts'
import { problem } from '../reference/model.ts'
import { epaData, planted, spoilt } from './sources.ts'

const data = { ...planted(), species: [...'ABCDEF'] }
let small: Factorization
let stLouis: Factorization

beforeAll(async () => {
  small = await factorize(data, { factors: 2, seed: 1, starts: 10 })
  stLouis = await factorize(epaData('stlouis'), { factors: 6, seed: 1, starts: 12 })
})

/** Everything that follows from the single resamples, once more. */
function checkSummary(found: BootstrapDisplacement): void {
  const { resamples, bootstrap, levels, elements } = found
  expect(resamples.map(({ run }) => run)).toEqual(bootstrap.resamples.map(({ run }) => run))
  const counts = { accepted: 0, dropped: 0, swappedInFit: 0, swappedInDisplacement: 0, unconverged: 0 }
  const swaps = levels.map((level) => ({ level, ends: 0 }))
  for (const [at, one] of resamples.entries()) {
    const { status, q, factors } = bootstrap.resamples[at]!
    expect([one.status, one.q]).toEqual([status, q])
    const own = factors.every((factor) => factor !== null)
    const displacedHere = status === 'converged' && own
    expect(one.elements.length).toBe(displacedHere ? elements.length : 0)
    const exchanged = one.elements.some((element) => element.levels[0]!.swapped)
    const drop = one.largestDecrease > 0
    expect(one).toMatchObject({
      swappedInFit: !own,
      drop,
      swappedInDisplacement: exchanged,
      accepted: displacedHere && !drop && !exchanged,
    })
    counts.accepted += Number(one.accepted)
    counts.dropped += Number(drop)
    counts.swappedInFit += Number(!own)
    counts.swappedInDisplacement += Number(exchanged)
    counts.unconverged += Number(status !== 'converged')
    for (const [l, sum] of swaps.entries()) sum.ends += one.elements.filter((e) => e.levels[l]!.swapped).length
  }
  expect(found).toMatchObject(counts)
  expect(found.largestDecrease).toBe(Math.max(0, ...resamples.map((one) => one.largestDecrease)))
  for (const [l, { level, ends }] of swaps.entries()) {
    expect(found.swaps[l]!.level).toBe(level)
    // An exchange has two sides.
    expect(found.swaps[l]!.counts.some((count) => count > 0)).toBe(ends > 0)
  }
  for (const [at, element] of elements.entries()) {
    for (const [l, interval] of element.levels.entries()) {
      const ends = resamples.flatMap((one) => {
        const found = one.elements[at]
        if (!one.accepted || found === undefined) return []
        expect([found.factor, found.column]).toEqual([element.factor, element.column])
        const { lower, upper, failed, lowerUnbounded, upperUnbounded } = found.levels[l]!
        return failed ? [] : [[lowerUnbounded ? -Infinity : lower, upperUnbounded ? Infinity : upper] as const]
      })
      const known = (value: number): unknown => Number.isFinite(value) ? expect.closeTo(value, 12) : null // prettier-ignore
      const [low, high] = [quantile(ends.map(([lower]) => lower), 0.05), quantile(ends.map(([, upper]) => upper), 0.95)] // prettier-ignore
      expect(interval).toEqual({
        level: levels[l],
        lower: known(low),
        upper: known(high),
        count: ends.length,
        ...(low === 0 ? { lowerAtZero: true } : {}),
        ...(low === -Infinity ? { lowerUnbounded: true } : {}),
        ...(high === Infinity ? { upperUnbounded: true } : {}),
      })
    }
  }
}

test(
  'acceptance, counts and quantiles follow from the resamples, rejected ones among them',
  { timeout: 100_000 },
  async () => {
    const found = await stLouis.bootstrapDisplacement({ runs: 14, seed: 1, levels: [0.5, 4], species: [3] })
    expect(found).toMatchObject({
      status: 'converged',
      runs: 14,
      seed: 1,
      threshold: 0.6,
      levels: [0.5, 4],
      levelFactor: 1,
    })
    expect(found.resamples).toHaveLength(14)
    expect(found.accepted).toBeGreaterThan(2)
    expect(found.swappedInFit).toBeGreaterThan(0)
    expect(found.elements).toHaveLength(6)
    checkSummary(found)
    // The bootstrap is the one that the same options give.
    const { timing: _, ...bootstrap } = found.bootstrap
    expect(bootstrap).toEqual(
      (({ timing: _unused, ...rest }) => rest)(await stLouis.bootstrap({ runs: 14, seed: 1, species: [3] })),
    )
    expect(found.warnings.map(({ code }) => code)).toContain('few-resamples-accepted')
  },
)

test('intervals of a resample are those of brute force on copies of its samples', { timeout: 100_000 }, async () => {
  const [level, elements] = [2, [{ factor: 0, species: 'B' }, { factor: 1, species: 'D' }]] // prettier-ignore
  const found = await small.bootstrapDisplacement({ runs: 2, seed: 5, levels: [level], elements, coldStarts: 0 })
  checkSummary(found)
  const plain = problem(data.values.rows, data.values.cols, data.values.data, data.uncertainties.data)
  for (const [at, one] of found.resamples.entries()) {
    const { counts, profiles, factors } = found.bootstrap.resamples[at]!
    const drawn = copies(plain, counts)
    const base = fitted(drawn, 2, profiles.data)
    expect(one.accepted).toBe(true)
    for (const { factor, column, levels, base: value } of one.elements) {
      const l = factors[factor]!
      expect(value).toBeCloseTo(profiles.get(l, column), 9)
      const ends = [displaced(drawn, base, l, column, level, -1), displaced(drawn, base, l, column, level, 1)]
      const width = ends[1]! - ends[0]!
      expect(Math.abs(levels[0]!.lower - ends[0]!)).toBeLessThan(1e-4 * width)
      expect(Math.abs(levels[0]!.upper - ends[1]!)).toBeLessThan(1e-4 * width)
    }
  }
})

test('elements mean the factors of the base, whatever order those of a resample have', async () => {
  // Contributions of the base exchanged, profiles not: factor 0 is the source whose contributions it has.
  const { rows, cols, data: w } = small.contributions
  const contributions = new Matrix(
    rows,
    cols,
    Float64Array.from(w, (_, at) => w[at ^ 1]!),
  )
  const turned = new Factorization({ ...small, contributions }, data)
  const options = { runs: 4, seed: 2, levels: [1] }
  const one = await turned.bootstrapDisplacement({ ...options, elements: [{ factor: 0, species: 'A' }] })
  const two = await small.bootstrapDisplacement({ ...options, elements: [{ factor: 1, species: 'A' }] })
  checkSummary(one)
  expect([one.accepted, two.accepted]).toEqual([4, 4])
  const [a, b] = [one.elements[0]!, two.elements[0]!]
  expect([a.factor, b.factor]).toEqual([0, 1])
  expect(a.levels[0]!.lower).toBeCloseTo(b.levels[0]!.lower!, 4)
  expect(a.levels[0]!.upper).toBeCloseTo(b.levels[0]!.upper!, 4)
})

test('the result is plain data, does not depend on threads, and is repeated by its seed', async () => {
  const options: BootstrapDisplacementOptions = { runs: 5, species: ['A', 'C'] }
  const one = await small.bootstrapDisplacement({ ...options, threads: 1 })
  const two = await small.bootstrapDisplacement({ ...options, threads: 2, seed: small.seed })
  const rest = ({ timing: _, bootstrap: { timing: _unused, ...bootstrap }, ...numbers }: BootstrapDisplacement): object =>
    ({ ...numbers, bootstrap }) // prettier-ignore
  expect(rest(one)).toEqual(rest(two))
  expect(structuredClone(one.elements)).toEqual(one.elements)
  expect(one.levels).toEqual([0.5, 1, 2, 4])
  expect(one.elements.map(({ factor, species, column }) => [factor, species, column])).toEqual([
    ...[[0, 'A', 0], [0, 'C', 2], [1, 'A', 0], [1, 'C', 2]], // prettier-ignore
  ])
  const errors = await small.standardErrors()
  for (const { factor, column, base, standardError, levels } of one.elements) {
    expect(base).toBe(small.profiles.get(factor, column))
    expect(standardError).toBe(errors.profiles.get(factor, column))
    for (const [l, { lower, upper }] of levels.entries()) {
      expect(lower).toBeLessThanOrEqual(l > 0 ? levels[l - 1]!.lower! : upper!)
      expect(upper).toBeGreaterThanOrEqual(l > 0 ? levels[l - 1]!.upper! : lower!)
    }
  }
})

test('levels are multiplied by Q/ν if asked, and a warning asks for it', async () => {
  const off = await factorize({ ...spoilt(), species: [...'ABCDEF'] }, { factors: 2, seed: 1, starts: 5 })
  const ratio = off.q / off.degreesOfFreedom
  const options = { runs: 3, elements: [{ factor: 0, species: 'A' }] }
  const plain = await off.bootstrapDisplacement({ ...options, levels: [ratio] })
  expect(plain.warnings.map(({ code }) => code)).toContain('levels-off-scale')
  const scaled = await off.bootstrapDisplacement({ ...options, levels: [1], levelScale: 'Q/ν' })
  expect(scaled.warnings.map(({ code }) => code)).not.toContain('levels-off-scale')
  expect(scaled).toMatchObject({ levelScale: 'Q/ν', levelFactor: ratio, levels: [1] })
  expect(scaled.elements[0]!.levels[0]).toEqual({ ...plain.elements[0]!.levels[0], level: 1 })
})

test('what the data do not bound has no end: null, and said', async () => {
  // Profiles of any sign can be rotated at will.
  const model = await factorize(data, { factors: 2, seed: 1, starts: 5, nonnegative: { profiles: false } })
  const found = await model.bootstrapDisplacement({ runs: 4, levels: [100], threshold: 0, species: ['A', 'D'] })
  checkSummary(found)
  const intervals = found.elements.map((element) => element.levels[0]!)
  expect(intervals.some((interval) => interval.upperUnbounded && interval.upper === null)).toBe(true)
  expect(intervals.some((interval) => interval.lowerUnbounded && interval.lower === null)).toBe(true)
  expect(JSON.parse(JSON.stringify(found)).elements[0].levels[0]).toEqual(intervals[0])
})

test('a base that is not converged is said; a stopped study keeps the resamples that were done', async () => {
  const early = await factorize(data, { factors: 2, starts: 1, stop: { decrease: 30, over: 1 }, method: 'mu' })
  const open = await early.bootstrapDisplacement({ runs: 2, levels: [1], species: ['A'] })
  expect(open.warnings.map(({ code }) => code)).toContain('base-not-converged')

  const controller = new AbortController()
  const found = await small.bootstrapDisplacement({
    runs: 5000,
    species: ['A'],
    signal: controller.signal,
    onAbort: 'partial',
    onProgress: ({ done, total }) => {
      expect(total).toBe(5000)
      if (done >= 2) controller.abort()
    },
  })
  expect(found.status).toBe('aborted')
  expect(found.resamples.length).toBeGreaterThan(1)
  expect(found.resamples.length).toBeLessThan(5000)
  expect(found.warnings.map(({ code }) => code)).toContain('bootstrap-incomplete')
  checkSummary(found)
  const reason = new Error('enough')
  const rejecting = small.bootstrapDisplacement({ signal: AbortSignal.abort(reason), onAbort: 'partial' })
  await expect(rejecting).rejects.toBe(reason)
})

test('what is wrong comes back at once', async () => {
  const wrong = { runs: 0, levels: [0, 1], species: ['Z'], threshold: -1, block: 21, levelScale: 'Q', check: true }
  await expect(small.bootstrapDisplacement(wrong as never)).rejects.toThrow(
    /7 problems[^]*runs must be a whole number[^]*block must be a whole number from 1 to 20[^]*threshold must be[^]*levels\[0\] must be a positive[^]*species\[0\] must be one of the fitted species[^]*levelScale[^]*'check'/,
  )
  const alone = Factorization.fromJSON(JSON.stringify(small))
  await expect(alone.bootstrapDisplacement()).rejects.toMatchObject({ code: 'data-needed' })
  expect((await alone.withData(data).bootstrapDisplacement({ runs: 1, species: ['A'] })).resamples).toHaveLength(1)
})
