/** Calls of the addon that run off the JavaScript thread: abort, progress, and outcomes turned into errors. */
import type { CancelToken, NativeFailure, NativeOutcome, NativeProgress } from '#native'
import { BackendUnavailableError, HeadwaterError, InternalError, InvalidInputError } from './errors.ts'
import { native } from './native.ts'

/** How far a call has come. */
export interface Progress {
  /** Units of work done; for a factorisation: runs. */
  done: number
  /** Units planned: an upper bound where the call may stop early. */
  total: number
  /** Best objective (Q) of a converged run so far; absent before the first one. */
  best?: number
  /** Distinct minima found so far. */
  basins?: number
}

/** Options of every call that may take long. */
export interface JobOptions {
  /** Stops the call, which then rejects with `signal.reason` (but see `onAbort`). One signal may stop many calls. */
  signal?: AbortSignal | undefined
  /**
   * Called on the JavaScript thread at most ten times a second, not at all by calls that are faster. If it throws
   * (or returns a promise that rejects), the call stops and rejects with that error; other calls go on.
   */
  onProgress?: ((progress: Progress) => unknown) | undefined
  /**
   * `'reject'`: an aborted call rejects with `signal.reason`. `'partial'`: it resolves with what is done, status
   * `aborted`; where nothing is done yet (aborted before or while waiting for its turn) it rejects all the same.
   * @default 'reject', what callers of other libraries expect
   */
  onAbort?: 'reject' | 'partial' | undefined
  /**
   * Largest number of threads that this call uses, from 1. The result does not depend on it.
   * @default all that are configured
   */
  threads?: number | undefined
}

/** Starts a native job; called with a fresh token, and with a progress callback that may be passed on as it is. */
export type Start<T> = (token: CancelToken, progress: NativeProgress | undefined) => Promise<NativeOutcome<T>>

/** The code with which the addon refuses a job that was cancelled before it ran. */
const CANCELLED = 'cancelled-while-waiting'

/**
 * Runs a native job under a caller's options and returns what it resolves with.
 * @throws the signal's reason; what `onProgress` threw; InvalidInputError; InternalError
 */
export async function runJob<T>(start: Start<T>, options: JobOptions): Promise<T> {
  const { signal, onProgress } = options
  signal?.throwIfAborted()
  const token = new (native().CancelToken)()
  let failure: { error: unknown } | undefined
  let over = false
  const fail = (error: unknown): void => {
    failure ??= { error }
    token.cancel()
  }
  const progress: NativeProgress | undefined =
    onProgress &&
    ((done, total, best, basins) => {
      // A report may still be on its way when the result is there, or when an earlier one has failed.
      if (over || failure) return
      const report: Progress = { done, total }
      if (best != null) report.best = best
      if (basins != null) report.basins = basins
      try {
        const returned = onProgress(report)
        if (returned instanceof Promise) returned.catch(fail)
      } catch (error) {
        fail(error)
      }
    })
  // The engine stops at its next poll; a caller who does not want what is done need not wait for that.
  const { promise: gone, reject: leave } = Promise.withResolvers<never>()
  gone.catch(() => {})
  const abort = (): void => {
    token.cancel()
    if (options.onAbort !== 'partial') leave(ABORTED)
  }
  signal?.addEventListener('abort', abort, { once: true })
  let outcome: NativeOutcome<T>
  try {
    outcome = await Promise.race([start(token, progress), gone])
  } catch (error) {
    if (error === ABORTED) throw signal?.reason
    throw error instanceof HeadwaterError ? error : new InternalError(messageOf(error), { cause: error })
  } finally {
    over = true
    signal?.removeEventListener('abort', abort)
  }
  if (failure) throw failure.error
  // Bad input and defects are told even if the caller has lost interest: they would come back at the next call.
  if (!outcome.ok && outcome.code !== CANCELLED) throw toError(outcome)
  if (signal?.aborted && (!outcome.ok || options.onAbort !== 'partial')) throw signal.reason
  if (!outcome.ok) throw toError(outcome)
  return outcome
}

/** Told apart from everything that an engine could reject with. */
const ABORTED = Symbol('aborted')

/** The error class that a failed outcome stands for. */
export function toError(failure: NativeFailure): HeadwaterError {
  const { code, message, row, col, limit, hint } = failure
  if (code === 'internal') return new InternalError(message)
  if (code === 'threads-unavailable') return new BackendUnavailableError(code, message)
  if (/^(cuda|device)-/.test(code)) {
    return new BackendUnavailableError(code, hint === undefined ? message : `${message} (${hint})`, { limit })
  }
  if (code === CANCELLED) return new HeadwaterError(code, message)
  const place = Object.fromEntries(Object.entries({ row, col, limit, hint }).filter(([, value]) => value !== undefined))
  return InvalidInputError.ofAll([{ code, message, ...place }])
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
