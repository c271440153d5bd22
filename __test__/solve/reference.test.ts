/** Iterates and preconditioners are those of the reference, step by step, on random systems. Each has its seed in its failure. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  arrow,
  blockJacobi,
  cgSync,
  crSync,
  evolveSync,
  graph,
  incompleteCholesky,
  jacobi,
  minresSync,
  preconditioner,
  type Preconditioner,
} from '../../src-ts/solve/index.ts'
import { cg, steihaug } from '../reference/solve/cg.ts'
import { deflatedCg } from '../reference/solve/deflation.ts'
import { adjoint, apply, combine, complex, diagonal, dot, identity, matrix, matrixFrom, minus, multiply, norm, scaled, type Apply, type Matrix, type Vector } from '../reference/solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { propagator } from '../reference/solve/exponential.ts'
import { choleskySolve } from '../reference/solve/factor.ts'
import { minres } from '../reference/solve/minres.ts'
import * as reference from '../reference/solve/precondition.ts'
import { pade22, spectral } from '../reference/solve/propagate.ts'
import { random, type Random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { asCsr, asDense, numbers, vectorOf } from './pose.ts'

const seed = chooseSeed()
const runs = (numRuns: number): { seed: number; numRuns: number } => ({ seed, numRuns })
const keys = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const orders = fc.integer({ min: 2, max: 14 })

const draw = (next: Random, rows: number, cols: number, isComplex: boolean): Matrix =>
  matrixFrom(rows, cols, () => complex(next.normal(), isComplex ? next.normal() : 0))
/** Eigenvalues from 1 to a few times n. */
function definite(next: Random, n: number, isComplex: boolean): Matrix {
  const g = draw(next, n, n, isComplex)
  return combine(multiply(g, adjoint(g)), 1, identity(n))
}
/** Definite, with about half of its places 0. */
function sparse(next: Random, n: number, isComplex: boolean): Matrix {
  const a = matrix(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      if (next.chance(0.5)) continue
      const [re, im] = [next.normal(), isComplex ? next.normal() : 0]
      a.re[i * n + j] = a.re[j * n + i] = re
      a.im[i * n + j] = im
      a.im[j * n + i] = -im
    }
  }
  const lowest = hermitianEigen(a, false).values[0]!
  return combine(a, 0.5 + Math.max(0, -lowest), identity(n))
}
function indefinite(next: Random, n: number, isComplex: boolean): Matrix {
  const g = draw(next, n, n, isComplex)
  const { vectors } = hermitianEigen(combine(g, 1, adjoint(g)))
  const values = Array.from({ length: n }, (_, k) => (k % 2 === 0 ? 1 : -1) * (0.5 + next.uniform()))
  const a = multiply(multiply(vectors, diagonal(values)), adjoint(vectors))
  return combine(matrixFrom(n, n, () => 0), 0.5, combine(a, 1, adjoint(a))) // prettier-ignore
}
const operator =
  (a: Matrix): Apply =>
  (x) =>
    apply(a, x)
const near = (found: Vector, expected: Vector, relative: number): void =>
  expect(norm(minus(found, expected))).toBeLessThanOrEqual(relative * norm(expected))
/** A preconditioner M given by its inverse. */
const given = (inverse: Matrix, isComplex: boolean): Preconditioner => {
  const A = asDense(inverse, isComplex)
  return preconditioner({ size: inverse.rows, dtype: A.dtype, apply: (r, z) => void A.apply(r, z) })
}

