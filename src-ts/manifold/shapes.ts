/** Shapes and gates as options: what `dictionaryProblem` and `fitDictionary` have in common. */
import { InvalidInputError } from '../errors.ts'
import { readVector } from '../solve/vectors.ts'
import type { Checker } from '../validate.ts'
import type { AtomShape, GateOptions, Numbers } from './problem.ts'

/** Name of a shape, and the number that goes with it: harmonics, dimension, or 0. */
export type NamedShape = [topology: string, size: number]

/** A gate as the addon takes it. */
export interface NativeGate {
  gate: string
  temperature?: number
  logitRidge?: number
}

/** The number that goes with a topology: harmonics, dimension, or nothing. */
export function readShape(shape: unknown, at: number, check: Checker, list = 'atoms'): NamedShape {
  const bad = (what: string): NamedShape => {
    check.problem('option-not-valid', `${list}[${at}]`, `${list}[${at}] must be ${what}`)
    return ['constant', 0]
  }
  if (shape === 'constant' || shape === 'linear') return [shape, 0]
  if (typeof shape !== 'object' || shape === null) return bad("'constant', 'linear' or an object with a topology")
  const { topology, harmonics = 1, dimension, ...rest } = shape as Record<string, unknown>
  const name = String(topology)
  if (!['circle', 'torus', 'patch'].includes(name)) return bad("of topology 'circle', 'torus' or 'patch'")
  if (Object.keys(rest).length > 0) return bad(`without '${Object.keys(rest)[0]}'`)
  const size = name === 'patch' ? dimension : harmonics
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1) {
    return bad(`with a whole number of ${name === 'patch' ? 'coordinates (dimension)' : 'harmonics'} from 1`)
  }
  return [name, size]
}

/** The shape that a name and its number stand for. */
export function toShape([topology, size]: NamedShape): AtomShape {
  if (topology === 'constant' || topology === 'linear') return topology
  if (topology === 'patch') return { topology, dimension: size }
  return { topology: topology as 'circle' | 'torus', harmonics: size }
}

/** Functions of a shape: rows of its decoder. */
export function functionsOf([topology, size]: NamedShape): number {
  switch (topology) {
    case 'linear':
      return 2
    case 'circle':
      return 2 * size + 1
    case 'torus':
      return (2 * size + 1) ** 2
    case 'patch':
      return 1 + size + (size * (size + 1)) / 2
    default:
      return 1
  }
}

/** Coordinates of a shape. */
export function dimensionOf([topology, size]: NamedShape): number {
  return topology === 'constant' ? 0 : topology === 'torus' ? 2 : topology === 'patch' ? size : 1
}

/** Reads the option `gate`; `usual` is the prior of amplitudes where none is given. */
export function readGate(check: Checker, usual: 'normal' | 'half-normal'): NativeGate {
  const gate = check.nested('gate', (inner) => ({
    kind: inner.oneOf('kind', ['amplitude', 'unit', 'softmax']) ?? 'amplitude',
    prior: inner.oneOf('prior', ['normal', 'half-normal', 'exponential']),
    temperature: inner.positive('temperature'),
    ridge: inner.positive('ridge'),
  }))
  const { kind = 'amplitude', prior = usual, temperature = 1, ridge = 0.1 } = gate ?? {}
  if (kind === 'amplitude') return { gate: prior }
  return kind === 'unit' ? { gate: kind } : { gate: kind, temperature, logitRidge: ridge }
}

/** The gate that these stand for. */
export function toGate({ gate, temperature, logitRidge }: NativeGate): GateOptions {
  if (gate === 'unit') return { kind: 'unit' }
  if (gate === 'softmax') return { kind: 'softmax', temperature, ridge: logitRidge }
  return { kind: 'amplitude', prior: gate as 'normal' | 'half-normal' | 'exponential' }
}

/** An option that is a vector; what is wrong with it is noted. */
export function numbersOf(check: Checker, name: string): Float64Array | undefined {
  const value = check.take(name)
  if (value === undefined) return undefined
  try {
    return readVector(value as Numbers, undefined, 'float64', name)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    for (const problem of error.problems) check.add(problem)
    return undefined
  }
}
