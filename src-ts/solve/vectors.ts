/** Vectors: checked and brought into the layout of the addon. */
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { ComplexPair, Dtype } from './types.ts'

/** Numbers that an element takes. */
export const widthOf = (dtype: Dtype): 1 | 2 => (dtype === 'complex128' ? 2 : 1)

/**
 * An interleaved complex vector from real and imaginary parts.
 * @throws InvalidInputError `shape-mismatch` if their lengths differ
 */
export function fromParts(re: ArrayLike<number>, im: ArrayLike<number>): Float64Array<ArrayBuffer> {
  if (re.length !== im.length) {
    const message = `the real part has ${re.length} elements, the imaginary part ${im.length}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'im' })
  }
  const out = new Float64Array(2 * re.length)
  for (let k = 0; k < re.length; k++) {
    out[2 * k] = re[k]!
    out[2 * k + 1] = im[k]!
  }
  return out
}

/** Real and imaginary parts of an interleaved complex vector. */
export function toParts(x: ArrayLike<number>): { re: Float64Array<ArrayBuffer>; im: Float64Array<ArrayBuffer> } {
  const n = x.length >> 1
  return {
    re: Float64Array.from({ length: n }, (_, k) => x[2 * k]!),
    im: Float64Array.from({ length: n }, (_, k) => x[2 * k + 1]!),
  }
}

/** The vector for the addon, or what is wrong with it. NaN and infinities pass: they are a numerical outcome. */
export function checkVector(
  value: unknown,
  length: number | undefined,
  dtype: Dtype,
  name: string,
): Float64Array | InputProblem {
  const width = widthOf(dtype)
  const wrong = (code: string, message: string): InputProblem => ({ code, message, name })
  const wanted = dtype === 'complex128' ? 'an interleaved Float64Array or an array of [re, im]' : 'a Float64Array or an array of numbers' // prettier-ignore
  let found: Float64Array
  if (value instanceof Float64Array) {
    if (isDetached(value)) return wrong('array-detached', `the memory of ${name} was transferred elsewhere`)
    found = value
  } else if (ArrayBuffer.isView(value)) {
    const message = `${name} is a ${value.constructor.name} and would have to be converted; it must be ${wanted}`
    return wrong('dtype-mismatch', message)
  } else if (!Array.isArray(value)) {
    return wrong('vector-not-valid', `${name} must be ${wanted}, got ${value === null ? 'null' : typeof value}`)
  } else {
    const numbers = fromArray(value, dtype, name)
    if (!(numbers instanceof Float64Array)) return numbers
    found = numbers
  }
  if (length !== undefined && found.length !== length * width) {
    const unit = width === 2 ? `${2 * length} numbers (re, im) for ${length} elements` : `${length} numbers`
    return wrong('shape-mismatch', `${name} must have ${unit}, got ${found.length}`)
  }
  return found
}

/** @throws InvalidInputError what {@link checkVector} finds */
export function readVector(value: unknown, length: number | undefined, dtype: Dtype, name: string): Float64Array {
  const found = checkVector(value, length, dtype, name)
  if (found instanceof Float64Array) return found
  throw InvalidInputError.ofAll([found])
}

/** A transferred array has length 0 and would pass for an empty one. */
export function isDetached(view: ArrayBufferView): boolean {
  return 'detached' in view.buffer && view.buffer.detached
}

function fromArray(value: readonly unknown[], dtype: Dtype, name: string): Float64Array | InputProblem {
  const pairs = dtype === 'complex128' && Array.isArray(value[0])
  const out = new Float64Array(value.length * (pairs ? 2 : 1))
  for (let k = 0; k < value.length; k++) {
    const element = value[k]
    if (pairs && isPair(element)) out.set(element, 2 * k)
    else if (!pairs && typeof element === 'number') out[k] = element
    else {
      const real = isPair(element) && dtype === 'float64'
      const message = real
        ? `${name}[${k}] is complex, the system is float64`
        : `${name}[${k}] is not a ${pairs ? 'pair of numbers' : 'number'}: ${String(element)}`
      return { code: real ? 'dtype-mismatch' : 'vector-not-valid', message, name, value: element, row: k }
    }
  }
  return out
}

/** Whether it is `[re, im]`. */
export function isPair(value: unknown): value is ComplexPair {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'number' && typeof value[1] === 'number'
}

/** Norms of pieces: `Math.hypot` does not overflow, and takes a limited number of arguments. */
export function chunkNorms(x: Float64Array): number[] {
  const out: number[] = []
  for (let k = 0; k < x.length; k += 4096) out.push(Math.hypot(...x.subarray(k, k + 4096)))
  return out
}
