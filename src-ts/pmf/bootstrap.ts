/** Bootstrap (BS): how much profiles change when other samples might have been measured. */
import type { NativeBootstrap, NativeResample } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import { chooseElements, type ElementChoice } from './displacement-options.ts'
import { toNativeBase, warnOfBase } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { readResampling, toNativeResampling, type Resampling, type ResamplingOptions } from './resampling-options.ts'
import { stopwatch } from './solution.ts'
import type { Status, Timing, Warning } from './types.ts'

/** Options of {@link Factorization.bootstrap}. */
export interface BootstrapOptions extends JobOptions, ResamplingOptions {
  /**
   * Species whose statistics are reported, by name or 0-based column, in every factor; resamples are fitted whole.
   * @default all
   */
  species?: readonly (string | number)[] | undefined
  /** Single elements to report, instead of `species`. */
  elements?: readonly ElementChoice[] | undefined
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

/**
 * Statistics of the profiles over the resamples in which a factor is mapped; each factors × species. NaN where a species
 * has no data, and in elements that were not asked for.
 */
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
  /**
   * Per base factor, one to one: resamples with a factor of theirs for it, and without; `factors[l]` counts those where
   * it is their factor l.
   */
  mapping: { mapped: number; unmapped: number; factors: number[] }[]
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
  /** `base-not-converged`, `resamples-not-converged`, `bootstrap-incomplete`. */
  warnings: Warning[]
  timing: Timing
}

/** Runs it. */
export async function bootstrapOf(
  model: Factorization,
  source: DataSource,
  options: BootstrapOptions,
): Promise<Bootstrap> {
  const time = stopwatch()
  const check = new Checker(options, 'bootstrap: options')
  const resampling = readResampling(check, { rows: source.values.rows, seed: model.seed })
  const chosen = chooseElements(check, model, source.categories, 'all')
  const job = check.job()
  check.finish()
  const [base, settings] = [toNativeBase(model, source, job.threads), toNativeResampling(resampling)]
  const { bootstrap } = native()
  const found = await runJob((token, progress) => bootstrap(base, settings, token, progress), job)
  return { ...toBootstrap(found, model, resampling, chosen), timing: time() }
}

/**
 * What the addon found, in full.
 * @param chosen factor and column of each element that is reported, in turn
 */
export function toBootstrap(
  found: NativeBootstrap,
  model: Factorization,
  { runs, threshold, seed }: Resampling,
  chosen: Uint32Array,
): Omit<Bootstrap, 'timing'> {
  const { factors, profiles } = model
  const { cols } = profiles
  const asked = new Set<number>()
  for (let at = 0; at < chosen.length; at += 2) asked.add(chosen[at]! * cols + chosen[at + 1]!)
  const shares = ['2.5', '5', '25', '50', '75', '95', '97.5'] as const
  const width = 3 + shares.length
  const element = (place: number): Matrix =>
    new Matrix(
      factors,
      cols,
      Float64Array.from({ length: factors * cols }, (_, at) =>
        asked.has(at) ? found.elements[at * width + place]! : NaN,
      ),
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
      factors: Array.from({ length: factors }, (_, l) => resamples.filter((one) => one.factors[k] === l).length),
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
    warnings: [...warnOfBase(model), ...warnOfResamples(resamples, runs)],
  }
}

/** Warns of resamples that are not converged, and of those that were not made. */
function warnOfResamples(resamples: readonly Resample[], runs: number): Warning[] {
  const out: Warning[] = []
  const open = resamples.filter((one) => one.status !== 'converged').length
  if (open > 0) {
    const message = `not converged: ${open} of ${resamples.length} resamples; they count all the same`
    out.push({ code: 'resamples-not-converged', message })
  }
  return [...out, ...warnOfStop(resamples.length, runs)]
}

/** Warns of a bootstrap that was stopped. */
export function warnOfStop(made: number, runs: number): Warning[] {
  return made === runs
    ? []
    : [{ code: 'bootstrap-incomplete', message: `stopped when ${made} of ${runs} resamples were made` }]
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
