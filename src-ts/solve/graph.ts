/** Graphs and their Laplacians: H = degree − adjacency, with weights and, where wanted, fluxes on the edges. */
import type { NativeEdges, NativeGraph } from '#native'
import { InvalidInputError } from '../errors.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { Csr } from './operators.ts'
import { readVector } from './vectors.ts'

/** The handle in the addon. */
export let nativeGraph: (graph: Graph) => NativeGraph

/**
 * An undirected weighted graph. An edge (i, j) of weight w and flux φ adds w u uᴴ, u = e_i − e^{−iφ} e_j, to its Laplacian:
 * H_ii and H_jj grow by w, H_ij = −w e^{iφ}, H_ji its conjugate. Parallel edges add up. Make one with {@link graph}.
 *
 * Sources: F. R. K. Chung (1997), "Spectral graph theory"; E. H. Lieb, M. Loss (1993), "Fluxes, Laplacians, and
 * Kasteleyn's theorem".
 */
export class Graph {
  readonly #native: NativeGraph
  #edges: NativeEdges | undefined
  /** Number of nodes. */
  readonly nodes: number
  /** Number of edges. */
  readonly size: number
  /** Whether its edges have fluxes. */
  readonly magnetic: boolean

  static {
    nativeGraph = (graph) => graph.#native
  }

  /** @internal */
  constructor(handle: NativeGraph) {
    this.#native = handle
    this.nodes = handle.nodes
    this.size = handle.edges
    this.magnetic = handle.magnetic
  }

  get #arrays(): NativeEdges {
    return (this.#edges ??= native().graphArrays(this.#native))
  }

  /** The two nodes of each edge, in the order of weights, fluxes and gradients. A new array. */
  get edges(): [number, number][] {
    const { ends } = this.#arrays
    return Array.from({ length: this.size }, (_, k) => [ends[2 * k]!, ends[2 * k + 1]!])
  }

  /** Weight of each edge. A new array. */
  get weights(): Float64Array<ArrayBuffer> {
    return this.#arrays.weights.slice()
  }

  /** Flux of each edge, radians, from its first node to its second; `undefined` without. A new array. */
  get fluxes(): Float64Array<ArrayBuffer> | undefined {
    return this.#arrays.fluxes?.slice()
  }

