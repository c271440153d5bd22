/** Gradients through solves against fixtures, the dense reference, differences and dot tests. */
import { describe, expect, test } from 'vitest'
import { Cayley, cgSync, Csr, dense, graph, InvalidInputError, jacobi, operator, preconditioner, solveJvp, solveJvpSync, solveVjp, solveVjpSync, type LinearOperator } from '../../src-ts/solve/index.ts' // prettier-ignore
import { array, cases, pairs, type Ref } from '../reference/solve/load.ts'

interface Loss {
  cotangent: Ref
  lambda_: Ref
  grad_weights: Ref
  grad_dt: number
  grad_psi: Ref
}
interface Case {
  name: string
  n: number
  dt: number
  edges: Ref
  weights: Ref
  psi: Ref
  losses: Record<string, Loss>
}
type Spd = Record<'A0' | 'Ak' | 'b0' | 'bk' | 't', Ref> & { theta: number[]; grad: number[] }
const all = cases<{ cases: Case[]; spd_parameters: Spd }>('implicit')
const read = (ref: Ref): Float64Array<ArrayBuffer> => Float64Array.from(array('implicit', ref).data)

/** Largest difference over the largest element. */
function deviation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let k = 0; k < y.length; k++) {
    difference = Math.max(difference, Math.abs(x[k]! - y[k]!))
    size = Math.max(size, Math.abs(y[k]!))
  }
  return difference / size
}
const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, value, k) => sum + value * y[k]!, 0)

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidInputError) return error.code
    throw error
  }
  return 'none'
}

for (const entry of all.cases) {
  describe(entry.name, () => {
    const numbers = read(entry.weights)
    const walk = graph.fromEdges(entry.n, pairs('implicit', entry.edges).map(([i, j], k) => [i, j, numbers[k]!])) // prettier-ignore
    const psi = read(entry.psi)
    test.each(Object.keys(entry.losses))('through a Cayley step: %s', (name) => {
      const loss = entry.losses[name]!
      for (const solver of ['direct', 'galerkin', 'cocg', 'cgnr'] as const) {
        const out = new Cayley(walk, { dt: entry.dt, solver, rtol: 1e-13 }).vjpSync(psi, read(loss.cotangent))
        expect(deviation(out.weights!, read(loss.grad_weights))).toBeLessThan(1e-9)
        expect(Math.abs(out.dt / loss.grad_dt - 1)).toBeLessThan(1e-9)
        expect(deviation(out.psi, read(loss.grad_psi))).toBeLessThan(1e-11)
        expect(deviation(out.lambda, read(loss.lambda_))).toBeLessThan(1e-11)
        expect(out.adjoint.worstResidual).toBeLessThan(1e-13)
      }
      // The same as a solve with I + iaH, a = dt / 2, whose cotangent is twice that of the step.
      const cotangent = read(loss.cotangent).map((value) => 2 * value)
      const options = { a: entry.dt / 2, rtol: 1e-13 }
      const input = { method: 'shiftedHermitian', A: walk.laplacian(), b: psi, cotangent, options } as const
      const out = solveVjpSync(input)
      expect(deviation(out.rhs, read(loss.lambda_))).toBeLessThan(1e-11)
      expect(Math.abs((0.5 * out.a!) / loss.grad_dt - 1)).toBeLessThan(1e-9)
      // Elements of H to weights of edges, by the chain rule.
      const at = placesOf(walk.laplacian(), entry.n)
      const weights = walk.edges.map(([i, j]) => {
        const element = (p: number, q: number): number => out.matrix![at(p, q)]!
        return element(i, i) + element(j, j) - element(i, j) - element(j, i)
      })
      expect(deviation(weights, read(loss.grad_weights))).toBeLessThan(1e-9)
      const complex = solveVjpSync({ ...input, A: walk.magneticLaplacian() })
      expect(deviation(complex.matrix!.filter((_, k) => k % 2 === 0), out.matrix!)).toBeLessThan(1e-12) // prettier-ignore
    })
  })
}

/** Where an element is among the stored ones. */
function placesOf(A: LinearOperator, n: number): (i: number, j: number) => number {
  const place = new Map<number, number>()
  const unit = new Float64Array(n)
  const columns = Array.from({ length: n }, (_, j) => (unit.fill(0), (unit[j] = 1), A.apply(unit)))
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (columns[j]![i] !== 0) place.set(i * n + j, place.size)
  return (i, j) => place.get(i * n + j)!
}

