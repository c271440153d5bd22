/** Graphs against dense Laplacians of the reference. */
import { expect, test } from 'vitest'
import {
  bounds,
  Cayley,
  cgSync,
  graph,
  Graph,
  InvalidInputError,
  type LinearOperator,
} from '../../src-ts/solve/index.ts'
import { laplacian, grid, ring } from '../reference/solve/graph.ts'
import type { Matrix } from '../reference/solve/dense.ts'

/** The matrix of an operator, column by column. */
function matrixOf(A: LinearOperator): Matrix {
  const n = A.cols
  const out = { rows: n, cols: n, re: new Float64Array(n * n), im: new Float64Array(n * n) }
  const width = A.dtype === 'complex128' ? 2 : 1
  for (let j = 0; j < n; j++) {
    const unit = new Float64Array(n * width)
    unit[j * width] = 1
    const column = A.apply(unit)
    for (let i = 0; i < n; i++) {
      out.re[i * n + j] = column[i * width]!
      if (width === 2) out.im[i * n + j] = column[i * width + 1]!
    }
  }
  return out
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

test('rings, grids and edge lists have the Laplacians of the definition', () => {
  expect(matrixOf(graph.ring(7).laplacian())).toEqual(laplacian(ring(7)))
  expect(matrixOf(graph.grid(3, 4).laplacian())).toEqual(laplacian(grid(3, 4)))
  const edges = [[0, 1, 0.5, 0.3], [1, 2, 2, -1], [2, 0, 1.5, 0], [0, 1, 0.25, 0.1]] as const // prettier-ignore
  const given = graph.fromEdges(3, edges)
  const expected = laplacian({
    n: 3,
    edges: edges.map(([i, j]) => [i, j] as const),
    weights: edges.map(([, , w]) => w),
    flux: edges.map(([, , , flux]) => flux),
  })
  const found = matrixOf(given.magneticLaplacian())
  for (const part of ['re', 'im'] as const) {
    for (const [k, value] of expected[part].entries()) expect(found[part][k]).toBeCloseTo(value, 14)
  }
  expect(given.magneticLaplacian().hermitian).toBe(true)
})

test('a graph tells its edges and takes other numbers', () => {
  const square = graph.fromEdges(4, [[0, 1], [1, 2], [2, 3, 3], [3, 0]]) // prettier-ignore
  expect(square).toBeInstanceOf(Graph)
  expect([square.nodes, square.size, square.magnetic, square.fluxes]).toEqual([4, 4, false, undefined])
  expect(square.edges).toEqual([[0, 1], [1, 2], [2, 3], [3, 0]]) // prettier-ignore
  expect([...square.weights]).toEqual([1, 1, 3, 1])
  square.weights[0] = 9
  expect(square.weights[0]).toBe(1)
  const other = square.withWeights([1, 2, 3, 4]).withFluxes([0.1, 0.2, 0.3, 0.4])
  expect([...other.weights]).toEqual([1, 2, 3, 4])
  expect([...other.fluxes!]).toEqual([0.1, 0.2, 0.3, 0.4])
  expect([...square.weights]).toEqual([1, 1, 3, 1])
  expect(other.magneticLaplacian().dtype).toBe('complex128')
})

test('graphs by rule have the edges that they promise', () => {
  expect(graph.grid(4, 5, { periodic: true }).size).toBe(40)
  const [small, same, other] = [1, 1, 2].map((seed) => graph.smallWorld(60, { neighbours: 6, rewiring: 0.3, seed }))
  expect(small!.size).toBe(180)
  expect(same!.edges).toEqual(small!.edges)
  expect(other!.edges).not.toEqual(small!.edges)
  const pairs = graph.ringWithPairs(50, { sparsity: 6, seed: 3 })
  expect(pairs.size).toBeGreaterThanOrEqual(150 - 10)
  expect(pairs.size).toBeLessThanOrEqual(150)
  // The constant vector is the null space, and the spectrum ends below twice the largest degree.
  expect(Math.max(...pairs.laplacian().apply(new Float64Array(50).fill(1)).map(Math.abs))).toBe(0)
  expect(bounds.gershgorin(graph.ring(9).laplacian())).toEqual({ min: 0, max: 4 })
})

test('a Laplacian is solved for with its null space', () => {
  const L = graph.grid(6, 6).laplacian()
  const b = Float64Array.from({ length: 36 }, (_, k) => (k === 0 ? 1 : k === 35 ? -1 : 0))
  const { converged, x } = cgSync(L, b, { nullspace: 'constant', rtol: 1e-12 })
  expect(converged).toBe(true)
  for (const [k, value] of L.apply(x).entries()) expect(value).toBeCloseTo(b[k]!, 10)
})

test('misuse is named', () => {
  expect(codeOf(() => graph.ring(2))).toBe('graph-not-valid')
  expect(codeOf(() => graph.ring(2.5))).toBe('option-out-of-range')
  expect(codeOf(() => graph.fromEdges(3, [[0, 0]]))).toBe('graph-not-valid')
  expect(codeOf(() => graph.fromEdges(3, [[0, 3]]))).toBe('graph-not-valid')
  expect(codeOf(() => graph.fromEdges(3, [[0, 1, NaN]]))).toBe('graph-not-valid')
  expect(codeOf(() => graph.fromEdges(3, 5 as never))).toBe('graph-not-valid')
  expect(codeOf(() => graph.ring(5).withWeights([1, 2]))).toBe('shape-mismatch')
  expect(codeOf(() => graph.ring(5).withFluxes([0, 0, 0, 0, Infinity]))).toBe('graph-not-valid')
  expect(codeOf(() => graph.ring(5).withFluxes([0, 0, 0, 0, 1]).laplacian())).toBe('graph-not-valid')
  expect(codeOf(() => graph.smallWorld(10, { neighbours: 3 }))).toBe('graph-not-valid')
  expect(codeOf(() => graph.grid(2, 5, { periodic: true }))).toBe('graph-not-valid')
  expect(codeOf(() => graph.smallWorld(10, { rewire: 1 } as never))).toBe('option-unknown')
  expect(codeOf(() => new Cayley(ring(5) as never, { dt: 0.1 }))).toBe('operator-not-valid')
})
