/** Gradients through solves with functions of the caller: two solves by reverse communication, and no matrix. */
import { InvalidInputError } from '../errors.ts'
import type { JobOptions } from '../job.ts'
import { CallbackOperator, operator } from './callbacks.ts'
import { LinearOperator } from './operators.ts'
import { plan, type Plan } from './plan.ts'
import type { Method, Operator, SolveResult } from './types.ts'

type Vector = Float64Array<ArrayBuffer>

/** The parts of an input that both solves are made of. */
export interface FreeTask {
  name: string
  method: Method | 'direct'
  A: Operator
  b: unknown
  /** Options of the forward solve, M and guess included. */
  options: object
  /** What differs in the adjoint one. */
  adjoint: object
  inexact: boolean
  job: JobOptions
}

/** The methods whose adjoint system needs no arithmetic on top of the function's products. */
const METHODS: readonly string[] = ['cg', 'minres', 'cr', 'shiftedHermitian', 'cgnr']

/**
 * The two solves, as what to run: yields plans and takes their results. So the synchronous and the asynchronous call share
 * it.
 * @throws InvalidInputError `option-not-valid` for another method, `unconverged-gradient`
 */
export function* freeSolves(
  task: FreeTask,
  cotangent: (x: Vector) => unknown,
): Generator<Plan, { forward: SolveResult; adjoint: SolveResult }, SolveResult> {
  const { name, A, b, options, job } = task
  const method = allowed(task)
  const kind = { name, asynchronous: false }
  const forward = settled(task, 'forward', yield { ...plan(method, A, b, options, kind), job })
  const back = { ...options, x0: undefined, ...task.adjoint, ...turned(method, options) }
  const bar = cotangent(forward.x.slice())
  const adjoint = settled(task, 'adjoint', yield { ...plan(method, adjointOf(method, A), bar, back, kind), job })
  return { forward, adjoint }
}

function allowed({ name, method, A }: FreeTask): Method {
  const square = A.rows === A.cols
  if (METHODS.includes(method) && square) return method as Method
  const message = square
    ? `${name} with a function goes through ${METHODS.join(', ')}, not ${method}`
    : `${name} with a function needs a square one`
  throw new InvalidInputError('option-not-valid', message, { name: 'method', value: method })
}

/** a → −a turns σI + iaH into its adjoint. */
function turned(method: Method, options: object): object {
  return method === 'shiftedHermitian' && 'a' in options && typeof options.a === 'number' ? { a: -options.a } : {}
}

function adjointOf(method: Method, A: Operator): Operator {
  if (method !== 'cgnr') return A
  const { rows, cols, dtype } = A
  if (A instanceof CallbackOperator) {
    const { apply, applyAdjoint } = A
    return operator({ rows: cols, cols: rows, dtype, apply: applyAdjoint!, applyAdjoint: apply })
  }
  const native = A as LinearOperator
  const apply = (x: Vector, y: Vector): void => void native.applyAdjoint(x, y)
  const applyAdjoint = (x: Vector, y: Vector): void => void native.apply(x, y)
  return operator({ rows: cols, cols: rows, dtype, apply, applyAdjoint })
}

function settled({ inexact }: FreeTask, which: string, result: SolveResult): SolveResult {
  const { converged, reason, residual } = result
  const solution = converged && reason !== 'trustBoundary' && reason !== 'negativeCurvature'
  if (solution || (inexact && reason !== 'nonFinite')) return result
  const at = residual.relative === undefined ? '' : ` at a relative residual of ${residual.relative.toExponential(1)}`
  const message = `the ${which} solve ended with ${reason}${at}: there is no gradient to trust; allowInexact returns it all the same`
  throw new InvalidInputError('unconverged-gradient', message)
}
