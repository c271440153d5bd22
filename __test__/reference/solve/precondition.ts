/** z = M⁻¹r for the simplest M. */
import { at, conj, matrix, times, type Apply, type Matrix } from './dense.ts'
import { choleskySolve } from './factor.ts'

/** M = diag(A). */
export const jacobi =
  (a: Matrix): Apply =>
  (r) => ({
    re: r.re.map((value, k) => value / a.re[k * a.cols + k]!),
    im: r.im.map((value, k) => value / a.re[k * a.cols + k]!),
  })

/**
 * Incomplete Cholesky factor without fill: L has the pattern of A's lower triangle, and LLᴴ equals A on it. Where a pivot is
 * not positive, again for A + σ diag(A), σ = 1e-3, 2e-3, 4e-3, … (Meijerink, van der Vorst 1977; Manteuffel 1980.)
 */
export function incompleteCholesky(a: Matrix): { l: Matrix; shift: number; precondition: Apply } {
  for (let shift = 0; ; shift = shift === 0 ? 1e-3 : 2 * shift) {
    const l = attempt(a, shift)
    if (l !== undefined) return { l, shift, precondition: (r) => choleskySolve(l, r) }
  }
}

function attempt(a: Matrix, shift: number): Matrix | undefined {
  const n = a.rows
  const l = matrix(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const value = at(a, i, j)
      if (i !== j && value.re === 0 && value.im === 0) continue
      if (i === j) value.re *= 1 + shift
      for (let k = 0; k < j; k++) {
        const product = times(at(l, i, k), conj(at(l, j, k)))
        value.re -= product.re
        value.im -= product.im
      }
      if (i === j) {
        if (!(value.re > 0)) return undefined
        l.re[i * n + i] = Math.sqrt(value.re)
      } else {
        l.re[i * n + j] = value.re / l.re[j * n + j]!
        l.im[i * n + j] = value.im / l.re[j * n + j]!
      }
    }
  }
  return l
}
