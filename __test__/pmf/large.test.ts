/** More unknowns than the Hessian is formed for: the certificate from its products. */
import { expect, test } from 'vitest'
import { factorize, Matrix } from '../../index.ts'
import { random } from './zoo.ts'

test('a fit too large for a formed Hessian is certified, and its curvature is a bound that is never called positive', async () => {
  const [rows, cols, factors] = [660, 620, 5]
  const next = random(11)
  const exponential = (zeros: number): number => (next() < zeros ? 0 : -Math.log(1 - next()))
  const w = Float64Array.from({ length: rows * factors }, () => exponential(0.2))
  const h = Float64Array.from({ length: factors * cols }, () => exponential(0.4))
  const values = new Matrix(rows, cols, new Float64Array(rows * cols))
  const uncertainties = new Matrix(rows, cols, new Float64Array(rows * cols))
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      let fit = 0
      for (let k = 0; k < factors; k++) fit += w[i * factors + k]! * h[k * cols + j]!
      const u = 0.05 + 0.1 * fit
      values.data[i * cols + j] = fit + u * (next() + next() + next() - 1.5) * 2
      uncertainties.data[i * cols + j] = u
    }
  }
  const model = await factorize({ values, uncertainties }, { factors, starts: 1, seed: 1 })
  expect(model.status).toBe('converged')
  const { minCurvature, newtonDecrement, unit } = model.certificate
  expect(newtonDecrement).toBeLessThanOrEqual(1e-4 * unit)
  expect(minCurvature).toEqual({
    bound: expect.any(Number),
    confidence: 0.999,
    products: 100,
    smallestSeen: expect.any(Number),
  })
  if (typeof minCurvature !== 'object') return
  expect(minCurvature.bound).toBeLessThan(0)
  expect(minCurvature.bound).toBeLessThanOrEqual(minCurvature.smallestSeen)

  // From a point near by, a descent of another kind ends at the same minimum, and never below it.
  const near = (matrix: Matrix): Matrix =>
    new Matrix(
      matrix.rows,
      matrix.cols,
      matrix.data.map((x) => x * (1 + 0.02 * next())),
    )
  const initial = { contributions: near(model.contributions), profiles: near(model.profiles) }
  const other = await factorize({ values, uncertainties }, { factors, initial, method: 'hals' })
  expect(other.status).toBe('converged')
  expect(Math.abs(other.q / model.q - 1)).toBeLessThan(1e-12)
})
