/** Minimisation of a function by an optimiser's steps. */
import type { JobOptions } from '../job.ts'
import { InvalidInputError } from '../errors.ts'
import { isThenable } from '../solve/session.ts'
import { Checker } from '../validate.ts'
import { GuardError, type Optimizer } from './optimizer.ts'
import type { Evaluation, MinimizeOptions, MinimizeResult, StepReport, Tensors } from './types.ts'

/** Longest time in milliseconds for which an asynchronous minimisation keeps the thread. */
const SLICE = 8

type Ended = Pick<MinimizeResult, 'status' | 'reason' | 'error'>

interface Limits {
  maxSteps: number
  tolerance: number
  target: number
  onStep: MinimizeOptions['onStep'] | undefined
  signal: JobOptions['signal']
  onAbort: JobOptions['onAbort']
}

function limitsOf(options: unknown, where: string): Limits {
  const checker = new Checker(options, `${where}: options`)
  const limits = {
    maxSteps: checker.integer('maxSteps', { min: 1 }) ?? 1000,
    tolerance: checker.number('tolerance', { min: 0 }) ?? 0,
    target: checker.number('target') ?? -Infinity,
    onStep: checker.function<NonNullable<MinimizeOptions['onStep']>>('onStep'),
    ...signalOf(checker),
  }
  checker.finish()
  return limits
}

/** The options of an asynchronous minimisation that are not about numbers. */
export function signalOf(checker: Checker): { signal: JobOptions['signal']; onAbort: JobOptions['onAbort'] } {
  const { signal, onAbort } = checker.job()
  return { signal, onAbort }
}

/** The state of a minimisation between two evaluations. */
class Descent {
  readonly #optimizer: Optimizer
  readonly #limits: Limits
  readonly #from: number
  readonly #started = performance.now()
  #evaluations = 0
  #loss = NaN
  #norm: number | undefined

  constructor(optimizer: Optimizer, limits: Limits) {
    this.#optimizer = optimizer
    this.#limits = limits
    this.#from = optimizer.stepCount
  }

  /** Uses an evaluation; says whether that is the end. */
  take(params: Tensors, evaluation: Evaluation): Ended | undefined {
    const { grads, loss } = checked(evaluation)
    this.#evaluations++
    this.#loss = loss
    if (loss <= this.#limits.target) return { status: 'converged', reason: 'target' }
    const report: StepReport = this.#optimizer.tryStep(params, grads, evaluation, this.#limits.tolerance)
    this.#norm = report.gradientNorm
    if (report.action === 'rest') return { status: 'converged', reason: 'gradient' }
    if (report.action === 'halt') return { status: 'stalled', reason: 'halted', error: new GuardError(report) }
    if (this.#limits.onStep?.(report, loss) === true) return { status: 'budget', reason: 'stopped' }
    if (this.#evaluations >= this.#limits.maxSteps) return { status: 'budget', reason: 'maxSteps' }
    return undefined
  }

  result(ended: Ended): MinimizeResult {
    return {
      ...ended,
      steps: this.#optimizer.stepCount - this.#from,
      evaluations: this.#evaluations,
      loss: this.#loss,
      ...(this.#norm === undefined ? {} : { gradientNorm: this.#norm }),
      timing: { seconds: (performance.now() - this.#started) / 1000 },
    }
  }
}

/** Loss and gradients as a function returned them. */
export function checked(evaluation: unknown): Evaluation {
  if (typeof evaluation !== 'object' || evaluation === null || !('loss' in evaluation) || !('grads' in evaluation)) {
    throw new InvalidInputError('callback-not-valid', 'the function must return { loss, grads }')
  }
  if (typeof evaluation.loss === 'number') return evaluation as Evaluation
  throw new InvalidInputError('callback-not-valid', `the loss must be a number, got ${typeof evaluation.loss}`)
}

/** See {@link Optimizer.minimizeSync}. */
export function minimizeSync(
  optimizer: Optimizer,
  fn: (params: Tensors, step: number) => Evaluation,
  params: Tensors,
  options: MinimizeOptions,
): MinimizeResult {
  const descent = new Descent(optimizer, limitsOf(options, 'minimizeSync()'))
  for (;;) {
    const evaluation = fn(params, optimizer.stepCount)
    if (isThenable(evaluation)) {
      Promise.resolve(evaluation).catch(() => {})
      const message = 'the function returned a promise in a synchronous minimisation'
      throw new InvalidInputError('callback-asynchronous', message, { hint: 'use minimize, without Sync' })
    }
    const ended = descent.take(params, evaluation)
    if (ended !== undefined) return descent.result(ended)
  }
}

/** See {@link Optimizer.minimize}. */
export async function minimize(
  optimizer: Optimizer,
  fn: (params: Tensors, step: number) => Evaluation | PromiseLike<Evaluation>,
  params: Tensors,
  options: MinimizeOptions & Pick<JobOptions, 'signal' | 'onAbort'>,
): Promise<MinimizeResult> {
  const limits = limitsOf(options, 'minimize()')
  const { signal } = limits
  const descent = new Descent(optimizer, limits)
  const aborted: Ended = { status: 'aborted', reason: 'aborted' }
  let since = performance.now()
  for (;;) {
    if (signal?.aborted === true) {
      if (limits.onAbort === 'partial') return descent.result(aborted)
      throw signal.reason
    }
    const returned = fn(params, optimizer.stepCount)
    const evaluation = isThenable(returned) ? await returned : returned
    const ended = descent.take(params, evaluation)
    if (ended !== undefined) return descent.result(ended)
    if (performance.now() - since > SLICE) {
      // Timers and input take their turn.
      await new Promise((resolve) => setImmediate(resolve))
      since = performance.now()
    }
  }
}
