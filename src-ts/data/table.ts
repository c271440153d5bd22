/**
 * The strict table reader: a header line, an optional line of units, one line per sample, the first column its label.
 *
 * Nothing is guessed silently. What had to be decided (encoding, delimiter, decimal mark, which words mean missing) is in the
 * result; what could not be decided is an error that asks; what is wrong is an error with file, line, column, name, value.
 */
import { MISSING_WORDS, numberHint, readCell, SENTINELS, type DecimalMark, type MissingRules } from './cells.ts'
import { parseDate } from './dates.ts'
import { decideDialect, DELIMITER_NAMES } from './dialect.ts'
import { nearest } from '../validate.ts'
import { throwProblems, type DataProblem } from './problems.ts'
import { isBlank, splitRecords, type Delimiter, type TextRecord } from './records.ts'
import { decodeText, type Encoding } from './text.ts'

/** How to read a table; everything is found out where it is left out. */
export interface TableOptions {
  /** Character encoding. Default: byte order mark, else UTF-8 if valid, else Latin-1. */
  encoding?: Encoding
  /** Field separator. Default: decided together with the decimal mark. */
  delimiter?: Delimiter
  /** Decimal mark. Default: decided together with the delimiter. */
  decimal?: DecimalMark
  /** Lines above the header that are skipped. Default 0. */
  preamble?: number
  /**
   * Whether the line below the header holds units. Default `auto`: it does if it has text but neither a number nor a word for
   * missing beside its label.
   */
  units?: 'auto' | 'row' | 'none'
  /** Columns (header names) that are not species and are skipped, such as a site code. Default none. */
  ignore?: readonly string[]
  /** Further words that mean missing, and the numbers that do (these replace −999, −9999 and −99). */
  missing?: { words?: readonly string[]; sentinels?: readonly number[] }
}

/** A table of numbers with its labels, and a record of how it was read. */
export interface Table {
  file: string
  encoding: Encoding
  delimiter: Delimiter
  decimal: DecimalMark
  /** False where the file has no number with a fractional part. */
  decimalSeen: boolean
  /** Names of the data columns, in file order. */
  columns: string[]
  /** 1-based field numbers of the data columns. */
  columnNumbers: number[]
  /** Units of the data columns, where the file has a line of them. */
  units: string[] | undefined
  /** First field of every sample. */
  labels: string[]
  /** 1-based line of every sample. */
  lines: number[]
  /** samples × columns, row-major; missing cells are NaN. */
  values: Float64Array
  /** How missing cells were written, and how often: `(blank)`, `BDL`, `<x`, `-999`, … Ignored and blank lines do not count. */
  missing: Record<string, number>
  /** The same per data column. */
  missingByColumn: Record<string, number>[]
  /** 1-based lines without any entry; they are no samples. */
  blankLines: number[]
  /** Names of columns that were left out on request, and number of nameless columns without an entry. */
  ignored: { columns: string[]; empty: number }
}

/**
 * Reads a table from the bytes of a file.
 *
 * @param file - name used in messages.
 * @throws InvalidInputError with all problems found: the codes of the encoding (`spreadsheet-file`, `binary-file`, …), of the
 *   delimiter (`delimiter-not-found`, …), and `header-missing`, `header-duplicate`, `row-length`, `label-missing`,
 *   `not-a-number`, `column-not-numeric`, `column-unknown`, `no-samples`, `no-species`, `quote-not-closed`, `text-after-quote`.
 */
