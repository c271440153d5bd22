/** Direct solution: LU with partial pivoting and refinement, Cholesky. (Golub, Van Loan, Matrix Computations, 3.4, 3.5, 4.2.) */
import { conj, copy, matrix, modulus, norm, over, plus, times, zeros, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore

export interface Factor {
  n: number
  /** Unit lower triangle and upper triangle in one. */
  lu: Matrix
  /** Row `order[i]` of A is row i of LU. */
  order: number[]
}

/** PA = LU, the pivot being the largest modulus of its column; `undefined` where a column is zero. */
export function factorLu(a: Matrix): Factor | undefined {
  const n = a.rows
  const { re, im } = copy(a)
  const order = Array.from({ length: n }, (_, k) => k)
  for (let k = 0; k < n; k++) {
    let pivot = k
    for (let i = k; i < n; i++)
      if (Math.hypot(re[i * n + k]!, im[i * n + k]!) > Math.hypot(re[pivot * n + k]!, im[pivot * n + k]!)) pivot = i
    if (pivot !== k) {
      for (const part of [re, im]) {
        const row = part.slice(k * n, k * n + n)
        part.copyWithin(k * n, pivot * n, pivot * n + n)
        part.set(row, pivot * n)
      }
      ;[order[k], order[pivot]] = [order[pivot]!, order[k]!]
    }
    const value = { re: re[k * n + k]!, im: im[k * n + k]! }
    if (modulus(value) === 0) return undefined
    for (let i = k + 1; i < n; i++) {
      const factor = over({ re: re[i * n + k]!, im: im[i * n + k]! }, value)
      re[i * n + k] = factor.re
      im[i * n + k] = factor.im
      if (factor.re === 0 && factor.im === 0) continue
      for (let j = k + 1; j < n; j++) {
        const [p, q] = [re[k * n + j]!, im[k * n + j]!]
        re[i * n + j]! -= factor.re * p - factor.im * q
        im[i * n + j]! -= factor.re * q + factor.im * p
      }
    }
  }
  return { n, lu: { rows: n, cols: n, re, im }, order }
}

/** Solves with the factor alone. */
export function substitute({ n, lu, order }: Factor, b: Vector): Vector {
  const x: Vector = { re: Float64Array.from(order, (k) => b.re[k]!), im: Float64Array.from(order, (k) => b.im[k]!) }
  const eliminate = (i: number, from: number, to: number): void => {
    for (let j = from; j < to; j++) {
      const [p, q] = [lu.re[i * n + j]!, lu.im[i * n + j]!]
      x.re[i]! -= p * x.re[j]! - q * x.im[j]!
      x.im[i]! -= p * x.im[j]! + q * x.re[j]!
    }
  }
  for (let i = 0; i < n; i++) eliminate(i, 0, i)
  for (let i = n - 1; i >= 0; i--) {
    eliminate(i, i + 1, n)
    const value = over({ re: x.re[i]!, im: x.im[i]! }, { re: lu.re[i * n + i]!, im: lu.im[i * n + i]! })
    x.re[i] = value.re
    x.im[i] = value.im
  }
  return x
}

/** A running sum of products in twice the precision: error-free product (Dekker) and sum (Knuth). */
class LongSum {
  high = 0
  low = 0
  add(x: number): void {
    const sum = this.high + x
    const back = sum - this.high
    this.low += this.high - (sum - back) + (x - back)
    this.high = sum
  }
  addProduct(x: number, y: number): void {
    const product = x * y
    const [xh, yh] = [upper(x), upper(y)]
    const [xl, yl] = [x - xh, y - yh]
    this.add(product)
    this.low += xl * yl - (product - xh * yh - xl * yh - xh * yl)
  }
  get value(): number {
    return this.high + this.low
  }
}
/** The upper 26 bits (Veltkamp). Numbers beyond 2^990 would overflow: scale before. */
function upper(x: number): number {
  const large = 134217729 * x
  return large - (large - x)
}

/** b − Ax, summed in about twice the working precision, then rounded. */
export function exactResidual(a: Matrix, x: Vector, b: Vector): Vector {
  const r = zeros(a.rows)
  for (let i = 0; i < a.rows; i++) {
    const [re, im] = [new LongSum(), new LongSum()]
    re.add(b.re[i]!)
    im.add(b.im[i]!)
    for (let j = 0; j < a.cols; j++) {
      const [p, q] = [-a.re[i * a.cols + j]!, -a.im[i * a.cols + j]!]
      if (p !== 0) {
        re.addProduct(p, x.re[j]!)
        im.addProduct(p, x.im[j]!)
      }
      if (q !== 0) {
        re.addProduct(-q, x.im[j]!)
        im.addProduct(q, x.re[j]!)
      }
    }
    r.re[i] = re.value
    r.im[i] = im.value
  }
  return r
}

/**
 * x = A⁻¹b, refined with long residuals until the correction no longer halves. Right to the last bits while
 * κ(A) is below about 1e13; `undefined` if A is exactly singular.
 */
export function solve(a: Matrix, b: Vector, factor: Factor | undefined = factorLu(a)): Vector | undefined {
  if (factor === undefined) return undefined
  let x = substitute(factor, b)
  let before = Infinity
  for (let round = 0; round < 30; round++) {
    const correction = substitute(factor, exactResidual(a, x, b))
    const size = norm(correction)
    if (!(size < before / 2)) break
    x = plus(x, 1, correction)
    before = size
    if (size === 0) break
  }
  return x
}

/** Lower L with A = L Lᴴ, or the 0-based row at which a pivot was not positive. */
export function cholesky(a: Matrix): { l: Matrix } | { failedAt: number } {
  const n = a.rows
  const l = matrix(n, n)
  const entry = (i: number, j: number): Complex => ({ re: l.re[i * n + j]!, im: l.im[i * n + j]! })
  for (let j = 0; j < n; j++) {
    let pivot = a.re[j * n + j]!
    for (let k = 0; k < j; k++) pivot -= l.re[j * n + k]! ** 2 + l.im[j * n + k]! ** 2
    if (!(pivot > 0)) return { failedAt: j }
    const root = Math.sqrt(pivot)
    l.re[j * n + j] = root
    for (let i = j + 1; i < n; i++) {
      let [re, im] = [a.re[i * n + j]!, a.im[i * n + j]!]
      for (let k = 0; k < j; k++) {
        const product = times(entry(i, k), conj(entry(j, k)))
        re -= product.re
        im -= product.im
      }
      l.re[i * n + j] = re / root
      l.im[i * n + j] = im / root
    }
  }
  return { l }
}

/** Solves L Lᴴ x = b. */
export function choleskySolve(l: Matrix, b: Vector): Vector {
  const n = l.rows
  const x = copy(b)
  const step = (i: number, j: number, value: Complex): void => {
    const product = times(value, { re: x.re[j]!, im: x.im[j]! })
    x.re[i]! -= product.re
    x.im[i]! -= product.im
  }
  const divide = (i: number): void => {
    x.re[i]! /= l.re[i * n + i]!
    x.im[i]! /= l.re[i * n + i]!
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) step(i, j, { re: l.re[i * n + j]!, im: l.im[i * n + j]! })
    divide(i)
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) step(i, j, { re: l.re[j * n + i]!, im: -l.im[j * n + i]! })
    divide(i)
  }
  return x
}
