// Heat on a ring of nodes, one hot at the start: implicit Euler steps (I + dt L)u⁺ = u. The Laplacian is a function, never
// a matrix, and each step starts from the one before.
//   node examples/diffusion.ts
import assert from 'node:assert/strict'
import { assertConverged, cgSync, operator } from 'headwater/solve'

const n = 400
const dt = 5
const steps = 50
const A = operator({
  rows: n,
  hermitian: true, // probed, not believed
  apply: (u, y) => {
    for (let k = 0; k < n; k++) y[k] = u[k]! + dt * (2 * u[k]! - u[(k + 1) % n]! - u[(k + n - 1) % n]!)
  },
})
let u = new Float64Array(n)
u[0] = 1
let products = 0
for (let step = 0; step < steps; step++) {
  const solved = assertConverged(cgSync(A, u, { x0: u, rtol: 1e-12 }))
  u = solved.x
  products += solved.matvecs
}

// The waves cos(2πqk/n) are eigenvectors of L with λ = 2 − 2 cos(2πq/n): a step divides their share of u by 1 + dt λ.
const share = (q: number): number => u.reduce((sum, value, k) => sum + value * Math.cos((2 * Math.PI * q * k) / n), 0)
const exact = (q: number): number => (1 + dt * (2 - 2 * Math.cos((2 * Math.PI * q) / n))) ** -steps
for (const q of [0, 1, 5, 20]) {
  console.log(`wave ${q}: ${share(q).toFixed(12)}, exactly ${exact(q).toFixed(12)}`)
  assert.ok(Math.abs(share(q) - exact(q)) < 1e-10)
}
console.log(`${steps} steps took ${products} products`)
