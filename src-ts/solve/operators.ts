/** Operators whose data live in the addon: a matrix is copied once, when it is made, and not at every solve. */
import type { NativeOperator } from '#native'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import type { ComplexPair, Dtype, VectorLike } from './types.ts'
import { isPair, readVector, widthOf } from './vectors.ts'

/** Largest number of rows, columns or stored elements of a sparse matrix: indices have 32 bits. */
const MOST = 2 ** 32 - 1

/** The handle in the addon. */
export let nativeOf: (operator: LinearOperator) => NativeOperator

/** A matrix, or an operator made of matrices. Make one with {@link Csr}, {@link dense} or {@link kroneckerSum}. */
export class LinearOperator {
  readonly #native: NativeOperator
  /** Rows. */
  readonly rows: number
  /** Columns. */
  readonly cols: number
  /** Type of its numbers and of the vectors it is applied to. */
  readonly dtype: Dtype

  static {
    nativeOf = (operator) => operator.#native
  }

  /** @internal */
  constructor(handle: NativeOperator) {
    this.#native = handle
    this.rows = handle.rows
    this.cols = handle.cols
    this.dtype = handle.complex ? 'complex128' : 'float64'
  }

  /**
   * Whether it equals its adjoint, up to rounding of each element: found from the elements, whatever was claimed.
   * `undefined` where they do not tell.
   */
  get hermitian(): boolean | undefined {
    return this.#native.hermitian ?? undefined
  }

  /** Whether products with the adjoint can be had. */
  get hasAdjoint(): boolean {
    return this.#native.hasAdjoint
  }

  /**
   * y = A x.
   * @param out where to write y; a new array if left out
   * @throws InvalidInputError `shape-mismatch`, `array-detached`, `dtype-mismatch`
   */
  apply(x: VectorLike, out?: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
    return this.#product(x, this.cols, this.rows, out, false)
  }

  /**
   * y = Aᴴ x, the conjugate transpose.
   * @throws InvalidInputError as {@link LinearOperator.apply}; `adjoint-needed` if there is none
   */
  applyAdjoint(x: VectorLike, out?: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
    if (!this.#native.hasAdjoint) throw new InvalidInputError('adjoint-needed', 'this operator has no adjoint')
    return this.#product(x, this.rows, this.cols, out, true)
  }

  #product(
    x: VectorLike,
    from: number,
    to: number,
    out: Float64Array<ArrayBuffer> | undefined,
    adjoint: boolean,
  ): Float64Array<ArrayBuffer> {
    const input = readVector(x, from, this.dtype, 'x')
    const y = out ?? new Float64Array(to * widthOf(this.dtype))
    readVector(y, to, this.dtype, 'out')
    this.#native.apply(input, y, adjoint)
    return y
  }

