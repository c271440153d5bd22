/** Least squares min ‖b − Ax‖ for any A: CG on the normal equations, and LSQR. */
import { copy, dot, minus, norm, plus, scaled, zeros, type Apply, type Vector } from './dense.ts'
import type { Options, Run } from './run.ts'

/**
 * CG on AᴴAx = Aᴴb, in the form that carries the residual of Ax = b (Hestenes, Stiefel 1952; called CGLS, or CGNR):
 * s = Aᴴr, α = ‖s‖²/‖Ap‖², r −= αAp, β = ‖s₊‖²/‖s‖². Also stops where ‖s‖ ≤ gradientRtol ‖Aᴴb‖: a least-squares solution.
 */
export function cgnr(
  apply: Apply,
  applyAdjoint: Apply,
  b: Vector,
  options: Options & { gradientRtol?: number } = {},
): Run {
  const { rtol = 1e-10, gradientRtol = rtol, observe } = options
  let r = copy(b)
  let s = applyAdjoint(r)
  const { maxIterations = 10 * s.re.length } = options
  let p = s
  let x = zeros(s.re.length)
  let matvecs = 1
  let square = dot(s, s).re
  const gradient = norm(s)
  const residuals = [norm(r)]
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs, stopped, residuals })
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * residuals[0]! || norm(s) <= gradientRtol * gradient) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    const q = apply(p)
    const alpha = square / dot(q, q).re
    if (!Number.isFinite(alpha)) return end(k, 'breakdown')
    x = plus(x, alpha, p)
    r = plus(r, -alpha, q)
    s = applyAdjoint(r)
    matvecs += 2
    const next = dot(s, s).re
    p = plus(s, next / square, p)
    square = next
    residuals.push(norm(r))
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
  }
}

/**
 * LSQR (Paige, Saunders 1982): Golub–Kahan bidiagonalisation βu₊ = Av − αu, αv₊ = Aᴴu − βv, and a QR factorisation of the
 * bidiagonal matrix by one rotation an iteration. In exact arithmetic the iterates of `cgnr`.
 */
export function lsqr(apply: Apply, applyAdjoint: Apply, b: Vector, options: Options = {}): Run {
  const { rtol = 1e-10, observe } = options
  const residuals = [norm(b)]
  let beta = norm(b)
  let u = beta === 0 ? b : scaled(1 / beta, b)
  let v = applyAdjoint(u)
  let alpha = norm(v)
  const gradient = alpha * beta
  const { maxIterations = 10 * v.re.length } = options
  let x = zeros(v.re.length)
  let matvecs = 1
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs, stopped, residuals })
  if (gradient === 0) return end(0, 'tolerance')
  v = scaled(1 / alpha, v)
  let w = v
  let [phiBar, rhoBar] = [beta, alpha]
  for (let k = 0; ; k++) {
    if (k === maxIterations) return end(k, 'maxIterations')
    u = minus(apply(v), scaled(alpha, u))
    beta = norm(u)
    if (beta > 0) u = scaled(1 / beta, u)
    v = minus(applyAdjoint(u), scaled(beta, v))
    alpha = norm(v)
    if (alpha > 0) v = scaled(1 / alpha, v)
    matvecs += 2
    const rho = Math.hypot(rhoBar, beta)
    const [c, s] = [rhoBar / rho, beta / rho]
    const theta = s * alpha
    x = plus(x, (c * phiBar) / rho, w)
    w = minus(v, scaled(theta / rho, w))
    rhoBar = -c * alpha
    phiBar *= s
    residuals.push(phiBar)
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
    // ‖Aᴴr‖ = φ̄ α |c|
    if (phiBar <= rtol * residuals[0]! || phiBar * alpha * Math.abs(c) <= rtol * gradient)
      return end(k + 1, 'tolerance')
  }
}
