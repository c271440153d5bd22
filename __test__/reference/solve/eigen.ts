/** Hermitian eigenvalue problems by cyclic Jacobi rotations. (Golub, Van Loan, 8.5.) */
import { copy, identity, isReal, matrixFrom, type Matrix, type Vector } from './dense.ts'

export interface Eigen {
  /** Ascending. */
  values: Float64Array
  /** Column k belongs to `values[k]`; orthonormal. */
  vectors: Matrix
}

/**
 * Eigenvalues and vectors of a Hermitian matrix. Each step multiplies row and column q by a phase that makes a_pq real
 * and then rotates the pair by the real angle that makes it zero. Only rows are computed, since they lie together in
 * memory; columns are their conjugates. Row k of `v` is the transpose of vector k; `withVectors: false` leaves it an identity,
 * in half of the time.
 */
export function hermitianEigen(hermitian: Matrix, withVectors: boolean = true): Eigen {
  const n = hermitian.rows
  const a = copy(hermitian)
  const v = identity(n)
  const real = isReal(a)
  const parts = [a, ...(withVectors ? [v] : [])].flatMap(({ re, im }) => (real ? [re] : [re, im]))
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const [re, im] = [a.re[p * n + q]!, a.im[p * n + q]!]
        const size = real ? Math.abs(re) : Math.hypot(re, im)
        const [app, aqq] = [a.re[p * n + p]!, a.re[q * n + q]!]
        // What is below the rounding of the largest diagonal element of the pair moves no eigenvalue by more than that.
        if (size <= 1e-17 * Math.max(Math.abs(app), Math.abs(aqq)) || size < 1e-300) continue
        rotated = true
        if (im !== 0 || re < 0) {
          turnRow(a, n, q, re / size, im / size)
          if (withVectors) turnRow(v, n, q, re / size, -im / size)
        }
        const theta = (aqq - app) / (2 * size)
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1))
        const c = 1 / Math.hypot(t, 1)
        for (const part of parts) rotateRows(part, n, p, q, c, t * c)
        for (let k = 0; k < n; k++) {
          a.re[k * n + p] = a.re[p * n + k]!
          a.re[k * n + q] = a.re[q * n + k]!
          if (real) continue
          a.im[k * n + p] = -a.im[p * n + k]!
          a.im[k * n + q] = -a.im[q * n + k]!
        }
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
    vectors: matrixFrom(n, n, (i, j) => ({ re: v.re[order[j]! * n + i]!, im: v.im[order[j]! * n + i]! })),
  }
}

/** Row q times re + i im. */
function turnRow(a: Vector, n: number, q: number, re: number, im: number): void {
  for (let k = q * n; k < q * n + n; k++) {
    const [x, y] = [a.re[k]!, a.im[k]!]
    a.re[k] = x * re - y * im
    a.im[k] = x * im + y * re
  }
}

/** Rows p and q become c x_p − s x_q and s x_p + c x_q. */
function rotateRows(a: Float64Array, n: number, p: number, q: number, c: number, s: number): void {
  for (let i = p * n, j = q * n; i < p * n + n; i++, j++) {
    const [x, y] = [a[i]!, a[j]!]
    a[i] = c * x - s * y
    a[j] = s * x + c * y
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
