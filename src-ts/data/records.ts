/** Text to records of fields: delimiters, quotes, line ends. Knows nothing about numbers. */
import type { DataProblem } from './problems.ts'

/** Characters that may separate fields. */
export type Delimiter = '\t' | ';' | ',' | '|'

/** One line of the table (or several, where a quoted field holds a line end). */
export interface TextRecord {
  /** 1-based line of the file on which the record begins. */
  line: number
  /** Fields without surrounding white space and without their quotes. */
  fields: string[]
}

/** Is every field empty? */
export function isBlank(record: TextRecord): boolean {
  return record.fields.every((field) => field === '')
}

/**
 * Splits text into records.
 *
 * Lines end with LF, CRLF or CR. A field that begins with `"` extends to the closing quote, `""` is one quote character,
 * and delimiters and line ends inside it are part of the field. Problems (`quote-not-closed`, `text-after-quote`) are
 * appended to `problems`.
 *
 * @param limit - at most this many records (default: all).
 */
export function splitRecords(
  text: string,
  delimiter: Delimiter,
  problems: DataProblem[] = [],
  file?: string,
  limit: number = Infinity,
): TextRecord[] {
  const records: TextRecord[] = []
  const where = file === undefined ? {} : { file }
  let line = 1
  let at = 0
  while (at < text.length && records.length < limit) {
    let end = lineEnd(text, at)
    const start = line
    if (!text.slice(at, end).includes('"')) {
      records.push({
        line,
        fields: text
          .slice(at, end)
          .split(delimiter)
          .map((field) => field.trim()),
      })
    } else {
      const fields: string[] = []
      let position = at
      for (;;) {
        while (text[position] === ' ') position++
        if (text[position] !== '"') {
          const stop = Math.min(nextOf(text, delimiter, position), lineEnd(text, position))
          fields.push(text.slice(position, stop).trim())
          position = stop
        } else {
          const quoted = readQuoted(text, position)
          if (quoted === undefined) {
            problems.push({
              code: 'quote-not-closed',
              ...where,
              line,
              column: fields.length + 1,
              value: text.slice(position, position + 30),
              message: 'a quotation mark opens here and never closes',
              hint: 'close it, or remove it',
            })
            return records
          }
          const stop = Math.min(nextOf(text, delimiter, quoted.end), lineEnd(text, quoted.end))
          const after = text.slice(quoted.end, stop).trim()
          if (after !== '') {
            problems.push({
              code: 'text-after-quote',
              ...where,
              line,
              column: fields.length + 1,
              value: text.slice(position, stop),
              message: 'text follows the closing quotation mark',
              hint: 'a quotation mark inside a quoted field is written twice',
            })
          }
          line += quoted.lineEnds
          fields.push(quoted.text.trim())
          position = stop
        }
        if (text[position] !== delimiter) break
        position++
      }
      end = position
      records.push({ line: start, fields })
    }
    at = end + (text[end] === '\r' && text[end + 1] === '\n' ? 2 : 1)
    line++
  }
  return records
}

function nextOf(text: string, character: string, from: number): number {
  const found = text.indexOf(character, from)
  return found < 0 ? text.length : found
}

function lineEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 10 || code === 13) return i
  }
  return text.length
}

function readQuoted(text: string, open: number): { text: string; end: number; lineEnds: number } | undefined {
  let content = ''
  let from = open + 1
  for (;;) {
    const close = text.indexOf('"', from)
    if (close < 0) return undefined
    content += text.slice(from, close)
    if (text[close + 1] !== '"') {
      return { text: content, end: close + 1, lineEnds: content.match(/\r\n|\r|\n/g)?.length ?? 0 }
    }
    content += '"'
    from = close + 2
  }
}
