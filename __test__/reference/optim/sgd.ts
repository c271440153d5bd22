/**
 * Stochastic gradient descent with momentum and decoupled weight decay; its Langevin form.
 *
 * b ← μb + g, u = b (heavy ball, B. T. Polyak 1964) or g + μb (Nesterov as of I. Sutskever et al. 2013, the gradient taken
 * at the parameters themselves); θ ← (1 − ηλ)θ − ηu. SGLD (M. Welling, Y. W. Teh 2011): μ = 0 and + √(2Tη) ξ.
 */
import { plus, scaled, vector, zeros, type Vector } from '../solve/dense.ts'

export interface SgdSettings {
  lr: number
  momentum: number
  nesterov: boolean
  weightDecay: number
  /** T; 0: no noise. */
  temperature?: number
  /** ξ of a part: its number among the reals, as of AdamW. */
  noise?: (part: number) => number
  /** The imaginary parts are parameters too, and get noise. */
  complex?: boolean
}

export function sgd(
  theta: Vector,
  g: Vector,
  buffer: Vector,
  { lr, momentum, nesterov, weightDecay, temperature = 0, noise, complex = false }: SgdSettings,
): { theta: Vector; buffer: Vector } {
  const next = plus(g, momentum, buffer)
  const u = nesterov ? plus(g, momentum, next) : next
  const moved = plus(scaled(1 - lr * weightDecay, theta), -lr, u)
  if (temperature === 0) return { theta: moved, buffer: next }
  const size = Math.sqrt(2 * temperature * lr)
  const n = theta.re.length
  const xi = complex
    ? {
        re: Float64Array.from({ length: n }, (_, k) => noise!(2 * k)),
        im: Float64Array.from({ length: n }, (_, k) => noise!(2 * k + 1)),
      }
    : vector(Array.from({ length: n }, (_, k) => noise!(k)))
  return { theta: plus(moved, size, xi), buffer: next }
}

export const sgdStart = (n: number): Vector => zeros(n)
