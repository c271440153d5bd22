/** Sample labels as dates: every layout is tried on the whole column, and what stays ambiguous is asked, not guessed. */
import { problemsError, type DataProblem } from './problems.ts'

/** Order of day, month and year in dates written with numbers. */
export type DateOrder = 'mdy' | 'dmy' | 'ymd'

/** A column of labels read as dates. */
export interface DateColumn {
  order: DateOrder
  /** Whether any label carries a time of day. */
  withTime: boolean
  /** Milliseconds since 1970-01-01, reading the labels as UTC (files carry no time zone, and so no summer time is applied). */
  times: Float64Array
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const TIME = '(?:[T ]+(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:\\.\\d+)?)?\\s*([AaPp][Mm])?Z?)?'
const NUMERIC = new RegExp(`^(\\d{1,4})([-/.])(\\d{1,2})\\2(\\d{1,4})${TIME}$`)
const COMPACT = /^(\d{4})(\d{2})(\d{2})(?:[T ]?(\d{2})(\d{2}))?$/
const NAMED = new RegExp(`^(\\d{1,2})[- /.]([A-Za-z]{3,9})\\.?[- /.](\\d{2}|\\d{4})${TIME}$`)

/** One label under one order, or NaN. Two-digit years up to 69 are 20xx, later ones 19xx (as POSIX and Excel-like tools do). */
export function parseDate(text: string, order: DateOrder): number {
  const numeric = NUMERIC.exec(text)
  if (numeric !== null) {
    const [, a, separator, b, c, hour, minute, second, half] = numeric as unknown as string[]
    // Dots are written only by people who put the day first.
    if (separator === '.' && order === 'mdy') return NaN
    const [year, month, day] = order === 'ymd' ? [a!, b!, c!] : order === 'mdy' ? [c!, a!, b!] : [c!, b!, a!]
    if (month.length > 2 || day.length > 2 || (year.length !== 2 && year.length !== 4)) return NaN
    return time(fullYear(year), Number(month), Number(day), hour, minute, second, half)
  }
  const compact = COMPACT.exec(text)
  if (compact !== null) {
    if (order !== 'ymd') return NaN
    const [, year, month, day, hour, minute] = compact as unknown as string[]
    return time(Number(year), Number(month), Number(day), hour, minute)
  }
  const named = NAMED.exec(text)
  if (named !== null) {
    const [, day, name, year, hour, minute, second, half] = named as unknown as string[]
    const month = MONTHS.indexOf(name!.slice(0, 3).toLowerCase()) + 1
    return month === 0 ? NaN : time(fullYear(year!), month, Number(day), hour, minute, second, half)
  }
  return NaN
}

function fullYear(text: string): number {
  const year = Number(text)
  return text.length === 4 ? year : year < 70 ? 2000 + year : 1900 + year
}

function time(
  year: number,
  month: number,
  day: number,
  hour?: string,
  minute?: string,
  second?: string,
  half?: string,
): number {
  let h = hour === undefined ? 0 : Number(hour)
  if (half !== undefined) {
    if (h < 1 || h > 12) return NaN
    h = (h % 12) + (half.toLowerCase() === 'pm' ? 12 : 0)
  }
  const m = minute === undefined ? 0 : Number(minute)
  const s = second === undefined ? 0 : Number(second)
  if (month < 1 || month > 12 || day < 1 || h > 24 || m > 59 || s > 59 || (h === 24 && m + s > 0)) return NaN
  const midnight = Date.UTC(year, month - 1, day)
  // Date.UTC rolls 31 April over to 1 May; such a date is a mistake or the wrong order.
  return new Date(midnight).getUTCDate() === day ? midnight + ((h * 60 + m) * 60 + s) * 1000 : NaN
}

/**
 * Reads a column of labels as dates; `undefined` if they are names.
 *
 * A label column counts as dates if one order of day, month and year reads every label. If several do and they disagree
 * (all days up to the 12th), nobody can tell 2 March from 3 February.
 *
 * @param order - the answer to that question, where it was asked.
 * @throws InvalidInputError `date-ambiguous`; `date-not-read` where `order` is given but does not fit every label, or where
 *   at least half of the labels (and more than one) are dates of one order and the others are not: a typing mistake.
 */
export function readDates(
  labels: readonly string[],
  place: { file?: string; lines?: readonly number[] } = {},
  order?: DateOrder,
): DateColumn | undefined {
  const orders: readonly DateOrder[] = order === undefined ? ['ymd', 'mdy', 'dmy'] : [order]
  const read = orders.map((each) => {
    const times = Float64Array.from(labels, (label) => parseDate(label, each))
    return { order: each, times, good: times.reduce((count, t) => count + (Number.isNaN(t) ? 0 : 1), 0) }
  })
  const whole = read.filter((candidate) => candidate.good === labels.length)
  const file = place.file === undefined ? {} : { file: place.file }
  const [best, ...others] = whole
  if (best === undefined) {
    const nearly = read.reduce((a, b) => (b.good > a.good ? b : a))
    if (order === undefined && (nearly.good < 2 || nearly.good * 2 < labels.length)) return undefined
    const problems: DataProblem[] = []
    labels.forEach((label, row) => {
      if (!Number.isNaN(nearly.times[row]!)) return
      const line = place.lines?.[row]
      problems.push({
        code: 'date-not-read',
        ...file,
        ...(line === undefined ? { row } : { line, column: 1 }),
        value: label,
        message: `"${label}" is not a date in the order ${ORDER_NAMES[nearly.order]}, as ${nearly.good} of ${labels.length} labels are`,
        hint: 'correct it; day, month and year must come in one order in the whole column',
      })
    })
    throw problemsError(problems)
  }
  for (const other of others) {
    const row = best.times.findIndex((t, i) => t !== other.times[i])
    if (row < 0) continue
    const line = place.lines?.[row]
    const sorted = whole.filter(({ times }) => times.every((t, i) => i === 0 || t >= times[i - 1]!)).map((c) => c.order)
    const likely =
      sorted.length === 1 ? `; in the order ${ORDER_NAMES[sorted[0]!]} the samples would be sorted by time` : ''
    throw problemsError([
      {
        code: 'date-ambiguous',
        ...file,
        ...(line === undefined ? { row } : { line, column: 1 }),
        value: labels[row]!,
        message: `"${labels[row]}" may be ${iso(best.times[row]!)} or ${iso(other.times[row]!)}: no label of the column tells${likely}`,
        hint: `set the option dateOrder to "${best.order}" or "${other.order}"`,
      },
    ])
  }
  return { order: best.order, withTime: labels.some((label) => label.includes(':')), times: best.times }
}

const ORDER_NAMES: Record<DateOrder, string> = { mdy: 'month/day/year', dmy: 'day/month/year', ymd: 'year-month-day' }

function iso(t: number): string {
  return new Date(t).toISOString().slice(0, 10)
}
