/** The bars of linear solves, each with its number: rates, SciPy's iterations, the limits of rounding, counts of products. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  cgnrSync,
  cgSync,
  cgwSync,
  cocgSync,
  Csr,
  graph,
  incompleteCholesky,
  jacobi,
  minresSync,
  operator,
  shiftedHermitianSync,
  type CallbackOperator,
  type SolveResult,
} from '../../src-ts/solve/index.ts'
import { combine, complex, identity, minus, realBlock, realParts, type Vector } from '../reference/solve/dense.ts'
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { geometric, noise, Reflected } from '../reference/solve/formulas.ts'
import { laplacian, ring } from '../reference/solve/graph.ts'
import { array, cases, matrixOf, pairs, vectorOf as stored, type Ref } from '../reference/solve/load.ts'
import { asCsr, asDense, numbers, vectorOf } from './pose.ts'
import { diagonalOf, distance, poisson } from './model.ts'

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))

interface Count {
  iterations: number
  trueResidual: number
}
interface Scipy {
  rtol: number
  grids: { name: 'poisson' | 'scaled'; m: number; none?: Count; jacobi: Count; ic0: Count }[]
  definite: (Count & { n: number; kappa: number; complex: boolean })[]
}
const scipy = JSON.parse(
  readFileSync(new URL('../fixtures/solvers/scipy/cases.json', import.meta.url), 'utf8'),
) as Scipy

describe('iterations are those of SciPy', () => {
  /** DPD with D of powers of two. */
  const scaledPoisson = (m: number): Csr => {
    const d = noise(m * m, 4).map((value) => 2 ** Math.round(6 * value))
    const entries: [number, number, number][] = []
    for (let k = 0; k < m * m; k++) {
      entries.push([k, k, 4 * d[k]! ** 2])
      if ((k + 1) % m !== 0) entries.push([k, k + 1, -d[k]! * d[k + 1]!], [k + 1, k, -d[k]! * d[k + 1]!])
      if (k + m < m * m) entries.push([k, k + m, -d[k]! * d[k + m]!], [k + m, k, -d[k]! * d[k + m]!])
    }
    return Csr.fromTriplets({ rows: m * m, cols: m * m, entries })
  }

  test.each(scipy.grids)('on 64² points, $name: without, with Jacobi and with IC(0)', ({ name, m, ...counts }) => {
    const A = name === 'poisson' ? poisson(m) : scaledPoisson(m)
    const b = noise(m * m, 5)
    const factor = incompleteCholesky(A)
    expect(factor.shift).toBe(0)
    for (const [theirs, M] of [
      [counts.none, undefined],
      [counts.jacobi, jacobi(A)],
      [counts.ic0, factor],
    ] as const) {
      if (theirs === undefined) continue
      const mine = cgSync(A, b, { M, rtol: scipy.rtol })
      expect(mine.reason).toBe('rtol')
      expect(Math.abs(mine.iterations - theirs.iterations)).toBeLessThanOrEqual(2)
      // The same number of steps of the same method leaves the same residual.
      expect(mine.residual.relative! / theirs.trueResidual).toBeGreaterThan(0.5)
    }
  })

  test.each(scipy.definite)('of order $n and condition $kappa, complex: $complex', (entry) => {
    const { n, kappa } = entry
    const { A, b } = definite(n, kappa, entry.complex)
    const mine = cgSync(A, b, { rtol: scipy.rtol })
    expect(mine.reason).toBe('rtol')
    expect(mine.residual.relative).toBeLessThanOrEqual(scipy.rtol)
    // Beyond 10³ the order of the sums decides.
    const allowed = kappa <= 1e3 ? 2 : 0.1 * entry.iterations
    expect(Math.abs(mine.iterations - entry.iterations)).toBeLessThanOrEqual(allowed)
  })
})

/** A of known spectrum as a function, b, and the solution by the spectrum. */
function definite(
  n: number,
  kappa: number,
  isComplex: boolean,
  values = geometric(n, kappa),
): { A: CallbackOperator; b: Float64Array; x: Vector; form: Reflected } {
  const form = new Reflected(values, isComplex)
  const right = { re: noise(n, 6), im: isComplex ? noise(n, 7) : new Float64Array(n) }
  const A = operator({
    rows: n,
    dtype: isComplex ? 'complex128' : 'float64',
    apply: (x, y) => {
      // No arrays by callbacks: there are eight thousand products.
      const [step, part] = isComplex ? [2, 1] : [1, 0]
      const inner = { re: new Float64Array(n), im: new Float64Array(n) }
      for (let k = 0; k < n; k++) {
        inner.re[k] = x[step * k]!
        if (part > 0) inner.im[k] = x[2 * k + 1]!
      }
      const { re, im } = form.map(inner)
      for (let k = 0; k < n; k++) {
        y[step * k] = re[k]!
        if (part > 0) y[2 * k + 1] = im[k]!
      }
    },
  })
  return { A, b: numbers(right, isComplex), x: form.map(right, (value) => 1 / value), form }
}

