/** Methods for A = σI + iaH with Hermitian H: one product each, three recurrences. All take A's product. */
import { copy, dot, dotUnconjugated, conj, negate, norm, over, plus, times, complex, modulus, zeros, type Apply, type Complex, type Vector } from './dense.ts' // prettier-ignore
import type { Options, Run } from './run.ts'

interface Rule {
  /** ⟨r, r⟩ in the method's product. */
  square: (r: Vector) => Complex
  /** α from the square, p and q = Ap. */
  alpha: (square: Complex, r: Vector, p: Vector, q: Vector) => Complex
  /** β from both squares and α. */
  beta: (next: Complex, square: Complex, alpha: Complex) => Complex
}

function iterate(apply: Apply, b: Vector, options: Options, rule: Rule): Run {
  const { rtol = 1e-10, maxIterations = 10 * b.re.length, observe } = options
  let x = zeros(b.re.length)
  let r = copy(b)
  let p = r
  let square = rule.square(r)
  const residuals = [norm(r)]
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs: iterations, stopped, residuals }) // prettier-ignore
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * norm(b)) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    const q = apply(p)
    const alpha = rule.alpha(square, r, p, q)
    if (!Number.isFinite(modulus(alpha))) return end(k, 'breakdown')
    x = plus(x, alpha, p)
    r = plus(r, negate(alpha), q)
    const next = rule.square(r)
    p = plus(r, rule.beta(next, square, alpha), p)
    square = next
    residuals.push(norm(r))
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
  }
}

/**
 * Complex Galerkin: residuals orthogonal to the Krylov space. The space of A is that of H, so that the basis of H's
 * Lanczos process serves and the recurrence is short: α = ⟨r,r⟩/⟨r,Ap⟩, β = −(‖r₊‖²/‖r‖²)(α/ᾱ).
 * (Freund 1990, Numer. Math. 57, for T + iσI.)
 */
export const galerkin = (apply: Apply, b: Vector, options: Options = {}): Run =>
  iterate(apply, b, options, {
    square: (r) => complex(dot(r, r).re),
    alpha: (square, r, _, q) => over(square, dot(r, q)),
    beta: (next, square, alpha) => times(complex(-next.re / square.re), over(alpha, conj(alpha))),
  })

/** Conjugate orthogonal CG for complex symmetric A (van der Vorst, Melissen 1990): CG with uᵀv for uᴴv. */
export const cocg = (apply: Apply, b: Vector, options: Options = {}): Run =>
  iterate(apply, b, options, {
    square: (r) => dotUnconjugated(r, r),
    alpha: (square, _, p, q) => over(square, dotUnconjugated(p, q)),
    beta: (next, square) => over(next, square),
  })

/** Concus, Golub 1976; Widlund 1978: I + S with S skew in the real product: α = ‖r‖²/Re⟨r,Ap⟩, β = −‖r₊‖²/‖r‖². */
export const cgw = (apply: Apply, b: Vector, options: Options = {}): Run =>
  iterate(apply, b, options, {
    square: (r) => complex(dot(r, r).re),
    alpha: (square, r, _, q) => complex(square.re / dot(r, q).re),
    beta: (next, square) => complex(-next.re / square.re),
  })
