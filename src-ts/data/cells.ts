/** One cell of text to one number, to "missing", or to a complaint. */

/** The mark between whole and fractional part. */
export type DecimalMark = '.' | ','

/** Words (lower case) that mean "no value was measured". A blank cell means it too. */
export const MISSING_WORDS: readonly string[] = [
  'na', 'n/a', '#n/a', 'nan', 'null', 'none', 'missing', 'nd', 'n.d.', 'bdl', 'bd', 'bql', 'dl', '<dl', '<lod', '<mdl', 'lod', '-', '--', '.', '*',
] // prettier-ignore

/** Numbers that stand for "missing" in monitoring data. They are never measurements unless the caller says so. */
export const SENTINELS: readonly number[] = [-999, -9999, -99]

/** What a cell turned out to be. */
export type Cell =
  | { kind: 'number'; value: number }
  /** `token`: how it was written, to be counted: `(blank)`, `NA`, `<x`, `-999`, … */
  | { kind: 'missing'; token: string }
  | { kind: 'text' }

const NUMBER: Record<DecimalMark, RegExp> = {
  '.': /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/,
  ',': /^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?$/,
}
const INFINITE = /^([+-]?)inf(?:inity)?$/i

/** The number written with this decimal mark, or `undefined`. No thousands separators. */
export function parseNumber(text: string, decimal: DecimalMark): number | undefined {
  if (NUMBER[decimal].test(text)) return Number(decimal === ',' ? text.replace(',', '.') : text)
  const infinite = INFINITE.exec(text)
  return infinite === null ? undefined : infinite[1] === '-' ? -Infinity : Infinity
}

/** What else counts as missing, beside blanks and `<number>`. */
export interface MissingRules {
  /** Lower-case words. */
  words: ReadonlySet<string>
  sentinels: ReadonlySet<number>
}

/** Judges one trimmed cell. */
export function readCell(text: string, decimal: DecimalMark, rules: MissingRules): Cell {
  if (text === '') return { kind: 'missing', token: '(blank)' }
  const value = parseNumber(text, decimal)
  if (value !== undefined) {
    return rules.sentinels.has(value) ? { kind: 'missing', token: String(value) } : { kind: 'number', value }
  }
  if (rules.words.has(text.toLowerCase())) return { kind: 'missing', token: text }
  if (text.startsWith('<') && parseNumber(text.slice(1).trim(), decimal) !== undefined)
    return { kind: 'missing', token: '<x' }
  return { kind: 'text' }
}

/** Advice for a cell that is not a number. */
export function numberHint(text: string, decimal: DecimalMark): string {
  const other: DecimalMark = decimal === '.' ? ',' : '.'
  if (/^[+-]?\d{1,3}([ ,.'\u00a0\u202f]\d{3})+([.,]\d+)?$/.test(text))
    return 'write numbers without thousands separators'
  if (parseNumber(text, other) !== undefined) {
    return `the decimal mark of this file is "${decimal}"; set the option decimal to "${other}" if all numbers are written like this one`
  }
  if (text.includes('\u2212')) return 'the minus sign is a typographic one (U+2212); use "-"'
  if (/^[+-]?[\d.,]+[dD][+-]?\d+$/.test(text)) return 'write the exponent with "e"'
  if (/^[>]/.test(text)) return 'a value above the measuring range has no meaning here; leave the cell blank'
  if (/^[+-]?\d+[.,]?\d*(e[+-]?\d+)?\s*[^\d\s.,]+/i.test(text)) return 'remove flags and units from the cell'
  return 'correct it, leave it blank, or list the word under missing.words'
}
