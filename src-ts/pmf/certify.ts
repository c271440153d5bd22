/** Judging a solution, whichever program it comes from. */
import type { NativeSettings } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { own, prepare } from './data.ts'
import { Factorization } from './factorization.ts'
import { readNonnegative } from './factorize.ts'
import { readRobust, toObjective, type Loss } from './loss.ts'
import { dropAbsent, stopwatch, toSolution } from './solution.ts'
import type { CertifyOptions, DataLike, DataSummary, Factors, Solution, Timing } from './types.ts'

/** Where a solution stands. Plain data: passes through `structuredClone`. */
export interface Verdict extends Solution {
  /** The data it was judged on. */
  data: DataSummary
  /** Number of factors. */
  factors: number
  /** The robust loss that it was judged by; absent for the plain sum of squares. */
  robust?: Loss
  /** The local minimum that a descent from the point reaches, and how much lower it lies. */
  localMinimum: Solution & {
    /** Q of the judged point less Q of the minimum. */
    excess: number
  }
  timing: Timing
}

/**
 * Says where a factorisation of any program stands: its status with every number of the certificate, and the local
 * minimum that a descent from it reaches. Factors may be scaled and ordered in any way; the verdict shows them in the
 * form of {@link Solution}. A `Factorization` is judged by the objective that it was fitted with, unless the options say
 * otherwise.
 *
 * @param data the data that were factorised
 * @param point contributions (samples × factors) and profiles (factors × species)
 * @throws InvalidInputError all wrong options at once, `start-shape-mismatch`, `start-not-valid`, or the first bad cell
 * @throws the signal's reason after an abort, unless `onAbort: 'partial'`
 */
export async function certify(data: DataLike, point: Factors, options: CertifyOptions = {}): Promise<Verdict> {
  const time = stopwatch()
  const check = new Checker(options, 'certify: options')
  const model = point instanceof Factorization ? point : undefined
  const given = readNonnegative(check)
  const bounds = {
    nonnegativeContributions: given.nonnegativeContributions ?? model?.options.nonnegative?.contributions,
    nonnegativeProfiles: given.nonnegativeProfiles ?? model?.options.nonnegative?.profiles,
  }
  const robust = (readRobust(check) ?? model?.robust) || undefined
  const maxIterations = check.integer('maxIterations', { min: 1, max: 2 ** 32 - 1 })
  const job = check.job()
  check.finish()
  const { values, uncertainties, censored, summary } = prepare(data)
  if (typeof point !== 'object' || point === null) {
    throw new InvalidInputError('matrix-not-valid', 'certify needs { contributions, profiles }', { name: 'point' })
  }
  const contributions = own(point.contributions, 'contributions')
  const profiles = own(point.profiles, 'profiles')
  const { rows, cols } = values
  const factors = contributions.cols
  if (contributions.rows !== rows || profiles.rows !== factors || profiles.cols !== cols) {
    const message =
      `contributions are ${contributions.rows} × ${contributions.cols} and profiles ${profiles.rows} × ${profiles.cols}, ` +
      `which does not give ${rows} × ${cols}`
    const hint = 'contributions are samples × factors, profiles factors × species'
    throw new InvalidInputError('start-shape-mismatch', message, { name: 'point', hint })
  }
  const settings = dropAbsent<NativeSettings>({ factors, ...bounds, maxIterations, threads: job.threads })
  const objective = toObjective(robust, censored)
  const { certify: start } = native()
  const { solution, localMinimum, excess } = await runJob(
    (token, progress) =>
      start(
        values.data,
        uncertainties.data,
        rows,
        cols,
        contributions.data,
        profiles.data,
        objective,
        settings,
        token,
        progress,
      ),
    job,
  )
  return {
    data: summary,
    factors,
    ...(robust ? { robust } : {}),
    ...toSolution(solution, summary, factors),
    localMinimum: { ...toSolution(localMinimum, summary, factors), excess },
    timing: time(),
  }
}
