/** exp(−iHt)ψ and the like, by one call. */
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { Interval } from './bounds.ts'
import { call } from './backend.ts'
import { Cayley, padeJob, padeSteps, stepJob } from './cayley.ts'
import { CallbackOperator } from './callbacks.ts'
import { evolveFree, evolveFreeSync } from './free-steps.ts'
import { Graph } from './graph.ts'
import { LinearOperator, nativeOf } from './operators.ts'
import { present, readSteps } from './plan.ts'
import type { CayleyOptions, PropagationJob, PropagationReport } from './propagation.ts'
import type { Reason, VectorLike } from './types.ts'
import { checkVector, chunkNorms } from './vectors.ts'

/**
 * Writes the angles, in radians, of half a step into its second argument, given ψ (interleaved). Both are work arrays, the
 * same ones at every call.
 */
export type Phase = (psi: Float64Array<ArrayBuffer>, angles: Float64Array<ArrayBuffer>) => void

/** Options of {@link evolve}. */
export interface EvolveOptions {
  /**
   * `chebyshev`: e^{−iHt}ψ by a series, about R|t| + 10 products for a spectrum of width 2R, to the tolerance. `cayley`:
   * steps of order 2. `pade`: steps of order 4, two solves each, phase error (λ dt)⁵/720. `strang` (only
   * {@link evolveSync}): Cayley steps between half steps of the phase.
   * @default 'chebyshev'
   */
  method?: 'chebyshev' | 'cayley' | 'pade' | 'strang' | undefined
  /** Number of steps; needed by all methods but `chebyshev`. */
  steps?: number | undefined
  /** Tolerance: of the series relative to ‖ψ‖, or of each solve. @default 1e-12 */
  rtol?: number | undefined
  /** `chebyshev`: an interval that holds the spectrum; needed where the elements of H are not known. @default Gershgorin's */
  bounds?: Interval | undefined
  /** `cayley`, `strang`: as in {@link CayleyOptions}. @default 'auto' */
  solver?: CayleyOptions['solver']
  /** Iterations of a solve. @default the larger of 10 n and 1000 */
  maxIterations?: number | undefined
  /** Go on although a solve has not converged. @default false */
  allowInexact?: boolean | undefined
  /** `strang`: the angles of half a step; for iψ' = Hψ + g|ψ|²ψ they are −g|ψ_j|² dt/2. */
  phase?: Phase | undefined
}

/** What {@link evolve} gives. Fields of other methods are absent. */
export interface Evolution extends Partial<Omit<PropagationReport, 'converged' | 'reason' | 'normDefect'>> {
  /** ψ after t; after the last good step, or ψ as it was, where not converged. */
  psi: Float64Array<ArrayBuffer>
  /** Whether the tolerances were met. */
  converged: boolean
  /** Why it ended: `rtol`; `diverged` for bounds that do not hold; or why a solve ended. */
  reason: Reason
  /** ‖ψ(t)‖ / ‖ψ‖ − 1. */
  normDefect: number
  /** `chebyshev`: terms of the series; products are one less. */
  terms?: number
  /** `chebyshev`: bound of what the series leaves out, relative to ‖ψ‖. */
  truncation?: number
  /** `chebyshev`: estimate of the rounding, relative to ‖ψ‖. */
  rounding?: number
  /** `chebyshev`: the interval used. */
  bounds?: Interval
}

/**
 * ψ(t) of iψ' = Hψ, off the JavaScript thread. Complex vectors are interleaved.
 *
 * H may be a function ({@link operator} with dtype 'complex128') for `method: 'cayley'`: each step is a `shiftedHermitian` solve
 * on the JavaScript thread, of the options `steps`, `rtol`, `maxIterations` and `allowInexact` hold, no energy is reported, and
 * a function that is not Hermitian is the reason `notHermitian`.
 *
 * Sources: H. Tal-Ezer, R. Kosloff (1984), "An accurate and efficient scheme for propagating the time dependent
 * Schrödinger equation"; E. Hairer, G. Wanner (1996), "Solving ordinary differential equations II", IV.3 (Padé); G. Strang
 * (1968), "On the construction and comparison of difference schemes".
 * @throws InvalidInputError what is wrong with the arguments, all at once; `not-hermitian`, `operator-not-finite` for H
 * @example
 * ```ts
 * const { psi } = await evolve(graph.ring(100), start, 10)
 * ```
 */
