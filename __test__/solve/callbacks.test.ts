/** Functions as operators and preconditioners: by reverse communication, on the JavaScript thread. */
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import {
  cg,
  cgnrSync,
  cgSync,
  crSync,
  iterate,
  jacobi,
  lsqr,
  minres,
  minresSync,
  operator,
  preconditioner,
  shiftedHermitian,
  type SolveProgress,
} from '../../src-ts/solve/index.ts'
import { chain, chainSolution, diagonalOf, distance, ones, thrownBy } from './model.ts'

const n = 40
const A = chain(n)
const b = ones(n)
const sync = operator({
  rows: n,
  apply: (x, y) => void A.apply(x, y),
  applyAdjoint: (x, y) => void A.applyAdjoint(x, y),
})
const slow = operator({
  rows: n,
  apply: async (x, y) => {
    await null
    A.apply(x, y)
  },
})
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

test('a function gives the bits that the matrix gives, in every method', async () => {
  for (const run of [cgSync, crSync, minresSync] as const) {
    const [asked, known] = [run(sync, b), run(A, b)]
    expect([asked.x, asked.iterations, asked.reason]).toEqual([known.x, known.iterations, known.reason])
    expect([asked.probes, known.probes]).toEqual([3, 0])
  }
  expect(cgnrSync(sync, b, { rtol: 1e-10 }).x).toEqual(cgnrSync(A, b, { rtol: 1e-10 }).x)
  expect((await lsqr(sync, b)).x).toEqual((await lsqr(A, b)).x)
  expect((await cg(slow, b)).x).toEqual(cgSync(A, b).x)
  expect((await minres(slow, b)).x).toEqual(minresSync(A, b).x)
})

test('complex functions, with rectangular ones for least squares', async () => {
  const turn = operator({
    rows: 2,
    dtype: 'complex128',
    // H = [[0, i], [−i, 0]]
    apply: (x, y) => y.set([-x[3]!, x[2]!, x[1]!, -x[0]!]),
  })
  const { x, reason } = await shiftedHermitian(turn, [[1, 0], [0, 0]], { a: 1 }) // prettier-ignore
  // (I + iH)x = b with H² = I: x = (I − iH)b/2.
  expect(reason).toBe('rtol')
  expect(distance(x, [0.5, 0, -0.5, 0])).toBeLessThan(1e-12)
  const tall = operator({
    rows: 3,
    cols: 2,
    apply: (x, y) => y.set([x[0]!, x[1]!, x[0]! + x[1]!]),
    applyAdjoint: (x, y) => y.set([x[0]! + x[2]!, x[1]! + x[2]!]),
  })
  expect(distance((await lsqr(tall, [1, 2, 3])).x, [1, 2])).toBeLessThan(1e-8)
})

test('a function as preconditioner, of a matrix and of a function', async () => {
  const M = preconditioner({ size: n, apply: (r, z) => z.set(r.map((value) => value / 2)) })
  const native = cgSync(A, b, { M: jacobi(A) })
  for (const result of [cgSync(A, b, { M }), await cg(sync, b, { M }), cgSync(sync, b, { M: jacobi(A) })]) {
    expect([result.iterations, result.converged]).toEqual([native.iterations, true])
    expect(distance(result.x, native.x)).toBeLessThan(1e-9)
  }
  const upside = preconditioner({ size: n, apply: (r, z) => z.set(r.map((value) => -value)) })
  expect(cgSync(A, b, { M: upside }).reason).toBe('indefinitePreconditioner')
  const broken = preconditioner({ size: n, apply: (_, z) => void z.fill(NaN) })
  expect(cgSync(A, b, { M: broken })).toMatchObject({ reason: 'nonFinite', location: 'preconditioner' })
})

test('y is zero at the start of each call, so that a function may add to it', () => {
  const adding = operator({
    rows: 3,
    apply: (x, y) => {
      for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) y[i]! += (i === j ? 3 : 1) * x[j]!
    },
  })
  expect(distance(cgSync(adding, [5, 5, 5]).x, [1, 1, 1])).toBeLessThan(1e-12)
})

