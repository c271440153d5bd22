/** The planes in which an atom is drawn. Geometry of a drawing: nothing that is fitted or reported elsewhere comes from here. */
import type { Matrix } from '../../matrix.ts'
import type { Point } from '../charts/atoms/plane.ts'

/** Two orthonormal directions of the data's space. */
export interface Plane {
  /** Zeros where there is no such direction. */
  directions: readonly [Float64Array, Float64Array]
  /** Share of ‖B without its constant row‖² along the two. */
  share: number
}

/** A second plane is drawn if this share is in it: less than that is not seen. */
const WORTH_DRAWING = 0.01

/**
 * The plane of the two leading right singular directions of the decoder without its constant row, from the eigenvectors of its
 * Gram matrix B₊B₊ᵀ (functions × functions, small), and that of the next two where it shows something. A line has one
 * direction: the second is then what is left of the constant row beside it.
 */
export function planesOf(decoder: Matrix): Plane[] {
  const { rows, cols, data } = decoder
  const row = (i: number): Float64Array => data.subarray(i * cols, (i + 1) * cols)
  const moving = Array.from({ length: Math.max(0, rows - 1) }, (_, i) => row(i + 1))
  const { values, vectors } = eigen(moving.map((a) => moving.map((b) => dot(a, b))))
  const total = values.reduce((sum, value) => sum + value, 0)
  const along = (k: number): Float64Array => {
    const out = new Float64Array(cols)
    vectors[k]?.forEach((weight, i) => moving[i]!.forEach((x, j) => (out[j]! += weight * x)))
    return unit(out, Math.sqrt(total))
  }
  const plane = (k: number): Plane => ({
    directions: [along(k), along(k + 1)],
    share: total > 0 ? Math.min(1, ((values[k] ?? 0) + (values[k + 1] ?? 0)) / total) : Number(k === 0),
  })
  const [top, next] = [plane(0), plane(2)]
  const [first, second] = top.directions
  if (rows > 0 && dot(second, second) === 0) {
    const overlap = dot(row(0), first)
    const rest = row(0).map((x, j) => x - overlap * first[j]!)
    top.directions = [first, unit(rest, Math.sqrt(dot(row(0), row(0))))]
  }
  return next.share > WORTH_DRAWING ? [top, next] : [top]
}

/** Where a row lies in the plane. */
export function project({ directions }: Plane, row: Float64Array): Point {
  return [dot(row, directions[0]), dot(row, directions[1])]
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}

/** Scaled to length 1; zeros if it is nothing but rounding beside `size`. */
function unit(vector: Float64Array, size: number): Float64Array {
  const length = Math.sqrt(dot(vector, vector))
  return length > 1e-10 * size ? vector.map((x) => x / length) : new Float64Array(vector.length)
}

/** Eigenvalues, largest first, and eigenvectors of a symmetric matrix by Jacobi's rotations in cyclic order. */
function eigen(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length
  const a = matrix.map((row) => [...row])
  const v = a.map((_, i) => a.map((__, j) => Number(i === j)))
  const rotate = (x: number[], y: number[], c: number, s: number): void => {
    for (let k = 0; k < n; k++) [x[k], y[k]] = [c * x[k]! - s * y[k]!, s * x[k]! + c * y[k]!]
  }
  // Convergence is quadratic: a dozen sweeps are more than any size needs.
  for (let sweep = 0; sweep < 12; sweep++) {
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        if (a[i]![j] === 0) continue
        const theta = (a[j]![j]! - a[i]![i]!) / (2 * a[i]![j]!)
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const c = 1 / Math.sqrt(t * t + 1)
        rotate(a[i]!, a[j]!, c, t * c)
        for (const row of a) [row[i], row[j]] = [c * row[i]! - t * c * row[j]!, t * c * row[i]! + c * row[j]!]
        rotate(v[i]!, v[j]!, c, t * c)
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]! || i - j)
  return { values: order.map((i) => Math.max(0, a[i]![i]!)), vectors: order.map((i) => v[i]!) }
}