export async function evolve(
  H: LinearOperator | Graph | CallbackOperator,
  psi: VectorLike,
  t: number,
  options: Omit<EvolveOptions, 'phase'> & { method?: Exclude<EvolveOptions['method'], 'strang'> } & PropagationJob = {},
): Promise<Evolution> {
  if (H instanceof CallbackOperator) return evolveFree(H, psi, t, options)
  const { operator, from, method, steps, rtol, ends, cayley, job } = read(H, psi, t, options, true)
  if (method === 'chebyshev') {
    return seriesOf(
      await runJob(
        (token, progress) => native().chebyshev(nativeOf(operator), from, t, rtol, ends, token, progress),
        job,
      ),
    )
  }
  const start = from.slice()
  const propagator = cayley()
  return method === 'pade' ? padeJob(propagator, start, steps, job) : stepJob(propagator, start, steps, job)
}

/** {@link evolve} on the calling thread; the only one that takes `strang`. */
export function evolveSync(
  H: LinearOperator | Graph | CallbackOperator,
  psi: VectorLike,
  t: number,
  options: EvolveOptions = {},
): Evolution {
  if (H instanceof CallbackOperator) return evolveFreeSync(H, psi, t, options)
  const { operator, from, method, steps, rtol, ends, cayley, phase } = read(H, psi, t, options, false)
  if (method === 'chebyshev') {
    return seriesOf(call((addon) => addon.chebyshevSync(nativeOf(operator), from, t, rtol, ends)))
  }
  const propagator = cayley()
  if (method === 'strang') return strang(propagator, from.slice(), steps, phase!)
  return method === 'pade' ? padeSteps(propagator, from, steps) : propagator.stepSync(from, { steps })
}

interface Ready {
  operator: LinearOperator
  from: Float64Array<ArrayBuffer>
  method: 'chebyshev' | 'cayley' | 'pade' | 'strang'
  steps: number
  rtol: number
  ends: Float64Array | null
  cayley: () => Cayley
  phase: Phase | undefined
  job: JobOptions
}

function read(H: unknown, psi: unknown, t: unknown, options: unknown, asynchronous: boolean): Ready {
  const check = new Checker(options, `evolve${asynchronous ? '' : 'Sync'}: options`)
  const known = H instanceof LinearOperator || H instanceof Graph
  if (!known) {
    const message = 'H must be a matrix (Csr, dense(), kroneckerSum()) or a graph'
    check.add({ code: 'operator-not-valid', message, name: 'H', value: H })
  }
  const size = H instanceof Graph ? H.nodes : H instanceof LinearOperator ? H.rows : undefined
  const from = checkVector(psi, size, 'complex128', 'psi')
  if (!(from instanceof Float64Array)) check.add(from)
  if (typeof t !== 'number' || !Number.isFinite(t)) {
    check.add({ code: 'option-not-valid', message: `t must be a finite number, got ${String(t)}`, name: 't', value: t })
  }
  const words = ['chebyshev', 'cayley', 'pade', ...(asynchronous ? [] : (['strang'] as const))] as const
  const asked = (options as { method?: unknown } | undefined)?.method
  if (asynchronous && asked === 'strang') {
    const message = "'strang' calls its phase at every half step and is for evolveSync() only"
    throw new InvalidInputError('option-not-valid', message, { name: 'method', value: asked })
  }
  const method = check.oneOf('method', words) ?? 'chebyshev'
  const steps = check.integer('steps', { min: 1 })
  const rtol = check.number('rtol', { min: 1e-300, max: 0.999 }) ?? 1e-12
  const interval = check.nested('bounds', (inner) => {
    inner.required('min', 'the lower end')
    inner.required('max', 'the upper end')
    return Float64Array.of(inner.number('min') ?? 0, inner.number('max') ?? 0)
  })
  const settings = {
    solver: check.oneOf('solver', ['auto', 'direct', 'eigen', 'galerkin', 'cocg', 'cgw', 'cgnr']),
    maxIterations: check.integer('maxIterations', { min: 1, max: 2 ** 32 - 1 }),
    allowInexact: check.boolean('allowInexact'),
  }
  const phase = asynchronous ? undefined : check.function<Phase>('phase')
  if (method === 'chebyshev') {
    if (steps !== undefined) check.problem('options-conflict', 'steps', "'chebyshev' takes one step: give no steps")
  } else {
    check.required('steps', `'${method}' goes by steps of length t / steps`)
    if (interval) check.problem('options-conflict', 'bounds', "bounds are for 'chebyshev'")
  }
  if (method === 'strang') check.required('phase', 'the angles of half a step')
  else if (phase) check.problem('options-conflict', 'phase', "a phase is for 'strang'")
  const job = asynchronous ? readSteps(check) : {}
  check.finish()
  const given = H as LinearOperator | Graph
  const dt = (t as number) / (steps ?? 1)
  // Padé steps are solved in their own way: no direct solver is set up for them.
  const solver = method === 'pade' ? 'galerkin' : settings.solver
  const own = present<CayleyOptions>({
    ...settings,
    solver,
    dt,
    rtol,
    adjointRtol: undefined,
    energy: method !== 'strang',
  })
  const matrix = (): LinearOperator =>
    given instanceof LinearOperator ? given : given.magnetic ? given.magneticLaplacian() : given.laplacian()
  return {
    operator: method === 'chebyshev' ? matrix() : (given as LinearOperator),
    from: from as Float64Array<ArrayBuffer>,
    method,
    steps: steps ?? 1,
    rtol,
    ends: interval ?? null,
    cayley: () => new Cayley(given, own),
    phase,
    job,
  }
}