test('what a function throws or rejects with comes out as it is, and the next call works', async () => {
  const error = { not: 'an Error' }
  const throwing = operator({ rows: n, apply: () => { throw error } }) // prettier-ignore
  let count = 0
  const later = operator({ rows: n, apply: async (x, y) => { A.apply(x, y); if (++count === 9) throw error } }) // prettier-ignore
  expect(thrownBy(() => cgSync(throwing, b))).toBe(error)
  await expect(cg(throwing, b)).rejects.toBe(error)
  await expect(cg(later, b)).rejects.toBe(error)
  expect(() => [...iterate('cg', throwing, b)]).toThrow()
  expect(cgSync(sync, b).converged).toBe(true)
})

test('misuse of the functions has names', async () => {
  expect(thrownBy(() => cgSync(slow, b)).code).toBe('callback-asynchronous')
  const rejecting = operator({ rows: n, apply: () => Promise.reject(new Error('unheard')) })
  expect(thrownBy(() => cgSync(rejecting, b)).code).toBe('callback-asynchronous')
  const returning = operator({ rows: n, apply: (x) => A.apply(x) })
  expect(thrownBy(() => cgSync(returning, b)).code).toBe('callback-not-valid')
  const resolving = operator({ rows: n, apply: async (x) => A.apply(x) })
  await expect(cg(resolving, b)).rejects.toMatchObject({ code: 'callback-not-valid' })
  const controller = new AbortController()
  await expect(cg(resolving, b, { signal: controller.signal })).rejects.toMatchObject({ code: 'callback-not-valid' })
  const stealing = operator({
    rows: n,
    apply: (x, y) => {
      A.apply(x, y)
      structuredClone(y.buffer, { transfer: [y.buffer] })
    },
  })
  expect(thrownBy(() => cgSync(stealing, b)).code).toBe('array-detached')
  await expect(cg(stealing, b)).rejects.toMatchObject({ code: 'array-detached' })
  expect(thrownBy(() => cgnrSync(operator({ rows: n, apply: () => {} }), b)).code).toBe('adjoint-needed')
})

test('a claim of symmetry is probed, its denial believed', () => {
  const skew = operator({ rows: 2, hermitian: true, apply: (x, y) => y.set([x[0]! + x[1]!, x[1]! - x[0]!]) })
  expect(cgSync(skew, [1, 0])).toMatchObject({ reason: 'notHermitian', probes: 3, iterations: 0 })
  const denied = operator({ rows: n, hermitian: false, apply: sync.apply })
  expect(cgSync(denied, b)).toMatchObject({ reason: 'notHermitian', probes: 0 })
})

test('stop is asked after every iteration, of a matrix too', async () => {
  const seen: number[] = []
  const result = cgSync(A, b, { stop: ({ iteration, residual }) => (seen.push(residual), iteration === 4) })
  expect(result).toMatchObject({ reason: 'userStop', converged: false, iterations: 4 })
  expect(seen).toHaveLength(4)
  expect((await cg(slow, b, { stop: ({ iteration }) => iteration === 7 })).iterations).toBe(7)
  const error = new Error('from stop')
  expect(thrownBy(() => cgSync(A, b, { stop: () => { throw error } }))).toBe(error) // prettier-ignore
})

test('aborts are heard between requests, and while one is pending', async () => {
  const controller = new AbortController()
  const never = operator({ rows: n, apply: () => new Promise(() => {}) })
  const calls = [cg(never, b, { signal: controller.signal }), cg(slow, b, { rtol: 0, maxIterations: 1e9, stagnationWindow: 1e9, signal: controller.signal })] // prettier-ignore
  const partial = cg(never, b, { signal: controller.signal, onAbort: 'partial' })
  await soon()
  const reason = new Error('enough')
  controller.abort(reason)
  for (const call of calls.slice(0, 1)) await expect(call).rejects.toBe(reason)
  await calls[1]!.catch(() => {})
  expect(await partial).toMatchObject({ reason: 'aborted', converged: false })
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  await expect(cg(sync, b, { signal: controller.signal })).rejects.toBe(reason)
})

