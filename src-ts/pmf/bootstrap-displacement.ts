/** Bootstrap with displacement (BS-DISP): intervals of profile elements over resamples of the data. */
import type { NativeBootstrapDisplacement, NativeDisplacementSettings } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { toBootstrap, warnOfStop, type Bootstrap } from './bootstrap.ts'
import type { DataSource } from './data.ts'
import { chooseElements, readLevels, USUAL_LEVELS } from './displacement-options.ts'
import { toElements, toSwaps, type DisplacedElement, type DisplacementOptions } from './displacement.ts'
import { readLevelScale, reducedQ, toNativeBase, warnOfBase, warnOfScale } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { readResampling, toNativeResampling, type ResamplingOptions } from './resampling-options.ts'
import { stopwatch } from './solution.ts'
import { standardErrorsOf } from './standard-errors.ts'
import type { Status, Timing, Warning } from './types.ts'

/** Options of {@link Factorization.bootstrapDisplacement}. */
export interface BootstrapDisplacementOptions
  extends JobOptions, ResamplingOptions, Pick<DisplacementOptions, 'species' | 'elements' | 'levelScale'> {
  /**
   * Rises of Q to find in every resample, ascending; the first one decides on exchanged factors.
   * @default [0.5, 1, 2, 4], those of PMF programs: resampling widens the intervals by itself
   */
  levels?: readonly number[] | undefined
}

/** The interval of an element at one level, over the accepted resamples. */
export interface BootstrapDisplacementInterval {
  /** As asked for, before `levelFactor`. */
  level: number
  /** 5 % quantile of the lower ends, 0 for those at zero; `null` where it is unbounded or nothing is known. */
  lower: number | null
  /** 95 % quantile of the upper ends; `null` where it is unbounded or nothing is known. */
  upper: number | null
  /** Intervals that it is made of: those of accepted resamples whose refits settled. */
  count: number
  /** Present where the lower end is zero. */
  lowerAtZero?: true
  /** Present where the lower end is unbounded; only without the bound of the profiles. */
  lowerUnbounded?: true
  /** Present where the upper end is unbounded. */
  upperUnbounded?: true
}

/** An element with its intervals. */
export interface BootstrapDisplacedElement extends Omit<DisplacedElement, 'levels'> {
  /** One per level, in their order. */
  levels: BootstrapDisplacementInterval[]
}

/** One resample. */
export interface DisplacedResample {
  run: number
  /** How its fit ended. */
  status: Status
  /** Its objective. */
  q: number
  /**
   * Whether it counts: its fit is converged, every base factor has a factor of its own in it, no refit found a lower Q,
   * and no factors exchange their identities at the lowest level.
   */
  accepted: boolean
  /** Whether a refit found a lower Q than its fit. */
  drop: boolean
  /** Whether a base factor has none of its factors, by the assignment one to one and its threshold. */
  swappedInFit: boolean
  /** Whether factors exchange their identities at the lowest level. */
  swappedInDisplacement: boolean
  /** Largest decrease of Q that a refit found; 0 if there was none. */
  largestDecrease: number
  /** Its own intervals, factors numbered as in the base; empty where its fit is not converged or does not map. */
  elements: Omit<DisplacedElement, 'standardError'>[]
}

/** Result of {@link Factorization.bootstrapDisplacement}. Plain data: passes through `structuredClone`. */
export interface BootstrapDisplacement {
  /** `converged` if all runs were made, else `aborted`: everything is of those that were. */
  status: 'converged' | 'aborted'
  /** Runs that were asked for. */
  runs: number
  /** Samples in a block. */
  block: number
  seed: number
  threshold: number
  /** Levels as asked for. */
  levels: number[]
  levelScale: 'none' | 'Q/ν'
  /** What the levels were multiplied by: Q/ν of the base, or 1. */
  levelFactor: number
  /** Resamples that count in the summary. The others are counted below; one may be in several counts. */
  accepted: number
  /** Resamples in which a refit found a lower Q than their fit. */
  dropped: number
  /** Resamples in which a base factor has no factor of its own. */
  swappedInFit: number
  /** Resamples in which factors exchange their identities at the lowest level. */
  swappedInDisplacement: number
  /** Resamples whose fit is not converged. */
  unconverged: number
  /** Largest decrease of Q that a refit found in any resample; 0 if there was none. */
  largestDecrease: number
  /** Per level, accepted or not: ends at which each base factor had exchanged its identity. */
  swaps: { level: number; counts: number[] }[]
  /** In the order asked for; by default factor by factor. */
  elements: BootstrapDisplacedElement[]
  /** Those that were made, by number. */
  resamples: DisplacedResample[]
  /** The plain bootstrap of the same resamples, with the statistics of the same elements. */
  bootstrap: Bootstrap
  warnings: Warning[]
  timing: Timing
}

/** Share of accepted resamples below which the rest may be a choice of the easy ones. */
const ENOUGH = 0.8
/** Resamples from which 5 and 95 % are more than the extremes. */
const MANY = 20

