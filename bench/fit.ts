// Certified starts on the EPA sets, one thread: CPU time per start, Q reached, status.
//   node bench/fit.ts [STARTS]
import { factorize } from 'headwater'
import { machine, median, seconds } from './common.ts'
import { CASES, epa } from './sets.ts'

const starts = Number(process.argv[2] ?? 10)
console.log(machine())
console.log(`set, p: CPU per certified start (median of ${starts}, 1 thread); converged; best Q; known optimum`)
for (const { set, factors, optimum } of CASES) {
  const data = await epa(set)
  const times: number[] = []
  let converged = 0
  let best = Infinity
  for (let start = 0; start < starts; start++) {
    const cpu = process.cpuUsage()
    const model = await factorize(data, { factors, starts: 1, firstStart: start, seed: 1, threads: 1 })
    const used = process.cpuUsage(cpu)
    times.push((used.user + used.system) / 1e6)
    if (model.status === 'converged') converged++
    best = Math.min(best, model.q)
  }
  console.log(`${set}, ${factors}: ${seconds(median(times))}; ${converged}/${starts}; ${best.toFixed(6)}; ${optimum}`)
}
