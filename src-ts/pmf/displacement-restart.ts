/** A new base from a lower Q that a refit found. */
import type { NativeDisplacement, NativeSettings } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import type { DataSource } from './data.ts'
import type { Base } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { toObjective } from './loss.ts'
import { dropAbsent, toSolution } from './solution.ts'
import type { Solution } from './types.ts'

/** The minimum below the lowest refit. Its factors are numbered and named as those of `before`. */
export async function refit(
  model: Factorization,
  source: DataSource,
  before: Base,
  found: NativeDisplacement,
  job: JobOptions,
): Promise<Solution> {
  const { factors, options, robust, data } = model
  const known = (values: Float64Array): Float64Array<ArrayBuffer> =>
    Float64Array.from(values, (value) => (Number.isNaN(value) ? 0 : value))
  const settings = dropAbsent<NativeSettings>({
    factors,
    starts: 1,
    initialContributions: known(found.lowerContributions!),
    initialProfiles: known(found.lowerProfiles!),
    nonnegativeContributions: options.nonnegative?.contributions,
    nonnegativeProfiles: options.nonnegative?.profiles,
    threads: job.threads,
  })
  const { values, uncertainties, censored } = source
  const { rows, cols } = values
  const objective = toObjective(robust, censored)
  const { factorize: start } = native()
  const { solution } = await runJob(
    (token) => start(values.data, uncertainties.data, rows, cols, objective, settings, 'cpu', token, undefined),
    { ...job, onProgress: undefined },
  )
  return inOrder(toSolution(solution, data, factors), before)
}

/** The solution with the order and names of the factors of `before`: those whose contributions correlate most. */
export function inOrder(solution: Solution, before: Pick<Solution, 'profiles' | 'contributions'>): Solution {
  const p = solution.profiles.rows
  const pairs: { to: number; from: number; r: number }[] = []
  for (let to = 0; to < p; to++) {
    for (let from = 0; from < p; from++) {
      pairs.push({ to, from, r: correlation(before.contributions, to, solution.contributions, from) })
    }
  }
  pairs.sort((a, b) => b.r - a.r)
  const order = new Map<number, number>()
  const taken = new Set<number>()
  for (const { to, from } of pairs) {
    if (order.has(to) || taken.has(from)) continue
    order.set(to, from)
    taken.add(from)
  }
  const { profiles, contributions, warnings } = solution
  const [m, n] = [contributions.rows, profiles.cols]
  const h = Float64Array.from({ length: p * n }, (_, at) => profiles.get(order.get(Math.floor(at / n))!, at % n))
  const w = Float64Array.from({ length: m * p }, (_, at) => contributions.get(Math.floor(at / p), order.get(at % p)!))
  const back = new Map([...order].map(([to, from]) => [from, to]))
  return {
    ...solution,
    profiles: new Matrix(p, n, h, before.profiles),
    contributions: new Matrix(m, p, w, before.contributions),
    warnings: warnings.map((warning) =>
      warning.code === 'dead-factor' && warning.index !== undefined
        ? { ...warning, index: back.get(warning.index)! }
        : warning,
    ),
  }
}

/** Of two columns, over the rows where both are known; -1 where one does not vary. */
function correlation(a: Matrix, k: number, b: Matrix, l: number): number {
  let [count, x, y, xx, yy, xy] = [0, 0, 0, 0, 0, 0]
  for (let i = 0; i < a.rows; i++) {
    const [u, v] = [a.get(i, k), b.get(i, l)]
    if (Number.isNaN(u) || Number.isNaN(v)) continue
    count++
    x += u
    y += v
    xx += u * u
    yy += v * v
    xy += u * v
  }
  const [varX, varY] = [xx - (x * x) / count, yy - (y * y) / count]
  return varX > 0 && varY > 0 ? (xy - (x * y) / count) / Math.sqrt(varX * varY) : -1
}
