/**
 * Complex numbers, vectors and dense matrices. Everything here is complex; a real problem is one whose imaginary parts
 * are zero, for which the same operations give bit for bit what real arithmetic gives (finite numbers only).
 */

export interface Complex {
  re: number
  im: number
}
export interface Vector {
  re: Float64Array
  im: Float64Array
}
/** Row-major. */
export interface Matrix extends Vector {
  rows: number
  cols: number
}
/** A linear map: returns a new vector. */
export type Apply = (x: Vector) => Vector

export const complex = (re: number, im: number = 0): Complex => ({ re, im })
export const conj = (a: Complex): Complex => ({ re: a.re, im: -a.im })
export const negate = (a: Complex): Complex => ({ re: -a.re, im: -a.im })
export const modulus = (a: Complex): number => Math.hypot(a.re, a.im)
export const times = (a: Complex, b: Complex): Complex => ({
  re: a.re * b.re - a.im * b.im,
  im: a.re * b.im + a.im * b.re,
})

/** a / b without overflow on the way: b is brought to modulus about 1 first. */
export function over(a: Complex, b: Complex): Complex {
  const size = Math.max(Math.abs(b.re), Math.abs(b.im))
  const [re, im] = [b.re / size, b.im / size]
  const square = re * re + im * im
  const [p, q] = [a.re / size, a.im / size]
  return { re: (p * re + q * im) / square, im: (q * re - p * im) / square }
}

export const zeros = (n: number): Vector => ({ re: new Float64Array(n), im: new Float64Array(n) })
export const vector = (re: ArrayLike<number>, im?: ArrayLike<number>): Vector => ({
  re: Float64Array.from(re),
  im: im === undefined ? new Float64Array(re.length) : Float64Array.from(im),
})
export const copy = (x: Vector): Vector => vector(x.re, x.im)
export const isReal = (x: Vector): boolean => x.im.every((value) => value === 0)
export const isFinite = (x: Vector): boolean => x.re.every(Number.isFinite) && x.im.every(Number.isFinite)

/** From and to (re, im, re, im, …). */
export function fromInterleaved(data: ArrayLike<number>): Vector {
  const n = data.length / 2
  return {
    re: Float64Array.from({ length: n }, (_, k) => data[2 * k]!),
    im: Float64Array.from({ length: n }, (_, k) => data[2 * k + 1]!),
  }
}
export const toInterleaved = (x: Vector): Float64Array =>
  Float64Array.from({ length: 2 * x.re.length }, (_, k) => (k % 2 === 0 ? x.re : x.im)[k >> 1]!)

/** uᴴv */
export function dot(u: Vector, v: Vector): Complex {
  let re = 0
  let im = 0
  for (let k = 0; k < u.re.length; k++) {
    re += u.re[k]! * v.re[k]! + u.im[k]! * v.im[k]!
    im += u.re[k]! * v.im[k]! - u.im[k]! * v.re[k]!
  }
  return { re, im }
}
/** uᵀv, nothing conjugated. */
export const dotUnconjugated = (u: Vector, v: Vector): Complex => dot({ re: u.re, im: u.im.map((x) => -x) }, v)

export function largest({ re, im }: Vector): number {
  let most = 0
  for (let k = 0; k < re.length; k++) {
    // Math.max keeps a NaN.
    most = Math.max(most, Math.abs(re[k]!), Math.abs(im[k]!))
  }
  return most
}
/** ‖x‖₂; squares neither overflow nor vanish. */
export function norm(x: Vector): number {
  const size = largest(x)
  if (size === 0 || !Number.isFinite(size)) return size
  let sum = 0
  for (let k = 0; k < x.re.length; k++) sum += (x.re[k]! / size) ** 2 + (x.im[k]! / size) ** 2
  return size * Math.sqrt(sum)
}

