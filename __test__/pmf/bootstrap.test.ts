/** The bootstrap through the API. */
import { expect, test } from 'vitest'
import { factorize, InvalidInputError, type Bootstrap } from '../../index.ts'
import { epaData } from './sources.ts'

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
})

test('wrong options come back all at once', async () => {
  const model = await base()
  const wrong = { runs: 0, block: 419, threshold: 2, coldStarts: -1, seeds: 1 }
  const error = await model.bootstrap(wrong as object).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(InvalidInputError)
  const names = (error as InvalidInputError).problems.map((problem) => problem.name)
  expect(names.toSorted()).toEqual(['block', 'coldStarts', 'runs', 'seeds', 'threshold'])
})
