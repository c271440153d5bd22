/** Several checks that each may throw problems, reported together. */
import { InvalidInputError } from '../errors.ts'
import { problemsError, type DataProblem } from './problems.ts'

/** Collects the problems of independent steps, so that the mistakes of both files come back at once. */
export class DataProblemList {
  readonly problems: DataProblem[] = []

  /** Runs a step; its problems are kept and `undefined` returned. Other errors pass through. */
  attemptNow<T>(step: () => T): T | undefined {
    try {
      return step()
    } catch (error) {
      this.#keep(error)
      return undefined
    }
  }

  /** The same for a step that waits. */
  async attempt<T>(step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step()
    } catch (error) {
      this.#keep(error)
      return undefined
    }
  }

  /** Throws all that was kept, if anything was. */
  throw(): void {
    if (this.problems.length > 0) throw problemsError(this.problems)
  }

  #keep(error: unknown): void {
    if (!(error instanceof InvalidInputError)) throw error
    this.problems.push(...(error.problems as readonly DataProblem[]))
  }
}
