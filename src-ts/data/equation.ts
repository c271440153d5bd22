/**
 * Uncertainties by equation, from the method detection limit (MDL) and the error fraction (EF) of each species:
 * u = 5/6 MDL for x ≤ MDL, u = √((EF·x)² + (MDL/2)²) above. This is what EPA PMF 5 does with an equation-based file:
 * a line of names, one of detection limits, one of error fractions in percent.
 */
import { readCell, type DecimalMark, type MissingRules } from './cells.ts'
import { parseDate } from './dates.ts'
import { decideDialect } from './dialect.ts'
import { BELOW_DETECTION_UNCERTAINTY } from './detection.ts'
import { throwProblems, type DataProblem } from './problems.ts'
import { isBlank, splitRecords, type Delimiter, type TextRecord } from './records.ts'
import { decodeText, type Encoding } from './text.ts'
import type { TableOptions } from './table.ts'

/** Limits and error fractions, one per species. */
export interface Equation {
  /** In the units of the values. */
  detectionLimits: readonly number[]
  /** 0.1 is 10 %. */
  errorFractions: readonly number[]
}

/** An equation file. */
export interface EquationFile extends Equation {
  file: string
  encoding: Encoding
  delimiter: Delimiter
  decimal: DecimalMark
}

/** The uncertainty of one value; NaN of a missing one. */
export function equationUncertainty(value: number, limit: number, fraction: number): number {
  if (Number.isNaN(value)) return NaN
  return value <= limit ? BELOW_DETECTION_UNCERTAINTY * limit : Math.hypot(fraction * value, limit / 2)
}

/** Uncertainties of all values, row-major. */
export function equationUncertainties(values: Float64Array, equation: Equation): Float64Array {
  const cols = equation.detectionLimits.length
  return values.map((value, k) =>
    equationUncertainty(value, equation.detectionLimits[k % cols]!, equation.errorFractions[k % cols]!),
  )
}

/**
 * The equation file, or `undefined` if this is a table of uncertainties. An equation file has exactly two lines below its
 * header beside data of more samples, and its first column holds a species, or labels (such as MDL and EF) that are
 * neither samples of the data nor dates.
 *
 * @param con species and samples of the data
 * @throws InvalidInputError `species-do-not-match`, `equation-not-valid`, and the codes of an undecided dialect
 */
export function readEquation(
  bytes: Uint8Array,
  file: string,
  options: TableOptions,
  rules: MissingRules,
  con: { columns: readonly string[]; labels: readonly string[] },
): EquationFile | undefined {
  const species = con.columns
  if (con.labels.length <= 2) return undefined
  const { text: whole, encoding } = decodeText(bytes, file, options.encoding)
  const all = whole.split(/\r\n|\r|\n/)
  const preamble = options.preamble ?? 0
  const lines = all.slice(preamble)
  if (lines.filter((line) => /[^\s,;|]/.test(line)).length !== 3) return undefined
  const text = lines.join('\n')
  const dialect = decideDialect(text, file, rules, options)
  const problems: DataProblem[] = []
  const records = splitRecords(text, dialect.delimiter, problems, file).filter((record) => !isBlank(record))
  for (const record of records) record.line += preamble
  throwProblems(problems)
  const [header, limits, fractions] = records as [TextRecord, TextRecord, TextRecord]
  // Without a column of labels the first field is a species, and the lines may be as long as the header.
  const from = species.includes(header.fields[0] ?? '') ? 0 : 1
  const labels = from === 0 ? [] : [limits, fractions].map(({ fields }) => fields[0] ?? '')
  if (labels.some((label) => con.labels.includes(label) || isDate(label))) return undefined
  const columns = header.fields.map((name, at) => ({ name, at })).slice(from)
  const used = columns.filter(({ name }) => name !== '' && !options.ignore?.includes(name))
  const read = (record: TextRecord, name: string, what: string): number => {
    const column = used.find((one) => one.name === name)
    if (column === undefined) {
      if (record === limits) {
        problems.push({
          code: 'species-do-not-match',
          file,
          line: header.line,
          header: name,
          value: name,
          message: `"${name}" has no column of limits and error fractions`,
          hint: 'species must be the same in both files',
        })
      }
      return NaN
    }
    const value = record.fields[column.at] ?? ''
    const cell = readCell(value, dialect.decimal, rules)
    if (cell.kind === 'number' && cell.value >= 0 && cell.value < Infinity) return cell.value
    problems.push({
      code: 'equation-not-valid',
      file,
      line: record.line,
      column: column.at + 1,
      header: name,
      value,
      message: `expected ${what} of 0 or more, found "${value}"`,
    })
    return NaN
  }
  const detectionLimits = species.map((name) => read(limits, name, 'a detection limit'))
  const percent = species.map((name) => read(fractions, name, 'an error fraction in percent'))
  for (const { name, at } of used) {
    if (species.includes(name)) continue
    problems.push({
      code: 'species-do-not-match',
      file,
      line: header.line,
      column: at + 1,
      header: name,
      value: name,
      message: `"${name}" is not a species of the data`,
      hint: 'species must be the same in both files',
    })
  }
  if (percent.every((value) => value > 0 && value < 1)) {
    problems.push({
      code: 'equation-not-valid',
      file,
      line: fractions.line,
      message: `error fractions are given in percent, and all are below 1 %`,
      hint: 'write 10 for 10 %',
    })
  }
  throwProblems(problems)
  const { delimiter, decimal } = dialect
  return { file, encoding, delimiter, decimal, detectionLimits, errorFractions: percent.map((value) => value / 100) }
}

function isDate(label: string): boolean {
  return (['ymd', 'mdy', 'dmy'] as const).some((order) => !Number.isNaN(parseDate(label, order)))
}

/**
 * Limits and fractions given in code: one number for all species, one per species in order, or by name.
 * @throws InvalidInputError `equation-not-valid` with everything that is wrong
 */
export function givenEquation(
  input: { detectionLimits: PerSpecies; errorFractions: PerSpecies },
  species: readonly string[],
): Equation {
  const problems: DataProblem[] = []
  const wrong = (message: string, header?: string): number => {
    problems.push({ code: 'equation-not-valid', message, ...(header === undefined ? {} : { header }) })
    return NaN
  }
  const spread = (from: PerSpecies, what: 'detectionLimits' | 'errorFractions', most: number): number[] => {
    const of = (name: string, col: number): unknown =>
      typeof from === 'number'
        ? from
        : Array.isArray(from)
          ? from[col]
          : Object.hasOwn(Object(from) as object, name)
            ? (from as Record<string, number>)[name]
            : undefined
    if (Array.isArray(from) && from.length !== species.length) {
      wrong(`uncertainties.${what} has ${from.length} numbers for ${species.length} species`)
      return []
    }
    return species.map((name, col) => {
      const value = of(name, col)
      const fine = typeof value === 'number' && value >= 0 && value <= most && value < Infinity
      if (fine) return value
      const wanted = most === 1 ? 'a share from 0 to 1 (0.1 is 10 %)' : 'a finite number of 0 or more'
      return wrong(`uncertainties.${what} must be ${wanted}, got ${String(value)}`, name)
    })
  }
  const equation = {
    detectionLimits: spread(input.detectionLimits, 'detectionLimits', Infinity),
    errorFractions: spread(input.errorFractions, 'errorFractions', 1),
  }
  throwProblems(problems)
  return equation
}

/** One number for all species, one per species in order, or by name. */
export type PerSpecies = number | readonly number[] | Readonly<Record<string, number>>
