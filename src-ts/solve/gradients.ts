/** Gradients through solves. */
import type { NativeGradient, NativeOperator, NativePreconditioner, NativeTangent } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { planDirect } from './direct.ts'
import { nativeOf, requireLinear, type LinearOperator } from './operators.ts'
import { packSettings, unpackResult, type SolveSettings } from './packing.ts'
import { needsSession, plan, readJob, type Plan } from './plan.ts'
import { nativeInverse, NativeInverse } from './preconditioners.ts'
import { runAsync, runSync } from './run.ts'
import type { Method, MethodOptions, SolveJobOptions, SolveResult, VectorLike } from './types.ts'
import { readVector } from './vectors.ts'

/** What both kinds of derivative are about: x = A⁻¹b. */
export interface GradientInput {
  /** The method of the forward solve; the adjoint one uses the same. */
  method: Method | 'direct'
  /** The operator, with its data in the addon; for `shiftedHermitian` it is H of A = σI + iaH. */
  A: LinearOperator
  /** Right-hand side. */
  b: VectorLike
  /** Preconditioner of `cg`, `minres` and `cr`; its adjoint is used for the adjoint solve. */
  M?: NativeInverse | undefined
  /** A result, or x, of this system: the guess from which it is confirmed, at the price of one product. @default none */
  forward?: SolveResult | VectorLike | undefined
  /** Options of the forward solve. For `shiftedHermitian` `a` must be among them. */
  options?: Partial<MethodOptions[Method]> | undefined
  /** Options of the adjoint (or tangent) solve that differ; its `x0` is a guess of λ. @default those of the forward solve */
  adjoint?: { rtol?: number; atol?: number; maxIterations?: number; x0?: VectorLike } | undefined
  /** Return a derivative although a solve has not converged; both results say so. @default false */
  allowInexact?: boolean | undefined
}

/** What {@link solveVjp} takes. */
export interface VjpInput extends GradientInput {
  /** x̄ = ∂L/∂Re x + i ∂L/∂Im x, or a function that computes it from x. */
  cotangent: VectorLike | ((x: Float64Array<ArrayBuffer>) => VectorLike)
  /** What A stays when it changes: `hermitian` gives ½(Ā + Āᴴ), `symmetric` ½(Ā + Āᵀ). @default 'general' */
  structure?: 'general' | 'hermitian' | 'symmetric' | undefined
}

/** What {@link solveVjp} gives. */
export interface SolveGradient {
  /** x. */
  x: Float64Array<ArrayBuffer>
  /** b̄, which is λ. */
  rhs: Float64Array<ArrayBuffer>
  /**
   * Ā for the elements of A, by rows with ascending columns: the stored ones of a `Csr`, all of a dense matrix; absent where
   * the elements are not known. For `shiftedHermitian` that of H.
   */
  matrix?: Float64Array<ArrayBuffer>
  /** With respect to σ (`shiftedHermitian`). */
  sigma?: number
  /** With respect to a (`shiftedHermitian`). */
  a?: number
  /** With respect to the damping (`lsqr`, and `cgnr` for a matrix that is not square). */
  damp?: number
  /** The forward solve. */
  forward: SolveResult
  /** The adjoint solve. */
  adjoint: SolveResult
}

/** What {@link solveJvp} takes. */
export interface JvpInput extends GradientInput {
  /** Ȧ (or Ḣ). @default 0 */
  dA?: LinearOperator | undefined
  /** ḃ. @default 0 */
  db?: VectorLike | undefined
}

/** What {@link solveJvp} gives. */
export interface SolveTangent {
  /** x. */
  x: Float64Array<ArrayBuffer>
  /** ẋ. */
  dx: Float64Array<ArrayBuffer>
  /** The forward solve. */
  forward: SolveResult
  /** The solve for ẋ. */
  tangent: SolveResult
}

type Job = Pick<SolveJobOptions, 'signal' | 'onAbort'>

