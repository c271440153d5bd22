/** Hermitian eigenvalue problems by cyclic Jacobi rotations. (Golub, Van Loan, 8.5.) */
import { identity, isReal, matrixFrom, type Matrix } from './dense.ts'

export interface Eigen {
  /** Ascending. */
  values: Float64Array
  /** Column k belongs to `values[k]`; orthonormal. */
  vectors: Matrix
}

/**
 * Eigenvalues and vectors of a Hermitian matrix. Each step multiplies row and column q by a phase that makes a_pq real
 * and then rotates the pair by the real angle that makes it zero. Only rows are computed, each an array of its own (of one
 * large array, the elements of a column would compete for the same places of the cache); columns are their conjugates.
 * Row k of `v` is the transpose of vector k; `withVectors: false` leaves it an identity, in half of the time.
 */
export function hermitianEigen(hermitian: Matrix, withVectors: boolean = true): Eigen {
  const n = hermitian.rows
  const real = isReal(hermitian)
  const rowsOf = (part: Float64Array): Float64Array[] =>
    Array.from({ length: n }, (_, k) => part.slice(k * n, k * n + n))
  const [re, im] = [rowsOf(hermitian.re), rowsOf(hermitian.im)]
  const [vre, vim] = [rowsOf(identity(n).re), rowsOf(new Float64Array(n * n))]
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const size = real ? Math.abs(re[p]![q]!) : Math.hypot(re[p]![q]!, im[p]![q]!)
        const [app, aqq] = [re[p]![p]!, re[q]![q]!]
        // What is below the rounding of the largest diagonal element of the pair moves no eigenvalue by more than that.
        if (size <= 1e-17 * Math.max(Math.abs(app), Math.abs(aqq)) || size < 1e-300) continue
        rotated = true
        const phase = { re: re[p]![q]! / size, im: im[p]![q]! / size }
        if (!real) {
          turn(re[q]!, im[q]!, phase.re, phase.im)
          if (withVectors) turn(vre[q]!, vim[q]!, phase.re, -phase.im)
        }
        // A real a_pq keeps its sign, which goes into the angle.
        const value = real ? re[p]![q]! : size
        const theta = (aqq - app) / (2 * value)
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const c = 1 / Math.sqrt(t * t + 1)
        rotate(re[p]!, re[q]!, c, t * c)
        if (withVectors) rotate(vre[p]!, vre[q]!, c, t * c)
        if (!real) {
          rotate(im[p]!, im[q]!, c, t * c)
          if (withVectors) rotate(vim[p]!, vim[q]!, c, t * c)
        }
        mirror(re, p, q, 1)
        if (!real) mirror(im, p, q, -1)
        re[p]![q] = re[q]![p] = im[p]![q] = im[q]![p] = 0
        // The diagonal from the angle and not from the products, which would lose a rounding per rotation.
        re[p]![p] = app - t * value
        re[q]![q] = aqq + t * value
        im[p]![p] = im[q]![q] = 0
      }
    }
    if (!rotated) break
  }
  const order = Array.from({ length: n }, (_, k) => k).sort((i, j) => re[i]![i]! - re[j]![j]!)
  return {
    values: Float64Array.from(order, (k) => re[k]![k]!),
    vectors: matrixFrom(n, n, (i, j) => ({ re: vre[order[j]!]![i]!, im: vim[order[j]!]![i]! })),
  }
}

/** A row times c + i s. */
function turn(re: Float64Array, im: Float64Array, c: number, s: number): void {
  for (let k = 0; k < re.length; k++) {
    const x = re[k]!
    const y = im[k]!
    re[k] = x * c - y * s
    im[k] = x * s + y * c
  }
}

/** Two rows become c x − s y and s x + c y. */
function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let k = 0; k < a.length; k++) {
    const x = a[k]!
    const y = b[k]!
    a[k] = c * x - s * y
    b[k] = s * x + c * y
  }
}

/** Columns p and q from rows p and q. */
function mirror(rows: Float64Array[], p: number, q: number, sign: number): void {
  const [first, second] = [rows[p]!, rows[q]!]
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k]!
    row[p] = sign * first[k]!
    row[q] = sign * second[k]!
  }
}

/** Numbers of eigenvalues below −tolerance, within, and above. */
export function inertia(
  values: ArrayLike<number>,
  tolerance: number,
): { negative: number; zero: number; positive: number } {
  const count = { negative: 0, zero: 0, positive: 0 }
  for (const value of Array.from(values)) count[value < -tolerance ? 'negative' : value > tolerance ? 'positive' : 'zero']++ // prettier-ignore
  return count
}
