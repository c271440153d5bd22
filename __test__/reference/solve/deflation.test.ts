/** Deflation, exponentials and preconditioners of the reference against their definitions. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cg } from './cg.ts'
import { deflatedCg } from './deflation.ts'
import { adjoint, apply, combine, complex, diagonal, distance, dot, identity, matrixFrom, minus, multiply, norm, vector, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { hermitianEigen } from './eigen.ts'
import { expm, propagator } from './exponential.ts'
import { cholesky, choleskySolve, solve } from './factor.ts'
import { geometric, noise, Reflected } from './formulas.ts'
import { incompleteCholesky, schur, thresholdCholesky } from './precondition.ts'
import { poisson } from './graph.ts'
import { exponential } from './propagate.ts'
import { random, type Random } from './random.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const draw = (next: Random, rows: number, cols: number = 1): Matrix => matrixFrom(rows, cols, () => complex(next.normal(), next.normal())) // prettier-ignore
const definite = (next: Random, n: number): Matrix => {
  const g = draw(next, n, n)
  return combine(multiply(g, adjoint(g)), 1, identity(n))
}
const columnOf = (m: Matrix, j: number): Vector => ({ re: m.re.filter((_, k) => k % m.cols === j), im: m.im.filter((_, k) => k % m.cols === j) }) // prettier-ignore

test('a deflated iterate is the closest in energy within the space and the Krylov space; no space is plain CG', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 5, max: 9 }), (seed, n) => {
      const next = random(seed)
      const [a, b, w] = [definite(next, n), draw(next, n), draw(next, n, 2)]
      const steps = 1 + (seed % (n - 4))
      const x = deflatedCg(a, w, b, { maxIterations: steps, rtol: 0 }).x
      const r = minus(b, apply(a, x))
      // Galerkin: the residual is orthogonal to W and to the residuals before it.
      const earlier = Array.from({ length: steps }, (_, k) => minus(b, apply(a, deflatedCg(a, w, b, { maxIterations: k, rtol: 0 }).x))) // prettier-ignore
      for (const direction of [columnOf(w, 0), columnOf(w, 1), ...earlier]) {
        const { re, im } = dot(direction, r)
        expect(Math.hypot(re, im)).toBeLessThan(1e-9 * norm(direction) * norm(b))
      }
      const full = deflatedCg(a, w, b, { rtol: 1e-11 })
      expect(distance(full.x, solve(a, b)!)).toBeLessThan(1e-7)
    }),
    { numRuns: 30 },
  )
  const a = diagonal([1, 2, 3, 4, 1e4])
  const b = vector([1, 1, 1, 1, 1])
  const unit = matrixFrom(5, 1, (i) => (i === 4 ? 1 : 0))
  // Without the outlier there are four eigenvalues left.
  expect(deflatedCg(a, unit, b).iterations).toBe(4)
  const zero = cg((x) => apply(a, x), b).iterations
  expect(zero).toBeGreaterThanOrEqual(5)
})

test('the exponential is that of the eigenvalues, and of a nilpotent matrix its polynomial', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 7 }), (seed, n) => {
      const next = random(seed)
      const g = draw(next, n, n)
      const [h, psi] = [combine(g, 1, adjoint(g)), draw(next, n)]
      expect(distance(apply(propagator(h, 1.3), psi), exponential(h, 1.3, psi))).toBeLessThan(1e-12)
    }),
    { numRuns: 30 },
  )
  const nilpotent = expm(matrixFrom(3, 3, (i, j) => (j === i + 1 ? 4 : 0)))
  expect([...nilpotent.re].map((value) => Math.round(value * 1e10) / 1e10)).toEqual([1, 4, 8, 0, 1, 4, 0, 0, 1])
})

test('a Schur complement solves the whole; ICT without dropping is Cholesky, without fill as long as A', () => {
  const next = random(3)
  const a = definite(next, 9)
  const part = (from: number, to: number, left: number, right: number): Matrix =>
    matrixFrom(to - from, right - left, (i, j) => ({ re: a.re[(from + i) * 9 + left + j]!, im: a.im[(from + i) * 9 + left + j]! })) // prettier-ignore
  const b = draw(next, 9)
  const { precondition, s } = schur(part(0, 6, 0, 6), part(0, 6, 6, 9), part(6, 9, 6, 9))
  expect(distance(precondition(b), solve(a, b)!)).toBeLessThan(1e-12)
  expect('l' in cholesky(s)).toBe(true)
  const l = thresholdCholesky(a, 0, 9)!
  expect(distance(choleskySolve(l, b), solve(a, b)!)).toBeLessThan(1e-12)
  const grid = poisson(5)
  const factor = thresholdCholesky(grid, 0, 0)!
  // With no fill a row keeps as many elements as A's has.
  const zero = incompleteCholesky(grid).l
  const places = (m: Matrix): number => m.re.filter((value) => value !== 0).length
  expect(places(factor)).toBe(places(zero))
  expect(thresholdCholesky(diagonal([1, -1]), 0, 0)).toBeUndefined()
})

test('a matrix of reflections has its spectrum', () => {
  const form = new Reflected(geometric(12, 50), true)
  const columns = Array.from({ length: 12 }, (_, j) => form.map(vector(Array.from({ length: 12 }, (_, k) => (k === j ? 1 : 0))))) // prettier-ignore
  const a = matrixFrom(12, 12, (i, j) => ({ re: columns[j]!.re[i]!, im: columns[j]!.im[i]! }))
  hermitianEigen(a, false).values.forEach((value, k) => expect(value).toBeCloseTo(form.values[k]!, 10))
  const b = vector(noise(12, 1), noise(12, 2))
  expect(distance(form.map(form.map(b), (value) => 1 / value), b)).toBeLessThan(1e-14) // prettier-ignore
})
