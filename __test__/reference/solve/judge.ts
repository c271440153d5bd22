/**
 * Whether a solver's answer to a system is right. A reason is a claim, and an answer is right if and only if its claim is
 * true of the system (`truth.ts`) and of the x that came with it; `preferred` says whether no other reason would say more.
 *
 * ρ = ‖b − Ax‖ of the x returned, summed in twice the precision; τ = max(rtol ‖b‖, atol).
 *
 * | reason | right if |
 * |---|---|
 * | any | x is finite and of length n; `converged` agrees with the reason; the residual reported is ρ up to rounding |
 * | `zeroRhs` | b = 0 and x = 0 |
 * | `exactGuess` | x is x0, bit for bit, and ρ ≤ τ |
 * | `rtol`, `atol` | ρ ≤ τ, and that term is the larger one in τ; or, for `cgnr` and `lsqr`, ‖Aᴴr‖ is small (`leastSquares`) |
 * | `trustBoundary`, `negativeCurvature`, `userStop`, `aborted`, `timeLimit` | never: nobody asked |
 * | `maxIterations` | all allowed iterations were made, and ρ > τ/2 |
 * | `diverged` | a residual above 1e5 ‖b‖ is reported or returned; not for definite A with κ < 1e9, where √κ bounds the growth |
 * | `indefiniteOperator` | the Hermitian part of A has a negative eigenvalue; only `cg`, `cr`, `direct` need definiteness |
 * | `zeroCurvature` | the Hermitian part has a zero eigenvalue or both signs; `minres`, `cgnr`, `lsqr`, `direct`: A is singular; `minres`: or κ > 1e10, which it cannot tell from that |
 * | `indefinitePreconditioner` | M is not positive definite |
 * | `notHermitian` | A is not, and the method needs it |
 * | `nonFinite` | a NaN or ∞ was planted, at the place named; or the solution cannot be represented |
 * | `stagnation` | at least 50 iterations (the window), and ρ > τ/2 |
 * | `accuracyLimit` | ρ > τ up to rounding and the residual reported > τ, the reported recurrence residual is at most τ (for `cgnr` and `lsqr` it may be that of ‖Aᴴr‖ which converged); definite A: τ, or in that case rtol ρ, ≤ 100 n ε ‖A‖ ‖x⋆‖, so that rounding explains it |
 *
 * So a method that meets ρ ≤ τ on an indefinite or non-Hermitian A was lucky, not wrong. An eigenvalue that rounding made
 * cannot be told from a zero: where A is not `exact`, both readings are right. With something planted in A, b, M or x0
 * only `nonFinite` is right (`zeroRhs` if b = 0).
 */
import { adjoint, apply, isFinite, largest, norm, scaled, type Vector } from './dense.ts'
import { exactResidual } from './factor.ts'
import { describe, type Method, type Place, type System } from './systems.ts'
import { truth, type Truth } from './truth.ts'

export const CONVERGED = ['rtol', 'atol', 'zeroRhs', 'exactGuess', 'trustBoundary', 'negativeCurvature'] as const
export const DIVERGED = ['userStop', 'aborted', 'timeLimit', 'maxIterations', 'diverged', 'indefiniteOperator', 'zeroCurvature', 'indefinitePreconditioner', 'notHermitian', 'nonFinite', 'stagnation', 'accuracyLimit'] as const // prettier-ignore
export type Reason = (typeof CONVERGED)[number] | (typeof DIVERGED)[number]

/** What a solver says; extra members are not looked at. */
export interface Result {
  x: Vector
  converged: boolean
  reason: Reason
  iterations: number
  /** Norms, not relative. */
  residual: { true: number; recurrence?: number }
  /** Where the number that is not finite was met; `recurrence` if not in an input. */
  location?: Place | 'recurrence'
}

export interface Verdict {
  right: boolean
  preferred: boolean
  why: string
  /** ‖b − Ax‖ / ‖b‖ of what was returned (NaN where something is planted). */
  relative: number
}

const EPSILON = 2 ** -52
const NEEDS_HERMITIAN: readonly Method[] = ['cg', 'minres', 'cr']
const LEAST_SQUARES: readonly Method[] = ['cgnr', 'lsqr']

/** Kinds that are definite with κ up to 1e8 by construction, which `systems.test.ts` checks densely. */
const SOUND: readonly string[] = ['definite', 'preconditioned', 'scaled', 'zero-rhs', 'exact-guess']

/** Definite with κ < 1e8, finite and representable, M sound: of these at least 99 % should converge. */
export function mustConverge(system: System, method: Method = system.method): boolean {
  if (system.kind === 'shifted') return true
  if (!SOUND.includes(system.kind)) return false
  // The normal equations square the condition.
  return !LEAST_SQUARES.includes(method) || truth(system).kappa < 1e4
}

