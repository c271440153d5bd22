/** Cayley steps with H as a function of the caller. */
import { Checker } from '../validate.ts'
import { CallbackOperator } from './callbacks.ts'
import type { Evolution } from './evolution.ts'
import { plan, readSteps, type Plan } from './plan.ts'
import { runAsync, runSync } from './run.ts'
import type { Reason, SolveResult } from './types.ts'
import { chunkNorms } from './vectors.ts'

/** Off to the caller's functions, which may return promises. */
export async function evolveFree(H: CallbackOperator, psi: unknown, t: unknown, options: unknown): Promise<Evolution> {
  const steps = freeSteps(H, psi, t, options, true)
  for (let next = steps.next(); ; next = steps.next(await runAsync(next.value))) if (next.done) return next.value
}

/** On the calling thread. */
export function evolveFreeSync(H: CallbackOperator, psi: unknown, t: unknown, options: unknown): Evolution {
  const steps = freeSteps(H, psi, t, options, false)
  for (let next = steps.next(); ; next = steps.next(runSync(next.value))) if (next.done) return next.value
}

/** ψ⁺ = 2y − ψ with (I + iaH)y = ψ: yields the solves and takes their results, so that both calls share it. */
function* freeSteps(
  H: CallbackOperator,
  psi: unknown,
  t: unknown,
  options: unknown,
  asynchronous: boolean,
): Generator<Plan, Evolution, SolveResult> {
  const check = new Checker(options, `evolve${asynchronous ? '' : 'Sync'}: options`)
  if (check.oneOf('method', ['cayley']) === undefined) {
    const message = "a function as H goes by method: 'cayley' (for a series, give a matrix, or steps of your own)"
    check.problem('option-not-valid', 'method', message)
  }
  if (typeof t !== 'number' || !Number.isFinite(t)) {
    check.add({ code: 'option-not-valid', message: `t must be a finite number, got ${String(t)}`, name: 't', value: t })
  }
  check.required('steps', "'cayley' goes by steps of length t / steps")
  const steps = check.integer('steps', { min: 1 }) ?? 1
  const rtol = check.number('rtol', { min: 1e-300, max: 0.999 }) ?? 1e-12
  const maxIterations = check.integer('maxIterations', { min: 1, max: 2 ** 32 - 1 })
  const allowInexact = check.boolean('allowInexact') ?? false
  const { onProgress, ...job } = asynchronous ? readSteps(check) : {}
  check.finish()
  const kind = { name: 'evolve', asynchronous: false }
  const ready = plan('shiftedHermitian', H, psi, { a: (t as number) / steps / 2, rtol, maxIterations }, kind)
  const now = ready.b.slice()
  const before = Math.hypot(...chunkNorms(now))
  const residuals: number[] = []
  let reason: Reason = 'rtol'
  let [made, matvecs, told] = [0, 0, performance.now()]
  while (made < steps) {
    // The symmetry of H is probed once.
    const settings = made === 0 ? ready.settings : { ...ready.settings, probe: false }
    const { x, converged, reason: why, residual, ...rest } = yield { ...ready, settings, job, b: now.slice() }
    matvecs += rest.matvecs
    residuals.push(residual.relative ?? (converged ? 0 : NaN))
    if (!converged && reason === 'rtol') reason = why
    if (!converged && !(allowInexact && residual.relative !== undefined && why !== 'aborted')) break
    for (let k = 0; k < now.length; k++) now[k] = 2 * x[k]! - now[k]!
    made++
    if (onProgress && performance.now() - told >= 100) {
      told = performance.now()
      onProgress({ done: made, total: steps })
    }
  }
  const after = Math.hypot(...chunkNorms(now))
  return {
    psi: now,
    steps: made,
    converged: reason === 'rtol',
    reason,
    residuals: Float64Array.from(residuals),
    worstResidual: residuals.reduce((worst, r) => (r <= worst ? worst : r), 0),
    normDefect: before === 0 ? 0 : after / before - 1,
    matvecs,
  }
}