export function readTable(bytes: Uint8Array, file: string, options: TableOptions = {}): Table {
  const decoded = decodeText(bytes, file, options.encoding)
  const rules = rulesOf(options)
  const preamble = options.preamble ?? 0
  const text = skipLines(decoded.text, preamble)
  const dialect = decideDialect(text, file, rules, options)
  const problems: DataProblem[] = []
  const records = splitRecords(text, dialect.delimiter, problems, file)
  for (const record of records) record.line += preamble
  throwProblems(problems)

  const header = records[0]!
  const body = records.slice(1)
  const blankLines = body.filter(isBlank).map((record) => record.line)
  const samples = body.filter((record) => !isBlank(record))
  checkLengths(header, samples, file, DELIMITER_NAMES[dialect.delimiter], problems)
  throwProblems(problems) // with shifted fields every further complaint would be noise

  const { columns, numbers, ignored } = dataColumns(header, samples, options.ignore ?? [], file, problems)
  const unitsRow = findUnits(samples, numbers, dialect.decimal, rules, options.units ?? 'auto')
  const units = unitsRow && numbers.map((number) => unitsRow.fields[number - 1] ?? '')
  if (unitsRow !== undefined) samples.shift()
  if (samples.length === 0) problems.push({ code: 'no-samples', file, message: 'the file has a header but no samples' })
  for (const record of samples) {
    if (record.fields[0] === '') {
      problems.push({
        code: 'label-missing',
        file,
        line: record.line,
        column: 1,
        header: header.fields[0] ?? '',
        value: '',
        message: 'this sample has values but no label',
        hint: 'give it a date or a name, or remove the line',
      })
    }
  }
  const cells = readCells(samples, columns, numbers, dialect.decimal, rules, file, problems)
  throwProblems(problems)
  return {
    file,
    encoding: decoded.encoding,
    ...dialect,
    columns,
    columnNumbers: numbers,
    units,
    labels: samples.map((record) => record.fields[0]!),
    lines: samples.map((record) => record.line),
    ...cells,
    blankLines,
    ignored,
  }
}

/** What counts as missing. */
export function rulesOf({ missing }: TableOptions): MissingRules {
  return {
    words: new Set([...MISSING_WORDS, ...(missing?.words ?? []).map((word) => word.toLowerCase())]),
    sentinels: new Set(missing?.sentinels ?? SENTINELS),
  }
}

function skipLines(text: string, count: number): string {
  const lineEnd = /\r\n|\r|\n/g
  let at = 0
  for (let i = 0; i < count; i++) {
    lineEnd.lastIndex = at
    if (lineEnd.exec(text) === null) return ''
    at = lineEnd.lastIndex
  }
  return text.slice(at)
}

function checkLengths(
  header: TextRecord,
  samples: readonly TextRecord[],
  file: string,
  delimiter: string,
  problems: DataProblem[],
): void {
  const width = header.fields.length
  // Surplus fields that are all empty are spreadsheet padding and lose nothing.
  const wrong = samples.filter((r) => r.fields.length < width || r.fields.slice(width).some((field) => field !== ''))
  const oneMore = wrong.length === samples.length && wrong.every((record) => record.fields.length === width + 1)
  for (const record of wrong) {
    problems.push({
      code: 'row-length',
      file,
      line: record.line,
      column: Math.min(record.fields.length, width) + (record.fields.length > width ? 1 : 0),
      value: record.fields[0] ?? '',
      message: `expected ${width} fields as in the header, found ${record.fields.length}`,
      hint: oneMore
        ? 'every line has one field more than the header: give the label column a name too'
        : `a ${delimiter} is missing or too many in this line, or a text with a ${delimiter} needs quotation marks`,
    })
  }
}