describe('iterates', () => {
  test('cg with and without M, flexible or not, takes the steps of the reference', () => {
    fc.assert(
      fc.property(keys, orders, fc.boolean(), fc.boolean(), (key, n, isComplex, flexible) => {
        const next = random(key)
        const [a, b, inverse] = [definite(next, n, isComplex), draw(next, n, 1, isComplex), definite(next, n, isComplex)] // prettier-ignore
        const maxIterations = 1 + next.integer(Math.min(n, 5))
        const M = given(inverse, isComplex)
        for (const [precondition, option] of [[undefined, undefined], [operator(inverse), M]] as const) {
          const theirs = cg(operator(a), b, { maxIterations, rtol: 0, flexible, ...(precondition && { precondition }) }) // prettier-ignore
          const mine = cgSync(asDense(a, isComplex), numbers(b, isComplex), { maxIterations, rtol: 1e-14, flexible, M: option, history: true }) // prettier-ignore
          near(vectorOf(mine.x, isComplex), theirs.x, 1e-9)
          // What the residual is said to have been on the way is what it was.
          mine.history!.forEach((value, k) => expect(Math.abs(value - theirs.residuals[k]!)).toBeLessThan(1e-8 * norm(b) * Math.max(1, ...theirs.residuals.map((r) => r / norm(b))))) // prettier-ignore
        } // prettier-ignore
      }),
      runs(60),
    )
  })

  test('preconditioned cr on definite and minres on any Hermitian A minimise the residual in the norm of M⁻¹', () => {
    fc.assert(
      fc.property(keys, orders, fc.boolean(), (key, n, isComplex) => {
        const next = random(key)
        const inverse = definite(next, n, isComplex)
        const b = draw(next, n, 1, isComplex)
        const maxIterations = 1 + next.integer(Math.min(n, 4))
        const spd = combine(multiply(draw(next, n, n, false), matrix(n, n)), 1, definite(next, n, isComplex))
        for (const [a, run] of [[spd, crSync], [spd, minresSync], [indefinite(next, n, isComplex), minresSync]] as const) {
          for (const precondition of [undefined, operator(inverse)]) {
            const theirs = minres(operator(a), b, { maxIterations, rtol: 0, ...(precondition && { precondition }) })
            const M = precondition && given(inverse, isComplex)
            const mine = run(asDense(a, isComplex), numbers(b, isComplex), { maxIterations, rtol: 1e-14, M })
            // In the norm that is minimised the answer is unique to the first order; x itself may be ill-determined.
            const size = (x: Vector): number => {
              const r = minus(b, apply(a, x))
              return Math.sqrt(dot(r, precondition?.(r) ?? r).re)
            }
            const [found, best, first] = [size(vectorOf(mine.x, isComplex)), size(theirs.x), size(scaled(0, b))]
            expect(Math.abs(found - best)).toBeLessThan(1e-8 * first)
          }
        } // prettier-ignore
      }),
      runs(40),
    )
  })

  test('deflated cg takes the steps of Saad, Yeung, Erhel and Guyomarc’h, with M and without', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 6, max: 16 }), fc.boolean(), (key, n, isComplex) => {
        const next = random(key)
        const [a, b] = [definite(next, n, isComplex), draw(next, n, 1, isComplex)]
        const width = 1 + next.integer(3)
        const w = draw(next, n, width, isComplex)
        const deflation = Array.from({ length: width }, (_, j) =>
          numbers(
            { re: w.re.filter((_, k) => k % width === j), im: w.im.filter((_, k) => k % width === j) },
            isComplex,
          ),
        )
        const [A, right, inverse] = [asDense(a, isComplex), numbers(b, isComplex), definite(next, n, isComplex)]
        for (const precondition of [undefined, operator(inverse)]) {
          for (const maxIterations of [1, 2, 4]) {
            const options = { M: precondition && given(inverse, isComplex), deflation, maxIterations, rtol: 1e-14 }
            const theirs = deflatedCg(a, w, b, { maxIterations, rtol: 0, ...(precondition && { precondition }) })
            near(vectorOf(cgSync(A, right, options).x, isComplex), theirs.x, 1e-8)
          }
          const { converged, x } = cgSync(A, right, { deflation, rtol: 1e-10, M: precondition && given(inverse, isComplex) }) // prettier-ignore
          expect(converged).toBe(true)
          near(apply(a, vectorOf(x, isComplex)), b, 1.1e-10)
        }
      }),
      runs(30),
    )
  })

  test('in a ball of the norm of M: the boundary, the direction or the solution, as Steihaug and Toint say', () => {
    const met = new Set<string>()
    fc.assert(
      fc.property(keys, orders, fc.boolean(), fc.boolean(), (key, n, isComplex, positive) => {
        const next = random(key)
        const a = positive ? definite(next, n, isComplex) : indefinite(next, n, isComplex)
        const b = draw(next, n, 1, isComplex)
        const m = diagonal(Array.from({ length: n }, () => 0.5 + next.uniform()))
        const radius = norm(b) * 10 ** (3 * next.uniform() - 2)
        const metric = { apply: operator(m), solve: reference.jacobi(m) }
        const theirs = steihaug(operator(a), b, radius, metric, 1e-9)
        const M = jacobi(asDense(m, isComplex))
        const mine = cgSync(asDense(a, isComplex), numbers(b, isComplex), { radius, M, rtol: 1e-9 })
        met.add(theirs.reason)
        expect([mine.reason, mine.converged]).toEqual([theirs.reason, true])
        near(vectorOf(mine.x, isComplex), theirs.x, 1e-6)
        const x = vectorOf(mine.x, isComplex)
        const size = Math.sqrt(dot(x, apply(m, x)).re)
        if (mine.reason === 'rtol') expect(size).toBeLessThanOrEqual(radius * (1 + 1e-9))
        else expect(Math.abs(size / radius - 1)).toBeLessThan(1e-9)
      }),
      runs(80),
    )
    expect([...met].sort()).toEqual(['negativeCurvature', 'rtol', 'trustBoundary'])
  })
})

