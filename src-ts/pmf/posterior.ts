/** Draws of the profiles from their posterior around a fit: a check of standard errors and displacement. */
import type { NativePosterior, NativePosteriorSettings } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import type { Displacement, DisplacementInterval } from './displacement.ts'
import { toNativeBase, warnOfBase } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { stopwatch } from './solution.ts'
import type { Timing, Warning } from './types.ts'

/** Options of {@link Factorization.samplePosterior}. */
export interface PosteriorOptions extends JobOptions {
  /** Chains, from 2 to 64; they run side by side. @default 4, as Vehtari et al. (2021) advise */
  chains?: number | undefined
  /** Most draws of each chain. Sampling ends before, as soon as they are worth enough. @default 4000 */
  maxDraws?: number | undefined
  /** Effective draws that every element needs, all chains together. @default 400, as Vehtari et al. (2021) advise */
  minimumEss?: number | undefined
  /**
   * T: the density is exp(−Q/(2T)). Q/ν widens all by √(Q/ν), as if a misfit meant that all uncertainties are too small.
   * @default 1, since the uncertainties are known
   */
  temperature?: number | undefined
  /**
   * Key of all random numbers.
   * @default the fit's
   */
  seed?: number | undefined
}

/** One chain of a {@link Posterior}, after warming up. */
export interface PosteriorChain {
  /** Mean probability with which its moves were accepted. */
  acceptance: number
  /** Langevin steps, each one evaluation of Q and its gradient; those of warming up included. */
  steps: number
  /**
   * Draws whose factors are not the fit's in their order, by the best one-to-one assignment of contributions: the chain has
   * left for another minimum, or for the same with factors exchanged. They are counted and not left out.
   */
  swapped: number
}

/** Quantiles by their share in per cent: 2.5 to 97.5 is a 95 % interval, 16 to 84 one of about a standard deviation. */
export type PosteriorQuantiles = Record<'2.5' | '16' | '50' | '84' | '97.5', Matrix>

/**
 * Result of {@link Factorization.samplePosterior}. Matrices are factors × species, in the units of the profiles (mean
 * contribution 1), NaN where the data do not determine an element. Plain data: passes through `structuredClone`.
 */
export interface Posterior {
  /**
   * `converged`: every element that the data determine has R̂ ≤ 1.01 and at least `minimumEss` effective draws. `budget`:
   * `maxDraws` were not enough for that; `ess` and `rHat` say where. `stalled`: there is no peak to sample around, or the
   * data determine no element; a warning says why. `aborted`: stopped, with the draws until then.
   */
  status: 'converged' | 'budget' | 'stalled' | 'aborted'
  minimumEss: number
  temperature: number
  seed: number
  mean: Matrix
  /** Monte Carlo standard error of `mean`: how far it may be off since draws are not infinitely many. */
  meanError: Matrix
  /** Standard deviation. */
  deviation: Matrix
  /** Monte Carlo standard error of `deviation`. */
  deviationError: Matrix
  quantiles: PosteriorQuantiles
  /** Monte Carlo standard errors of `quantiles`. */
  quantileErrors: PosteriorQuantiles
  /** Bulk effective sample size, all chains together. */
  ess: Matrix
  /** Split R̂ of normal scores, the larger one of plain and folded; 1 where chains agree. */
  rHat: Matrix
  /** As of {@link Factorization.standardErrors}, for temperature 1; NaN at zero. */
  standardErrors: Matrix
  /** `deviation` over `standardErrors` · √temperature: 1 where Q is a parabola. */
  ratio: Matrix
  chains: PosteriorChain[]
  /** Draws of each chain. */
  drawsPerChain: number
  /** Langevin steps from one draw to the next. */
  stepsPerDraw: number
  /** All draws, chain by chain: (chains · `drawsPerChain`) × (factors · species), factor by factor. */
  draws: Matrix
  /**
   * `base-not-converged`, `not-unique`, `posterior-not-mixed`, `posterior-incomplete`, `posterior-too-large`,
   * `factors-swapped`, `standard-errors-not-positive`, `standard-errors-too-large`.
   */
  warnings: Warning[]
  timing: Timing
}

/** R̂ up to which chains agree; the engine has the same. */
const AGREED = 1.01

const SHARES = ['2.5', '16', '50', '84', '97.5'] as const

/** Computes it. */
export async function posteriorOf(
  model: Factorization,
  source: DataSource,
  options: PosteriorOptions,
): Promise<Posterior> {
  const time = stopwatch()
  const check = new Checker(options, 'samplePosterior: options')
  const settings: NativePosteriorSettings = {
    chains: check.integer('chains', { min: 2, max: 64 }) ?? 4,
    maxDraws: check.integer('maxDraws', { min: 4, max: 1e6 }) ?? 4000,
    minimumEss: check.positive('minimumEss') ?? 400,
    temperature: check.positive('temperature') ?? 1,
    seed: check.integer('seed') ?? model.seed,
  }
  const job = check.job()
  check.finish()
  const base = toNativeBase(model, source, job.threads)
  const { posterior } = native()
  const found = await runJob((token, progress) => posterior(base, settings, token, progress), job)
  // Stopped while it warmed up: there is nothing to give.
  if (found.status === 'aborted' && found.drawsOfEach === 0) throw job.signal?.reason
  return { ...toPosterior(found, model, settings), timing: time() }
}

