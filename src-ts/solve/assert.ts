/** For callers who want an exception after all. */
import { HeadwaterError, InvalidInputError } from '../errors.ts'
import type { ManyResult } from './many.ts'
import { REASONS, type SolveResult } from './types.ts'

/** A solve did not converge. Thrown by {@link assertConverged} only: the solvers return their outcome. */
export class SolverError extends HeadwaterError {
  /** The result, with all that is known. */
  readonly result: SolveResult

  constructor(result: SolveResult, message: string) {
    super('not-converged', message)
    this.result = result
  }

  override get name(): string {
    return 'SolverError'
  }
}

/**
 * Returns the result if it is converged (of several: all are).
 * @throws SolverError with the (first) result that is not; InvalidInputError `option-not-valid` for what is no result, such as
 * a promise of one
 * @example
 * ```ts
 * const { x } = assertConverged(await cg(A, b))
 * ```
 */
export function assertConverged<R extends SolveResult | ManyResult>(result: R): R {
  if (typeof (result as Partial<R> | undefined)?.converged !== 'boolean') {
    const message = 'assertConverged takes the result of a solve; a promise of one must be awaited first'
    throw new InvalidInputError('option-not-valid', message, { name: 'result', value: result })
  }
  const list: readonly SolveResult[] = 'columns' in result ? result.columns : [result]
  for (const [index, { converged, reason, residual, iterations }] of list.entries()) {
    if (converged) continue
    const where = 'columns' in result ? `column ${index}: ` : ''
    const size = residual.relative === undefined ? '' : `, relative residual ${residual.relative.toExponential(2)}`
    const message = `${where}${reason} after ${iterations} iterations${size}. ${REASONS[reason]}`
    throw new SolverError(list[index]!, message)
  }
  return result
}
