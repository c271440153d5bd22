/**
 * Solves in which functions of the caller take part, by reverse communication: the addon says what it needs, the driver
 * here calls the function, and the addon goes on. Two work arrays, made once, carry the vectors.
 */
import type { ExternalObject, NativeSession } from '#native'
import { InvalidInputError } from '../errors.ts'
import { native, type Native } from '../native.ts'
import { call } from './backend.ts'
import { CallbackOperator, type Product } from './callbacks.ts'
import { nativeOf } from './operators.ts'
import { callPacked, packSettings, unpackResult } from './packing.ts'
import type { Plan } from './plan.ts'
import { CallbackInverse, nativeInverse } from './preconditioners.ts'
import type { IterationReport, SolveResult } from './types.ts'
import { widthOf } from './vectors.ts'

/** What `resume` of the addon returns. */
const [DONE, APPLY, APPLY_ADJOINT, PRECONDITION, ITERATION] = [0, 1, 2, 3, 4]

/** Longest time in milliseconds for which an asynchronous solve keeps the thread. */
const SLICE = 8

type View = Float64Array<ArrayBuffer>

/** A running solve, one request at a time. */
export class Run {
  readonly #session: ExternalObject<NativeSession>
  readonly #resume: Native['resumeSession'] = native().resumeSession
  readonly #input: View
  readonly #output: View
  /** Views of the work arrays with rows and cols elements. */
  readonly #views: { inRows: View; inCols: View; outRows: View; outCols: View }
  readonly #apply: Product | undefined
  readonly #applyAdjoint: Product | undefined
  readonly #precondition: Product | undefined

