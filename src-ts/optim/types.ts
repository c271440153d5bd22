/** What goes into an optimiser and what comes out. */
import type { HeadwaterError } from '../errors.ts'

/** Type of a tensor's numbers; complex ones are interleaved (re, im) in a `Float32Array` or `Float64Array`. */
export type Dtype = 'float32' | 'float64' | 'complex64' | 'complex128'

/** Memory of a tensor. Parameters are written in place. */
export type RealArray = Float32Array | Float64Array

/** A tensor: an array alone is a vector. */
export interface TensorLike {
  data: RealArray
  /** Sizes of its axes, row-major; `[]` for a scalar. Default: one axis. */
  shape?: readonly number[]
  /** Default: real, as the array says. */
  dtype?: Dtype
}

/** Named tensors. The names, shapes and types of the first step hold for all later ones. */
export type Tensors = Readonly<Record<string, RealArray | TensorLike>>

/** Name, shape and type of a tensor. */
export interface TensorInfo {
  name: string
  shape: number[]
  dtype: Dtype
}

/** A number, or a function of the steps committed so far (0 before the first). */
export type Schedule = number | ((step: number) => number)

/**
 * Where a parameter stays. `'stiefel'`: a matrix with orthonormal columns (a unitary one where it is square), moved along
 * Cayley's curve, which keeps WᴴW = I to rounding; weight decay has no effect then. `'nonnegative'`: no element below 0.
 */
export type Constraint = 'stiefel' | 'nonnegative'

/** Other rates for some tensors; the first group that matches a name holds. */
export interface ParameterGroup {
  /** Names, a pattern for them, or a function that picks them. */
  match: RegExp | readonly string[] | ((name: string) => boolean)
  lr?: Schedule
  weightDecay?: number
  constraint?: Constraint
}

/** What has to be known of a step beside parameters and gradients. */
export interface StepInput {
  /** Loss at the parameters: a guard looks at it for spikes. */
  loss?: number | undefined
  /**
   * Products Hv of the Hessian with a direction, for Newton's criterion; called only where the preconditioner is to be
   * updated. Arrays come and go under the parameters' names.
   */
  hvp?: ((v: Readonly<Record<string, RealArray>>) => Tensors) | undefined
  /** Results of the linear solves behind loss and gradients: one that did not converge is a reason to discard the step. */
  solves?: readonly { converged: boolean; reason: string }[] | undefined
  /** What a scaler of half-precision gradients found. */
  scaler?: { overflow: boolean; scale: number; minScale: number } | undefined
}

/** Why a step was not committed. */
export type Cause =
  | 'lossNotFinite'
  | 'gradientNotFinite'
  | 'parameterNotFinite'
  | 'probeNotFinite'
  | 'candidateNotFinite'
  | 'spike'
  | 'solverFailed'
  | 'overflow'
  | 'skipRate'

/** A number that is not finite. */
export interface Fault {
  what: 'gradient' | 'parameter' | 'probe' | 'state' | 'candidate'
  /** Name of its tensor. */
  tensor: string
  /** 0-based position in the array; for complex tensors, of the part. */
  index: number
  /** NaN, Infinity or -Infinity. */
  value: number
}

/** A phase that the guard entered. */
export interface GuardEvent {
  to: 'run' | 'skip' | 'backoff' | 'rollback' | 'halt'
  cause?: Cause
  /** Steps committed when it happened. */
  step: number
  /** Number that was not finite, if that is the cause. */
  fault?: Fault
  /** Reason of the solve that did not converge, if that is the cause. */
  reason?: string
}

/** Counters of a guard. */
export interface GuardCounters {
  /** s, on top of whatever rate the schedule yields. */
  multiplier: number
  /** Discarded steps in a row. */
  skipped: number
  /** Backoffs since the last rollback, less those won back. */
  backedOff: number
  /** Rollbacks, less those won back. */
  rolledBack: number
  /** Commits. */
  good: number
  /** All attempts. */
  attempted: number
  /** Attempts that were not committed. */
  discarded: number
  /** All rollbacks. */
  restored: number
}

/** A measure outside its threshold. It changes nothing. */
export interface HealthWarning {
  measure: keyof HealthThresholds
  value: number
  threshold: number
  step: number
}

/** Thresholds of measures of a step; what is absent is not looked at. */
export interface HealthThresholds {
  /** Largest norm of the gradient. */
  gradientNorm?: number
  /** Largest root mean square of the update. */
  updateRms?: number
  /** Largest root mean square of the noise over that of the update. */
  noiseRatio?: number
  /** Smallest |diagonal element| of a preconditioner's factor. */
  smallestDiagonal?: number
  /** Largest |element| of a preconditioner's factor. */
  largestElement?: number
}

