/** Input, options and result types of the factorisation engine. */
import type { DeviceName } from '../device.ts'
import type { JobOptions } from '../job.ts'
import type { Category, Preset } from '../data/options.ts'
import type { Treatment } from '../data/dataset.ts'
import type { Matrix, MatrixLike } from '../matrix.ts'
import type { Robust } from './loss.ts'

/**
 * Measurements with their uncertainties: a `Dataset`, or any object of this shape.
 *
 * A cell whose value is NaN, or whose uncertainty is NaN or Infinity, is missing: it has weight 0. An infinite value
 * or an uncertainty of zero or below is an error.
 */
export interface DataLike {
  /** samples × species. */
  readonly values: MatrixLike
  /** samples × species, standard deviations in the units of the values. */
  readonly uncertainties: MatrixLike
  /** One name per column. Default: the values' column names, else `species 1`, `species 2`, … */
  readonly species?: readonly string[] | undefined
  /** One name or time per row. Default: the values' row names, else `sample 1`, `sample 2`, … */
  readonly samples?: readonly (string | Date)[] | undefined
  /**
   * samples × species: 1 where a cell is known only to lie below its value (a detection limit), 0 elsewhere. Such a
   * cell costs nothing while the model is below the value, and counts as any other beyond. Default: none.
   */
  readonly censored?: MatrixLike | undefined
  /** Category of each species, for the expected Q of PMF programs. Default: all strong. */
  readonly categories?: readonly Category[] | undefined
  /** What was done to the data; results repeat it. */
  readonly treatment?: Treatment | undefined
}

/**
 * What a returned point is.
 * - `converged`: a local minimum, proven by the certificate (on large data: its curvature with a stated probability)
 * - `saddle`: stationary, but a direction of descent through negative curvature is known
 * - `boundary`: an optimum at the edge of a hyperparameter's region (other engines)
 * - `stalled`: no decrease could be made any more, and the certificate is not met
 * - `budget`: `maxIterations` was reached before the certificate was met
 * - `aborted`: the caller stopped the call; the best point so far
 */
export type Status = 'converged' | 'saddle' | 'boundary' | 'stalled' | 'budget' | 'aborted'

/** Bounds at zero; lifting one gives a semi-non-negative factorisation. */
export interface Nonnegative {
  /** @default true */
  contributions?: boolean | undefined
  /** @default true */
  profiles?: boolean | undefined
}

/** A pair of factors. */
export interface Factors {
  /** samples × factors. */
  contributions: MatrixLike
  /** factors × species. */
  profiles: MatrixLike
}