test('an SPD system with parameters has the gradient of the fixture', async () => {
  const spd = all.spd_parameters
  const [A0, Ak, b0, bk, t] = [read(spd.A0), read(spd.Ak), read(spd.b0), read(spd.bk), read(spd.t)]
  const n = b0.length
  const data = A0.map((value, k) => spd.theta.reduce((sum, theta, p) => sum + theta * Ak[p * n * n + k]!, value))
  const b = b0.map((value, k) => spd.theta.reduce((sum, theta, p) => sum + theta * bk[p * n + k]!, value))
  const A = dense({ rows: n, cols: n, data })
  const cotangent = (x: Float64Array): Float64Array<ArrayBuffer> => Float64Array.from(x, (value, k) => value - t[k]!)
  const options = { rtol: 1e-13 }
  const input = { A, b, cotangent, options }
  for (const out of [
    solveVjpSync({ ...input, method: 'direct' }),
    solveVjpSync({ ...input, method: 'cg', M: jacobi(A) }),
    await solveVjp({ ...input, method: 'cg' }),
    await solveVjp({ ...input, method: 'cgnr', structure: 'symmetric' }),
    solveVjpSync({ ...input, method: 'cg', forward: cgSync(A, b, options) }),
  ]) {
    const gradient = spd.theta.map((_, p) => dot(out.matrix!, Ak.subarray(p * n * n, (p + 1) * n * n)) + dot(out.rhs, bk.subarray(p * n, (p + 1) * n))) // prettier-ignore
    expect(deviation(gradient, spd.grad)).toBeLessThan(1e-9)
    expect([out.forward.converged, out.adjoint.converged, 'ok' in out]).toEqual([true, true, false])
  }
})

test('vjp and jvp are adjoint to each other, by every method', async () => {
  const n = 12
  const value = (k: number): number => Math.sin(3 * k + 1)
  const vector = (seed: number, length: number): Float64Array<ArrayBuffer> => Float64Array.from({ length }, (_, k) => value(k + 100 * seed)) // prettier-ignore
  type Entry = [number, number, [number, number]]
  // A symmetric pattern: the diagonal and two neighbours; elements by `of`.
  const build = (dtype: 'float64' | 'complex128', of: (i: number, j: number) => [number, number]): Csr => {
    const places = Array.from({ length: n }, (_, i) => [i - 2, i, i + 2].filter((j) => j >= 0 && j < n).map((j): Entry => [i, j, of(i, j)])) // prettier-ignore
    const entries = places.flat()
    return Csr.fromTriplets({ rows: n, cols: n, dtype, entries: dtype === 'complex128' ? entries : entries.map(([i, j, [re]]) => [i, j, re]) }) // prettier-ignore
  }
  const sign = (i: number, j: number): number => Math.sign(j - i)
  const symmetric = (i: number, j: number): number => value(Math.min(i, j) + 7 * Math.abs(i - j))
  const hermitian = (scale: number) => (i: number, j: number): [number, number] => [symmetric(i, j) + (i === j ? scale : 0), sign(i, j) * 0.5 * symmetric(j, i)] // prettier-ignore
  const both = (scale: number) => (i: number, j: number): [number, number] => [symmetric(i, j) + (i === j ? scale : 0), 0.3 * symmetric(i, j)] // prettier-ignore
  const skew = (i: number, j: number): [number, number] => [i === j ? 1 : sign(i, j) * symmetric(i, j), 0.4 * symmetric(i, j)] // prettier-ignore
  const posed = [
    { method: 'cg', A: build('float64', hermitian(5)), dA: build('float64', hermitian(0)) },
    { method: 'cg', A: build('complex128', hermitian(5)), dA: build('complex128', hermitian(0)) },
    { method: 'minres', A: build('float64', hermitian(0)), dA: build('float64', hermitian(0.1)) },
    { method: 'cr', A: build('complex128', hermitian(5)), dA: build('complex128', hermitian(1)) },
    { method: 'cocg', A: build('complex128', both(4)), dA: build('complex128', both(0)) },
    { method: 'cgw', A: build('complex128', skew), dA: build('complex128', (i, j) => (i === j ? [0, 0.5] : skew(i, j))) }, // prettier-ignore
    { method: 'cgnr', A: build('complex128', skew), dA: build('complex128', both(0)) },
    { method: 'shiftedHermitian', A: build('complex128', hermitian(0)), dA: build('complex128', hermitian(1)) },
  ] as const
  for (const { method, A, dA } of posed) {
    const length = A.dtype === 'complex128' ? 2 * n : n
    const [b, db, cotangent] = [vector(1, length), vector(2, length), vector(3, length)]
    const options = { rtol: 1e-12, ...(method === 'shiftedHermitian' ? { a: 0.7, sigma: 1.5 } : {}) }
    const input = { method, A, b, options }
    const back = solveVjpSync({ ...input, cotangent })
    const { dx } = solveJvpSync({ ...input, dA, db })
    // Re⟨Ā, Ȧ⟩ over the pattern: elements of Ȧ in the order of Ā.
    const change = elementsOf(dA, A, n)
    const [left, right] = [dot(cotangent, dx), dot(back.rhs, db) + dot(back.matrix!, change)]
    expect(Math.abs(left - right), method).toBeLessThan(1e-9 * Math.max(1, Math.abs(left)))
    const away = await solveJvp({ ...input, dA, db })
    expect(deviation(away.dx, dx)).toBeLessThan(1e-12)
  }
})

