/** Bootstrap (BS): how much profiles change when other samples might have been measured. */
import type { NativeBootstrapSettings, NativeResample } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import type { Factorization } from './factorization.ts'
import { toObjective } from './loss.ts'
import { dropAbsent } from './solution.ts'
import type { Status, Warning } from './types.ts'

/** Options of {@link Factorization.bootstrap}. */
export interface BootstrapOptions extends JobOptions {
  /** Resamples. @default 100, as EPA PMF 5 advises */
  runs?: number | undefined
  /**
   * Consecutive samples that are drawn together, for samples that depend on their neighbours.
   * @default by Politis and White's rule, the mean over the species
   */
  block?: number | undefined
  /** Random starts of each resample beside the one from the base: they can find another minimum. @default 1 */
  coldStarts?: number | undefined
  /** Correlation of contributions below which a factor is unmapped, 0 to 1. @default 0.6, as EPA PMF 5 has it */
  threshold?: number | undefined
  /** Key of all random numbers. @default 0 */
  seed?: number | undefined
}

/** One resample's fit. */
export interface Resample {
  run: number
  /** How its fit ended. */
  status: Status
  /** Its objective. */
  q: number
  /** Whether a random start ended lower than the one from the base. */
  cold: boolean
  /** How often each sample was drawn. */
  counts: number[]
  /** For each base factor the resample's factor, one to one; `null` where the correlation is below the threshold. */
  factors: (number | null)[]
  /** For each of its own factors the base factor that correlates best, as EPA PMF 5 maps them; several may go to one. */
  nearest: (number | null)[]
  /** In the order of its own factors; mean contribution 1 over the drawn samples. */
  profiles: Matrix
}

/** Statistics of the profiles over the resamples in which a factor is mapped; each factors × species. */
export interface BootstrapStatistics {
  /** Resamples that count. */
  count: Matrix
  mean: Matrix
  /** Standard deviation. */
  deviation: Matrix
  /** By share in per cent: `quantiles['5']`, linear between order statistics. */
  quantiles: Record<'2.5' | '5' | '25' | '50' | '75' | '95' | '97.5', Matrix>
}

/** The result of {@link Factorization.bootstrap}. Plain data: passes through `structuredClone`. */
export interface Bootstrap {
  /** `converged` if all runs were made, else `aborted`: the statistics are of those that were. */
  status: 'converged' | 'aborted'
  /** Runs that were asked for. */
  runs: number
  /** Samples in a block. */
  block: number
  threshold: number
  seed: number
  /** Per base factor, one to one: resamples with a factor of theirs for it, and without. */
  mapping: { mapped: number; unmapped: number }[]
  /**
   * The table that EPA PMF 5 prints: `nearest[k][l]` counts the resamples whose factor l correlates best with base factor
   * k; the last row the unmapped ones.
   */
  nearest: number[][]
  /** Resamples in which two factors have the same nearest base factor, or one has none. */
  swaps: number
  statistics: BootstrapStatistics
  /** Minimum, quartiles and maximum of the resamples' objective. */
  q: { min: number; q25: number; median: number; q75: number; max: number }
  resamples: Resample[]
  /** `base-not-converged`, `resamples-not-converged`. */
  warnings: Warning[]
}

/** Runs it. */
export async function bootstrapOf(
  model: Factorization,
  source: DataSource,
  options: BootstrapOptions,
): Promise<Bootstrap> {
  const { factors, contributions, profiles } = model
  const { rows, cols } = source.values
  const check = new Checker(options, 'bootstrap: options')
  const most = 2 ** 32 - 1
  const runs = check.integer('runs', { min: 1, max: most }) ?? 100
  const block = check.integer('block', { min: 1, max: rows })
  const coldStarts = check.integer('coldStarts', { min: 0, max: 1000 })
  const threshold = check.number('threshold', { min: 0, max: 1 }) ?? 0.6
  const seed = check.integer('seed') ?? 0
  const job = check.job()
  check.finish()
  const settings = dropAbsent<NativeBootstrapSettings>({
    factors,
    runs,
    block,
    coldStarts,
    threshold,
    seed,
    nonnegativeContributions: model.options.nonnegative?.contributions,
    nonnegativeProfiles: model.options.nonnegative?.profiles,
    threads: job.threads,
  })
  const { values, uncertainties, censored } = source
  const objective = toObjective(model.robust, censored)
  const { bootstrap: start } = native()
  const found = await runJob(
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
  const shares = ['2.5', '5', '25', '50', '75', '95', '97.5'] as const
  const width = 3 + shares.length
  const element = (place: number): Matrix =>
    new Matrix(
      factors,
      cols,
      Float64Array.from({ length: factors * cols }, (_, at) => found.elements[at * width + place]!),
      profiles,
    )
  const [min, q25, median, q75, max] = found.q as unknown as [number, number, number, number, number]
  const resamples = found.resamples.map((one) => toResample(one, factors, cols, profiles))
  return {
    status: found.status === 'aborted' ? 'aborted' : 'converged',
    runs,
    block: found.block,
    threshold,
    seed,
    mapping: Array.from({ length: factors }, (_, k) => ({
      mapped: found.mapped[2 * k]!,
      unmapped: found.mapped[2 * k + 1]!,
    })),
    nearest: Array.from({ length: factors + 1 }, (_, k) =>
      Array.from(found.nearest.subarray(k * factors, (k + 1) * factors)),
    ),
    swaps: found.swaps,
    statistics: {
      count: element(0),
      mean: element(1),
      deviation: element(2),
      quantiles: Object.fromEntries(
        shares.map((share, at) => [share, element(3 + at)]),
      ) as BootstrapStatistics['quantiles'],
    },
    q: { min, q25, median, q75, max },
    resamples,
    warnings: warnings(model, resamples),
  }
}

function warnings(model: Factorization, resamples: readonly Resample[]): Warning[] {
  const out: Warning[] = []
  if (model.status !== 'converged') {
    const message = `the base is ${model.status}, not converged: errors around it do not mean much`
    out.push({ code: 'base-not-converged', message })
  }
  const open = resamples.filter((one) => one.status !== 'converged').length
  if (open > 0) {
    const message = `${open} of ${resamples.length} resamples are not converged; they count all the same`
    out.push({ code: 'resamples-not-converged', message })
  }
  return out
}

function toResample(from: NativeResample, factors: number, cols: number, names: Matrix): Resample {
  const places = (of: Float64Array): (number | null)[] => Array.from(of, (at) => (at < 0 ? null : at))
  const { run, status, q, cold } = from
  return {
    run,
    status,
    q,
    cold,
    counts: Array.from(from.counts),
    factors: places(from.factors),
    nearest: places(from.nearest),
    profiles: new Matrix(
      factors,
      cols,
      from.profiles,
      names.colNames === undefined ? {} : { colNames: names.colNames },
    ),
  }
}
