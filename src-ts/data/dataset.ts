/** The data of a factorisation: values with uncertainties, named, treated, and with a record of the treatment. */
import { createHash } from 'node:crypto'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { readDates, type DateOrder } from './dates.ts'
import {
  checkOptions,
  mergeOptions,
  readOptionsFile,
  type Category,
  type ReadOptions,
  type TreatmentOptions,
} from './options.ts'
import { pairLabels, type PairedBy } from './pair.ts'
import { DataProblemList } from './collect.ts'
import { throwProblems, type DataProblem } from './problems.ts'
import {
  equationUncertainties,
  givenEquation,
  readEquation,
  type Equation,
  type EquationFile,
  type PerSpecies,
} from './equation.ts'
import { readTable, rulesOf, type Table } from './table.ts'
import { readBytes } from './text.ts'
import { treat, type RawData, type ValueTreatment } from './treatment.ts'

/** Arrays for {@link Dataset.from}. */
export interface DatasetInput {
  /** samples × species; NaN is missing. Infinite values are refused. */
  values: MatrixLike
  /**
   * samples × species, in the units of the values; NaN and Infinity are missing (weight 0). Or detection limits and
   * error fractions (0.1 is 10 %), from which they follow as in EPA PMF 5: 5/6 of the limit for a value x at or below
   * it, √((fraction · x)² + (limit / 2)²) above.
   */
  uncertainties: MatrixLike | { detectionLimits: PerSpecies; errorFractions: PerSpecies }
  /** Names of the columns, each once. Default: the values' column names, else `species 1`, `species 2`, … */
  species?: readonly string[]
  /** Names or dates of the rows; names that are dates throughout are read as such. Default: the values' row names, else `sample 1`, … */
  samples?: readonly string[] | readonly Date[]
  /** Unit of each species. Default: none known. */
  units?: readonly string[]
}

/** How a file was read. */
export type FileTreatment = Pick<
  Table,
  'file' | 'encoding' | 'delimiter' | 'decimal' | 'decimalSeen' | 'missing' | 'blankLines' | 'ignored'
> & { unitsRow: boolean }

/** Everything that was done between the input and the numbers that are fitted. Plain data, fit for JSON. */
export interface Treatment extends ValueTreatment {
  source: 'files' | 'arrays'
  /** Files only. */
  concentrations?: FileTreatment
  uncertainties?: FileTreatment
  /** Present if uncertainties were computed from detection limits and error fractions. */
  equation?: EquationTreatment
  /** Files only: how rows and columns of the two were matched. */
  pairing?: { samples: PairedBy; species: PairedBy }
  /** Order of day, month and year of the labels, where samples are dates. */
  dateOrder?: DateOrder
}

/** How uncertainties were made from detection limits and error fractions. */
export interface EquationTreatment {
  /** Absent: they were given as arrays. */
  file?: string
  encoding?: string
  delimiter?: string
  formula: 'u = 5/6 MDL for x <= MDL, else sqrt((EF x)^2 + (MDL/2)^2)'
  /** By species, in the units of the values. */
  detectionLimits: Record<string, number>
  /** By species; 0.1 is 10 %. */
  errorFractions: Record<string, number>
}

interface Parts {
  species: readonly string[]
  samples: readonly string[]
  times: Float64Array | undefined
  units: readonly (string | undefined)[]
  values: Float64Array
  uncertainties: Float64Array
  censored: Float64Array | undefined
  treatment: Treatment
}

/**
 * Values and uncertainties of m samples × n species, ready to be fitted. Immutable by convention.
 *
 * @example
 * ```ts
 * const data = await Dataset.read('con.csv', 'unc.csv', { categories: { Zn: 'weak' }, total: 'PM2.5' })
 * console.log(data.rows, data.species, data.treatment.droppedSamples)
 * ```
 */
