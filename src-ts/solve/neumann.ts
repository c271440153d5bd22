/** The truncated Neumann series, under its own name. */
import { runJob } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { nativeOf, requireLinear, type LinearOperator } from './operators.ts'
import { callPacked, unpackResult } from './packing.ts'
import { readJob } from './plan.ts'
import type { JobOptions } from '../job.ts'
import type { SolveJobOptions, SolveResult, VectorLike } from './types.ts'
import { checkVector } from './vectors.ts'

/** Options of {@link neumann}. */
export interface NeumannOptions {
  /** Products beyond b itself. */
  terms: number
  /** Relative tolerance by which the answer is judged. @default 1e-8 */
  rtol?: number | undefined
}

/**
 * x = Σ_{j ≤ terms} (I − A)ʲ b, which is no solver: it approaches A⁻¹b only if the spectral radius of I − A is below 1,
 * with an error of its (terms + 1)-th power. For comparison, and for those who mean this polynomial.
 *
 * `terms` products and two for the residual, 3 vectors. Reason `rtol` if the true residual is at the tolerance, else
 * `maxIterations` or `diverged`.
 *
 * Source: C. Neumann (1877), "Untersuchungen über das logarithmische und Newton'sche Potential".
 * @throws InvalidInputError what is wrong with the arguments
 */
export async function neumann(
  A: LinearOperator,
  b: VectorLike,
  options: NeumannOptions & Pick<SolveJobOptions, 'signal' | 'onAbort'>,
): Promise<SolveResult> {
  const { vector, terms, rtol, job } = read(A, b, options, true)
  const outcome = await runJob((token) => native().neumann(nativeOf(A), vector, terms, rtol, token), job)
  return unpackResult(outcome.results)
}

/** {@link neumann} on the calling thread. */
export function neumannSync(A: LinearOperator, b: VectorLike, options: NeumannOptions): SolveResult {
  const { vector, terms, rtol } = read(A, b, options, false)
  return unpackResult(callPacked((addon) => addon.neumannSync(nativeOf(A), vector, terms, rtol)))
}

function read(
  A: unknown,
  b: unknown,
  options: unknown,
  asynchronous: boolean,
): { vector: Float64Array<ArrayBuffer>; terms: number; rtol: number; job: JobOptions } {
  const check = new Checker(options, 'neumann: options')
  const operator = requireLinear(A, 'A')
  const vector = checkVector(b, operator.rows, operator.dtype, 'b')
  if (!(vector instanceof Float64Array)) check.add(vector)
  check.required('terms', 'the number of terms')
  const terms = check.integer('terms', { max: 2 ** 32 - 1 })
  const rtol = check.number('rtol', { min: 0 }) ?? 1e-8
  const job = asynchronous ? readJob(check) : {}
  check.finish()
  return { vector: vector as Float64Array<ArrayBuffer>, terms: terms!, rtol, job }
}
