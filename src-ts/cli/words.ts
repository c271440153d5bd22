/** Numbers, tables and statuses as text. */
import type { Status } from '../pmf/types.ts'

/** What each status means, for the reader of a result. */
export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  converged: 'a local minimum, and here is the proof',
  saddle: 'stationary, but Q still falls along a direction of negative curvature: not a minimum',
  boundary: 'an optimum at the edge of the allowed region',
  stalled: 'not proven to be a minimum, however flat Q may look: do not call it converged',
  budget: 'the iteration limit came before a minimum was proven (--max-iterations)',
  aborted: 'stopped before it ended: the best point so far',
}

/** The same for a minimum that is not a single point. */
/** Converged, with a curvature that is bounded with a stated probability only. */
export const PROBABLE = 'a local minimum with the probability below; everything else about it is proven'
export const NOT_UNIQUE = 'a minimum, and here is the proof, but other solutions fit equally well'

/** A sum of squares with the digits that matter. */
export function formatQ(q: number): string {
  if (!Number.isFinite(q)) return String(q)
  const size = Math.abs(q)
  return size >= 1e9 || (size < 1e-3 && q !== 0) ? q.toExponential(6) : q.toFixed(size >= 1e5 ? 3 : 4)
}

/** Three digits, for numbers of which only the size matters. */
export function brief(value: number | undefined, digits: number = 3): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  const size = Math.abs(value)
  if (value === 0) return '0'
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1)
  return String(Number(value.toPrecision(digits)))
}

/** `12 %`, `< 1 %`. */
export function percent(share: number): string {
  if (Number.isNaN(share)) return '–'
  const value = 100 * share
  return value > 0 && value < 1 ? '< 1 %' : `${Math.round(value)} %`
}

/** `3.2 s`, `2 min 5 s`, `1 h 12 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** `1 start`, `3 starts`. */
export function count(number: number, one: string, many: string = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

/** Columns side by side, two spaces apart; `right` names those that hold numbers. */
export function table(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  indent: string = '  ',
): string {
  const widths: number[] = []
  for (const row of rows) for (const [j, cell] of row.entries()) widths[j] = Math.max(widths[j] ?? 0, width(cell))
  return rows
    .map((row) => {
      const cells = row.map((cell, j) => {
        const space = ' '.repeat(widths[j]! - width(cell))
        return right.includes(j) ? space + cell : cell + space
      })
      return `${indent}${cells.join('  ').trimEnd()}\n`
    })
    .join('')
}

/** Text that is broken between words so that it stays within the width, the further lines indented like the first. */
export function wrap(text: string, first: string, columns: number = 100): string {
  const indent = ' '.repeat(width(first))
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of text.split(' ')) {
    if (!empty && width(line) + 1 + width(word) > columns) {
      lines.push(line)
      line = indent
      empty = true
    }
    line += (empty ? '' : ' ') + word
    empty = false
  }
  return `${[...lines, line].join('\n')}\n`
}

function width(text: string): number {
  return [...text].length
}
