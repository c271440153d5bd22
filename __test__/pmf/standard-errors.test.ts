/** Standard errors through the API. */
import { expect, test } from 'vitest'
import { factorize, Factorization } from '../../index.ts'
import { noise } from '../native/problem.ts'
import { fixture } from '../reference/load.ts'
import { epaData, spoilt } from './sources.ts'

interface Golden {
  solutions: { set: string; p: number; H: number[][]; H_se: (number | null)[][] }[]
}

test.each([
  ['stlouis', 6],
  ['stlouis', 7],
  ['baltimore', 4],
  ['batonrouge', 4],
])('profiles of %s with %i factors have the golden standard errors', async (set, p) => {
  const expected = fixture<Golden>('golden.json').solutions.find((one) => one.set === set && one.p === p)!
  const model = await factorize(epaData(set), { factors: p, seed: 1 })
  const errors = await model.standardErrors()
  let worst = 0
  expected.H_se.forEach((row, k) =>
    row.forEach((se, j) => {
      const found = errors.profiles.get(k, j)
      if (se === null) expect(found).toBeNaN()
      else worst = Math.max(worst, Math.abs(found / se - 1))
    }),
  )
  expect(worst).toBeLessThan(1e-4)
  expect(errors.profilesSandwich.rows).toBe(p)
  expect(errors.sandwichRatio).toBeGreaterThan(0)
  // What is said of a zero is said of a zero.
  for (const { factor, species } of errors.weakZeros) expect(model.profiles.get(factor, species)).toBe(0)
})

test('values of shares and totals are those of the profiles', async () => {
  const species = ['a', 'b', 'c', 'd', 'e', 'mass']
  const model = await factorize({ ...spoilt(), species }, { factors: 2, seed: 1, starts: 5 })
  const all = await model.standardErrors()
  const sum = (k: number): number => model.profiles.row(k).reduce((a, b) => a + b)
  for (const k of [0, 1]) {
    expect(all.totals.value.get(k, 0)).toBeCloseTo(sum(k), 10)
    expect(all.shareOfFactor.value.get(k, 1)).toBeCloseTo(model.profiles.get(k, 1) / sum(k), 10)
    const whole = model.profiles.get(0, 1) + model.profiles.get(1, 1)
    expect(all.shareOfSpecies.value.get(k, 1)).toBeCloseTo(model.profiles.get(k, 1) / whole, 10)
  }
  expect(all.total).toBeUndefined()
  const mass = await model.standardErrors({ total: 'mass' })
  expect(mass.total).toBe('mass')
  expect(mass.totals.value.get(0, 0)).toBeCloseTo(model.profiles.get(0, 5), 10)
  expect(mass.totals.error.get(0, 0)).toBeCloseTo(mass.profiles.get(0, 5), 10)
})

test("scale 'Q/ν' multiplies by √(Q/ν), and names go with the matrices", async () => {
  const model = await factorize({ ...spoilt(), species: [...'abcdef'] }, { factors: 2, starts: 5 })
  const plain = await model.standardErrors()
  const scaled = await model.standardErrors({ scale: 'Q/ν', block: 2 })
  const by = Math.sqrt(model.q / model.degreesOfFreedom)
  expect(plain.reducedQ).toBeCloseTo(by * by, 8)
  const at = plain.contributions.data.findIndex((error) => error > 0)
  expect(scaled.contributions.data[at]! / plain.contributions.data[at]!).toBeCloseTo(by, 8)
  expect(scaled).toMatchObject({ scale: 'Q/ν', block: 2 })
  expect(plain.profiles.colNames).toEqual([...'abcdef'])
  expect(plain.profiles.rowNames).toEqual(['factor 1', 'factor 2'])
  expect(plain.contributions.rowNames?.[0]).toBe('sample 1')
})

test('the error of an element at zero is null in JSON', async () => {
  const model = await factorize(epaData('stlouis'), { factors: 6, seed: 1, starts: 5 })
  const errors = await model.standardErrors()
  const zero = model.profiles.data.indexOf(0)
  expect(zero).toBeGreaterThanOrEqual(0)
  const json = JSON.parse(JSON.stringify(errors)) as { profiles: (number | null)[][] }
  expect(json.profiles.flat()[zero]).toBeNull()
})

test('where the Hessian is not positive definite there are no errors, and a warning says why', async () => {
  const data = epaData('stlouis')
  const model = await factorize(data, { factors: 6, maxIterations: 3, starts: 1 })
  expect(model.status).not.toBe('converged')
  const errors = await model.standardErrors()
  expect(errors.warnings.map(({ code }) => code)).toEqual(['standard-errors-not-positive'])
  expect(errors.profiles.data.every(Number.isNaN)).toBe(true)
  expect(errors).not.toHaveProperty('sandwichRatio')
})

test('a model without its data says how to attach them, and takes only the right ones', async () => {
  const data = noise(30, 5)
  const model = await factorize(data, { factors: 2, starts: 3 })
  const expected = await model.standardErrors()
  const alone = Factorization.fromJSON(JSON.stringify(model))
  await expect(alone.standardErrors()).rejects.toMatchObject({ code: 'data-needed' })
  await expect(alone.cellWeights()).rejects.toThrow(/withData/)
  expect(await alone.withData(data).standardErrors()).toEqual(expected)
  expect(() => alone.withData(noise(30, 5, 2))).toThrow(/other data/)
  expect(await model.withFactorNames(['x', 'y']).standardErrors()).toMatchObject({
    profiles: { rowNames: ['x', 'y'], data: expected.profiles.data },
  })
})

test('what the caller does to his arrays after the fit does not matter', async () => {
  const data = noise(30, 5)
  const model = await factorize(data, { factors: 2, starts: 3 })
  const before = await model.standardErrors()
  data.values.data.fill(1)
  expect(await model.standardErrors()).toEqual(before)
})

test('wrong options come back at once', async () => {
  const model = await factorize({ ...noise(30, 3), species: ['Fe', 'Zn', 'mass'] }, { factors: 2, starts: 3 })
  const call = model.standardErrors({ scale: 'q' as never, total: 'mas', block: 0 })
  await expect(call).rejects.toThrow(/scale must be one of[^]*block must be a whole number[^]*did you mean "mass"/)
})

test('the number of threads does not change a bit', async () => {
  const model = await factorize(epaData('stlouis'), { factors: 4, seed: 1, starts: 3 })
  expect(await model.standardErrors({ threads: 1 })).toEqual(await model.standardErrors({ threads: 2 }))
})
