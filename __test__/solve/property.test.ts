/** What holds for every solver on every system of its class. A failure names its seed; HEADWATER_SEED sets the first one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cg,
  cgnrSync,
  cgSync,
  cgw,
  cr,
  crSync,
  direct,
  iterate,
  lsqrSync,
  minresSync,
  operator,
  REASONS,
  shiftedHermitian,
  solveMany,
  solveManySync,
  type Method as Iterative,
  type SolveResult,
} from '../../src-ts/solve/index.ts'
import {
  adjoint,
  apply,
  at,
  combine,
  complex,
  diagonal,
  identity,
  matrixFrom,
  minus,
  multiply,
  norm,
  plus,
  scaled,
  type Matrix,
  type Vector,
} from '../reference/solve/dense.ts'
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { solve } from '../reference/solve/factor.ts'
import { CONVERGED, DIVERGED } from '../reference/solve/judge.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { asCsr, asDense, numbers, vectorOf } from './pose.ts'
import { METHODS, pose, make, asked, bits, isSound, draw, type Method } from './posed.ts'

const seed = chooseSeed()
const runs = (numRuns: number): { seed: number; numRuns: number } => ({ seed, numRuns })
const keys = fc.integer({ min: 0, max: 2 ** 31 - 1 })

const methods = fc.constantFrom(...(Object.keys(METHODS) as Method[]))
const iterative = fc.constantFrom(...(Object.keys(METHODS) as Method[]).filter((m): m is Iterative => m !== 'direct'))

test('the list of reasons is that of the judge, in both directions', () => {
  expect(Object.keys(REASONS).sort()).toEqual([...CONVERGED, ...DIVERGED].sort())
})

test('the answer is the dense solution, as near as residual and smallest singular value say', () => {
  fc.assert(
    fc.property(methods, keys, fc.constantFrom(1e-4, 1e-8, 1e-11), fc.boolean(), (method, key, rtol, sparse) => {
      const posed = pose(method, key)
      const { whole, b, isComplex, options, sigma } = posed
      const result = METHODS[method].sync(make(posed, sparse), numbers(b, isComplex), { ...options, rtol })
      isSound(posed, result)
      expect(result.reason).toBe('rtol')
      const truth = solve(whole, b)!
      const rounding = (1e-13 * norm(whole) * norm(truth)) / sigma
      expect(norm(minus(vectorOf(result.x, isComplex), truth))).toBeLessThanOrEqual((1.001 * rtol * norm(b)) / sigma + rounding) // prettier-ignore
    }),
    runs(400),
  )
})

test('least squares of tall and damped least squares of any shape are the solutions of the normal equations', () => {
  fc.assert(
    fc.property(
      keys,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      fc.boolean(),
      (key, rows, cols, isComplex, damped) => {
        const next = random(key)
        const shape = damped ? [rows, cols] : [rows + cols, cols]
        const [a, b] = [draw(next, shape[0]!, shape[1]!, isComplex), draw(next, shape[0]!, 1, isComplex)]
        const damp = damped ? 0.5 + next.uniform() : 0
        const normal = combine(multiply(adjoint(a), a), damp ** 2, identity(shape[1]!))
        fc.pre(hermitianEigen(normal, false).values[0]! > 0.05)
        const truth = solve(normal, apply(adjoint(a), b))!
        for (const run of damped ? [lsqrSync] : [lsqrSync, cgnrSync]) {
          const result = run(asCsr(a, isComplex), numbers(b, isComplex), { rtol: 1e-11, ...(damped ? { damp } : {}) })
          expect([result.reason, result.converged]).toEqual(['rtol', true])
          const x = vectorOf(result.x, isComplex)
          expect(norm(minus(x, truth))).toBeLessThanOrEqual(1e-8 * norm(b))
          const gradient = plus(apply(adjoint(a), minus(b, apply(a, x))), -(damp ** 2), x)
          expect(Math.abs(result.normalResidual! - norm(gradient))).toBeLessThan(1e-12 * norm(a) * norm(b))
        }
      },
    ),
    runs(120),
  )
})

describe('one answer, whichever way it is asked for', () => {
  test('calling thread, job, loop and one column of many give the same bits; a function gives those of its matrix', async () => {
    await fc.assert(
      fc.asyncProperty(iterative, keys, async (method, key) => {
        const posed = pose(method, key)
        const { b, isComplex, options } = posed
        const right = numbers(b, isComplex)
        const [A, given] = [make(posed, false), { ...options, rtol: 1e-9 }]
        const { sync, async } = METHODS[method]
        const here = sync(A, right, given)
        expect(bits(await async(A, right, given))).toEqual(bits(here))
        const loop = iterate(method, A, right, given as never)
        for (const { iteration } of loop) expect(iteration).toBeLessThanOrEqual(here.iterations)
        expect(bits(loop.result!)).toEqual(bits(here))
        const column = { rows: right.length / (isComplex ? 2 : 1), cols: isComplex ? 2 : 1, data: right }
        for (const many of [
          solveManySync(method, A, column, given as never),
          await solveMany(method, A, column, given as never),
        ]) {
          expect(many.columns.map(bits)).toEqual([bits(here)])
        }
        // A known matrix of another form: its sums go in another order.
        const other = sync(make(posed, true), right, given)
        expect(other.reason).toBe(here.reason)
        if (method === 'shiftedHermitian') return
        expect(bits(sync(asked(posed), right, { ...given, probe: false }))).toEqual(bits(here))
        const slow = operator({ ...(asked(posed) as object), apply: async (x: Float64Array, y: Float64Array) => { await null; (A as { apply(x: Float64Array, y: Float64Array): void }).apply(x, y) } } as never) // prettier-ignore
        expect(bits(await async(slow, right, { ...given, probe: false }))).toEqual(bits(here))
      }),
      runs(80),
    )
  })

  test('each column of many has the reason and the solution that it has alone', () => {
    fc.assert(
      fc.property(methods, keys, fc.integer({ min: 1, max: 6 }), fc.boolean(), (method, key, count, sparse) => {
        const posed = pose(method, key)
        const next = random(key, 1)
        const width = posed.isComplex ? 2 : 1
        // Of sizes far apart, so that they end at different times; one of them 0.
        const columns = Array.from({ length: count }, (_, k) => numbers(scaled(k === 3 ? 0 : 10 ** (k - 2), draw(next, posed.whole.rows, 1, posed.isComplex)), posed.isComplex)) // prettier-ignore
        const data = new Float64Array(posed.whole.rows * count * width)
        columns.forEach((column, j) => column.forEach((value, k) => (data[Math.floor(k / width) * count * width + j * width + (k % width)] = value))) // prettier-ignore
        const options = { ...posed.options, rtol: 1e-8 }
        const A = make(posed, sparse)
        const many = solveManySync(method, A as never, { rows: posed.whole.rows, cols: count * width, data }, options as never) // prettier-ignore
        const alone = columns.map((column) => METHODS[method].sync(A, column, options))
        // One pass for all sums in another order, so that a column may end an iteration earlier or later.
        expect(many.columns.map(({ reason }) => reason)).toEqual(alone.map(({ reason }) => reason))
        for (const [k, column] of many.columns.entries()) {
          expect(Math.abs(column.iterations - alone[k]!.iterations)).toBeLessThanOrEqual(1)
          isSound({ ...posed, b: vectorOf(columns[k]! as Float64Array<ArrayBuffer>, posed.isComplex) }, column)
          const apart = norm(minus(vectorOf(column.x, posed.isComplex), vectorOf(alone[k]!.x, posed.isComplex)))
          expect(apart).toBeLessThanOrEqual((2.01e-8 * Math.hypot(...columns[k]!)) / posed.sigma) // prettier-ignore
        }
        expect(many.converged).toBe(many.columns.every(({ converged }) => converged))
      }),
      runs(150),
    )
  })
})

describe('units and names of the unknowns do not matter', () => {
  test('powers of two in A and b go through exactly, and far out without harm', () => {
    // Far out, squares are taken of scaled numbers, which may round differently.
    const exponents = fc.oneof(fc.integer({ min: -60, max: 60 }), fc.integer({ min: -250, max: 250 }))
    fc.assert(
      fc.property(methods, keys, exponents, exponents, (method, key, p, q) => {
        const posed = pose(method, key)
        const fixed = method === 'cgw' || method === 'shiftedHermitian' ? 0 : p
        const options = { ...posed.options, rtol: 1e-8 }
        const base = METHODS[method].sync(make(posed, false), numbers(posed.b, posed.isComplex), options)
        const a = { ...posed.a, ...scaled(2 ** fixed, posed.a) }
        const right = numbers(scaled(2 ** q, posed.b), posed.isComplex)
        const far = METHODS[method].sync(make({ ...posed, a }, false), right, options)
        const expected = base.x.map((value) => value * 2 ** (q - fixed))
        expect([far.reason, far.iterations]).toEqual([base.reason, base.iterations])
        if (Math.max(Math.abs(p), Math.abs(q)) <= 60) {
          expect([...far.x]).toEqual([...expected])
          expect(far.residual.relative).toBe(base.residual.relative)
        } else {
          const apart = norm(minus(vectorOf(far.x, posed.isComplex), vectorOf(expected, posed.isComplex)))
          expect(apart * 2 ** (fixed - q)).toBeLessThanOrEqual((2.01e-8 * norm(posed.b)) / posed.sigma)
        }
      }),
      runs(300),
    )
  })

  test('damping has the units of A: powers of two in both go through exactly', () => {
    fc.assert(
      fc.property(
        keys,
        fc.integer({ min: -200, max: 200 }),
        fc.double({ min: 0.1, max: 3, noNaN: true }),
        (key, p, damp) => {
          const next = random(key)
          const isComplex = next.chance(0.5)
          const [a, b] = [draw(next, 6, 4, isComplex), numbers(draw(next, 6, 1, isComplex), isComplex)]
          const base = lsqrSync(asCsr(a, isComplex), b, { damp })
          const far = lsqrSync(asCsr({ ...a, ...scaled(2 ** p, a) }, isComplex), b, { damp: damp * 2 ** p })
          expect([far.reason, far.iterations]).toEqual(['rtol', base.iterations])
          const back = far.x.map((value) => value * 2 ** p)
          if (Math.abs(p) <= 60) expect([...back]).toEqual([...base.x])
          else
            expect(Math.hypot(...back.map((value, k) => value - base.x[k]!))).toBeLessThan(1e-6 * Math.hypot(...base.x))
        },
      ),
      runs(40),
    )
  })

  test('unknowns in another order have the same solution in that order', () => {
    fc.assert(
      fc.property(methods, keys, (method, key) => {
        const posed = pose(method, key)
        const next = random(key, 2)
        const n = posed.whole.rows
        const order = Array.from({ length: n }, (_, k) => k)
        for (let k = n - 1; k > 0; k--) {
          const j = next.integer(k + 1)
          ;[order[k], order[j]] = [order[j]!, order[k]!]
        }
        const moved = (m: Matrix): Matrix => matrixFrom(n, n, (i, j) => at(m, order[i]!, order[j]!))
        const shuffled = { re: Float64Array.from(order, (k) => posed.b.re[k]!), im: Float64Array.from(order, (k) => posed.b.im[k]!) } // prettier-ignore
        const options = { ...posed.options, rtol: 1e-10 }
        const run = (a: Matrix, b: Vector): SolveResult => METHODS[method].sync(make({ ...posed, a }, true), numbers(b, posed.isComplex), options) // prettier-ignore
        const [base, other] = [run(posed.a, posed.b), run(moved(posed.a), shuffled)]
        expect(other.reason).toBe(base.reason)
        const [x, y] = [vectorOf(base.x, posed.isComplex), vectorOf(other.x, posed.isComplex)]
        const back = { re: Float64Array.from(order, (k) => x.re[k]!), im: Float64Array.from(order, (k) => x.im[k]!) }
        expect(norm(minus(y, back))).toBeLessThanOrEqual((2.01e-10 * norm(posed.b)) / posed.sigma + 1e-12 * norm(x))
      }),
      runs(150),
    )
  })
})

test('a guess, good, useless or huge, never changes the answer beyond the tolerance', () => {
  const used = { yes: 0, no: 0 }
  fc.assert(
    fc.property(iterative, keys, fc.constantFrom(0, 1e-12, 1e-3, 1, 1e3, 1e12), (method, key, error) => {
      const posed = pose(method, key)
      const { whole, b, isComplex, sigma } = posed
      const truth = solve(whole, b)!
      const x0 = plus(truth, error * norm(truth), draw(random(key, 3), whole.rows, 1, isComplex))
      const result = METHODS[method].sync(make(posed, true), numbers(b, isComplex), { ...posed.options, rtol: 1e-8, x0: numbers(x0, isComplex) }) // prettier-ignore
      isSound(posed, result)
      expect(result.converged).toBe(true)
      expect(norm(minus(vectorOf(result.x, isComplex), truth))).toBeLessThanOrEqual((1.01e-8 * norm(b)) / sigma + (1e-13 * norm(whole) * norm(truth)) / sigma) // prettier-ignore
      const rho = norm(minus(b, apply(whole, x0)))
      if (rho < 0.5e-8 * norm(b)) {
        expect([result.reason, result.iterations]).toEqual(['exactGuess', 0])
        expect([...result.x]).toEqual([...numbers(x0, isComplex)])
      } else if (rho > 1.01 * norm(b)) expect(result.guessUsed).toBe(false)
      used[result.guessUsed ? 'yes' : 'no']++
    }),
    runs(250),
  )
  expect(Math.min(used.yes, used.no)).toBeGreaterThan(20)
})

test('with a null space the solution is the one of least norm, from any guess, by every Hermitian method', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 3, max: 16 }), fc.boolean(), (key, n, isComplex) => {
      const next = random(key)
      // Two null vectors, and a spectrum of one sign for cg and cr.
      const g = draw(next, n, n, isComplex)
      const { vectors } = hermitianEigen(combine(g, 1, adjoint(g)))
      const values = Array.from({ length: n }, (_, k) => (k < 2 ? 0 : 1 + next.uniform()))
      const inverse = values.map((value) => (value === 0 ? 0 : 1 / value))
      const [product, pseudo] = [values, inverse].map((of) =>
        multiply(multiply(vectors, diagonal(of)), adjoint(vectors)),
      )
      const a = { ...product!, ...scaled(0.5, combine(product!, 1, adjoint(product!))) }
      const b = apply(a, draw(next, n, 1, isComplex))
      const column = (j: number): Vector => ({
        re: vectors.re.filter((_, k) => k % n === j),
        im: vectors.im.filter((_, k) => k % n === j),
      })
      // Any basis of the space, and a guess with a part in it.
      const nullspace = [plus(column(0), 0.5, column(1)), plus(column(1), 3, column(0))].map((v) =>
        numbers(v, isComplex),
      )
      const truth = apply(pseudo!, b)
      const x0 = numbers(plus(plus(truth, 0.1, draw(next, n, 1, isComplex)), norm(truth), column(0)), isComplex)
      for (const run of [cgSync, crSync, minresSync]) {
        for (const options of [{}, { x0 }]) {
          const result = run(asDense(a, isComplex), numbers(b, isComplex), { rtol: 1e-10, nullspace, ...options })
          expect(result.converged).toBe(true)
          expect(norm(minus(vectorOf(result.x, isComplex), truth))).toBeLessThan(1e-9 * norm(b))
        }
      }
    }),
    runs(50),
  )
})

test('any matrix whatever, with NaN and infinities or without, ends with a reason and finite x, and never throws', () => {
  const met = new Set<string>()
  fc.assert(
    fc.property(methods, keys, fc.boolean(), (method, key, wild) => {
      const next = random(key, 4)
      const posed = pose(method, key)
      const value = (): number => (wild && next.chance(0.1) ? next.pick([NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324]) : next.integer(5) - 2) // prettier-ignore
      const any = (rows: number, cols: number): Matrix => matrixFrom(rows, cols, () => complex(value(), posed.isComplex ? value() : 0)) // prettier-ignore
      const n = posed.whole.rows
      const [a, b] = [any(n, n), any(n, 1)]
      const result = METHODS[method].sync(make({ ...posed, a }, key % 2 === 0), numbers(b, posed.isComplex), { ...posed.options, rtol: 1e-8, ...(method === 'direct' ? {} : { maxIterations: 200 }) }) // prettier-ignore
      // Sums of the reference overflow where the product scales.
      const whole = method === 'shiftedHermitian' || wild ? any(0, 0) : a
      met.add(result.reason)
      isSound({ ...posed, whole, b: wild || whole.rows === 0 ? any(0, 1) : b }, whole.rows === 0 ? { ...result, residual: {} } : result) // prettier-ignore
    }),
    runs(400),
  )
  for (const reason of ['nonFinite', 'notHermitian']) expect([...met]).toContain(reason)
})
