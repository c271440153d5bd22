// One certified start on large planted data: time, CPU and memory.
//   node bench/large.ts [ROWS] [COLS] [FACTORS] [THREADS]
import { factorize, Matrix } from 'headwater'
import { gauss, machine, seconds } from './common.ts'

const [rows = 10_000, cols = 100, factors = 8, threads = 1] = process.argv.slice(2).map(Number)
console.log(machine())
const { uniform, normal } = gauss(1)
const w = Float64Array.from({ length: rows * factors }, () => -Math.log(uniform()) * (uniform() < 0.2 ? 0 : 1))
const h = Float64Array.from({ length: factors * cols }, () => (uniform() < 0.4 ? 0 : -Math.log(uniform())))
const values = new Matrix(rows, cols, new Float64Array(rows * cols))
const uncertainties = new Matrix(rows, cols, new Float64Array(rows * cols))
for (let i = 0; i < rows; i++) {
  for (let j = 0; j < cols; j++) {
    let fit = 0
    for (let k = 0; k < factors; k++) fit += w[i * factors + k]! * h[k * cols + j]!
    const u = 0.05 + 0.1 * fit
    values.data[i * cols + j] = fit + u * normal()
    uncertainties.data[i * cols + j] = u
  }
}
const idle = process.memoryUsage().rss
let peak = idle
const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)
const cpu = process.cpuUsage()
const began = performance.now()
const model = await factorize({ values, uncertainties }, { factors, starts: 1, threads })
const used = process.cpuUsage(cpu)
clearInterval(watch)
const data = 2 * 8 * rows * cols
console.log(
  `${rows} × ${cols}, p = ${factors}, ${threads} thread(s): ${model.status}, Q/Qexp ${(model.q / model.qExpected).toFixed(4)}, ` +
    `${model.iterations} iterations, ${seconds((performance.now() - began) / 1000)} wall, ` +
    `${seconds((used.user + used.system) / 1e6)} CPU, peak memory above idle ${((peak - idle) / data).toFixed(2)} × the data`,
)
