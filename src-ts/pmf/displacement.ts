/** Displacement (DISP): how far profile elements can be moved before Q has risen by given levels, all else refitted. */
import type { NativeDisplacement, NativeDisplacementSettings } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import { chooseElements, readLevels, USUAL_LEVELS, type ElementChoice } from './displacement-options.ts'
import { refit } from './displacement-restart.ts'
import { readLevelScale, reducedQ, toNativeBase, warnOfBase, warnOfScale, type Base } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { stopwatch } from './solution.ts'
import { standardErrorsOf, type StandardErrors } from './standard-errors.ts'
import type { Solution, Timing, Warning } from './types.ts'

/** Options of {@link Factorization.displacement}. */
export interface DisplacementOptions extends JobOptions {
  /**
   * Rises of Q to find, ascending.
   * @default [4, 8, 15, 25], those of PMF programs; 4 is about two standard errors
   */
  levels?: readonly number[] | undefined
  /** Species to displace, by name or 0-based column, in every factor. Default: the strong ones. */
  species?: readonly (string | number)[] | undefined
  /** Single elements to displace, instead of `species`. */
  elements?: readonly ElementChoice[] | undefined
  /**
   * Whether refits at the ends look for lower branches, which a path from the base can miss.
   * @default true; without, a few per cent of the intervals are too narrow
   */
  check?: boolean | undefined
  /**
   * Key of the perturbed refits.
   * @default the fit's
   */
  seed?: number | undefined
  /**
   * `'Q/ν'` multiplies the levels by Q/ν of the base, ν the degrees of freedom, as if a misfit meant that all
   * uncertainties are too small by √(Q/ν).
   * @default 'none', since the uncertainties are known
   */
  levelScale?: 'none' | 'Q/ν' | undefined
}

/** The interval of an element at one level. */
export interface DisplacementInterval {
  /** As asked for, before `levelFactor`. */
  level: number
  /** Smallest value; NaN where the end is unbounded or failed. */
  lower: number
  /** Largest value; NaN where the end is unbounded or failed. */
  upper: number
  /** Rise of Q at the lower end, by a last evaluation: the level times `levelFactor`, or less at zero. */
  lowerDeltaQ: number
  /** Rise of Q at the upper end. */
  upperDeltaQ: number
  /** Whether an end lies on another branch than the one that leads there from the base. */
  lowerBranch: boolean
  /** Present where factors have exchanged their identities at an end. */
  swapped?: true
  /** Present where the element reaches zero before Q has risen by the level. */
  lowerAtZero?: true
  /** Present where Q stays below the level however small the element is made; only without its bound. */
  lowerUnbounded?: true
  /** Present where Q stays below the level however large the element is made. */
  upperUnbounded?: true
  /** Present where refits did not settle: the end that is NaN is not known. */
  failed?: true
}

/** An element with its intervals. */
export interface DisplacedElement {
  /** 0-based. */
  factor: number
  /** Name. */
  species: string
  /** 0-based column of the species. */
  column: number
  /** Value in the base. */
  base: number
  /** As of {@link Factorization.standardErrors}; NaN where there is none. */
  standardError: number
  /** One per level, in their order. */
  levels: DisplacementInterval[]
}

/** Result of {@link Factorization.displacement}. Plain data: passes through `structuredClone`. */
export interface Displacement {
  /** The elements that were done, in the order asked for; by default factor by factor. */
  elements: DisplacedElement[]
  /** Per level: ends at which each factor had exchanged its identity, lower refits included. */
  swaps: { level: number; counts: number[] }[]
  /** Levels as asked for. */
  levels: number[]
  levelScale: 'none' | 'Q/ν'
  /** What the levels were multiplied by: Q/ν of the base, or 1. */
  levelFactor: number
  /** Largest decrease of Q below a base that a refit found; 0 if there was none. */
  largestDecrease: number
  /** 0: in order. 6: stopped before the end. 9: a refit found a lower Q, the fit was not the minimum. */
  errorCode: 0 | 6 | 9
  /** `aborted` if stopped before all elements were done, else `converged`. */
  status: 'converged' | 'aborted'
  /** How often the study began again from a lower Q. */
  restarts: number
  /** The base of the intervals after a restart, its factors in the order of the model's; absent without. */
  base?: Solution
  warnings: Warning[]
  timing: Timing
}

