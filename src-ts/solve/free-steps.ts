/** Cayley steps with H as a function of the caller, and gradients through them. */
import { InvalidInputError } from '../errors.ts'
import type { JobOptions } from '../job.ts'
import { Checker } from '../validate.ts'
import type { CallbackOperator } from './callbacks.ts'
import type { Evolution } from './evolution.ts'
import { finish, finishSync, inner, product, solved, type Steps, type Vector } from './free-products.ts'
import { plan, readSteps } from './plan.ts'
import type { CayleyGradient, CayleyVjpOptions, PropagationReport } from './propagation.ts'
import type { Reason, SolveResult } from './types.ts'
import { chunkNorms } from './vectors.ts'

/** What all steps of a propagator have in common. */
export interface FreeSettings {
  dt: number
  rtol: number
  adjointRtol: number
  maxIterations: number | undefined
  allowInexact: boolean
  energy: boolean
}

/** Called after each step with the number of steps made, y, and ψ. */
type Visit = (made: number, y: Vector, psi: Vector) => void

/** A state after steps, and what they were worth. */
export interface FreeRun {
  psi: Vector
  report: PropagationReport
}

/**
 * Steps ψ⁺ = 2y − ψ with (I + iaH)y = ψ, always from y = 0. The symmetry of H is probed in the first solve: a function that is
 * not Hermitian is the reason `notHermitian`.
 */
export function* freeRun(
  H: CallbackOperator,
  psi: Vector,
  steps: number,
  settings: FreeSettings,
  { onProgress, ...job }: JobOptions,
  visit: Visit = () => {},
): Steps<FreeRun> {
  const now = psi.slice()
  const before = Math.hypot(...chunkNorms(now))
  const tally = new Tally()
  const start = settings.energy ? yield* energyOf(H, now, tally) : undefined
  let [made, told] = [0, performance.now()]
  while (made < steps) {
    const result = yield* solveStep(H, now, settings, false, made === 0, job)
    if (!tally.enter(result, settings.allowInexact)) break
    for (let k = 0; k < now.length; k++) now[k] = 2 * result.x[k]! - now[k]!
    visit(++made, result.x, now)
    if (onProgress && performance.now() - told >= 100) {
      told = performance.now()
      onProgress({ done: made, total: steps })
    }
  }
  const end = settings.energy ? yield* energyOf(H, now, tally) : undefined
  const energy = start === undefined || end === undefined ? {} : { energyDefect: end - start }
  const after = Math.hypot(...chunkNorms(now))
  return { psi: now, report: { ...tally.report(made, before, after), ...energy } }
}

/**
 * The gradient through steps: for each of them backwards (I − iaH)λ = 2ψ̄⁺, ψ̄ = λ − ψ̄⁺, d̄t = −½Re⟨λ, iHy⟩.
 * @throws InvalidInputError `unconverged-gradient`
 */
export function* freeVjpSteps<P>(
  H: CallbackOperator,
  psi: Vector,
  steps: number,
  settings: FreeSettings,
  job: JobOptions,
  cotangent: (psi: Vector) => Vector,
  parameterVjp: CayleyVjpOptions<P>['parameterVjp'],
): Steps<CayleyGradient<P>> {
  const { onProgress, ...stops } = job
  const { allowInexact } = settings
  const solutions: Vector[] = []
  const { psi: psiPlus, report: forward } = yield* freeRun(H, psi, steps, settings, job, (_, y) => solutions.push(y))
  if (forward.steps < steps || !(forward.converged || allowInexact)) throw unconverged('forward', forward)
  let bar = cotangent(psiPlus.slice()).slice()
  if (!bar.every(Number.isFinite)) {
    const message = 'the cotangent holds a number that is not finite'
    throw new InvalidInputError('option-not-valid', message, { name: 'cotangent' })
  }
  const before = Math.hypot(...chunkNorms(bar))
  const tally = new Tally()
  const back = { ...settings, rtol: settings.adjointRtol }
  let [dt, lambda] = [0, bar.slice()]
  const parameters: P[] = new Array<P>(steps)
  for (let step = steps - 1; step >= 0; step--) {
    const y = solutions[step]!
    const result = yield* solveStep(H, bar, back, true, false, stops)
    const fine = tally.enter(result, allowInexact)
    if (!fine) throw unconverged('adjoint', tally.report(steps - 1 - step, before, before))
    lambda = result.x.map((value) => 2 * value)
    bar = bar.map((value, k) => lambda[k]! - value)
    const image = yield* product(H, y.slice(), y.length, 'complex128')
    tally.matvecs++
    for (let k = 0; k < image.length; k += 2) dt += 0.5 * (lambda[k]! * image[k + 1]! - lambda[k + 1]! * image[k]!)
    if (parameterVjp) parameters[step] = parameterVjp(y.slice(), lambda.slice(), step)
  }
  const adjoint = tally.report(steps, before, Math.hypot(...chunkNorms(bar)))
  return { psiPlus, psi: bar, dt, lambda, ...(parameterVjp ? { parameters } : {}), forward, adjoint }
}