function dataColumns(
  header: TextRecord,
  samples: readonly TextRecord[],
  ignore: readonly string[],
  file: string,
  problems: DataProblem[],
): { columns: string[]; numbers: number[]; ignored: Table['ignored'] } {
  const columns: string[] = []
  const numbers: number[] = []
  const ignored: Table['ignored'] = { columns: [], empty: 0 }
  const first = new Map<string, number>()
  for (const [index, name] of header.fields.entries()) {
    if (index === 0) continue
    const place = { file, line: header.line, column: index + 1, header: name, value: name }
    if (name === '') {
      const used = samples.find((record) => record.fields[index] !== '')
      if (used === undefined) ignored.empty++
      else
        problems.push({
          code: 'header-missing',
          ...place,
          message: `this column has no name, but line ${used.line} has "${used.fields[index]}" in it`,
          hint: 'name the column, or empty it',
        })
      continue
    }
    if (ignore.includes(name)) {
      ignored.columns.push(name)
      continue
    }
    const earlier = first.get(name)
    if (earlier !== undefined) {
      problems.push({
        code: 'header-duplicate',
        ...place,
        message: `the name "${name}" is used already for column ${earlier}`,
        hint: 'give each column its own name, or remove one',
      })
      continue
    }
    first.set(name, index + 1)
    columns.push(name)
    numbers.push(index + 1)
  }
  for (const name of ignore) {
    if (ignored.columns.includes(name)) continue
    const close = nearest(name, header.fields.slice(1))
    problems.push({
      code: 'column-unknown',
      file,
      line: header.line,
      header: name,
      message: `the column "${name}" that is to be ignored does not exist`,
      ...(close === undefined ? {} : { hint: `did you mean "${close}"?` }),
    })
  }
  if (columns.length === 0 && problems.length === 0) {
    problems.push({
      code: 'no-species',
      file,
      line: header.line,
      message: 'there is no column besides the label column',
    })
  }
  return { columns, numbers, ignored }
}

function findUnits(
  samples: readonly TextRecord[],
  numbers: readonly number[],
  decimal: DecimalMark,
  rules: MissingRules,
  option: 'auto' | 'row' | 'none',
): TextRecord | undefined {
  const record = samples[0]
  if (record === undefined || option === 'none') return undefined
  if (option === 'row') return record
  const kinds = numbers.map((number) => {
    const field = record.fields[number - 1]!
    return field === '' ? 'blank' : readCell(field, decimal, rules).kind
  })
  const dated = (['ymd', 'mdy', 'dmy'] as const).some((order) => !Number.isNaN(parseDate(record.fields[0]!, order)))
  // One text among numbers, or a line with a date, is a mistake in a sample and not a line of units.
  return !dated && kinds.includes('text') && !kinds.includes('number') && !kinds.includes('missing')
    ? record
    : undefined
}

function readCells(
  samples: readonly TextRecord[],
  columns: readonly string[],
  numbers: readonly number[],
  decimal: DecimalMark,
  rules: MissingRules,
  file: string,
  problems: DataProblem[],
): Pick<Table, 'values' | 'missing' | 'missingByColumn'> {
  const values = new Float64Array(samples.length * columns.length)
  const missing: Record<string, number> = {}
  const missingByColumn: Record<string, number>[] = columns.map(() => ({}))
  const texts: { row: number; col: number }[] = []
  const numeric = new Array<number>(columns.length).fill(0)
  samples.forEach((record, row) => {
    numbers.forEach((number, col) => {
      const cell = readCell(record.fields[number - 1]!, decimal, rules)
      if (cell.kind === 'number') {
        numeric[col]!++
        values[row * columns.length + col] = cell.value
        return
      }
      values[row * columns.length + col] = NaN
      if (cell.kind === 'text') texts.push({ row, col })
      else {
        missing[cell.token] = (missing[cell.token] ?? 0) + 1
        missingByColumn[col]![cell.token] = (missingByColumn[col]![cell.token] ?? 0) + 1
      }
    })
  })
  const reported = new Set<number>()
  for (const { row, col } of texts) {
    const record = samples[row]!
    const value = record.fields[numbers[col]! - 1]!
    const place = { file, line: record.line, column: numbers[col]!, header: columns[col]!, value }
    if (numeric[col] === 0 && samples.length > 1) {
      // A column of names is one mistake, not one per sample.
      if (reported.has(col)) continue
      reported.add(col)
      problems.push({
        code: 'column-not-numeric',
        ...place,
        message: `no cell of this column is a number; the first is "${value}"`,
        hint: `if it is not a species, list "${columns[col]!}" under the option ignore`,
      })
    } else {
      problems.push({
        code: 'not-a-number',
        ...place,
        message: `expected a number, found "${value}"`,
        hint: numberHint(value, decimal),
      })
    }
  }
  return { values, missing, missingByColumn }
}
