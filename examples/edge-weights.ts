// Which couplings make a wave move as it was seen to move? Fit the weights of a graph's edges by their gradient.
//   node examples/edge-weights.ts
import assert from 'node:assert/strict'
import { Cayley, graph } from 'headwater/solve'

const [n, steps, dt] = [8, 5, 0.2]
const base = graph.ring(n)
const truth = Float64Array.from({ length: n }, (_, k) => 1 + 0.4 * Math.sin(2 * k + 1))

// What was seen: several starts and where each of them ended.
const starts = Array.from({ length: 4 }, (_, s) =>
  Float64Array.from({ length: 2 * n }, (_, k) => Math.sin(3 * s + k * k)),
)
const seen = new Cayley(base.withWeights(truth), { dt })
const ends = starts.map((start) => seen.stepSync(start, { steps }).psi)

/** L = ½Σ‖ψ − seen‖² and its gradient. */
function loss(weights: Float64Array): { value: number; gradient: Float64Array } {
  const cayley = new Cayley(base.withWeights(weights), { dt })
  let value = 0
  const gradient = new Float64Array(n)
  for (const [s, start] of starts.entries()) {
    const out = cayley.vjpSync(start, (psi) => psi.map((number, k) => number - ends[s]![k]!), { steps })
    value += out.psiPlus.reduce((sum, number, k) => sum + (number - ends[s]![k]!) ** 2, 0) / 2
    out.weights!.forEach((number, k) => (gradient[k]! += number))
  }
  return { value, gradient }
}

// Steepest descent with the steps of Barzilai and Borwein.
let weights = new Float64Array(n).fill(1)
let now = loss(weights)
let rate = 0.02
console.log(`L = ${now.value.toExponential(2)} with equal weights`)
let rounds = 0
for (; rounds < 300 && now.value > 1e-20; rounds++) {
  const next = weights.map((weight, k) => weight - rate * now.gradient[k]!)
  const then = loss(next)
  const [moved, turned] = [next.map((w, k) => w - weights[k]!), then.gradient.map((g, k) => g - now.gradient[k]!)]
  const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, v, k) => sum + v * y[k]!, 0)
  const curvature = dot(moved, turned)
  rate = curvature > 0 ? dot(moved, moved) / curvature : 0.02
  weights = next
  now = then
}
const error = Math.max(...weights.map((weight, k) => Math.abs(weight - truth[k]!)))
console.log(`L = ${now.value.toExponential(2)} after ${rounds} rounds; weights right to ${error.toExponential(1)}`)

assert.ok(error < 1e-8, `error ${error}`)