describe('rates', () => {
  const energy = (form: Reflected, x: Vector): number => {
    const image = form.map(x)
    return Math.sqrt(x.re.reduce((sum, value, k) => sum + value * image.re[k]! + x.im[k]! * image.im[k]!, 0))
  }

  test.each(
    [10, 1000].flatMap((n) =>
      [10, 1e3].flatMap((kappa) => [false, true].map((isComplex) => [n, kappa, isComplex] as const)),
    ),
  )('n = %d, condition %d, complex %s: the energy of the error falls as the bound says', (n, kappa, isComplex) => {
    const { A, b, x, form } = definite(n, kappa, isComplex)
    const rho = (Math.sqrt(kappa) - 1) / (Math.sqrt(kappa) + 1)
    const rtol = 1e-8
    const bound = Math.ceil(Math.log(2 / rtol) / -Math.log(rho)) + 5
    const result = cgSync(A, b, { rtol: 1e-12, maxIterations: bound, probe: false })
    expect(energy(form, minus(x, vectorOf(result.x, isComplex)))).toBeLessThanOrEqual(rtol * energy(form, x))
  })

  test.each([1, 2, 3, 5, 8])('%d different eigenvalues take as many iterations and at most two more', (k) => {
    const values = Float64Array.from({ length: 200 }, (_, i) => 1 + (99 * (i % k)) / Math.max(1, k - 1))
    for (const isComplex of [false, true]) {
      const { A, b } = definite(200, 100, isComplex, values)
      const { converged, iterations } = cgSync(A, b, { rtol: 1e-10 })
      expect(converged).toBe(true)
      expect(iterations).toBeLessThanOrEqual(k + 2)
      expect(iterations).toBeGreaterThanOrEqual(k)
    }
  })

  test.each([1, 4, 12, 25])(
    'after %d iterations a complex system and its real form of twice the size agree to 1e-12',
    (maxIterations) => {
      const form = new Reflected(geometric(60, 10), true)
      const column = (j: number): Vector =>
        form.map({ re: Float64Array.from({ length: 60 }, (_, k) => (k === j ? 1 : 0)), im: new Float64Array(60) })
      const columns = Array.from({ length: 60 }, (_, j) => column(j))
      const a = {
        rows: 60,
        cols: 60,
        re: Float64Array.from({ length: 3600 }, (_, k) => columns[k % 60]!.re[Math.floor(k / 60)]!),
        im: Float64Array.from({ length: 3600 }, (_, k) => columns[k % 60]!.im[Math.floor(k / 60)]!),
      }
      // Exactly Hermitian.
      for (let i = 0; i < 60; i++) {
        a.im[i * 61] = 0
        for (let j = 0; j < i; j++) {
          a.re[i * 60 + j] = a.re[j * 60 + i]!
          a.im[i * 60 + j] = -a.im[j * 60 + i]!
        }
      }
      const b = { re: noise(60, 6), im: noise(60, 7) }
      const one = cgSync(asDense(a, true), numbers(b, true), { maxIterations, rtol: 1e-15 })
      const two = cgSync(asDense(realBlock(a), false), numbers(realParts(b), false), { maxIterations, rtol: 1e-15 })
      expect(one.iterations).toBe(two.iterations)
      expect(distance(realParts(vectorOf(one.x, true)).re, two.x) / norm(two.x)).toBeLessThan(1e-12)
    },
  )
})

