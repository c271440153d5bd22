/** Derivatives through solves with functions of the caller: by reverse communication, and without a matrix. */
import { InvalidInputError } from '../errors.ts'
import type { JobOptions } from '../job.ts'
import { adjointKnown, adjointOf, inner, product, solved, stacked, type Steps, type Vector } from './free-products.ts'
import { plan, type Plan } from './plan.ts'
import type { Dtype, Method, Operator, SolveResult } from './types.ts'
import { chunkNorms, readVector, widthOf } from './vectors.ts'

/** The parts of an input that all solves are made of. */
export interface FreeTask {
  name: string
  method: Method
  A: Operator
  b: Vector
  /** Of the vectors. */
  dtype: Dtype
  /** Options of the forward solve, M and guess included. */
  options: object
  /** What differs in the adjoint (or tangent) one. */
  adjoint: object
  inexact: boolean
  job: JobOptions
}

/** What there is of a gradient without elements. */
export interface FreeVjp {
  forward: SolveResult
  adjoint: SolveResult
  /** b̄. */
  rhs: Vector
  /** Of least squares: with respect to the damping. */
  damp?: number
}

/** What there is of a derivative along a direction. */
export interface FreeJvp {
  forward: SolveResult
  tangent: SolveResult
  dx: Vector
}

const KIND = { asynchronous: false }

/** Whether the system is one of least squares, whose gradient is that of the pseudo-inverse. */
export const leastSquares = (method: string, A: { rows: number; cols: number }): boolean =>
  method === 'lsqr' || A.rows !== A.cols

/**
 * Aᴴλ = x̄. For least squares, with B = [A; dI]: u = (B⁺)ᴴx̄, μ = B⁺u, b̄ = u, d̄ = −2d Re⟨μ, x⟩; `adjoint` is the solve for μ.
 * @throws InvalidInputError `unconverged-gradient`
 */
export function* freeVjp(task: FreeTask, cotangent: (x: Vector) => unknown): Steps<FreeVjp> {
  const { name, method, A, dtype } = task
  const forward = settled(task, 'forward', yield* solved(ahead(task)))
  const bar = readVector(cotangent(forward.x.slice()), A.cols, dtype, 'cotangent') as Vector
  if (!leastSquares(method, A)) {
    const options = { ...task.options, x0: undefined, ...task.adjoint, ...turned(task) }
    const back = { ...plan(method, adjointOf(method, A), bar, options, { ...KIND, name }), job: task.job }
    const adjoint = settled(task, 'adjoint', yield* solved(back))
    return { forward, adjoint, rhs: adjoint.x }
  }
  const damp = dampOf(task)
  const { u, mu } = yield* normalInverse(task, bar)
  const rhs = u.x.slice(0, task.b.length)
  return { forward, adjoint: mu, rhs, damp: -2 * damp * inner(mu.x, forward.x) }
}

/**
 * ẋ = A⁻¹(ḃ − Ȧx); for least squares ẋ = A⁺(ḃ − Ȧx) + (AᴴA + d²I)⁻¹Ȧᴴ(b − Ax).
 * @throws InvalidInputError `unconverged-gradient`; `shape-mismatch` and the like for the tangents
 */
export function* freeJvp(task: FreeTask, dA: Operator | undefined, db: Vector | undefined): Steps<FreeJvp> {
  const { name, method, A, b, dtype } = task
  if (dA !== undefined) checkTangent(task, dA)
  const forward = settled(task, 'forward', yield* solved(ahead(task)))
  const right = db?.slice() ?? new Float64Array(b.length)
  if (dA !== undefined) {
    const image = yield* product(dA, forward.x.slice(), b.length, dtype)
    subtract(right, method === 'shiftedHermitian' ? timesI(factorOf(task), image) : image)
  }
  const options = { ...task.options, x0: undefined, ...task.adjoint }
  const along = { ...plan(method, A, right, options, { ...KIND, name }), job: task.job }
  const tangent = settled(task, 'tangent', yield* solved(along))
  if (!leastSquares(method, A) || dA === undefined) return { forward, tangent, dx: tangent.x }
  const rest = b.slice()
  subtract(rest, yield* product(A, forward.x.slice(), b.length, dtype))
  const v = yield* product(dA, rest, forward.x.length, dtype, true)
  const { mu } = yield* normalInverse(task, v)
  return { forward, tangent, dx: tangent.x.map((value, k) => value + mu.x[k]!) }
}

