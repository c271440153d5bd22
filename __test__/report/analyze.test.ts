import { expect, test } from 'vitest'
import { analyze, factorize, Matrix } from '../../index.ts'
import { noise } from '../native/problem.ts'

/** W H = [[2, 1], [4, 5], [6, 3]]; one value is missing, one cell is off by 4 uncertainties. */
const data = {
  values: [
    [2.5, 1],
    [NaN, 5],
    [6, 7],
  ],
  uncertainties: [
    [0.5, 1],
    [1, 1],
    [1, 1],
  ],
  species: ['a', 'b'],
}
const model = {
  contributions: [
    [1, 0],
    [1, 2],
    [3, 0],
  ],
  profiles: [
    [2, 1],
    [1, 2],
  ],
}

test('residuals, fit and shares are those of the definitions', async () => {
  const found = await analyze(data, model)
  expect(found.residuals.toJSON()).toEqual([
    [0.5, 0],
    [null, 0],
    [0, 4],
  ])
  expect(found.scaledResiduals.toJSON()).toEqual([
    [1, 0],
    [null, 0],
    [0, 4],
  ])
  expect(found).toMatchObject({ q: 17, cells: 5, qExpected: 5 - 2 * 5 })
  expect(found.species.map(({ species, cells, q }) => [species, cells, q])).toEqual([
    ['a', 2, 1],
    ['b', 3, 16],
  ])
  // Qexp is negative here, so nothing can be over it; a line needs three points.
  expect(found.species[0]).not.toHaveProperty('qOverExpected')
  expect(found.species[0]).not.toHaveProperty('regression')
  expect(found.species[1]!.regression!.cells).toBe(3)
  expect(found.samples.map(({ q }) => q)).toEqual([1, 0, 16])
  expect(found.largeResiduals).toEqual([{ sample: 2, species: 1, scaled: 4 }])
  // Sums of contributions: 5 and 2.
  const percent = [100 * (10 / 12), 100 * (5 / 9), 100 * (2 / 12), 100 * (4 / 9)]
  percent.forEach((value, at) => expect(found.percentOfSpecies.data[at]).toBeCloseTo(value, 12))
  expect([...found.mass]).toEqual([15, 6])
  for (const j of [0, 1]) {
    const explained = found.explainedVariation.get(0, j) + found.explainedVariation.get(1, j)
    expect(explained + found.unexplainedVariation[j]!).toBeCloseTo(1, 12)
  }
})

test('Q is that of the fit, and the analysis passes through structuredClone', async () => {
  const measured = noise(40, 8)
  const fitted = await factorize(measured, { factors: 3, starts: 2 })
  const found = await analyze(measured, fitted)
  expect(found.q).toBeCloseTo(fitted.qTrue, 6)
  expect(found.qExpected).toBe(fitted.qExpected)
  const clone = structuredClone(found)
  expect(clone.scaledResiduals.data).toEqual(found.scaledResiduals.data)
  expect(Matrix.from(clone.percentOfSpecies).rowNames).toEqual(['factor 1', 'factor 2', 'factor 3'])
})

test('what cannot be analysed is refused', async () => {
  await expect(analyze(data, { ...model, profiles: [[1, 2]] })).rejects.toMatchObject({ code: 'start-shape-mismatch' })
  await expect(
    analyze(data, {
      ...model,
      profiles: [
        [1, 2],
        [Infinity, 1],
      ],
    }),
  ).rejects.toMatchObject({
    code: 'value-not-finite',
    row: 1,
    col: 0,
  })
  await expect(
    analyze(
      {
        ...data,
        uncertainties: [
          [1, 1],
          [1, 0],
          [1, 1],
        ],
      },
      model,
    ),
  ).rejects.toMatchObject({
    code: 'uncertainty-not-positive',
    row: 1,
    col: 1,
  })
  await expect(analyze(data, model, { sign: 1 } as never)).rejects.toMatchObject({ code: 'option-unknown' })
  await expect(analyze(data, model, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
})
