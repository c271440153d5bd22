/** What all calls have in common: many columns, jobs, aborts, plain results, misuse. */
import { expect, test } from 'vitest'
import {
  assertConverged,
  cg,
  cgnrSync,
  cgSync,
  Csr,
  dense,
  direct,
  directSync,
  exactHessianSync,
  HeadwaterError,
  iterate,
  jacobi,
  lsqrSync,
  minresSync,
  neumannSync,
  operator,
  REASONS,
  shiftedHermitianSync,
  solveMany,
  solveManySync,
  SolverError,
  type CgOptions,
  type Method,
  type SolveProgress,
} from '../../src-ts/solve/index.ts'
import { chain, chainSolution, diagonalOf, distance, ones, poisson, thrownBy } from './model.ts'

const n = 20
const A = chain(n)

test('each column has its own reason', async () => {
  const B = new Float64Array(n * 4)
  for (let i = 0; i < n; i++) B.set([1, 0, i === 3 ? NaN : 1, 1e-30], 4 * i)
  const many = { rows: n, cols: 4, data: B }
  const reasons = ['rtol', 'zeroRhs', 'nonFinite', 'atol']
  const options = { atol: 1e-20 }
  const asked = operator({ rows: n, apply: (x, y) => void A.apply(x, y) })
  for (const result of [
    solveManySync('cg', A, many, options),
    await solveMany('cg', A, many, options),
    solveManySync('cg', asked, many, options),
    await solveMany('minres', asked, many, options),
  ]) {
    expect(result.columns.map(({ reason }) => reason)).toEqual(reasons)
    expect(result.converged).toBe(false)
    expect(distance(result.columns[0]!.x, chainSolution(n))).toBeLessThan(1e-6)
  }
  const straight = solveManySync('direct', A, many)
  expect(straight.columns.map(({ reason }) => reason)).toEqual(['rtol', 'zeroRhs', 'nonFinite', 'rtol'])
  const { columns } = await solveMany('direct', A, { rows: n, cols: 0, data: [] })
  expect(columns).toEqual([])
})

test('complex columns are pairs of columns', () => {
  const I = dense({ rows: 2, cols: 2, data: [[0, 1], [0, 0], [0, 0], [2, 0]], dtype: 'complex128' }) // prettier-ignore
  const { columns } = solveManySync('direct', I, [[0, 1, 1, 0], [2, 0, 0, 2]]) // prettier-ignore
  expect(columns.map(({ x }) => [...x])).toEqual([[1, 0, 1, 0], [0, -1, 0, 1]]) // prettier-ignore
  expect(thrownBy(() => solveManySync('direct', I, [[1], [1]])).code).toBe('shape-mismatch')
  const shifted = solveManySync('shiftedHermitian', diagonalOf([1, 1]), [[2, 0], [0, 2]], { a: 1 }) // prettier-ignore
  expect(distance(shifted.columns[0]!.x, [1, -1, 1, 1])).toBeLessThan(1e-7)
})

test('64 solves at once give what each gives alone', async () => {
  const P = poisson(30)
  const M = jacobi(P)
  const sides = Array.from({ length: 64 }, (_, k) =>
    Float64Array.from({ length: 900 }, (_, i) => Math.cos(i * (k + 1))),
  )
  const all = await Promise.all(sides.map((b, k) => cg(P, b, k % 2 === 0 ? { M } : {})))
  for (const [k, result] of all.entries()) {
    const alone = cgSync(P, sides[k]!, k % 2 === 0 ? { M } : {})
    expect([result.x, result.reason, result.iterations]).toEqual([alone.x, alone.reason, alone.iterations])
  }
})

test('inputs may be changed as soon as the call has returned', async () => {
  const [b, x0] = [ones(n), ones(n)]
  const call = cg(A, b, { x0 })
  b.fill(NaN)
  x0.fill(NaN)
  expect(distance((await call).x, chainSolution(n))).toBeLessThan(1e-6)
})

