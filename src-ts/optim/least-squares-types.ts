/** What goes into a least-squares fit and what comes out. */
import type { JobOptions } from '../job.ts'
import type { Matrix, MatrixLike } from '../matrix.ts'

/** A Jacobian: m × n as a matrix, or m·n numbers row by row. */
export type JacobianLike = MatrixLike | Float64Array | readonly number[]

/** Residuals at x. x is the fit's own array, the same one at every call: copy it to keep it. */
export type Residuals<R> = (x: Float64Array<ArrayBuffer>) => R

/** A number for all, or one for each. */
export type OneOrEach = number | ArrayLike<number>

/** How far a fit has come. */
export interface LeastSquaresIteration {
  iteration: number
  /** ½‖r‖². */
  cost: number
  /** Cosine of the angle between residuals and tangent plane; see {@link LeastSquaresResult.offset}. */
  offset: number
  /** Evaluations so far, those for differences included. */
  evaluations: number
}

/** Options of `leastSquaresSync`. */
export interface LeastSquaresOptions<J = JacobianLike> {
  /**
   * ∂rᵢ/∂xⱼ, m × n: a function, or how it is to be made of differences: `'central'`, 2n evaluations and an error of about
   * 1e-10; `'forward'`, n evaluations and an error of about 1e-8.
   * @default 'central': standard errors and the last digits are worth it
   */
  jacobian?: 'central' | 'forward' | Residuals<J> | undefined
  /** Smallest values; `-Infinity` for none. A parameter with `lower` = `upper` is held. @default none */
  lower?: OneOrEach | undefined
  /** Largest values; `Infinity` for none. @default none */
  upper?: OneOrEach | undefined
  /** Uncertainties σ of the residuals: ½Σ(rᵢ/σᵢ)² is minimised. @default 1 */
  sigma?: OneOrEach | undefined
  /**
   * Whether σ is known as it is. If not, only the ratios count, and covariances are scaled by the scatter of the residuals.
   * @default false, as in other programs
   */
  absoluteSigma?: boolean | undefined
  /** Sizes of the parameters, for differences where a parameter is smaller. @default |x0|, or 1 where that is 0 */
  typical?: OneOrEach | undefined
  /**
   * Converged where `offset` is at most this.
   * @default 1e-8, where the cost no longer changes in double precision; 1e-6 with forward differences
   */
  tolerance?: number | undefined
  /** Converged where `relativeStep` is at most this: for residuals that vanish. @default 1e-12 */
  stepTolerance?: number | undefined
  /** Converged at this cost. @default 0 */
  target?: number | undefined
  /**
   * Trust radius of the first step, relative to the scaled norm of x0.
   * @default 100; smaller, down to 0.1, for models that blow up far from the start
   */
  initialRadius?: number | undefined
  /** Largest number of iterations. @default 1000 */
  maxIterations?: number | undefined
  /** Largest number of evaluations of the residuals, those for differences included. @default none */
  maxEvaluations?: number | undefined
  /** Called after every iteration; returning `true` ends it. */
  onIteration?: ((report: LeastSquaresIteration) => boolean | void) | undefined
}

/** Options of `leastSquares`. */
export interface LeastSquaresJobOptions
  extends LeastSquaresOptions<JacobianLike | PromiseLike<JacobianLike>>, Pick<JobOptions, 'signal' | 'onAbort'> {}

/** Reasons with which a fit is converged, and the others. {@link LEAST_SQUARES_REASONS} says what each one means. */
export type LeastSquaresReason =
  | 'offset'
  | 'step'
  | 'rounding'
  | 'target'
  | 'noDecrease'
  | 'jacobianNotFinite'
  | 'maxIterations'
  | 'maxEvaluations'
  | 'stopped'
  | 'aborted'

/** Something about a fit that its reader must know. */
export interface LeastSquaresWarning {
  /** See `WARNING_CODES`. */
  code: 'parameter-not-identified' | 'no-degrees-of-freedom' | 'jacobian-unknown'
  /** 0-based parameter, where it is about one. */
  index?: number
  message: string
}

/** How a fit ended. Plain data and matrices. */
export interface LeastSquaresResult {
  /** `converged`: see `reason`, `offset` and `relativeStep`; `stalled`; `budget`; `aborted`. */
  status: 'converged' | 'stalled' | 'budget' | 'aborted'
  reason: LeastSquaresReason
  /** x, the best point. */
  parameters: Float64Array<ArrayBuffer>
  /** ½Σ(rᵢ/σᵢ)². */
  cost: number
  /** r as the function gave it, not divided by σ. */
  residuals: Float64Array<ArrayBuffer>
  /** Jᵀr of the cost: 0 where a parameter is free, positive at an active lower bound, negative at an upper one. */
  gradient: Float64Array<ArrayBuffer>
  /** Its norm over the parameters that no bound holds. In the units of the problem, unlike `offset`. */
  gradientNorm?: number
  /**
   * Cosine of the angle between the residuals and the plane that the free parameters span in their space: 0 at a minimum,
   * whatever the units. The minimum of the linear model is offset·√(m − n) standard errors away.
   */
  offset?: number
  /** Length of the whole Gauss-Newton step relative to x, both in the scaled norm. */
  relativeStep?: number
  /** Parameters that their gradient holds at a bound. */
  activeBounds: { index: number; bound: 'lower' | 'upper' }[]
  /**
   * s²(JᵀJ)⁻¹ of the parameters that no bound holds, n × n, from singular values; s² = 2·cost/(m − rank), or 1 with
   * `absoluteSigma`. NaN for parameters that are held, and for those that the residuals do not determine.
   */
  covariance: Matrix
  /** √ of its diagonal. */
  standardErrors: Float64Array<ArrayBuffer>
  /** Covariances over both standard errors. */
  correlation: Matrix
  /** Rank of the Jacobian of the parameters that no bound holds. */
  rank?: number
  /** Ratio of its largest and smallest singular value, columns scaled to length 1; absent where the smallest is 0. */
  condition?: number
  /** m − rank. */
  degreesOfFreedom?: number
  /** 2·cost/(m − rank): near 1 where σ are the uncertainties. Absent without degrees of freedom. */
  reducedChiSquare?: number
  iterations: number
  /** Evaluations of the residuals, those for differences included. */
  evaluations: number
  /** Jacobians formed. */
  jacobians: number
  /** Trials that were not finite and were stepped back from. */
  nonFinite: number
  warnings: LeastSquaresWarning[]
  timing: { seconds: number }
}