  /**
   * H as a real sparse matrix: n + 2m elements, positive semidefinite where no weight is negative.
   * @throws InvalidInputError `graph-not-valid` for a graph with fluxes
   */
  laplacian(): Csr {
    return new Csr(call((addon) => addon.graphLaplacian(this.#native, false)).value)
  }

  /** H as a complex sparse matrix, with fluxes or without. */
  magneticLaplacian(): Csr {
    return new Csr(call((addon) => addon.graphLaplacian(this.#native, true)).value)
  }

  /**
   * The same edges with other weights (of either sign).
   * @throws InvalidInputError `shape-mismatch`; `graph-not-valid` for one that is not finite
   */
  withWeights(weights: Float64Array | readonly number[]): Graph {
    const numbers = readVector(weights, this.size, 'float64', 'weights')
    return new Graph(call((addon) => addon.graphWith(this.#native, numbers, null)).value)
  }

  /**
   * The same edges with other fluxes, in radians.
   * @throws InvalidInputError `shape-mismatch`; `graph-not-valid` for one that is not finite
   */
  withFluxes(fluxes: Float64Array | readonly number[]): Graph {
    const numbers = readVector(fluxes, this.size, 'float64', 'fluxes')
    return new Graph(call((addon) => addon.graphWith(this.#native, null, numbers)).value)
  }
}

/** An edge: two nodes, its weight (default 1) and its flux (default: none). */
export type Edge = readonly [number, number, weight?: number, flux?: number]

const MOST = 2 ** 32 - 1

/** Graphs by rule or by edges. Those by rule have weights of 1; {@link Graph.withWeights} sets others. */
export const graph: {
  /**
   * The cycle of n ≥ 3 nodes; the eigenvalues of its Laplacian are 2 − 2cos(2πk/n).
   * @throws InvalidInputError `option-out-of-range`, `graph-not-valid`
   */
  ring(nodes: number): Graph
  /**
   * rows × cols nodes, row-major, joined with their neighbours; `periodic` closes both directions.
   * @throws InvalidInputError `option-out-of-range`, `graph-not-valid`
   */
  grid(rows: number, cols: number, options?: { periodic?: boolean | undefined }): Graph
  /**
   * Each node joined with its `neighbours` (even) nearest on a ring; the far end of each edge is moved with probability
   * `rewiring` to a node drawn at random. The same seed gives the same graph.
   *
   * Source: D. J. Watts, S. H. Strogatz (1998), "Collective dynamics of 'small-world' networks".
   * @param options `neighbours`: default 4; `rewiring`: default 0.1; `seed`: default 0
   * @throws InvalidInputError `option-not-valid`, `option-out-of-range`, `graph-not-valid`
   */
  smallWorld(
    nodes: number,
    options?: { neighbours?: number | undefined; rewiring?: number | undefined; seed?: number | undefined },
  ): Graph
  /**
   * A ring with offsets 1 … max(1, ⌊s/2⌋) and pairs drawn at random up to about n s/2 edges, s being `sparsity`; loops
   * are dropped and duplicates merged.
   * @param options `sparsity`: default 4; `seed`: default 0
   * @throws InvalidInputError `option-not-valid`, `option-out-of-range`, `graph-not-valid`
   */
  ringWithPairs(nodes: number, options?: { sparsity?: number | undefined; seed?: number | undefined }): Graph
  /**
   * From edges `[i, j]`, `[i, j, weight]` or `[i, j, weight, flux]`; a graph where one edge has a flux has fluxes on all.
   * @throws InvalidInputError `option-out-of-range`; `graph-not-valid` for loops, nodes out of range, numbers that are not
   * finite
   * @example
   * ```ts
   * const triangle = graph.fromEdges(3, [[0, 1, 1], [1, 2, 0.5], [2, 0, 2]])
   * ```
   */
  fromEdges(nodes: number, edges: Iterable<Edge>): Graph
} = {
  ring(nodes) {
    const n = count(nodes, 'graph.ring: nodes')
    return new Graph(call((addon) => addon.graphRing(n)).value)
  },
  grid(rows, cols, options = {}) {
    const [m, n] = [count(rows, 'graph.grid: rows'), count(cols, 'graph.grid: cols')]
    const check = new Checker(options, 'graph.grid: options')
    const periodic = check.boolean('periodic') ?? false
    check.finish()
    return new Graph(call((addon) => addon.graphGrid(m, n, periodic)).value)
  },
  smallWorld(nodes, options = {}) {
    const n = count(nodes, 'graph.smallWorld: nodes')
    const check = new Checker(options, 'graph.smallWorld: options')
    const neighbours = check.integer('neighbours', { min: 2, max: MOST }) ?? 4
    const rewiring = check.number('rewiring', { min: 0, max: 1 }) ?? 0.1
    const seed = check.integer('seed') ?? 0
    check.finish()
    return new Graph(call((addon) => addon.graphSmallWorld(n, neighbours, rewiring, seed)).value)
  },
  ringWithPairs(nodes, options = {}) {
    const n = count(nodes, 'graph.ringWithPairs: nodes')
    const check = new Checker(options, 'graph.ringWithPairs: options')
    const sparsity = check.integer('sparsity', { min: 1, max: 2 ** 16 }) ?? 4
    const seed = check.integer('seed') ?? 0
    check.finish()
    return new Graph(call((addon) => addon.graphRingWithPairs(n, sparsity, seed)).value)
  },
  fromEdges(nodes, edges) {
    const n = count(nodes, 'graph.fromEdges: nodes')
    if (typeof edges !== 'object' || edges === null || !(Symbol.iterator in edges)) {
      throw new InvalidInputError('graph-not-valid', 'edges must be an array of [i, j, weight, flux]', {
        name: 'edges',
      })
    }
    const list = [...edges]
    const ends = new Uint32Array(2 * list.length)
    const [weights, fluxes] = [new Float64Array(list.length), new Float64Array(list.length)]
    let magnetic = false
    for (const [k, edge] of list.entries()) {
      const [i, j, weight = 1, flux] = Array.isArray(edge) ? (edge as Edge) : ([] as unknown as Edge)
      const isNode = (node: unknown): boolean => Number.isInteger(node) && (node as number) >= 0 && (node as number) < n
      const numeric = typeof weight === 'number' && (flux === undefined || typeof flux === 'number')
      if (!isNode(i) || !isNode(j) || !numeric) {
        const message = `edge ${k} must be [i, j, weight, flux] with nodes from 0 to ${n - 1}, got ${JSON.stringify(edge)}`
        throw new InvalidInputError('graph-not-valid', message, { name: 'edges', row: k, value: edge })
      }
      ends[2 * k] = i
      ends[2 * k + 1] = j
      weights[k] = weight
      fluxes[k] = flux ?? 0
      magnetic ||= flux !== undefined
    }
    return new Graph(call((addon) => addon.graphFromEdges(n, ends, weights, magnetic ? fluxes : null)).value)
  },
}

function count(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST) return value
  const message = `${name} must be a whole number from 1, got ${String(value)}`
  throw new InvalidInputError('option-out-of-range', message, { name, value })
}
