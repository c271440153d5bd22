/** The bars of time evolution and of gradients through solves, with their numbers; each against the dense reference. */
import { describe, expect, test } from 'vitest'
import { Cayley, dense, evolveSync, graph, solveJvpSync, solveVjpSync, type Graph } from '../../src-ts/solve/index.ts'
import { adjoint, apply, combine, complex, distance, identity, matrixFrom, multiply, norm, scaled, type Matrix } from '../reference/solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { propagator } from '../reference/solve/exponential.ts'
import { noise } from '../reference/solve/formulas.ts'
import { laplacian } from '../reference/solve/graph.ts'
import { energy } from '../reference/solve/propagate.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { numbers, vectorOf } from './pose.ts'

const seed = chooseSeed()
const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => Array.from(x).reduce((sum, value, k) => sum + value * y[k]!, 0) // prettier-ignore

/** A graph of either kind, its matrix and a state of norm 1. */
function posed(magnetic: boolean): { walk: Graph; h: Matrix; psi: Float64Array<ArrayBuffer> } {
  const plain = graph.smallWorld(24, { neighbours: 4, rewiring: 0.3, seed: 7 })
  const walk = magnetic ? plain.withFluxes(noise(plain.size, 3)) : plain
  const h = laplacian({ n: 24, edges: walk.edges, weights: walk.weights, ...(magnetic ? { flux: walk.fluxes! } : {}) })
  const state = { re: noise(24, 1), im: noise(24, 2) }
  return { walk, h, psi: numbers(scaled(1 / norm(state), state), true) as Float64Array<ArrayBuffer> }
}

describe.each([false, true])('time evolution (fluxes: %s)', (magnetic) => {
  const { walk, h, psi } = posed(magnetic)
  const largest = hermitianEigen(h, false).values.at(-1)!

  test('order 2.00 ± 0.03 over five halvings, and the error that dt² t/12 ‖H³ψ‖ predicts, within 1 %', () => {
    const t = 1
    const exact = apply(propagator(h, t), vectorOf(psi, true))
    const first = Math.ceil((largest * t) / 0.3)
    const errors = [0, 1, 2, 3, 4, 5].map(
      (k) =>
      distance(vectorOf(new Cayley(walk, { dt: t / (first << k) }).stepSync(psi, { steps: first << k }).psi, true), exact), // prettier-ignore
    )
    for (let k = 1; k < 6; k++) expect(Math.abs(Math.log2(errors[k - 1]! / errors[k]!) - 2)).toBeLessThan(0.03)
    const cube = multiply(h, multiply(h, h))
    const predicted = ((t / (first << 5)) ** 2 * t * norm(apply(cube, vectorOf(psi, true)))) / 12
    expect(Math.abs(errors[5]! / predicted - 1)).toBeLessThan(0.01)
    expect(distance(vectorOf(evolveSync(walk, psi, t, { rtol: 1e-14 }).psi, true), exact)).toBeLessThan(1e-12)
  })

  test('all solvers take the same step to 1e-11, and a step back undoes it to 1e-12', () => {
    const solvers = ['direct', 'galerkin', 'cgw', 'cgnr', ...(magnetic ? [] : (['cocg'] as const))] as const
    const ends = solvers.map((solver) => {
      const options = { solver, rtol: 1e-13 }
      const there = new Cayley(walk, { dt: 0.4, ...options }).stepSync(psi)
      expect([there.converged, there.worstResidual <= 1e-13]).toEqual([true, true])
      const back = new Cayley(walk, { dt: -0.4, ...options }).stepSync(there.psi)
      expect(distance(vectorOf(back.psi, true), vectorOf(psi, true))).toBeLessThan(1e-12)
      return vectorOf(there.psi, true)
    })
    for (const end of ends) expect(distance(end, ends[0]!)).toBeLessThan(1e-11)
  })

  test('the norm drifts by less than 1e-12 in a thousand direct steps and 1e-11 in iterative ones', () => {
    for (const [solver, most] of [['direct', 1e-12], ['galerkin', 1e-11], ['cgnr', 1e-11]] as const) {
      const run = new Cayley(walk, { dt: 0.3, solver, rtol: 1e-13 }).stepSync(psi, { steps: 1000 })
      expect([run.converged, run.residuals.length]).toEqual([true, 1000])
      expect(Math.abs(Math.hypot(...run.psi) - 1)).toBeLessThan(most)
      expect(Math.abs(run.normDefect)).toBeLessThan(most)
    } // prettier-ignore
  })

  test('two Galerkin iterations a step keep norm and energy to rounding, and are nowhere near: the residual says so', () => {
    const dt = 10 / largest
    const wrong = new Cayley(walk, { dt, solver: 'galerkin', maxIterations: 2, allowInexact: true }).stepSync(psi, { steps: 100 }) // prettier-ignore
    const right = new Cayley(walk, { dt, solver: 'direct' }).stepSync(psi, { steps: 100 })
    expect(Math.abs(wrong.normDefect)).toBeLessThan(1e-13)
    const [before, after] = [psi, wrong.psi].map((state) => energy((x) => apply(h, x), vectorOf(state, true)))
    expect(Math.abs(after! - before!)).toBeLessThan(1e-12)
    expect(Math.abs(wrong.energyDefect! - (after! - before!))).toBeLessThan(1e-12)
    expect(distance(vectorOf(wrong.psi, true), vectorOf(right.psi, true))).toBeGreaterThan(0.5)
    expect(wrong.worstResidual).toBeGreaterThan(0.1)
    expect(wrong.converged).toBe(false)
  })
})