/**
 * The gradient of a loss through x = A⁻¹b, in the convention dL = Re⟨x̄, dx⟩: Aᴴλ = x̄, b̄ = λ, Ā = −λxᴴ on the elements of
 * A; for least squares that of the pseudo-inverse. Exact up to the two residuals, whatever the number of iterations.
 *
 * One forward and one adjoint solve (two for least squares), and one pass over the elements. With `cotangent` as a function,
 * or `forward`, a product more.
 *
 * Source: M. B. Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
 * differentiation".
 * @throws InvalidInputError what is wrong with the arguments; `unconverged-gradient` if a solve did not converge, unless
 * `allowInexact`
 * @example
 * ```ts
 * const { rhs, matrix } = await solveVjp({ method: 'cg', A, b, cotangent: (x) => x.map((value, k) => value - data[k]) })
 * ```
 */
export async function solveVjp(input: VjpInput, job: Job = {}): Promise<SolveGradient> {
  const ready = read(input, job, true, ['cotangent', 'structure'])
  const bar = await cotangentOf(ready, (forward) => runAsync(forward))
  const { A, M, b, settings, back, inexact, structure } = ready
  const ahead = packSettings(settings)
  return gradientOf(
    await runJob((token) => native().solveVjp(A, M, b, bar, structure, ahead, back, inexact, token), ready.job),
  )
}

/** {@link solveVjp} on the calling thread. */
export function solveVjpSync(input: VjpInput): SolveGradient {
  const ready = read(input, {}, false, ['cotangent', 'structure'])
  let x: SolveResult | undefined
  const given = ready.cotangent
  if (typeof given === 'function') x = settle(ready, runSync(ready.forward))
  const bar = vectorOf(ready, typeof given === 'function' ? given(x!.x.slice()) : given)
  const { A, M, b, settings, back, inexact, structure } = ready
  const ahead = packSettings(settings)
  return gradientOf(call((addon) => addon.solveVjpSync(A, M, b, bar, structure, ahead, back, inexact)))
}

/**
 * The derivative of x = A⁻¹b along a direction: ẋ = A⁻¹(ḃ − Ȧx). Two solves and one product. Not for `direct` and `lsqr`.
 * @throws InvalidInputError as {@link solveVjp}
 */
export async function solveJvp(input: JvpInput, job: Job = {}): Promise<SolveTangent> {
  const { A, M, b, settings, back, inexact, dA, db, ...ready } = read(input, job, true, ['dA', 'db'])
  const ahead = packSettings(settings)
  return tangentOf(await runJob((token) => native().solveJvp(A, M, b, dA, db, ahead, back, inexact, token), ready.job))
}

/** {@link solveJvp} on the calling thread. */
export function solveJvpSync(input: JvpInput): SolveTangent {
  const { A, M, b, settings, back, inexact, dA, db } = read(input, {}, false, ['dA', 'db'])
  const ahead = packSettings(settings)
  return tangentOf(call((addon) => addon.solveJvpSync(A, M, b, dA, db, ahead, back, inexact)))
}

function gradientOf({ x, rhs, matrix, sigma, a, damp, forward, adjoint }: NativeGradient): SolveGradient {
  return {
    x,
    rhs,
    ...(matrix === undefined ? {} : { matrix }),
    ...(sigma === undefined ? {} : { sigma }),
    ...(a === undefined ? {} : { a }),
    ...(damp === undefined ? {} : { damp }),
    forward: unpackResult(forward),
    adjoint: unpackResult(adjoint),
  }
}

const tangentOf = ({ x, dx, forward, tangent }: NativeTangent): SolveTangent => ({
  x,
  dx,
  forward: unpackResult(forward),
  tangent: unpackResult(tangent),
})

