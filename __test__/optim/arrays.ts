/** Vectors of the references as arrays of the package, and back. */
import type { Dtype, RealArray } from '../../src-ts/optim/index.ts'
import { toInterleaved, vector, type Vector } from '../reference/solve/dense.ts'
import type { Random } from '../reference/solve/random.ts'

export const DTYPES: readonly Dtype[] = ['float32', 'float64', 'complex64', 'complex128']
export const isComplex = (dtype: Dtype): boolean => dtype.startsWith('complex')
export const isWide = (dtype: Dtype): boolean => dtype === 'float64' || dtype === 'complex128'
/** Relative error that rounding may leave after some dozens of steps. */
export const rounding = (dtype: Dtype): number => (isWide(dtype) ? 1e-12 : 2e-5)

export function asArray(x: Vector, dtype: Dtype): RealArray {
  const numbers = isComplex(dtype) ? toInterleaved(x) : x.re
  return isWide(dtype) ? Float64Array.from(numbers) : Float32Array.from(numbers)
}

/** What the array holds after rounding to its type, as the reference sees it. */
export function asVector(x: RealArray, dtype: Dtype): Vector {
  if (!isComplex(dtype)) return vector(x)
  const half = (offset: number): number[] => Array.from({ length: x.length / 2 }, (_, k) => x[2 * k + offset]!)
  return vector(half(0), half(1))
}

export function draw(random: Random, n: number, dtype: Dtype, scale = 1): RealArray {
  const part = (): number[] => Array.from({ length: n }, () => scale * random.normal())
  return asArray(vector(part(), isComplex(dtype) ? part() : undefined), dtype)
}

/** Largest difference beside the largest number. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Array.from(b).reduce((size, x) => Math.max(size, Math.abs(x)), 0)
  const off = Array.from(a).reduce((size, x, k) => Math.max(size, Math.abs(x - b[k]!)), 0)
  return most === 0 ? off : off / most
}

export const bytes = (x: RealArray): Buffer => Buffer.from(x.buffer.slice(x.byteOffset, x.byteOffset + x.byteLength))
