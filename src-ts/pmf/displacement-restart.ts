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

/** The solution with the order and names of the factors of `before`, by the assignment that the error estimates use. */
export function inOrder(solution: Solution, before: Pick<Solution, 'profiles' | 'contributions'>): Solution {
  const p = solution.profiles.rows
  const order = native().sameFactors(p, before.contributions.data, solution.contributions.data)
  const { profiles, contributions, warnings } = solution
  const [m, n] = [contributions.rows, profiles.cols]
  const h = Float64Array.from({ length: p * n }, (_, at) => profiles.get(order[Math.floor(at / n)]!, at % n))
  const w = Float64Array.from({ length: m * p }, (_, at) => contributions.get(Math.floor(at / p), order[at % p]!))
  const back = new Map([...order].map((from, to) => [from, to]))
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
