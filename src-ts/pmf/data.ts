/** From a caller's data to what the addon takes, and what a result remembers of it. */
import { createHash } from 'node:crypto'
import type { Treatment } from '../data/dataset.ts'
import type { Category } from '../data/options.ts'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import type { DataLike, DataSummary } from './types.ts'

/** The arrays of a fit. */
export interface DataSource {
  values: Matrix
  uncertainties: Matrix
  /** One byte a cell, 1 where it is censored; absent if none is. */
  censored?: Uint8Array<ArrayBuffer>
  /** One per species; absent if all are strong. */
  categories?: readonly Category[]
}

/** Data that has been checked for shape. Values are checked by the engine. */
export interface Prepared extends DataSource {
  summary: DataSummary
}

/**
 * Checks shapes and names, and digests the arrays.
 * @throws InvalidInputError `matrix-not-valid`, `array-detached`, `shape-mismatch`, `names-mismatch`, `empty-data`
 */
export function prepare(data: DataLike): Prepared {
  if (typeof data !== 'object' || data === null || data.values === undefined || data.uncertainties === undefined) {
    const hint = 'Dataset.from, or an object with both matrices'
    throw new InvalidInputError('matrix-not-valid', 'data must have values and uncertainties', { name: 'data', hint })
  }
  const values = own(data.values, 'values')
  const uncertainties = own(data.uncertainties, 'uncertainties')
  const { rows, cols } = values
  if (uncertainties.rows !== rows || uncertainties.cols !== cols) {
    const message = `uncertainties are ${uncertainties.rows} × ${uncertainties.cols}, values ${rows} × ${cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'uncertainties' })
  }
  if (rows === 0 || cols === 0) {
    throw new InvalidInputError('empty-data', `${rows} × ${cols} values cannot be factorised`, { name: 'values' })
  }
  const species = names('species', data.species ?? values.colNames, cols)
  const samples = names('samples', data.samples ?? values.rowNames, rows)
  const censored = data.censored === undefined ? undefined : flagsOf(data.censored, rows, cols)
  const summary: DataSummary = {
    rows,
    columns: cols,
    missing: countMissing(values.data, uncertainties.data),
    ...(censored ? { censored: censored.reduce((sum, flag) => sum + flag, 0) } : {}),
    species: species?.map(label) ?? Array.from({ length: cols }, (_, j) => `species ${j + 1}`),
    samples: sampleNames(samples, rows),
    sha256: {
      values: digest(values.data),
      uncertainties: digest(uncertainties.data),
      ...(censored ? { censored: digestFlags(censored) } : {}),
    },
    // As JSON has it, so that a saved model comes back as it was: a number that is not known is null.
    ...(data.treatment === undefined ? {} : { treatment: JSON.parse(JSON.stringify(data.treatment)) as Treatment }),
  }
  const categories = data.categories?.length === cols ? data.categories.slice() : undefined
  return { values, uncertainties, ...(censored ? { censored } : {}), ...(categories ? { categories } : {}), summary }
}

/** The arrays in memory of their own: what the caller does to his is no matter. */
export function keep({ values, uncertainties, censored, categories }: DataSource): DataSource {
  const copy = ({ rows, cols, data }: Matrix): Matrix => new Matrix(rows, cols, data.slice())
  const kept = { values: copy(values), uncertainties: copy(uncertainties) }
  return { ...kept, ...(censored ? { censored } : {}), ...(categories ? { categories } : {}) }
}

function flagsOf(source: MatrixLike, rows: number, cols: number): Uint8Array<ArrayBuffer> | undefined {
  const given = Matrix.from(source, 'censored')
  if (given.rows !== rows || given.cols !== cols) {
    const message = `censored is ${given.rows} × ${given.cols}, values ${rows} × ${cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'censored' })
  }
  const wrong = given.data.findIndex((flag) => flag !== 0 && flag !== 1)
  if (wrong >= 0) {
    const place = { name: 'censored', row: Math.floor(wrong / cols), col: wrong % cols, value: given.data[wrong] }
    throw new InvalidInputError('matrix-not-valid', 'censored must hold 1 (below the value) or 0', place)
  }
  return given.data.some((flag) => flag === 1) ? Uint8Array.from(given.data) : undefined
}

/** Hex SHA-256 of one byte a cell. */
export function digestFlags(flags: Uint8Array): string {
  return createHash('sha256').update(flags).digest('hex')
}

/** The matrix, in memory that no other thread can write to while it is read. */
export function own(source: MatrixLike, name: string): Matrix {
  const matrix = Matrix.from(source, name)
  if (matrix.data.buffer instanceof ArrayBuffer) return matrix
  return new Matrix(matrix.rows, matrix.cols, Float64Array.from(matrix.data), matrix)
}

function names<T>(name: string, given: readonly T[] | undefined, count: number): readonly T[] | undefined {
  if (given === undefined || given.length === count) return given
  throw new InvalidInputError('names-mismatch', `${given.length} ${name} for ${count}`, { name })
}

function sampleNames(given: readonly (string | Date)[] | undefined, rows: number): string[] | Date[] {
  if (given === undefined) return Array.from({ length: rows }, (_, i) => `sample ${i + 1}`)
  const dates = given.filter((sample): sample is Date => sample instanceof Date && !Number.isNaN(sample.getTime()))
  // Times stay times only if all of them are; else every sample is a name.
  return dates.length === given.length && given.length > 0 ? dates.map((date) => new Date(date)) : given.map(label)
}

function label(name: string | Date): string {
  if (!(name instanceof Date)) return String(name)
  return Number.isNaN(name.getTime()) ? 'Invalid Date' : name.toISOString()
}

function countMissing(values: ArrayLike<number>, uncertainties: ArrayLike<number>): number {
  let missing = 0
  for (let at = 0; at < values.length; at++) {
    if (Number.isNaN(values[at]) || Number.isNaN(uncertainties[at]) || uncertainties[at] === Infinity) missing++
  }
  return missing
}

/** Hex SHA-256 of the little-endian float64 bytes, with one bit pattern for NaN. */
export function digest(data: Float64Array<ArrayBufferLike>): string {
  const hash = createHash('sha256')
  const size = 8192
  const view = new DataView(new ArrayBuffer(8 * size))
  for (let from = 0; from < data.length; from += size) {
    const count = Math.min(size, data.length - from)
    for (let at = 0; at < count; at++) {
      const value = data[from + at]!
      if (Number.isNaN(value)) view.setBigUint64(8 * at, NAN_BITS, true)
      else view.setFloat64(8 * at, value, true)
    }
    hash.update(new Uint8Array(view.buffer, 0, 8 * count))
  }
  return hash.digest('hex')
}

const NAN_BITS = 0x7ff8_0000_0000_0000n
