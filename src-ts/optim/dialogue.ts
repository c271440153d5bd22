/**
 * Minimisations in which a function of the caller takes part, by reverse communication: the addon says what it needs, the
 * driver here has the function called, and the addon goes on.
 */
import type { JobOptions } from '../job.ts'
import { InvalidInputError } from '../errors.ts'
import { isThenable, watchSignal } from '../solve/session.ts'

/** What `resume` of the addon returns. */
export const DONE = 0
export const VALUES = 1
export const JACOBIAN = 2
export const ITERATION = 3
export const DETACHED = 4

/** Longest time in milliseconds for which an asynchronous minimisation keeps the thread. */
const SLICE = 8

/** A running minimisation, one request at a time. */
export interface Dialogue<Result, Report> {
  /** Hands in the last answer, and says what is asked for. */
  next: () => number
  /** Calls the function that answers; what it returned goes to `take`. */
  ask: (kind: number) => unknown
  /** Takes an answer. */
  take: (kind: number, answer: unknown) => void
  report: () => Report
  /** Ends it at the next request, with the best point. */
  halt: (aborted: boolean) => void
  /** Leaves the best point where it belongs, and says how it ended. */
  finish: () => Result
}

/** Called after every iteration; `true` ends it. */
export type OnIteration<Report> = ((report: Report) => boolean | void) | undefined

/** What comes after the first evaluation, on the calling thread. */
export function driveSync<R, P>(dialogue: Dialogue<R, P>, onIteration: OnIteration<P>): R {
  return guarded(dialogue, () => {
    for (let kind = dialogue.next(); kind !== DONE; kind = dialogue.next()) {
      if (kind === ITERATION) observe(dialogue, onIteration)
      else dialogue.take(kind, settled(dialogue.ask(kind)))
    }
    return dialogue.finish()
  })
}

/** The same with functions that may return promises; aborts are heard while one is pending. */
export async function drive<R, P>(
  dialogue: Dialogue<R, P>,
  onIteration: OnIteration<P>,
  { signal, onAbort }: Pick<JobOptions, 'signal' | 'onAbort'>,
): Promise<R> {
  const gone = (): boolean => signal?.aborted === true
  let since = performance.now()
  for (;;) {
    if (gone()) {
      const partial = end(dialogue)
      if (onAbort === 'partial') return partial
      throw signal?.reason
    }
    const kind = guarded(dialogue, dialogue.next)
    if (kind === DONE) return guarded(dialogue, dialogue.finish)
    if (kind === ITERATION) guarded(dialogue, () => observe(dialogue, onIteration))
    else {
      const returned = guarded(dialogue, () => dialogue.ask(kind))
      const answer = isThenable(returned) ? await awaited(dialogue, returned, signal) : returned
      if (!gone()) guarded(dialogue, () => dialogue.take(kind, answer))
    }
    if (performance.now() - since > SLICE) {
      // Timers and input take their turn.
      await new Promise((resolve) => setImmediate(resolve))
      since = performance.now()
    }
  }
}

/** What a function returned, unless it is a promise. */
export function settled(returned: unknown): unknown {
  if (!isThenable(returned)) return returned
  // Nobody will wait for it; its failure must not end the process.
  Promise.resolve(returned).catch(() => {})
  const message = 'the function returned a promise in a synchronous minimisation'
  throw new InvalidInputError('callback-asynchronous', message, { hint: 'use the asynchronous function, without Sync' })
}

/** What the promise gives, or nothing once there is an abort. */
export async function orAborted(pending: PromiseLike<unknown>, signal: AbortSignal | undefined): Promise<unknown> {
  const watch = watchSignal(signal)
  try {
    return await (watch ? Promise.race([pending, watch.aborted]) : pending)
  } finally {
    watch?.close()
  }
}

async function awaited<R, P>(
  dialogue: Dialogue<R, P>,
  pending: PromiseLike<unknown>,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  try {
    return await orAborted(pending, signal)
  } catch (error) {
    abandon(dialogue)
    throw error
  }
}

function observe<R, P>(dialogue: Dialogue<R, P>, onIteration: OnIteration<P>): void {
  if (onIteration?.(dialogue.report()) === true) dialogue.halt(false)
}

/** Whatever is thrown, the parameters are left at the best point. */
function guarded<T, R, P>(dialogue: Dialogue<R, P>, run: () => T): T {
  try {
    return run()
  } catch (error) {
    abandon(dialogue)
    throw error
  }
}

function end<R, P>(dialogue: Dialogue<R, P>): R {
  dialogue.halt(true)
  dialogue.next()
  return dialogue.finish()
}

/** Ends it for an error of which the caller will hear. */
function abandon<R, P>(dialogue: Dialogue<R, P>): void {
  try {
    end(dialogue)
  } catch {
    // The first error is the one that matters; this can only be one of memory that was transferred away.
  }
}
