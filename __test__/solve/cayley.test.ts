/** Propagation against fixtures, closed forms and the spectrum. */
import { describe, expect, test } from 'vitest'
import {
  Cayley,
  evolve,
  evolveSync,
  dense,
  graph,
  InvalidInputError,
  Csr,
  type CayleySolver,
  type Graph,
} from '../../src-ts/solve/index.ts'
import { centralDifferences } from '../reference/solve/adjoint.ts'
import { array, cases, pairs, type Ref } from '../reference/solve/load.ts'

interface Case {
  name: string
  n: number
  edges: Ref
  weights: Ref
  flux?: Ref
  b: Ref
  steps: { dt: number; psi_plus: Ref; matvecs_to_1e12: Record<string, number> }[]
  evolution: { t: number; psi_exact: Ref; cayley_n: number; psi_cayley: Ref }
}
const all = cases<{ cases: Case[] }>('cayley').cases
const read = (ref: Ref): Float64Array<ArrayBuffer> => Float64Array.from(array('cayley', ref).data)

function graphOf({ n, edges, weights, flux }: Case): Graph {
  const angles = flux === undefined ? undefined : read(flux)
  const numbers = read(weights)
  return graph.fromEdges(n, pairs('cayley', edges).map(([i, j], k) => [i, j, numbers[k]!, angles?.[k]!])) // prettier-ignore
}

function distance(x: Float64Array, y: Float64Array): number {
  let [difference, size] = [0, 0]
  for (let k = 0; k < y.length; k++) {
    difference += (x[k]! - y[k]!) ** 2
    size += y[k]! ** 2
  }
  return Math.sqrt(difference / size)
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidInputError) return error.code
    throw error
  }
  return 'none'
}

const wave = (n: number, k: number): Float64Array<ArrayBuffer> =>
  Float64Array.from({ length: 2 * n }, (_, j) => {
    const angle = (2 * Math.PI * k * (j >> 1)) / n
    return j % 2 === 0 ? Math.cos(angle) : Math.sin(angle)
  })

function turned(psi: Float64Array, angle: number): Float64Array<ArrayBuffer> {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  return Float64Array.from(psi, (value, k) => (k % 2 === 0 ? value * cos - psi[k + 1]! * sin : value * cos + psi[k - 1]! * sin)) // prettier-ignore
}

for (const entry of all) {
  describe(entry.name, () => {
    const walk = graphOf(entry)
    const b = read(entry.b)
    const solvers: CayleySolver[] = ['direct', 'galerkin', 'cgw', 'cgnr', ...(entry.flux ? [] : ['cocg' as const])]

    for (const { dt, psi_plus, matvecs_to_1e12 } of entry.steps) {
      test.each(solvers)(`dt ${dt} by %s`, (solver) => {
        const cayley = new Cayley(walk, { dt, solver, rtol: 1e-12 })
        const { psi, converged, reason, residuals, worstResidual, normDefect, matvecs } = cayley.stepSync(b)
        expect([converged, reason, residuals.length, cayley.solver]).toEqual([true, 'rtol', 1, solver])
        expect(worstResidual).toBeLessThanOrEqual(1e-12)
        expect(Math.abs(normDefect)).toBeLessThan(1e-11)
        expect(distance(psi, read(psi_plus))).toBeLessThan(4e-12)
        // Two products are the energies, one confirms.
        if (solver === 'galerkin') expect(matvecs - 3).toBeLessThanOrEqual(matvecs_to_1e12['galerkin']! + 2)
      })
    }

    test('a run ends where the eigendecomposition does, as a job too, and goes back', async () => {
      const { t, cayley_n: steps, psi_cayley } = entry.evolution
      const dt = t / steps
      const expected = read(psi_cayley)
      const [there, back] = [new Cayley(walk, { dt }), new Cayley(walk, { dt: -dt })]
      const { psi } = there.stepSync(b, { steps })
      expect(distance(psi, expected)).toBeLessThan(1e-11)
      const async = await there.step(b, { steps })
      expect([...async.psi]).toEqual([...psi])
      expect(distance(back.stepSync(psi, { steps }).psi, b)).toBeLessThan(1e-11)
      const { states, times, steps: made } = await there.evolve(b, { steps, every: 30 })
      expect(made).toBe(steps)
      expect(times.map((time) => Math.round(time / dt))).toEqual([0, 30, 60, 90, 100])
      expect([...states[0]!]).toEqual([...b])
      expect([...states.at(-1)!]).toEqual([...psi])
      expect(there.stats).toMatchObject({ steps: 3 * steps, converged: true, solver: there.solver })
    })
  })
}

