/** Arrays in files: `.npy`, `.npz` and `.safetensors`, read by rows. Files of any size: only what is asked for is read. */
import type { NativeArrayFile, NativeOutcome } from '#native'
import { problemsError, type DataProblem } from '../data/problems.ts'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native, type Native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { isDetached } from '../solve/vectors.ts'
import { Checker } from '../validate.ts'

/** Numbers that one call may read: 32 GiB as float64. More is a mistake, and some systems promise memory that they do not have. */
const MOST_NUMBERS = 2 ** 32

/** Types of elements that are read, as NumPy and PyTorch call them. */
export type ArrayDtype =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'

/** Which array of a file. */
export interface OpenArrayOptions {
  /** Its name in a `.npz` or `.safetensors`. @default the only one; several without a name are an error that lists them */
  name?: string | undefined
}

/** What rows are read as. */
export interface ReadRowsOptions {
  /** @default 'float64' */
  as?: 'float64' | 'float32' | undefined
}

/** Which rows. */
export interface ReadOptions {
  /** The first row, 0-based. @default 0 */
  from?: number | undefined
  /** The row after the last one. @default all rows */
  to?: number | undefined
}

/** A tensor for {@link writeSafetensors}: its type is that of the array. */
export interface TensorToWrite {
  /** Sizes along the axes. */
  readonly shape: readonly number[]
  /** All elements, the last axis fastest. */
  readonly data: Float64Array | Float32Array
}

/**
 * An array of a file as a table of rows. All axes but the last are rows: batch × position × d is (batch · position) × d. A
 * vector is one column, a single number 1 × 1. Files in Fortran order, of either byte order and of all types in
 * {@link ArrayDtype} give the same table.
 *
 * Rows are read on the calling thread, in the time that copying them takes (about half a millisecond a megabyte from the
 * system's cache).
 * The file is not mapped: if another program makes it shorter, a read is an `array-file-changed`. Only a compressed member
 * of a `.npz` lies in memory as a whole, and may take 1 GiB; its checksum is compared, that of a stored member is not.
 */
export class ArrayFile {
  readonly #native: NativeArrayFile
  /** The file, as it was given. */
  readonly path: string
  /** The array's name; `undefined` in a `.npy`, which has none. */
  readonly name: string | undefined
  /** Names of all arrays in the file; none in a `.npy`. */
  readonly names: readonly string[]
  /** Sizes along the axes in the file. */
  readonly shape: readonly number[]
  /** Rows of the table. */
  readonly rows: number
  /** Columns of the table. */
  readonly cols: number
  /** Type of the elements in the file. */
  readonly dtype: ArrayDtype

  /** @internal */
  constructor(path: string, handle: NativeArrayFile) {
    this.#native = handle
    this.path = path
    const facts = native().arrayFacts(handle)!
    this.name = facts.name
    this.names = facts.names
    this.shape = facts.shape
    this.rows = facts.rows
    this.cols = facts.cols
    this.dtype = facts.dtype as ArrayDtype
  }

  /**
   * Rows `from` to `to` (without it), row by row in a new array. As `float32`, numbers are rounded to the nearest one.
   * @throws InvalidInputError `option-out-of-range` for rows that are not there; `value-not-representable` for a 64-bit integer
   * beyond ±2⁵³, or a number beyond the range of float32 where that is asked for; `array-too-large` for more rows than memory
   * holds; `array-file-changed`, `array-closed`, `file-not-readable`
   */
  readRows(from: number, to: number, options: ReadRowsOptions & { as: 'float32' }): Float32Array<ArrayBuffer>
  readRows(from: number, to: number, options?: { as?: 'float64' | undefined }): Float64Array<ArrayBuffer>
  readRows(
    from: number,
    to: number,
    options: ReadRowsOptions = {},
  ): Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> {
    const check = new Checker(options, 'readRows(): options')
    const as = check.oneOf('as', ['float64', 'float32']) ?? 'float64'
    this.#checkRows(from, to, check)
    check.finish()
    const out = this.#allocate(to - from, (length) =>
      as === 'float32' ? new Float32Array(length) : new Float64Array(length),
    )
    inFile(this.path, (addon) => addon.arrayRows(this.#native, from, to, out))
    return out
  }

  /**
   * Rows as a `Matrix`, all of them by default.
   * @throws InvalidInputError as {@link ArrayFile.readRows}
   */
  read(options: ReadOptions = {}): Matrix {
    const check = new Checker(options, 'read(): options')
    const from = check.integer('from') ?? 0
    const to = check.integer('to') ?? Math.max(from, this.rows)
    this.#checkRows(from, to, check)
    check.finish()
    return new Matrix(to - from, this.cols, this.readRows(from, to))
  }

  /**
   * All rows in order, `size` at a time (the last batch may be smaller). Each batch is a new `Matrix`.
   * @throws InvalidInputError `option-out-of-range` for a size that is no whole number above 0; as {@link ArrayFile.readRows}
   * @example
   * ```ts
   * for (const batch of file.batches(4096)) sum += batch.rows
   * ```
   */
  batches(size: number): Generator<Matrix, void, undefined> {
    // Checked here and not in the generator, which would do it at the first batch only.
    const check = new Checker({ size }, 'batches()')
    check.integer('size', { min: 1 })
    check.finish()
    return this.#batches(size)
  }

  *#batches(size: number): Generator<Matrix, void, undefined> {
    for (let from = 0; from < this.rows; from += size) {
      yield this.read({ from, to: Math.min(from + size, this.rows) })
    }
  }