test('an abort during synchronous products is heard, since the thread is shared', async () => {
  const long = Array.from({ length: 400 }, (_, k) => 1 + k ** 3)
  const wide = diagonalOf(long)
  const busy = operator({ rows: 400, apply: (x, y) => { const end = performance.now() + 1; wide.apply(x, y); while (performance.now() < end); } }) // prettier-ignore
  const controller = new AbortController()
  setTimeout(() => controller.abort(new Error('stop it')), 30)
  const began = performance.now()
  await expect(cg(busy, ones(400), { rtol: 1e-15, signal: controller.signal })).rejects.toThrow('stop it')
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('progress is reported, and a report that throws ends the call', async () => {
  const reports: SolveProgress[] = []
  await cg(slow, b, { onProgress: (report) => void reports.push(report), maxIterations: 99 })
  expect(reports[0]).toMatchObject({ iteration: 1, maxIterations: 99 })
  const error = new Error('from progress')
  await expect(cg(slow, b, { onProgress: () => { throw error } })).rejects.toBe(error) // prettier-ignore
})

test('a promise from stop is an error, one from onProgress that rejects ends the call', async () => {
  const asking = (async () => false) as unknown as () => boolean
  expect(thrownBy(() => cgSync(A, b, { stop: asking })).code).toBe('callback-asynchronous')
  const error = new Error('later')
  const onProgress = (): Promise<never> => Promise.reject(error)
  await expect(cg(slow, b, { onProgress })).rejects.toBe(error)
})

test('iterate: one turn an iteration, the result at the end, the last x after a break', async () => {
  const solving = iterate('cg', A, b, { history: true })
  expect(solving.result).toBe(undefined)
  const norms = [...solving].map(({ residual }) => residual)
  const result = solving.result!
  expect(result.reason).toBe('rtol')
  expect(distance(result.x, chainSolution(n))).toBeLessThan(1e-6)
  // The last iteration ends the solve.
  expect(norms).toEqual([...result.history!].slice(1, 1 + norms.length))
  expect(result.iterations - norms.length).toBeLessThanOrEqual(1)
  let turns = 0
  for await (const { iteration } of iterate('minres', slow, b)) {
    turns++
    expect(iteration).toBe(turns)
  }
  expect(turns).toBeGreaterThan(5)
  for (const { iteration } of solving) if (iteration === 3) break
  expect(solving.result).toMatchObject({ reason: 'userStop', iterations: 3 })
  for await (const { iteration } of solving) if (iteration === 2) break
  expect(solving.result).toMatchObject({ reason: 'userStop', iterations: 2 })
})

test('overhead of a function: a few microseconds at most a product (printed; the bar is a bench)', () => {
  const values = Array.from({ length: 64 }, (_, k) => 10 ** ((6 * k) / 63))
  let calls = 0
  const asked = operator({ rows: 64, apply: (x, y) => { calls++; for (let i = 0; i < 64; i++) y[i] = values[i]! * x[i]! } }) // prettier-ignore
  const time = (run: () => void): number => {
    let best = Infinity
    for (let round = 0; round < 20; round++) {
      const began = performance.now()
      run()
      best = Math.min(best, performance.now() - began)
    }
    return best * 1000
  }
  const options = { rtol: 1e-10, probe: false }
  const known = diagonalOf(values)
  cgSync(asked, ones(64), options)
  const perSolve = calls
  const [mine, native] = [time(() => void cgSync(asked, ones(64), options)), time(() => void cgSync(known, ones(64), options))] // prettier-ignore
  const each = (mine - native) / perSolve
  console.log(`overhead ${each.toFixed(2)} µs a product (${perSolve} products a solve)`)
  expect(each).toBeLessThan(20)
})

test('products that take long do not hold others up: two solves interleave', async () => {
  const order: string[] = []
  const named = (name: string) => operator({ rows: n, apply: async (x, y) => { order.push(name); await null; A.apply(x, y) } }) // prettier-ignore
  const [one, two] = await Promise.all([cg(named('a'), b), cg(named('b'), b)])
  expect(one.x).toEqual(two.x)
  expect(order.slice(0, 4)).toEqual(['a', 'b', 'a', 'b'])
})

test('a solve stopped by its caller tells the true residual of the x it returns', async () => {
  const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))
  const stop = ({ iteration }: { iteration: number }): boolean => iteration === 7
  for (const out of [cgSync(sync, b, { stop }), await minres(sync, b, { stop }), cgSync(A, b, { stop })]) {
    expect(out.reason).toBe('userStop')
    expect(out.iterations).toBe(7)
    const image = A.apply(out.x)
    expect(Math.abs(out.residual.true! - norm(b.map((value, k) => value - image[k]!)))).toBeLessThan(1e-11)
  }
  const solving = iterate('cg', sync, b)
  for (const { iteration } of solving) if (iteration === 3) break
  expect(solving.result!.residual.true).toBeGreaterThan(0)
  // A promise would have to be waited for: no residual then.
  const late = await cg(slow, b, { stop })
  expect([late.reason, late.iterations, 'true' in late.residual]).toEqual(['userStop', 7, false])
})