/** Options of `factorize`. */
export interface FactorizeOptions extends JobOptions {
  /** Number of factors p, 1 ≤ p ≤ min(samples, species). */
  factors: number
  /**
   * `'pmf5'` takes the defaults of EPA PMF 5, to reproduce an older study: `robust: 4` and `starts: 20`. What is given
   * beside it takes precedence.
   * @default headwater's own defaults
   */
  preset?: Preset | undefined
  /**
   * Number of random starts, or `'auto'`: random starts and perturbation chains until several independent chains
   * end at one Q.
   * @default 'auto', since a fixed number is either wasteful or too few
   */
  starts?: number | 'auto' | undefined
  /**
   * Cap of automatic starts, perturbation trials included.
   * @default 400
   */
  maxStarts?: number | undefined
  /**
   * Number of the first start: `{ firstStart: 7, starts: 1 }` repeats start 7 alone, with the same bits.
   * @default 0
   */
  firstStart?: number | undefined
  /**
   * Number of the start whose solution is returned.
   * @default the best one
   */
  start?: number | undefined
  /**
   * Key of all random numbers, a whole number from 0 to 2^53 - 1.
   * @default 0, so that a call repeats unless it is told otherwise
   */
  seed?: number | undefined
  /**
   * How sweeps are done: `'anls'` exact alternating non-negative least squares, `'hals'` exact coordinate descent,
   * `'mu'` multiplicative updates (for comparison with older programs), `'auto'` the recommended one, at present
   * `'anls'` at every size. All end with second-order steps, unless `stop` is given.
   * @default 'auto'
   */
  method?: 'auto' | 'anls' | 'hals' | 'mu' | undefined
  /**
   * Where starts begin: at random, or at the non-negative double SVD of the weighted data.
   * @default 'random', which finds more minima
   */
  initialization?: 'random' | 'nndsvd' | undefined
  /** A starting point that replaces the drawn ones: exactly one start is made. */
  initial?: Factors | undefined
  /** @default both bounded */
  nonnegative?: Nonnegative | undefined
  /**
   * Robust fit: `true` minimises Huber's loss with α = 4, a number is another α, `{ student: 5 }` Student's t. Outliers
   * then pull with a bounded force. Starts, ranking and certificate are those of this objective; `q` is its value.
   * @default false: the plain sum of squares, which trusts every uncertainty
   */
  robust?: Robust | undefined
  /**
   * Largest number of iterations (sweeps and second-order steps) of one start.
   * @default 20000, far more than real data need
   */
  maxIterations?: number | undefined
  /**
   * Ends a start by the rule of older programs: Q fell by less than `decrease` over the last `over` sweeps. The point
   * is judged all the same, and is then mostly `stalled`.
   * @default when the certificate is met
   */
  stop?: { decrease: number; over: number } | undefined
  /**
   * Where the sweeps of all starts run. Second order, judgement and certificate are always the CPU's, in double precision, so
   * that a result is as good from everywhere; its last digits and the numbers of iterations may differ. A GPU minimises plain sums of
   * squares by `method: 'anls'`: with a robust loss, censored cells or `stop` it is an `options-conflict`.
   * @default 'cpu', which gives the same bits with and without a GPU
   */
  device?: DeviceName | undefined
}

/** Options of `certify`. */
export interface CertifyOptions extends JobOptions {
  /** @default both bounded, or those of the model that is judged */
  nonnegative?: Nonnegative | undefined
  /**
   * The objective that the point is judged by, as for `factorize`.
   * @default false, or that of the model that is judged
   */
  robust?: Robust | undefined
  /**
   * Largest number of iterations of the descent from the given point.
   * @default 20000
   */
  maxIterations?: number | undefined
}

/** What is known of the smallest curvature where the Hessian is too large to form (over 1500 unknowns). */
export interface CurvatureBound {
  /** No curvature is below this. At most 0: a bound never says that the point is a strict minimum. */
  bound: number
  /** Probability that it holds, over the random start of the search (1 where it follows from a factorisation). */
  confidence: number
  /** Products with the Hessian that were made. */
  products: number
  /** Smallest value that they showed: an upper bound of the smallest curvature. */
  smallestSeen: number
}

/** The numbers that justify a status, in units of Q unless said otherwise. Numbers that do not apply are absent. */
export interface Certificate {
  /** The unit that the thresholds refer to: max(min(1, Q/ν), 1e-22 ΣV²/U²), ν the degrees of freedom. */
  unit: number
  /** Sum of the decreases of Q that single coordinates can still give. */
  coordinateGap: number
  /** The larger of the two block gaps. */
  blockGap: number
  /** Q less its minimum over the contributions alone. */
  blockGapContributions: number
  /** Q less its minimum over the profiles alone. */
  blockGapProfiles: number
  /** Decrease that the exact quadratic model predicts with all bounds kept; absent where it has no minimum. */
  newtonDecrement?: number
  /** The same with the Gauss-Newton model. */
  newtonDecrementGaussNewton?: number
  /** Decrease by the last second-order step over the decrease predicted for it. */
  lastStepRatio?: number
  /**
   * Smallest curvature (eigenvalue of the reduced Hessian) on the free profile elements, unit diagonal, scale gauges
   * removed. Dimensionless. A bound where the Hessian is too large to form.
   */
  minCurvature?: number | CurvatureBound
  /** Elements off their bounds. */
  freeElements: number
  /** Directions in which the Hessian vanishes: the scale gauges, if the solution is unique. */
  nullDirections: number
  /** Elements at zero that noise could lift off. */
  weaklyActiveZeros: number
  /** Factors that are entirely zero. */
  deadFactors: number
  /** Directions beyond the gauges along which Q does not change. */
  flatDirections: number
}

