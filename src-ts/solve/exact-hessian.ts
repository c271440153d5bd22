/** Newton systems with an exact Hessian. */
import { InvalidInputError } from '../errors.ts'
import { call } from './backend.ts'
import { CallbackOperator } from './callbacks.ts'
import { LinearOperator, nativeOf, requireLinear } from './operators.ts'
import { plan, type Plan } from './plan.ts'
import { choleskyOf } from './preconditioners.ts'
import { runAsync, runSync } from './run.ts'
import type { CgOptions, Operator, SolveJobOptions, SolveResult, VectorLike } from './types.ts'

/** A = B + δC. */
export interface ExactHessianInput {
  /** B: Hermitian positive definite, for example a Gauss–Newton model. Factored (dense Cholesky, kept with it) unless `M` is given. */
  factor: LinearOperator
  /** C: Hermitian, definite or not; a function will do. */
  correction: Operator
  /** δ. @default 1 */
  delta?: number | undefined
}

/**
 * (B + δC)x = b by conjugate gradients with M = B. A solution is returned only if A was positive definite along the way;
 * otherwise `indefiniteOperator` with the direction p and its curvature p*Ap / p*p < 0 or, with `radius` or `truncated`,
 * what those options say. (Neumann's iteration x ← B⁻¹(b − δCx) needs ‖δB⁻¹C‖ < 1 and does not notice an indefinite A.)
 *
 * The spectrum of B⁻¹A is 1 + δμ, μ that of B⁻¹C: few iterations where C is small beside B. An iteration is one product
 * with B, one with C and one solve with B.
 * @param options those of `cg`; `M` replaces the dense factor of B, for large B
 * @throws InvalidInputError as {@link cg}; `not-positive-definite` if B is not
 */
export async function exactHessian(
  input: ExactHessianInput,
  b: VectorLike,
  options: CgOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return runAsync(prepare(input, b, options, true))
}

/** {@link exactHessian} on the calling thread. */
export function exactHessianSync(input: ExactHessianInput, b: VectorLike, options: CgOptions = {}): SolveResult {
  return runSync(prepare(input, b, options, false))
}

function prepare(input: ExactHessianInput, b: unknown, options: CgOptions, asynchronous: boolean): Plan {
  const { factor, correction, delta = 1, ...rest } = (input ?? {}) as ExactHessianInput
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) {
    const message = `there is no '${unknown}' in an exact Hessian: factor, correction, delta`
    throw new InvalidInputError('option-unknown', message, { name: unknown })
  }
  const base = requireLinear(factor, 'factor')
  if (!(correction instanceof LinearOperator || correction instanceof CallbackOperator)) {
    const message = 'correction must be an operator: Csr, dense(), kroneckerSum() or operator()'
    throw new InvalidInputError('operator-not-valid', message, { name: 'correction', value: correction })
  }
  if (typeof delta !== 'number' || !Number.isFinite(delta)) {
    throw new InvalidInputError('option-not-valid', `delta must be a finite number, got ${String(delta)}`, {
      name: 'delta',
    })
  }
  const kind = { name: asynchronous ? 'exactHessian' : 'exactHessianSync', asynchronous }
  const asked = correction instanceof CallbackOperator
  if (asked && (correction.rows !== base.rows || correction.cols !== base.cols || correction.dtype !== base.dtype)) {
    const message = `factor is ${base.rows} × ${base.cols} ${base.dtype}, correction ${correction.rows} × ${correction.cols} ${correction.dtype}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'correction' })
  }
  const A = asked
    ? correction
    : new LinearOperator(call((addon) => addon.exactHessianOperator(nativeOf(base), nativeOf(correction), delta)).value)
  const ready = plan('cg', A, b, options, kind)
  ready.M ??= choleskyOf(base)
  return asked ? { ...ready, base: { operator: base, delta } } : ready
}
