/** The bootstrap through the API. */
import { expect, test } from 'vitest'
import { factorize, Factorization, InvalidInputError, Matrix, type Bootstrap } from '../../index.ts'
import { assignment, copies, correlations, fitted, nearest, quantile } from '../reference/bootstrap.ts'
import { objective, problem, type Problem } from '../reference/model.ts'
import { epaData, planted } from './sources.ts'

const base = async () => factorize(epaData('stlouis'), { factors: 4, seed: 1, starts: 8 })

test('statistics are those of the mapped profiles, and every table adds up', async () => {
  const model = await base()
  const found = await model.bootstrap({ runs: 12, seed: 3 })
  expect(found.status).toBe('converged')
  expect(found.resamples).toHaveLength(12)
  expect(found.warnings).toEqual([])
  for (const one of found.resamples) expect(one.counts.reduce((a, b) => a + b)).toBe(418)
  expect(found.nearest.flat().reduce((a, b) => a + b)).toBe(48)
  for (const { mapped, unmapped } of found.mapping) expect(mapped + unmapped).toBe(12)
  // From the resamples themselves, by the definitions.
  for (const [k, j] of [
    [0, 8],
    [2, 5],
  ] as const) {
    const values = found.resamples.flatMap((one) => {
      const l = one.factors[k]
      return l == null ? [] : [one.profiles.get(l, j)]
    })
    const mean = values.reduce((a, b) => a + b) / values.length
    expect(found.statistics.count.get(k, j)).toBe(values.length)
    expect(found.statistics.mean.get(k, j)).toBeCloseTo(mean, 12)
    const sorted = values.toSorted((a, b) => a - b)
    const middle = (sorted.length - 1) / 2
    const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
    expect(found.statistics.quantiles['50'].get(k, j)).toBeCloseTo(median, 12)
    expect(found.statistics.quantiles['5'].get(k, j)).toBeLessThanOrEqual(median)
  }
  expect(structuredClone(found.q)).toEqual(found.q)
})

/** Fits, mapping, tables and statistics once more, from the data, the counts and the profiles of the resamples. */
function checkDefinitions(base: Factorization, plain: Problem, found: Bootstrap): void {
  const { factors: p, contributions } = base
  const each = Array.from({ length: p }, (_, k) => k)
  for (const one of found.resamples) {
    const drawn = copies(plain, one.counts)
    const at = fitted(drawn, p, one.profiles.data)
    expect(objective(drawn, at) / one.q).toBeCloseTo(1, 7)
    for (const k of each) {
      const w = at.w.filter((_, i) => i % p === k)
      expect(w.reduce((sum, value) => sum + value, 0) / w.length).toBeCloseTo(1, 7)
    }
    const r = correlations(contributions.data, fitted(plain, p, one.profiles.data).w, p, one.counts)
    expect(one.factors).toEqual(assignment(r, found.threshold))
    expect(one.nearest).toEqual(nearest(r, found.threshold))
  }
  const of = (test: (one: Bootstrap['resamples'][number]) => boolean): number => found.resamples.filter(test).length
  for (const k of each) {
    expect(found.mapping[k]).toEqual({
      mapped: of((one) => one.factors[k] !== null),
      unmapped: of((one) => one.factors[k] === null),
      factors: each.map((l) => of((one) => one.factors[k] === l)),
    })
    expect(found.nearest[k]).toEqual(each.map((l) => of((one) => one.nearest[l] === k)))
    for (let j = 0; j < plain.n; j++) {
      const values = found.resamples.flatMap(({ factors, profiles }) => factors[k] == null ? [] : [profiles.get(factors[k], j)]) // prettier-ignore
      expect(found.statistics.count.get(k, j)).toBe(values.length)
      for (const [share, matrix] of Object.entries(found.statistics.quantiles)) {
        expect(matrix.get(k, j)).toBeCloseTo(quantile(values, Number(share) / 100), 12)
      }
    }
  }
  expect(found.nearest[p]).toEqual(each.map((l) => of((one) => one.nearest[l] === null)))
  const values = found.resamples.map((one) => one.q)
  expect(Object.values(found.q)).toEqual([0, 0.25, 0.5, 0.75, 1].map((share) => expect.closeTo(quantile(values, share), 9))) // prettier-ignore
  expect(found.swaps).toBe(of((one) => new Set(one.nearest).size < p || one.nearest.includes(null)))
}

test('fits, mapping and statistics are those of the definitions, with factors exchanged and unmapped ones', async () => {
  const { values, uncertainties } = epaData('stlouis') as { values: Matrix; uncertainties: Matrix }
  const model = await base()
  const found = await model.bootstrap({ runs: 12, seed: 3 })
  checkDefinitions(model, problem(values.rows, values.cols, values.data, uncertainties.data), found)
  // Random starts end in other orders; some factors resemble none of the base.
  expect(found.mapping.some(({ factors }, k) => factors.some((count, l) => count > 0 && l !== k))).toBe(true)
  expect(found.mapping.some(({ unmapped }) => unmapped > 0)).toBe(true)
})

