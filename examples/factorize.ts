// Two sources, mixed in 40 samples of 6 species: find them again, and see the proof.
//   node examples/factorize.ts
import assert from 'node:assert/strict'
import { factorize, Matrix } from 'headwater'

const traffic = [4, 2, 0.5, 0, 1, 0]
const soil = [0, 0.3, 2, 5, 0, 1.5]
const samples = 40

// What a sample would hold without noise; the uncertainty is 5 % and a detection limit.
const values = new Matrix(samples, 6, new Float64Array(samples * 6))
const uncertainties = new Matrix(samples, 6, new Float64Array(samples * 6))
for (let i = 0; i < samples; i++) {
  const [a, b] = [1 + Math.sin(i / 3), i % 5 === 0 ? 0 : 1 + Math.cos(i / 7)]
  for (let j = 0; j < 6; j++) {
    const value = a * traffic[j]! + b * soil[j]!
    values.data[i * 6 + j] = value
    uncertainties.data[i * 6 + j] = 0.05 * value + 0.01
  }
}

const model = await factorize({ values, uncertainties }, { factors: 2, starts: 5, seed: 1 })
console.log(`${model.status}: Q = ${model.q.toExponential(2)} for ${model.starts.length} starts`)
console.table(model.profiles.toArray())

// The largest species of each profile are those of the two sources.
const largest = model.profiles.toArray().map((row) => row.indexOf(Math.max(...row)))
assert.deepEqual(largest.sort(), [0, 3])
assert.ok(model.q < 1e-2 * model.qExpected, `Q = ${model.q}, expected ${model.qExpected}`)
