/** Every solver against closed forms, the reference's dense solution and the fixtures. */
import { describe, expect, test } from 'vitest'
import {
  cg,
  cgnrSync,
  cgSync,
  cgwSync,
  cocgSync,
  crSync,
  Csr,
  direct,
  directSync,
  exactHessian,
  exactHessianSync,
  fromParts,
  incompleteCholesky,
  jacobi,
  lsqr,
  lsqrSync,
  minres,
  minresSync,
  neumann,
  neumannSync,
  operator,
  shiftedHermitian,
  shiftedHermitianSync,
  type SolveResult,
} from '../../src-ts/solve/index.ts'
import { apply, combine, complex, identity, realBlock, type Matrix } from '../reference/solve/dense.ts'
import { solve } from '../reference/solve/factor.ts'
import { laplacian, ring as ringGraph } from '../reference/solve/graph.ts'
import { cases, matrixOf, vectorOf as stored, type Ref } from '../reference/solve/load.ts'
import { system } from '../reference/solve/systems.ts'
import { asCsr, asDense, numbers } from './pose.ts'
import { chain, chainSolution, diagonalOf, distance, ones, poisson, ring, thrownBy } from './model.ts'

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))
const near = (x: ArrayLike<number>, y: ArrayLike<number>, relative: number): void =>
  expect(distance(x, y)).toBeLessThan(relative * norm(y))

const n = 30
const exact = chainSolution(n)

test.each([
  ['cg', cgSync(chain(n), ones(n))],
  ['minres', minresSync(chain(n), ones(n))],
  ['cr', crSync(chain(n), ones(n))],
  ['cgnr', cgnrSync(chain(n), ones(n), { rtol: 1e-10 })],
  ['lsqr', lsqrSync(chain(n), ones(n), { rtol: 1e-10 })],
  ['direct', directSync(chain(n), ones(n))],
] as const)('%s solves −u″ = 1 and says what its answer is worth', (_, result) => {
  expect([result.reason, result.converged]).toEqual(['rtol', true])
  near(result.x, exact, 1e-6)
  const { residual, tolerance } = result
  expect(residual.true).toBeLessThanOrEqual(tolerance.value!)
  expect(residual.relative).toBeCloseTo(residual.true! / Math.sqrt(n), 15)
  expect(tolerance.term).toBe('rtol')
  expect(result.timing.seconds).toBeGreaterThanOrEqual(0)
})

describe('fixtures of definite systems', () => {
  interface Case {
    name: string
    A?: Ref
    b: Ref
    x: Ref
    kappa?: number
    runs?: unknown
    cg?: { rtol: number; iterations: number }[]
  }
  const list = cases<{ cases: Case[] }>('definite').cases
  test.each(list.filter(({ name }) => /^(spd|hpd|distinct)/.test(name)).map((entry) => [entry.name, entry] as const))(
    '%s',
    async (_, entry) => {
      const a = matrixOf('definite', entry.A!)
      const isComplex = entry.A!.dtype === 'complex128'
      const [b, x] = [numbers(stored('definite', entry.b), isComplex), numbers(stored('definite', entry.x), isComplex)]
      for (const A of [asDense(a, isComplex), asCsr(a, isComplex)]) {
        for (const result of [cgSync(A, b, { rtol: 1e-10 }), await minres(A, b, { rtol: 1e-10 }), await direct(A, b)]) {
          expect(result.converged).toBe(true)
          expect(distance(result.x, x) / norm(x)).toBeLessThan(1e-9 * (entry.kappa ?? 1e3))
        }
      }
    },
  )
})

test('complex systems are solved as their dense solution', () => {
  const given = Array.from({ length: 400 }, (_, k) => system(5, k)).find(
    (s) => s.kind === 'definite' && s.complex && s.n > 10,
  )!
  const x = numbers(solve(given.a, given.b)!, true)
  const [A, b] = [asDense(given.a, true), numbers(given.b, true)]
  for (const run of [cgSync, minresSync, crSync, directSync]) near(run(A, b, { rtol: 1e-12 }).x, x, 1e-4)
  near(cgSync(asCsr(given.a, true), b, { rtol: 1e-12, M: jacobi(asCsr(given.a, true)) }).x, x, 1e-4)
})

