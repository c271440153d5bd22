/** Named tensors, checked. */
import { InvalidInputError } from '../errors.ts'
import { isDetached } from '../solve/vectors.ts'
import type { Dtype, RealArray, TensorInfo, TensorLike, Tensors } from './types.ts'

const DTYPES: readonly Dtype[] = ['float32', 'float64', 'complex64', 'complex128']

const isArray = (value: unknown): value is RealArray => value instanceof Float32Array || value instanceof Float64Array
const wide = (dtype: Dtype): boolean => dtype === 'float64' || dtype === 'complex128'
const widthOf = (dtype: Dtype): 1 | 2 => (dtype.startsWith('complex') ? 2 : 1)

/** Numbers of a tensor: two for a complex element. */
export const lengthOf = ({ shape, dtype }: TensorInfo): number =>
  shape.reduce((product, size) => product * size, widthOf(dtype))

/** A new array for a tensor. */
export const arrayFor = (tensor: TensorInfo): RealArray =>
  wide(tensor.dtype) ? new Float64Array(lengthOf(tensor)) : new Float32Array(lengthOf(tensor))

function wrong(code: string, name: string, message: string): never {
  throw new InvalidInputError(code, message, { name })
}

/**
 * Names, shapes and types.
 * @throws InvalidInputError `tensor-not-valid`, `shape-mismatch`, `dtype-mismatch`
 */
export function describe(parameters: Tensors): TensorInfo[] {
  if (typeof parameters !== 'object' || parameters === null || isArray(parameters)) {
    wrong(
      'tensor-not-valid',
      'params',
      'params must be an object of named arrays, for example { w: new Float64Array(3) }',
    )
  }
  const names = Object.keys(parameters)
  if (names.length === 0) wrong('tensor-not-valid', 'params', 'there are no parameters')
  return names.map((name) => {
    const given = parameters[name]
    const data = dataOf(given, `params.${name}`)
    const { shape, dtype } = isArray(given) ? ({} as TensorLike) : (given as TensorLike)
    const real: Dtype = data instanceof Float64Array ? 'float64' : 'float32'
    if (dtype !== undefined && !DTYPES.includes(dtype)) {
      wrong(
        'tensor-not-valid',
        `params.${name}`,
        `params.${name}.dtype must be one of ${DTYPES.join(', ')}, got '${dtype}'`,
      )
    }
    const type = dtype ?? real
    if (wide(type) !== (real === 'float64')) {
      wrong(
        'dtype-mismatch',
        `params.${name}`,
        `params.${name} is ${type}, and its data are a ${data.constructor.name}`,
      )
    }
    const sizes = shape === undefined ? [data.length / widthOf(type)] : [...shape]
    if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      wrong(
        'shape-mismatch',
        `params.${name}`,
        `params.${name} has the shape [${sizes.join(', ')}]; sizes are whole numbers`,
      )
    }
    const tensor = { name, shape: sizes, dtype: type }
    if (lengthOf(tensor) !== data.length) {
      const wanted = `${lengthOf(tensor)} numbers${widthOf(type) === 2 ? ' (re, im)' : ''}`
      wrong('shape-mismatch', `params.${name}`, `params.${name} has the shape [${sizes.join(', ')}], which needs ${wanted}, and ${data.length}`) // prettier-ignore
    }
    return tensor
  })
}

function dataOf(value: unknown, name: string): RealArray {
  const data: unknown = isArray(value) ? value : (value as TensorLike | undefined)?.data
  if (value === undefined) wrong('tensor-not-valid', name, `${name} is missing`)
  if (!isArray(data))
    wrong('tensor-not-valid', name, `${name} must be a Float32Array, a Float64Array or { data, shape }`)
  if (isDetached(data)) wrong('array-detached', name, `the memory of ${name} was transferred elsewhere`)
  return data
}

/**
 * The arrays of these tensors, in their order; types and lengths are checked by the engine.
 * @throws InvalidInputError `tensor-not-valid` if a name is missing or there is one too many
 */
export function arraysOf(given: Tensors, tensors: readonly TensorInfo[], what: string): RealArray[] {
  const known = new Set(tensors.map(({ name }) => name))
  if (typeof given !== 'object' || given === null) {
    wrong('tensor-not-valid', what, `${what} must be an object of named arrays`)
  }
  const extra = Object.keys(given).find((name) => !known.has(name))
  if (extra !== undefined) wrong('tensor-not-valid', `${what}.${extra}`, `${what}.${extra} is none of the parameters: ${[...known].join(', ')}`) // prettier-ignore
  return tensors.map(({ name }) => dataOf(given[name], `${what}.${name}`))
}