export class Dataset {
  /** Names of the species that are fitted (without `bad` ones). */
  readonly species: readonly string[]
  /** Labels of the samples that are fitted, as in the input (Date objects: in ISO form). */
  readonly samples: readonly string[]
  /** The same as dates (UTC), if all labels are dates. */
  readonly dates: readonly Date[] | undefined
  /** Unit of each species; `undefined` where none is known. */
  readonly units: readonly (string | undefined)[]
  /** samples × species. NaN: no value. */
  readonly values: Matrix
  /** samples × species, in the units of the values, after all policies and with weak species × 3. NaN or Infinity: weight 0. */
  readonly uncertainties: Matrix
  /** samples × species: 1 where a value is only a limit that the true one lies below; `undefined` if none is. */
  readonly censored: Matrix | undefined
  /** What was done to the input. */
  readonly treatment: Treatment
  #weights: Matrix | undefined

  private constructor(parts: Parts) {
    this.species = parts.species
    this.samples = parts.samples
    this.dates = parts.times && Array.from(parts.times, (time) => new Date(time))
    this.units = parts.units
    const names = { rowNames: parts.samples, colNames: parts.species }
    this.values = new Matrix(parts.samples.length, parts.species.length, parts.values, names)
    this.uncertainties = new Matrix(parts.samples.length, parts.species.length, parts.uncertainties, names)
    this.censored = parts.censored && new Matrix(parts.samples.length, parts.species.length, parts.censored, names)
    this.treatment = parts.treatment
  }

  /** Number of samples. */
  get rows(): number {
    return this.samples.length
  }

  /** Number of species. */
  get cols(): number {
    return this.species.length
  }

  /** Category of every species that is fitted: strong or weak. */
  get categories(): readonly Category[] {
    return this.species.map((name) => this.treatment.categories[name] ?? 'strong')
  }

