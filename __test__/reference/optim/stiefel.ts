/**
 * Steps that keep WᴴW (Z. Wen, W. Yin, Math. Program. 142, 2013): A = U Wᴴ − W Uᴴ is skew-Hermitian,
 * W′ = (I + (η/2)A)⁻¹ (I − (η/2)A) W. With U the gradient, dW′/dη at 0 is −A W, minus the gradient in the canonical metric.
 */
import { adjoint, apply, combine, identity, matrixFrom, multiply, type Matrix, type Vector } from '../solve/dense.ts' // prettier-ignore
import { solve } from '../solve/factor.ts'

export const skew = (w: Matrix, u: Matrix): Matrix => combine(multiply(u, adjoint(w)), -1, multiply(w, adjoint(u)))

export function cayleyRetraction(w: Matrix, u: Matrix, eta: number): Matrix {
  const a = skew(w, u)
  const [left, right] = [combine(identity(w.rows), eta / 2, a), combine(identity(w.rows), -eta / 2, a)]
  const columns = Array.from({ length: w.cols }, (_, j) => solve(left, apply(right, column(w, j)))!)
  return matrixFrom(w.rows, w.cols, (i, j) => ({ re: columns[j]!.re[i]!, im: columns[j]!.im[i]! }))
}

const column = (a: Matrix, j: number): Vector => ({
  re: Float64Array.from({ length: a.rows }, (_, i) => a.re[i * a.cols + j]!),
  im: Float64Array.from({ length: a.rows }, (_, i) => a.im[i * a.cols + j]!),
})

/** Largest element of WᴴW − I. */
export function orthogonalityDefect(w: Matrix): number {
  const gram = combine(multiply(adjoint(w), w), -1, identity(w.cols))
  return Math.max(...Array.from(gram.re, (re, k) => Math.hypot(re, gram.im[k]!)))
}