/** y + αx */
export function plus(y: Vector, alpha: Complex | number, x: Vector): Vector {
  const [a, b] = typeof alpha === 'number' ? [alpha, 0] : [alpha.re, alpha.im]
  const sum = zeros(y.re.length)
  for (let k = 0; k < y.re.length; k++) {
    sum.re[k] = y.re[k]! + (a * x.re[k]! - b * x.im[k]!)
    sum.im[k] = y.im[k]! + (a * x.im[k]! + b * x.re[k]!)
  }
  return sum
}
export const minus = (y: Vector, x: Vector): Vector => plus(y, -1, x)
export const scaled = (alpha: Complex | number, x: Vector): Vector => plus(zeros(x.re.length), alpha, x)
/** ‖x − y‖ / ‖y‖ */
export const distance = (x: Vector, y: Vector): number => norm(minus(x, y)) / norm(y)

export const matrix = (rows: number, cols: number): Matrix => ({ rows, cols, ...zeros(rows * cols) })
export function matrixFrom(rows: number, cols: number, entry: (i: number, j: number) => Complex | number): Matrix {
  const a = matrix(rows, cols)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const value = entry(i, j)
      a.re[i * cols + j] = typeof value === 'number' ? value : value.re
      a.im[i * cols + j] = typeof value === 'number' ? 0 : value.im
    }
  }
  return a
}
export const at = (a: Matrix, i: number, j: number): Complex => ({ re: a.re[i * a.cols + j]!, im: a.im[i * a.cols + j]! }) // prettier-ignore
export const identity = (n: number): Matrix => matrixFrom(n, n, (i, j) => (i === j ? 1 : 0))
export const diagonal = (values: ArrayLike<number>): Matrix => matrixFrom(values.length, values.length, (i, j) => (i === j ? values[i]! : 0)) // prettier-ignore
export const adjoint = (a: Matrix): Matrix => matrixFrom(a.cols, a.rows, (i, j) => conj(at(a, j, i)))
/** A + αB */
export const combine = (a: Matrix, alpha: Complex | number, b: Matrix): Matrix => ({ rows: a.rows, cols: a.cols, ...plus(a, alpha, b) }) // prettier-ignore

export function apply(a: Matrix, x: Vector): Vector {
  const y = zeros(a.rows)
  for (let i = 0; i < a.rows; i++) {
    let re = 0
    let im = 0
    for (let j = 0, k = i * a.cols; j < a.cols; j++, k++) {
      re += a.re[k]! * x.re[j]! - a.im[k]! * x.im[j]!
      im += a.re[k]! * x.im[j]! + a.im[k]! * x.re[j]!
    }
    y.re[i] = re
    y.im[i] = im
  }
  return y
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const product = matrix(a.rows, b.cols)
  for (let j = 0; j < b.cols; j++) {
    const column = zeros(b.rows)
    for (let i = 0; i < b.rows; i++) {
      column.re[i] = b.re[i * b.cols + j]!
      column.im[i] = b.im[i * b.cols + j]!
    }
    const image = apply(a, column)
    for (let i = 0; i < a.rows; i++) {
      product.re[i * b.cols + j] = image.re[i]!
      product.im[i * b.cols + j] = image.im[i]!
    }
  }
  return product
}

/** The 2n × 2n real matrix that does to (re, im) what A does to re + i im: [[Re A, −Im A], [Im A, Re A]]. */
export const realBlock = (a: Matrix): Matrix =>
  matrixFrom(2 * a.rows, 2 * a.cols, (i, j) => {
    const value = at(a, i % a.rows, j % a.cols)
    if (i < a.rows === j < a.cols) return value.re
    return i < a.rows ? -value.im : value.im
  })
/** (re, im) one after the other, as a real vector of twice the length. */
export const realParts = (x: Vector): Vector => vector([...x.re, ...x.im])

/** Largest element of A − Aᴴ over the largest of A. */
export const hermitianDefect = (a: Matrix): number => largest(combine(a, -1, adjoint(a))) / largest(a)
/** ‖b − Ax‖ / ‖b‖ */
export const trueResidual = (a: Matrix, x: Vector, b: Vector): number => norm(minus(b, apply(a, x))) / norm(b)