/** Elements of `from` in the order of those that `of` stores: the pattern of the test above. */
function elementsOf(from: LinearOperator, of: Csr, n: number): Float64Array {
  const width = from.dtype === 'complex128' ? 2 : 1
  const out = new Float64Array(of.nnz * width)
  const columns = Array.from({ length: n }, (_, j) => {
    const unit = new Float64Array(n * width)
    unit[j * width] = 1
    return from.apply(unit)
  })
  let k = 0
  for (let i = 0; i < n; i++) {
    for (const j of [i - 2, i, i + 2]) {
      if (j < 0 || j >= n) continue
      for (let part = 0; part < width; part++) out[k++] = columns[j]![i * width + part]!
    }
  }
  return out
}

test('least squares has the gradient of the pseudo-inverse', () => {
  const [rows, cols] = [7, 3]
  const data = Float64Array.from({ length: rows * cols }, (_, k) => Math.cos(k * k + 1))
  const b = Float64Array.from({ length: rows }, (_, k) => Math.sin(k))
  const cotangent = Float64Array.of(1, -2, 0.5)
  const value = (elements: Float64Array, right: Float64Array): number =>
    dot(cotangent, solveVjpSync({ method: 'lsqr', A: dense({ rows, cols, data: elements as Float64Array<ArrayBuffer> }), b: right, cotangent, options: { rtol: 1e-13 } }).x) // prettier-ignore
  const out = solveVjpSync({ method: 'lsqr', A: dense({ rows, cols, data }), b, cotangent, options: { rtol: 1e-13 } })
  const moved = (from: Float64Array, k: number, by: number): Float64Array => from.map((v, j) => (j === k ? v + by : v))
  const slope = (f: (by: number) => number): number => (f(1e-6) - f(-1e-6)) / 2e-6
  expect(deviation(out.matrix!, [...data.keys()].map((k) => slope((by) => value(moved(data, k, by), b))))).toBeLessThan(1e-7) // prettier-ignore
  expect(
    deviation(
      out.rhs,
      [...b.keys()].map((k) => slope((by) => value(data, moved(b, k, by)))),
    ),
  ).toBeLessThan(1e-7)
})

test('an unconverged solve is no gradient, unless allowed; misuse is named', async () => {
  const A = graph.grid(8, 8).laplacian()
  const b = Float64Array.from({ length: 64 }, (_, k) => (k === 0 ? 1 : k === 63 ? -1 : 0))
  const options = { maxIterations: 3, nullspace: 'constant' } as const
  const input = { method: 'cg', A, b, cotangent: b, options } as const
  expect(codeOf(() => solveVjpSync(input))).toBe('unconverged-gradient')
  await expect(solveVjp(input)).rejects.toMatchObject({ code: 'unconverged-gradient' })
  expect(codeOf(() => solveJvpSync({ method: 'cg', A, b, db: b, options }))).toBe('unconverged-gradient')
  expect(solveVjpSync({ ...input, allowInexact: true }).adjoint.reason).toBe('maxIterations')
  expect(codeOf(() => solveVjpSync({ ...input, options: { nullspace: 'constant' }, adjoint: { maxIterations: 1 } }))).toBe('unconverged-gradient') // prettier-ignore
  expect(codeOf(() => solveVjpSync({ ...input, method: 'sor' as never }))).toBe('option-not-valid')
  expect(codeOf(() => solveVjpSync({ ...input, cotangent: undefined as never }))).toBe('option-missing')
  expect(codeOf(() => solveVjpSync({ ...input, cotangent: [1] }))).toBe('shape-mismatch')
  expect(codeOf(() => solveVjpSync({ ...input, tangent: 1 } as never))).toBe('option-unknown')
  expect(codeOf(() => solveVjpSync({ ...input, A: {} as never }))).toBe('operator-not-valid')
  expect(codeOf(() => solveJvpSync({ method: 'direct', A: dense([[1, 1], [1, 1]]), b: [1, 2], db: [1, 0] }))).toBe('unconverged-gradient') // prettier-ignore
  expect(codeOf(() => solveVjpSync({ ...input, options: { tol: 1 } as never }))).toBe('option-unknown')
})

