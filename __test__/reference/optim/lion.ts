/**
 * Lion (X. Chen et al., arXiv 2302.06675): c = β₁m + (1 − β₁)g, θ ← θ − η(sign(c) + λθ), m ← β₂m + (1 − β₂)g, with the
 * old m in both lines. sign(0) = 0. Of a complex c either each part has its sign (`perPart`) or it is c/|c| (`modulus`),
 * which turns with g.
 */
import { plus, scaled, vector, type Vector } from '../solve/dense.ts'

export interface LionSettings {
  lr: number
  beta1: number
  beta2: number
  weightDecay: number
  sign: 'perPart' | 'modulus'
}

export function lion(
  theta: Vector,
  g: Vector,
  m: Vector,
  { lr, beta1, beta2, weightDecay, sign }: LionSettings,
): { theta: Vector; m: Vector } {
  const c = plus(scaled(beta1, m), 1 - beta1, g)
  const u = vector(c.re.map(Math.sign), c.im.map(Math.sign))
  if (sign === 'modulus') {
    c.re.forEach((re, k) => {
      const size = Math.hypot(re, c.im[k]!)
      u.re[k] = size > 0 ? re / size : 0
      u.im[k] = size > 0 ? c.im[k]! / size : 0
    })
  }
  return {
    theta: plus(scaled(1 - lr * weightDecay, theta), -lr, u),
    m: plus(scaled(beta2, m), 1 - beta2, g),
  }
}
