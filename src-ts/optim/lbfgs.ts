/** L-BFGS on named tensors. */
import type { ExternalObject, NativeDescent, NativeLbfgsSettings } from '#native'
import type { JobOptions } from '../job.ts'
import { InternalError, InvalidInputError } from '../errors.ts'
import { native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { Checker } from '../validate.ts'
import { DETACHED, drive, driveSync, type Dialogue, type OnIteration } from './dialogue.ts'
import { checked, signalOf } from './minimize.ts'
import { arraysOf, describe } from './tensors.ts'
import type { Evaluation, RealArray, TensorInfo, Tensors } from './types.ts'

/** Loss and gradients at the parameters; of a complex parameter ∂f/∂Re + i ∂f/∂Im. */
export type LossAndGradient = Pick<Evaluation, 'loss' | 'grads'>

/** How far a minimisation has come. */
export interface LbfgsIteration {
  iteration: number
  loss: number
  /** Norm of the gradient over all tensors. */
  gradientNorm: number
  /** Evaluations so far. */
  evaluations: number
}

/** Options of {@link lbfgsSync}. */
export interface LbfgsOptions {
  /**
   * Pairs of differences that the curvature is known from; each takes 16 bytes a parameter.
   * @default 10: more seldom pays for itself
   */
  history?: number | undefined
  /** Largest number of iterations. @default 1000 */
  maxIterations?: number | undefined
  /** Largest number of evaluations. @default none */
  maxEvaluations?: number | undefined
  /** Converged where the norm of the gradient is at most this, or what `relativeTolerance` says. @default 0 */
  tolerance?: number | undefined
  /**
   * Converged where the norm of the gradient is at most this share of its norm at the start. Relative, so that the units of
   * loss and parameters do not matter; for a start near the minimum give a `tolerance`.
   * @default 1e-8; 1e-4 where all tensors are of single precision
   */
  relativeTolerance?: number | undefined
  /** Sufficient decrease c₁ of a step, 0 < c₁ < c₂. @default 1e-4 */
  c1?: number | undefined
  /** Share c₂ < 1 of the slope that a step may leave. Smaller: fewer steps and more evaluations. @default 0.9 */
  c2?: number | undefined
  /**
   * Length ‖θ₊ − θ‖ of the first trial.
   * @default max|θ|/100 along the largest element of the gradient; at θ = 0 |loss|/(100 ‖g‖)
   */
  initialStep?: number | undefined
  /**
   * Differences below this share of |loss| are rounding, and the slope decides there. Give about 1e-6 where the loss is
   * computed in single precision.
   * @default 1e-14; 1e-7 where all tensors are of single precision
   */
  lossAccuracy?: number | undefined
  /** Called after every iteration; returning `true` ends it. */
  onIteration?: OnIteration<LbfgsIteration>
}

/** Options of {@link lbfgs}. */
export interface LbfgsJobOptions extends LbfgsOptions, Pick<JobOptions, 'signal' | 'onAbort'> {}

/**
 * Why a minimisation ended. `gradient`: converged. `lineSearch`: no point along the steepest descent had a lower loss;
 * either rounding allows no more (`search.change` is tiny), or the gradient is not that of the loss. The others say that
 * somebody or a limit ended it.
 */
export type LbfgsReason = 'gradient' | 'lineSearch' | 'maxIterations' | 'maxEvaluations' | 'stopped' | 'aborted'

/** How a minimisation ended; the parameters are at the best point. */
export interface LbfgsResult {
  /** `converged`: the gradient is within its tolerance; `stalled`: reason `lineSearch`; `budget`; `aborted`. */
  status: 'converged' | 'stalled' | 'budget' | 'aborted'
  reason: LbfgsReason
  /** Loss at the parameters; absent if it ended before the first evaluation. */
  loss?: number
  /** Norm of the gradient there. */
  gradientNorm?: number
  /** What that norm was held against: max(`tolerance`, `relativeTolerance`·norm at the start). */
  tolerance?: number
  iterations: number
  /** Calls of the function. */
  evaluations: number
  /** Trials with a loss, gradient or point that is not finite, which were stepped back from. */
  nonFinite: number
  /** What the last line search has seen, where it ended there: the evidence for `stalled`. */
  search?: {
    trials: number
    nonFinite: number
    /** Derivative of the loss along the direction, of length 1. */
    slope: number
    /** Length of the shortest step that was tried. */
    shortest?: number
    /** Least loss that was found, less the loss at the parameters. */
    change?: number
  }
  timing: { seconds: number }
}

const REASONS: readonly LbfgsReason[] = ['gradient', 'lineSearch', 'maxIterations', 'maxEvaluations', 'stopped', 'aborted'] // prettier-ignore
const STATUS = { gradient: 'converged', lineSearch: 'stalled', maxIterations: 'budget', maxEvaluations: 'budget', stopped: 'budget', aborted: 'aborted' } as const // prettier-ignore

class Descent implements Dialogue<LbfgsResult, LbfgsIteration> {
  readonly #descent: ExternalObject<NativeDescent>
  readonly #fn: (params: Tensors) => unknown
  readonly #params: Tensors
  readonly #parameters: RealArray[]
  readonly #tensors: TensorInfo[]
  readonly #started = performance.now()
  #gradients: RealArray[] | null = null
  #loss = NaN

  constructor(fn: (params: Tensors) => unknown, params: Tensors, settings: NativeLbfgsSettings) {
    this.#fn = fn
    this.#params = params
    this.#tensors = describe(params)
    this.#parameters = arraysOf(params, this.#tensors, 'params')
    this.#descent = call((addon) => addon.openLbfgs(this.#tensors, this.#parameters, settings)).value
  }

  readonly next = (): number => {
    const gradients = this.#gradients
    this.#gradients = null
    const kind = call((addon) => addon.resumeLbfgs(this.#descent, this.#parameters, gradients, this.#loss)).value
    if (kind !== DETACHED) return kind
    throw new InvalidInputError('array-detached', 'the memory of a parameter was transferred elsewhere')
  }

  readonly ask = (): unknown => this.#fn(this.#params)

  readonly take = (_: number, answer: unknown): void => {
    const { loss, grads } = checked(answer)
    this.#gradients = arraysOf(grads, this.#tensors, 'grads')
    this.#loss = loss
  }

  readonly report = (): LbfgsIteration => {
    const [iteration, loss, gradientNorm, evaluations] = native().lbfgsProgress(this.#descent)
    return { iteration, loss, gradientNorm, evaluations }
  }

  readonly halt = (aborted: boolean): void => native().haltLbfgs(this.#descent, aborted)

  readonly finish = (): LbfgsResult => {
    const numbers = call((addon) => addon.finishLbfgs(this.#descent, this.#parameters)).value
    const at = (index: number): number => numbers[index]!
    const known = <K extends string>(name: K, value: number): { [key in K]?: number } =>
      Number.isFinite(value) ? ({ [name]: value } as { [key in K]: number }) : {}
    if (at(12) === 0) throw new InternalError('the best point of a minimisation could not be written')
    const reason = REASONS[at(0)]!
    const search = { trials: at(7), nonFinite: at(8), slope: at(9), ...known('shortest', at(10)), ...known('change', at(11)) } // prettier-ignore
    return {
      status: STATUS[reason],
      reason,
      ...known('loss', at(1)),
      ...known('gradientNorm', at(2)),
      ...known('tolerance', at(3)),
      iterations: at(4),
      evaluations: at(5),
      nonFinite: at(6),
      ...(reason === 'lineSearch' ? { search } : {}),
      timing: { seconds: (performance.now() - this.#started) / 1000 },
    }
  }
}

interface Plan {
  settings: NativeLbfgsSettings
  onIteration: OnIteration<LbfgsIteration>
  job: Pick<JobOptions, 'signal' | 'onAbort'>
}

function plan(fn: unknown, options: unknown, where: string, asynchronous: boolean): Plan {
  if (typeof fn !== 'function') {
    throw new InvalidInputError('option-not-valid', `${where}: the first argument must be a function`, { name: 'fn' })
  }
  const checker = new Checker(options, `${where}: options`)
  const onIteration = checker.function<NonNullable<OnIteration<LbfgsIteration>>>('onIteration')
  const settings: NativeLbfgsSettings = { observe: onIteration !== undefined }
  const note = (name: Exclude<keyof NativeLbfgsSettings, 'observe'>, value: number | undefined): void => {
    if (value !== undefined) settings[name] = value
  }
  note('history', checker.integer('history', { min: 1, max: 10_000 }))
  note('maxIterations', checker.integer('maxIterations'))
  note('maxEvaluations', checker.integer('maxEvaluations', { min: 1 }))
  for (const name of ['tolerance', 'relativeTolerance', 'lossAccuracy'] as const) {
    note(name, checker.number(name, { min: 0 }))
  }
  for (const name of ['c1', 'c2', 'initialStep'] as const) note(name, checker.positive(name))
  const { c1 = 1e-4, c2 = 0.9 } = settings
  if (!(c1 < c2 && c2 < 1)) {
    checker.problem('option-out-of-range', settings.c2 === undefined ? 'c1' : 'c2', `0 < c1 < c2 < 1 is needed, and c1 is ${c1}, c2 ${c2}`) // prettier-ignore
  }
  const { signal, onAbort } = asynchronous ? signalOf(checker) : {}
  checker.finish()
  return { settings, onIteration, job: { signal, onAbort } }
}

/**
 * Minimises a smooth function by L-BFGS: quasi-Newton steps θ₊ = θ − αHg, H from the last pairs of differences of
 * parameters and gradients, α from a line search for the strong Wolfe conditions. For functions that are the same at every
 * call; mini-batches need another method.
 *
 * The function is called with `params`, whose arrays hold the point to be looked at; it must leave them alone. Afterwards,
 * however it ended, they hold the best point found. Values that are not finite are stepped back from and never reach them.
 * Parameters of single precision are moved among numbers of that precision; everything else is done in double precision.
 *
 * Cost: one evaluation an iteration, seldom two, and 4·history·n multiply-adds. It does not depend on units: scaling loss
 * or parameters by a power of two gives the same digits. Sources: J. Nocedal (1980), "Updating quasi-Newton matrices with
 * limited storage"; J. J. Moré, D. J. Thuente (1994), "Line search algorithms with guaranteed sufficient decrease";
 * W. W. Hager, H. Zhang (2005) for the first step and for what happens within the rounding of the loss.
 *
 * @param fn gives loss and gradients, or a promise of them; what it throws comes out as it is
 * @param params named arrays, written in place
 * @throws InvalidInputError wrong options, tensors that do not fit; `start-not-finite` names tensor and position
 * @example
 * ```ts
 * const x = Float64Array.of(-1.2, 1)
 * const { status } = await lbfgs(() => ({ loss: rosenbrock(x), grads: { x: gradient(x) } }), { x })
 * ```
 */
export async function lbfgs(
  fn: (params: Tensors) => LossAndGradient | PromiseLike<LossAndGradient>,
  params: Tensors,
  options: LbfgsJobOptions = {},
): Promise<LbfgsResult> {
  const { settings, onIteration, job } = plan(fn, options, 'lbfgs()', true)
  job.signal?.throwIfAborted()
  return drive(new Descent(fn, params, settings), onIteration, job)
}

/** {@link lbfgs} on the calling thread; the function must not return a promise. */
export function lbfgsSync(
  fn: (params: Tensors) => LossAndGradient,
  params: Tensors,
  options: LbfgsOptions = {},
): LbfgsResult {
  const { settings, onIteration } = plan(fn, options, 'lbfgsSync()', false)
  return driveSync(new Descent(fn, params, settings), onIteration)
}
