/** Options that all optimisers share, checked. */
import type { NativeOptimizerSettings } from '#native'
import { InvalidInputError } from '../errors.ts'
import { Checker } from '../validate.ts'
import type { Constraint, CommonOptions, HealthThresholds, HealthWarning, ParameterGroup, Schedule } from './types.ts'

/** A group as it is used. */
interface Group {
  match: (name: string) => boolean
  lr?: (step: number) => number
  weightDecay?: number
  constraint?: Constraint
}

/** Rates of all tensors and what warns. */
export interface Common {
  lr: (step: number) => number
  weightDecay: number
  groups: readonly Group[]
  temperature: (step: number) => number
  health: HealthThresholds
  onWarning: ((warning: HealthWarning) => void) | undefined
}

/** What an optimiser is, before it has tensors. */
export interface Plan {
  /** Name of its class. */
  name: string
  /** Options as they were given: what a saved optimiser is made from again. */
  options: Readonly<Record<string, unknown>>
  settings: NativeOptimizerSettings
  common: Common
}

/** A number of at least `min`, or a function that gives one. */
export function schedule(checker: Checker, name: string, min = 0): ((step: number) => number) | undefined {
  const value = checker.take(name)
  if (value === undefined) return undefined
  if (typeof value === 'function') {
    const given = value as (step: number) => unknown
    return (step) => {
      const found = given(step)
      if (typeof found === 'number' && Number.isFinite(found) && found >= min) return found
      const message = `${name}(${step}) must give a finite number of at least ${min}, got ${String(found)}`
      throw new InvalidInputError('option-out-of-range', message, { name, value: found })
    }
  }
  if (typeof value === 'number' && Number.isFinite(value) && value >= min) return () => value
  const code = typeof value === 'number' ? 'option-out-of-range' : 'option-not-valid'
  checker.problem(code, name, `${name} must be a finite number of at least ${min} or a function of the step, got ${String(value)}`) // prettier-ignore
  return undefined
}

/** Reads what {@link CommonOptions} has; `temperature` where the method can add noise. */
export function readCommon(
  checker: Checker,
  defaults: { lr: Schedule; weightDecay?: number },
  noisy = false,
): { common: Common; settings: Pick<NativeOptimizerSettings, 'seed' | 'clipNorm'> } {
  const usual = defaults.lr
  const lr = schedule(checker, 'lr') ?? (typeof usual === 'number' ? () => usual : usual)
  const weightDecay = checker.number('weightDecay', { min: 0 }) ?? defaults.weightDecay ?? 0
  const temperature = (noisy ? schedule(checker, 'temperature') : undefined) ?? (() => 0)
  const groups = readGroups(checker)
  const seed = checker.integer('seed')
  const clipNorm = checker.positive('clipNorm')
  const health: HealthThresholds =
    checker.nested('health', (inner) => {
      const found: HealthThresholds = {}
      for (const name of ['gradientNorm', 'updateRms', 'noiseRatio', 'smallestDiagonal', 'largestElement'] as const) {
        const value = inner.number(name, { min: 0 })
        if (value !== undefined) found[name] = value
      }
      return found
    }) ?? {}
  const onWarning = checker.function<(warning: HealthWarning) => void>('onWarning')
  return {
    common: { lr, weightDecay, groups, temperature, health, onWarning },
    settings: { ...(seed === undefined ? {} : { seed }), ...(clipNorm === undefined ? {} : { clipNorm }) },
  }
}

function readGroups(checker: Checker): Group[] {
  const given = checker.take('groups')
  if (given === undefined) return []
  if (!Array.isArray(given)) {
    checker.problem('option-not-valid', 'groups', 'groups must be an array of { match, lr, weightDecay }')
    return []
  }
  return given.map((group: unknown, at): Group => {
    const inner = new Checker(group, `groups[${at}]`)
    inner.required('match', 'which parameters it is for')
    const match = matcher(inner.take('match') as ParameterGroup['match'])
    if (match === undefined)
      inner.problem('option-not-valid', 'match', 'match must be a RegExp, an array of names or a function')
    const lr = schedule(inner, 'lr')
    const weightDecay = inner.number('weightDecay', { min: 0 })
    const constraint = inner.oneOf('constraint', ['stiefel', 'nonnegative'])
    try {
      inner.finish()
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      error.problems.forEach((problem) => checker.add({ ...problem, message: `groups[${at}]: ${problem.message}` }))
    }
    return {
      match: match ?? (() => false),
      ...(lr === undefined ? {} : { lr }),
      ...(weightDecay === undefined ? {} : { weightDecay }),
      ...(constraint === undefined ? {} : { constraint }),
    }
  })
}

function matcher(match: unknown): ((name: string) => boolean) | undefined {
  // A copy without flags that remember a position.
  if (match instanceof RegExp) {
    const pattern = new RegExp(match.source, match.flags.replace(/[gy]/g, ''))
    return (name) => pattern.test(name)
  }
  if (Array.isArray(match)) return (name) => match.includes(name)
  if (typeof match === 'function') return (name) => Boolean((match as (name: string) => unknown)(name))
  return undefined
}

/** Where a parameter of this name stays. */
export const constraintOf = (common: Common, name: string): Constraint | undefined =>
  common.groups.find(({ match }) => match(name))?.constraint

/** Learning rate and decay of each tensor at a step, two numbers each. */
export function ratesOf(common: Common, names: readonly string[], step: number): Float64Array {
  const rates = new Float64Array(2 * names.length)
  const usual = common.lr(step)
  for (const [at, name] of names.entries()) {
    const group = common.groups.find(({ match }) => match(name))
    rates[2 * at] = group?.lr === undefined ? usual : group.lr(step)
    rates[2 * at + 1] = group?.weightDecay ?? common.weightDecay
  }
  return rates
}

export type { CommonOptions }
