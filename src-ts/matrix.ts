/** Dense matrices: the one layout of this package, row-major `Float64Array` with explicit numbers of rows and columns. */
import { InvalidInputError } from './errors.ts'

/** Any array of numbers that is not nested. */
export type NumberArray = ArrayLike<number>

/** What is accepted wherever a matrix is asked for: rows of numbers, or a row-major array with its shape. */
export type MatrixLike =
  | Matrix
  | readonly NumberArray[]
  | {
      readonly rows: number
      readonly cols: number
      readonly data: NumberArray
      readonly rowNames?: readonly string[] | undefined
      readonly colNames?: readonly string[] | undefined
    }

/** Names that may go with a matrix. */
export interface MatrixNames {
  /** One per row. */
  rowNames?: readonly string[] | undefined
  /** One per column. */
  colNames?: readonly string[] | undefined
}

/**
 * A dense matrix. Its fields are plain data, so it passes through `structuredClone`, workers and Electron IPC; the
 * other side receives `{ rows, cols, data, … }`, which {@link Matrix.from} turns into a `Matrix` again without a copy.
 */
export class Matrix {
  /** Number of rows. */
  readonly rows: number
  /** Number of columns. */
  readonly cols: number
  /** Row by row: element (i, j) is `data[i * cols + j]`. */
  readonly data: Float64Array<ArrayBufferLike>
  /** Absent where rows have no names. */
  declare readonly rowNames?: readonly string[]
  /** Absent where columns have no names. */
  declare readonly colNames?: readonly string[]

  /**
   * Wraps `data`, without a copy.
   * @throws InvalidInputError `matrix-not-valid` if the numbers do not fit, `array-detached`, `names-mismatch`
   */
  constructor(rows: number, cols: number, data: Float64Array<ArrayBufferLike>, names: MatrixNames = {}) {
    checkCount('rows', rows)
    checkCount('cols', cols)
    if (!(data instanceof Float64Array)) invalid('data of a Matrix must be a Float64Array', { name: 'data' })
    checkAttached(data)
    if (data.length !== rows * cols) {
      invalid(`a matrix of ${rows} × ${cols} needs ${rows * cols} numbers, got ${data.length}`, { name: 'data' })
    }
    this.rows = rows
    this.cols = cols
    this.data = data
    if (names.rowNames) this.rowNames = checkNames('rowNames', names.rowNames, rows)
    if (names.colNames) this.colNames = checkNames('colNames', names.colNames, cols)
  }

  /**
   * A matrix from what a caller has: a `Matrix` (returned as it is), rows of numbers (copied), or
   * `{ rows, cols, data }` with row-major data (wrapped if it is a `Float64Array`, else copied).
   * @param name what the matrix is called in an error
   * @throws InvalidInputError `matrix-not-valid`, `array-detached`, `names-mismatch`
   */
  static from(source: MatrixLike, name = 'matrix'): Matrix {
    if (source instanceof Matrix) {
      checkAttached(source.data, name)
      return source
    }
    if (Array.isArray(source)) return fromRows(source as readonly NumberArray[], name)
    if (typeof source !== 'object' || source === null || !('data' in source)) {
      return invalid(`${name} must be a Matrix, an array of rows, or { rows, cols, data }`, { name })
    }
    const { rows, cols, data, rowNames, colNames } = source
    if (!ArrayBuffer.isView(data) && !Array.isArray(data)) {
      return invalid(`${name}.data must be an array of numbers`, { name })
    }
    checkAttached(data, name)
    return new Matrix(rows, cols, data instanceof Float64Array ? data : toNumbers(data, name), { rowNames, colNames })
  }

  /**
   * Element (i, j), both 0-based.
   * @throws RangeError if there is no such element
   */
  get(i: number, j: number): number {
    // Not `data[...]!` alone: an index beyond a row's end would silently read the next row.
    const inside = Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < this.rows && j < this.cols
    if (!inside) throw new RangeError(`no element (${i}, ${j}) in a matrix of ${this.rows} × ${this.cols}`)
    return this.data[i * this.cols + j]!
  }

  /** Row i (0-based), as a view of the same memory. */
  row(i: number): Float64Array<ArrayBufferLike> {
    if (!Number.isInteger(i) || i < 0 || i >= this.rows) throw new RangeError(`no row ${i} in ${this.rows} rows`)
    return this.data.subarray(i * this.cols, (i + 1) * this.cols)
  }

  /** Rows of numbers, copied. */
  toArray(): number[][] {
    return Array.from({ length: this.rows }, (_, i) => Array.from(this.row(i)))
  }

  /** Rows of numbers as JSON has them: `null` where an element is NaN. */
  toJSON(): (number | null)[][] {
    return this.toArray().map((row) => row.map((value) => (Number.isNaN(value) ? null : value)))
  }
}

function fromRows(source: readonly NumberArray[], name: string): Matrix {
  const cols = source[0]?.length ?? 0
  const data = new Float64Array(source.length * cols)
  for (const [i, row] of source.entries()) {
    if (typeof row !== 'object' || row === null || typeof row.length !== 'number') {
      invalid(`${name}: row ${i} is not an array of numbers`, { name, row: i })
    }
    checkAttached(row, name)
    if (row.length !== cols) {
      invalid(`${name}: row ${i} has ${row.length} numbers, row 0 has ${cols}`, { name, row: i })
    }
    for (let j = 0; j < cols; j++) {
      const value: unknown = row[j]
      if (typeof value !== 'number') notANumber(name, value, i, j)
      data[i * cols + j] = value
    }
  }
  return new Matrix(source.length, cols, data)
}

function toNumbers(data: NumberArray, name: string): Float64Array<ArrayBuffer> {
  const out = new Float64Array(data.length)
  for (let at = 0; at < data.length; at++) {
    const value: unknown = data[at]
    if (typeof value !== 'number') invalid(`${name}.data[${at}] is not a number: ${String(value)}`, { name, value })
    out[at] = value
  }
  return out
}

function notANumber(name: string, value: unknown, row: number, col: number): never {
  const hint = 'a missing value is NaN'
  return invalid(`${name}: row ${row}, column ${col} is not a number: ${String(value)}`, {
    name,
    value,
    row,
    col,
    hint,
  })
}

/** A transferred array has length 0 and would pass for an empty one. */
function checkAttached(data: NumberArray, name?: string): void {
  if (!ArrayBuffer.isView(data)) return
  const buffer = data.buffer
  if (!('detached' in buffer && buffer.detached)) return
  const message = `the memory of ${name ?? 'the array'} was transferred elsewhere`
  throw new InvalidInputError('array-detached', message, {
    name,
    hint: 'pass the array before transferring it, or a copy',
  })
}

function checkCount(name: string, value: unknown): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return
  invalid(`${name} of a matrix must be a whole number, got ${String(value)}`, { name, value })
}

function checkNames(name: string, names: readonly string[], count: number): readonly string[] {
  if (names.length === count) return names
  throw new InvalidInputError('names-mismatch', `${name}: ${names.length} names for ${count}`, { name })
}

function invalid(message: string, details: ConstructorParameters<typeof InvalidInputError>[2]): never {
  throw new InvalidInputError('matrix-not-valid', message, details)
}