  constructor(plan: Plan, observe: boolean) {
    const { operator, M, base, b, dtype } = plan
    const { rows, cols } = operator
    const asks = operator instanceof CallbackOperator
    const settings = observe ? { ...plan.settings, observe } : plan.settings
    this.#session = call((addon) =>
      addon.openSession(
        asks ? null : nativeOf(operator),
        rows,
        cols,
        dtype === 'complex128',
        // A claim of symmetry is probed; its denial is believed.
        asks && operator.hermitian === false ? false : null,
        M === undefined || M instanceof CallbackInverse ? null : nativeInverse(M),
        M instanceof CallbackInverse,
        base === undefined ? null : nativeOf(base.operator),
        base?.delta ?? null,
        b,
        packSettings(settings),
      ),
    ).value
    const width = widthOf(dtype)
    const size = Math.max(rows, cols) * width
    this.#input = new Float64Array(size)
    this.#output = new Float64Array(size)
    const cut = (array: View, count: number): View =>
      count * width === size ? array : array.subarray(0, count * width)
    this.#views = {
      inRows: cut(this.#input, rows),
      inCols: cut(this.#input, cols),
      outRows: cut(this.#output, rows),
      outCols: cut(this.#output, cols),
    }
    if (asks) {
      this.#apply = operator.apply
      this.#applyAdjoint = operator.applyAdjoint
    }
    if (M instanceof CallbackInverse) this.#precondition = M.apply
  }

  /** Hands in the last answer and returns what is asked for next. */
  next(): number {
    const kind = this.#resume(this.#session, this.#input, this.#output)
    if (kind <= ITERATION) return kind
    const message = 'the work arrays of a solve were transferred elsewhere by the function that was given them'
    throw new InvalidInputError('array-detached', message, { hint: 'send a copy' })
  }

  /** Calls the function that answers, and returns what it returned if that is a promise. */
  answer(kind: number): PromiseLike<unknown> | undefined {
    const { inRows, inCols, outRows, outCols } = this.#views
    const adjoint = kind === APPLY_ADJOINT
    const x = adjoint ? inRows : inCols
    const y = adjoint ? outCols : outRows
    y.fill(0)
    const answering = kind === APPLY ? this.#apply : adjoint ? this.#applyAdjoint : this.#precondition
    const returned = answering!(x, y)
    if (isThenable(returned)) return returned
    this.check(kind, returned)
    return undefined
  }

  /** Refuses a vector that the function returned, or that its promise resolved to, instead of writing it. */
  check(kind: number, returned: unknown): void {
    const { outRows, outCols } = this.#views
    if (returned === (kind === APPLY_ADJOINT ? outCols : outRows)) return
    if (!ArrayBuffer.isView(returned) && !Array.isArray(returned)) return
    const message = 'the function returned a vector; it must write into its second argument'
    throw new InvalidInputError('callback-not-valid', message, { hint: 'y.set(result)' })
  }

  /** The state after an iteration. */
  report(): IterationReport {
    const { sessionIteration, sessionResidual } = native()
    return { iteration: sessionIteration(this.#session), residual: sessionResidual(this.#session) }
  }

  /**
   * Ends the solve with the last x. Unless it is an abort, one more product gives the true residual, if the function answers
   * at once.
   */
  halt(aborted: boolean): SolveResult {
    native().haltSession(this.#session, aborted)
    for (let kind = this.next(); kind !== DONE; kind = this.next()) {
      const pending = kind === APPLY ? this.answer(kind) : Promise.resolve()
      if (pending === undefined) continue
      Promise.resolve(pending).catch(() => {})
      native().haltSession(this.#session, aborted)
    }
    return this.finish()
  }

  /** The result, when `next` has returned {@link DONE}. */
  finish(): SolveResult {
    return unpackResult(callPacked((addon) => addon.finishSession(this.#session)))
  }
}

/** Runs a plan on the calling thread. */
export function driveSync(plan: Plan): SolveResult {
  const { stop } = plan
  const run = new Run(plan, stop !== undefined)
  for (;;) {
    const kind = run.next()
    if (kind === DONE) return run.finish()
    if (kind === ITERATION) {
      if (stops(stop, run.report())) return run.halt(false)
    } else answerNow(run, kind)
  }
}

/** Steps of a plan on the calling thread: yields after every iteration, returns the result. */
export function* stepsSync(plan: Plan): Generator<IterationReport, SolveResult, void> {
  const run = new Run(plan, true)
  for (;;) {
    const kind = run.next()
    if (kind === DONE) return run.finish()
    if (kind !== ITERATION) answerNow(run, kind)
    else {
      const report = run.report()
      if (stops(plan.stop, report)) return run.halt(false)
      let left = true
      try {
        yield report
        left = false
      } finally {
        // The loop was left: what is there is the result.
        if (left) plan.settle?.(run.halt(false))
      }
    }
  }
}

/** Runs a plan, with functions that may return promises; the thread is shared with whoever else needs it. */
export async function drive(plan: Plan): Promise<SolveResult> {
  const steps = stepsAsync(plan, plan.stop !== undefined || plan.onProgress !== undefined)
  for (;;) {
    const step = await steps.next()
    if (step.done) return step.value
  }
}

/** Steps of a plan: yields after every iteration that was asked for, returns the result. */
export async function* stepsAsync(plan: Plan, observe = true): AsyncGenerator<IterationReport, SolveResult, void> {
  const { signal, onAbort } = plan.job
  signal?.throwIfAborted()
  const partial = onAbort === 'partial'
  const run = new Run(plan, observe)
  const report = reporter(plan)
  const watch = watchSignal(signal)
  let since = performance.now()
  try {
    for (;;) {
      if (signal?.aborted) {
        if (partial) return run.halt(true)
        throw signal.reason
      }
      if (report?.failure) throw report.failure.error
      const kind = run.next()
      if (kind === DONE) return run.finish()
      if (kind === ITERATION) {
        const at = run.report()
        report?.send(at)
        if (stops(plan.stop, at)) return run.halt(false)
        let left = true
        try {
          yield at
          left = false
        } finally {
          if (left) plan.settle?.(run.halt(false))
        }
      } else {
        const pending = run.answer(kind)
        if (pending) {
          // A product that never comes must not keep an abort from being heard.
          run.check(kind, await (watch ? Promise.race([pending, watch.aborted]) : pending))
        }
      }
      if (performance.now() - since > SLICE) {
        await new Promise((resolve) => setImmediate(resolve))
        since = performance.now()
      }
    }
  } finally {
    watch?.close()
  }
}

function answerNow(run: Run, kind: number): void {
  const pending = run.answer(kind)
  if (pending === undefined) return
  // Nobody will wait for it; its failure must not end the process.
  Promise.resolve(pending).catch(() => {})
  const message = 'a function returned a promise in a synchronous solve'
  throw new InvalidInputError('callback-asynchronous', message, { hint: 'use the asynchronous function, without Sync' })
}

/** Whether it is a promise or acts as one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Resolves at the abort; `close` takes the listener off. */
export function watchSignal(
  signal: AbortSignal | undefined,
): { aborted: Promise<void>; close: () => void } | undefined {
  if (signal === undefined) return undefined
  const { promise, resolve } = Promise.withResolvers<void>()
  const listener = (): void => resolve()
  signal.addEventListener('abort', listener, { once: true })
  return { aborted: promise, close: () => signal.removeEventListener('abort', listener) }
}

/** What the caller's rule says. */
function stops(stop: Plan['stop'], at: IterationReport): boolean {
  const answer: unknown = stop?.(at)
  if (!isThenable(answer)) return Boolean(answer)
  Promise.resolve(answer).catch(() => {})
  throw new InvalidInputError('callback-asynchronous', 'stop returned a promise; it must return true or false')
}

/** Calls `onProgress` at most ten times a second; a promise that it returned and that rejects is its failure. */
function reporter({ onProgress, maxIterations }: Plan): Reporter | undefined {
  if (onProgress === undefined) return undefined
  let next = 0
  const made: Reporter = {
    send: ({ iteration, residual }) => {
      if (performance.now() < next) return
      next = performance.now() + 100
      const returned = onProgress({ iteration, maxIterations, residual })
      if (isThenable(returned)) returned.then(undefined, (error: unknown) => (made.failure ??= { error }))
    },
  }
  return made
}

interface Reporter {
  send: (at: IterationReport) => void
  failure?: { error: unknown }
}
