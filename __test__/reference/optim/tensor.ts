/**
 * Tensors for the references of the optimisers: complex throughout, as in `../solve/dense.ts`; a real one has imaginary
 * parts of 0. Row-major; a scalar has the shape [1].
 */
import { at, complex, conj, copy, matrix, matrixFrom, times, zeros, type Matrix, type Vector } from '../solve/dense.ts' // prettier-ignore

export interface Tensor extends Vector {
  shape: readonly number[]
}

export const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
export const tensor = (shape: readonly number[], value: Vector = zeros(count(shape))): Tensor => ({ shape, ...copy(value) }) // prettier-ignore

/** Elements before, on and after axis k: element (o, i, c) stands at (o·n + i)·after + c. */
function split(shape: readonly number[], k: number): { before: number; n: number; after: number } {
  return { before: count(shape.slice(0, k)), n: shape[k]!, after: count(shape.slice(k + 1)) }
}

/** t′[…i…] = Σ_j M[i, j] t[…j…] on axis k; M is square. */
export function contract(t: Tensor, k: number, m: Matrix): Tensor {
  const { before, n, after } = split(t.shape, k)
  const out = tensor(t.shape)
  for (let o = 0; o < before; o++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const [a, b] = [m.re[i * n + j]!, m.im[i * n + j]!]
        if (a === 0 && b === 0) continue
        for (let c = 0, to = (o * n + i) * after, from = (o * n + j) * after; c < after; c++, to++, from++) {
          out.re[to]! += a * t.re[from]! - b * t.im[from]!
          out.im[to]! += a * t.im[from]! + b * t.re[from]!
        }
      }
    }
  }
  return out
}

/** M⁻¹ on axis k for a lower triangular M, by forward substitution. */
export function substitute(t: Tensor, k: number, lower: Matrix): Tensor {
  const { before, n, after } = split(t.shape, k)
  const out = tensor(t.shape, t)
  for (let o = 0; o < before; o++) {
    for (let c = 0; c < after; c++) {
      const place = (i: number): number => (o * n + i) * after + c
      for (let i = 0; i < n; i++) {
        let rest = complex(out.re[place(i)]!, out.im[place(i)]!)
        for (let j = 0; j < i; j++) {
          const product = times(at(lower, i, j), complex(out.re[place(j)]!, out.im[place(j)]!))
          rest = complex(rest.re - product.re, rest.im - product.im)
        }
        const pivot = at(lower, i, i)
        const square = pivot.re ** 2 + pivot.im ** 2
        const quotient = times(rest, conj(pivot))
        out.re[place(i)] = quotient.re / square
        out.im[place(i)] = quotient.im / square
      }
    }
  }
  return out
}

/** t_(k) t_(k)ᴴ with the unfolding along axis k. */
export function gram(t: Tensor, k: number): Matrix {
  const { before, n, after } = split(t.shape, k)
  const out = matrix(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let [re, im] = [0, 0]
      for (let o = 0; o < before; o++) {
        for (let c = 0, p = (o * n + i) * after, q = (o * n + j) * after; c < after; c++, p++, q++) {
          re += t.re[p]! * t.re[q]! + t.im[p]! * t.im[q]!
          im += t.im[p]! * t.re[q]! - t.re[p]! * t.im[q]!
        }
      }
      out.re[i * n + j] = out.re[j * n + i] = re
      out.im[i * n + j] = im
      out.im[j * n + i] = -im
    }
    out.im[i * n + i] = 0
  }
  return out
}

/** √(Σ|x|² / N) */
export function rms({ re, im }: Vector): number {
  let sum = 0
  for (let k = 0; k < re.length; k++) sum += re[k]! ** 2 + im[k]! ** 2
  return Math.sqrt(sum / re.length)
}

/** Elements in the order of the reals of an array: element k, or (re, im) of element k. */
export const parts = (x: Vector, isComplex: boolean): Float64Array =>
  isComplex ? Float64Array.from({ length: 2 * x.re.length }, (_, k) => (k % 2 ? x.im : x.re)[k >> 1]!) : x.re.slice()

export const asMatrix = (t: Tensor): Matrix => ({ rows: t.shape[0]!, cols: t.shape[1]!, ...copy(t) })
export const transposed = (a: Matrix): Matrix => matrixFrom(a.cols, a.rows, (i, j) => at(a, j, i))
