/**
 * Solvers that answer as they should: the recurrences of this folder, with the tests that make a reason true. They look at
 * A densely (Hermitian or not, its norm), which a solver for large systems cannot, and serve to judge the judge.
 */
import { cg } from './cg.ts'
import { adjoint, apply, complex, dot, hermitianDefect, isFinite, largest, minus, norm, plus, scaled, zeros, type Apply, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { solve } from './factor.ts'
import type { Reason, Result } from './judge.ts'
import { cgnr } from './normal.ts'
import { cgw, cocg, galerkin } from './shifted.ts'
import type { Method, Place, System } from './systems.ts'

const EPSILON = 2 ** -52

export function honest(system: System, method: Method): Result {
  const nothing = (reason: Reason, location?: Place): Result => ({
    x: zeros(system.n),
    converged: reason === 'zeroRhs',
    reason,
    iterations: 0,
    residual: { true: norm(system.b) },
    ...(location === undefined ? {} : { location }),
  })
  if (!isFinite(system.b)) return nothing('nonFinite', 'b')
  if (largest(system.b) === 0) return nothing('zeroRhs')
  if (!isFinite(system.a)) return nothing('nonFinite', 'operator')
  if (system.x0 !== undefined && !isFinite(system.x0)) return nothing('nonFinite', 'x0')
  if (system.inverse !== undefined && !isFinite(system.inverse)) return nothing('nonFinite', 'preconditioner')
  // Powers of two, so that the largest elements are near 1 and nothing is rounded.
  const [ea, eb] = [exponent(system.a), exponent(system.b)]
  const a: Matrix = { ...system.a, ...scaled(2 ** -ea, system.a) }
  const b = scaled(2 ** -eb, system.b)
  const run = method === 'cg' ? conjugateGradients(system, a, b, ea - eb) : others(system, a, b, method)
  const x = shift(run.x, eb - ea)
  const lost = !isFinite(x) || (largest(x) === 0 && largest(run.x) > 0)
  if (lost) return { ...nothing('nonFinite'), location: 'recurrence' }
  const back = 2 ** eb
  return {
    x: run.guess ? system.x0! : x,
    converged: ['rtol', 'atol', 'exactGuess'].includes(run.reason),
    reason: run.reason,
    iterations: run.iterations,
    residual: { true: norm(minus(b, apply(a, run.x))) * back, recurrence: run.recurrence * back },
  }
}

const exponent = (x: Vector): number => (largest(x) === 0 ? 0 : Math.floor(Math.log2(largest(x))))
const shift = (x: Vector, by: number): Vector => scaled(2 ** (by - (by >> 1)), scaled(2 ** (by >> 1), x))

interface Found {
  x: Vector
  reason: Reason
  iterations: number
  recurrence: number
  guess?: boolean
}

const tolerance = (system: System, b: Vector): { tau: number; name: Reason } => {
  const [relative, absolute] = [system.rtol * norm(b), system.atol * (norm(b) / norm(system.b))]
  return { tau: Math.max(relative, absolute), name: absolute > relative ? 'atol' : 'rtol' }
}

function conjugateGradients(system: System, a: Matrix, b: Vector, ratio: number): Found {
  const { tau, name } = tolerance(system, b)
  const n = b.re.length
  const size = norm(a)
  const precondition: Apply = (r) => (system.inverse === undefined ? r : apply(system.inverse, r))
  let x = system.x0 === undefined ? zeros(n) : shift(system.x0, ratio)
  let r = minus(b, apply(a, x))
  const end = (reason: Reason, iterations: number, recurrence: number): Found => ({ x, reason, iterations, recurrence })
  if (largest(a) > 0 && hermitianDefect(a) > 1e-13) return end('notHermitian', 0, norm(r))
  if (system.x0 !== undefined && norm(r) <= tau) return { ...end('exactGuess', 0, norm(r)), guess: true }
  if (!(norm(r) < norm(b))) {
    x = zeros(n)
    r = b
  }
  let best = norm(r)
  let bestAt = 0
  let replacements = 0
  let z = precondition(r)
  let p = z
  for (let k = 0; ; k++) {
    if (norm(r) <= tau) {
      const exact = minus(b, apply(a, x))
      if (norm(exact) <= tau) return end(name, k, norm(r))
      if (replacements++ === 3) return end('accuracyLimit', k, norm(r))
      r = exact
      z = precondition(r)
      p = z
    }
    if (norm(r) > 1e5 * norm(b)) return end('diverged', k, norm(r))
    if (norm(r) < 0.999 * best) [best, bestAt] = [norm(r), k]
    if (k - bestAt > Math.max(50, 5 * n)) return end('stagnation', k, norm(r))
    if (k === system.maxIterations) return end('maxIterations', k, norm(r))
    const gamma = dot(r, z).re
    if (gamma <= n * EPSILON * norm(r) * norm(z)) return end('indefinitePreconditioner', k, norm(r))
    const q = apply(a, p)
    const delta = dot(p, q).re
    // Rounding of the curvature is a matter of ‖A‖ ‖p‖², not of ‖q‖, which may itself be rounding.
    const noise = n * EPSILON * size * norm(p) ** 2
    if (delta < -noise) return end('indefiniteOperator', k, norm(r))
    if (delta <= noise) return end('zeroCurvature', k, norm(r))
    x = plus(x, gamma / delta, p)
    r = plus(r, -gamma / delta, q)
    z = precondition(r)
    p = plus(z, dot(r, z).re / gamma, p)
  }
}

function others(system: System, a: Matrix, b: Vector, method: Method): Found {
  const { tau, name } = tolerance(system, b)
  if (method === 'direct') {
    const x = solve(a, b) ?? zeros(b.re.length)
    const residual = norm(minus(b, apply(a, x)))
    return { x, reason: residual <= tau ? name : norm(x) > 1e13 * norm(b) || largest(x) === 0 ? 'zeroCurvature' : 'accuracyLimit', iterations: 1, recurrence: 0 } // prettier-ignore
  }
  // A little below the tolerance, for the difference between the recurrence and the truth.
  const options = { rtol: (0.9 * tau) / norm(b), maxIterations: system.maxIterations }
  // The methods for shifted systems are of A as given; unscaled, since I + iaH needs its 1.
  const forward: Apply = (x) => apply(a, x)
  const backward = adjoint(a)
  // A least-squares solution, after Paige and Saunders: ‖Aᴴr‖ ≤ rtol ‖A‖ ‖r‖.
  const orthogonal = (x: Vector): boolean => {
    const r = minus(b, forward(x))
    return norm(apply(backward, r)) <= system.rtol * norm(a) * norm(r)
  }
  const run =
    method === 'cgnr'
      ? cgnr(forward, (x) => apply(backward, x), b, { ...options, gradientRtol: 0, observe: orthogonal })
      : method === 'cocg'
        ? cocg(forward, b, options)
        : method === 'cgw'
          ? cgw((x) => scaled(complex(1 / unit(system, a)), forward(x)), scaled(1 / unit(system, a), b), options)
          : galerkin(forward, b, options)
  const residual = norm(minus(b, apply(a, run.x)))
  const solved = residual <= tau || (method === 'cgnr' && orthogonal(run.x))
  const reason: Reason = solved ? name : run.iterations === system.maxIterations ? 'maxIterations' : 'accuracyLimit'
  return { x: run.x, reason, iterations: run.iterations, recurrence: run.residuals.at(-1)! }
}

/** What the scaling made of the identity in I + iaH, which CGW needs to be 1. */
const unit = (system: System, a: Matrix): number => norm(a) / norm(system.a)

/** A solver of the usual kind: textbook CG that believes its recurrence and knows two answers. */
export function naive(system: System): Result {
  const run = cg((x) => apply(system.a, x), system.b, {
    rtol: system.rtol,
    maxIterations: system.maxIterations,
    ignoreCurvature: true,
    ...(system.x0 === undefined ? {} : { x0: system.x0 }),
    ...(system.inverse === undefined ? {} : { precondition: (r) => apply(system.inverse!, r) }),
  })
  const converged = run.stopped === 'tolerance'
  const residual = run.residuals.at(-1)!
  return { x: run.x, converged, reason: converged ? 'rtol' : 'maxIterations', iterations: run.iterations, residual: { true: residual, recurrence: residual } } // prettier-ignore
}