test('results pass through structuredClone and JSON without NaN or undefined', () => {
  const results = [
    cgSync(A, ones(n), { history: true, harvest: 2, nullspace: undefined }),
    cgSync(diagonalOf([1, -1]), [1, 2]),
    minresSync(A, [NaN, ...ones(n - 1)]),
    lsqrSync(A, ones(n)),
    directSync(diagonalOf([1, 0]), [1, 1]),
    neumannSync(diagonalOf([0.5]), [1], { terms: 3 }),
  ]
  const walk = (value: unknown, path: string): void => {
    expect(value, path).not.toBe(undefined)
    if (typeof value === 'number') expect(Number.isFinite(value), path).toBe(true)
    if (ArrayBuffer.isView(value)) expect((value as Float64Array).every(Number.isFinite), path).toBe(true)
    else if (typeof value === 'object') for (const [key, inner] of Object.entries(value!)) walk(inner, `${path}.${key}`)
  }
  for (const result of results) {
    expect(structuredClone(result)).toEqual(result)
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
    expect(Object.keys(REASONS)).toContain(result.reason)
    walk(result, result.reason)
  }
})

test('assertConverged returns what converged and throws a SolverError that carries the rest', () => {
  const good = cgSync(A, ones(n))
  expect(assertConverged(good)).toBe(good)
  const bad = cgSync(A, ones(n), { maxIterations: 2 })
  const error = thrownBy(() => assertConverged(bad)) as unknown as SolverError
  expect(error).toBeInstanceOf(SolverError)
  expect(error).toBeInstanceOf(HeadwaterError)
  expect([error.name, error.code, error.result]).toEqual(['SolverError', 'not-converged', bad])
  expect(error.message).toMatch(/^maxIterations after 2 iterations, relative residual .*\. The largest number/)
  const promised = thrownBy(() => assertConverged(cg(A, ones(n)) as never))
  expect([promised.code, promised.message]).toEqual(['option-not-valid', expect.stringContaining('awaited')])
  const many = solveManySync('cg', diagonalOf([1, -3]), [[1, 1], [0, 1]]) // prettier-ignore
  expect(thrownBy(() => assertConverged(many)).message).toMatch(/^column 1: indefiniteOperator/)
})

test('aborted before, during, and partially', async () => {
  const P = poisson(300)
  const endless: CgOptions = { rtol: 0, maxIterations: 4e9, stagnationWindow: 4e9 }
  const reason = { why: 'enough' }
  await expect(cg(A, ones(n), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const start = (onAbort?: 'partial') => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 60)
    return cg(P, ones(90_000), { ...endless, signal: controller.signal, onAbort })
  }
  await expect(start()).rejects.toBe(reason)
  const partial = await start('partial')
  expect(partial.x.every(Number.isFinite)).toBe(true)
  // A machine fast enough may have met the limit of accuracy first.
  expect(['aborted', 'accuracyLimit', 'zeroCurvature', 'stagnation']).toContain(partial.reason)
})

test('progress of a native solve', async () => {
  const reports: SolveProgress[] = []
  await cg(poisson(200), ones(40_000), { onProgress: (report) => void reports.push(report), maxIterations: 2000 })
  expect(reports.length).toBeGreaterThan(0)
  expect(reports[0]).toMatchObject({ maxIterations: 2000 })
  expect(reports[0]!.residual).toBeGreaterThan(0)
  const error = new Error('from progress')
  await expect(cg(poisson(200), ones(40_000), { onProgress: () => { throw error } })).rejects.toBe(error) // prettier-ignore
})

test('everything that is wrong comes back at once', () => {
  const options = { rtol: -1, maxIteration: 5, M: jacobi(chain(3)), x0: [1, 2], norm: 'natrual' }
  const error = thrownBy(() => cgSync(A, [1], options as CgOptions))
  expect(error.problems.map(({ code, name }) => [code, name])).toEqual([
    ['shape-mismatch', 'b'],
    ['option-out-of-range', 'rtol'],
    ['shape-mismatch', 'x0'],
    ['shape-mismatch', 'M'],
    ['option-not-valid', 'norm'],
    ['option-unknown', 'maxIteration'],
  ])
  expect(error.message).toContain("did you mean 'maxIterations'?")
  expect(error.message).toContain("did you mean 'natural'?")
})

