/** Derivatives through solves with functions: those of the same system as a matrix, by every method. */
import { describe, expect, test } from 'vitest'
import { Csr, dense, InvalidInputError, operator, solveJvp, solveJvpSync, solveVjp, solveVjpSync, type CallbackOperator, type LinearOperator } from '../../src-ts/solve/index.ts' // prettier-ignore

type Vector = Float64Array<ArrayBuffer>
const n = 12
const value = (k: number): number => Math.sin(3 * k + 1)
const vector = (seed: number, length: number): Vector => Float64Array.from({ length }, (_, k) => value(k + 100 * seed))
const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, v, k) => sum + v * y[k]!, 0)

/** Largest difference over the largest element. */
function deviation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let k = 0; k < y.length; k++) {
    difference = Math.max(difference, Math.abs(x[k]! - y[k]!))
    size = Math.max(size, Math.abs(y[k]!))
  }
  return difference / size
}

/** The same products by a function, at once or by a promise. */
function freed(A: LinearOperator, late = false): CallbackOperator {
  const { rows, cols, dtype } = A
  const give = (make: (x: Vector, y: Vector) => void) => (x: Vector, y: Vector) =>
    late ? Promise.resolve().then(() => make(x, y)) : make(x, y)
  const apply = give((x, y) => void A.apply(x, y))
  return operator({ rows, cols, dtype, apply, applyAdjoint: give((x, y) => void A.applyAdjoint(x, y)) })
}

type Entry = [number, number, [number, number]]
/** A complex matrix with a diagonal and two neighbours. */
function build(of: (i: number, j: number) => [number, number]): Csr {
  const entries = Array.from({ length: n }, (_, i) =>
    [i - 2, i, i + 2].filter((j) => j >= 0 && j < n).map((j): Entry => [i, j, of(i, j)]),
  ).flat()
  return Csr.fromTriplets({ rows: n, cols: n, dtype: 'complex128', entries })
}
const sign = (i: number, j: number): number => Math.sign(j - i)
const part = (i: number, j: number): number => value(Math.min(i, j) + 7 * Math.abs(i - j))
const symmetric = (scale: number) => (i: number, j: number): [number, number] => [part(i, j) + (i === j ? scale : 0), 0.3 * part(i, j)] // prettier-ignore
const hermitian = (scale: number) => (i: number, j: number): [number, number] => [part(i, j) + (i === j ? scale : 0), sign(i, j) * 0.5 * part(j, i)] // prettier-ignore
const skew = (i: number, j: number): [number, number] => [i === j ? 1 : sign(i, j) * part(i, j), 0.4 * part(i, j)]

const posed = [
  { method: 'cg', A: build(hermitian(5)), dA: build(hermitian(0)), more: {} },
  { method: 'cocg', A: build(symmetric(4)), dA: build(symmetric(0)), more: {} },
  { method: 'cgw', A: build(skew), dA: build((i, j) => (i === j ? [0, 0.5] : skew(i, j))), more: {} },
  { method: 'cgnr', A: build(skew), dA: build(symmetric(0)), more: {} },
  { method: 'lsqr', A: build(skew), dA: build(symmetric(0)), more: { damp: 0.3 } },
  { method: 'shiftedHermitian', A: build(hermitian(0)), dA: build(hermitian(1)), more: { a: 0.7, sigma: 1.5 } },
] as const

describe.each(posed)('$method through a function', ({ method, A, dA, more }) => {
  const [b, db, cotangent] = [vector(1, 2 * n), vector(2, 2 * n), vector(3, 2 * n)]
  const input = { method, b, options: { rtol: 1e-12, ...more } } as const

  test('backwards and forwards it gives what the matrix gives', async () => {
    const known = solveVjpSync({ ...input, A, cotangent })
    const along = solveJvpSync({ ...input, A, dA, db })
    for (const late of [false, true]) {
      const found = await solveVjp({ ...input, A: freed(A, late), cotangent: () => cotangent })
      expect(deviation(found.x, known.x)).toBeLessThan(1e-9)
      expect(deviation(found.rhs, known.rhs)).toBeLessThan(1e-9)
      expect('matrix' in found).toBe(false)
      expect(found.adjoint.converged).toBe(true)
      if (method === 'lsqr') expect(Math.abs(found.damp! - known.damp!)).toBeLessThan(1e-9)
      for (const change of [dA, freed(dA, late)]) {
        const { dx, tangent } = await solveJvp({ ...input, A: freed(A, late), dA: change, db })
        expect(deviation(dx, along.dx)).toBeLessThan(1e-9)
        expect(tangent.converged).toBe(true)
      }
    }
    expect(deviation(solveJvpSync({ ...input, A, dA: freed(dA), db }).dx, along.dx)).toBeLessThan(1e-9)
  })

  test('the hook for parameters passes the dot test: A(θ) = A + θ dA', () => {
    // With factor ia for the H of a shifted system, which multiplies a vector by i a.
    const turn = (v: Vector): Vector => {
      if (method !== 'shiftedHermitian') return v
      return v.map((x, k) => 0.7 * (k % 2 === 0 ? -v[k + 1]! : v[k - 1]!))
    }
    const options: typeof input & { A: CallbackOperator } = { ...input, A: freed(A) }
    const { dx } = solveJvpSync({ ...options, dA: freed(dA) })
    const { parameters } = solveVjpSync({
      ...options,
      cotangent,
      parameterVjp: (x, lambda, rest) =>
        -dot(lambda, turn(dA.apply(x))) + (rest === undefined ? 0 : dot(dA.apply(rest.mu), rest.residual)),
    })
    expect(Math.abs(parameters! - dot(cotangent, dx))).toBeLessThan(1e-9)
  })
})

