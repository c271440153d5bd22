/** Conjugate gradients for Hermitian positive definite A, and its truncated form in a ball. */
import { copy, dot, minus, norm, over, plus, zeros, type Apply, type Vector } from './dense.ts'
import type { Options, Run } from './run.ts'

/**
 * Preconditioned conjugate gradients (Hestenes, Stiefel 1952):
 * α = γ/⟨p,Ap⟩, γ = ⟨r,z⟩, z = M⁻¹r, β = γ₊/γ (Fletcher–Reeves), p₊ = z₊ + βp. Flexible: β = ⟨r₊ − r, z₊⟩/γ
 * (Polak–Ribière), which is the same for a fixed M in exact arithmetic. Stops at ⟨p,Ap⟩ ≤ 0 with the last iterate,
 * unless `ignoreCurvature`.
 */
export function cg(
  apply: Apply,
  b: Vector,
  options: Options & { flexible?: boolean; ignoreCurvature?: boolean } = {},
): Run {
  const { rtol = 1e-10, maxIterations = 10 * b.re.length, precondition = copy, observe } = options
  let x = options.x0 ?? zeros(b.re.length)
  let matvecs = 0
  let r = copy(b)
  if (options.x0 !== undefined) {
    r = minus(b, apply(x))
    matvecs++
  }
  let z = precondition(r)
  let p = z
  let gamma = dot(r, z).re
  const residuals = [norm(r)]
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs, stopped, residuals })
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * norm(b)) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    const q = apply(p)
    matvecs++
    const delta = dot(p, q).re
    if (!(delta > 0) && !options.ignoreCurvature) return end(k, 'curvature')
    const alpha = gamma / delta
    x = plus(x, alpha, p)
    const next = plus(r, -alpha, q)
    z = precondition(next)
    const gammaNext = dot(next, z).re
    const beta = (options.flexible ? dot(minus(next, r), z).re : gammaNext) / gamma
    r = next
    p = plus(z, beta, p)
    gamma = gammaNext
    residuals.push(norm(r))
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
  }
}

export interface Truncated {
  x: Vector
  reason: 'rtol' | 'trustBoundary' | 'negativeCurvature' | 'maxIterations'
  /** The iteration in which it stopped, counted from 1. */
  iterations: number
}

/**
 * Steihaug's and Toint's truncated CG for min ½xᴴAx − Re bᴴx in the ball ‖x‖_M ≤ radius, M given by its product and its
 * inverse: the first direction of curvature ≤ 0, or the first step that leaves the ball, is followed to the boundary.
 * (Steihaug 1983, SIAM J. Numer. Anal. 20.) ‖x‖_M is computed from M, not by the usual recurrences.
 */
export function steihaug(
  apply: Apply,
  b: Vector,
  radius: number,
  metric: { apply: Apply; solve: Apply },
  rtol: number = 1e-10,
  maxIterations: number = 10 * b.re.length,
): Truncated {
  let x = zeros(b.re.length)
  let r = copy(b)
  let z = metric.solve(r)
  let p = z
  const boundary = (): Vector => {
    // ‖x + τp‖² = radius², the root τ ≥ 0.
    const mp = metric.apply(p)
    const [pp, xp, xx] = [dot(p, mp).re, dot(x, mp).re, dot(x, metric.apply(x)).re]
    return plus(x, (-xp + Math.sqrt(xp * xp + pp * (radius * radius - xx))) / pp, p)
  }
  for (let k = 1; k <= maxIterations; k++) {
    const gamma = dot(r, z).re
    const q = apply(p)
    const delta = dot(p, q).re
    if (delta <= 0) return { x: boundary(), reason: 'negativeCurvature', iterations: k }
    const next = plus(x, gamma / delta, p)
    if (dot(next, metric.apply(next)).re >= radius * radius)
      return { x: boundary(), reason: 'trustBoundary', iterations: k }
    x = next
    r = plus(r, -gamma / delta, q)
    if (norm(r) <= rtol * norm(b)) return { x, reason: 'rtol', iterations: k }
    z = metric.solve(r)
    p = plus(z, dot(r, z).re / gamma, p)
  }
  return { x, reason: 'maxIterations', iterations: maxIterations }
}

/**
 * Conjugate residuals for Hermitian A (Stiefel 1955): directions with orthogonal images, so that ‖b − Ax‖ falls.
 * α = ⟨r,Ar⟩/‖Ap‖², β = ⟨r₊,Ar₊⟩/⟨r,Ar⟩; Ap by recurrence.
 */
export function cr(apply: Apply, b: Vector, options: Options = {}): Run {
  const { rtol = 1e-10, maxIterations = 10 * b.re.length, observe } = options
  let x = zeros(b.re.length)
  let r = copy(b)
  let p = r
  let ar = apply(r)
  let ap = ar
  let matvecs = 1
  let rho = dot(r, ar)
  const residuals = [norm(r)]
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs, stopped, residuals })
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * norm(b)) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    const square = dot(ap, ap).re
    if (square === 0 || rho.re === 0) return end(k, 'breakdown')
    const alpha = rho.re / square
    x = plus(x, alpha, p)
    r = plus(r, -alpha, ap)
    ar = apply(r)
    matvecs++
    const next = dot(r, ar)
    const beta = over(next, rho)
    p = plus(r, beta, p)
    ap = plus(ar, beta, ap)
    rho = next
    residuals.push(norm(r))
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
  }
}

/** Σ_{j=0}^{terms−1} (I − A)ʲ b: the truncated Neumann series of A⁻¹b; converges iff the spectral radius of I − A is below 1. */
export function neumann(apply: Apply, b: Vector, terms: number): Vector {
  let term = copy(b)
  let sum = zeros(b.re.length)
  for (let j = 0; j < terms; j++) {
    sum = plus(sum, 1, term)
    term = minus(term, apply(term))
  }
  return sum
}
