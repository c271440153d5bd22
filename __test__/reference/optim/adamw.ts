/**
 * AdamW (I. Loshchilov, F. Hutter, arXiv 1711.05101) of real and complex tensors, with Langevin noise.
 *
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)s(g), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), t = 1, 2, …,
 * G = min(1/(√v̂ + ε), cap), θ ← (1 − ηλ)θ − ηG m̂ + √(2TηG) ξ.
 *
 * g = ∂L/∂Re θ + i ∂L/∂Im θ. s = g² of a real tensor; of a complex one (Re g)² and (Im g)² each for its part
 * (`perPart`), or |g|² for both (`modulus`). ξ has one N(0, 1) for each real part. Drift and noise have the same G, or the
 * stationary law would be another one (C. Li et al., arXiv 1512.07666, without the term Γ).
 */
import { vector, type Vector } from '../solve/dense.ts'

export interface AdamWSettings {
  lr: number
  beta1: number
  beta2: number
  epsilon: number
  weightDecay: number
  secondMoment: 'perPart' | 'modulus'
  /** The imaginary parts are parameters too. */
  complex: boolean
  /** T; 0: no noise. */
  temperature?: number
  /** Largest G. */
  cap?: number
  /** ξ of a part: its number among the reals of the tensor, (re, im) by (re, im) where complex. */
  noise?: (part: number) => number
}
export interface AdamWState {
  m: Vector
  v: Vector
  t: number
}

export const adamwStart = (n: number): AdamWState => ({ m: vector(new Float64Array(n)), v: vector(new Float64Array(n)), t: 0 }) // prettier-ignore

export function adamw(
  theta: Vector,
  g: Vector,
  state: AdamWState,
  settings: AdamWSettings,
): { theta: Vector; state: AdamWState; noiseRms: number; driftRms: number } {
  const { lr, beta1, beta2, epsilon, weightDecay, secondMoment, complex, temperature = 0, cap = Infinity, noise } = settings // prettier-ignore
  const t = state.t + 1
  const next = adamwStart(theta.re.length)
  const out = vector(theta.re, theta.im)
  const squares = { noise: 0, drift: 0, parts: 0 }
  for (let k = 0; k < theta.re.length; k++) {
    const modulus = g.re[k]! ** 2 + g.im[k]! ** 2
    for (const part of complex ? (['re', 'im'] as const) : (['re'] as const)) {
      const s = secondMoment === 'modulus' ? modulus : g[part][k]! ** 2
      const m = (next.m[part][k] = beta1 * state.m[part][k]! + (1 - beta1) * g[part][k]!)
      const v = (next.v[part][k] = beta2 * state.v[part][k]! + (1 - beta2) * s)
      const metric = Math.min(1 / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon), cap)
      const drift = (lr * metric * m) / (1 - beta1 ** t)
      const place = complex ? 2 * k + (part === 'im' ? 1 : 0) : k
      const shake = temperature > 0 ? Math.sqrt(2 * temperature * lr * metric) * noise!(place) : 0
      out[part][k] = (1 - lr * weightDecay) * theta[part][k]! - drift + shake
      squares.noise += shake ** 2
      squares.drift += drift ** 2
      squares.parts++
    }
  }
  return {
    theta: out,
    state: { ...next, t },
    noiseRms: Math.sqrt(squares.noise / squares.parts),
    driftRms: Math.sqrt(squares.drift / squares.parts),
  }
}

/** No noise before v̂ knows half of what it will know: 0 while 1 − β₂ᵗ ≤ ½, t the number of this step from 1. */
export const afterBurnIn = (temperature: number, beta2: number, t: number): number =>
  1 - beta2 ** t > 0.5 ? temperature : 0

/**
 * Stationary variance of one real coordinate with U = λθ²/2 under a constant G, in units of T/λ. Without momentum
 * 1/(1 − hGλ/2), exact; with it 1 + hGλ (1 + β₁)/(2 (1 − β₁)) to first order in h.
 */
export const stationaryVariance = (hGlambda: number, beta1: number = 0): number =>
  beta1 === 0 ? 1 / (1 - hGlambda / 2) : 1 + (hGlambda * (1 + beta1)) / (2 * (1 - beta1))
