/** From a file to text: reading, character encoding, and files that are no text at all. */
import { readFile } from 'node:fs/promises'
import { problemsError, type DataProblem } from './problems.ts'

/** Character encodings the reader knows. `latin1` means Windows-1252, its superset that Excel writes. */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin1'

/** A text and the encoding it was stored in. */
export interface DecodedText {
  text: string
  encoding: Encoding
  /** Whether a byte order mark said so (true), or the bytes were judged (false). */
  byteOrderMark: boolean
}

/**
 * Reads a whole file.
 *
 * @throws InvalidInputError `file-not-found`, `file-locked` (another program, mostly Excel, holds it),
 *   `file-not-readable` (folder, permission, or any other reason, which is named).
 */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw problemsError([fileProblem(file, cause as NodeJS.ErrnoException)])
  }
}

/** What a failed attempt to read a file means for its owner. */
export function fileProblem(file: string, cause: NodeJS.ErrnoException): DataProblem {
  switch (cause.code) {
    case 'ENOENT':
      return { code: 'file-not-found', file, message: 'there is no such file', hint: 'check the name and the folder' }
    case 'EBUSY':
    case 'EAGAIN':
      return {
        code: 'file-locked',
        file,
        message: 'another program holds this file open',
        hint: 'close it in Excel (or whatever has it open) and try again',
      }
    case 'EISDIR':
      return { code: 'file-not-readable', file, message: 'this is a folder, not a file' }
    case 'EACCES':
    case 'EPERM':
      return {
        code: 'file-not-readable',
        file,
        message: 'no permission to read this file',
        hint: 'is it open in another program?',
      }
    default:
      return { code: 'file-not-readable', file, message: `cannot read this file: ${cause.message}` }
  }
}

/**
 * Text of a file's bytes.
 *
 * Without `encoding`: a byte order mark decides; else zero bytes at every second place mean UTF-16; else the bytes are
 * UTF-8 if they are valid UTF-8, and Windows-1252 if not (Excel's "CSV" outside of UTF-8). The mark itself is removed.
 *
 * @throws InvalidInputError `spreadsheet-file` for .xls and .xlsx, `binary-file`, `encoding-mismatch` where `encoding`
 *   is given and the bytes are not in it, `file-empty`.
 */
export function decodeText(bytes: Uint8Array, file: string, encoding?: Encoding): DecodedText {
  refuseSpreadsheet(bytes, file)
  const marked = byteOrderMark(bytes)
  const used = encoding ?? marked?.encoding ?? guessEncoding(bytes)
  if (used === undefined) {
    throw problemsError([
      {
        code: 'binary-file',
        file,
        message: 'this is not a text file (it holds zero bytes)',
        hint: 'save the table as CSV or tab-separated text',
      },
    ])
  }
  const skip = marked !== undefined && marked.encoding === used ? marked.length : 0
  let text: string
  try {
    text = new TextDecoder(used === 'latin1' ? 'windows-1252' : used, { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(skip),
    )
  } catch {
    throw problemsError([
      {
        code: 'encoding-mismatch',
        file,
        message: `the bytes are not valid ${used}`,
        hint: 'leave the encoding out, or name another',
      },
    ])
  }
  if (text.trim() === '') {
    throw problemsError([
      {
        code: 'file-empty',
        file,
        message: 'the file is empty',
        hint: 'expected a header line and one line per sample',
      },
    ])
  }
  return { text, encoding: used, byteOrderMark: skip > 0 }
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return bytes.length >= start.length && start.every((byte, i) => bytes[i] === byte)
}

function refuseSpreadsheet(bytes: Uint8Array, file: string): void {
  const kind = startsWith(bytes, [0x50, 0x4b, 0x03, 0x04])
    ? 'an Excel workbook (.xlsx) or another zip archive'
    : startsWith(bytes, [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
      ? 'an old Excel workbook (.xls)'
      : undefined
  if (kind !== undefined) {
    throw problemsError([
      {
        code: 'spreadsheet-file',
        file,
        message: `this is ${kind}, not text`,
        hint: 'open it and save the sheet as CSV',
      },
    ])
  }
}

function byteOrderMark(bytes: Uint8Array): { encoding: Encoding; length: number } | undefined {
  if (startsWith(bytes, [0xef, 0xbb, 0xbf])) return { encoding: 'utf-8', length: 3 }
  if (startsWith(bytes, [0xff, 0xfe])) return { encoding: 'utf-16le', length: 2 }
  if (startsWith(bytes, [0xfe, 0xff])) return { encoding: 'utf-16be', length: 2 }
  return undefined
}

/** `undefined`: no text. Tables are mostly ASCII, so UTF-16 shows as zeros in one half of the places and none in the other. */
function guessEncoding(bytes: Uint8Array): Encoding | undefined {
  const zeros = [0, 0]
  const looked = Math.min(bytes.length, 65536)
  for (let i = 0; i < looked; i++) if (bytes[i] === 0) zeros[i % 2]!++
  const [even, odd] = zeros as [number, number]
  if (even + odd > 0) {
    if (even === 0 && odd > looked / 4) return 'utf-16le'
    if (odd === 0 && even > looked / 4) return 'utf-16be'
    return undefined
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return 'utf-8'
  } catch {
    return 'latin1'
  }
}