/** Most restarts from a lower Q. */
const MOST_RESTARTS = 3

interface Request {
  levels: number[]
  elements: Uint32Array
  check: boolean
  seed: number
  scaled: boolean
  job: JobOptions
}

/** Computes them. */
export async function displacementOf(
  model: Factorization,
  source: DataSource,
  options: DisplacementOptions,
): Promise<Displacement> {
  const time = stopwatch()
  const request = readOptions(model, source, options)
  const { job, levels } = request
  let base: Base | Solution = model
  let run = await around(base, model, source, request)
  let { largestDecrease } = run.found
  let restarts = 0
  let stopped = run.found.status === 'aborted'
  while (!stopped && run.found.lowerContributions !== undefined && restarts < MOST_RESTARTS) {
    const next = await orStopped(refit(model, source, base, run.found, job), job)
    const again = next && (await orStopped(around(next, model, source, request), job))
    // An abort before anything is done around the new base leaves the intervals of the last one.
    stopped = again === undefined
    if (next === undefined || again === undefined) break
    base = next
    run = again
    restarts++
    largestDecrease = Math.max(largestDecrease, run.found.largestDecrease)
    stopped = run.found.status === 'aborted'
  }
  const { found, errors, factor } = run
  const result: Displacement = {
    elements: toElements(found, levels, model.data.species).map((element) => withError(element, errors)),
    swaps: toSwaps(found, levels),
    levels,
    levelScale: request.scaled ? 'Q/ν' : 'none',
    levelFactor: factor,
    largestDecrease,
    errorCode: stopped ? 6 : largestDecrease > 0 ? 9 : 0,
    status: stopped ? 'aborted' : 'converged',
    restarts,
    ...(restarts > 0 ? { base: base as Solution } : {}),
    warnings: [],
    timing: time(),
  }
  result.warnings = [...errors.warnings, ...warningsOf(result, model, base, found.lowerContributions !== undefined)]
  return result
}

/** `undefined` where the caller stopped the work and wants what was done before it. */
async function orStopped<T extends Solution | Run>(work: Promise<T>, job: JobOptions): Promise<T | undefined> {
  try {
    const done = await work
    return 'status' in done && done.status === 'aborted' ? undefined : done
  } catch (error) {
    if (job.onAbort === 'partial' && job.signal?.aborted && error === job.signal.reason) return undefined
    throw error
  }
}

function readOptions(model: Factorization, source: DataSource, options: DisplacementOptions): Request {
  const check = new Checker(options, 'displacement: options')
  const request = {
    levels: readLevels(check, USUAL_LEVELS.displacement),
    elements: chooseElements(check, model, source.categories, 'strong'),
    scaled: readLevelScale(check, model),
    check: check.boolean('check') ?? true,
    seed: check.integer('seed') ?? model.seed,
    job: check.job(),
  }
  check.finish()
  return request
}

interface Run {
  found: NativeDisplacement
  errors: StandardErrors
  factor: number
}

/** One study around one base. */
async function around(base: Base, model: Factorization, source: DataSource, request: Request): Promise<Run> {
  const { factors, data, options, robust } = model
  const at = { factors, data, options, robust, profiles: base.profiles, contributions: base.contributions }
  const { job } = request
  const factor = request.scaled ? reducedQ(base) : 1
  const settings: NativeDisplacementSettings = {
    levels: Float64Array.from(request.levels, (level) => level * factor),
    elements: request.elements,
    check: request.check,
    seed: request.seed,
  }
  // They take milliseconds: an abort that is to keep what is done does not lose them.
  const errors = await standardErrorsOf(at, source, {
    threads: job.threads,
    signal: job.onAbort === 'partial' ? undefined : job.signal,
  })
  const { displace } = native()
  const start = toNativeBase(at, source, job.threads)
  const found = await runJob((token, progress) => displace(start, settings, token, progress), job)
  return { found, errors, factor }
}

