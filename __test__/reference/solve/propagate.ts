/** Solutions of iψ' = Hψ for Hermitian H. */
import { adjoint, apply, combine, complex, conj, identity, minus, over, plus, scaled, times, zeros, type Apply, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { hermitianEigen, type Eigen } from './eigen.ts'
import { solve } from './factor.ts'

/** f(H)ψ = V f(λ) Vᴴψ. */
export function spectral({ values, vectors }: Eigen, f: (eigenvalue: number) => Complex, psi: Vector): Vector {
  const amplitudes = apply(adjoint(vectors), psi)
  for (const [k, value] of values.entries()) {
    const amplitude = times(f(value), { re: amplitudes.re[k]!, im: amplitudes.im[k]! })
    amplitudes.re[k] = amplitude.re
    amplitudes.im[k] = amplitude.im
  }
  return apply(vectors, amplitudes)
}

const unit = (angle: number): Complex => ({ re: Math.cos(angle), im: Math.sin(angle) })

/** exp(−iHt)ψ. */
export const exponential = (h: Matrix | Eigen, t: number, psi: Vector): Vector =>
  spectral('values' in h ? h : hermitianEigen(h), (value) => unit(-value * t), psi)

/** A = I + iaH. */
export const cayleyMatrix = (h: Matrix, a: number): Matrix => combine(identity(h.rows), complex(0, a), h)

/** One Cayley step (I + iaH)⁻¹(I − iaH)ψ = 2y − ψ with (I + iaH)y = ψ, a = dt/2, by LU. */
export const cayleyStep = (h: Matrix, dt: number, psi: Vector): Vector => minus(scaled(2, solve(cayleyMatrix(h, dt / 2), psi)!), psi) // prettier-ignore

/** `steps` Cayley steps: eigenphases −2 arctan(λ dt/2) each. */
export const cayley = (eigen: Eigen, dt: number, steps: number, psi: Vector): Vector =>
  spectral(eigen, (value) => unit(-2 * steps * Math.atan((value * dt) / 2)), psi)

/** The (2,2) Padé approximant of eᶻ; order 4, unitary on the imaginary axis. */
export function pade22(z: Complex): Complex {
  const square = times(z, z)
  const even = { re: 1 + square.re / 12, im: square.im / 12 }
  return over({ re: even.re + z.re / 2, im: even.im + z.im / 2 }, { re: even.re - z.re / 2, im: even.im - z.im / 2 })
}

/** A step of iψ' = Hψ + θ(ψ)ψ, θ real, after Strang (1968): half a phase, the linear step, half a phase. */
export function strang(psi: Vector, dt: number, linear: Apply, angle: (psi: Vector, index: number) => number): Vector {
  const half = (state: Vector): Vector => {
    const out = zeros(state.re.length)
    for (let k = 0; k < state.re.length; k++) {
      const value = times({ re: state.re[k]!, im: state.im[k]! }, unit((-dt / 2) * angle(state, k)))
      out.re[k] = value.re
      out.im[k] = value.im
    }
    return out
  }
  return half(linear(half(psi)))
}

/**
 * J_0(x) … J_count−1(x), by the recurrence J_{k−1} = (2k/x) J_k − J_{k+1} downwards from far beyond x (stable in that
 * direction), scaled by J_0 + 2 Σ J_{2k} = 1. (Miller; Abramowitz, Stegun 9.12.)
 */
export function bessel(count: number, x: number): Float64Array {
  const out = new Float64Array(count)
  if (x === 0) {
    if (count > 0) out[0] = 1
    return out
  }
  const start = 2 * Math.ceil((Math.max(count, Math.abs(x)) + 30 + 12 * Math.cbrt(Math.abs(x))) / 2)
  let [above, here, sum] = [0, 1e-300, 0]
  for (let k = start; k >= 0; k--) {
    // here ∝ J_k
    if (k < count) out[k] = here
    sum += k === 0 ? here : k % 2 === 0 ? 2 * here : 0
    ;[above, here] = [here, ((2 * k) / x) * here - above]
    if (Math.abs(here) > 1e250) {
      above *= 1e-250
      here *= 1e-250
      sum *= 1e-250
      for (let j = k; j < count; j++) out[j]! *= 1e-250
    }
  }
  return out.map((value) => value / sum)
}

/** Coefficients (2 − δ_k0)(−i)ᵏ J_k(Rt) of e^{−iRt s} in Chebyshev polynomials T_k(s), s in [−1, 1]. */
export function chebyshevCoefficients(count: number, rt: number): Complex[] {
  const powers = [complex(1), complex(0, -1), complex(-1), complex(0, 1)]
  return Array.from(bessel(count, rt), (value, k) => times(powers[k % 4]!, complex(k === 0 ? value : 2 * value)))
}

/** exp(−iHt)ψ for a spectrum within [low, high]: e^{−ict} Σ c_k T_k((H − c)/R)ψ; terms as many as `count`. */
export function chebyshev(h: Apply, low: number, high: number, t: number, psi: Vector, count: number): Vector {
  const [centre, radius] = [(low + high) / 2, (high - low) / 2]
  const inside = (x: Vector): Vector => scaled(1 / radius, plus(h(x), -centre, x))
  const coefficients = chebyshevCoefficients(count, radius * t)
  let [before, term] = [psi, inside(psi)]
  let sum = plus(scaled(coefficients[0]!, psi), coefficients[1] ?? 0, term)
  for (const coefficient of coefficients.slice(2)) {
    ;[before, term] = [term, minus(scaled(2, inside(term)), before)]
    sum = plus(sum, coefficient, term)
  }
  return scaled(unit(-centre * t), sum)
}

/** ⟨ψ, Hψ⟩ */
export function energy(h: Apply, psi: Vector): number {
  const image = h(psi)
  let sum = 0
  for (let k = 0; k < psi.re.length; k++) sum += times(conj({ re: psi.re[k]!, im: psi.im[k]! }), { re: image.re[k]!, im: image.im[k]! }).re // prettier-ignore
  return sum
}
