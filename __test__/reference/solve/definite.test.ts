/** The reference against the fixtures of definite, indefinite and singular systems; tolerances of their README. */
import { describe, expect, test } from 'vitest'
import { cg } from './cg.ts'
import { apply, diagonal, distance, dot, hermitianDefect, minus, norm, plus, trueResidual, vector, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { hermitianEigen, inertia } from './eigen.ts'
import { cholesky, choleskySolve, solve } from './factor.ts'
import { laplacian } from './graph.ts'
import { cases, matrixOf, vectorOf, type Ref } from './load.ts'
import { minres } from './minres.ts'
import { jacobi } from './precondition.ts'

interface Case {
  name: string
  kappa?: number
  A: Ref
  b: Ref
  x: Ref
  eigenvalues?: Ref
  iterations?: Record<string, { cg: number; jacobi_pcg?: number; true_rel: number; bound?: number }>
}
const all = cases<{ cases: (Case & Record<string, unknown>)[] }>('definite').cases
const named = <T>(name: string): T => all.find((entry) => entry.name === name) as T
const read = (entry: Case): { a: Matrix; b: Vector; x: Vector } => ({
  a: matrixOf('definite', entry.A),
  b: vectorOf('definite', entry.b),
  x: vectorOf('definite', entry.x),
})
const operator = (a: Matrix) => (x: Vector) => apply(a, x)

for (const entry of all.filter(({ iterations }) => iterations !== undefined)) {
  describe(entry.name, () => {
    const { a, b, x } = read(entry)
    const eigenvalues = vectorOf('definite', entry.eigenvalues!).re

    test('the stored solution is the refined direct one, by LU and by Cholesky', () => {
      const kappa = entry.kappa ?? 40
      // Stored solutions were refined with residuals of 64-bit mantissa, so that they are off by up to κ 2⁻⁶⁴.
      expect(distance(solve(a, b)!, x)).toBeLessThan(3e-16 + kappa * 2 ** -64)
      const factor = cholesky(a)
      if (!('l' in factor)) throw new Error(`pivot ${factor.failedAt}`)
      expect(distance(choleskySolve(factor.l, b), x)).toBeLessThan(1e-15 * kappa)
    })

    test('the matrix is Hermitian and has the stored spectrum', () => {
      expect(hermitianDefect(a)).toBe(0)
      const stored = Float64Array.from(eigenvalues).sort()
      const { values, vectors } = hermitianEigen(a)
      const largest = stored.at(-1)!
      // Stored are the numbers that the matrix was made from, before its elements were rounded.
      values.forEach((value, k) => expect(Math.abs(value - stored[k]!)).toBeLessThan(4e-16 * a.cols * largest))
      for (const k of [0, stored.length - 1]) {
        const column = {
          re: vectors.re.filter((_, i) => i % a.cols === k),
          im: vectors.im.filter((_, i) => i % a.cols === k),
        }
        expect(norm(plus(apply(a, column), -values[k]!, column))).toBeLessThan(1e-13 * largest)
      }
    })

    for (const [rtol, stored] of Object.entries(entry.iterations!)) {
      test(`CG to ${rtol} takes the stored number of iterations and gives the stored solution`, () => {
        const run = cg(operator(a), b, { rtol: Number(rtol) })
        expect(run.stopped).toBe('tolerance')
        // The order of the sums alone moves the count: spd_k1e3 to 1e-10 takes 125 (stored, pairwise sums), 127 (long
        // sums), 128 or 129 iterations; spd_k1e6 453 (long sums) to 547 (here), 523 stored. So 2 more is too tight a bound.
        const large = (entry.kappa ?? 0) > 1e3
        const near = (found: number, count: number): void => {
          expect(found).toBeLessThanOrEqual(large ? 1.15 * count : count + 4)
          expect(found).toBeGreaterThanOrEqual(large ? 0.85 * count : count - 4)
        }
        near(run.iterations, stored.cg)
        expect(trueResidual(a, run.x, b)).toBeLessThanOrEqual(Number(rtol))
        const eigen = eigenvalues
        const kappa = Math.max(...eigen) / Math.min(...eigen)
        expect(distance(run.x, x)).toBeLessThan(10 * kappa * Number(rtol))
        if (stored.bound !== undefined) expect(run.iterations).toBeLessThanOrEqual(stored.bound)
        if (stored.jacobi_pcg !== undefined) {
          const pcg = cg(operator(a), b, { rtol: Number(rtol), precondition: jacobi(a) })
          near(pcg.iterations, stored.jacobi_pcg)
        }
        const flexible = cg(operator(a), b, { rtol: Number(rtol), flexible: true })
        // The other form of β loses orthogonality in its own way: 132 for 125.
        expect(flexible.iterations).toBeLessThanOrEqual(1.15 * stored.cg)
        expect(distance(flexible.x, x)).toBeLessThan(10 * kappa * Number(rtol))
      })
    }
  })
}

test('accuracy_limit: the recurrence of CG converges, its iterate does not', () => {
  type Limit = Case & { rtol: number; recurrence_only_cg: { iterations: number; true_rel: number }; residual_of_rounded_x: number } // prettier-ignore
  const entry = named<Limit>('accuracy_limit')
  const { a, b, x } = read(entry)
  const run = cg(operator(a), b, { rtol: entry.rtol, maxIterations: 1000 })
  expect(run.stopped).toBe('tolerance')
  expect(Math.abs(run.iterations / entry.recurrence_only_cg.iterations - 1)).toBeLessThan(0.1)
  // The floor is a matter of rounding: its size is stored, not its digits.
  const residual = trueResidual(a, run.x, b)
  expect(residual).toBeGreaterThan(entry.recurrence_only_cg.true_rel / 5)
  expect(residual).toBeLessThan(entry.recurrence_only_cg.true_rel * 5)
  // Here that is seen: an exact rational solution agrees with ours to the last bit, and is 1.8e-13 from the stored one.
  expect(distance(solve(a, b)!, x)).toBeLessThan(entry.kappa! * 2 ** -64)
  expect(Math.abs(trueResidual(a, x, b) / entry.residual_of_rounded_x - 1)).toBeLessThan(0.2)
})

test('diag_minus_one: the second direction of CG has negative curvature, minimal residuals do not care', () => {
  type Diagonal = { A_diagonal: number[]; b: number[]; own: { iterations: number }; minres_x: number[] }
  const entry = named<Diagonal>('diag_minus_one')
  const a = diagonal(entry.A_diagonal)
  const b = vector(entry.b)
  const run = cg(operator(a), b)
  expect([run.stopped, run.iterations]).toEqual(['curvature', entry.own.iterations])
  const fine = minres(operator(a), b)
  expect(fine.stopped).toBe('tolerance')
  expect(distance(fine.x, vector(entry.minres_x))).toBeLessThan(1e-12)
})

test('indefinite: inertia, where CG stops, and minimal residuals to 1e-10', () => {
  const entry = named<Case & { negative_eigenvalues: number; cg_own: { iterations: number } }>('indefinite')
  const { a, b, x } = read(entry)
  expect(inertia(hermitianEigen(a).values, 1e-12).negative).toBe(entry.negative_eigenvalues)
  expect(cholesky(a)).toHaveProperty('failedAt')
  const run = cg(operator(a), b)
  expect([run.stopped, run.iterations]).toEqual(['curvature', entry.cg_own.iterations])
  const fine = minres(operator(a), b)
  expect(trueResidual(a, fine.x, b)).toBeLessThanOrEqual(1e-10)
  expect(distance(solve(a, b)!, x)).toBeLessThan(1e-15)
})

test('ring_laplacian_singular: CG within the range gives the minimum-norm solution; off it there is none', () => {
  type Ring = { n: number; edges: [number, number][]; weights: number[]; b_consistent: number[]; x_minimum_norm: number[]; b_inconsistent: number[]; inconsistency_norm: number } // prettier-ignore
  const entry = named<Ring>('ring_laplacian_singular')
  const { n, edges, weights } = entry
  const a = laplacian({ n, edges, weights })
  const constant = vector(Array<number>(n).fill(1 / Math.sqrt(n)))
  const project = (x: Vector): Vector => plus(x, -dot(constant, x).re, constant)
  const run = cg(operator(a), project(vector(entry.b_consistent)), { rtol: 1e-13, precondition: project })
  expect(distance(run.x, vector(entry.x_minimum_norm))).toBeLessThan(1e-12)
  const bad = vector(entry.b_inconsistent)
  expect(Math.abs(dot(constant, bad).re) / entry.inconsistency_norm).toBeCloseTo(1, 12)
  // The best any x can do is to leave the null component.
  const best = minres(operator(a), project(bad), { rtol: 1e-13 })
  expect(norm(minus(bad, apply(a, best.x))) / entry.inconsistency_norm).toBeCloseTo(1, 10)
})