/** What the addon calls the ends. */
const [ZERO, UNBOUNDED, FAILED] = [1, 2, 3]

/** The elements that were displaced, without their standard errors. */
export function toElements(
  found: NativeDisplacement,
  levels: readonly number[],
  species: readonly string[],
): Omit<DisplacedElement, 'standardError'>[] {
  return Array.from(found.bases, (base, at) => {
    const [factor, column] = [found.factors[at]!, found.species[at]!]
    return {
      factor,
      species: species[column]!,
      column,
      base,
      levels: levels.map((level, l): DisplacementInterval => {
        const lower = 2 * (at * levels.length + l)
        const upper = lower + 1
        const { kinds, values, deltaQ, lowerBranch, swapped } = found
        return {
          level,
          lower: values[lower]!,
          upper: values[upper]!,
          lowerDeltaQ: deltaQ[lower]!,
          upperDeltaQ: deltaQ[upper]!,
          lowerBranch: lowerBranch[lower] === 1 || lowerBranch[upper] === 1,
          ...(swapped[lower] === 1 || swapped[upper] === 1 ? { swapped: true } : {}),
          ...(kinds[lower] === ZERO ? { lowerAtZero: true } : {}),
          ...(kinds[lower] === UNBOUNDED ? { lowerUnbounded: true } : {}),
          ...(kinds[upper] === UNBOUNDED ? { upperUnbounded: true } : {}),
          ...(kinds[lower] === FAILED || kinds[upper] === FAILED ? { failed: true } : {}),
        }
      }),
    }
  })
}

/** Per level: ends at which each factor had exchanged its identity. */
export function toSwaps(found: NativeDisplacement, levels: readonly number[]): Displacement['swaps'] {
  const factors = found.swaps.length / levels.length
  return levels.map((level, at) => ({ level, counts: [...found.swaps.subarray(at * factors, (at + 1) * factors)] }))
}

function withError(
  { levels, ...element }: Omit<DisplacedElement, 'standardError'>,
  errors: StandardErrors,
): DisplacedElement {
  return { ...element, standardError: errors.profiles.get(element.factor, element.column), levels }
}

function warningsOf(result: Displacement, model: Factorization, base: Base, stillLower: boolean): Warning[] {
  const { restarts, largestDecrease, elements, levels, levelScale } = result
  const warnings = warnOfBase(base)
  if (largestDecrease > 0) {
    const then =
      restarts === 0 || stillLower
        ? 'the intervals are those around a point that is not the minimum'
        : `the study began again there: the intervals are those around Q ${base.q}`
    const message = `a refit found a Q lower by ${largestDecrease}: Q ${model.q} is not the minimum; ${then}`
    warnings.push({ code: 'base-not-minimum', message })
  }
  warnings.push(...warnOfScale(base, levels[0]!, levelScale === 'Q/ν'))
  const swaps = result.swaps[0]!.counts.reduce((sum, count) => sum + count, 0)
  if (swaps > 0) {
    const message = `factors exchange their identities at the lowest level (${swaps} counts): they are not well determined`
    warnings.push({ code: 'factors-swapped', message })
  }
  const failed = elements.filter((element) => element.levels.some((interval) => interval.failed)).length
  if (failed > 0) {
    const message = `refits did not settle for ${failed === 1 ? 'one element' : `${failed} elements`}: ends that are NaN are not known`
    warnings.push({ code: 'displacement-failed', message })
  }
  if (result.status === 'aborted') {
    const message = `stopped when ${elements.length} elements had been done`
    warnings.push({ code: 'displacement-incomplete', message })
  }
  return warnings
}