/** The solve of one step; the function is looked at for symmetry where `probe` says so. */
function* solveStep(
  H: CallbackOperator,
  b: Vector,
  { dt, rtol, maxIterations }: FreeSettings,
  adjoint: boolean,
  probe: boolean,
  job: JobOptions,
): Steps<SolveResult> {
  const a = adjoint ? -dt / 2 : dt / 2
  const options = { a, rtol, maxIterations, ...(probe ? {} : { probe: false }) }
  return yield* solved({
    ...plan('shiftedHermitian', H, b.slice(), options, { name: 'Cayley', asynchronous: false }),
    job,
  })
}

function* energyOf(H: CallbackOperator, psi: Vector, tally: Tally): Steps<number> {
  const image = yield* product(H, psi.slice(), psi.length, 'complex128')
  tally.matvecs++
  return inner(psi, image)
}

/** Adds up what solves were worth. */
class Tally {
  readonly residuals: number[] = []
  reason: Reason = 'rtol'
  matvecs = 0

  /** Whether the run may go on. */
  enter({ converged, reason, residual, matvecs }: SolveResult, allowInexact: boolean): boolean {
    this.matvecs += matvecs
    this.residuals.push(residual.relative ?? (converged ? 0 : NaN))
    if (!converged && this.reason === 'rtol') this.reason = reason
    return converged || (allowInexact && residual.relative !== undefined && reason !== 'aborted')
  }

  report(steps: number, before: number, after: number): PropagationReport {
    const { reason, residuals, matvecs } = this
    return {
      steps,
      converged: reason === 'rtol',
      reason,
      residuals: Float64Array.from(residuals),
      worstResidual: residuals.reduce((worst, r) => (r <= worst ? worst : r), 0),
      normDefect: before === 0 ? 0 : after / before - 1,
      matvecs,
    }
  }
}

function unconverged(which: string, { reason, worstResidual }: PropagationReport): InvalidInputError {
  const message =
    `a ${which} solve ended with ${reason} at a relative residual of ${worstResidual.toExponential(1)}: ` +
    'there is no gradient to trust; allowInexact returns it all the same'
  return new InvalidInputError('unconverged-gradient', message)
}

/** `evolve`, off to the caller's functions, which may return promises. */
export async function evolveFree(H: CallbackOperator, psi: unknown, t: unknown, options: unknown): Promise<Evolution> {
  const { from, steps, settings, job } = read(H, psi, t, options, true)
  const { psi: end, report } = await finish(freeRun(H, from, steps, settings, job), job.signal)
  return { psi: end, ...report }
}

/** On the calling thread. */
export function evolveFreeSync(H: CallbackOperator, psi: unknown, t: unknown, options: unknown): Evolution {
  const { from, steps, settings, job } = read(H, psi, t, options, false)
  const { psi: end, report } = finishSync(freeRun(H, from, steps, settings, job))
  return { psi: end, ...report }
}

function read(
  H: CallbackOperator,
  psi: unknown,
  t: unknown,
  options: unknown,
  asynchronous: boolean,
): { from: Vector; steps: number; settings: FreeSettings; job: JobOptions } {
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
  const job = asynchronous ? readSteps(check) : {}
  check.finish()
  const dt = (t as number) / steps
  const ready = plan('shiftedHermitian', H, psi, { a: dt / 2 }, { name: 'evolve', asynchronous: false })
  const settings = { dt, rtol, adjointRtol: rtol, maxIterations, allowInexact, energy: false }
  return { from: ready.b.slice(), steps, settings, job }
}