export function judge(system: System, result: Result, method: Method = system.method): Verdict {
  const view = measure(system, result)
  const relative = view.rho / view.length
  const verdict = (why: string | undefined, preferred: boolean): Verdict => ({
    right: why === undefined,
    preferred: why === undefined && preferred,
    why: why === undefined ? `${result.reason} is true` : `${describe(system)}: ${result.reason} with ρ/‖b‖ = ${relative.toExponential(2)}, ${why}`, // prettier-ignore
    relative,
  })
  const { reason } = result
  const listed = (list: readonly string[]): boolean => list.includes(reason)
  if (!listed(CONVERGED) && !listed(DIVERGED)) return verdict('which is not in the closed list', false)
  if (result.converged !== listed(CONVERGED)) return verdict(`but converged is ${result.converged}`, false)
  if (result.x.re.length !== system.n) return verdict(`x has length ${result.x.re.length}`, false)
  if (!isFinite(result.x)) return verdict('x is not finite', false)
  if (!Number.isNaN(view.rho) && reason !== 'nonFinite') {
    const reported = result.residual.true * 2 ** -view.exponent
    if (!(Math.abs(reported - view.rho) <= 1e-6 * view.rho + 4 * view.slack))
      return verdict(`the true residual reported is ${reported / view.length} of ‖b‖`, false)
  }
  return verdict(falsity(system, result, method, view), preferred(system, result, method))
}

interface View {
  /** ρ, τ, ‖b‖ and what rounding may do to ρ, all divided by 2^exponent so that none overflows. */
  rho: number
  tau: number
  length: number
  slack: number
  exponent: number
  /** The larger term of τ. */
  active: 'rtol' | 'atol' | 'both'
  r: Vector
}

function measure(system: System, { x }: Result): View {
  const { a, b } = system.scale
  // Products of A 2^-a, x 2^(a-b) and b 2^-b stay in range; where x is garbage they may not, and ρ is ∞.
  const matrix = { ...system.a, ...scaled(2 ** -a, system.a) }
  const right = scaled(2 ** -b, system.b)
  const point = twice(x, a - b)
  const r = exactResidual(matrix, point, right)
  let rho = norm(r)
  if (system.planted?.where === 'operator' || system.planted?.where === 'b') rho = NaN
  else if (Number.isNaN(rho)) rho = Infinity
  const length = norm(right)
  const [relative, absolute] = [system.rtol * length, system.atol * 2 ** -b]
  return {
    rho,
    tau: Math.max(relative, absolute),
    length,
    slack: (system.n + 4) * EPSILON * (norm(matrix) * norm(point) + length),
    exponent: b,
    active: relative === absolute ? 'both' : relative > absolute ? 'rtol' : 'atol',
    r,
  }
}

/** x 2^exponent, in two steps since 2^1328 is not a double. */
const twice = (x: Vector, exponent: number): Vector => scaled(2 ** (exponent - (exponent >> 1)), scaled(2 ** (exponent >> 1), x)) // prettier-ignore

