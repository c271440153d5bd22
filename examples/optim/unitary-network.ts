// A network that mixes by unitary propagation on a graph with learned weights, and its gradient: exactly, by the adjoint
// solves of headwater/solve, or as a published program of this kind has it.
//
//   φ = W x, ψ = φ/‖φ‖, then `layers` Cayley steps ψ ← (I + iaH)⁻¹(I − iaH)ψ, a = dt/2,
//   H = Σ_k softmax(c)_k L_k(softplus θ), graphs of three densities;
//   p_d = Σ |ψ_j|² over the nodes j of digit d; L = mean of −log p[digit].
import { Cayley, graph, HeadwaterError, type Graph } from 'headwater/solve'
import type { Digits } from './digits-network.ts'

/** Complex ones are interleaved. The read-in W, nodes × 64; θ of the edges of all scales; c of the scales. */
export interface Parameters {
  readIn: { data: Float64Array; shape: number[]; dtype: 'complex128' }
  edges: Float64Array
  scales: Float64Array
}
export type Gradients = Record<keyof Parameters, Float64Array>

/** How a step is computed and differentiated. */
export interface Propagation {
  dt: number
  /** Conjugate gradients on the real form of I + iaH, which is not symmetric, stopped after so many; default: solved. */
  iterations?: number | undefined
  /** Adjoint Σ_{k ≤ terms} (iaH)ᵏ ψ̄ of so many terms beyond the first; default: solved, or with `iterations` 0. */
  terms?: number | undefined
}

export interface Batch {
  loss: number
  grads: Gradients
  /** The worst true relative residual of (I + iaH)ψ⁺ = (I − iaH)ψ. */
  residual: number
  /** What is farthest from 1 among the norms ‖ψ‖² after the steps, less 1. */
  normDefect: number
  /** What the linear solves say; for the optimiser's `solves`. */
  solves: { converged: boolean; reason: string }[]
}

const PIXELS = 64
const DIGITS = 10

export class UnitaryNetwork {
  readonly nodes: number
  readonly layers: number
  readonly #graph: Graph
  /** The two nodes of each edge. */
  readonly #ends: Uint32Array
  /** Scale of each edge. */
  readonly #scale: Uint8Array

  /** @param sparsity edges of a node at the first scale, about; twice and four times as many at the others */
  constructor({ nodes = 48, sparsity = 8, layers = 2 }: { nodes?: number; sparsity?: number; layers?: number } = {}) {
    this.nodes = nodes
    this.layers = layers
    const scales = [1, 2, 4].map(
      (factor) => graph.ringWithPairs(nodes, { sparsity: sparsity * factor, seed: 42 }).edges,
    )
    this.#ends = Uint32Array.from(scales.flat(2))
    this.#graph = graph.fromEdges(nodes, scales.flat())
    this.#scale = Uint8Array.from(scales.flatMap((edges, k) => edges.map(() => k)))
  }

