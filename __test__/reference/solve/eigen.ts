/** Hermitian eigenvalue problems by cyclic Jacobi rotations. (Golub, Van Loan, 8.5.) */
import { copy, identity, isReal, matrixFrom, type Matrix } from './dense.ts'

export interface Eigen {
  /** Ascending. */
  values: Float64Array
  /** Column k belongs to `values[k]`; orthonormal. */
  vectors: Matrix
}

/**
 * Eigenvalues and vectors of a Hermitian matrix. Each step multiplies row and column q by a phase that makes a_pq real
 * and then rotates the pair by the real angle that makes it zero.
 */
export function hermitianEigen(hermitian: Matrix): Eigen {
  const n = hermitian.rows
  const a = copy(hermitian)
  const v = identity(n)
  const parts = isReal(a) ? [a.re] : [a.re, a.im]
  const vectorParts = isReal(a) ? [v.re] : [v.re, v.im]
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const size = Math.hypot(a.re[p * n + q]!, a.im[p * n + q]!)
        const [app, aqq] = [a.re[p * n + p]!, a.re[q * n + q]!]
        // What is below the rounding of the largest diagonal element of the pair moves no eigenvalue by more than that.
        if (size <= 1e-17 * Math.max(Math.abs(app), Math.abs(aqq)) || size < 1e-300) continue
        rotated = true
        turn(a.re, a.im, v.re, v.im, n, q, a.re[p * n + q]! / size, a.im[p * n + q]! / size, parts.length === 1)
        const theta = (aqq - app) / (2 * size)
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1))
        const c = 1 / Math.hypot(t, 1)
        for (const part of parts) rotate(part, n, p, q, c, t * c, true)
        for (const part of vectorParts) rotate(part, n, p, q, c, t * c, false)
        a.re[p * n + q] = a.re[q * n + p] = a.im[p * n + q] = a.im[q * n + p] = 0
        // The diagonal from the angle and not from the products, which would lose a rounding per rotation.
        a.re[p * n + p] = app - t * size
        a.re[q * n + q] = aqq + t * size
        a.im[p * n + p] = a.im[q * n + q] = 0
      }
    }
    if (!rotated) break
  }
  const order = Array.from({ length: n }, (_, k) => k).sort((i, j) => a.re[i * n + i]! - a.re[j * n + j]!)
  return {
    values: Float64Array.from(order, (k) => a.re[k * n + k]!),
    vectors: matrixFrom(n, n, (i, j) => ({ re: v.re[i * n + order[j]!]!, im: v.im[i * n + order[j]!]! })),
  }
}

/** Column q of A and V times conj(phase), row q of A times phase, where phase = re + i im: a_pq becomes real. */
function turn(
  are: Float64Array,
  aim: Float64Array,
  vre: Float64Array,
  vim: Float64Array,
  n: number,
  q: number,
  re: number,
  im: number,
  real: boolean,
): void {
  const multiplyAt = (x: Float64Array, y: Float64Array, k: number, sign: number): void => {
    const [p, r] = [x[k]!, y[k]!]
    x[k] = p * re - sign * r * im
    y[k] = r * re + sign * p * im
  }
  if (real && re > 0) return
  for (let k = 0; k < n; k++) {
    multiplyAt(are, aim, k * n + q, -1)
    multiplyAt(vre, vim, k * n + q, -1)
    multiplyAt(are, aim, q * n + k, 1)
  }
}

/** Columns p and q become (c x_p − s x_q, s x_p + c x_q); then the rows, if asked. */
function rotate(a: Float64Array, n: number, p: number, q: number, c: number, s: number, rows: boolean): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[k * n + p]!, a[k * n + q]!]
    a[k * n + p] = c * x - s * y
    a[k * n + q] = s * x + c * y
  }
  if (!rows) return
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[p * n + k]!, a[q * n + k]!]
    a[p * n + k] = c * x - s * y
    a[q * n + k] = s * x + c * y
  }
}

/** Numbers of eigenvalues below −tolerance, within, and above. */
export function inertia(
  values: ArrayLike<number>,
  tolerance: number,
): { negative: number; zero: number; positive: number } {
  // prettier-ignore
  const count = { negative: 0, zero: 0, positive: 0 }
  for (const value of Array.from(values)) count[value < -tolerance ? 'negative' : value > tolerance ? 'positive' : 'zero']++ // prettier-ignore
  return count
}