describe('(I + iaH)x = b', () => {
  const h: Matrix = laplacian({ ...ringGraph(24), weights: ringGraph(24).edges.map((_, k) => 1 + (k % 3)) })
  const a = combine(identity(24), complex(0, 0.25), h)
  const b = fromParts(Array.from({ length: 24 }, (_, k) => Math.sin(k)), Array.from({ length: 24 }, (_, k) => Math.cos(3 * k))) // prettier-ignore
  const right = { re: b.filter((_, k) => k % 2 === 0), im: b.filter((_, k) => k % 2 === 1) }
  const x = numbers(solve(a, right)!, true)
  const options = { rtol: 1e-12 }
  const results: [string, SolveResult][] = [
    ['Galerkin, H real', shiftedHermitianSync(asCsr(h, false), b, { ...options, a: 0.25 })],
    ['Galerkin, H real and dense', shiftedHermitianSync(asDense(h, false), b, { ...options, a: 0.25 })],
    ['Galerkin, H complex', shiftedHermitianSync(asCsr(h, true), b, { ...options, a: 0.25 })],
    ['COCG', cocgSync(asCsr(a, true), b, options)],
    ['CGW', cgwSync(asDense(a, true), b, options)],
    ['CGNR', cgnrSync(asDense(a, true), b, options)],
    ['direct', directSync(asDense(a, true), b, options)],
  ]
  test.each(results)('%s', (_, result) => {
    expect(result.reason).toBe('rtol')
    near(result.x, x, 1e-11)
  })

  test('the adjoint is a turned; sigma scales', async () => {
    const adjoint = await shiftedHermitian(asCsr(h, false), b, { ...options, a: -0.25 })
    near(adjoint.x, numbers(solve(combine(identity(24), complex(0, -0.25), h), right)!, true), 1e-11)
    const twice = shiftedHermitianSync(asCsr(h, false), b, { ...options, sigma: 2, a: 0.5 })
    near(
      twice.x,
      x.map((value) => value / 2),
      1e-11,
    )
  })

  test('as a real block matrix given to cg it is notHermitian within 3 iterations, by elements and by products', () => {
    const block = realBlock(a)
    // Not constant: that would be an eigenvector.
    const [A, rhs] = [asCsr(block, false), Float64Array.from({ length: 48 }, (_, k) => Math.sin(k * k))]
    const blind = operator({ rows: 48, apply: (p, q) => void A.apply(p, q), hermitian: true })
    for (const result of [cgSync(A, rhs), cgSync(blind, rhs), cgSync(blind, rhs, { probe: false })]) {
      expect(result.reason).toBe('notHermitian')
      expect(result.iterations).toBeLessThanOrEqual(3)
    }
  })

  test('cgw in real arithmetic, on the same block matrix', () => {
    const rhs = numbers(apply(realBlock(a), { re: ones(48), im: new Float64Array(48) }), false)
    near(cgwSync(asCsr(realBlock(a), false), rhs, options).x, ones(48), 1e-10)
  })
})

describe('least squares', () => {
  const A = Csr.fromTriplets({ rows: 4, cols: 2, entries: [0, 1, 2, 3].flatMap((t): [number, number, number][] => [[t, 0, 1], [t, 1, t]]) }) // prettier-ignore
  // The line through (t, y): closed form.
  const y = [1, 3, 2, 5]
  const [intercept, slope] = [1.1, 1.1]
  test.each([
    ['lsqr', lsqrSync],
    ['cgnr', cgnrSync],
  ] as const)('%s fits a line', (_, run) => {
    // prettier-ignore
    const result = run(A, y, { rtol: 1e-12 })
    expect(result.converged).toBe(true)
    expect(distance(result.x, [intercept, slope])).toBeLessThan(1e-9)
    expect(result.normalResidual).toBeLessThan(1e-8)
    expect(result.residual.true).toBeCloseTo(Math.hypot(0.1, -0.8, 1.3, -0.6), 9)
  })
  test('damping shrinks: (AᵀA + d²I)x = Aᵀb', async () => {
    const { x } = await lsqr(A, y, { damp: 2, rtol: 1e-12 })
    // AᵀA = [[4, 6], [6, 14]], Aᵀy = [11, 22]; with 4 on the diagonal the determinant is 8 · 18 − 36 = 108.
    expect(distance(x, [(11 * 18 - 6 * 22) / 108, (8 * 22 - 6 * 11) / 108])).toBeLessThan(1e-9)
  })
})

