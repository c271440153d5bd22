/** Helpers of the data tests: temporary files, and the problems a failing read reports. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { InvalidInputError } from '../../src-ts/errors.ts'
import { Dataset, type DataProblem, type ReadOptions } from '../../src-ts/data/index.ts'

const folder = await mkdtemp(join(tmpdir(), 'headwater data é '))
afterAll(() => rm(folder, { recursive: true }))
let count = 0

/** Writes text or bytes to a new file and returns its name. */
export async function file(content: string | Uint8Array, ending: string = 'csv'): Promise<string> {
  const name = join(folder, `${count++}.${ending}`)
  await writeFile(name, content)
  return name
}

export const EXAMPLES: URL = new URL('../../examples/data/', import.meta.url)

/** Con and unc with the same header and labels; every uncertainty is 1 unless given. */
export async function pair(con: string | Uint8Array, unc: string | Uint8Array): Promise<[string, string]> {
  return [await file(con), await file(unc)]
}

/** Reads two texts. */
export async function read(
  con: string | Uint8Array,
  unc: string | Uint8Array,
  options?: ReadOptions,
): Promise<Dataset> {
  return Dataset.read(...(await pair(con, unc)), options)
}

/** Problems with which something fails; fails itself if it does not fail, or in another way. */
export async function problemsOf(failing: Promise<unknown> | (() => unknown)): Promise<readonly DataProblem[]> {
  const outcome = await (typeof failing === 'function' ? (async () => failing())() : failing).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(outcome, 'it should have been refused').toBeInstanceOf(InvalidInputError)
  const error = outcome as InvalidInputError & { problems: readonly DataProblem[] }
  expect(error.code).toBe(error.problems[0]!.code)
  return error.problems
}

/** Text as UTF-16 with a byte order mark. */
export function utf16(text: string, bigEndian: boolean = false, mark: boolean = true): Uint8Array {
  const bytes = Buffer.from((mark ? '\ufeff' : '') + text, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}