/** Computes it. */
export async function bootstrapDisplacementOf(
  model: Factorization,
  source: DataSource,
  options: BootstrapDisplacementOptions,
): Promise<BootstrapDisplacement> {
  const time = stopwatch()
  const check = new Checker(options, 'bootstrapDisplacement: options')
  const resampling = readResampling(check, { rows: source.values.rows, seed: model.seed })
  const levels = readLevels(check, USUAL_LEVELS.bootstrapDisplacement)
  const elements = chooseElements(check, model, source.categories, 'strong')
  const scaled = readLevelScale(check, model)
  const job = check.job()
  check.finish()
  const levelFactor = scaled ? reducedQ(model) : 1
  // They take milliseconds: an abort that is to keep what is done does not lose them.
  const errors = await standardErrorsOf(model, source, {
    threads: job.threads,
    signal: job.onAbort === 'partial' ? undefined : job.signal,
  })
  const base = toNativeBase(model, source, job.threads)
  const displacing: NativeDisplacementSettings = {
    levels: Float64Array.from(levels, (level) => level * levelFactor),
    elements,
    check: false,
    seed: resampling.seed,
  }
  const { bootstrapDisplacement } = native()
  const found = await runJob(
    (token, progress) => bootstrapDisplacement(base, toNativeResampling(resampling), displacing, token, progress),
    job,
  )
  const timing = time()
  const bootstrap = { ...toBootstrap(found.bootstrap, model, resampling, elements), timing }
  const resamples = toResamples(found, bootstrap, levels, model.data.species)
  const many = (test: (one: DisplacedResample) => boolean): number => resamples.filter(test).length
  const result: BootstrapDisplacement = {
    status: bootstrap.status,
    runs: resampling.runs,
    block: bootstrap.block,
    seed: resampling.seed,
    threshold: resampling.threshold,
    levels,
    levelScale: scaled ? 'Q/ν' : 'none',
    levelFactor,
    accepted: many((one) => one.accepted),
    dropped: many((one) => one.drop),
    swappedInFit: many((one) => one.swappedInFit),
    swappedInDisplacement: many((one) => one.swappedInDisplacement),
    unconverged: many((one) => one.status !== 'converged'),
    largestDecrease: found.largestDecrease,
    swaps: sumSwaps(found, levels, model.factors),
    elements: found.elements.map(({ factor, species: column, levels: ends }) => ({
      factor,
      species: model.data.species[column]!,
      column,
      base: model.profiles.get(factor, column),
      standardError: errors.profiles.get(factor, column),
      levels: levels.map((level, at) => toInterval(level, ends.subarray(3 * at, 3 * at + 3))),
    })),
    resamples,
    bootstrap,
    warnings: [],
    timing,
  }
  result.warnings = [...errors.warnings, ...warningsOf(result, model)]
  return result
}

function toInterval(level: number, [low, high, count]: Float64Array): BootstrapDisplacementInterval {
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
  return {
    level,
    lower: finite(low!),
    upper: finite(high!),
    count: count!,
    ...(low === 0 ? { lowerAtZero: true } : {}),
    ...(low === -Infinity ? { lowerUnbounded: true } : {}),
    ...(high === Infinity ? { upperUnbounded: true } : {}),
  }
}

function toResamples(
  found: NativeBootstrapDisplacement,
  { resamples }: Bootstrap,
  levels: readonly number[],
  species: readonly string[],
): DisplacedResample[] {
  return found.resamples.map(({ displacement, ...flags }, at) => {
    const { run, status, q } = resamples[at]!
    return {
      ...{ run, status, q },
      accepted: flags.accepted,
      drop: flags.drop,
      swappedInFit: flags.swappedInFit,
      swappedInDisplacement: flags.swappedInDisplacement,
      largestDecrease: displacement?.largestDecrease ?? 0,
      elements: displacement === undefined ? [] : toElements(displacement, levels, species),
    }
  })
}

function sumSwaps(
  { resamples }: NativeBootstrapDisplacement,
  levels: readonly number[],
  factors: number,
): BootstrapDisplacement['swaps'] {
  const sums = levels.map((level) => ({ level, counts: Array.from({ length: factors }, () => 0) }))
  for (const { displacement } of resamples) {
    if (displacement === undefined) continue
    for (const [at, { counts }] of toSwaps(displacement, levels).entries()) {
      counts.forEach((count, k) => (sums[at]!.counts[k]! += count))
    }
  }
  return sums
}

function warningsOf(result: BootstrapDisplacement, model: Factorization): Warning[] {
  const { accepted, unconverged, resamples, runs, levels, levelScale } = result
  const warnings = [...warnOfBase(model), ...warnOfScale(model, levels[0]!, levelScale === 'Q/ν')]
  const made = resamples.length
  if (unconverged > 0) {
    const message = `not converged: ${unconverged} of ${made} resamples; they are not accepted`
    warnings.push({ code: 'resamples-not-converged', message })
  }
  if (made > 0 && (accepted < ENOUGH * made || accepted < MANY)) {
    const why =
      accepted < ENOUGH * made
        ? 'the solution is not stable, and intervals of the others may be too narrow'
        : `5 and 95 % of fewer than ${MANY} are little more than their extremes`
    warnings.push({ code: 'few-resamples-accepted', message: `${accepted} of ${made} resamples are accepted: ${why}` })
  }
  const open = (one: DisplacedResample): boolean => one.elements.some(({ levels: all }) => all.some((at) => at.failed))
  const failed = resamples.filter(open).length
  if (failed > 0) {
    const message = `refits did not settle in ${failed === 1 ? 'one resample' : `${failed} resamples`}: ends that are not known do not count`
    warnings.push({ code: 'displacement-failed', message })
  }
  return [...warnings, ...warnOfStop(made, runs)]
}
