/** How a table is written: field delimiter and decimal mark, decided together because the comma can be either. */
import { parseNumber, readCell, type DecimalMark, type MissingRules } from './cells.ts'
import { problemsError } from './problems.ts'
import { isBlank, splitRecords, type Delimiter } from './records.ts'

/** Delimiter and decimal mark of a table. */
export interface Dialect {
  delimiter: Delimiter
  decimal: DecimalMark
  /** False where no number with a fractional part was seen, so that the decimal mark did not matter. */
  decimalSeen: boolean
}

/** Names for messages. */
export const DELIMITER_NAMES: Record<Delimiter, string> = {
  '\t': 'tab',
  ';': 'semicolon',
  ',': 'comma',
  '|': 'vertical bar',
}

const DELIMITERS: readonly Delimiter[] = ['\t', ';', ',', '|']
/** Records that are looked at; a sniff of the whole of a large file would cost more than reading it. */
const LOOKED_AT = 500

interface Candidate extends Dialect {
  /** Cells of the data columns that are numbers or known words for missing. */
  good: number
  /** Cells that are neither, and fields too many or too few. */
  bad: number
}

/**
 * Decides delimiter and decimal mark of a text whose first record (after `preamble` lines) is the header.
 *
 * Every pair that could be meant reads the first records; the pair under which most cells are numbers and fewest are not wins.
 * Of equal ones the decimal point wins over the comma (the file then has no fractions).
 *
 * @throws InvalidInputError `delimiter-not-found`, `delimiter-ambiguous`, `decimal-mark-ambiguous` (all numbers look like 1,234).
 */
export function decideDialect(
  text: string,
  file: string,
  rules: MissingRules,
  fixed: { delimiter?: Delimiter; decimal?: DecimalMark },
): Dialect {
  const candidates: Candidate[] = []
  for (const delimiter of fixed.delimiter === undefined ? DELIMITERS : [fixed.delimiter]) {
    const records = splitRecords(text, delimiter, [], undefined, LOOKED_AT)
    const width = records[0]?.fields.length ?? 0
    if (width < 2 && fixed.delimiter === undefined) continue
    for (const decimal of fixed.decimal === undefined ? (['.', ','] as const) : [fixed.decimal]) {
      if (decimal === ',' && delimiter === ',' && fixed.delimiter === undefined) continue
      const candidate: Candidate = { delimiter, decimal, decimalSeen: false, good: 0, bad: 0 }
      for (const record of records.slice(1)) {
        if (isBlank(record)) continue
        candidate.bad += Math.abs(record.fields.length - width)
        for (const field of record.fields.slice(1)) {
          if (readCell(field, decimal, rules).kind === 'text') candidate.bad++
          else if (field !== '') candidate.good++
          if (field.includes(decimal) && parseNumber(field, decimal) !== undefined) candidate.decimalSeen = true
        }
      }
      candidates.push(candidate)
    }
  }
  const score = (c: Candidate): number => c.good - 2 * c.bad
  candidates.sort((a, b) => score(b) - score(a) || a.bad - b.bad)
  const best = candidates[0]
  if (best === undefined) throw delimiterNotFound(text, file)
  const rival = candidates.find((c) => c.delimiter !== best.delimiter && score(c) === score(best) && c.good > 0)
  if (rival !== undefined) {
    throw problemsError([
      {
        code: 'delimiter-ambiguous',
        file,
        message: `the fields may be separated by ${DELIMITER_NAMES[best.delimiter]} or by ${DELIMITER_NAMES[rival.delimiter]}: both make a table of numbers`,
        hint: 'say which with the option delimiter',
      },
    ])
  }
  if (fixed.decimal === undefined && best.decimal === ',') refuseThousands(text, file, best.delimiter)
  return { delimiter: best.delimiter, decimal: best.decimal, decimalSeen: best.decimalSeen }
}

/** "1,234" in a tab-separated file is 1.234 or 1234, a factor of a thousand; only a person can tell. */
function refuseThousands(text: string, file: string, delimiter: Delimiter): void {
  let example: string | undefined
  for (const record of splitRecords(text, delimiter).slice(1)) {
    for (const field of record.fields.slice(1)) {
      if (!field.includes(',')) continue
      if (!/^[+-]?[1-9]\d{0,2}(,\d{3})+$/.test(field)) return
      example ??= field
    }
  }
  if (example === undefined) return
  throw problemsError([
    {
      code: 'decimal-mark-ambiguous',
      file,
      value: example,
      message: `the comma in "${example}" may be a decimal mark or a thousands separator: every number with a comma looks like this`,
      hint: 'if it is a decimal mark set the option decimal to ","; otherwise remove it from the file',
    },
  ])
}

function delimiterNotFound(text: string, file: string): Error {
  const records = splitRecords(text, '\t', [], undefined, 60).map((record) => record.fields.join(' '))
  const header = records[0] ?? ''
  for (const delimiter of DELIMITERS) {
    const first = records.findIndex((line) => line.split(delimiter).length > 2)
    if (first > 0) {
      return problemsError([
        {
          code: 'delimiter-not-found',
          file,
          line: 1,
          value: header.slice(0, 60),
          message: `the first line is not a header with several columns, but line ${first + 1} could be`,
          hint: `if the lines above it are a title, set the option preamble to ${first}`,
        },
      ])
    }
  }
  return problemsError([
    {
      code: 'delimiter-not-found',
      file,
      line: 1,
      value: header.slice(0, 60),
      message:
        'the first line has only one field; expected column names separated by tab, comma, semicolon or vertical bar',
      hint: 'save the table as CSV',
    },
  ])
}