describe('preconditioners', () => {
  test('Jacobi, block Jacobi, IC(0) and ICT with fill and threshold are those of the reference', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 2, max: 18 }), fc.boolean(), (key, n, isComplex) => {
        const next = random(key)
        const [a, r] = [sparse(next, n, isComplex), draw(next, n, 1, isComplex)]
        const A = asCsr(a, isComplex)
        const right = numbers(r, isComplex)
        const check = (M: { apply(r: Float64Array): Float64Array<ArrayBuffer> }, expected: Vector): void =>
          near(vectorOf(M.apply(right) as Float64Array<ArrayBuffer>, isComplex), expected, 1e-9)
        check(jacobi(A), reference.jacobi(a)(r))
        const size = 1 + next.integer(n)
        const sizes = Array.from({ length: Math.ceil(n / size) }, (_, k) => Math.min(size, n - k * size))
        for (const form of [{ size }, { blocks: sizes }]) check(blockJacobi(A, form), reference.blockJacobi(a, sizes)(r)) // prettier-ignore
        const [mine, theirs] = [incompleteCholesky(A), reference.incompleteCholesky(a)]
        expect(mine.shift).toBe(theirs.shift)
        // A pivot near 0 makes any factor ill-conditioned.
        const smallest = Math.min(...Array.from({ length: n }, (_, k) => theirs.l.re[k * n + k]!))
        if (smallest > 0.01) check(mine, theirs.precondition(r))
        const [drop, fill] = [next.pick([0, 0.05, 0.3]), next.integer(4)]
        const l = reference.thresholdCholesky(a, drop, fill)
        const threshold = incompleteCholesky(A, { drop, fill })
        expect(threshold.shift === 0).toBe(l !== undefined)
        if (l === undefined) return
        expect(threshold.nnz).toBe(l.re.filter((value, k) => value !== 0 || l.im[k] !== 0).length)
        check(threshold, choleskySolve(l, r))
      }),
      runs(150),
    )
  })

  test('an arrow is solved by its Schur complement; one that is not definite is refused at the row where it shows', () => {
    fc.assert(
      fc.property(
        keys,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        (key, count, corner, isComplex) => {
          const next = random(key)
          const blocks = Array.from({ length: count }, () => definite(next, 1 + next.integer(3), isComplex))
          const n1 = blocks.reduce((sum, block) => sum + block.rows, 0)
          const d = matrix(n1, n1)
          let at = 0
          for (const block of blocks) {
            for (let i = 0; i < block.rows; i++) {
              for (let j = 0; j < block.rows; j++) {
                d.re[(at + i) * n1 + at + j] = block.re[i * block.rows + j]!
                d.im[(at + i) * n1 + at + j] = block.im[i * block.rows + j]!
              }
            }
            at += block.rows
          }
          const e = draw(next, n1, corner, isComplex)
          // Large enough that the Schur complement is definite: ‖E‖² / λ_min(D) with λ_min > 1.
          const s0 = combine(definite(next, corner, isComplex), norm(e) ** 2, identity(corner))
          const parts = {
            blocks: blocks.map((block) => asDense(block, isComplex)),
            border: asCsr(e, isComplex),
            corner: asDense(s0, isComplex),
          }
          const r = draw(next, n1 + corner, 1, isComplex)
          const { precondition } = reference.schur(d, e, s0)
          near(vectorOf(arrow(parts).apply(numbers(r, isComplex)), isComplex), precondition(r), 1e-11)
          const bad = asDense(combine(s0, -10 * norm(s0), identity(corner)), isComplex)
          expect(() => arrow({ ...parts, corner: bad })).toThrow(
            expect.objectContaining({ code: 'not-positive-definite', row: n1 }),
          )
        },
      ),
      runs(60),
    )
  })
})

