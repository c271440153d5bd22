/** Calls of the addon on the calling thread: tagged outcomes turned into values or errors. */
import type { NativeOutcome } from '#native'
import { HeadwaterError, InternalError } from '../errors.ts'
import { toError } from '../job.ts'
import { native, type Native } from '../native.ts'

/**
 * What the call returns.
 * @throws InvalidInputError what the engine refuses; InternalError a defect; BackendUnavailableError
 */
export function call<T>(run: (addon: Native) => NativeOutcome<T>): T {
  let outcome: NativeOutcome<T>
  try {
    outcome = run(native())
  } catch (error) {
    if (error instanceof HeadwaterError) throw error
    throw new InternalError(error instanceof Error ? error.message : String(error), { cause: error })
  }
  if (!outcome.ok) throw toError(outcome)
  return outcome
}
