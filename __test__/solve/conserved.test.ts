/** What truncated solves of Cayley steps conserve, and how far truncated gradients are off: the measurements of the method. */
import { describe, expect, test } from 'vitest'
import { bounds, Cayley, Csr, graph, neumannSync } from '../../src-ts/solve/index.ts'

type Vector = Float64Array<ArrayBuffer>
const random = (length: number, key: number): Vector => {
  const x = Float64Array.from({ length }, (_, k) => ((((k + 1) * 0.6180339887498949 + key * 0.377) % 1) - 0.5) * (1 + ((k * k) % 7))) // prettier-ignore
  const size = Math.hypot(...x)
  return x.map((value) => value / size)
}

/** The three scales of a small world, one weight each. */
const n = 256
const parts = [5, 10, 20].map((sparsity) => graph.ringWithPairs(n, { sparsity, seed: 42 }))
const walk = graph.fromEdges(n, parts.flatMap(({ edges, weights }) => edges.map(([i, j], k): [number, number, number] => [i, j, weights[k]! * 0.231]))) // prettier-ignore
const H = walk.laplacian()
const { max } = bounds.lanczos(H, { steps: 60 })

describe('a hundred steps of two iterations at Λ = 5', () => {
  const psi = random(2 * n, 1)
  const run = (solver: 'galerkin' | 'cgw' | 'cocg' | 'cgnr'): { norm: number; energy: number; residual: number } => {
    const cayley = new Cayley(H, { dt: 10 / max, solver, maxIterations: 2, allowInexact: true })
    const { normDefect, energyDefect, worstResidual, converged } = cayley.stepSync(psi, { steps: 100 })
    expect(converged).toBe(false)
    return { norm: Math.abs(normDefect), energy: Math.abs(energyDefect!), residual: worstResidual }
  }
  test('galerkin keeps norm and energy, cgw the norm only, cocg and cgnr neither', () => {
    const [galerkin, cgw, cocg, cgnr] = (['galerkin', 'cgw', 'cocg', 'cgnr'] as const).map(run)
    expect(galerkin!.norm).toBeLessThan(1e-13)
    expect(galerkin!.energy).toBeLessThan(1e-12)
    expect(cgw!.norm).toBeLessThan(1e-13)
    expect(cgw!.energy).toBeGreaterThan(1e-3)
    for (const other of [cocg!, cgnr!]) {
      expect(other.norm).toBeGreaterThan(1e-3)
      expect(other.energy).toBeGreaterThan(1e-3)
    }
    // None of which the residual hides.
    for (const { residual } of [galerkin!, cgw!, cocg!, cgnr!]) expect(residual).toBeGreaterThan(0.05)
  })
})

test('the first Neumann term is no gradient: its cosine with the exact one falls with Λ, how fast depends on the loss', () => {
  const target = random(2 * n, 5)
  const losses = {
    random: (): Vector => random(2 * n, 3),
    distance: (psi: Vector): Vector => psi.map((v, k) => v - target[k]!),
  }
  const psi = random(2 * n, 1)
  const cosines = Object.values(losses).map((cotangent) =>
    [0.08, 0.39, 1.94, 3.9].map((lambda) => {
      const dt = (2 * lambda) / max
      const edges = walk.edges
      const gradient = (y: Vector, l: Vector): Vector =>
        Float64Array.from(edges, ([i, j]) => {
          const part = (v: Vector, of: number): number => v[2 * i + of]! - v[2 * j + of]!
          return (dt / 2) * (part(l, 0) * part(y, 1) - part(l, 1) * part(y, 0))
        })
      const cayley = new Cayley(walk, { dt, rtol: 1e-13 })
      const bar = cotangent(cayley.stepSync(psi).psi)
      const exact = cayley.vjpSync(psi, bar, { parameterVjp: (y) => y.slice() })
      // λ = 2ψ̄ Σ (iaH)ʲ, cut off before the first product.
      const back = Csr.fromTriplets({ rows: n, cols: n, dtype: 'complex128', entries: entriesOf(dt / 2) })
      const { x } = neumannSync(back, bar.map((v) => 2 * v), { terms: 0 }) // prettier-ignore
      const cut = gradient(exact.parameters![0]!, x)
      const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, k) => sum + v * b[k]!, 0)
      return dot(cut, exact.weights!) / Math.hypot(...cut) / Math.hypot(...exact.weights!)
    }),
  )
  // 0.998, 0.948, 0.542, 0.329 were measured for random cotangents on graphs of this class.
  const measured = [0.998, 0.948, 0.542, 0.329]
  measured.forEach((value, k) => expect(Math.abs(cosines[0]![k]! - value)).toBeLessThan(0.12))
  for (const [weak, , strong, stiff] of cosines) {
    expect(weak).toBeGreaterThan(0.95)
    expect(Math.max(strong!, stiff!)).toBeLessThan(0.7)
  }
  expect(cosines[1]![1]).toBeLessThan(0.9)
})

/** I − iaH. */
function entriesOf(a: number): [number, number, [number, number]][] {
  const columns = Array.from({ length: n }, (_, j) => H.apply(Float64Array.from({ length: n }, (__, k) => (k === j ? 1 : 0)))) // prettier-ignore
  return columns.flatMap((column, j) =>
    [...column.entries()]
      .filter(([i, v]) => v !== 0 || i === j)
      .map(([i, v]): [number, number, [number, number]] => [i, j, [i === j ? 1 : 0, -a * v]]),
  )
}
