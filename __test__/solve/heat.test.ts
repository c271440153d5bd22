/** Diffusion by implicit steps, and what runs of steps tell while they run. */
import { expect, test } from 'vitest'
import {
  Cayley,
  dense,
  evolve,
  evolveSync,
  graph,
  heat,
  heatSync,
  operator,
  type StepProgress,
} from '../../src-ts/solve/index.ts'
import { thrownBy } from './model.ts'

const n = 24
const wave = (k: number): Float64Array =>
  Float64Array.from({ length: n }, (_, j) => Math.cos((2 * Math.PI * k * j) / n))

test('an eigenvector of a ring is damped by 1/(1 + aλ) a step, and the sum of u is kept', async () => {
  const [t, steps] = [0.7, 5]
  for (const k of [1, 5]) {
    const lambda = 2 - 2 * Math.cos((2 * Math.PI * k) / n)
    const damping = (1 + (t / steps) * lambda) ** -steps
    const start = wave(k).map((value) => value + 2)
    const out = heatSync(graph.ring(n), start, t, { steps })
    out.u.forEach((value, j) => expect(Math.abs(value - 2 - damping * wave(k)[j]!)).toBeLessThan(1e-10))
    expect(Math.abs(out.u.reduce((sum, value) => sum + value, 0) - 2 * n)).toBeLessThan(1e-9)
    expect(out).toMatchObject({ steps, converged: true, reason: 'rtol' })
    expect(out.residuals.length).toBe(steps)
    expect(out.worstResidual).toBe(Math.max(...out.residuals))
    expect((await heat(graph.ring(n), start, t, { steps })).u).toEqual(out.u)
    expect('normDefect' in out).toBe(false)
  }
})

test('the steps are of order 1, and an H that is not semidefinite is named', () => {
  const H = graph.ring(n).laplacian()
  const exact = Math.exp(-(2 - 2 * Math.cos((2 * Math.PI * 3) / n)))
  const error = (steps: number): number => Math.abs(heatSync(H, wave(3), 1, { steps }).u[0]! - exact)
  expect(error(40) / error(80)).toBeGreaterThan(1.9)
  expect(error(40) / error(80)).toBeLessThan(2.1)
  const out = heatSync(dense([[1, 0], [0, -4]]), [1, 1], 1, { steps: 1 }) // prettier-ignore
  expect(out).toMatchObject({ steps: 0, converged: false, reason: 'indefiniteOperator' })
  expect(out.u).toEqual(Float64Array.of(1, 1))
})

test('misuse is named, all at once', () => {
  const { problems } = thrownBy(() => heatSync([] as never, [1], NaN, { step: 1 } as never))
  const names = problems!.map(({ name }) => name)
  for (const name of ['H', 't', 'steps', 'step']) expect(names).toContain(name)
  expect(thrownBy(() => heatSync(graph.ring(4), [1], 1, { steps: 1 })).code).toBe('shape-mismatch')
})

test('a long run tells its steps and hears an abort; what it threw comes out', async () => {
  const H = graph.grid(40, 40)
  const psi = new Float64Array(3200)
  psi[0] = 1
  const seen: StepProgress[] = []
  const stop = new AbortController()
  const onProgress = (progress: StepProgress): void => {
    seen.push(progress)
    if (seen.length === 2) stop.abort()
  }
  const walk = new Cayley(H, { dt: 0.4, solver: 'galerkin' })
  const out = await walk.step(psi, { steps: 1e6, onProgress, signal: stop.signal, onAbort: 'partial' })
  expect(out.reason).toBe('aborted')
  expect(seen[0]).toEqual({ step: expect.any(Number), steps: 1e6 })
  expect(seen[1]!.step).toBeGreaterThan(seen[0]!.step)
  expect(out.steps).toBeGreaterThanOrEqual(seen[1]!.step)
  const thrower = (): never => {
    throw new Error('enough')
  }
  await expect(evolve(H, psi, 1e5, { method: 'cayley', steps: 1e6, solver: 'galerkin', onProgress: thrower })).rejects.toThrow('enough') // prettier-ignore
  await expect(evolve(H, psi, 1e5, { onProgress: thrower })).rejects.toThrow('enough')
}, 60_000)

test('the set-up of the direct solver is part of the first step, and stops there', async () => {
  const walk = new Cayley(graph.grid(20, 25), { dt: 0.1 })
  expect(walk.solver).toBe('direct')
  const psi = new Float64Array(1000)
  psi[0] = 1
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 20)
  const out = await walk.step(psi, { steps: 1e6, signal: stop.signal, onAbort: 'partial' })
  expect(out.reason).toBe('aborted')
  if (out.steps === 0) expect(out.psi).toEqual(psi)
  const again = await walk.step(psi)
  expect(again).toMatchObject({ steps: 1, converged: true })
  const galerkin = new Cayley(graph.grid(20, 25), { dt: 0.1, solver: 'galerkin', rtol: 1e-13 }).stepSync(psi)
  again.psi.forEach((value, k) => expect(Math.abs(value - galerkin.psi[k]!)).toBeLessThan(1e-12))
}, 60_000)

test('H as a function takes the steps of the matrix, at once or by promises', async () => {
  const H = graph.ring(n).laplacian().toComplex()
  const psi = Float64Array.from({ length: 2 * n }, (_, k) => Math.sin(k * k))
  const known = evolveSync(H, psi, 1.5, { method: 'cayley', steps: 10, solver: 'galerkin', rtol: 1e-13 })
  const free = operator({ rows: n, dtype: 'complex128', apply: (x, y) => void H.apply(x, y) })
  const slow = operator({ rows: n, dtype: 'complex128', apply: async (x, y) => void H.apply(x, (await null, y)) })
  const options = { method: 'cayley', steps: 10, rtol: 1e-13 } as const
  for (const found of [evolveSync(free, psi, 1.5, options), await evolve(slow, psi, 1.5, options)]) {
    expect(found).toMatchObject({ steps: 10, converged: true, reason: 'rtol' })
    found.psi.forEach((value, k) => expect(Math.abs(value - known.psi[k]!)).toBeLessThan(1e-11))
    expect(found.residuals!.length).toBe(10)
    expect(found.worstResidual!).toBeLessThanOrEqual(1e-13)
    expect(Math.abs(found.normDefect)).toBeLessThan(1e-13)
  }
  const skew = operator({ rows: n, dtype: 'complex128', apply: (x, y) => y.set(x.map((v, k) => (k % 2 ? v : -v) * (1 + k))) }) // prettier-ignore
  const refused = evolveSync(skew, psi, 1, { method: 'cayley', steps: 3 })
  expect([refused.steps, refused.reason, refused.converged]).toEqual([0, 'notHermitian', false])
  expect(refused.psi).toEqual(psi)
  expect(thrownBy(() => evolveSync(free, psi, 1)).code).toBe('option-not-valid')
  const stop = new AbortController()
  const waiting = operator({ rows: n, dtype: 'complex128', apply: () => new Promise(() => setTimeout(() => stop.abort(), 5)) }) // prettier-ignore
  const partial = await evolve(waiting, psi, 1, { ...options, signal: stop.signal, onAbort: 'partial' })
  expect([partial.reason, partial.steps]).toEqual(['aborted', 0])
})