  /** The same map on complex vectors: a real operator applied to both parts, sharing its data. */
  toComplex(): LinearOperator {
    return this.dtype === 'complex128' ? this : new LinearOperator(native().liftedOperator(this.#native))
  }
}

/** What {@link Csr.fromTriplets} takes. */
export interface Triplets {
  rows: number
  cols: number
  /** `[row, column, value]`, 0-based, in any order; values at the same place are summed. */
  entries: Iterable<readonly [number, number, number | ComplexPair]>
  /** Of the values; a number stands for `[number, 0]` where it is complex. @default 'float64' */
  dtype?: Dtype | undefined
  /** A claim that A = Aᴴ. It is not believed: solvers look at the elements. */
  hermitian?: boolean | undefined
}

/** What {@link Csr.fromArrays} takes. */
export interface CsrArrays {
  rows: number
  cols: number
  /** rows + 1 numbers; row i is at `rowPointers[i] … rowPointers[i + 1]` of the other two. */
  rowPointers: Uint32Array | Int32Array | readonly number[]
  /** Column of each element, ascending within a row. */
  columns: Uint32Array | Int32Array | readonly number[]
  /** Value of each element, interleaved if complex. */
  values: VectorLike
  /** Of the values. @default 'float64' */
  dtype?: Dtype | undefined
  /** A claim that A = Aᴴ. It is not believed: solvers look at the elements. */
  hermitian?: boolean | undefined
}

/**
 * A sparse matrix, compressed by rows: 12 bytes a real element, 20 a complex one, and 4 a row. A product is one pass over
 * the matrix, bound by memory.
 */
export class Csr extends LinearOperator {
  /** Stored elements. */
  readonly nnz: number

  /** @internal */
  constructor(handle: NativeOperator) {
    super(handle)
    this.nnz = handle.nnz ?? 0
  }

  /**
   * From triplets.
   * @throws InvalidInputError `matrix-not-valid` for an index outside the matrix, `dtype-mismatch` for a complex value in
   * a real matrix, or wrong options, all at once
   * @example
   * ```ts
   * const A = Csr.fromTriplets({ rows: 2, cols: 2, entries: [[0, 0, 4], [0, 1, 1], [1, 0, 1], [1, 1, 3]] })
   * ```
   */
  static fromTriplets(triplets: Triplets): Csr {
    const check = new Checker(triplets, 'Csr.fromTriplets: matrix')
    const { rows, cols, dtype } = readShape(check)
    const entries = check.take('entries')
    check.required('entries', 'an array of [row, column, value]')
    if (entries !== undefined && !isIterable(entries)) {
      check.problem('option-not-valid', 'entries', 'entries must be an array of [row, column, value]')
    }
    check.finish()
    const list = Array.isArray(entries) ? entries : [...(entries as Triplets['entries'])]
    const width = widthOf(dtype)
    const [is, js] = [new Uint32Array(list.length), new Uint32Array(list.length)]
    const values = new Float64Array(list.length * width)
    for (let k = 0; k < list.length; k++) {
      const entry: unknown = list[k]
      if (!Array.isArray(entry) || entry.length !== 3) wrongEntry(k, 'is not [row, column, value]')
      const [i, j, value] = entry as [number, number, unknown]
      if (!isIndex(i, rows) || !isIndex(j, cols)) wrongEntry(k, `is at (${i}, ${j}), outside ${rows} × ${cols}`)
      is[k] = i
      js[k] = j
      if (typeof value === 'number') values[k * width] = value
      else if (!isPair(value)) wrongEntry(k, `has a value that is neither a number nor [re, im]: ${String(value)}`)
      else if (width === 1) wrongEntry(k, "is complex, the matrix is 'float64'", 'dtype-mismatch')
      else values.set(value, 2 * k)
    }
    return new Csr(call((addon) => addon.csrFromTriplets(rows, cols, is, js, values, width === 2)).value)
  }

  /**
   * From the three arrays of the format, which are copied.
   * @throws InvalidInputError `matrix-not-valid` if they do not fit together, or wrong options, all at once
   */
  static fromArrays(arrays: CsrArrays): Csr {
    const check = new Checker(arrays, 'Csr.fromArrays: matrix')
    const { rows, cols, dtype } = readShape(check)
    const take = (name: 'rowPointers' | 'columns' | 'values'): unknown => {
      check.required(name, 'see CsrArrays')
      return check.take(name)
    }
    const [rowPointers, columns, values] = [take('rowPointers'), take('columns'), take('values')]
    check.finish()
    const pointers = readIndices(rowPointers, 'rowPointers')
    const places = readIndices(columns, 'columns')
    const numbers = readVector(values, places.length, dtype, 'values')
    const complex = dtype === 'complex128'
    return new Csr(call((addon) => addon.csrFromArrays(rows, cols, pointers, places, numbers, complex)).value)
  }
}

/** What {@link dense} takes where the numbers are complex. */
export interface ComplexDense {
  rows: number
  cols: number
  /** By rows, interleaved: 2 · rows · cols numbers, or pairs. */
  data: VectorLike
  dtype: 'complex128'
  /** A claim that A = Aᴴ. It is not believed: solvers look at the elements. */
  hermitian?: boolean | undefined
}

/**
 * A dense matrix: a `Matrix`, an array of rows, or `{ rows, cols, data, dtype? }` by rows. The numbers are copied.
 *
 * A product costs rows · cols multiply-adds. The factors that `direct` computes are kept with the matrix.
 * @throws InvalidInputError `matrix-not-valid`, `shape-mismatch`, `array-detached`, `dtype-mismatch`
 */
export function dense(
  source: MatrixLike | ComplexDense | (Exclude<MatrixLike, readonly unknown[]> & DenseFlags),
): LinearOperator {
  // prettier-ignore
  const isPlain = typeof source === 'object' && source !== null && !Array.isArray(source) && !(source instanceof Matrix)
  if (!isPlain) return fromMatrix(Matrix.from(source as MatrixLike, 'dense'))
  const check = new Checker(source, 'dense: matrix')
  const { rows, cols, dtype } = readShape(check)
  const data = check.take('data')
  check.required('data', 'the elements by rows')
  for (const name of ['rowNames', 'colNames']) check.take(name)
  check.finish()
  const numbers = readVector(data, rows * cols, dtype, 'data')
  const complex = dtype === 'complex128'
  return new LinearOperator(call((addon) => addon.denseOperator(rows, cols, numbers, complex)).value)
}

/** What may stand beside the elements of a dense matrix. */
export interface DenseFlags {
  /** Of the elements. @default 'float64' */
  dtype?: Dtype | undefined
  /** A claim that A = Aᴴ. It is not believed: solvers look at the elements. */
  hermitian?: boolean | undefined
}

function fromMatrix({ rows, cols, data }: Matrix): LinearOperator {
  return new LinearOperator(call((addon) => addon.denseOperator(rows, cols, data as Float64Array<ArrayBuffer>, false)).value) // prettier-ignore
}

/**
 * A ⊗ I + I ⊗ B for square A and B: an operator on a grid from operators on its axes, A's being the slow one. With x as a
 * matrix X of A.rows × B.rows by rows, it is AX + XBᵀ; nothing is formed.
 * @throws InvalidInputError `shape-mismatch` if one is not square, `dtype-mismatch` if one is complex and the other real
 */
export function kroneckerSum(A: LinearOperator, B: LinearOperator): LinearOperator {
  for (const [name, factor] of [['A', A], ['B', B]] as const) requireLinear(factor, name) // prettier-ignore
  return new LinearOperator(call((addon) => addon.kroneckerSum(nativeOf(A), nativeOf(B))).value)
}

/** @throws InvalidInputError `operator-not-valid` if it is none whose data are in the addon */
export function requireLinear(value: unknown, name: string): LinearOperator {
  if (value instanceof LinearOperator) return value
  const message = `${name} must be a matrix: Csr, dense() or kroneckerSum()`
  throw new InvalidInputError('operator-not-valid', message, { name, value })
}

function readShape(check: Checker): { rows: number; cols: number; dtype: Dtype } {
  check.required('rows', 'the number of rows')
  check.required('cols', 'the number of columns')
  const rows = check.integer('rows', { max: MOST }) ?? 0
  const cols = check.integer('cols', { max: MOST }) ?? 0
  check.boolean('hermitian')
  return { rows, cols, dtype: check.oneOf('dtype', ['float64', 'complex128']) ?? 'float64' }
}

function readIndices(value: unknown, name: string): Uint32Array {
  if (value instanceof Uint32Array) return value
  if (!Array.isArray(value) && !(value instanceof Int32Array)) {
    throw new InvalidInputError('matrix-not-valid', `${name} must be a Uint32Array or an array of whole numbers`, {
      name,
    })
  }
  const at = (value as readonly unknown[]).findIndex((index) => !isIndex(index, MOST + 1))
  if (at < 0) return Uint32Array.from(value as readonly number[])
  const message = `${name}[${at}] is not a whole number from 0: ${String(value[at])}`
  throw new InvalidInputError('matrix-not-valid', message, { name, row: at })
}

const isIterable = (value: unknown): boolean => typeof value === 'object' && value !== null && Symbol.iterator in value

const isIndex = (value: unknown, end: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < end

function wrongEntry(index: number, what: string, code = 'matrix-not-valid'): never {
  throw new InvalidInputError(code, `entry ${index} ${what}`, { name: 'entries', row: index })
}