test('along a direction, direct and least squares agree with the gradient backwards', async () => {
  const uniform = (count: number, key: number): Float64Array =>
    Float64Array.from({ length: count }, (_, k) => Math.sin((k + 1) ** 2 + key))
  for (const [method, rows, cols] of [
    ['direct', 6, 6],
    ['lsqr', 9, 5],
    ['cgnr', 9, 5],
    ['lsqr', 6, 6],
  ] as const) {
    const data = uniform(rows * cols, 1)
    if (rows === cols) for (let k = 0; k < rows; k++) data[k * cols + k]! += 3
    const A = dense({ rows, cols, data })
    const change = uniform(rows * cols, 2)
    const dA = dense({ rows, cols, data: change })
    const [b, db, cotangent] = [uniform(rows, 3), uniform(rows, 4), uniform(cols, 5)]
    const input = { method, A, b, options: { rtol: 1e-13 } } as const
    const { dx, tangent, x } = solveJvpSync({ ...input, dA, db })
    const { rhs, matrix } = solveVjpSync({ ...input, cotangent })
    expect(tangent.converged).toBe(true)
    expect(Math.abs(dot(cotangent, dx) - dot(rhs, db) - dot(matrix!, change))).toBeLessThan(1e-10)
    expect((await solveJvp({ ...input, dA, db })).dx).toEqual(dx)
    expect(x.length).toBe(cols)
  }
})

test('through functions the gradient is that of the matrix, without its elements', async () => {
  const n = 30
  const entries = Array.from({ length: n }, (_, i): [number, number, number][] => [
    [i, i, 3 + (i % 4)],
    ...((i > 0 ? [[i, i - 1, -1]] : []) as [number, number, number][]),
    ...((i < n - 1 ? [[i, i + 1, -1]] : []) as [number, number, number][]),
  ]).flat()
  const A = Csr.fromTriplets({ rows: n, cols: n, entries })
  const apply = (x: Float64Array<ArrayBuffer>, y: Float64Array<ArrayBuffer>): void => void A.apply(x, y)
  const free = operator({ rows: n, apply, applyAdjoint: apply })
  const [b, cotangent] = [new Float64Array(n).fill(1), Float64Array.from({ length: n }, (_, k) => Math.cos(k))]
  const options = { rtol: 1e-12 }
  for (const method of ['cg', 'minres', 'cr', 'cgnr'] as const) {
    const known = solveVjpSync({ method, A, b, cotangent, options })
    const found = solveVjpSync({ method, A: free, b, cotangent: () => cotangent, options })
    expect(deviation(found.rhs, known.rhs)).toBeLessThan(1e-10)
    expect('matrix' in found).toBe(false)
    expect(found.adjoint.converged).toBe(true)
  }
  // θ scales A: dL/dθ = −⟨λ, Ax⟩, the same for a matrix and for a promise.
  const parameterVjp = (x: Float64Array<ArrayBuffer>, lambda: Float64Array<ArrayBuffer>): number =>
    -dot(lambda, A.apply(x))
  const slow = operator({ rows: n, apply: async (x, y) => void A.apply(x, (await null, y)) })
  const M = preconditioner({ size: n, apply: (r, z) => z.set(r.map((value) => value / 4)) })
  const one = solveVjpSync({ method: 'cg', A, b, cotangent, options, parameterVjp })
  const two = await solveVjp({ method: 'cg', A: slow, M, b, cotangent, options, parameterVjp })
  const direct = -dot(cotangent, cgSync(A, b, options).x)
  expect(Math.abs(one.parameters! - direct)).toBeLessThan(1e-10)
  expect(Math.abs(two.parameters! - direct)).toBeLessThan(1e-10)
  const H = operator({ rows: n, dtype: 'complex128', apply: (x, y) => void A.toComplex().apply(x, y) })
  const wide = Float64Array.from({ length: 2 * n }, (_, k) => Math.sin(k + 1))
  const shifted = { method: 'shiftedHermitian', b: wide, cotangent: wide, options: { rtol: 1e-12, a: 0.3 } } as const
  expect(deviation(solveVjpSync({ ...shifted, A: H }).rhs, solveVjpSync({ ...shifted, A }).rhs)).toBeLessThan(1e-10)
  expect(codeOf(() => solveVjpSync({ method: 'direct', A: free, b, cotangent }))).toBe('matrix-needed')
  expect(codeOf(() => solveVjpSync({ method: 'cg', A: slow, b, cotangent }))).toBe('callback-asynchronous')
  expect(codeOf(() => solveVjpSync({ method: 'cg', A: free, b, cotangent, options: { maxIterations: 1 } }))).toBe('unconverged-gradient') // prettier-ignore
})
