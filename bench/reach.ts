// How many sweeps, and how long, a method needs to come as low as a given Q.
import { type Dataset, factorize } from 'headwater'
import { median } from './common.ts'

/** What it took: sweeps of the middle one of the starts, and CPU seconds of one start for that many. */
export interface Reached {
  sweeps: number
  seconds: number
}

/**
 * The fewest sweeps (on a grid of steps of a quarter) after which half of `starts` random starts lie at or below `q`,
 * and the CPU time of so many, without the judgement of the end point. Undefined if `most` sweeps are not enough.
 */
export async function reach(
  data: Dataset,
  factors: number,
  method: 'anls' | 'hals' | 'mu',
  q: number,
  starts = 5,
  most = 4000,
): Promise<Reached | undefined> {
  const run = async (sweeps: number): Promise<{ qs: number[]; cpu: number }> => {
    const cpu = process.cpuUsage()
    // A rule that never holds: the sweeps end at their limit, and no second-order step is taken.
    const stop = { decrease: Number.MIN_VALUE, over: 1_000_000 }
    const model = await factorize(data, { factors, starts, seed: 1, threads: 1, method, stop, maxIterations: sweeps })
    const used = process.cpuUsage(cpu)
    return { qs: model.starts.map((start) => start.q), cpu: (used.user + used.system) / 1e6 / starts }
  }
  for (let sweeps = 1; sweeps <= most; sweeps = Math.ceil(1.25 * sweeps)) {
    const { qs } = await run(sweeps)
    if (median(qs) > q) continue
    // Judging costs the same at both ends of the difference.
    const [less, more] = [await run(sweeps), await run(sweeps + Math.max(200, sweeps))]
    return { sweeps, seconds: ((more.cpu - less.cpu) * sweeps) / Math.max(200, sweeps) }
  }
  return undefined
}