/** Why the claim is false; `undefined` if it is true. */
function falsity(system: System, result: Result, method: Method, view: View): string | undefined {
  const { reason, x } = result
  const { rho, tau, slack } = view
  const { planted, n } = system
  // Only where it is needed: it takes longer than most solvers.
  const known = (): Truth => truth(system)
  const zeroRight = largest(system.b) === 0
  // A solver's own residual is off by rounding; by as much, and at most by τ, ρ may exceed τ.
  const met = rho <= tau * (1 + 1e-9) + Math.min(slack, tau)
  // The other way round, too: its own residual must be above, and ρ as far as rounding lets it.
  const unmet = (share: number): boolean =>
    rho + slack > share * tau && result.residual.true * 2 ** -view.exponent > share * tau
  if (reason === 'zeroRhs') {
    if (!zeroRight) return 'b is not 0'
    return largest(x) === 0 ? undefined : 'x is not 0'
  }
  if (planted !== undefined && !zeroRight) {
    if (reason !== 'nonFinite') return `${planted.value} was planted in ${planted.where}`
    return result.location === undefined || result.location === planted.where ? undefined : `it was found in ${result.location}, not in ${planted.where}` // prettier-ignore
  }
  if (system.kind === 'unrepresentable') {
    const honest = ['nonFinite', 'accuracyLimit', 'stagnation', 'diverged', 'maxIterations'].includes(reason)
    return honest ? undefined : 'no double is the solution'
  }
  switch (reason) {
    case 'exactGuess': {
      if (system.x0 === undefined) return 'no guess was given'
      if (!same(x, system.x0)) return 'x is not the guess'
      return met ? undefined : 'the guess is not exact'
    }
    case 'rtol':
    case 'atol': {
      if (view.active !== 'both' && view.active !== reason) return `${view.active} is the active term`
      if (met) return undefined
      if (!LEAST_SQUARES.includes(method)) return 'the true residual is above the tolerance'
      return leastSquares(system, view, known()) ? undefined : 'Aᴴr is not small either'
    }
    case 'trustBoundary':
    case 'negativeCurvature':
    case 'userStop':
    case 'aborted':
    case 'timeLimit':
      return 'nobody asked for that'
    case 'maxIterations': {
      if (result.iterations < system.maxIterations) return `after ${result.iterations} of ${system.maxIterations}`
      return unmet(0.5) ? undefined : 'the tolerance is met'
    }
    case 'diverged': {
      if (known().definite && known().kappa < 1e9) return 'a definite system of this condition cannot'
      const seen = Math.max(rho, (result.residual.recurrence ?? 0) * 2 ** -view.exponent)
      return seen > 1e5 * view.length ? undefined : 'no residual is above 1e5 ‖b‖'
    }
    case 'indefiniteOperator': {
      if (!['cg', 'cr', 'direct'].includes(method)) return `${method} needs no definite operator`
      if (known().negative > 0) return undefined
      return known().zero > 0 && !system.exact ? undefined : 'A has no negative eigenvalue'
    }
    case 'zeroCurvature': {
      if (known().rank < n) return undefined
      // Its estimate of the smallest singular value is worth ε^(2/3), a limit that its documentation names.
      if (method === 'minres' && known().kappa > 1e10) return undefined
      if (!['cg', 'cr'].includes(method)) return 'A is not singular'
      return known().zero > 0 || (known().negative > 0 && known().positive > 0)
        ? undefined
        : 'no direction has curvature 0'
    }
    case 'indefinitePreconditioner':
      return known().preconditionerDefinite === false ? undefined : 'M is positive definite or absent'
    case 'notHermitian': {
      if (!NEEDS_HERMITIAN.includes(method)) return `${method} needs no Hermitian operator`
      return known().hermitian ? 'A is Hermitian' : undefined
    }
    case 'nonFinite':
      return 'all is finite'
    case 'stagnation': {
      if (result.iterations < 50) return `after ${result.iterations} iterations`
      return unmet(0.5) ? undefined : 'the tolerance is met'
    }
    case 'accuracyLimit': {
      if (!unmet(1)) return 'the tolerance is met'
      const recurrence = (result.residual.recurrence ?? 0) * 2 ** -view.exponent
      if (!LEAST_SQUARES.includes(method) && !(recurrence <= tau * (1 + 1e-6)))
        return 'the recurrence did not converge either'
      const floor = 100 * n * EPSILON * known().norm * norm(known().x)
      // What rounding leaves of ‖Aᴴr‖ is ‖A‖ times what it leaves of r.
      const normal = LEAST_SQUARES.includes(method) && system.rtol * rho <= floor
      return !known().definite || tau <= floor || normal ? undefined : 'rounding does not explain that'
    }
  }
}

/**
 * r is orthogonal to the range as far as was asked: ‖Aᴴr‖ ≤ 10 rtol ‖A‖₂ ‖r‖ (a solver may take the Frobenius norm, at most
 * √40 larger), which for a consistent system needs κ > 1/(10 rtol); where b is off the range also ‖Aᴴr‖ ≤ rtol ‖Aᴴb‖.
 */
function leastSquares(system: System, { r, rho }: View, known: Truth): boolean {
  const { a, b } = system.plain
  // r is of the plain system: `measure` undid the scaling.
  const size = norm(apply(adjoint(a), r))
  const rounding = 100 * system.n * EPSILON * known.norm * (known.norm * norm(known.x) + rho)
  if (size <= 10 * system.rtol * known.norm * rho) return true
  return !known.consistent && size <= system.rtol * norm(apply(adjoint(a), b)) + rounding
}

const same = (x: Vector, y: Vector): boolean =>
  x.re.every((value, k) => value === y.re[k]) && x.im.every((value, k) => value === y.im[k])

/** Whether a true claim is also the one that says most. */
function preferred(system: System, { reason, converged }: Result, method: Method): boolean {
  if (system.planted !== undefined) return reason === 'nonFinite'
  if (largest(system.b) === 0) return reason === 'zeroRhs'
  if (system.kind === 'exact-guess') return reason === 'exactGuess'
  if (system.kind === 'unrepresentable') return true
  if (mustConverge(system, method)) return converged
  const known = truth(system)
  if (!known.hermitian && NEEDS_HERMITIAN.includes(method)) return reason === 'notHermitian'
  if (known.preconditionerDefinite === false) return reason === 'indefinitePreconditioner'
  if (method === 'cg' && known.negative > 0) return reason === 'indefiniteOperator'
  if (!known.consistent && NEEDS_HERMITIAN.includes(method)) return reason === 'zeroCurvature'
  return converged || ['accuracyLimit', 'maxIterations', 'zeroCurvature'].includes(reason)
}
