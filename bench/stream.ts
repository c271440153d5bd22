// A fit by passes over a table that is made row by row from Baltimore's fit with 7 factors, with noise: time and CPU of the
// whole, of one pass, and the largest memory of the process. In memory a million such rows are 416 MB four times over.
//   node bench/stream.ts [rows]
import { factorize, factorizeStream, Matrix, type Batch } from '../index.ts'
import { gauss, machine, seconds } from './common.ts'
import { epa } from './sets.ts'

console.log(machine())
const rows = Number(process.argv[2] ?? 200_000)
const data = await epa('Baltimore')
const { profiles, contributions } = await factorize(data, { factors: 7, starts: 20, seed: 1 })
const { cols } = data.values

/** The same rows each time. */
function* batches(size: number): Generator<Batch & { values: Matrix }> {
  const { uniform, normal } = gauss(7)
  for (let from = 0; from < rows; from += size) {
    const count = Math.min(size, rows - from)
    const [values, uncertainties] = [new Float64Array(count * cols), new Float64Array(count * cols)]
    for (let i = 0; i < count; i++) {
      const like = Math.floor(uniform() * contributions.rows)
      for (let j = 0; j < cols; j++) {
        const u = data.uncertainties.get(like, j)
        let value = u * normal()
        for (let k = 0; k < 7; k++) value += contributions.get(like, k) * profiles.get(k, j)
        values[i * cols + j] = value
        uncertainties[i * cols + j] = u
      }
    }
    yield { values: new Matrix(count, cols, values), uncertainties: new Matrix(count, cols, uncertainties) }
  }
}

let now = performance.now()
let made = 0
for (const batch of batches(4096)) made += batch.values.data.length // what making the rows costs by itself
console.log(`${rows} × ${cols}: making the ${made / cols} rows once ${seconds((performance.now() - now) / 1000)}`)
now = performance.now()
const fit = await factorizeStream(() => batches(4096), {
  factors: 7,
  seed: 1,
  onProgress: ({ done, best }) => {
    const then = now
    now = performance.now()
    console.log(
      `  ${String(done).padStart(2)} ${seconds((now - then) / 1000)}${best === undefined ? '' : `, Q ${best}`}`,
    )
  },
})
const { maxRSS } = process.resourceUsage()
console.log(
  `${fit.status} after ${fit.passes.length} passes, ${seconds(fit.timing.seconds)} (${seconds(fit.timing.cpuSeconds)} of CPU), ` +
    `largest memory ${(maxRSS / 1024).toFixed(0)} MB`,
)