const ahead = ({ name, method, A, b, options, job }: FreeTask): Plan => ({
  ...plan(method, A, b, options, { ...KIND, name }),
  job,
})

/** u = (B⁺)ᴴv and μ = B⁺u, by two solves: the condition number of A is not squared. */
function* normalInverse(task: FreeTask, v: Vector): Steps<{ u: SolveResult; mu: SolveResult }> {
  const B = stacked(task.A, dampOf(task))
  const options = { ...task.options, x0: undefined, ...task.adjoint, damp: 0 }
  // cgnr has this option, lsqr, which goes on here, does not.
  if ('replacement' in options) delete options.replacement
  const kind = { ...KIND, name: task.name }
  const inverse = (A: Operator, right: Vector): Plan => ({ ...plan('lsqr', A, right, options, kind), job: task.job })
  let u = yield* solved(inverse(adjointOf('lsqr', B), v))
  // A least-squares solution of Bᴴu = v is not enough: v must be in the range.
  const size = Math.hypot(...chunkNorms(v))
  const limit = 10 * Math.max(u.tolerance.value ?? 0, 1e-4 * Math.sqrt(Number.EPSILON) * size)
  if (u.converged && (u.residual.true ?? 0) > limit) u = { ...u, converged: false, reason: 'zeroCurvature' }
  settled(task, 'adjoint', u)
  return { u, mu: settled(task, 'second adjoint', yield* solved(inverse(B, u.x))) }
}

function dampOf({ options }: FreeTask): number {
  return 'damp' in options && typeof options.damp === 'number' ? options.damp : 0
}

const factorOf = ({ options }: FreeTask): number => ('a' in options && typeof options.a === 'number' ? options.a : 0)

/** a → −a turns σI + iaH into its adjoint. */
const turned = (task: FreeTask): object => (task.method === 'shiftedHermitian' ? { a: -factorOf(task) } : {})

/** i a v, in place. */
function timesI(a: number, v: Vector): Vector {
  for (let k = 0; k < v.length; k += 2) [v[k], v[k + 1]] = [-a * v[k + 1]!, a * v[k]!]
  return v
}

function subtract(from: Vector, what: Vector): void {
  for (let k = 0; k < from.length; k++) from[k]! -= what[k]!
}

function checkTangent({ method, A, dtype, name }: FreeTask, dA: Operator): void {
  const wrong = (code: string, message: string): never => {
    throw new InvalidInputError(code, message, { name: 'dA' })
  }
  if (dA.rows !== A.rows || dA.cols !== A.cols) {
    wrong('shape-mismatch', `dA is ${dA.rows} × ${dA.cols}, A is ${A.rows} × ${A.cols}`)
  }
  // The H of a shifted system may be real, where its data are in the addon.
  const lifted = method === 'shiftedHermitian' && widthOf(dA.dtype) === 1 && 'hasAdjoint' in dA
  if (dA.dtype !== dtype && !lifted) wrong('dtype-mismatch', `dA is ${dA.dtype}, the system is ${dtype}`)
  if (leastSquares(method, A) && !adjointKnown(dA)) {
    wrong('adjoint-needed', `${name} through least squares needs products with the adjoint of dA: give applyAdjoint`)
  }
}

function settled({ inexact }: FreeTask, which: string, result: SolveResult): SolveResult {
  const { converged, reason, residual } = result
  const solution = converged && reason !== 'trustBoundary' && reason !== 'negativeCurvature'
  if (solution || (inexact && reason !== 'nonFinite')) return result
  const at = residual.relative === undefined ? '' : ` at a relative residual of ${residual.relative.toExponential(1)}`
  const message = `the ${which} solve ended with ${reason}${at}: there is no gradient to trust; allowInexact returns it all the same`
  throw new InvalidInputError('unconverged-gradient', message)
}