/** What became of a step. */
export interface StepReport {
  /** Parameters and state have moved on. If not, both are as they were, or restored. */
  committed: boolean
  /** `rest`: nothing was done, since the gradient is within the tolerance of `minimize`. */
  action: 'run' | 'skip' | 'backoff' | 'rollback' | 'halt' | 'rest'
  /** Steps committed so far. */
  step: number
  cause?: Cause
  fault?: Fault
  /** Parameters and state are those of a snapshot now; data that are drawn at random should be drawn anew. */
  restored: boolean
  /** Norm of the gradient over all tensors, before clipping. */
  gradientNorm?: number
  /** Root mean square of the change per element, without noise. */
  updateRms: number
  /** Root mean square of the noise over that of the rest. */
  noiseRatio: number
  /** A preconditioner was updated. */
  preconditionerUpdated: boolean
  /** A preconditioner was about to become singular and went back to its initial scale. */
  preconditionerReset: boolean
  /** Smallest |diagonal| and largest |element| of the preconditioners' factors. */
  factorRange?: [number, number]
  /** (loss − median)/(1.4826 MAD) of the guard's window. */
  lossScore?: number
  /** Of a guarded optimiser. */
  guard?: GuardCounters
  /** Phases that the guard entered in this step. */
  events: GuardEvent[]
  warnings: HealthWarning[]
}

/** Options that all optimisers have. */
export interface CommonOptions {
  /** Learning rate, > 0. */
  lr?: Schedule
  /** Decoupled weight decay λ: θ ← (1 − lr·λ)θ before the update. Default 0. */
  weightDecay?: number
  /** Other rates for some tensors. */
  groups?: readonly ParameterGroup[]
  /** Largest norm of the gradient over all tensors; a longer one is shortened. Default: none. */
  clipNorm?: number
  /** Key of all random numbers. Default 0. */
  seed?: number
  /** Measures that warn. */
  health?: HealthThresholds
  /** Called with each warning; it is in the report too. */
  onWarning?: (warning: HealthWarning) => void
}

/** Settings of a guard; see {@link guard}. */
export interface GuardOptions {
  /** Discarded steps in a row before a backoff. Default 3. */
  skips?: number
  /** Backoffs before a rollback. Default 5. */
  backoffs?: number
  /** Rollbacks before the end. Default 3. */
  rollbacks?: number
  /** What a backoff multiplies the rate by. Default 0.5. */
  factor?: number
  /** Smallest multiplier. Default 2⁻⁵. */
  least?: number
  /** Good steps that win a backoff back (ten times as many: a rollback). Default 200. */
  recovery?: number
  /** Commits between two snapshots. Default 50. */
  snapshotEvery?: number
  /** Snapshots that are kept. Default 2. */
  snapshots?: number
  /** Robust z of the loss above which a step is a spike; `Infinity` for none. Default 6. */
  spike?: number
  /** Attempts and losses that are looked back at. Default 128. */
  window?: number
  /** Fewest losses that z is computed from. Default 64. */
  samples?: number
  /** Share of the window that may be discarded. Default 0.2. */
  discards?: number
  /** Called with every phase that is entered; they are in the report too. */
  onEvent?: (event: GuardEvent) => void
}

/** What a function to be minimised returns. */
export interface Evaluation extends StepInput {
  loss: number
  grads: Tensors
}

/** Options of `minimize`. */
export interface MinimizeOptions {
  /** Steps that are tried at most. Default 1000. */
  maxSteps?: number
  /** Norm of the gradient at which it is done. Default 0: only at an exact stationary point. */
  tolerance?: number
  /** Loss at which it is done. Default: none. */
  target?: number
  /** Called with every report; returning `true` ends it. */
  onStep?: (report: StepReport, loss: number) => boolean | void
}

/** How a minimisation ended. */
export interface MinimizeResult {
  /** `converged`: tolerance or target were met; `stalled`: the guard has halted; `budget`; `aborted`. */
  status: 'converged' | 'stalled' | 'budget' | 'aborted'
  /** What ended it, beside the status. */
  reason: 'gradient' | 'target' | 'halted' | 'maxSteps' | 'stopped' | 'aborted'
  /** Steps committed by this call, less those that were rolled back. */
  steps: number
  /** Evaluations of the function. */
  evaluations: number
  /** Loss and norm of the gradient of the last evaluation; of `gradient` and `target`, those of the parameters as they are. */
  loss: number
  gradientNorm?: number
  /** Why the guard gave up. */
  error?: HeadwaterError
  timing: { seconds: number }
}
