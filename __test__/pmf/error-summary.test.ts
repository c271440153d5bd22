/** The summary of all error estimates: the numbers of its parts, each in its place. */
import { expect, test } from 'vitest'
import { factorize, summarizeErrors } from '../../index.ts'
import { epaData } from './sources.ts'

const base = async () => factorize(epaData('stlouis'), { factors: 3, seed: 1, starts: 6 })

test('every number is that of its method, for the same element', async () => {
  const model = (await base()).withFactorNames(['salt', 'soil', 'smoke'])
  const standardErrors = await model.standardErrors()
  const bootstrap = await model.bootstrap({ runs: 8, seed: 2 })
  const species = [2, 9].map((column) => model.data.species[column]!)
  const displacement = await model.displacement({ species, levels: [1, 4], check: false })
  const elements = [
    { factor: 2, species: 9 },
    { factor: 0, species: 4 },
  ]
  const resampled = await model.bootstrapDisplacement({ runs: 3, elements, levels: [0.5, 1] })
  const bootstrapDisplacement = { ...resampled, status: 'aborted' as const }
  const summary = summarizeErrors(model, { standardErrors, bootstrap, displacement, bootstrapDisplacement })
  expect(summary.elements).toHaveLength(3 * model.data.columns)
  let [displaced, inResamples] = [0, 0]
  for (const [at, one] of summary.elements.entries()) {
    const [k, j] = [Math.floor(at / model.data.columns), at % model.data.columns]
    expect([one.factor, one.column]).toEqual([k, j])
    expect([one.factorName, one.species]).toEqual([['salt', 'soil', 'smoke'][k], model.data.species[j]])
    expect(one.base).toBe(model.profiles.get(k, j))
    const error = standardErrors.profiles.get(k, j)
    expect(one.laplace).toEqual({
      standardError: error,
      sandwichError: standardErrors.profilesSandwich.get(k, j),
      lower: one.base - 1.96 * error,
      upper: one.base + 1.96 * error,
      ...(standardErrors.weakZeros.some((zero) => zero.factor === k && zero.species === j) ? { weakZero: true } : {}),
    })
    const { count, mean, deviation, quantiles } = bootstrap.statistics
    expect(one.bootstrap).toEqual({
      count: count.get(k, j),
      mean: mean.get(k, j),
      deviation: deviation.get(k, j),
      q5: quantiles['5'].get(k, j),
      q25: quantiles['25'].get(k, j),
      median: quantiles['50'].get(k, j),
      q75: quantiles['75'].get(k, j),
      q95: quantiles['95'].get(k, j),
    })
    const interval = displacement.elements.find((element) => element.factor === k && element.column === j)?.levels
    expect(one.displacement).toEqual(interval)
    const wide = resampled.elements.find((element) => element.factor === k && element.column === j)?.levels
    expect(one.bootstrapDisplacement).toEqual(wide)
    if (one.displacement) displaced++
    if (one.bootstrapDisplacement) inResamples++
  }
  expect([displaced, inResamples]).toEqual([6, 2])
  expect(summary.elements.some(({ laplace }) => laplace!.weakZero)).toBe(true)
  expect(summary.factors.map((one) => one.bootstrap)).toEqual(
    bootstrap.mapping.map(({ mapped, unmapped }) => ({ mapped, unmapped })),
  )
  expect(summary.factors[1]!.displacementSwaps).toEqual(
    displacement.swaps.map(({ level, counts }) => ({ level, count: counts[1] })),
  )
  expect([summary.displacementLevels, summary.bootstrapDisplacementLevels]).toEqual([
    [1, 4],
    [0.5, 1],
  ])
  expect(summary.incomplete).toEqual(['bootstrapDisplacement'])
  expect(structuredClone(summary)).toEqual(summary)
  // JSON has null where a number is not known.
  const zero = summary.elements.findIndex(({ laplace }) => Number.isNaN(laplace!.standardError))
  expect(JSON.parse(JSON.stringify(summary)).elements[zero].laplace.standardError).toBe(null)
})

test('elements that a bootstrap was not asked for have none', async () => {
  const model = await base()
  const bootstrap = await model.bootstrap({ runs: 2, elements: [{ factor: 1, species: 3 }] })
  const { elements } = summarizeErrors(model, { bootstrap })
  expect(elements.flatMap((one) => (one.bootstrap ? [[one.factor, one.column]] : []))).toEqual([[1, 3]])
})

test('what was not run is absent', async () => {
  const model = await base()
  const { elements, factors, incomplete } = summarizeErrors(model, {})
  expect(Object.keys(elements[0]!)).toEqual(['factor', 'factorName', 'species', 'column', 'base'])
  expect(factors[0]).toEqual({ factor: 0, factorName: 'factor 1' })
  expect(incomplete).toEqual([])
})

test('estimates of another model are refused, all at once', async () => {
  const [model, other] = [await base(), await factorize(epaData('stlouis'), { factors: 4, seed: 1, starts: 4 })]
  const standardErrors = await other.standardErrors()
  const displacement = await other.displacement({ elements: [{ factor: 3, species: 0 }], levels: [4], check: false })
  expect(() => summarizeErrors(model, { standardErrors, displacement })).toThrow(
    /3 problems:[^]*standardErrors is of 4 × 13 profiles[^]*factor 3[^]*another number of factors/,
  )
})
