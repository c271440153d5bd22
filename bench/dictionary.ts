/**
 * Fits of planted circles, beside what their fixture says others reach: CPU seconds, held-out explained variance.
 *
 *     node bench/dictionary.ts [runs]
 *
 * CPU time is that of the whole process during the call, on one thread.
 */
import { fitDictionary } from 'headwater/manifold'
import { planted } from '../__test__/reference/manifold/planted.ts'

const runs = Number(process.argv[2] ?? 5)
const cases = ['T1a', 'T1b', 'T1c', 'T1d', 'T2a', 'T2b', 'T3', 'T5']

console.log('case   K  active  status     kept   EV       EV*      CPU (least of the runs)')
for (const name of cases) {
  const { rows, p, values, atoms, active, train, ceiling } = planted(name)
  const data = { rows, cols: p, data: values }
  let least = Infinity
  let last
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage()
    last = await fitDictionary(data, { atoms, active, trainRows: train, seed: run, threads: 1 })
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1e6)
  }
  const cells = [
    name.padEnd(5),
    String(atoms).padStart(3),
    String(active).padStart(6),
    ` ${last!.status.padEnd(10)}`,
    String(last!.atoms.length).padStart(4),
    ` ${last!.heldOut!.ev!.toFixed(5)}`,
    ceiling.ev.toFixed(5),
    ` ${least.toFixed(3)} s`,
  ]
  console.log(cells.join('  '))
}