function seriesOf(from: {
  psi: Float64Array<ArrayBuffer>
  converged: boolean
  reason: string
  terms: number
  truncation: number
  rounding: number
  normDefect: number
  min: number
  max: number
}): Evolution {
  // prettier-ignore
  const { psi, converged, reason, terms, truncation, rounding, normDefect, min, max } = from
  return {
    psi,
    converged,
    reason: reason as Reason,
    normDefect,
    matvecs: terms - 1,
    terms,
    truncation,
    rounding,
    bounds: { min, max },
  }
}

/** ψ_j ← e^{iθ_j}ψ_j about each linear step. */
function strang(cayley: Cayley, psi: Float64Array<ArrayBuffer>, steps: number, phase: Phase): Evolution {
  const angles = new Float64Array(cayley.size)
  const residuals: number[] = []
  const before = Math.hypot(...chunkNorms(psi))
  const now = psi.slice()
  let reason: Reason = 'rtol'
  let [made, matvecs] = [0, 0]
  while (made < steps) {
    if (!turn(now, angles, phase)) {
      reason = 'nonFinite'
      break
    }
    const step = cayley.stepSync(now, { out: now })
    matvecs += step.matvecs
    residuals.push(...step.residuals)
    if (!step.converged && reason === 'rtol') reason = step.reason
    if (step.steps === 0) break
    if (!turn(now, angles, phase)) {
      reason = 'nonFinite'
      break
    }
    psi.set(now)
    made++
  }
  const after = Math.hypot(...chunkNorms(psi))
  return {
    psi,
    steps: made,
    converged: reason === 'rtol',
    reason,
    residuals: Float64Array.from(residuals),
    worstResidual: residuals.reduce((worst, r) => (r <= worst ? worst : r), 0),
    normDefect: before === 0 ? 0 : after / before - 1,
    matvecs,
  }
}

/** False where an angle is not finite. */
function turn(psi: Float64Array<ArrayBuffer>, angles: Float64Array<ArrayBuffer>, phase: Phase): boolean {
  const returned: unknown = phase(psi, angles)
  if (returned instanceof Promise) {
    returned.catch(() => {})
    throw new InvalidInputError('callback-asynchronous', 'phase returned a promise; it is called synchronously', {
      name: 'phase',
    })
  }
  if (returned !== undefined) {
    const message = 'phase must write the angles into its second argument and return nothing'
    throw new InvalidInputError('callback-not-valid', message, { name: 'phase' })
  }
  for (const [j, angle] of angles.entries()) {
    if (!Number.isFinite(angle)) return false
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
    const [re, im] = [psi[2 * j]!, psi[2 * j + 1]!]
    psi[2 * j] = re * cos - im * sin
    psi[2 * j + 1] = re * sin + im * cos
  }
  return true
}