function toPosterior(
  found: NativePosterior,
  model: Factorization,
  settings: NativePosteriorSettings,
): Omit<Posterior, 'timing'> {
  const { factors, profiles } = model
  const { cols } = profiles
  const size = factors * cols
  const elements = (data: Float64Array): Matrix => new Matrix(factors, cols, data, profiles)
  const quantiles = (of: Float64Array): PosteriorQuantiles =>
    Object.fromEntries(
      SHARES.map((share, at) => [share, elements(of.slice(at * size, (at + 1) * size))]),
    ) as PosteriorQuantiles
  const { minimumEss, temperature, seed } = settings
  const width = Math.sqrt(temperature)
  return {
    status: found.status as Posterior['status'],
    minimumEss,
    temperature,
    seed,
    mean: elements(found.mean),
    meanError: elements(found.meanError),
    deviation: elements(found.deviation),
    deviationError: elements(found.deviationError),
    quantiles: quantiles(found.quantiles),
    quantileErrors: quantiles(found.quantileErrors),
    ess: elements(found.ess),
    rHat: elements(found.rHat),
    standardErrors: elements(found.standardErrors),
    ratio: elements(found.deviation.map((deviation, at) => deviation / found.standardErrors[at]! / width)),
    chains: Array.from(found.acceptance, (acceptance, at) => ({
      acceptance,
      steps: found.steps[at]!,
      swapped: found.swapped[at]!,
    })),
    drawsPerChain: found.drawsOfEach,
    stepsPerDraw: found.stepsOfADraw,
    draws: new Matrix(found.acceptance.length * found.drawsOfEach, size, found.draws),
    warnings: [...warnOfBase(model), ...found.warnings, ...warningsOf(found, minimumEss)],
  }
}

function warningsOf({ status, ess, rHat, swapped, drawsOfEach }: NativePosterior, minimumEss: number): Warning[] {
  const warnings: Warning[] = []
  if (status === 'budget') {
    const [least, worst] = [Math.min(...known(ess)), Math.max(...known(rHat))]
    const open = ess.filter((one, at) => one < minimumEss || rHat[at]! > AGREED).length
    const message =
      `${open} elements have fewer than ${minimumEss} effective draws or R̂ above ${AGREED} (worst: ` +
      `${Math.floor(least)} and ${worst.toFixed(3)}): their intervals may be wrong; give more draws (maxDraws)`
    warnings.push({ code: 'posterior-not-mixed', message })
  }
  if (status === 'aborted') {
    const message = `stopped after ${drawsOfEach} draws of each chain, before they were worth enough`
    warnings.push({ code: 'posterior-incomplete', message })
  }
  const others = swapped.reduce((sum, one) => sum + one, 0)
  if (others > 0) {
    const message =
      `factors are others than the fit's in ${others} of ${swapped.length * drawsOfEach} draws: chains have left its ` +
      'minimum, and what is said of one factor mixes several'
    warnings.push({ code: 'factors-swapped', message })
  }
  return warnings
}

function known(values: Float64Array): number[] {
  return Array.from(values).filter((value) => !Number.isNaN(value))
}

/** An element of {@link posteriorCoverage}. */
export interface PosteriorCoverage {
  /** 0-based. */
  factor: number
  /** Name. */
  species: string
  /** 0-based column of the species. */
  column: number
  /** One per level of the displacement. */
  levels: {
    level: number
    /** Share of the posterior within the interval, 0 to 1; NaN where either is not known. */
    share: number
    /** Monte Carlo standard error of `share`. */
    error: number
  }[]
}

/**
 * The share of a posterior that lies within each interval of a displacement. Within ΔQ = 4 it is 95.4 % where Q is a
 * parabola, bounded at its top or not, and 86.5 % of an element that is pressed against zero with a constant slope.
 *
 * @param posterior of the same model, with temperature 1 unless levels were scaled alike
 * @returns one for each element that was displaced, in that order
 * @throws InvalidInputError `results-differ` if they are of other models
 * @example
 * ```ts
 * const [posterior, displacement] = await Promise.all([model.samplePosterior(), model.displacement({ levels: [4] })])
 * for (const { species, levels } of posteriorCoverage(posterior, displacement)) console.log(species, levels[0].share)
 * ```
 */
export function posteriorCoverage(
  posterior: Pick<Posterior, 'mean' | 'draws' | 'ess'>,
  displacement: Pick<Displacement, 'elements'>,
): PosteriorCoverage[] {
  const [mean, draws, ess] = (['mean', 'draws', 'ess'] as const).map((name) => Matrix.from(posterior[name], name)) as [
    Matrix,
    Matrix,
    Matrix,
  ]
  return displacement.elements.map(({ factor, species, column, levels }) => {
    if (factor >= mean.rows || column >= mean.cols || (mean.colNames?.[column] ?? species) !== species) {
      const message = `the posterior has no element of factor ${factor} and species ${species}: it is of another model`
      throw new InvalidInputError('results-differ', message, { name: 'displacement' })
    }
    const of = Float64Array.from({ length: draws.rows }, (_, row) => draws.get(row, factor * mean.cols + column))
    const worth = ess.get(factor, column)
    return {
      factor,
      species,
      column,
      levels: levels.map((interval) => {
        const [lower, upper] = ends(interval)
        const inside = of.filter((value) => value >= lower && value <= upper).length
        const share = [lower, upper, worth].some(Number.isNaN) ? NaN : inside / of.length
        return { level: interval.level, share, error: Math.sqrt((share * (1 - share)) / worth) }
      }),
    }
  })
}

/** Infinite where unbounded, NaN where not known. */
function ends({ lower, upper, lowerUnbounded, upperUnbounded }: DisplacementInterval): [number, number] {
  return [lowerUnbounded ? -Infinity : lower, upperUnbounded ? Infinity : upper]
}
