/** Time evolution by a function as H, many states at once, the eigendecomposition, and gradients for parameters of H. */
import { describe, expect, test } from 'vitest'
import { Cayley, Csr, dense, evolveSync, graph, InvalidInputError, operator, type CallbackOperator, type LinearOperator } from '../../src-ts/solve/index.ts' // prettier-ignore

type Vector = Float64Array<ArrayBuffer>
const n = 30
const walk = graph.smallWorld(n, { neighbours: 4, rewiring: 0.3, seed: 5 })
const H = walk.magneticLaplacian()
const state = (key: number, length = n): Vector => {
  const psi = Float64Array.from({ length: 2 * length }, (_, k) => Math.sin((k + 1) * (k + key)))
  const size = Math.hypot(...psi)
  return psi.map((value) => value / size)
}
const freed = (A: LinearOperator, late = false): CallbackOperator =>
  operator({
    rows: A.rows,
    dtype: 'complex128',
    apply: (x, y) => (late ? Promise.resolve().then(() => void A.apply(x, y)) : void A.apply(x, y)),
  })
const distance = (x: Float64Array, y: Float64Array): number => Math.hypot(...x.map((value, k) => value - y[k]!))
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

describe('a function as H', () => {
  const [dt, steps, psi] = [0.3, 12, state(3)]
  const options = { dt, rtol: 1e-13 }
  const known = new Cayley(H, { ...options, solver: 'galerkin' })

  test('steps and states are those of the matrix, at once or by promises', async () => {
    const expected = known.evolveSync(psi, { steps, every: 5 })
    for (const late of [false, true]) {
      const free = new Cayley(freed(H, late), options)
      expect(free.solver).toBe('galerkin')
      const found = await free.evolve(psi, { steps, every: 5 })
      expect(found.times).toEqual(expected.times)
      found.states.forEach((at, k) => expect(distance(at, expected.states[k]!)).toBeLessThan(1e-12))
      expect([found.converged, found.residuals.length, found.steps]).toEqual([true, steps, steps])
      expect(Math.abs(found.normDefect)).toBeLessThan(1e-13)
      expect(Math.abs(found.energyDefect!)).toBeLessThan(1e-13)
      const out = new Float64Array(2 * n)
      const last = await free.step(psi, { steps, out })
      expect(last.psi).toBe(out)
      expect(distance(out, expected.states.at(-1)!)).toBeLessThan(1e-12)
      expect(free.stats).toMatchObject({ steps: 2 * steps, converged: true, reason: 'rtol', solver: 'galerkin' })
    }
    const sync = new Cayley(freed(H), options)
    expect(distance(sync.stepSync(psi, { steps }).psi, expected.states.at(-1)!)).toBeLessThan(1e-12)
    expect(distance(sync.evolveSync(psi, { steps }).states.at(-1)!, expected.states.at(-1)!)).toBeLessThan(1e-12)
    const once = evolveSync(freed(H), psi, steps * dt, { method: 'cayley', steps, rtol: 1e-13 })
    expect(distance(once.psi, expected.states.at(-1)!)).toBeLessThan(1e-12)
  })

  test('the gradient is that of the matrix, and the hook that of the weights', async () => {
    const cotangent = state(9)
    const edges = new Cayley(walk, { ...options, solver: 'direct' }).vjpSync(psi, cotangent, { steps })
    const ends = walk.edges
    // −Re⟨λ, ia(∂H/∂w)y⟩ of an edge (i, j), ∂H/∂w = uuᵀ, u = e_i − e_j.
    const hook = (y: Vector, lambda: Vector): number[] =>
      ends.map(([i, j]) => {
        const part = (v: Vector, of: number): number => v[2 * i + of]! - v[2 * j + of]!
        return (dt / 2) * (part(lambda, 0) * part(y, 1) - part(lambda, 1) * part(y, 0))
      })
    const sum = (parameters: number[][]): Float64Array => Float64Array.from(ends, (_, k) => parameters.reduce((total, step) => total + step[k]!, 0)) // prettier-ignore
    const every = [
      new Cayley(freed(H), options).vjpSync(psi, () => cotangent, { steps, parameterVjp: hook }),
      await new Cayley(freed(H, true), options).vjp(psi, cotangent, { steps, parameterVjp: hook }),
      known.vjpSync(psi, () => cotangent, { steps, parameterVjp: hook }),
      await known.vjp(psi, () => cotangent, { steps, parameterVjp: hook }),
    ]
    for (const found of every) {
      expect(found.parameters!.length).toBe(steps)
      expect(distance(sum(found.parameters!), edges.weights!)).toBeLessThan(1e-11)
      expect(Math.abs(found.dt - edges.dt)).toBeLessThan(1e-11)
      for (const name of ['psiPlus', 'psi', 'lambda'] as const) {
        expect(distance(found[name], edges[name])).toBeLessThan(1e-11)
      }
      expect([found.forward.converged, found.adjoint.converged, found.adjoint.steps]).toEqual([true, true, steps])
      expect('weights' in found).toBe(false)
    }
    const seen: number[] = []
    known.vjpSync(psi, cotangent, { steps: 3, parameterVjp: (_, __, step) => seen.push(step) })
    expect(seen).toEqual([2, 1, 0])
  })

  test('misuse and failures are named', async () => {
    const real = operator({ rows: n, apply: () => {} })
    expect(codeOf(() => new Cayley(real, { dt }))).toBe('dtype-mismatch')
    expect(codeOf(() => new Cayley(freed(H), { dt, solver: 'direct' }))).toBe('option-not-valid')
    expect(codeOf(() => new Cayley(freed(H), { dt }).stepSync(state(1, 2 * n), { columns: 2 }))).toBe('option-not-valid') // prettier-ignore
    expect(codeOf(() => new Cayley(freed(H, true), { dt, energy: false }).stepSync(psi))).toBe('callback-asynchronous')
    const skew = Csr.fromTriplets({ rows: 2, cols: 2, dtype: 'complex128', entries: [[0, 1, [1, 0]]] })
    const run = new Cayley(freed(skew), { dt }).stepSync([[1, 0], [0, 0]]) // prettier-ignore
    expect([run.reason, run.steps, run.converged]).toEqual(['notHermitian', 0, false])
    const few = new Cayley(freed(H), { dt, maxIterations: 1 })
    expect(codeOf(() => few.vjpSync(psi, psi))).toBe('unconverged-gradient')
    const busy = new Cayley(freed(H, true), { dt })
    const running = busy.step(psi)
    expect(codeOf(() => busy.stepSync(psi))).toBe('propagator-busy')
    await running
    const controller = new AbortController()
    const long = new Cayley(freed(H, true), { dt }).step(psi, { steps: 1e6, signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    await expect(long).rejects.toThrow('enough')
  })
})

describe.each(['direct', 'eigen', 'galerkin', 'cgnr'] as const)('many states by %s', (solver) => {
  const k = 4
  const columns = Array.from({ length: k }, (_, c) => state(c + 1))
  const block = Float64Array.from({ length: 2 * n * k }, (_, at) => columns[(at >> 1) % k]![2 * Math.floor(at / 2 / k) + (at & 1)]!) // prettier-ignore
  const column = (from: Float64Array, c: number): Vector => Float64Array.from({ length: 2 * n }, (_, at) => from[2 * ((at >> 1) * k + c) + (at & 1)]!) // prettier-ignore
  for (const [name, A] of [
    ['real', walk.laplacian()],
    ['complex', walk.withFluxes(walk.weights).magneticLaplacian()],
  ] as const) {
    // prettier-ignore
    test(`they end where each alone does, each with its report (${name})`, async () => {
      const cayley = new Cayley(A, { dt: 0.3, solver, rtol: 1e-12 })
      const found = await cayley.step(block, { steps: 6, columns: k })
      expect(found.columns!.length).toBe(k)
      for (const [c, psi] of columns.entries()) {
        const alone = cayley.stepSync(psi, { steps: 6 })
        expect(distance(column(found.psi, c), alone.psi)).toBeLessThan(2e-11)
        const { steps, converged, reason, residuals, normDefect, energyDefect } = found.columns![c]!
        expect([steps, converged, reason, residuals.length]).toEqual([6, true, 'rtol', 6])
        expect(Math.abs(normDefect)).toBeLessThan(1e-10)
        expect(Math.abs(energyDefect!)).toBeLessThan(1e-10)
      }
      expect([found.converged, found.steps, found.residuals.length]).toEqual([true, 6, 6])
      const { states, times } = cayley.evolveSync(block, { steps: 6, columns: k, every: 4 })
      expect(times.map((t) => Math.round(t / 0.3))).toEqual([0, 4, 6])
      expect(distance(states[2]!, found.psi)).toBeLessThan(1e-12)
    })
  }

  test('a state that fails stays as it was, the others go on', () => {
    const broken = block.slice()
    broken[2] = NaN
    const out = new Float64Array(broken.length)
    const found = new Cayley(walk, { dt: 0.3, solver }).stepSync(broken, { steps: 3, columns: k, out })
    expect(found.columns!.map(({ steps }) => steps)).toEqual([3, 0, 3, 3])
    expect(found.columns!.map(({ reason }) => reason)).toEqual(['rtol', 'nonFinite', 'rtol', 'rtol'])
    expect([found.converged, found.reason, found.steps]).toEqual([false, 'nonFinite', 0])
    expect(column(out, 1)).toEqual(column(broken, 1))
    expect(codeOf(() => new Cayley(walk, { dt: 0.3 }).stepSync(block, { columns: 3 }))).toBe('shape-mismatch')
  })
})

test('the eigendecomposition gives the step of the factors, and of a dense real H', () => {
  for (const A of [
    walk.laplacian(),
    walk.withFluxes(walk.weights).magneticLaplacian(),
    dense(Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.cos(i + j)))),
  ]) {
    // prettier-ignore
    const psi = state(2, A.rows)
    for (const dt of [0.2, -3]) {
      const [one, two] = (['direct', 'eigen'] as const).map((solver) => new Cayley(A, { dt, solver }).stepSync(psi))
      expect([one!.converged, two!.converged]).toEqual([true, true])
      expect(distance(one!.psi, two!.psi)).toBeLessThan(1e-13)
    }
  }
})
