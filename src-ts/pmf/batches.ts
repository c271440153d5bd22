/** Batches of rows from whatever a caller reads them from. */
import { InvalidInputError } from '../errors.ts'
import type { Matrix, MatrixLike } from '../matrix.ts'
import { own } from './data.ts'

/** Rows of a table: values and uncertainties of the same species in every batch. */
export interface Batch {
  /** samples × species. */
  readonly values: MatrixLike
  /** samples × species, standard deviations in the units of the values. */
  readonly uncertainties: MatrixLike
  /** One name per column; the same in every batch that has them. */
  readonly species?: readonly string[] | undefined
}

/** Batches one after the other: an array, a generator, a stream in object mode, … */
export type Batches = Iterable<Batch> | AsyncIterable<Batch>

/** Batches that can be read once, or a function that begins anew each time it is called. */
export type BatchSource = Batches | (() => Batches | Promise<Batches>)

/** A batch that was checked, and its number. */
export interface Rows {
  number: number
  values: Matrix
  uncertainties: Matrix
}

/**
 * Reads a source. A function and an array can be read again; anything else is taken to be gone once it was read.
 */
export class Reader {
  readonly #source: BatchSource
  readonly #name: string
  /** Whether {@link open} may be called more than once. */
  readonly repeatable: boolean
  /** Names of the species, from the first batch that has them. */
  species: readonly string[] | undefined
  columns: number | undefined

  constructor(source: BatchSource, name: string) {
    const iterable = typeof source === 'object' && source !== null && (Symbol.iterator in source || isAsync(source))
    if (typeof source !== 'function' && !iterable) {
      const message = `${name}: the source must be batches, or a function that returns them`
      const hint = 'an array, an async generator, or () => generator() of { values, uncertainties }'
      throw new InvalidInputError('batch-not-valid', message, { name: 'source', hint, value: source })
    }
    this.#source = source
    this.#name = name
    this.repeatable = typeof source === 'function' || Array.isArray(source)
  }

  /** Reads the batches from the beginning. */
  async *open(): AsyncGenerator<Rows, void, undefined> {
    const batches = typeof this.#source === 'function' ? await this.#source() : this.#source
    let number = 0
    for await (const batch of batches) yield this.#rows(batch, number++)
  }

  #rows(batch: Batch, number: number): Rows {
    const refuse = (message: string, hint?: string): never => {
      throw new InvalidInputError('batch-not-valid', `${this.#name}: batch ${number} ${message}`, {
        name: `batch ${number}`,
        hint,
      })
    }
    if (
      typeof batch !== 'object' ||
      batch === null ||
      batch.values === undefined ||
      batch.uncertainties === undefined
    ) {
      return refuse('must have values and uncertainties')
    }
    if ('censored' in batch && batch.censored !== undefined) {
      return refuse(
        'has censored cells, which a fit by passes cannot use',
        "treat them first: belowDetection: 'substitute'",
      )
    }
    const [values, uncertainties] = [own(batch.values, 'values'), own(batch.uncertainties, 'uncertainties')]
    if (values.rows !== uncertainties.rows || values.cols !== uncertainties.cols) {
      return refuse(
        `has ${values.rows} × ${values.cols} values and ${uncertainties.rows} × ${uncertainties.cols} uncertainties`,
      )
    }
    this.columns ??= values.cols
    if (values.cols !== this.columns) return refuse(`has ${values.cols} species, the first one ${this.columns}`)
    const species = batch.species ?? values.colNames
    if (species !== undefined) {
      this.species ??= species.map(String)
      const wrong = this.species.findIndex((name, at) => name !== species[at])
      if (species.length !== this.columns)
        return refuse(`has ${species.length} species names for ${this.columns} columns`)
      if (wrong >= 0)
        return refuse(`calls column ${wrong} '${species[wrong]}', an earlier one '${this.species[wrong]}'`)
    }
    return { number, values, uncertainties }
  }
}

function isAsync(source: object): source is AsyncIterable<unknown> {
  return Symbol.asyncIterator in source
}

/** An error of the engine about the rows of one batch, naming it. */
export function inBatch(error: unknown, number: number): unknown {
  if (!(error instanceof InvalidInputError)) return error
  const { row, col, limit } = error
  return new InvalidInputError(error.code, `batch ${number}: ${error.message}`, {
    name: `batch ${number}`,
    row,
    col,
    limit,
  })
}