describe('the limits of rounding and of definiteness', () => {
  test('an unreachable tolerance is accuracyLimit with its gap: order 20, condition 1e8, rtol 1e-15', () => {
    interface Limit { name: string; rtol: number; A: Ref; b: Ref; recurrence_only_cg: { true_rel: number } } // prettier-ignore
    const entry = cases<{ cases: Limit[] }>('definite').cases.find(({ name }) => name === 'accuracy_limit')!
    const result = cgSync(asDense(matrixOf('definite', entry.A), false), numbers(stored('definite', entry.b), false), { rtol: entry.rtol }) // prettier-ignore
    expect([result.reason, result.converged]).toEqual(['accuracyLimit', false])
    expect(result.residual.recurrence).toBeLessThanOrEqual(result.tolerance.value!)
    expect(result.residual.true).toBeGreaterThan(result.tolerance.value!)
    expect(result.gap).toBeCloseTo(result.residual.true! - result.residual.recurrence!, 20)
    expect(result.gap).toBeGreaterThan(0)
    // Of the floor the size is known, not the digits.
    expect(result.residual.relative).toBeLessThan(5 * entry.recurrence_only_cg.true_rel)
  })

  test('one of condition 1e10 that never meets 1e-15 ends by its iterations or by standing still, not as converged', () => {
    const { A, b } = definite(200, 1e10, false)
    const result = cgSync(A, b, { rtol: 1e-15, maxIterations: 4000 })
    expect(['maxIterations', 'stagnation', 'accuracyLimit']).toContain(result.reason)
    expect(result.converged).toBe(false)
    expect(result.x.every(Number.isFinite)).toBe(true)
  })

  test('diag(1, …, 1, −1) is indefiniteOperator with finite x, whatever its size; minres solves it', () => {
    for (const n of [2, 3, 50, 1000]) {
      const A = diagonalOf(Array.from({ length: n }, (_, k) => (k === n - 1 ? -1 : 1)))
      const b = noise(n, 8)
      // The negative direction must be in the residual.
      b[n - 1] = 0.3 * norm(b.subarray(0, n - 1))
      const result = cgSync(A, b)
      expect([result.reason, result.converged]).toEqual(['indefiniteOperator', false])
      expect(result.x.every(Number.isFinite)).toBe(true)
      const fine = minresSync(A, b, { rtol: 1e-10 })
      expect(fine.reason).toBe('rtol')
      expect(distance(fine.x, b.map((value, k) => (k === n - 1 ? -value : value)))).toBeLessThan(1e-9 * norm(b)) // prettier-ignore
    }
  })

  test('minres never calls an inconsistent Laplacian solved', () => {
    for (const n of [8, 33, 200]) {
      const A = asCsr(laplacian(ring(n)), false)
      const b = noise(n, 9).map((value) => value + 1)
      const result = minresSync(A, b)
      expect(result.converged).toBe(false)
      expect(['zeroCurvature', 'stagnation', 'accuracyLimit', 'maxIterations']).toContain(result.reason)
    }
  })

  test('the real form of I + iaH given to cg is refused before it starts, for any key of the probe', () => {
    interface Case { name: string; n: number; edges: Ref; weights: Ref; flux?: Ref } // prettier-ignore
    const entry = cases<{ cases: Case[] }>('cayley').cases.find(({ name }) => name === 'magnetic_64')!
    const { H, largest } = hamiltonian(entry)
    const block = asCsr(realBlock(combine(identity(entry.n), complex(0, 0.5 / largest), H)), false)
    const blind = operator({ rows: 2 * entry.n, hermitian: true, apply: (x, y) => void block.apply(x, y) })
    const b = noise(2 * entry.n, 3)
    for (let seed = 0; seed < 60; seed++) {
      const probed = cgSync(blind, b, { seed })
      expect([probed.reason, probed.iterations]).toEqual(['notHermitian', 0])
    }
    const unprobed = cgSync(blind, b, { probe: false })
    expect(unprobed.reason).toBe('notHermitian')
    expect(unprobed.iterations).toBeLessThanOrEqual(3)
  })
})

/** The Laplacian of a fixture and its largest eigenvalue. */
function hamiltonian(entry: { n: number; edges: Ref; weights: Ref; flux?: Ref }) {
  const { n, edges, weights, flux } = entry
  const H = laplacian({
    n,
    edges: pairs('cayley', edges),
    weights: array('cayley', weights).data,
    ...(flux === undefined ? {} : { flux: array('cayley', flux).data }),
  })
  return { H, largest: n > 100 ? NaN : hermitianEigen(H, false).values.at(-1)! }
}

describe('products until a true 1e-12 are those of the fixture, and at most two more', () => {
  interface Case { name: string; n: number; edges: Ref; weights: Ref; flux?: Ref; b: Ref; steps: { dt: number; y: Ref; matvecs_to_1e12: Record<string, number> }[] } // prettier-ignore
  const { cases: list } = cases<{ cases: Case[] }>('cayley')
  for (const entry of list) {
    const { H } = hamiltonian(entry)
    const [b, magnetic] = [numbers(stored('cayley', entry.b), true), entry.flux !== undefined]
    test.each(entry.steps)(`${entry.name}, dt $dt`, ({ dt, y, matvecs_to_1e12: counts }) => {
      const a = asCsr(combine(identity(entry.n), complex(0, dt / 2), H), true)
      const options = { rtol: 1e-12 }
      const runs: [string, SolveResult, number][] = [
        ['galerkin', shiftedHermitianSync(asCsr(H, magnetic), b, { ...options, a: dt / 2 }), 2],
        ['cgw', cgwSync(a, b, options), 2],
        ['cgnr', cgnrSync(a, b, options), 4],
        ...(magnetic ? [] : [['cocg', cocgSync(a, b, options), 2] as [string, SolveResult, number]]),
      ]
      const x = numbers(stored('cayley', y), true)
      for (const [name, result, more] of runs) {
        expect([name, result.reason]).toEqual([name, 'rtol'])
        expect(distance(result.x, x), name).toBeLessThan(2e-12)
        // One product confirms.
        expect(result.matvecs - 1, name).toBeLessThanOrEqual(counts[name]! + more)
        expect(result.matvecs - 1, name).toBeGreaterThanOrEqual(counts[name]! - 4)
      }
    })
  }
})

test('a thousand nodes take no more products than a hundred: the count is a matter of the spectrum', () => {
  const counts = [100, 1000].map((n) => {
    const { matvecs, converged } = shiftedHermitianSync(graph.ring(n).laplacian(), numbers({ re: noise(n, 1), im: noise(n, 2) }, true), { a: 0.5, rtol: 1e-12 }) // prettier-ignore
    expect(converged).toBe(true)
    return matvecs
  })
  expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(2)
})
