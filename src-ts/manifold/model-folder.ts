/** A dictionary as a folder: `cfg.json`, `weights.safetensors`, `coords.safetensors`, `report.json`, `certificate.json`. */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidInputError } from '../errors.ts'
import { Matrix } from '../matrix.ts'
import { openArray, writeSafetensors } from './arrays.ts'
import type { Dictionary } from './dictionary.ts'
import type { DictionaryFields } from './dictionary-types.ts'
import { checkArrays, checkConfig, notValid } from './model-check.ts'

const FORMAT = 'headwater-dictionary'
const VERSION = 1
const FILES = ['cfg.json', 'weights.safetensors', 'coords.safetensors', 'report.json', 'certificate.json']

/** Writes the folder. `cfg.json` goes first and comes last: a folder without it was not finished. */
export function saveDictionary(from: Dictionary, folder: string, force: boolean): void {
  prepareDictionaryFolder(folder, force)
  const { codes, offset, atoms, certificate, status, train, heldOut, controls, timing, ...rest } = from
  const vector = (data: ArrayLike<number>): { shape: number[]; data: Float64Array } => ({
    shape: [data.length],
    data: Float64Array.from(data),
  })
  const decoders = atoms.map(({ decoder }, k): [string, { shape: number[]; data: Float64Array }] => [
    `decoder.${k}`,
    { shape: [decoder.rows, decoder.cols], data: Float64Array.from(decoder.data) },
  ])
  const file = (name: string): string => join(folder, name)
  inFolder(folder, () => {
    rmSync(file('cfg.json'), { force: true })
    writeSafetensors(file('weights.safetensors'), { offset: vector(offset), ...Object.fromEntries(decoders) })
    const { sizes, atoms: active, amounts, coordinates, logits } = codes
    writeSafetensors(file('coords.safetensors'), {
      sizes: vector(sizes),
      atoms: vector(active),
      amounts: vector(amounts),
      coordinates: vector(coordinates),
      ...(logits ? { logits: vector(logits) } : {}),
    })
    const facts = atoms.map(({ decoder: _, ...atom }) => atom)
    writeJson(file('report.json'), { train, heldOut, controls, timing })
    writeJson(file('certificate.json'), { status, certificate })
    writeJson(file('cfg.json'), { format: FORMAT, version: VERSION, status, ...rest, atoms: facts })
  })
}

/** Reads the folder. */
export function loadDictionary(folder: string): DictionaryFields {
  const config = readJson(join(folder, 'cfg.json'))
  if (config.format !== FORMAT || config.version !== VERSION) {
    const message = `this is no dictionary of headwater of version ${VERSION} (format '${String(config.format)}', version ${String(config.version)})`
    throw new InvalidInputError('json-not-valid', message, { file: join(folder, 'cfg.json') })
  }
  checkConfig(config, join(folder, 'cfg.json'))
  const {
    format: _,
    version: __,
    atoms,
    ...rest
  } = config as unknown as Omit<DictionaryFields, 'atoms'> & {
    format: string
    version: number
    atoms: Omit<DictionaryFields['atoms'][number], 'decoder'>[]
  }
  const weights = join(folder, 'weights.safetensors')
  const coords = join(folder, 'coords.safetensors')
  const read = (file: string, name: string): Float64Array<ArrayBuffer> => {
    using array = openArray(file, { name })
    return array.readRows(0, array.rows)
  }
  const names = (file: string): readonly string[] => {
    using array = openArray(file, { name: file === weights ? 'offset' : 'sizes' })
    return array.names
  }
  const report = readJson(join(folder, 'report.json')) as Pick<
    DictionaryFields,
    'train' | 'heldOut' | 'controls' | 'timing'
  >
  for (const name of ['train', 'timing'] as const) {
    if (report[name] === undefined) throw notValid(join(folder, 'report.json'), `'${name}' is missing`)
  }
  const proof = readJson(join(folder, 'certificate.json')) as Pick<DictionaryFields, 'certificate' | 'status'>
  const { certificate } = proof
  if (!Array.isArray(certificate?.checks) || proof.status !== rest.status) {
    const what = Array.isArray(certificate?.checks) ? 'its status is another one' : "'certificate.checks' is no list"
    throw notValid(join(folder, 'certificate.json'), what)
  }
  const sizes = Uint32Array.from(read(coords, 'sizes'))
  const logits = names(coords).includes('logits') ? { logits: read(coords, 'logits') } : {}
  const fields: DictionaryFields = {
    ...rest,
    value: rest.value ?? Number.NaN,
    offset: read(weights, 'offset'),
    atoms: atoms.map((atom, k) => {
      using array = openArray(weights, { name: `decoder.${k}` })
      return { ...atom, decoder: new Matrix(array.rows, array.cols, array.readRows(0, array.rows)) }
    }),
    codes: {
      rows: sizes.length,
      sizes,
      atoms: Uint32Array.from(read(coords, 'atoms')),
      amounts: read(coords, 'amounts'),
      coordinates: read(coords, 'coordinates'),
      ...logits,
    },
    // NaN is null in JSON.
    certificate: {
      ...certificate,
      checks: certificate.checks.map((check) => ({
        ...check,
        value: check.value ?? Number.NaN,
        threshold: check.threshold ?? Number.NaN,
      })),
    },
    train: report.train,
    ...(report.heldOut ? { heldOut: report.heldOut } : {}),
    ...(report.controls ? { controls: report.controls } : {}),
    timing: report.timing,
  }
  checkArrays(fields, weights, coords)
  return fields
}

/**
 * Makes the folder ready, before any work is done.
 * @param more files that will be written beside the dictionary's own
 */
export function prepareDictionaryFolder(folder: string, force: boolean, more: readonly string[] = []): void {
  if (typeof folder !== 'string' || folder === '') {
    throw new InvalidInputError('option-not-valid', 'the folder must be a path', { name: 'folder', value: folder })
  }
  inFolder(folder, () => mkdirSync(folder, { recursive: true }))
  const there = readdirSync(folder).filter((name) => FILES.includes(name) || more.includes(name))
  if (there.length > 0 && !force) {
    const hint = 'choose another folder, or force'
    throw new InvalidInputError('output-not-empty', `${folder} already holds ${there.join(', ')}`, {
      file: folder,
      hint,
    })
  }
}

/** What the file system refuses, as an error of ours. */
function inFolder(folder: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error
    throw new InvalidInputError('output-not-writable', `${folder} cannot be written: ${error.message}`, {
      file: folder,
    })
  }
}

function writeJson(file: string, value: unknown): void {
  const temporary = `${file}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`)
  renameSync(temporary, file)
}

function readJson(file: string): Record<string, unknown> {
  if (!existsSync(file)) {
    const hint = 'a dictionary is a folder that Dictionary.save or `headwater dictionary fit --out` wrote to its end'
    throw new InvalidInputError('file-not-found', 'there is no such file', { file, hint })
  }
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new InvalidInputError('json-not-valid', `${file} is no JSON object`, { file })
}
