/**
 * The native addon, loaded at the first call that needs it: reading and checking data works without it, and a failed
 * load is an error with a remedy instead of a failed import. Only this file and `job.ts` know the addon.
 */
import { createRequire } from 'node:module'
import { BackendUnavailableError, InvalidInputError } from './errors.ts'

/** The addon's exports. */
export type Native = typeof import('#native')

let loaded: Native | undefined

/**
 * The addon.
 * @throws BackendUnavailableError `backend-unavailable`
 */
export function native(): Native {
  return (loaded ??= load(createRequire(import.meta.url)))
}

/** Loads the addon by `require`. Apart from {@link native} only so that a test can see it fail. */
export function load(require: (name: string) => unknown): Native {
  try {
    return require('#native') as Native
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0]!.replace(/\.$/, '') : String(cause)
    throw new BackendUnavailableError(
      'backend-unavailable',
      `headwater's native addon could not be loaded on ${process.platform}-${process.arch} with Node ` +
        `${process.versions.node} (22.13 or newer is needed): ${reason}. ` +
        'In a project: delete node_modules and run "npm install" without --omit=optional. ' +
        'In a clone of the sources: run "npm run build".',
      { cause },
    )
  }
}

/** What {@link configure} takes. */
export interface ConfigureOptions {
  /**
   * Threads that all running calls share, from 1 to 1024.
   * @default HEADWATER_NUM_THREADS, or else what the machine or container allows
   */
  threads: number
}

/**
 * Sets the number of threads, before the first call: from then on it is fixed for the whole process, workers included.
 * @throws InvalidInputError `option-out-of-range`; `threads-fixed` after the first call
 */
export function configure(options: ConfigureOptions): void {
  const threads: unknown = options?.threads
  if (typeof threads !== 'number' || !Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    const message = `threads must be a whole number from 1 to ${MOST_THREADS}`
    throw new InvalidInputError('option-out-of-range', message, { name: 'threads', value: threads })
  }
  if (!native().configure(threads)) {
    const message = `threads cannot be ${threads}: the first call has fixed it at ${native().threads() ?? 'another number'}`
    throw new InvalidInputError('threads-fixed', message, { name: 'threads', value: threads })
  }
}

/** Largest number of threads that can be asked for. */
export const MOST_THREADS = 1024

/** Version of the loaded addon, for example `0.1.0`. */
export function version(): string {
  return native().version()
}