/** Something that the reader of a result must know. */
export interface Warning {
  /** Kebab-case: `row-without-data`, `column-without-data`, `row-not-identified`, `not-unique`, `dead-factor`, … */
  code: string
  /** 0-based row, column or factor, as the code says; absent where the whole result is meant. */
  index?: number
  /** The same in words. */
  message: string
}

/** A judged point. Factors are scaled to a mean contribution of 1 and sorted by mass, decreasing. */
export interface Solution {
  /** What the point is. */
  status: Status
  /** The objective that was minimised: the weighted sum of squares, or the sum of a robust loss. */
  q: number
  /** The weighted sum of squares, whatever was minimised. */
  qTrue: number
  /** Σ min(t², αt), t = |residual| / uncertainty: the number that PMF programs print. α is 4 unless a fit chose it. */
  qRobust: number
  /** Cells with t > α. */
  outliers: number
  /** Cells whose t lies within 1e-9 of α, where the second derivative of Huber's loss jumps. */
  nearThreshold: number
  /** Cells with weight less factors × (samples + species). */
  qExpected: number
  /** Cells with weight less free elements plus null directions. */
  degreesOfFreedom: number
  /** Sweeps and second-order steps together. */
  iterations: number
  /** Why the status can be believed. */
  certificate: Certificate
  /** Ordered by code and index. */
  warnings: Warning[]
  /** factors × species, in the data's units. NaN columns where a species has no data. */
  profiles: Matrix
  /** samples × factors, mean 1. NaN rows where a sample has no data. */
  contributions: Matrix
}

/** One run. */
export interface StartReport {
  /** Number of the run. Together with the seed it repeats the run. */
  start: number
  /** How it began. */
  origin: 'random' | 'nndsvd' | 'given' | 'perturbed'
  /** The perturbation chain it belongs to. */
  chain?: number
  /** How it ended. */
  status: Status
  /** Where it ended. */
  q: number
  /** Sweeps and second-order steps together. */
  iterations: number
  /** Index into `basins`; absent unless converged. */
  basin?: number
  /** See {@link Certificate}. */
  coordinateGap: number
  /** See {@link Certificate}. */
  blockGap: number
  /** See {@link Certificate}. */
  newtonDecrement?: number
}

/** A minimum that converged runs reached: equal Q (relative 1e-6) and matching profiles. */
export interface Basin {
  /** The lowest Q among its members. */
  q: number
  /** Number of runs that ended in it. */
  hits: number
  /** Their numbers, ascending. */
  members: number[]
}

/** What a result keeps of the data it belongs to. */
export interface DataSummary {
  /** Number of samples. */
  rows: number
  /** Number of species. */
  columns: number
  /** Cells with weight 0. */
  missing: number
  /** Cells known only to lie below their value; absent if there are none. */
  censored?: number
  /** One name per column. */
  species: string[]
  /** One name per row, or one time per row. */
  samples: string[] | Date[]
  /** Hex digests of the fitted arrays: little-endian float64, row-major, every NaN as 0x7ff8000000000000. */
  sha256: Digests
  /** What was done to the data before the fit, where that is known; numbers that are not known are `null`. */
  treatment?: Treatment
}

/** Hex SHA-256 of what was fitted. */
export interface Digests {
  values: string
  uncertainties: string
  /** Of one byte a cell, 1 where it is censored; absent if none is. */
  censored?: string
}

/** Time that a call took. Not covered by the promise of equal bits. */
export interface Timing {
  /** Wall time, from the call to its result; waiting for its turn included. */
  seconds: number
  /** Processor time of the whole process meanwhile, other calls included. */
  cpuSeconds: number
}
