/** Which levels and which elements are asked for, of displacement, bootstrap and BS-DISP. */
import { Matrix } from '../matrix.ts'
import { Checker, nearest } from '../validate.ts'
import type { DataSource } from './data.ts'
import type { DataSummary } from './types.ts'

/** A profile element. */
export interface ElementChoice {
  /** 0-based. */
  factor: number
  /** Name, or 0-based column. */
  species: string | number
}

/** As much of a model as choosing needs. */
export interface Choosable {
  factors: number
  data: Pick<DataSummary, 'species' | 'columns' | 'treatment'>
  /** NaN in columns without data. */
  profiles: Matrix
}

/** Levels of displacement and of BS-DISP in PMF programs. */
export const USUAL_LEVELS = { displacement: [4, 8, 15, 25], bootstrapDisplacement: [0.5, 1, 2, 4] } as const

/** The option `levels`, checked. */
export function readLevels(check: Checker, usual: readonly number[]): number[] {
  const value = check.take('levels')
  if (value === undefined) return usual.slice()
  if (!Array.isArray(value) || value.length === 0 || !value.every((level) => typeof level === 'number')) {
    check.problem('option-not-valid', 'levels', 'levels must be an array of at least one number')
    return []
  }
  const levels = value as number[]
  for (const [at, level] of levels.entries()) {
    if (Number.isFinite(level) && level > 0) continue
    const message = `levels[${at}] must be a positive finite number, got ${level}`
    check.add({ code: 'option-out-of-range', name: `levels[${at}]`, value: level, message })
  }
  const at = levels.findIndex((level, l) => l > 0 && level <= levels[l - 1]!)
  if (at > 0) {
    const message = `levels must ascend, and ${levels[at]} comes after ${levels[at - 1]}`
    check.add({ code: 'option-out-of-range', name: `levels[${at}]`, value: levels[at], message })
  }
  return levels.slice()
}

/**
 * Factor and column of each chosen element, in turn.
 * @param otherwise the species that are meant where none is named
 */
export function chooseElements(
  check: Checker,
  model: Choosable,
  categories: DataSource['categories'],
  otherwise: 'strong' | 'all',
): Uint32Array {
  const species = check.take('species')
  const elements = check.take('elements')
  const choose = new Choice(check, model)
  if (species !== undefined && elements !== undefined) {
    check.problem(
      'options-conflict',
      'elements',
      'species and elements exclude each other: elements name their species',
    )
  }
  if (elements !== undefined) return choose.elements(elements)
  const columns = species === undefined ? choose.usual(otherwise, categories) : choose.columns(species)
  const every: number[] = []
  for (let k = 0; k < model.factors; k++) for (const j of columns) every.push(k, j)
  return Uint32Array.from(every)
}

class Choice {
  readonly #check: Checker
  readonly #model: Choosable

  constructor(check: Checker, model: Choosable) {
    this.#check = check
    this.#model = model
  }

  /** Columns that have data: of strong species, or all. */
  usual(which: 'strong' | 'all', categories: DataSource['categories']): number[] {
    const columns = Array.from({ length: this.#model.data.columns }, (_, j) => j).filter((j) => this.#hasData(j))
    if (which === 'all') return columns
    const strong = columns.filter((j) => (categories?.[j] ?? 'strong') === 'strong')
    if (strong.length === 0) {
      const message = 'there is no strong species with data to displace: name species or elements'
      this.#check.problem('option-missing', 'species', message)
    }
    return strong
  }

  columns(given: unknown): number[] {
    if (!Array.isArray(given) || given.length === 0) {
      this.#check.problem('option-not-valid', 'species', 'species must be an array of at least one name or column')
      return []
    }
    const columns = given.flatMap((one, at) => this.#column(one, `species[${at}]`) ?? [])
    return [...new Set(columns)]
  }

  elements(given: unknown): Uint32Array {
    if (!Array.isArray(given) || given.length === 0) {
      const message = 'elements must be an array of at least one { factor, species }'
      this.#check.problem('option-not-valid', 'elements', message)
      return new Uint32Array()
    }
    const { factors, data } = this.#model
    const chosen = new Set<number>()
    for (const [at, one] of given.entries()) {
      const name = `elements[${at}]`
      if (typeof one !== 'object' || one === null) {
        const message = `${name} must be { factor, species }`
        this.#check.add({ code: 'option-not-valid', name, value: one, message })
        continue
      }
      const { factor, species } = one as Record<string, unknown>
      const known = Number.isInteger(factor) && (factor as number) >= 0 && (factor as number) < factors
      if (!known) {
        const message = `${name}.factor must be a whole number from 0 to ${factors - 1}, got ${String(factor)}`
        this.#check.add({ code: 'option-out-of-range', name: `${name}.factor`, value: factor, message })
      }
      const column = this.#column(species, `${name}.species`)
      if (known && column !== undefined) chosen.add((factor as number) * data.columns + column)
    }
    return Uint32Array.from([...chosen].flatMap((at) => [Math.floor(at / data.columns), at % data.columns]))
  }

  #column(given: unknown, name: string): number | undefined {
    const { species, columns, treatment } = this.#model.data
    const column = typeof given === 'string' ? species.indexOf(given) : given
    if (typeof given === 'string' && column === -1) {
      const close = nearest(given, species)
      const known = close === undefined ? `they are ${species.join(', ')}` : `did you mean "${close}"?`
      const hint = treatment?.categories[given] === 'bad' ? 'it was left out of the fit as bad' : known
      const message = `${name} must be one of the fitted species, got ${JSON.stringify(given)}`
      this.#check.add({ code: 'species-unknown', name, value: given, message, hint })
      return undefined
    }
    if (!Number.isInteger(column) || (column as number) < 0 || (column as number) >= columns) {
      const message = `${name} must be the name of a species or a column from 0 to ${columns - 1}, got ${String(given)}`
      const code = typeof given === 'number' ? 'option-out-of-range' : 'option-not-valid'
      this.#check.add({ code, name, value: given, message })
      return undefined
    }
    if (!this.#hasData(column as number)) {
      const message = `${name}: ${species[column as number]} has no data: its profile elements are not known`
      this.#check.add({ code: 'option-not-valid', name, value: given, message })
      return undefined
    }
    return column as number
  }

  #hasData(column: number): boolean {
    return !Number.isNaN(this.#model.profiles.get(0, column))
  }
}