  /** Closes the file and gives its memory back. What was read stays. To close twice is no error. */
  close(): void {
    native().closeArray(this.#native)
  }

  /** `using file = openArray(…)` closes it at the end of the block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #checkRows(from: unknown, to: unknown, check: Checker): void {
    const whole = (row: unknown): row is number => typeof row === 'number' && Number.isSafeInteger(row) && row >= 0
    if (whole(from) && whole(to) && from <= to && to <= this.rows) return
    const message = `rows from ${String(from)} to ${String(to)} are asked for; ${this.path} has the rows 0 to ${this.rows}`
    check.add({
      code: 'option-out-of-range',
      message,
      name: whole(from) ? 'to' : 'from',
      file: this.path,
      limit: this.rows,
    })
  }

  #allocate<T>(rows: number, make: (length: number) => T): T {
    const count = rows * this.cols
    try {
      if (count <= MOST_NUMBERS) return make(count)
      throw new RangeError('too many')
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      const message = `${rows} rows of ${this.cols} numbers are more than memory holds, or than one call may read`
      throw problemsError([
        {
          code: 'array-too-large',
          file: this.path,
          message,
          hint: 'read fewer rows at a time, for example with batches()',
        },
      ])
    }
  }
}

/** A call of the addon whose errors are about a file. */
export function inFile<T>(file: string, run: (addon: Native) => NativeOutcome<T>): T {
  try {
    return call(run)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    const [problem] = error.problems
    throw problemsError([{ ...problem, file } as DataProblem])
  }
}

function checkPath(path: unknown, name: string): string {
  if (typeof path === 'string' && path !== '') return path
  const message = `${name} must be the path of a file, got ${path === '' ? 'an empty text' : typeof path}`
  throw new InvalidInputError('option-not-valid', message, { name: 'path', value: path })
}

/**
 * Opens an array of a `.npy`, `.npz` or `.safetensors` file; the first bytes say which it is, not the name. Nothing but the
 * header is read.
 * @throws InvalidInputError with `file`: `file-not-found`, `file-not-readable`, `file-locked`; `array-not-recognised`,
 * `array-header-not-valid`, `array-truncated`, `array-size-mismatch` for files that are something else or damaged;
 * `array-dtype-not-supported` (bool, complex, text, Python objects, structures); `array-name-missing` where there are several,
 * `array-name-unknown`; `array-too-large` and `array-compression-not-supported` for compressed members
 * @example
 * ```ts
 * using file = openArray('activations.safetensors', { name: 'blocks.6.hook_resid_post' })
 * const first = file.read({ to: 1000 })
 * ```
 */
export function openArray(path: string, options: OpenArrayOptions = {}): ArrayFile {
  const check = new Checker(options, 'openArray(): options')
  const name = check.take('name')
  if (name !== undefined && typeof name !== 'string') {
    check.problem('option-not-valid', 'name', `name must be the name of an array, got ${typeof name}`)
  }
  check.finish()
  const file = checkPath(path, 'openArray(): the first argument')
  return new ArrayFile(file, inFile(file, (addon) => addon.openArray(file, name as string | undefined)).value)
}

/**
 * Writes a matrix as `.npy` (version 1.0, little-endian, C order). The file is whole or it is not there: a temporary file in
 * the same folder is renamed.
 * @param options `dtype`: type of the elements in the file; float32 rounds. @default 'float64'
 * @throws InvalidInputError `matrix-not-valid`; `value-not-representable` for numbers beyond the range of float32;
 * `output-not-writable`
 */
export function writeNpy(
  path: string,
  matrix: MatrixLike,
  options: { dtype?: 'float64' | 'float32' | undefined } = {},
): void {
  const check = new Checker(options, 'writeNpy(): options')
  const dtype = check.oneOf('dtype', ['float64', 'float32']) ?? 'float64'
  check.finish()
  const file = checkPath(path, 'writeNpy(): the first argument')
  const { rows, cols, data } = Matrix.from(matrix)
  inFile(file, (addon) => addon.writeNpy(file, rows, cols, data, dtype === 'float32'))
}

/**
 * Writes tensors as `.safetensors`, whole or not at all, float64 for a `Float64Array` and float32 for a `Float32Array`.
 * @param metadata texts that go with them, as the format has it
 * @throws InvalidInputError `shape-mismatch` for a shape that does not fit the elements; `option-not-valid`, `array-detached`;
 * `output-not-writable`
 * @example
 * ```ts
 * writeSafetensors('decoders.safetensors', { decoders: { shape: [6, 24], data } }, { seed: '1' })
 * ```
 */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata?: Readonly<Record<string, string>>,
): void {
  const file = checkPath(path, 'writeSafetensors(): the first argument')
  const refuse = (name: string, message: string, code = 'option-not-valid'): never => {
    throw new InvalidInputError(code, message, { name, file })
  }
  if (typeof tensors !== 'object' || tensors === null)
    refuse('tensors', 'tensors must be an object of names and tensors')
  const list = Object.entries(tensors).map(([name, tensor]) => {
    const { shape, data } = (tensor ?? {}) as TensorToWrite
    const size = (n: unknown): boolean => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0
    if (!Array.isArray(shape) || !shape.every(size))
      refuse(name, `the shape of '${name}' must be an array of whole numbers`)
    if (!(data instanceof Float64Array || data instanceof Float32Array))
      return refuse(name, `the data of '${name}' must be a Float64Array or a Float32Array`)
    if (isDetached(data)) refuse(name, `the memory of '${name}' was transferred elsewhere`, 'array-detached')
    if (name === '__metadata__') refuse(name, "no tensor can be called '__metadata__'")
    return { name, shape: [...shape], data }
  })
  for (const [name, text] of Object.entries(metadata ?? {})) {
    if (typeof text !== 'string') refuse(`metadata.${name}`, `metadata must be texts; '${name}' is ${typeof text}`)
  }
  inFile(file, (addon) => addon.writeSafetensors(file, list, metadata && { ...metadata }))
}