const b = ones(n)
const any = (value: unknown): never => value as never
test.each<[string, () => unknown, string]>([
  ['no operator', () => cgSync(any({}), b), 'operator-not-valid'],
  ['a clone of an operator', () => cgSync(any(structuredClone({ rows: n, cols: n })), b), 'operator-not-valid'],
  ['no vector', () => cgSync(A, any('b')), 'vector-not-valid'],
  ['no numbers', () => cgSync(A, any(Array.from({ length: n }, () => '1'))), 'vector-not-valid'],
  ['another typed array', () => cgSync(A, any(new Float32Array(n))), 'dtype-mismatch'],
  ['complex pairs for a real system', () => cgSync(A, any(Array.from({ length: n }, () => [1, 0]))), 'dtype-mismatch'],
  [
    'a preconditioner of the other type',
    () => cgSync(A.toComplex(), new Float64Array(2 * n), { M: jacobi(A) }),
    'dtype-mismatch',
  ],
  ['an option of another method', () => minresSync(A, b, any({ radius: 1 })), 'option-unknown'],
  [
    'an option of the asynchronous twin',
    () => cgSync(A, b, any({ signal: new AbortController().signal })),
    'option-unknown',
  ],
  ['a guess with a radius', () => cgSync(A, b, { x0: b, radius: 1 }), 'options-conflict'],
  ['M that is none', () => cgSync(A, b, { M: any(A) }), 'operator-not-valid'],
  ['a matrix that is not square', () => cgSync(dense([[1, 2]]), [1]), 'shape-mismatch'],
  ['no a', () => shiftedHermitianSync(A, new Float64Array(2 * n), any({})), 'option-missing'],
  ['sigma 0', () => shiftedHermitianSync(A, new Float64Array(2 * n), { a: 1, sigma: 0 }), 'option-out-of-range'],
  [
    'a real function for complex vectors',
    () => shiftedHermitianSync(operator({ rows: 1, apply: () => {} }), [[1, 0]], { a: 1 }),
    'dtype-mismatch',
  ],
  ['no such method', () => iterate(any('gmres') as Method, A, b), 'option-not-valid'],
  ['a function for direct', () => directSync(operator({ rows: 1, apply: () => {} }), [1]), 'matrix-needed'],
  ['an empty null space', () => cgSync(A, b, { nullspace: [] }), 'option-not-valid'],
  ['a dependent null space', () => cgSync(A, b, { nullspace: [b, b] }), 'option-not-valid'],
  [
    'B that is not definite',
    () => exactHessianSync({ factor: diagonalOf([1, -1]), correction: diagonalOf([1, 1]) }, [1, 1]),
    'not-positive-definite',
  ],
  [
    'C of another size',
    () => exactHessianSync({ factor: diagonalOf([1, 1]), correction: diagonalOf([1]) }, [1, 1]),
    'shape-mismatch',
  ],
  ['a correction misspelt', () => exactHessianSync(any({ factor: A, corection: A }), b), 'option-unknown'],
  ['an exact Hessian without its correction', () => exactHessianSync(any({ factor: A }), b), 'operator-not-valid'],
  ['a B of other rows', () => solveManySync('cg', A, [[1, 2]]), 'shape-mismatch'],
  ['no terms', () => neumannSync(A, b, any({})), 'option-missing'],
  ['a wide matrix for cgnr', () => cgnrSync(dense([[1, 2]]), [1, 2]), 'shape-mismatch'],
  ['divergence below 1', () => cgSync(A, b, { divergence: 0.5 }), 'option-out-of-range'],
  ['replacement', () => cgSync(A, b, { replacement: any('often') }), 'option-not-valid'],
])('misuse: %s', (_, call, code) => {
  const error = thrownBy(call)
  expect(error).toMatchObject({ name: 'InvalidInputError', code })
})

test('the asynchronous functions reject with the same errors, never throw', async () => {
  const call = cg(any({}), b, any({ rtoll: 1 }))
  await expect(call).rejects.toMatchObject({ code: 'operator-not-valid', problems: [{}, { code: 'option-unknown' }] })
  await expect(direct(A, [1])).rejects.toMatchObject({ code: 'shape-mismatch' })
  await expect(cg(A, b, { threads: 0 })).rejects.toMatchObject({ code: 'option-out-of-range' })
})

test('a transferred right-hand side is an error', () => {
  const gone = ones(n)
  structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] })
  expect(thrownBy(() => cgSync(A, gone)).code).toBe('array-detached')
})

test('systems of size 0 and 1', () => {
  const empty = Csr.fromTriplets({ rows: 0, cols: 0, entries: [] })
  for (const run of [cgSync, minresSync, cgnrSync, lsqrSync]) expect(run(empty, []).reason).toBe('zeroRhs')
  expect(cgSync(diagonalOf([4]), [2]).x[0]).toBe(0.5)
})
