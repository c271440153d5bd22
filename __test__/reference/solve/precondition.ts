/** z = M⁻¹r for the simplest M. */
import { adjoint, apply, at, conj, matrix, matrixFrom, minus, modulus, times, type Apply, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { choleskySolve, solve } from './factor.ts'

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

/** M = the diagonal blocks of A of the given sizes, by LU of M as a whole. */
export function blockJacobi(a: Matrix, sizes: readonly number[]): Apply {
  const owner = sizes.flatMap((size, block) => Array<number>(size).fill(block))
  const m = matrixFrom(a.rows, a.cols, (i, j) => (owner[i] === owner[j] ? at(a, i, j) : 0))
  return (r) => solve(m, r)!
}

/** Block elimination of [[D, E], [Eᴴ, S₀]]: S = S₀ − EᴴD⁻¹E, x₂ = S⁻¹(b₂ − EᴴD⁻¹b₁), x₁ = D⁻¹(b₁ − Ex₂). */
export function schur(d: Matrix, e: Matrix, s0: Matrix): { s: Matrix; precondition: Apply } {
  const column = (m: Matrix, j: number): Vector => ({ re: m.re.filter((_, k) => k % m.cols === j), im: m.im.filter((_, k) => k % m.cols === j) }) // prettier-ignore
  const solved = Array.from({ length: e.cols }, (_, j) => solve(d, column(e, j))!)
  const star = adjoint(e)
  const images = solved.map((x) => apply(star, x))
  const s = matrixFrom(s0.rows, s0.cols, (i, j) => ({ re: at(s0, i, j).re - images[j]!.re[i]!, im: at(s0, i, j).im - images[j]!.im[i]! })) // prettier-ignore
  const precondition: Apply = (b) => {
    const part = (from: number, to: number): Vector => ({ re: b.re.slice(from, to), im: b.im.slice(from, to) })
    const [b1, b2] = [part(0, d.rows), part(d.rows, b.re.length)]
    const x2 = solve(s, minus(b2, apply(star, solve(d, b1)!)))!
    const x1 = solve(d, minus(b1, apply(e, x2)))!
    return { re: Float64Array.of(...x1.re, ...x2.re), im: Float64Array.of(...x1.im, ...x2.im) }
  }
  return { s, precondition }
}

/**
 * Incomplete Cholesky factor with fill: row by row l_ik = (a_ik − Σ_{j<k} l_ij conj(l_kj))/l_kk at every place; what is
 * not above drop·√a_ii is dropped before it enters another sum; then a row keeps its largest, as many as A's row has left
 * of the diagonal and `fill` more; the pivot is from those kept. `undefined` where a pivot is not positive.
 */
export function thresholdCholesky(a: Matrix, drop: number, fill: number): Matrix | undefined {
  const n = a.rows
  const l = matrix(n, n)
  for (let i = 0; i < n; i++) {
    const found: { k: number; value: Complex }[] = []
    const limit = drop * Math.sqrt(a.re[i * n + i]!)
    let own = 0
    for (let k = 0; k < i; k++) {
      const value = at(a, i, k)
      if (modulus(value) > 0) own++
      for (const { k: j, value: left } of found) {
        const product = times(left, conj(at(l, k, j)))
        value.re -= product.re
        value.im -= product.im
      }
      value.re /= l.re[k * n + k]!
      value.im /= l.re[k * n + k]!
      if (modulus(value) > limit) found.push({ k, value })
    }
    const kept = found.sort((p, q) => modulus(q.value) - modulus(p.value)).slice(0, own + fill)
    let pivot = a.re[i * n + i]!
    for (const { k, value } of kept) {
      l.re[i * n + k] = value.re
      l.im[i * n + k] = value.im
      pivot -= modulus(value) ** 2
    }
    if (!(pivot > 0)) return undefined
    l.re[i * n + i] = Math.sqrt(pivot)
  }
  return l
}
