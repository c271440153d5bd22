/** Imaginary time: diffusion, cooling. */
import type { NativeStates } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import type { PropagationJob, PropagationReport } from './propagation.ts'
import { Graph } from './graph.ts'
import { LinearOperator, nativeOf } from './operators.ts'
import { unpackRun } from './packing.ts'
import { readSteps } from './plan.ts'
import type { VectorLike } from './types.ts'
import { checkVector } from './vectors.ts'

/** Options of {@link heat}. */
export interface HeatOptions {
  /** Number of steps, each of length t / steps. */
  steps: number
  /** Tolerance of each step's true residual relative to ‖u‖. @default 1e-12 */
  rtol?: number | undefined
}

/** What {@link heat} gives. */
export interface HeatResult extends Omit<PropagationReport, 'normDefect' | 'energyDefect'> {
  /** u after t; after the last good step where not converged. */
  u: Float64Array<ArrayBuffer>
}

/**
 * u(t) of u' = −Hu by implicit Euler, (I + aH)u⁺ = u with a = t / steps, off the JavaScript thread.
 *
 * For Hermitian H with I + aH positive definite (any positive semidefinite H) conjugate gradients with κ ≤ 1 + aλ_max, from
 * the step before. Every mode is damped by 1/(1 + aλ): stable for every a, of order 1. With the Laplacian of a graph the sum
 * of u is kept. Where I + aH is not definite the reason is `indefiniteOperator`. u has the type of H; a graph with fluxes has
 * complex ones.
 * @throws InvalidInputError what is wrong with the arguments, all at once
 * @example
 * ```ts
 * const { u } = await heat(graph.grid(30, 30), spot, 2, { steps: 20 })
 * ```
 */
export async function heat(
  H: LinearOperator | Graph,
  u: VectorLike,
  t: number,
  options: HeatOptions & PropagationJob,
): Promise<HeatResult> {
  const { operator, from, step, steps, rtol, job } = read(H, u, t, options, true)
  return resultOf(
    await runJob((token, progress) => native().heat(nativeOf(operator), from, step, steps, rtol, token, progress), job),
  )
}

/** {@link heat} on the calling thread. */
export function heatSync(H: LinearOperator | Graph, u: VectorLike, t: number, options: HeatOptions): HeatResult {
  const { operator, from, step, steps, rtol } = read(H, u, t, options, false)
  return resultOf(call((addon) => addon.heatSync(nativeOf(operator), from, step, steps, rtol)))
}

function read(
  H: unknown,
  u: unknown,
  t: unknown,
  options: unknown,
  asynchronous: boolean,
): {
  operator: LinearOperator
  from: Float64Array<ArrayBuffer>
  step: number
  steps: number
  rtol: number
  job: JobOptions
} {
  const check = new Checker(options, `heat${asynchronous ? '' : 'Sync'}: options`)
  const matrix = H instanceof Graph ? (H.magnetic ? H.magneticLaplacian() : H.laplacian()) : H
  const operator = matrix instanceof LinearOperator ? matrix : undefined
  if (operator === undefined) {
    const message = 'H must be a matrix (Csr, dense(), kroneckerSum()) or a graph'
    check.add({ code: 'operator-not-valid', message, name: 'H', value: H })
  } else if (operator.rows !== operator.cols) {
    const message = `H is ${operator.rows} × ${operator.cols}; it must be square`
    check.add({ code: 'shape-mismatch', message, name: 'H' })
  }
  const from = checkVector(u, operator?.rows, operator?.dtype ?? 'float64', 'u')
  if (!(from instanceof Float64Array)) check.add(from)
  if (typeof t !== 'number' || !Number.isFinite(t)) {
    check.add({ code: 'option-not-valid', message: `t must be a finite number, got ${String(t)}`, name: 't', value: t })
  }
  check.required('steps', 'heat goes by steps of length t / steps')
  const steps = check.integer('steps', { min: 1 }) ?? 1
  const rtol = check.number('rtol', { min: 1e-300, max: 0.999 }) ?? 1e-12
  const job = asynchronous ? readSteps(check) : {}
  check.finish()
  return {
    operator: operator!,
    from: from as Float64Array<ArrayBuffer>,
    step: (t as number) / steps,
    steps,
    rtol,
    job,
  }
}

function resultOf({ report, states }: NativeStates): HeatResult {
  const { steps, converged, reason, residuals, worstResidual, matvecs } = unpackRun(report).report
  return { u: states, steps, converged, reason, residuals, worstResidual, matvecs }
}