test('least squares by a tall function, damped or not, and with a matrix the same hook', async () => {
  const [rows, cols] = [9, 5]
  const [A, dA] = [1, 2].map((seed) => dense({ rows, cols, data: vector(seed, rows * cols).map((x, k) => x + Math.cos(k * k * seed)) })) as [LinearOperator, LinearOperator] // prettier-ignore
  const [b, cotangent] = [vector(3, rows), vector(4, cols)]
  for (const [method, damp] of [
    ['lsqr', 0],
    ['lsqr', 0.4],
    ['cgnr', 0],
  ] as const) {
    // prettier-ignore
    const input = { method, b, options: { rtol: 1e-13, ...(damp === 0 ? {} : { damp }) } } as const
    const known = solveVjpSync({ ...input, A, cotangent })
    const hook = (x: Vector, lambda: Vector, rest?: { residual: Vector; mu: Vector }): number =>
      -dot(lambda, dA.apply(x)) + dot(dA.apply(rest!.mu), rest!.residual)
    const slope = dot(cotangent, solveJvpSync({ ...input, A, dA }).dx)
    for (const from of [A, freed(A)]) {
      const found = solveVjpSync({ ...input, A: from, cotangent, parameterVjp: hook })
      expect(deviation(found.rhs, known.rhs)).toBeLessThan(1e-9)
      expect(Math.abs(found.parameters! - slope)).toBeLessThan(1e-9)
    }
    const late = await solveJvp({ ...input, A: freed(A, true), dA: freed(dA, true) })
    expect(Math.abs(dot(cotangent, late.dx) - slope)).toBeLessThan(1e-9)
  }
})

test('misuse is named, and an unconverged solve is no derivative', async () => {
  const { A, dA } = posed[2]
  const [b, db] = [vector(1, 2 * n), vector(2, 2 * n)]
  const input = { method: 'cgw', A: freed(A), b, db } as const
  const codeOf = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (error instanceof InvalidInputError) return error.code
      throw error
    }
    return 'none'
  }
  expect(codeOf(() => solveJvpSync({ ...input, dA: operator({ rows: 3, dtype: 'complex128', apply: () => {} }) }))).toBe('shape-mismatch') // prettier-ignore
  expect(codeOf(() => solveJvpSync({ ...input, dA: operator({ rows: n, apply: () => {} }) }))).toBe('dtype-mismatch')
  expect(codeOf(() => solveJvpSync({ ...input, dA: {} as never }))).toBe('operator-not-valid')
  expect(codeOf(() => solveJvpSync({ ...input, method: 'direct' }))).toBe('matrix-needed')
  expect(codeOf(() => solveJvpSync({ ...input, A: freed(A, true) }))).toBe('callback-asynchronous')
  expect(codeOf(() => solveJvpSync({ ...input, dA: freed(dA, true) }))).toBe('callback-asynchronous')
  expect(codeOf(() => solveJvpSync({ ...input, options: { maxIterations: 2 } }))).toBe('unconverged-gradient')
  const one = operator({ rows: n, dtype: 'complex128', apply: (x, y) => y.set(x) })
  expect(codeOf(() => solveJvpSync({ method: 'lsqr', A: freed(A), b, dA: one }))).toBe('adjoint-needed')
  const controller = new AbortController()
  const slow = operator({ rows: n, dtype: 'complex128', apply: (x, y) => (y.set(x), new Promise((resolve) => setTimeout(resolve, 5))) }) // prettier-ignore
  const running = solveJvp({ method: 'cgw', A: slow, b, db, options: { rtol: 1e-300 } }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
})