describe('gradients through x = A⁻¹b, A(θ) = A₀ + Σ θ_k A_k complex Hermitian, b(θ) complex', () => {
  const [n, count] = [14, 10]
  const next = random(seed, 5)
  const draw = (rows: number, cols: number): Matrix => matrixFrom(rows, cols, () => complex(next.normal(), next.normal())) // prettier-ignore
  const hermitian = (): Matrix => {
    const g = draw(n, n)
    return scaledMatrix(0.5 / Math.sqrt(n), combine(g, 1, adjoint(g)))
  }
  const scaledMatrix = (by: number, a: Matrix): Matrix => ({ ...a, ...scaled(by, a) })
  const base = draw(n, n)
  const a0 = combine(scaledMatrix(1 / n, multiply(base, adjoint(base))), 3, identity(n))
  const [parts, rights, b0] = [Array.from({ length: count }, hermitian), Array.from({ length: count }, () => draw(n, 1)), draw(n, 1)] // prettier-ignore
  const theta = Array.from({ length: count }, () => 0.1 * next.normal())
  const target = numbers(draw(n, 1), true)
  const at = (values: readonly number[]): { A: ReturnType<typeof dense>; b: Float64Array } => ({
    A: dense({ rows: n, cols: n, data: numbers(parts.reduce((sum, part, k) => combine(sum, values[k]!, part), a0), true), dtype: 'complex128' }), // prettier-ignore
    b: numbers(
      rights.reduce((sum, right, k) => combine(sum, values[k]!, right), b0),
      true,
    ),
  })
  const options = { rtol: 1e-13 }
  /** log(1 + ½‖x − t‖²): not quadratic, so that differences show their order. */
  const loss = (x: Float64Array): number => Math.log(1 + 0.5 * x.reduce((sum, value, k) => sum + (value - target[k]!) ** 2, 0)) // prettier-ignore
  const bar = (x: Float64Array): Float64Array<ArrayBuffer> => {
    const size = Math.exp(loss(x))
    return Float64Array.from(x, (value, k) => (value - target[k]!) / size)
  }
  const value = (values: readonly number[]): number => {
    const { A, b } = at(values)
    return loss(solveVjpSync({ method: 'cg', A, b, cotangent: bar, options }).x)
  }
  const { A, b } = at(theta)
  const out = solveVjpSync({ method: 'cg', A, b, cotangent: bar, options })
  const gradient = parts.map((part, k) => dot(out.matrix!, numbers(part, true)) + dot(out.rhs, numbers(rights[k]!, true))) // prettier-ignore
  const moved = (k: number, by: number): number[] => theta.map((old, j) => (j === k ? old + by : old))
  const slope = (k: number, h: number): number => (value(moved(k, h)) - value(moved(k, -h))) / (2 * h)

  test('all ten parameters agree with central differences to 1e-6', () => {
    const size = Math.hypot(...gradient)
    for (let k = 0; k < count; k++) expect(Math.abs(slope(k, 1e-5) - gradient[k]!)).toBeLessThan(1e-6 * size)
  })

  test('the error of the differences falls by 4 ± 0.2 when the step is halved', () => {
    // A parameter may have no third derivative to speak of; most have.
    const ratios = gradient.map((value, k) => (slope(k, 4e-3) - value) / (slope(k, 2e-3) - value))
    expect(ratios.filter((ratio) => Math.abs(ratio - 4) < 0.2).length).toBeGreaterThanOrEqual(8)
  })

  test('forward and backward are adjoint to 1e-11, by cg, minres, cr and cgnr', () => {
    const [dA, db] = [parts[0]!, numbers(rights[0]!, true)]
    const change = dense({ rows: n, cols: n, data: numbers(dA, true), dtype: 'complex128' })
    for (const method of ['cg', 'minres', 'cr', 'cgnr'] as const) {
      const back = solveVjpSync({ method, A, b, cotangent: target, options })
      const { dx } = solveJvpSync({ method, A, b, dA: change, db, options })
      const [left, right] = [dot(target, dx), dot(back.rhs, db) + dot(back.matrix!, numbers(dA, true))]
      expect(Math.abs(left - right), method).toBeLessThan(1e-11 * Math.hypot(...target) * Math.hypot(...dx))
    }
  })
})
