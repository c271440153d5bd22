// −Δu = f on the unit square, u = 0 on its border: conjugate gradients with an incomplete Cholesky factor, and a report that
// says what the answer is worth.
//   node examples/poisson.ts
import assert from 'node:assert/strict'
import { assertConverged, cg, Csr, incompleteCholesky } from 'headwater/solve'

const n = 127 // inner points a side
const h = 1 / (n + 1)
const entries: [number, number, number][] = []
const b = new Float64Array(n * n)
const exact = new Float64Array(n * n)
for (let i = 0; i < n; i++) {
  for (let j = 0; j < n; j++) {
    const k = i * n + j
    entries.push([k, k, 4])
    if (i > 0) entries.push([k, k - n, -1])
    if (i < n - 1) entries.push([k, k + n, -1])
    if (j > 0) entries.push([k, k - 1, -1])
    if (j < n - 1) entries.push([k, k + 1, -1])
    // u = x(1 − x) y(1 − y): the second difference of a parabola is exact, so the grid's solution is u itself.
    const [x, y] = [(i + 1) * h, (j + 1) * h]
    exact[k] = x * (1 - x) * y * (1 - y)
    b[k] = h * h * 2 * (x * (1 - x) + y * (1 - y))
  }
}
const A = Csr.fromTriplets({ rows: n * n, cols: n * n, entries })
const M = incompleteCholesky(A)
const [plain, solved] = [await cg(A, b, { rtol: 1e-10 }), await cg(A, b, { M, rtol: 1e-10 })]

const { x, reason, iterations, residual, gap, condition, energyError } = assertConverged(solved)
const error = Math.max(...x.map((value, k) => Math.abs(value - exact[k]!)))
console.log(`${reason}: ${iterations} iterations (${plain.iterations} without a preconditioner)`)
console.log(
  `true residual ${residual.relative!.toExponential(1)} of ‖b‖, ${gap!.toExponential(1)} off the recurrence's`,
)
console.log(`condition of M⁻¹A at least ${condition!.kappa!.toFixed(0)}, error in the energy norm about ${energyError!.toExponential(1)}`) // prettier-ignore
console.log(`largest error ${error.toExponential(1)}`)

assert.equal(M.shift, 0)
assert.ok(iterations < plain.iterations / 2)
assert.ok(error < 1e-9, `error ${error}`)

// Three iterations are not enough, and that is what the result says.
const early = await cg(A, b, { M, maxIterations: 3 })
assert.deepEqual([early.converged, early.reason], [false, 'maxIterations'])