describe('graphs drawn at random', () => {
  test('a small world has n k / 2 simple edges, each with one end where the ring had it', () => {
    fc.assert(
      fc.property(
        keys,
        fc.integer({ min: 5, max: 40 }),
        fc.integer({ min: 1, max: 2 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (key, nodes, half, rewiring) => {
          const walk = graph.smallWorld(nodes, { neighbours: 2 * half, rewiring, seed: key })
          expect([walk.nodes, walk.size, walk.magnetic]).toEqual([nodes, nodes * half, false])
          const degree = new Map<number, number>()
          const places = new Set<string>()
          for (const [i, j] of walk.edges) {
            expect(i).not.toBe(j)
            places.add(`${Math.min(i, j)} ${Math.max(i, j)}`)
            for (const end of [i, j]) degree.set(end, (degree.get(end) ?? 0) + 1)
          }
          expect(places.size).toBe(walk.size)
          // Only far ends move: each node keeps the half of its edges that start there.
          for (let k = 0; k < nodes; k++) expect(degree.get(k)).toBeGreaterThanOrEqual(half)
          expect(walk.weights.every((w) => w === 1)).toBe(true)
          expect(graph.smallWorld(nodes, { neighbours: 2 * half, rewiring, seed: key }).edges).toEqual(walk.edges)
        },
      ),
      runs(80),
    )
  })

  test('rewiring 0 is the ring, p moves about that share of the edges, 1 leaves few in place', () => {
    const [n, k] = [2000, 6]
    const lattice = (walk: { edges: [number, number][] }): number =>
      walk.edges.filter(([i, j]) => Math.min(Math.abs(i - j), n - Math.abs(i - j)) <= k / 2).length
    const kept = (rewiring: number): number => lattice(graph.smallWorld(n, { neighbours: k, rewiring, seed })) / ((n * k) / 2) // prettier-ignore
    expect(kept(0)).toBe(1)
    // A share of 6000 edges, five standard deviations; k/n of those moved land near by again.
    for (const p of [0.1, 0.5, 0.9]) expect(Math.abs(kept(p) - (1 - p))).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 6000) + k / n) // prettier-ignore
    expect(kept(1)).toBeLessThan(0.02)
  })

  test('a ring with pairs holds its ring and at most the pairs that were asked for', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 9, max: 60 }), fc.integer({ min: 1, max: 7 }), (key, nodes, sparsity) => {
        const walk = graph.ringWithPairs(nodes, { sparsity, seed: key })
        const reach = Math.max(1, Math.floor(sparsity / 2))
        const places = new Set(walk.edges.map(([i, j]) => `${i} ${j}`))
        for (let i = 0; i < nodes; i++) {
          for (let offset = 1; offset <= reach; offset++) {
            const j = (i + offset) % nodes
            expect(places.has(`${Math.min(i, j)} ${Math.max(i, j)}`)).toBe(true)
          }
        }
        expect([places.size, walk.size <= Math.max(nodes * reach, Math.floor((nodes * sparsity) / 2))]).toEqual([walk.size, true]) // prettier-ignore
      }),
      runs(40),
    )
  })
})

