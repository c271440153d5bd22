/** Dense direct solves. */
import { Checker } from '../validate.ts'
import { LinearOperator } from './operators.ts'
import type { SolveSettings } from './packing.ts'
import { checkOperator, readJob, type Plan } from './plan.ts'
import { runAsync, runSync } from './run.ts'
import type { DirectOptions, Operator, SolveJobOptions, SolveResult, VectorLike } from './types.ts'
import { checkVector } from './vectors.ts'

/**
 * Dense direct solve: Cholesky where A is Hermitian positive definite, else LU with partial pivoting, with one step of
 * refinement where that lowers the residual.
 *
 * A is a `dense` matrix or a `Csr`, which is expanded: n² numbers. n³/3 or 2n³/3 multiply-adds at the first call; the
 * factors stay with A, so that later calls cost 2n². The true residual is judged as in the iterative methods: above the
 * tolerance is `accuracyLimit`, a zero pivot `zeroCurvature`. `condition` estimates the 1-norm condition number (W. W.
 * Hager 1984, "Condition estimates"). To be preferred up to n ≈ 500, and for many right-hand sides beyond.
 *
 * Source: N. J. Higham (2002), "Accuracy and stability of numerical algorithms".
 * @throws InvalidInputError `matrix-needed` for an operator without elements; what else is wrong with the arguments
 */
export async function direct(
  A: Operator,
  b: VectorLike,
  options: DirectOptions & Pick<SolveJobOptions, 'signal' | 'onAbort'> = {},
): Promise<SolveResult> {
  return runAsync(planDirect(A, b, options, true))
}

/** {@link direct} on the calling thread. */
export function directSync(A: Operator, b: VectorLike, options: DirectOptions = {}): SolveResult {
  return runSync(planDirect(A, b, options, false))
}

/** Checks the arguments; `columns` where b is a matrix. */
export function planDirect(A: unknown, b: unknown, options: unknown, asynchronous: boolean, columns = 1): Plan {
  const check = new Checker(options, `direct${asynchronous ? '' : 'Sync'}: options`)
  const operator = checkOperator(check, A, 'A')
  const dtype = operator?.dtype ?? 'float64'
  if (operator && operator.rows !== operator.cols) {
    const message = `A is ${operator.rows} × ${operator.cols}; direct needs a square one`
    check.add({ code: 'shape-mismatch', message, name: 'A' })
  }
  if (operator && !(operator instanceof LinearOperator)) {
    check.add({ code: 'matrix-needed', message: 'direct needs the elements of A: Csr or dense()', name: 'A' })
  }
  const right = checkVector(b, operator && operator.rows * columns, dtype, 'b')
  if (!(right instanceof Float64Array)) check.add(right)
  const settings: SolveSettings = {
    method: 'direct',
    rtol: check.number('rtol', { min: 0 }),
    atol: check.number('atol', { min: 0 }),
  }
  const job = asynchronous ? readJob(check) : {}
  check.finish()
  return {
    operator: operator!,
    M: undefined,
    dtype,
    b: right as Float64Array<ArrayBuffer>,
    settings,
    maxIterations: 0,
    stop: undefined,
    job,
    onProgress: undefined,
  }
}