test('what was planted: statistics of a factor are those of the source that its contributions are of', async () => {
  const data = planted()
  const { rows, cols } = data.values
  const model = await factorize(data, { factors: 2, seed: 1, starts: 10 })
  const plain = problem(rows, cols, data.values.data, data.uncertainties.data)
  const straight = await model.bootstrap({ runs: 25, seed: 4, block: 2 })
  checkDefinitions(model, plain, straight)
  // The same base with contributions of its factors exchanged, and profiles where they were.
  const w = Float64Array.from(model.contributions.data, (_, at) => model.contributions.data[at ^ 1]!)
  const turned = new Factorization({ ...model, contributions: new Matrix(rows, 2, w) }, data)
  const found = await turned.bootstrap({ runs: 25, seed: 4, block: 2 })
  checkDefinitions(turned, plain, found)
  for (const k of [0, 1]) {
    for (let j = 0; j < cols; j++) {
      expect(found.statistics.mean.get(k, j)).toBeCloseTo(straight.statistics.mean.get(1 - k, j), 4)
    }
  }
})

test('species and elements restrict what is reported, not what is drawn', async () => {
  const data = { ...planted(), species: [...'ABCDEF'] }
  const model = await factorize(data, { factors: 2, seed: 1, starts: 10 })
  const whole = await model.bootstrap({ runs: 6 })
  const reported = ({ statistics }: Bootstrap): string[] =>
    [0, 1].flatMap((k) => [...'ABCDEF'].filter((_, j) => !Number.isNaN(statistics.mean.get(k, j))).map((name) => `${k}${name}`)) // prettier-ignore
  expect(reported(whole)).toHaveLength(12)
  const some = await model.bootstrap({ runs: 6, species: ['B', 3] })
  expect(reported(some)).toEqual(['0B', '0D', '1B', '1D'])
  expect(some.statistics.quantiles['5'].get(1, 3)).toBe(whole.statistics.quantiles['5'].get(1, 3))
  expect(some.statistics.count.get(0, 0)).toBeNaN()
  expect(some.resamples).toEqual(whole.resamples)
  const single = await model.bootstrap({ runs: 6, elements: [{ factor: 1, species: 'F' }] })
  expect(reported(single)).toEqual(['1F'])
  // The fit's seed, unless another is given.
  expect((await model.bootstrap({ runs: 6, seed: 1 })).resamples).toEqual(whole.resamples)
  expect((await model.bootstrap({ runs: 6, seed: 2 })).resamples).not.toEqual(whole.resamples)
})

test('a base that is not converged is resampled, with a warning', async () => {
  const early = await factorize(planted(), { factors: 2, starts: 1, stop: { decrease: 30, over: 1 }, method: 'mu' })
  const found = await early.bootstrap({ runs: 2 })
  expect(found.warnings.map(({ code }) => code)).toContain('base-not-converged')
})

test('the same bits for any number of threads', async () => {
  const model = await base()
  const [one, two] = await Promise.all([1, 2].map((threads) => model.bootstrap({ runs: 4, seed: 7, threads })))
  const rest = ({ timing: _, ...numbers }: Bootstrap): object => numbers
  expect(rest(two!)).toEqual(rest(one!))
})

test('a stopped bootstrap keeps the runs that were made, and says so', async () => {
  const model = await base()
  const controller = new AbortController()
  const found = await model.bootstrap({
    runs: 5000,
    onAbort: 'partial',
    signal: controller.signal,
    onProgress: ({ done }) => {
      if (done >= 2) controller.abort()
    },
  })
  expect(found.status).toBe('aborted')
  expect(found.resamples.length).toBeGreaterThan(0)
  expect(found.resamples.length).toBeLessThan(5000)
  expect(found.warnings.map(({ code }) => code)).toContain('bootstrap-incomplete')
  const made = found.resamples.length
  for (const { mapped, unmapped } of found.mapping) expect(mapped + unmapped).toBe(made)
})

test('wrong options come back all at once', async () => {
  const model = await base()
  const wrong = { runs: 0, block: 419, threshold: 2, coldStarts: -1, seeds: 1, elements: [{ factor: 4, species: 'Q' }] }
  const error = await model.bootstrap(wrong as object).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(InvalidInputError)
  const names = (error as InvalidInputError).problems.map((problem) => problem.name)
  expect(names.toSorted()).toEqual([
    ...['block', 'coldStarts', 'elements[0].factor', 'elements[0].species', 'runs', 'seeds', 'threshold'],
  ])
})
