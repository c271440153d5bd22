/** Whether what a dictionary's folder holds fits together: files that were edited, mixed up or damaged are told by name. */
import { InvalidInputError } from '../errors.ts'
import type { Status } from '../pmf/types.ts'
import { Checker } from '../validate.ts'
import type { DictionaryFields } from './dictionary-types.ts'
import { dimensionOf, functionsOf, readShape } from './shapes.ts'

const STATUSES: readonly Status[] = ['converged', 'saddle', 'boundary', 'stalled', 'budget', 'aborted']
const GATES = ['amplitude', 'unit', 'softmax']
const NUMBERS = ['value', 'rounds', 'columns', 'asked', 'active', 'beam', 'noise', 'degrees'] as const
const OBJECTS = ['seed', 'gate', 'strengths', 'options'] as const

/** A refusal that names the file. */
export function notValid(file: string, what: string, code: string = 'json-not-valid'): InvalidInputError {
  const hint = 'save the dictionary again, or copy the whole folder'
  return new InvalidInputError(code, `${file} is damaged or not of this dictionary: ${what}`, { file, hint })
}

/** Checks the objects of `cfg.json`; atoms have no decoders yet. */
export function checkConfig(config: Record<string, unknown>, file: string): void {
  const object = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  for (const name of NUMBERS) {
    // The objective of a fit that was stopped may not be known: NaN, which is null in JSON.
    const unknown = name === 'value' && config.status === 'aborted' && config[name] === null
    if (typeof config[name] !== 'number' && !unknown) throw notValid(file, `'${name}' is no number`)
  }
  for (const name of OBJECTS) if (!object(config[name])) throw notValid(file, `'${name}' is missing`)
  if (typeof config.headwater !== 'string') throw notValid(file, "'headwater' is missing")
  if (!STATUSES.includes(config.status as Status)) throw notValid(file, `'${String(config.status)}' is no status`)
  const { gate, strengths, atoms } = config as { gate: { kind?: unknown }; strengths: object; atoms: unknown }
  if (!GATES.includes(gate.kind as string)) throw notValid(file, `'${String(gate.kind)}' is no gate`)
  if (!Array.isArray(atoms)) throw notValid(file, "'atoms' is no list")
  const check = new Checker({}, 'cfg.json')
  let coordinates = 0
  atoms.forEach((atom: unknown, k) => {
    if (!object(atom) || !Array.isArray(atom.spread)) throw notValid(file, `atom ${k} is no atom`)
    coordinates += dimensionOf(readShape(atom.shape, k, check))
  })
  try {
    check.finish()
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    throw notValid(file, error.problems[0]!.message)
  }
  const lengths = { amplitude: atoms.length, roughness: atoms.length, ridge: atoms.length, ard: coordinates }
  for (const [name, length] of Object.entries(lengths)) {
    const found: unknown = (strengths as Record<string, unknown>)[name]
    if (!Array.isArray(found) || found.length !== length || !found.every((x) => typeof x === 'number')) {
      throw notValid(file, `'strengths.${name}' is no list of ${length} numbers`)
    }
  }
}

/** Checks that the arrays go with the configuration and with each other, and hold numbers. */
export function checkArrays(fields: DictionaryFields, weights: string, coords: string): void {
  const { atoms, offset, columns, codes, gate } = fields
  const shapes = atoms.map(({ shape }, k) => readShape(shape, k, new Checker({}, 'cfg.json')))
  const finite = (data: ArrayLike<number>): boolean => Array.prototype.every.call(data, Number.isFinite)
  const same = (file: string, name: string, found: number, wanted: number): void => {
    if (found !== wanted) {
      throw notValid(file, `${name} has ${found} numbers where ${wanted} belong`, 'shape-mismatch')
    }
  }
  same(weights, 'offset', offset.length, columns)
  if (!finite(offset)) throw notValid(weights, 'a number of the offset is not finite', 'value-not-finite')
  atoms.forEach(({ decoder }, k) => {
    same(weights, `decoder.${k}`, decoder.data.length, functionsOf(shapes[k]!) * columns)
    if (!finite(decoder.data)) throw notValid(weights, `a number of decoder.${k} is not finite`, 'value-not-finite')
  })
  const active = codes.sizes.reduce((sum, size) => sum + size, 0)
  same(coords, 'atoms', codes.atoms.length, active)
  const unknown = codes.atoms.find((k) => k >= atoms.length)
  if (unknown !== undefined) throw notValid(coords, `there is no atom ${unknown}`, 'support-not-valid')
  const dimensions = shapes.map(dimensionOf)
  const coordinates = codes.atoms.reduce((sum, k) => sum + dimensions[k]!, 0)
  same(coords, 'coordinates', codes.coordinates.length, coordinates)
  if (gate.kind !== 'softmax') same(coords, 'amounts', codes.amounts.length, active)
  for (const name of ['amounts', 'coordinates', 'logits'] as const) {
    if (!finite(codes[name] ?? [])) throw notValid(coords, `a number of ${name} is not finite`, 'value-not-finite')
  }
}