describe('outcomes have names', () => {
  test('an indefinite matrix: direction and curvature', () => {
    const values = [...Array.from({ length: 9 }, () => 1), -1]
    const result = cgSync(
      diagonalOf(values),
      ones(10).map((_, k) => k + 1),
      {},
    )
    expect(result.reason).toBe('indefiniteOperator')
    const p = result.direction!
    expect(norm(p)).toBeCloseTo(1, 12)
    expect(result.curvature).toBeLessThan(0)
    expect(result.curvature).toBeCloseTo(
      p.reduce((sum, value, k) => sum + values[k]! * value * value, 0),
      12,
    )
  })

  test('a singular one: solved with its null space, zeroCurvature without consistency', () => {
    const b = Float64Array.from({ length: 16 }, (_, k) => Math.sin((2 * Math.PI * k) / 16))
    const good = cgSync(ring(16), b, { nullspace: 'constant' })
    expect(good.converged).toBe(true)
    // The eigenvalue of that mode.
    near(good.x, b.map((value) => value / (2 - 2 * Math.cos(Math.PI / 8))), 1e-7) // prettier-ignore
    expect(good.inconsistency).toBeLessThan(1e-14)
    const off = cgSync(ring(16), b.map((value) => value + 1), { nullspace: [ones(16)] }) // prettier-ignore
    expect(off.inconsistency).toBeCloseTo(4, 10)
    expect(cgSync(ring(16), ones(16)).reason).toBe('zeroCurvature')
  })

  test('what a guess has in the null space is no part of x', () => {
    const b = Float64Array.from({ length: 16 }, (_, k) => Math.sin((2 * Math.PI * k) / 16))
    const x0 = b.map((value) => 5 + (0.9 * value) / (2 - 2 * Math.cos(Math.PI / 8)))
    for (const solve of [cgSync, minresSync, crSync]) {
      const { x, converged, guessUsed } = solve(ring(16), b, { nullspace: 'constant', x0, rtol: 1e-12 })
      expect([converged, guessUsed]).toEqual([true, true])
      expect(Math.abs(x.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-12)
      near(
        x,
        b.map((value) => value / (2 - 2 * Math.cos(Math.PI / 8))),
        1e-9,
      )
    }
  })

  test.each([NaN, Infinity])('%s is found where it is, and x stays finite', (bad) => {
    const b = ones(10)
    const planted = { b: b.map((v, k) => (k === 3 ? bad : v)), A: diagonalOf([1, 2, 3, 4, 5, 6, 7, 8, 9, bad]) }
    const expected: [SolveResult, string][] = [
      [cgSync(chain(10), planted.b), 'b'],
      [cgSync(planted.A, b), 'operator'],
      [directSync(planted.A, b), 'operator'],
      [minresSync(chain(10), b, { x0: planted.b }), 'x0'],
      [cgSync(operator({ rows: 10, apply: (_, y) => void y.fill(bad) }), b), 'operator'],
    ]
    for (const [result, location] of expected) {
      expect([result.reason, result.location]).toEqual(['nonFinite', location])
      expect(result.x.every(Number.isFinite)).toBe(true)
      expect('relative' in result.residual && Number.isNaN(result.residual.relative)).toBe(false)
    }
  })

  test('zero right-hand side, exact guess, iterations and time at an end', () => {
    expect(cgSync(chain(n), new Float64Array(n))).toMatchObject({ reason: 'zeroRhs', converged: true, matvecs: 0 })
    expect(cgSync(chain(n), ones(n), { x0: exact })).toMatchObject({ reason: 'exactGuess', iterations: 0 })
    expect(cgSync(chain(n), ones(n), { maxIterations: 3 })).toMatchObject({ reason: 'maxIterations', iterations: 3 })
    expect(cgSync(poisson(40), ones(1600), { timeLimit: 0 })).toMatchObject({ reason: 'timeLimit', converged: false })
    expect(cgSync(chain(n), ones(n), { atol: 1, rtol: 0 })).toMatchObject({ reason: 'atol', tolerance: { term: 'atol', value: 1 } }) // prettier-ignore
  })

  test('without any tolerance the end is the limit of accuracy, not an accusation of A or of M', () => {
    for (const size of [5, 24, 60]) {
      const [A, b] = [chain(size), Float64Array.from({ length: size }, (_, k) => Math.sin(k * k + 1))]
      const M = incompleteCholesky(A)
      const z = fromParts(b, ones(size))
      for (const result of [
        ...[cgSync, minresSync, crSync].map((by) => by(A, b, { rtol: 0 })),
        ...[cgSync, minresSync, crSync].map((by) => by(A, b, { rtol: 0, M })),
        shiftedHermitianSync(A, z, { rtol: 0, a: 0.5 }),
        cgSync(A.toComplex(), z, { rtol: 0 }),
      ]) {
        expect(['accuracyLimit', 'stagnation', 'rtol']).toContain(result.reason)
        expect(result.residual.relative).toBeLessThan(1e-12)
      }
    }
  })

  test('what is not known of a system with NaN is absent', () => {
    const { residual, tolerance } = cgSync(chain(3), [1, NaN, 1])
    expect([residual.true, residual.recurrence, tolerance.value]).toEqual([undefined, undefined, undefined])
  })

  test('a trust radius, and truncation', () => {
    const short = cgSync(chain(n), ones(n), { radius: 1 })
    expect(short).toMatchObject({ reason: 'trustBoundary', converged: true })
    expect(norm(short.x)).toBeCloseTo(1, 12)
    const downhill = cgSync(diagonalOf([1, 1, -1]), [1, 2, 3], { truncated: true })
    expect(downhill).toMatchObject({ reason: 'negativeCurvature', converged: true })
  })

  test('scales of 1e±200 change nothing', () => {
    const base = cgSync(chain(n), ones(n))
    for (const scale of [2 ** 664, 2 ** -664]) {
      const A = Csr.fromTriplets({ rows: 2, cols: 2, entries: [[0, 0, 2 * scale], [1, 1, scale]] }) // prettier-ignore
      near(cgSync(A, [scale, scale]).x, [0.5, 1], 1e-12)
      const far = cgSync(chain(n), ones(n).map((v) => v * scale)) // prettier-ignore
      expect(far.iterations).toBe(base.iterations)
      expect(far.x).toEqual(base.x.map((value) => value * scale))
    }
  })

  test('estimates: condition, energy error, history', () => {
    const result = cgSync(poisson(20), ones(400), { history: true, delay: 3 })
    const extreme = (k: number): number => 8 * Math.sin((k * Math.PI) / 42) ** 2
    expect(result.condition!.min! / extreme(1)).toBeCloseTo(1, 3)
    expect(result.condition!.kappa).toBeLessThan(extreme(20) / extreme(1) + 1e-9)
    expect(result.history).toHaveLength(result.iterations + 1)
    expect(result.history![0]).toBeCloseTo(20, 12)
    expect(result.history!.at(-1)).toBe(result.residual.recurrence)
    expect(result.energyError).toBeGreaterThan(0)
  })

  test('a harvested space, deflated in the next solve, saves iterations', () => {
    const A = poisson(24)
    const first = cgSync(A, ones(576), { harvest: 6 })
    expect(first.ritz).toHaveLength(6)
    const b = Float64Array.from({ length: 576 }, (_, k) => Math.cos(k * k))
    const [plain, deflated] = [cgSync(A, b), cgSync(A, b, { deflation: first.ritz! })]
    expect(deflated.converged).toBe(true)
    expect(deflated.iterations).toBeLessThan(plain.iterations)
    near(deflated.x, plain.x, 1e-6)
  })
})

describe('A = B + δC with factored B', () => {
  interface Case { delta: number; positive_definite: boolean; x: Ref; pcg: { reason: string; iterations: number } } // prettier-ignore
  const file = cases<{ cases: Case[]; B: Ref; C: Ref; b: Ref }>('exact_hessian')
  const [B, C] = [matrixOf('exact_hessian', file.B), matrixOf('exact_hessian', file.C)].map((m) => asDense(m, false))
  const b = numbers(stored('exact_hessian', file.b), false)
  const asked = operator({ rows: B!.rows, apply: (x, y) => void C!.apply(x, y) })
  test.each(file.cases.map((entry) => [entry.delta, entry] as const))('delta %d', async (delta, entry) => {
    const x = numbers(stored('exact_hessian', entry.x), false)
    const options = { rtol: 1e-10 }
    const answers = [
      exactHessianSync({ factor: B!, correction: C!, delta }, b, options),
      await exactHessian({ factor: B!, correction: C!, delta }, b, options),
      exactHessianSync({ factor: B!, correction: asked, delta }, b, options),
    ]
    for (const result of answers) {
      if (entry.positive_definite) {
        expect(result.reason).toBe('rtol')
        expect(Math.abs(result.iterations - entry.pcg.iterations)).toBeLessThanOrEqual(2)
        near(result.x, x, 1e-6)
      } else {
        expect([result.reason, result.converged]).toEqual(['indefiniteOperator', false])
        expect(result.curvature).toBeLessThan(0)
      }
    }
  })
})

test("Neumann's series is what it says: the geometric sum", async () => {
  const A = diagonalOf([0.5, 1.5])
  const sum = (terms: number): number => 2 * (1 - 0.5 ** (terms + 1))
  for (const result of [neumannSync(A, [1, 1], { terms: 5 }), await neumann(A, [1, 1], { terms: 5 })]) {
    expect(result.x[0]).toBeCloseTo(sum(5), 14)
    expect(result.reason).toBe('maxIterations')
  }
  expect(neumannSync(A, [1, 1], { terms: 60 }).reason).toBe('rtol')
  expect(neumannSync(diagonalOf([3]), [1], { terms: 60 }).reason).toBe('diverged')
})

test('the answer of a job is that of the calling thread, bit for bit, for any number of threads', async () => {
  const A = poisson(256)
  const b = Float64Array.from({ length: 65536 }, (_, k) => Math.sin(k))
  const options = { M: incompleteCholesky(A), rtol: 1e-6 }
  const here = cgSync(A, b, options)
  for (const threads of [1, 2, 3]) {
    const there = await cg(A, b, { ...options, threads })
    expect([there.x, there.iterations, there.residual]).toEqual([here.x, here.iterations, here.residual])
  }
})

test('shiftedHermitian too: one thread takes sums piece by piece with the product, several do not', async () => {
  const n = 10_001
  const entries = Array.from({ length: n }, (_, i): [number, number, number | [number, number]][] => [
    [i, i, 2],
    [i, (i + 1) % n, [-1, 0.3]],
    [(i + 1) % n, i, [-1, -0.3]],
  ]).flat()
  const H = Csr.fromTriplets({ rows: n, cols: n, dtype: 'complex128', entries })
  const b = Float64Array.from({ length: 2 * n }, (_, k) => Math.sin(k * k))
  const options = { a: 0.7, rtol: 1e-10 }
  const here = shiftedHermitianSync(H, b, options)
  expect(here.converged).toBe(true)
  for (const threads of [1, 2, 3]) {
    const there = await shiftedHermitian(H, b, { ...options, threads })
    expect([there.x, there.iterations, there.residual]).toEqual([here.x, here.iterations, here.residual])
  }
})

test('scaleGuess finds the length of a guess whose direction is right', () => {
  const A = chain(50)
  const b = ones(50)
  const x0 = chainSolution(50).map((value) => 1e-3 * value)
  const scaled = cgSync(A, b, { x0, scaleGuess: true, rtol: 1e-10 })
  expect([scaled.reason, scaled.iterations, scaled.matvecs]).toEqual(['exactGuess', 0, 1])
  expect(distance(scaled.x, chainSolution(50))).toBeLessThan(1e-9)
  expect(cgSync(A, b, { x0, rtol: 1e-10 }).iterations).toBeGreaterThan(0)
  // Of no use: the guess is left out, as any other that is worse than nothing.
  const none = cgSync(A, b, { x0: b.map((_, k) => (k % 2 ? 1 : -1)), scaleGuess: true })
  expect(none.converged).toBe(true)
  expect(thrownBy(() => cgnrSync(A, b, { scaleGuess: true } as never)).code).toBe('option-unknown')
})
