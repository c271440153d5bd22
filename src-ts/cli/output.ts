/** Writing results: nothing of another study is overwritten, no file is ever half written. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { InvalidInputError } from '../errors.ts'

/** Name of the saved model within a study's folder. */
export const MODEL_FILE = 'model.json'

/** What makes two studies the same: equal fits would be equal bit by bit. */
export interface StudyKey {
  sha256: { values: string; uncertainties: string; censored?: string }
  factors: number
  seed: number
  options: object
}

/**
 * Makes the folder ready for a study, before any work is done.
 * @throws InvalidInputError `output-not-empty`, `output-not-writable`
 */
export async function prepareFolder(folder: string, key: StudyKey, force: boolean): Promise<void> {
  let entries: string[]
  try {
    await mkdir(folder, { recursive: true })
    entries = await readdir(folder)
    const probe = join(folder, `.headwater-${process.pid}`)
    await writeFile(probe, '')
    await rm(probe)
  } catch (error) {
    throw notWritable(folder, error)
  }
  if (force || entries.length === 0) return
  const hint = 'name another folder with --out, or replace what is there with --force'
  const there = await readKey(join(folder, MODEL_FILE))
  if (there === undefined) {
    const message = `${folder} is not empty, and what is in it is no study of headwater`
    throw new InvalidInputError('output-not-empty', message, { name: 'out', hint })
  }
  if (!isDeepStrictEqual(there, JSON.parse(JSON.stringify(key)))) {
    const same = isDeepStrictEqual(there.sha256, key.sha256)
    const what = same
      ? `of the same data with other settings (${there.factors} factors, seed ${there.seed})`
      : `of other data (${there.factors} factors)`
    const message = `${folder} holds another study, ${what}`
    throw new InvalidInputError('output-not-empty', message, { name: 'out', hint })
  }
}

/** The study whose model a file holds; `undefined` if it holds none. */
async function readKey(file: string): Promise<StudyKey | undefined> {
  try {
    const { data, factors, seed, options } = JSON.parse(await readFile(file, 'utf8'))
    return { sha256: data.sha256, factors, seed, options }
  } catch {
    return undefined
  }
}

/**
 * Refuses a file that exists, unless it holds the same study or `force` is given; before any work is done.
 * @throws InvalidInputError `output-not-empty`
 */
export async function prepareFile(file: string, key: StudyKey, force: boolean): Promise<void> {
  if (force) return
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw notWritable(file, error)
  }
  const there = text === '' ? undefined : await readKey(file)
  if (there !== undefined && isDeepStrictEqual(there, JSON.parse(JSON.stringify(key)))) return
  const hint = 'name another file, or replace it with --force'
  throw new InvalidInputError('output-not-empty', `${file} exists and holds something else`, { name: 'save', hint })
}

/**
 * Refuses a file that exists, unless `force` is given; before any work is done.
 * @throws InvalidInputError `output-not-empty`
 */
export function refuseExisting(file: string, force: boolean = false): void {
  if (force || !existsSync(file)) return
  const hint = 'name another one with --out, or replace it with --force'
  throw new InvalidInputError('output-not-empty', `${file} exists`, { name: 'out', hint })
}

/**
 * Writes a whole file or nothing.
 * @throws InvalidInputError `output-not-writable`
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    await writeFile(temporary, text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw notWritable(file, error)
  }
}

/** What the file system refuses, as an error that says why. */
export function notWritable(path: string, cause: unknown): InvalidInputError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    EACCES: 'no permission',
    EPERM: 'no permission',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EEXIST: 'there is a file of this name',
    ENOTDIR: 'a part of its path is a file, not a folder',
    ENOENT: 'its folder does not exist',
    EISDIR: 'it is a folder',
    EBUSY: 'another program holds it open; close it there (Excel?) and try again',
  }
  const reason = (code && reasons[code]) ?? message
  return new InvalidInputError('output-not-writable', `${path} cannot be written: ${reason}`, { name: 'out' })
}
