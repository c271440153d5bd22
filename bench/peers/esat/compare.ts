// ESAT and headwater on the same data in one go: CPU per start, Q reached, time to match ESAT's Q.
// Installs ESAT into a private Python environment at the first run.
//   node bench/peers/esat/compare.ts [MODELS]
import { factorize } from 'headwater'
import { machine, median, seconds } from '../../common.ts'
import { reach } from '../../reach.ts'
import { CASES, epa, paths } from '../../sets.ts'
import { ESAT, esat } from './esat.ts'

const models = Number(process.argv[2] ?? 3)
console.log(`${machine()}; ${ESAT}, ls-nmf, defaults, ${models} models; one process at a time, interleaved`)
const ratios: number[] = []
for (const { set, factors, optimum } of CASES) {
  const data = await epa(set)
  const ours: number[] = []
  const theirs: number[] = []
  const theirQ: number[] = []
  let flagged = 0
  let certified = 0
  for (let model = 0; model < models; model++) {
    // Ten starts in one call, as a study makes them; reading, the report's numbers and the result are shared by them.
    const cpu = process.cpuUsage()
    const fit = await factorize(data, { factors, starts: 10, firstStart: 10 * model, seed: 1, threads: 1 })
    const used = process.cpuUsage(cpu)
    certified += fit.starts.filter((start) => start.status === 'converged').length
    ours.push((used.user + used.system) / 1e7)
    const made = esat<{ cpu: number; q: number; converged: boolean }>('run.py', ...paths(set), factors, model)
    theirs.push(made.cpu)
    theirQ.push(made.q)
    if (made.converged) flagged++
  }
  const ratio = median(theirs) / median(ours)
  ratios.push(ratio)
  console.log(
    `${set}, p = ${factors}: headwater ${seconds(median(ours))} per start (${certified}/${10 * models} certified), ` +
      `ESAT ${seconds(median(theirs))} per start (${flagged}/${models} say converged, Q ${theirQ.map((q) => q.toFixed(1)).join(' ')}; ` +
      `optimum ${optimum}): 1/${ratio.toFixed(0)}`,
  )
  // Not the point of a certified start, but what others would measure: the time to come down to where ESAT stops.
  const q = median(theirQ)
  const matched = await reach(data, factors, 'anls', q)
  if (matched) {
    // The time is a difference of two calls: a small one drowns in the machine's noise.
    const told =
      matched.seconds > 5e-4
        ? `${seconds(matched.seconds)}: 1/${(median(theirs) / matched.seconds).toFixed(0)}`
        : 'too short to tell'
    console.log(`  to match ESAT's Q ${q.toFixed(1)}: ${matched.sweeps} sweeps, ${told}`)
  } else console.log(`  half of headwater's starts end in minima above ESAT's Q ${q.toFixed(1)}`)
}
const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length)
console.log(`geometric mean: 1/${mean.toFixed(0)}, smallest 1/${Math.min(...ratios).toFixed(0)}`)