  /**
   * Weights 1/U², 0 for missing cells; computed on first use. For looking at: engines take values and uncertainties, since 1/U²
   * overflows for uncertainties below 1e-154.
   */
  get weights(): Matrix {
    this.#weights ??= new Matrix(
      this.rows,
      this.cols,
      this.uncertainties.data.map((u, k) => (u < Infinity && !Number.isNaN(this.values.data[k]!) ? 1 / (u * u) : 0)),
      { rowNames: this.samples, colNames: this.species },
    )
    return this.#weights
  }

  /**
   * SHA-256 of the fitted numbers: row-major little-endian float64, every NaN as 0x7ff8000000000000; of censored cells,
   * where there are any, one byte each.
   */
  sha256(): { values: string; uncertainties: string; censored?: string } {
    return {
      values: hash(this.values.data),
      uncertainties: hash(this.uncertainties.data),
      ...(this.censored
        ? { censored: createHash('sha256').update(Uint8Array.from(this.censored.data)).digest('hex') }
        : {}),
    }
  }

  /**
   * Reads concentrations and uncertainties from two text files and pairs them.
   *
   * Blank lines and samples of which all values or all uncertainties are missing are dropped and listed in `treatment`.
   *
   * @throws InvalidInputError with the position of everything that is wrong: see `readTable`, `pairLabels`, `readDates`,
   *   {@link treat} and `checkOptions` for the codes.
   */
  static async read(concentrations: string, uncertainties: string, options: ReadOptions = {}): Promise<Dataset> {
    checkOptions(options, 'read')
    const used =
      options.optionsFile === undefined ? options : mergeOptions(await readOptionsFile(options.optionsFile), options)
    const problems = new DataProblemList()
    const con = problems.attempt(async () => readTable(await readBytes(concentrations), concentrations, used))
    const unc = problems.attempt(async () => {
      const bytes = await readBytes(uncertainties)
      const table = await con
      const equation = table && readEquation(bytes, uncertainties, used, rulesOf(used), table)
      return equation ?? readTable(bytes, uncertainties, used)
    })
    const [values, errors] = [await con, await unc]
    problems.throw()
    return 'errorFractions' in errors!
      ? Dataset.#fromEquation(values!, errors, used)
      : Dataset.#fromTables(values!, errors!, used)
  }

  static #fromEquation(con: Table, equation: EquationFile, options: ReadOptions): Dataset {
    const dates = readDates(con.labels, con, options.dateOrder)
    const raw: RawData = {
      rows: con.labels.length,
      cols: con.columns.length,
      values: con.values,
      uncertainties: equationUncertainties(con.values, equation),
      species: con.columns,
      samples: con.labels,
      times: dates?.times,
      limits: equation.detectionLimits,
      place: (_, row, col) => ({
        file: con.file,
        line: con.lines[row]!,
        column: con.columnNumbers[col]!,
        header: con.columns[col]!,
      }),
    }
    const { file, encoding, delimiter } = equation
    return Dataset.#treated(raw, con.units, options, true, {
      source: 'files',
      concentrations: fileTreatment(con),
      equation: { file, encoding, delimiter, ...equationTreatment(equation, con.columns) },
      ...(dates === undefined ? {} : { dateOrder: dates.order }),
    })
  }

  static #fromTables(con: Table, unc: Table, options: ReadOptions): Dataset {
    const problems = new DataProblemList()
    const species = problems.attemptNow(() =>
      pairLabels(
        'species',
        { file: con.file, names: con.columns, places: con.columnNumbers },
        { file: unc.file, names: unc.columns, places: unc.columnNumbers },
      ),
    )
    const dates = problems.attemptNow(() => readDates(con.labels, con, options.dateOrder))
    const sameLabels =
      con.labels.length === unc.labels.length && con.labels.every((label, i) => label === unc.labels[i])
    // Equal labels need no second reading; different ones may be the same dates in another layout.
    const otherDates =
      sameLabels || dates === undefined
        ? dates
        : problems.attemptNow(() => readDates(unc.labels, unc, options.dateOrder))
    problems.throw()
    const keys = (times: Float64Array | undefined): number[] | undefined => times && Array.from(times)
    const samples = pairLabels(
      'samples',
      { file: con.file, names: con.labels, keys: keys(dates?.times), places: con.lines },
      { file: unc.file, names: unc.labels, keys: keys(otherDates?.times), places: unc.lines },
    )
    const rows = con.labels.length
    const cols = con.columns.length
    const partner = (row: number, col: number): [number, number] => [samples.partner[row]!, species!.partner[col]!]
    const paired = new Float64Array(rows * cols)
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) {
        const [r, c] = partner(row, col)
        paired[row * cols + col] = unc.values[r * cols + c]!
      }
    }
    const raw: RawData = {
      rows,
      cols,
      values: con.values,
      uncertainties: paired,
      species: con.columns,
      samples: con.labels,
      times: dates?.times,
      place: (matrix, row, col) => {
        const [table, r, c] = matrix === 'values' ? ([con, row, col] as const) : ([unc, ...partner(row, col)] as const)
        return { file: table.file, line: table.lines[r]!, column: table.columnNumbers[c]!, header: table.columns[c]! }
      },
    }
    return Dataset.#treated(
      raw,
      con.units ?? unc.units?.map((_, col) => unc.units![species!.partner[col]!]!),
      options,
      true,
      {
        source: 'files',
        concentrations: fileTreatment(con),
        uncertainties: fileTreatment(unc),
        pairing: { samples: samples.by, species: species!.by },
        ...(dates === undefined ? {} : { dateOrder: dates.order }),
      },
    )
  }

  /**
   * Data from arrays. Every row is kept, also those without data. The arrays are copied.
   *
   * @throws InvalidInputError `matrix-not-valid`, `array-detached`, `shape-mismatch`, `names-mismatch`, `empty-data`, `species-duplicate`, `date-not-read`, `date-ambiguous`, and the
   *   codes of {@link treat}, with 0-based `row` and `col`.
   */
  static from(input: DatasetInput, options: TreatmentOptions = {}): Dataset {
    checkOptions(options, 'from')
    const invalid = new DataProblemList()
    const values = invalid.attemptNow(() => Matrix.from(input.values, 'values'))
    const given = input.uncertainties
    const byEquation = typeof given === 'object' && given !== null && 'errorFractions' in given ? given : undefined
    const cells = invalid.attemptNow(() => (byEquation ? values : Matrix.from(given as MatrixLike, 'uncertainties')))
    invalid.throw()
    const { rows, cols } = values!
    const problems: DataProblem[] = []
    if (cells!.rows !== rows || cells!.cols !== cols) {
      problems.push({
        code: 'shape-mismatch',
        message: `expected uncertainties of ${rows} × ${cols} as the values, found ${cells!.rows} × ${cells!.cols}`,
      })
    }
    const count = (what: string, expected: number, names: readonly unknown[] | undefined): void => {
      if (names === undefined || names.length === expected) return
      problems.push({ code: 'names-mismatch', message: `expected ${expected} ${what}, found ${names.length}` })
    }
    count('species', cols, input.species)
    count('samples', rows, input.samples)
    count('units', cols, input.units)
    if (rows === 0 || cols === 0)
      problems.push({
        code: 'empty-data',
        message: `expected at least one sample and one species, found ${rows} × ${cols}`,
      })
    const species = input.species ?? values!.colNames ?? Array.from({ length: cols }, (_, j) => `species ${j + 1}`)
    species.forEach((name, col) => {
      const first = species.indexOf(name)
      if (first < col)
        problems.push({
          code: 'species-duplicate',
          col,
          header: name,
          message: `the name "${name}" is used already for column ${first}`,
        })
    })
    const named: readonly (string | Date)[] | undefined = input.samples ?? values!.rowNames
    named?.forEach((sample: string | Date, row: number) => {
      if (sample instanceof Date && Number.isNaN(sample.getTime()))
        problems.push({ code: 'date-not-read', row, message: 'this Date is not valid' })
    })
    throwProblems(problems)
    const fromDates = named !== undefined && named.every((sample: string | Date) => sample instanceof Date)
    const samples =
      named?.map((sample: string | Date) => (sample instanceof Date ? sample.toISOString() : sample)) ??
      Array.from({ length: rows }, (_, i) => `sample ${i + 1}`)
    const dates = named === undefined || fromDates ? undefined : readDates(samples, {}, options.dateOrder)
    const equation = byEquation && givenEquation(byEquation, species)
    const raw: RawData = {
      rows,
      cols,
      values: values!.data,
      uncertainties: equation ? equationUncertainties(Float64Array.from(values!.data), equation) : cells!.data,
      limits: equation?.detectionLimits,
      species,
      samples,
      times: fromDates ? Float64Array.from(named as readonly Date[], (date) => date.getTime()) : dates?.times,
      place: (_, row, col) => ({ row, col, header: species[col]! }),
    }
    return Dataset.#treated(raw, input.units, options, false, {
      source: 'arrays',
      ...(equation ? { equation: equationTreatment(equation, species) } : {}),
      ...(dates === undefined ? {} : { dateOrder: dates.order }),
    })
  }

  static #treated(
    raw: RawData,
    units: readonly string[] | undefined,
    options: TreatmentOptions,
    dropEmpty: boolean,
    record: Omit<Treatment, keyof ValueTreatment>,
  ): Dataset {
    const treated = treat(raw, options, dropEmpty)
    const { keptRows, keptCols } = treated
    return new Dataset({
      species: keptCols.map((col) => raw.species[col]!),
      samples: keptRows.map((row) => raw.samples[row]!),
      times: raw.times && Float64Array.from(keptRows, (row) => raw.times![row]!),
      units: keptCols.map((col) => units?.[col] || undefined),
      values: treated.values,
      uncertainties: treated.uncertainties,
      censored: treated.censored,
      treatment: { ...record, ...treated.treatment },
    })
  }
}

function fileTreatment(table: Table): FileTreatment {
  const { file, encoding, delimiter, decimal, decimalSeen, missing, blankLines, ignored } = table
  return {
    file,
    encoding,
    delimiter,
    decimal,
    decimalSeen,
    missing,
    blankLines,
    ignored,
    unitsRow: table.units !== undefined,
  }
}

function equationTreatment(equation: Equation, species: readonly string[]): EquationTreatment {
  const byName = (numbers: readonly number[]): Record<string, number> =>
    Object.fromEntries(species.map((name, j) => [name, numbers[j]!]))
  return {
    formula: 'u = 5/6 MDL for x <= MDL, else sqrt((EF x)^2 + (MDL/2)^2)',
    detectionLimits: byName(equation.detectionLimits),
    errorFractions: byName(equation.errorFractions),
  }
}

function hash(data: Float64Array): string {
  const bytes = new DataView(new ArrayBuffer(data.length * 8))
  data.forEach((value, k) => {
    if (Number.isNaN(value)) bytes.setBigUint64(k * 8, 0x7ff8000000000000n, true)
    else bytes.setFloat64(k * 8, value, true)
  })
  return createHash('sha256').update(bytes).digest('hex')
}
