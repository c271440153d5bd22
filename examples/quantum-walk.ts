// A quantum walk on a ring: iψ' = Hψ from one node, against its closed form.
//   node examples/quantum-walk.ts
import assert from 'node:assert/strict'
import { Cayley, evolve, graph } from 'headwater/solve'

const [n, dt, steps] = [64, 0.05, 200]
const ring = graph.ring(n)
const start = new Float64Array(2 * n)
start[0] = 1

/** Amplitudes from the plane waves k, each turned by phase(λ_k). */
function closed(phase: (eigenvalue: number) => number): Float64Array<ArrayBuffer> {
  const psi = new Float64Array(2 * n)
  for (let k = 0; k < n; k++) {
    const angle = phase(2 - 2 * Math.cos((2 * Math.PI * k) / n))
    for (let j = 0; j < n; j++) {
      psi[2 * j]! += Math.cos((2 * Math.PI * k * j) / n + angle) / n
      psi[2 * j + 1]! += Math.sin((2 * Math.PI * k * j) / n + angle) / n
    }
  }
  return psi
}
const distance = (x: Float64Array, y: Float64Array): number => Math.hypot(...x.map((value, k) => value - y[k]!))

// Steps of order 2: unitary, with a phase error that is known.
const { psi, normDefect, worstResidual } = new Cayley(ring, { dt }).stepSync(start, { steps })
const cayley = closed((eigenvalue) => -2 * steps * Math.atan((dt * eigenvalue) / 2))
const exact = closed((eigenvalue) => -eigenvalue * dt * steps)
console.log(
  `${steps} steps: norm kept to ${normDefect.toExponential(1)}, residuals below ${worstResidual.toExponential(1)}`,
)
console.log(`from the Cayley phases ${distance(psi, cayley).toExponential(1)}, from the exponential ${distance(psi, exact).toExponential(1)}`) // prettier-ignore

// The same time in one go.
const series = await evolve(ring, start, dt * steps)
console.log(`Chebyshev series, ${series.terms} terms: ${distance(series.psi, exact).toExponential(1)}`)

assert.ok(distance(psi, cayley) < 1e-11 && distance(series.psi, exact) < 1e-11 && Math.abs(normDefect) < 1e-12)