  /** Weights of edges and scales equal; a read-in with |W|² about 1/64 by formula. */
  start(): Parameters {
    const readIn = Float64Array.from({ length: 2 * this.nodes * PIXELS }, (_, k) => Math.cos(7 * k * k + k) / 8)
    return {
      readIn: { data: readIn, shape: [this.nodes, PIXELS], dtype: 'complex128' },
      edges: new Float64Array(this.#graph.size),
      scales: new Float64Array(3),
    }
  }

  /** Loss and gradient over these images. */
  evaluate(params: Parameters, { images, labels }: Digits, batch: readonly number[], how: Propagation): Batch {
    const { nodes } = this
    const shares = softmax(params.scales)
    const weights = params.edges.map((theta, e) => shares[this.#scale[e]!]! * softplus(theta))
    const steps = this.#steps(weights, how)
    const grads: Gradients = {
      readIn: new Float64Array(params.readIn.data.length),
      edges: new Float64Array(params.edges.length),
      scales: new Float64Array(3),
    }
    const weightGradient = new Float64Array(weights.length)
    const solves: Batch['solves'] = []
    let [loss, residual, normDefect] = [0, 0, 0]
    for (const image of batch) {
      const x = images.subarray(PIXELS * image, PIXELS * (image + 1))
      const phi = readInto(params.readIn.data, x, nodes)
      const norm = Math.hypot(...phi)
      const psi = phi.map((part) => part / norm)
      const label = labels[image]!
      const run = steps(psi, (end) => {
        const p = probabilities(end)
        loss -= Math.log(p[label]!) / batch.length
        normDefect = farther(normDefect, p.reduce((sum, share) => sum + share, 0) - 1)
        // ∂|ψ|²/∂Re + i∂|ψ|²/∂Im = 2ψ.
        return end.map((part, k) => ((k >> 1) % DIGITS === label ? (-2 * part) / (p[label]! * batch.length) : 0))
      })
      residual = farther(residual, run.residual)
      solves.push(...run.solves)
      run.weights.forEach((part, e) => (weightGradient[e]! += part))
      // Through ψ = φ/‖φ‖, and W.
      const along = psi.reduce((sum, part, k) => sum + part * run.psi[k]!, 0)
      const bar = run.psi.map((part, k) => (part - along * psi[k]!) / norm)
      for (let j = 0; j < nodes; j++) {
        for (let pixel = 0; pixel < PIXELS; pixel++) {
          if (x[pixel] === 0) continue
          const at = 2 * (j * PIXELS + pixel)
          grads.readIn[at]! += bar[2 * j]! * x[pixel]!
          grads.readIn[at + 1]! += bar[2 * j + 1]! * x[pixel]!
        }
      }
    }
    // w_e = share · softplus(θ_e).
    const toShare = new Float64Array(3)
    for (const [e, part] of weightGradient.entries()) {
      const k = this.#scale[e]!
      grads.edges[e] = part * shares[k]! * sigmoid(params.edges[e]!)
      toShare[k]! += part * softplus(params.edges[e]!)
    }
    const mean = shares.reduce((sum, share, k) => sum + share * toShare[k]!, 0)
    shares.forEach((share, k) => (grads.scales[k] = share * (toShare[k]! - mean)))
    return { loss, grads, residual, normDefect, solves }
  }

  /** Mean loss and share of images read right, with steps that are solved. */
  test(params: Parameters, { images, labels }: Digits, dt: number): { loss: number; accuracy: number } {
    const { nodes } = this
    const shares = softmax(params.scales)
    const weights = params.edges.map((theta, e) => shares[this.#scale[e]!]! * softplus(theta))
    const columns = labels.length
    const block = new Float64Array(2 * nodes * columns)
    const copy = (psi: Float64Array, column: number): void => {
      for (let j = 0; j < nodes; j++) block.set(psi.subarray(2 * j, 2 * j + 2), 2 * (j * columns + column))
    }
    for (let k = 0; k < columns; k++) {
      const phi = readInto(params.readIn.data, images.subarray(PIXELS * k, PIXELS * (k + 1)), nodes)
      const norm = Math.hypot(...phi)
      copy(phi.map((part) => part / norm), k) // prettier-ignore
    }
    const { psi } = new Cayley(this.#graph.withWeights(weights), { dt }).stepSync(block, {
      steps: this.layers,
      columns,
    })
    let [loss, right] = [0, 0]
    for (let k = 0; k < columns; k++) {
      const p = probabilities(Float64Array.from({ length: 2 * nodes }, (_, at) => psi[2 * ((at >> 1) * columns + k) + (at & 1)]!)) // prettier-ignore
      loss -= Math.log(p[labels[k]!]!) / columns
      if (p.indexOf(Math.max(...p)) === labels[k]) right++
    }
    return { loss, accuracy: right / columns }
  }

  /** The steps from one state, and back. */
  #steps(
    weights: Float64Array,
    how: Propagation,
  ): (psi: Float64Array, cotangent: (end: Float64Array) => Float64Array) => Passed {
    const { layers } = this
    const { dt, iterations, terms } = how
    const cayley = new Cayley(this.#graph.withWeights(weights), {
      dt,
      solver: 'galerkin',
      energy: false,
    })
    if (iterations === undefined && terms === undefined) {
      return (psi, cotangent) => {
        try {
          const found = cayley.vjpSync(psi, cotangent, { steps: layers })
          const { forward, adjoint } = found
          return {
            psi: found.psi,
            weights: found.weights!,
            residual: forward.worstResidual,
            solves: [forward, adjoint],
          }
        } catch (error) {
          // No gradient to trust is for the guard to judge.
          if (!(error instanceof HeadwaterError && error.code === 'unconverged-gradient')) throw error
          const solves = [{ converged: false, reason: error.message }]
          return { psi: psi.map(() => NaN), weights: weights.map(() => NaN), residual: NaN, solves }
        }
      }
    }
    const a = dt / 2
    const laplacian = (v: Float64Array): Float64Array => this.#laplacian(weights, v)
    return (psi, cotangent) => {
      // Forwards, with the states kept.
      const states = [psi]
      const inner: Float64Array[] = []
      const solves: Batch['solves'] = []
      let residual = 0
      for (let layer = 0; layer < layers; layer++) {
        const now = states[layer]!
        if (iterations === undefined) {
          const step = cayley.stepSync(now)
          residual = farther(residual, step.worstResidual)
          solves.push(step)
          inner.push(step.psi)
          states.push(step.psi)
          continue
        }
        const b = plusTimesI(now, -a, laplacian(now))
        const x = wrongCg(a, laplacian, b, iterations)
        const product = plusTimesI(x, a, laplacian(x))
        const rest = b.map((part, k) => part - product[k]!)
        const size = Math.hypot(...rest) / Math.hypot(...b)
        residual = farther(residual, size)
        solves.push({ converged: size < 1e-8, reason: 'maxIterations' })
        inner.push(x)
        // x + (b − Ax), x held constant in the gradient: the program's way to a gradient moves the value, too.
        states.push(x.map((part, k) => part + rest[k]!))
      }
      let bar = cotangent(states[layers]!)
      const weightGradient = new Float64Array(weights.length)
      for (let layer = layers - 1; layer >= 0; layer--) {
        let [term, lambda] = [bar, bar]
        for (let k = 0; k < (terms ?? 0); k++) {
          term = plusTimesI(new Float64Array(term.length), a, laplacian(term))
          lambda = lambda.map((part, at) => part + term[at]!)
        }
        // −Re⟨λ, ia(∂H/∂w)(ψ⁺ + ψ)⟩.
        const sum = states[layer]!.map((part, k) => part + inner[layer]![k]!)
        for (let e = 0; e < weights.length; e++) {
          const i = 2 * this.#ends[2 * e]!
          const j = 2 * this.#ends[2 * e + 1]!
          const re = lambda[i]! - lambda[j]!
          const im = lambda[i + 1]! - lambda[j + 1]!
          const u = sum[i]! - sum[j]!
          const v = sum[i + 1]! - sum[j + 1]!
          weightGradient[e]! += a * (re * v - im * u)
        }
        bar = plusTimesI(lambda, a, laplacian(lambda))
      }
      return { psi: bar, weights: weightGradient, residual, solves }
    }
  }

  /** H v of a complex v. */
  #laplacian(weights: Float64Array, v: Float64Array): Float64Array {
    const out = new Float64Array(v.length)
    for (let e = 0; e < weights.length; e++) {
      const i = 2 * this.#ends[2 * e]!
      const j = 2 * this.#ends[2 * e + 1]!
      const re = weights[e]! * (v[i]! - v[j]!)
      const im = weights[e]! * (v[i + 1]! - v[j + 1]!)
      out[i]! += re
      out[i + 1]! += im
      out[j]! -= re
      out[j + 1]! -= im
    }
    return out
  }
}

interface Passed {
  /** ψ̄ before the steps. */
  psi: Float64Array
  weights: Float64Array
  residual: number
  solves: Batch['solves']
}

/** Conjugate gradients where they do not belong: I + iaH as a real matrix is I plus a skew one. With its fudge of 1e-12. */
function wrongCg(
  a: number,
  laplacian: (v: Float64Array) => Float64Array,
  b: Float64Array,
  iterations: number,
): Float64Array {
  const dot = (u: Float64Array, v: Float64Array): number => u.reduce((sum, part, k) => sum + part * v[k]!, 0)
  let x = b.map(() => 0)
  let [r, p] = [b, b]
  for (let k = 0; k < iterations; k++) {
    const q = plusTimesI(p, a, laplacian(p))
    const before = dot(r, r)
    const alpha = before / (dot(p, q) + 1e-12)
    x = x.map((part, at) => part + alpha * p[at]!)
    r = r.map((part, at) => part - alpha * q[at]!)
    const beta = dot(r, r) / (before + 1e-12)
    p = r.map((part, at) => part + beta * p[at]!)
  }
  return x
}

/** u + i t v, complex. */
function plusTimesI(u: Float64Array, t: number, v: Float64Array): Float64Array {
  const out = new Float64Array(u.length)
  for (let k = 0; k < u.length; k += 2) {
    out[k] = u[k]! - t * v[k + 1]!
    out[k + 1] = u[k + 1]! + t * v[k]!
  }
  return out
}

function readInto(w: Float64Array, x: Float32Array, nodes: number): Float64Array {
  const out = new Float64Array(2 * nodes)
  for (let j = 0; j < nodes; j++) {
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const at = 2 * (j * PIXELS + pixel)
      out[2 * j]! += w[at]! * x[pixel]!
      out[2 * j + 1]! += w[at + 1]! * x[pixel]!
    }
  }
  return out
}

function probabilities(psi: Float64Array): Float64Array {
  const p = new Float64Array(DIGITS)
  for (const [k, part] of psi.entries()) p[(k >> 1) % DIGITS]! += part * part
  return p
}

/** The one farther from 0; NaN if there is one. */
const farther = (a: number, b: number): number => (Math.abs(b) <= Math.abs(a) ? a : b)
const softplus = (t: number): number => Math.max(t, 0) + Math.log(1 + Math.exp(-Math.abs(t)))
const sigmoid = (t: number): number => 1 / (1 + Math.exp(-t))

function softmax(c: Float64Array): Float64Array {
  const top = Math.max(...c)
  const powers = c.map((part) => Math.exp(part - top))
  const total = powers.reduce((sum, part) => sum + part, 0)
  return powers.map((part) => part / total)
}
