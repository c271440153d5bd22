/** Dense symmetric matrices, row-major: factor, solve, eigenvalues. */

/**
 * Lower Cholesky factor, or `undefined` where a pivot is not above `floor` times its diagonal element: the matrix is not
 * positive definite to that precision.
 */
export function cholesky(a: Float64Array, n: number, floor: number = 1e-14): Float64Array | undefined {
  const l = Float64Array.from(a)
  for (let j = 0; j < n; j++) {
    let pivot = l[j * n + j]!
    for (let k = 0; k < j; k++) pivot -= l[j * n + k]! * l[j * n + k]!
    if (!(pivot > floor * a[j * n + j]!) || !(pivot > 0)) return undefined
    const root = Math.sqrt(pivot)
    l[j * n + j] = root
    for (let i = j + 1; i < n; i++) {
      let sum = l[i * n + j]!
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      l[i * n + j] = sum / root
    }
    for (let i = 0; i < j; i++) l[i * n + j] = 0
  }
  return l
}

/** Solves L Lᵀ x = b. */
export function choleskySolve(l: Float64Array, n: number, b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!
    x[i]! /= l[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!
    x[i]! /= l[i * n + i]!
  }
  return x
}

/** All eigenvalues of a symmetric matrix, ascending, by cyclic Jacobi rotations. */
export function eigenvalues(symmetric: Float64Array, n: number): Float64Array {
  const a = Float64Array.from(symmetric)
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0
    let diagonal = 0
    for (let i = 0; i < n; i++) {
      diagonal += a[i * n + i]! ** 2
      for (let j = 0; j < i; j++) off += a[i * n + j]! ** 2
    }
    if (off <= 1e-30 * diagonal) break
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q]!
        // Far below rounding; rotating it would only breed subnormal numbers, which are slow.
        if (Math.abs(apq) <= 1e-18 * Math.sqrt(Math.abs(a[p * n + p]! * a[q * n + q]!))) {
          a[p * n + q] = a[q * n + p] = 0
          continue
        }
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq)
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1))
        const c = 1 / Math.hypot(t, 1)
        const s = t * c
        for (let k = 0; k < n; k++) {
          const akp = a[k * n + p]!
          const akq = a[k * n + q]!
          a[k * n + p] = c * akp - s * akq
          a[k * n + q] = s * akp + c * akq
        }
        for (let k = 0; k < n; k++) {
          const apk = a[p * n + k]!
          const aqk = a[q * n + k]!
          a[p * n + k] = c * apk - s * aqk
          a[q * n + k] = s * apk + c * aqk
        }
      }
    }
  }
  return Float64Array.from({ length: n }, (_, i) => a[i * n + i]!).sort()
}

/** Rows and columns `indices` of a square matrix. */
export function submatrix(a: Float64Array, n: number, indices: readonly number[]): Float64Array {
  const k = indices.length
  const out = new Float64Array(k * k)
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) out[i * k + j] = a[indices[i]! * n + indices[j]!]!
  return out
}

/** Transpose of a rows × cols matrix. */
export function transpose(a: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(a.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j]!
  return out
}
