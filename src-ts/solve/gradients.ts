/** Gradients through solves. */
import type { NativeGradient, NativeOperator, NativePreconditioner, NativeTangent } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { planDirect } from './direct.ts'
import { CallbackOperator } from './callbacks.ts'
import { freeJvp, freeVjp, leastSquares, type FreeJvp, type FreeTask, type FreeVjp } from './free-gradients.ts'
import { finish, finishSync, product, type Steps } from './free-products.ts'
import { nativeOf, requireLinear } from './operators.ts'
import { packSettings, unpackResult, type SolveSettings } from './packing.ts'
import { needsSession, plan, readJob, type Plan } from './plan.ts'
import { nativeInverse, NativeInverse, type Preconditioner } from './preconditioners.ts'
import { runAsync, runSync } from './run.ts'
import type { Method, MethodOptions, Operator, SolveJobOptions, SolveResult, VectorLike } from './types.ts'
import { readVector } from './vectors.ts'

/** What both kinds of derivative are about: x = A⁻¹b. */
export interface GradientInput {
  /** The method of the forward solve; the adjoint one uses the same. */
  method: Method | 'direct'
  /**
   * The operator; for `shiftedHermitian` it is H of A = σI + iaH. A function ({@link operator}) is for all methods but
   * `direct`; there is no `matrix` then, since it has no elements. `cocg` and `cgw` make the adjoint products from its
   * structure, `cgnr` and `lsqr` need `applyAdjoint`.
   */
  A: Operator
  /** Right-hand side. */
  b: VectorLike
  /** Preconditioner of `cg`, `minres` and `cr`; its adjoint is used for the adjoint solve. */
  M?: Preconditioner | undefined
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
export interface VjpInput<P = unknown> extends GradientInput {
  /** x̄ = ∂L/∂Re x + i ∂L/∂Im x, or a function that computes it from x. */
  cotangent: VectorLike | ((x: Float64Array<ArrayBuffer>) => VectorLike)
  /** What A stays when it changes: `hermitian` gives ½(Ā + Āᴴ), `symmetric` ½(Ā + Āᵀ). @default 'general' */
  structure?: 'general' | 'hermitian' | 'symmetric' | undefined
  /**
   * Gradients of your own for parameters θ that A or b depend on, from x and λ: θ̄ = −Re⟨λ, (∂A/∂θ)x⟩ + Re⟨λ, ∂b/∂θ⟩; for least
   * squares with what the third argument has. What it returns is `parameters` of the result. The only way to θ for an A
   * that is a function.
   */
  parameterVjp?:
    | ((x: Float64Array<ArrayBuffer>, lambda: Float64Array<ArrayBuffer>, leastSquares?: LeastSquaresParts) => P)
    | undefined
}

/** What a gradient through least squares (`lsqr`, or `cgnr` for an A that is not square) needs besides x and λ = b̄. */
export interface LeastSquaresParts {
  /** r = b − Ax. */
  residual: Float64Array<ArrayBuffer>
  /** μ = (AᴴA + d²I)⁻¹x̄, with which θ̄ = Re⟨λ, ∂b/∂θ − (∂A/∂θ)x⟩ + Re⟨(∂A/∂θ)μ, r⟩. */
  mu: Float64Array<ArrayBuffer>
}

/** What {@link solveVjp} gives. */
export interface SolveGradient<P = unknown> {
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
  /** What `parameterVjp` returned. */
  parameters?: P
  /** The forward solve. */
  forward: SolveResult
  /** The adjoint solve. */
  adjoint: SolveResult
}

/** What {@link solveJvp} takes. */
export interface JvpInput extends GradientInput {
  /** Ȧ (or Ḣ), a matrix or a function. @default 0 */
  dA?: Operator | undefined
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
export async function solveVjp<P = unknown>(input: VjpInput<P>, job: Job = {}): Promise<SolveGradient<P>> {
  const ready = read(input, job, true, ['cotangent', 'structure', 'parameterVjp'])
  if ('task' in ready) return finish(freeGradient(ready) as Steps<SolveGradient<P>>, ready.task.job.signal)
  const bar = await cotangentOf(ready, (forward) => runAsync(forward))
  const { A, M, b, settings, back, inexact, structure } = ready
  const ahead = packSettings(settings)
  const found = gradientOf(
    await runJob((token) => native().solveVjp(A, M, b, bar, structure, ahead, back, inexact, token), ready.job),
  )
  return finish(withParameters<P>(found, ready))
}

/** {@link solveVjp} on the calling thread. */
export function solveVjpSync<P = unknown>(input: VjpInput<P>): SolveGradient<P> {
  const ready = read(input, {}, false, ['cotangent', 'structure', 'parameterVjp'])
  if ('task' in ready) return finishSync(freeGradient(ready) as Steps<SolveGradient<P>>)
  let x: SolveResult | undefined
  const given = ready.cotangent
  if (typeof given === 'function') x = settle(ready, runSync(ready.forward))
  const bar = vectorOf(ready, typeof given === 'function' ? given(x!.x.slice()) : given)
  const { A, M, b, settings, back, inexact, structure } = ready
  const ahead = packSettings(settings)
  const found = gradientOf(call((addon) => addon.solveVjpSync(A, M, b, bar, structure, ahead, back, inexact)))
  return finishSync(withParameters<P>(found, ready))
}

/**
 * The derivative of x = A⁻¹b along a direction: ẋ = A⁻¹(ḃ − Ȧx). Two solves and one product. For least squares (`lsqr`, and
 * `cgnr` for an A that is not square) ẋ = A⁺(ḃ − Ȧx) + (AᴴA + d²I)⁻¹Ȧᴴ(b − Ax) with up to two solves more, and `tangent` is the
 * first of them. A, dA and M may be functions.
 * @throws InvalidInputError as {@link solveVjp}
 */
export async function solveJvp(input: JvpInput, job: Job = {}): Promise<SolveTangent> {
  const ready = read(input, job, true, ['dA', 'db'])
  if ('task' in ready) return freeTangent(await finish(freeJvp(ready.task, ready.dA, ready.db), ready.task.job.signal))
  const { A, M, b, settings, back, inexact, dA, db } = ready
  const ahead = packSettings(settings)
  return tangentOf(await runJob((token) => native().solveJvp(A, M, b, dA, db, ahead, back, inexact, token), ready.job))
}

/** {@link solveJvp} on the calling thread. */
export function solveJvpSync(input: JvpInput): SolveTangent {
  const ready = read(input, {}, false, ['dA', 'db'])
  if ('task' in ready) return freeTangent(finishSync(freeJvp(ready.task, ready.dA, ready.db)))
  const { A, M, b, settings, back, inexact, dA, db } = ready
  const ahead = packSettings(settings)
  return tangentOf(call((addon) => addon.solveJvpSync(A, M, b, dA, db, ahead, back, inexact)))
}

type ParameterVjp = VjpInput['parameterVjp']

/** What a hook is given besides x and λ. */
type Hook = Pick<Free, 'parameterVjp'> & { forward: Pick<Plan, 'operator' | 'b' | 'dtype' | 'settings'> }

function* withParameters<P>(found: SolveGradient, { parameterVjp, forward }: Hook): Steps<SolveGradient<P>> {
  if (parameterVjp === undefined) return found as SolveGradient<P>
  const { operator, b, dtype, settings } = forward
  const [x, lambda] = [found.x.slice(), found.rhs.slice()]
  if (settings.method === 'direct' || !leastSquares(settings.method, operator)) {
    return { ...found, parameters: parameterVjp(x, lambda) as P }
  }
  const image = yield* product(operator, found.x.slice(), b.length, dtype)
  const residual = b.map((value, k) => value - image[k]!)
  return { ...found, parameters: parameterVjp(x, lambda, { residual, mu: found.adjoint.x.slice() }) as P }
}

function* freeGradient({ task, cotangent, parameterVjp, forward: first }: Free): Steps<SolveGradient> {
  const given = (x: Float64Array<ArrayBuffer>): unknown => (typeof cotangent === 'function' ? cotangent(x) : cotangent)
  const { forward, adjoint, rhs, damp }: FreeVjp = yield* freeVjp(task, given)
  const found = { x: forward.x, rhs, ...(damp === undefined ? {} : { damp }), forward, adjoint }
  return yield* withParameters(found, { parameterVjp, forward: first })
}

const freeTangent = ({ forward, tangent, dx }: FreeJvp): SolveTangent => ({ x: forward.x, dx, forward, tangent })

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

/** What goes through functions. */
interface Free {
  task: FreeTask
  forward: Plan
  cotangent: VjpInput['cotangent']
  parameterVjp: ParameterVjp
  dA: Operator | undefined
  db: Float64Array<ArrayBuffer> | undefined
}

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
  parameterVjp: ParameterVjp
  columns: number
  dA: NativeOperator | null
  db: Float64Array | null
  job: JobOptions
}

const METHODS = ['cg', 'minres', 'cr', 'shiftedHermitian', 'cocg', 'cgw', 'cgnr', 'lsqr', 'direct'] as const

function read(input: unknown, job: Job, asynchronous: boolean, own: readonly string[]): Ready | Free {
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
  const parameterVjp = own.includes('parameterVjp') ? check.function<ParameterVjp & {}>('parameterVjp') : undefined
  check.finish()
  const jobs = new Checker(job, `${name}: job`)
  const stops = asynchronous ? readJob(jobs) : {}
  jobs.finish()
  const guess = typeof forward === 'object' && forward !== null && 'x' in forward ? (forward as SolveResult).x : forward
  const make = (right: unknown, extra: object): Plan => {
    const all = { ...options, ...(M === undefined ? {} : { M }), ...extra }
    const kind = { name, asynchronous: false }
    if (method === 'direct') return planDirect(A, right, all, false)
    return plan(method!, A, right, all, kind)
  }
  const first = make(b, guess === undefined || method === 'direct' ? {} : { x0: guess })
  const change = db === undefined ? undefined : readVector(db, first.operator.rows, first.dtype, 'db')
  if (needsSession(first) || dA instanceof CallbackOperator) {
    if (method === 'direct') throw free('direct')
    const all = { ...options, ...(M === undefined ? {} : { M }), ...(guess === undefined ? {} : { x0: guess }) }
    const { operator: A, b, dtype } = first
    const task = { name, method: method!, A, b, dtype, options: all, adjoint, inexact, job: stops }
    const along = dA === undefined || dA instanceof CallbackOperator ? dA : requireLinear(dA, 'dA')
    return {
      task,
      forward: first,
      cotangent: cotangent as VjpInput['cotangent'],
      parameterVjp,
      dA: along,
      db: change as Float64Array<ArrayBuffer> | undefined,
    }
  }
  const operator = requireLinear(A, 'A')
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
    parameterVjp,
    columns: operator.cols,
    dA: dA === undefined ? null : nativeOf(requireLinear(dA, 'dA')),
    db: change ?? null,
    job: stops,
  }
}

const free = (method: string): InvalidInputError =>
  new InvalidInputError('operator-not-valid', `${method} needs matrices, dA included`, { name: 'dA' })

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
