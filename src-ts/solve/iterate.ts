/** Solves as loops over their iterations. */
import { checkMethod } from './many.ts'
import { plan, type Plan } from './plan.ts'
import { stepsAsync, stepsSync } from './session.ts'
import type { IterationReport, Method, MethodOptions, Operator, SolveJobOptions, SolveResult, VectorLike } from './types.ts' // prettier-ignore

/** A solve that goes on as it is looped over, with `for` or with `for await`; every loop begins anew. */
export class Iteration implements Iterable<IterationReport, SolveResult>, AsyncIterable<IterationReport, SolveResult> {
  readonly #plan: Plan
  #result: SolveResult | undefined

  /** @internal */
  constructor(ready: Plan) {
    this.#plan = ready
  }

  /** Result of the last loop that ended: with reason `userStop` if it was left by `break`; before, `undefined`. */
  get result(): SolveResult | undefined {
    return this.#result
  }

  /** On the calling thread; a promise returned by a function of yours is an error. */
  *[Symbol.iterator](): Generator<IterationReport, SolveResult, void> {
    return (this.#result = yield* stepsSync(this.#settling()))
  }

  /** Functions may return promises; aborts are heard between requests. */
  async *[Symbol.asyncIterator](): AsyncGenerator<IterationReport, SolveResult, void> {
    return (this.#result = yield* stepsAsync(this.#settling()))
  }

  #settling(): Plan {
    return { ...this.#plan, settle: (result) => (this.#result = result) }
  }
}

/**
 * A solve to be looped over: each turn is one iteration.
 * @throws InvalidInputError what is wrong with the arguments, at once
 * @example
 * ```ts
 * const solving = iterate('cg', A, b, { rtol: 1e-10 })
 * for (const { iteration, residual } of solving) if (residual < enough(iteration)) break
 * console.log(solving.result.reason)
 * ```
 */
export function iterate<M extends Method>(
  method: M,
  A: Operator,
  b: VectorLike,
  options?: MethodOptions[M] & SolveJobOptions,
): Iteration {
  return new Iteration(plan(checkMethod(method), A, b, options, { name: 'iterate', asynchronous: true }))
}
