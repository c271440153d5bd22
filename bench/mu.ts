// The in-house baseline: fused, vectorised multiplicative updates against exact alternating least squares, both to
// within 1 % and 0.1 % of the certified Q that the middle one of five starts ends at. CPU per start, one thread.
import { factorize } from 'headwater'
import { machine, median, seconds } from './common.ts'
import { reach } from './reach.ts'
import { CASES, epa } from './sets.ts'

console.log(machine())
for (const { set, factors } of CASES) {
  const data = await epa(set)
  const certified = await factorize(data, { factors, starts: 5, seed: 1, threads: 1 })
  const q = median(certified.starts.map((start) => start.q))
  for (const above of [1e-2, 1e-3]) {
    const told: string[] = []
    for (const method of ['anls', 'hals', 'mu'] as const) {
      const reached = await reach(data, factors, method, q * (1 + above))
      told.push(`${method} ${reached ? `${reached.sweeps} sweeps, ${seconds(reached.seconds)}` : 'not in 4000 sweeps'}`)
    }
    console.log(`${set}, ${factors}, ${100 * above} % above ${q.toFixed(1)}: ${told.join('; ')}`)
  }
}