test('the series is right for a spectrum of no width and for a time of no length, and finds out bounds that do not hold', () => {
  const psi = Float64Array.of(1, 0.5, -2, 1)
  for (const value of [0, 0.7, -3]) {
    const H = asCsr(diagonal([value, value]), false)
    for (const t of [1, -1.5, 1e-30]) {
      const { psi: end, converged, normDefect } = evolveSync(H, psi, t)
      expect([converged, Math.abs(normDefect) < 1e-15]).toEqual([true, true])
      const [cos, sin] = [Math.cos(value * t), Math.sin(value * t)]
      const turned = Float64Array.of(cos + 0.5 * sin, 0.5 * cos - sin, -2 * cos + sin, cos + 2 * sin)
      near(vectorOf(end, true), vectorOf(turned, true), 1e-15)
    }
  }
  const ring = graph.ring(6).laplacian()
  const state = new Float64Array(12).map((_, k) => Math.sin(k))
  for (const t of [1e-30, 1e-20, 1e-12]) near(vectorOf(evolveSync(ring, state, t).psi, true), vectorOf(state, true), 1e-11) // prettier-ignore
  for (const bounds of [
    { min: 1, max: 1 },
    { min: 0, max: 1e-20 },
  ]) {
    const wrong = evolveSync(ring, state, 1, { bounds })
    expect([wrong.converged, wrong.reason]).toEqual([false, 'diverged'])
  }
})

test('Chebyshev, Padé (2,2) and Cayley steps against the dense exponential of any Hermitian H', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: 10 }), fc.boolean(), (key, n, isComplex) => {
      const next = random(key)
      const g = draw(next, n, n, isComplex)
      const h = combine(g, 1, adjoint(g))
      const psi = draw(next, n, 1, true)
      const t = 4 * next.uniform() - 2
      const exact = apply(propagator(h, t), psi)
      const [H, start] = [asCsr(h, isComplex), numbers(psi, true)]
      const series = evolveSync(H, start, t, { rtol: 1e-14 })
      expect([series.converged, series.reason]).toEqual([true, 'rtol'])
      near(vectorOf(series.psi, true), exact, 1e-12)
      expect(Math.abs(series.normDefect)).toBeLessThan(1e-12)
      // The step functions of the spectrum; the dense exponential says how far they may be off.
      const [eigen, steps] = [hermitianEigen(h), 3]
      const powers = (f: (value: number) => { re: number; im: number }): Vector => {
        let state: Vector = psi
        for (let k = 0; k < steps; k++) state = spectral(eigen, f, state)
        return state
      }
      const dt = t / steps
      const pade = evolveSync(H, start, t, { method: 'pade', steps, rtol: 1e-13 })
      near(
        vectorOf(pade.psi, true),
        powers((value) => pade22(complex(0, -value * dt))),
        1e-11,
      )
      const angle = (value: number): number => -2 * Math.atan((value * dt) / 2)
      const cayley = evolveSync(H, start, t, { method: 'cayley', steps, rtol: 1e-13 })
      near(vectorOf(cayley.psi, true), powers((value) => complex(Math.cos(angle(value)), Math.sin(angle(value)))), 1e-11) // prettier-ignore
      // Each of 800 solves may be off by 8 times its residual.
      const fine = evolveSync(H, start, t, { method: 'pade', steps: 400, rtol: 1e-13 })
      const largest = Math.max(...eigen.values.map(Math.abs))
      near(vectorOf(fine.psi, true), exact, 2 * ((largest * Math.abs(t)) ** 5 / 720 / 400 ** 4) + 800 * 8e-13)
    }),
    runs(25),
  )
})