interface Ready {
  A: NativeOperator
  M: NativePreconditioner | null
  b: Float64Array<ArrayBuffer>
  forward: Plan
  settings: SolveSettings
  back: Float64Array
  inexact: boolean
  structure: string
  cotangent: VjpInput['cotangent']
  columns: number
  dA: NativeOperator | null
  db: Float64Array | null
  job: JobOptions
}

const METHODS = ['cg', 'minres', 'cr', 'shiftedHermitian', 'cocg', 'cgw', 'cgnr', 'lsqr', 'direct'] as const

function read(input: unknown, job: Job, asynchronous: boolean, own: readonly string[]): Ready {
  const name = own.includes('dA') ? 'solveJvp' : 'solveVjp'
  const check = new Checker(input, name)
  check.required('method', 'the method of the solve')
  check.required('A', 'the operator')
  check.required('b', 'the right-hand side')
  if (own.includes('cotangent')) check.required('cotangent', 'the gradient of the loss with respect to x')
  const method = check.oneOf('method', METHODS)
  const [A, b, M, forward, cotangent, dA, db] = ['A', 'b', 'M', 'forward', ...(own.includes('dA') ? ['', 'dA', 'db'] : ['cotangent'])].map((key) => key === '' ? undefined : check.take(key)) // prettier-ignore
  const structure = own.includes('structure')
    ? check.oneOf('structure', ['general', 'hermitian', 'symmetric'])
    : undefined
  const [options, adjoint] = [check.take('options') ?? {}, check.take('adjoint') ?? {}]
  const inexact = check.boolean('allowInexact') ?? false
  check.finish()
  const jobs = new Checker(job, `${name}: job`)
  const stops = asynchronous ? readJob(jobs) : {}
  jobs.finish()
  const operator = requireLinear(A, 'A')
  const guess = typeof forward === 'object' && forward !== null && 'x' in forward ? (forward as SolveResult).x : forward
  const make = (right: unknown, extra: object): Plan => {
    const all = { ...options, ...(M === undefined ? {} : { M }), ...extra }
    const kind = { name, asynchronous: false }
    if (method === 'direct') return planDirect(operator, right, all, false)
    return plan(method!, operator, right, all, kind)
  }
  const first = make(b, guess === undefined || method === 'direct' ? {} : { x0: guess })
  if (needsSession(first)) {
    const message = `${name} needs A and M whose data are in the addon, and no stop()`
    throw new InvalidInputError('operator-not-valid', message, { name: 'A' })
  }
  const length = operator.rows * (first.dtype === 'complex128' ? 2 : 1)
  // Of this plan only the settings are used.
  const back = make(new Float64Array(length), {
    ...(method === 'direct' ? {} : { x0: undefined }),
    ...adjoint,
  }).settings
  return {
    A: nativeOf(operator),
    M: first.M instanceof NativeInverse ? nativeInverse(first.M) : null,
    b: first.b,
    forward: first,
    settings: first.settings,
    back: packSettings(back),
    inexact,
    structure: structure ?? 'general',
    cotangent: cotangent as VjpInput['cotangent'],
    columns: operator.cols,
    dA: dA === undefined ? null : nativeOf(requireLinear(dA, 'dA')),
    db: db === undefined ? null : readVector(db, operator.rows, first.dtype, 'db'),
    job: stops,
  }
}

/** Takes the solution as the guess of what follows. */
function settle(ready: Ready, result: SolveResult): SolveResult {
  if (ready.settings.method !== 'direct') ready.settings = { ...ready.settings, x0: result.x }
  return result
}

function vectorOf({ columns, forward }: Ready, value: unknown): Float64Array {
  return readVector(value, columns, forward.dtype, 'cotangent')
}

async function cotangentOf(ready: Ready, run: (forward: Plan) => Promise<SolveResult>): Promise<Float64Array> {
  const given = ready.cotangent
  if (typeof given !== 'function') return vectorOf(ready, given)
  const { x } = settle(ready, await run({ ...ready.forward, job: ready.job }))
  return vectorOf(ready, given(x.slice()))
}
