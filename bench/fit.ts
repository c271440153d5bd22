// Certified starts on the EPA sets, one thread: CPU time per start, Q reached, status.
//   node bench/fit.ts [CALLS]
import { factorize } from 'headwater'
import { machine, median, seconds } from './common.ts'
import { CASES, epa } from './sets.ts'

const calls = Number(process.argv[2] ?? 5)
console.log(machine())
console.log(`set, p: CPU per start (median of ${calls} calls of 10 starts, 1 thread); certified; best Q; known optimum`)
for (const { set, factors, optimum } of CASES) {
  const data = await epa(set)
  const times: number[] = []
  let converged = 0
  let best = Infinity
  for (let call = 0; call < calls; call++) {
    const cpu = process.cpuUsage()
    const model = await factorize(data, { factors, starts: 10, firstStart: 10 * call, seed: 1, threads: 1 })
    const used = process.cpuUsage(cpu)
    times.push((used.user + used.system) / 1e7)
    converged += model.starts.filter((start) => start.status === 'converged').length
    best = Math.min(best, model.q)
  }
  console.log(
    `${set}, ${factors}: ${seconds(median(times))}; ${converged}/${10 * calls}; ${best.toFixed(6)}; ${optimum}`,
  )
}