test('plane waves on a ring turn by the phase of the Cayley transform', () => {
  const [n, dt, steps] = [24, 0.3, 50]
  for (const solver of ['direct', 'galerkin'] as const) {
    const cayley = new Cayley(graph.ring(n), { dt, solver, rtol: 1e-13 })
    for (const k of [0, 1, 5, 12, 23]) {
      const eigenvalue = 2 - 2 * Math.cos((2 * Math.PI * k) / n)
      const { psi } = cayley.stepSync(wave(n, k), { steps })
      expect(distance(psi, turned(wave(n, k), -2 * Math.atan((dt * eigenvalue) / 2) * steps))).toBeLessThan(1e-12)
    }
  }
})

test('norm and energy hold over a thousand steps, and certify nothing', () => {
  const walk = graph.smallWorld(80, { neighbours: 6, seed: 4 })
  const psi = wave(80, 3)
  const { normDefect, energyDefect } = new Cayley(walk, { dt: 1 }).stepSync(psi, { steps: 1000 })
  expect(Math.abs(normDefect)).toBeLessThan(1e-12)
  expect(Math.abs(energyDefect!)).toBeLessThan(1e-9)
  const loose = { dt: 1, solver: 'galerkin', maxIterations: 2 } as const
  const wrong = new Cayley(walk, { ...loose, allowInexact: true }).stepSync(psi, { steps: 20 })
  expect(Math.abs(wrong.normDefect)).toBeLessThan(1e-13)
  expect([wrong.converged, wrong.reason, wrong.steps]).toEqual([false, 'maxIterations', 20])
  expect(wrong.worstResidual).toBeGreaterThan(0.01)
  // Without leave the run stops at once, with the state it had.
  const strict = new Cayley(walk, loose).stepSync(psi, { steps: 20 })
  expect([strict.steps, strict.converged]).toEqual([0, false])
  expect([...strict.psi]).toEqual([...psi])
})

test('out may be psi itself; a matrix, dense or complex, is as good as a graph', () => {
  const ring = graph.ring(9)
  const psi = wave(9, 2)
  const expected = new Cayley(ring, { dt: 0.2 }).stepSync(psi, { steps: 3 }).psi
  const place = psi.slice()
  expect(new Cayley(ring.laplacian(), { dt: 0.2, energy: false }).stepSync(place, { steps: 3, out: place }).psi).toBe(
    place,
  )
  expect(distance(place, expected)).toBeLessThan(1e-15)
  const rows = Array.from({ length: 9 }, (_, i) => Array.from({ length: 9 }, (_, j) => (i === j ? 2 : Math.abs(i - j) % 7 === 1 ? -1 : 0))) // prettier-ignore
  for (const H of [dense(rows), ring.magneticLaplacian()]) {
    const { psi: end, energyDefect } = new Cayley(H, { dt: 0.2, solver: 'galerkin' }).stepSync(psi, { steps: 3 })
    expect(distance(end, expected)).toBeLessThan(1e-11)
    expect(Math.abs(energyDefect!)).toBeLessThan(1e-12)
  }
})

test('calls queue; a synchronous one between them is refused; an aborted one rejects', async () => {
  const cayley = new Cayley(graph.ring(600), { dt: 0.1 })
  const psi = wave(600, 7)
  const both = Promise.all([cayley.step(psi, { steps: 5 }), cayley.step(psi, { steps: 5 })])
  expect(codeOf(() => cayley.stepSync(psi))).toBe('propagator-busy')
  const [first, second] = await both
  expect([...first.psi]).toEqual([...second.psi])
  expect(cayley.solver).toBe('galerkin')
  const gone = new AbortController()
  const long = cayley.step(psi, { steps: 1e7, signal: gone.signal })
  gone.abort(new Error('enough'))
  await expect(long).rejects.toThrow('enough')
  expect((await cayley.step(psi)).converged).toBe(true)
})

