/** Checking of options: everything that is wrong is collected and comes back in one error. */
import { InvalidInputError, type InputProblem } from './errors.ts'
import type { JobOptions } from './job.ts'
import { MOST_THREADS } from './native.ts'

/** Range of a number; both ends belong to it. */
export interface Range {
  min?: number
  max?: number
}

/**
 * Reads options one by one and notes what is wrong. After the last one, {@link Checker.finish} throws if there was
 * anything. Absent and `undefined` are the same; `null` is a wrong value.
 */
export class Checker {
  readonly #options: Readonly<Record<string, unknown>>
  readonly #prefix: string
  readonly #problems: InputProblem[]
  readonly #known: string[] = []

  /** @param where what is checked, for example `factorize(): options` */
  constructor(options: unknown, where: string, parent?: { problems: InputProblem[]; prefix: string }) {
    this.#problems = parent?.problems ?? []
    this.#prefix = parent ? `${parent.prefix}.` : ''
    const isObject = typeof options === 'object' && options !== null && !Array.isArray(options)
    if (options !== undefined && !isObject) {
      this.#add('option-not-valid', where, `${where} must be an object, got ${show(options)}`, options)
    }
    this.#options = isObject ? (options as Record<string, unknown>) : {}
  }

  #add(code: string, name: string, message: string, value: unknown, hint?: string): void {
    this.#problems.push({ code, message, name, value, ...(hint === undefined ? {} : { hint }) })
  }

  /** The raw value; the name counts as known. */
  take(name: string): unknown {
    this.#known.push(name)
    return this.#options[name]
  }

  /** Notes that an option must be given. */
  required(name: string, what: string): void {
    if (this.#options[name] === undefined) {
      this.#add('option-missing', this.#prefix + name, `${this.#prefix}${name} is needed: ${what}`, undefined)
    }
  }

  /** Notes a problem that was found elsewhere. */
  add(problem: InputProblem): void {
    this.#problems.push(problem)
  }

  /** Notes something that the other checks cannot express. */
  problem(code: string, name: string, message: string): void {
    this.#add(code, this.#prefix + name, message, this.#options[name])
  }

  /** A whole number in a range. */
  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}): number | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    const wanted = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    this.#notInRange(name, `a whole number ${wanted}`, value)
    return undefined
  }

  /** A positive finite number. */
  positive(name: string): number | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    this.#notInRange(name, 'a positive finite number', value)
    return undefined
  }

  /** A finite number in a range. */
  number(name: string, { min = -Infinity, max = Infinity }: Range = {}): number | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return value
    const wanted = `${min === -Infinity ? '' : ` from ${min}`}${max === Infinity ? '' : ` to ${max}`}`
    this.#notInRange(name, `a finite number${wanted}`, value)
    return undefined
  }

  /** True or false. */
  boolean(name: string): boolean | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === 'boolean') return value
    this.#wrong(name, 'true or false', value)
    return undefined
  }

  /** One of several words. */
  oneOf<T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.take(name)
    if (value === undefined || (words as readonly unknown[]).includes(value)) return value as T | undefined
    const meant = typeof value === 'string' ? nearest(value, words) : undefined
    const hint = meant === undefined ? undefined : `did you mean '${meant}'?`
    const list = words.map((word) => `'${word}'`).join(', ')
    this.#wrong(name, `one of ${list}`, value, hint)
    return undefined
  }

  /** A function. */
  function<T>(name: string): T | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === 'function') return value as T | undefined
    this.#wrong(name, 'a function', value)
    return undefined
  }

  /** An object with options of its own, checked by `read`. */
  nested<T>(name: string, read: (checker: Checker) => T): T | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    const full = this.#prefix + name
    const inner = new Checker(value, full, { problems: this.#problems, prefix: full })
    const result = read(inner)
    if (typeof value === 'object' && value !== null) inner.#unknown()
    return result
  }

  /** The options that every long call has. */
  job(): JobOptions {
    const signal = this.take('signal')
    if (signal !== undefined && !(signal instanceof AbortSignal)) this.#wrong('signal', 'an AbortSignal', signal)
    return {
      signal: signal as AbortSignal | undefined,
      onProgress: this.function('onProgress'),
      onAbort: this.oneOf('onAbort', ['reject', 'partial']),
      threads: this.integer('threads', { min: 1, max: MOST_THREADS }),
    }
  }

  /**
   * Call when every option has been read.
   * @throws InvalidInputError with all problems, unknown options included
   */
  finish(): void {
    this.#unknown()
    if (this.#problems.length > 0) throw InvalidInputError.ofAll(this.#problems)
  }

  #unknown(): void {
    for (const name of Object.keys(this.#options)) {
      if (this.#known.includes(name)) continue
      const meant = nearest(name, this.#known)
      const hint = meant === undefined ? `known: ${this.#known.join(', ')}` : `did you mean '${meant}'?`
      const full = this.#prefix + name
      this.#add('option-unknown', full, `there is no option '${full}'`, this.#options[name], hint)
    }
  }

  #notInRange(name: string, wanted: string, value: unknown): void {
    this.#wrong(name, wanted, value, undefined, typeof value === 'number' ? 'option-out-of-range' : 'option-not-valid')
  }

  #wrong(name: string, wanted: string, value: unknown, hint?: string, code = 'option-not-valid'): void {
    this.#add(code, this.#prefix + name, `${this.#prefix}${name} must be ${wanted}, got ${show(value)}`, value, hint)
  }
}

/** The candidate closest to `name`, if it is so close (a third of its letters) that it was probably meant. */
export function nearest<T extends string>(name: string, candidates: readonly T[]): T | undefined {
  let best: T | undefined
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
