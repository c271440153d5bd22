/** Optimisers: steps as transactions on the caller's arrays. */
import type { NativeOptimizer } from '#native'
import { HeadwaterError, InvalidInputError } from '../errors.ts'
import { native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { minimize, minimizeSync } from './minimize.ts'
import { constraintOf, ratesOf, type Plan } from './options.ts'
import { unpack } from './report.ts'
import { arrayFor, arraysOf, describe } from './tensors.ts'
import type {
  Evaluation,
  GuardCounters,
  GuardEvent,
  GuardOptions,
  HealthThresholds,
  HealthWarning,
  MinimizeOptions,
  MinimizeResult,
  RealArray,
  StepInput,
  StepReport,
  TensorInfo,
  Tensors,
} from './types.ts'
import type { JobOptions } from '../job.ts'

/** A guard's settings for the engine, and who is told. */
export interface GuardPlan {
  options: Omit<GuardOptions, 'onEvent'>
  onEvent: ((event: GuardEvent) => void) | undefined
}

/** Steps of a guarded optimiser went on failing until nothing was left to try. Its state is the last good one. */
export class GuardError extends HeadwaterError {
  /** Why the last step was discarded. */
  readonly why: StepReport['cause']
  /** Steps committed in the state that parameters and optimiser have now. */
  readonly step: number
  /** Tensor, position and value of the number that was not finite. */
  readonly fault: StepReport['fault']
  readonly counters: GuardCounters | undefined
  /** Whether parameters and optimiser were set back to a snapshot; otherwise they are those of the last commit. */
  readonly restored: boolean

  constructor(report: StepReport) {
    const { fault, cause, restored, step } = report
    const where = fault === undefined ? '' : `: ${fault.what} of '${fault.tensor}' at ${fault.index} is ${fault.value}`
    const now = restored
      ? `set back to the snapshot of step ${step}`
      : `as committed at step ${step}; there was no snapshot`
    super('guard-halted', `the guard has given up (${cause ?? 'halted before'}${where}); parameters are ${now}`)
    this.why = cause
    this.step = step
    this.fault = fault
    this.counters = report.guard
    this.restored = restored
  }

  override get name(): string {
    return 'GuardError'
  }
}

/**
 * An optimiser for named arrays. The first step fixes names, shapes and types; state is kept for each tensor.
 *
 * Every step is a transaction: it is carried out as a whole, or nothing has changed, to the bit.
 */
export class Optimizer {
  /** How it was made; for `guard` and `load`. */
  readonly plan: Plan
  readonly #guard: GuardPlan | undefined
  #native: NativeOptimizer | undefined
  #tensors: TensorInfo[] = []
  #names: string[] = []

  /** @param guard with a guard: see {@link guard} */
  constructor(plan: Plan, guard?: GuardPlan) {
    this.plan = plan
    this.#guard = guard
  }

  /** Steps committed; falls where the guard rolls back. */
  get stepCount(): number {
    return this.#native?.count ?? 0
  }

  /** Rollbacks so far. Whoever draws data at random should make this part of the key. */
  get epoch(): number {
    return this.#native?.epoch ?? 0
  }

  /** Whether a guard decides over its steps. */
  get guarded(): boolean {
    return this.#guard !== undefined
  }

  /** The tensors, once there has been a step. */
  get tensors(): readonly TensorInfo[] {
    return this.#tensors
  }

  /** Name, options (functions as `'[function]'`), guard and tensors: for logs. */
  describe(): Record<string, unknown> {
    return {
      optimizer: this.plan.name,
      options: plain(this.plan.options),
      ...(this.#guard === undefined ? {} : { guard: plain(this.#guard.options) }),
      tensors: this.#tensors,
      step: this.stepCount,
    }
  }

  /**
   * One step, in place. A step that is not committed has changed nothing, or, with a guard, parameters and state may be
   * those of a snapshot (`restored`).
   *
   * @param params arrays that are written
   * @param grads gradient of each; of a complex parameter ∂f/∂Re + i ∂f/∂Im
   * @throws GuardError when the guard gives up; InvalidInputError for tensors that do not fit
   */
  step(params: Tensors, grads: Tensors, input: StepInput = {}): StepReport {
    const report = this.tryStep(params, grads, input, -1)
    if (report.action === 'halt') throw new GuardError(report)
    return report
  }

  /** {@link step}, without an exception where the guard gives up and without a step where the gradient is small. */
  tryStep(params: Tensors, grads: Tensors, input: StepInput, tolerance: number): StepReport {
    const optimizer = this.#bind(params)
    const { common } = this.plan
    const parameters = arraysOf(params, this.#tensors, 'params')
    const gradients = arraysOf(grads, this.#tensors, 'grads')
    const probe = this.#probe(optimizer, input)
    const failed = input.solves?.find(({ converged }) => !converged)
    const { loss, scaler } = input
    if (loss !== undefined && typeof loss !== 'number') {
      throw new InvalidInputError('option-not-valid', `loss must be a number, got ${typeof loss}`, { name: 'loss' })
    }
    const step = optimizer.count
    const told = Float64Array.of(
      loss === undefined ? 0 : 1,
      loss ?? NaN,
      common.temperature(step),
      tolerance,
      failed === undefined ? 0 : 1,
      scaler?.overflow === true ? 1 : 0,
      scaler !== undefined && scaler.scale < scaler.minScale ? 1 : 0,
    )
    const rates = ratesOf(common, this.#names, step)
    const numbers = call(() =>
      optimizer.step(parameters, gradients, probe?.v ?? null, probe?.h ?? null, rates, told),
    ).value
    const report = unpack(numbers, this.#tensors, failed?.reason)
    report.warnings = warningsOf(report, common.health)
    report.warnings.forEach((warning) => common.onWarning?.(warning))
    report.events.forEach((event) => this.#guard?.onEvent?.(event))
    return report
  }

  /**
   * Steps until the gradient or the loss is small enough, or `maxSteps` were tried. The function is called with the
   * parameters, which are written in place between its calls, and may return a promise.
   *
   * @returns how it ended; a guard that gives up is status `stalled`
   */
  minimize(
    fn: (params: Tensors, step: number) => Evaluation | PromiseLike<Evaluation>,
    params: Tensors,
    options: MinimizeOptions & Pick<JobOptions, 'signal' | 'onAbort'> = {},
  ): Promise<MinimizeResult> {
    return minimize(this, fn, params, options)
  }

  /** {@link minimize} on the calling thread; the function must not return a promise. */
  minimizeSync(
    fn: (params: Tensors, step: number) => Evaluation,
    params: Tensors,
    options: MinimizeOptions = {},
  ): MinimizeResult {
    return minimizeSync(this, fn, params, options)
  }

  /**
   * Everything that later steps depend on except the parameters: versioned, with a checksum. A run that goes on from here
   * with the same parameters gives the same bytes as one that was never interrupted.
   */
  save(): Uint8Array<ArrayBuffer> {
    if (this.#native === undefined) {
      throw new InvalidInputError('state-not-valid', 'there is nothing to save before the first step')
    }
    const header = new TextEncoder().encode(JSON.stringify(this.describe()))
    return native().sealState(this.#native, header)
  }

  /** Takes the state of a file; for `load`. */
  restore(bytes: Uint8Array, tensors: TensorInfo[]): void {
    const optimizer = this.#open(tensors)
    call(() => optimizer.load(bytes))
    this.#native = optimizer
  }

  #open(tensors: TensorInfo[]): NativeOptimizer {
    const { settings, common } = this.plan
    const guard = this.#guard === undefined ? {} : { guard: this.#guard.options }
    const native = tensors.map((tensor) => {
      const constraint = constraintOf(common, tensor.name)
      return constraint === undefined ? tensor : { ...tensor, constraint }
    })
    const optimizer = call((addon) => addon.openOptimizer({ ...settings, ...guard }, native)).value
    this.#tensors = tensors
    this.#names = tensors.map(({ name }) => name)
    return optimizer
  }

  #bind(params: Tensors): NativeOptimizer {
    if (this.#native === undefined) return (this.#native = this.#open(describe(params)))
    return this.#native
  }

  #probe(optimizer: NativeOptimizer, { hvp }: StepInput): { v: RealArray[]; h: RealArray[] } | undefined {
    if (!call(() => optimizer.probe()).value) return undefined
    if (hvp === undefined) {
      throw new InvalidInputError('probe-needed', "Newton's criterion needs { hvp } with the step: products of the Hessian", { name: 'hvp' }) // prettier-ignore
    }
    const v = this.#tensors.map(arrayFor)
    call(() => optimizer.probe(v))
    const products: unknown = hvp(Object.fromEntries(this.#names.map((name, at) => [name, v[at]!])))
    return { v, h: arraysOf(products as Tensors, this.#tensors, 'hvp') }
  }
}

/** Options as JSON can hold them; {@link load} turns them back. */
function plain(options: object): unknown {
  const replace = (_: string, value: unknown): unknown => {
    if (value === Infinity) return '[infinity]'
    return typeof value === 'function' || value instanceof RegExp ? '[function]' : value
  }
  return JSON.parse(JSON.stringify(options, replace))
}

function warningsOf(report: StepReport, health: HealthThresholds): HealthWarning[] {
  const { step } = report
  const warnings: HealthWarning[] = []
  const look = (measure: keyof HealthThresholds, value: number | undefined, least = false): void => {
    const threshold = health[measure]
    if (threshold === undefined || value === undefined) return
    if (least ? value < threshold : value > threshold) warnings.push({ measure, value, threshold, step })
  }
  look('gradientNorm', report.gradientNorm)
  look('updateRms', report.updateRms)
  look('noiseRatio', report.noiseRatio)
  look('smallestDiagonal', report.factorRange?.[0], true)
  look('largestElement', report.factorRange?.[1])
  return warnings
}