test('gradients with respect to weights, fluxes and dt are those of central differences', async () => {
  const base = graph.fromEdges(6, [[0, 1, 1, 0.2], [1, 2, 0.7, -0.4], [2, 3, 1.3, 0], [3, 4, 0.5, 1], [4, 5, 2, 0.1], [5, 0, 1, 0.6], [1, 4, 0.8, 0.3]]) // prettier-ignore
  const [psi, steps, dt] = [wave(6, 1).map((value, k) => value + 0.1 * k), 4, 0.3]
  const weight = (k: number): number => Math.sin(1 + k)
  // L = Σ c_k |ψ_k|².
  const loss = (walk: Graph, step: number, start = psi): number => {
    const end = new Cayley(walk, { dt: step, rtol: 1e-14 }).stepSync(start, { steps }).psi
    return end.reduce((sum, value, k) => sum + weight(k >> 1) * value ** 2, 0)
  }
  const bar = (end: Float64Array): Float64Array<ArrayBuffer> => Float64Array.from(end, (value, k) => 2 * weight(k >> 1) * value) // prettier-ignore
  for (const solver of ['direct', 'galerkin', 'cgnr'] as const) {
    const cayley = new Cayley(base, { dt, solver, rtol: 1e-13 })
    const out = cayley.vjpSync(psi, bar, { steps })
    const close = (found: Float64Array, expected: Float64Array): void =>
      expect(distance(found, expected)).toBeLessThan(1e-8)
    close(
      out.weights!,
      centralDifferences((w) => loss(base.withWeights(w), dt), base.weights),
    )
    close(
      out.fluxes!,
      centralDifferences((f) => loss(base.withFluxes(f), dt), base.fluxes!),
    )
    close(
      Float64Array.of(out.dt),
      centralDifferences(([step]) => loss(base, step!), [dt]),
    )
    close(
      out.psi,
      centralDifferences((start) => loss(base, dt, Float64Array.from(start)), psi),
    )
    expect([out.forward.converged, out.adjoint.converged, out.adjoint.steps]).toEqual([true, true, steps])
    const again = await cayley.vjp(psi, bar(out.psiPlus), { steps })
    expect(distance(again.weights!, out.weights!)).toBeLessThan(1e-13)
    const asked = await cayley.vjp(psi, bar, { steps })
    expect(distance(asked.psi, out.psi)).toBeLessThan(1e-13)
  }
})

test('misuse is named, all at once', async () => {
  const cayley = new Cayley(graph.ring(5), { dt: 0.1 })
  expect(codeOf(() => cayley.stepSync([1, 2, 3]))).toBe('shape-mismatch')
  expect(codeOf(() => cayley.stepSync(new Float32Array(10) as never))).toBe('dtype-mismatch')
  expect(codeOf(() => cayley.stepSync(wave(5, 1), { step: 2 } as never))).toBe('option-unknown')
  expect(codeOf(() => cayley.stepSync(wave(5, 1), { out: [1] as never }))).toBe('shape-mismatch')
  expect(codeOf(() => cayley.vjpSync(wave(5, 1), [1, 2]))).toBe('shape-mismatch')
  expect(codeOf(() => cayley.vjpSync(wave(5, 1), wave(5, 1).fill(NaN)))).toBe('option-not-valid')
  expect(codeOf(() => new Cayley(graph.ring(5), {} as never))).toBe('option-missing')
  expect(codeOf(() => new Cayley(graph.ring(5), { dt: 1, rtol: 2 }))).toBe('option-out-of-range')
  expect(codeOf(() => new Cayley(graph.ring(5), { dt: 1, solver: 'lu' as never }))).toBe('option-not-valid')
  const skew = Csr.fromTriplets({ rows: 2, cols: 2, entries: [[0, 1, 1], [1, 0, -1]] }) // prettier-ignore
  expect(codeOf(() => new Cayley(skew, { dt: 1 }))).toBe('not-hermitian')
  expect(codeOf(() => new Cayley(dense([[NaN]]), { dt: 1 }))).toBe('operator-not-finite')
  expect(codeOf(() => new Cayley(graph.ring(5).magneticLaplacian(), { dt: 1, solver: 'cocg' }))).toBe(
    'option-not-valid',
  )
  const truncated = new Cayley(graph.grid(5, 5), { dt: 3, solver: 'galerkin', maxIterations: 2 })
  expect(codeOf(() => truncated.vjpSync(wave(25, 3), wave(25, 1)))).toBe('unconverged-gradient')
  const lenient = new Cayley(graph.grid(5, 5), { dt: 3, solver: 'galerkin', maxIterations: 2, allowInexact: true })
  expect(lenient.vjpSync(wave(25, 3), wave(25, 1)).adjoint.converged).toBe(false)
  await expect(cayley.evolve(wave(5, 1), { every: 0 })).rejects.toMatchObject({ code: 'option-out-of-range' })
})

for (const entry of all) {
  test(`${entry.name}: the series, Padé and Cayley steps against the exponential`, async () => {
    const [walk, b] = [graphOf(entry), read(entry.b)]
    const { t, psi_exact, psi_cayley, cayley_n } = entry.evolution
    const exact = read(psi_exact)
    const series = await evolve(walk, b, t, { rtol: 1e-14 })
    expect([series.converged, series.reason]).toEqual([true, 'rtol'])
    expect(distance(series.psi, exact)).toBeLessThan(1e-12)
    expect(series.truncation).toBeLessThan(1e-14)
    expect(Math.abs(series.normDefect)).toBeLessThan(1e-13)
    expect([...evolveSync(walk, b, t, { rtol: 1e-14 }).psi]).toEqual([...series.psi])
    const steps = await evolve(walk, b, t, { method: 'cayley', steps: cayley_n })
    expect(distance(steps.psi, read(psi_cayley))).toBeLessThan(1e-11)
    const errors = [40, 80].map((count) => distance(evolveSync(walk, b, t, { method: 'pade', steps: count, rtol: 1e-13 }).psi, exact)) // prettier-ignore
    expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - 4)).toBeLessThan(0.1)
    const job = await evolve(walk, b, t, { method: 'pade', steps: 40, rtol: 1e-13 })
    expect(distance(job.psi, exact)).toBe(errors[0])
    expect(job.residuals).toHaveLength(80)
    const wrong = await evolve(walk, b, 10 * t, { bounds: { min: 0, max: 0.5 } })
    expect([wrong.converged, wrong.reason]).toEqual([false, 'diverged'])
  })
}

test('Strang steps are of order 2, reversible and norm-preserving', async () => {
  const [n, g] = [32, 1.5]
  const ring = graph.ring(n)
  const psi = Float64Array.from({ length: 2 * n }, (_, k) => (k % 2 === 0 ? Math.exp(-(((k / 2 - 16) / 4) ** 2)) : 0.1 * Math.sin(0.35 * (k - 1)))) // prettier-ignore
  const run = (t: number, steps: number, from = psi): Float64Array<ArrayBuffer> => {
    const half = t / steps / 2
    const phase = (state: Float64Array, angles: Float64Array): void => {
      for (let j = 0; j < n; j++) angles[j] = -g * half * (state[2 * j]! ** 2 + state[2 * j + 1]! ** 2)
    }
    const out = evolveSync(ring, from, t, { method: 'strang', steps, phase, rtol: 1e-13 })
    expect([out.converged, out.steps]).toEqual([true, steps])
    expect(Math.abs(out.normDefect)).toBeLessThan(1e-12)
    return out.psi
  }
  const fine = run(2, 1600)
  const errors = [50, 100].map((steps) => distance(run(2, steps), fine))
  expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - 2)).toBeLessThan(0.05)
  expect(distance(run(-2, 50, run(2, 50)), psi)).toBeLessThan(1e-11)
  const strang = { method: 'strang', steps: 5 } as const
  const out = evolveSync(ring, psi, 1, { ...strang, phase: (_, angles) => void angles.fill(NaN) })
  expect([out.converged, out.reason, out.steps, [...out.psi]]).toEqual([false, 'nonFinite', 0, [...psi]])
  expect(codeOf(() => evolveSync(ring, psi, 1, { ...strang, phase: (async () => {}) as never }))).toBe('callback-asynchronous') // prettier-ignore
  expect(codeOf(() => evolveSync(ring, psi, 1, { ...strang, phase: (() => [1]) as never }))).toBe('callback-not-valid')
  expect(codeOf(() => evolveSync(ring, psi, 1, strang))).toBe('option-missing')
  await expect(evolve(ring, psi, 1, strang as never)).rejects.toThrow(/only|evolveSync/)
  expect(codeOf(() => evolveSync(ring, psi, 1, { method: 'cayley' }))).toBe('option-missing')
  expect(codeOf(() => evolveSync(ring, psi, 1, { steps: 4 }))).toBe('options-conflict')
  expect(codeOf(() => evolveSync(ring, psi, NaN))).toBe('option-not-valid')
})
