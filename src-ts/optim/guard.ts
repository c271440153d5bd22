/** Guards: who decides whether a step is committed. */
import { InvalidInputError } from '../errors.ts'
import { Checker } from '../validate.ts'
import { Optimizer, type GuardPlan } from './optimizer.ts'
import type { GuardEvent, GuardOptions } from './types.ts'

/**
 * The same optimiser under a guard. A step whose loss, gradient, parameters or result are not finite, whose loss stands
 * out, or behind which a linear solve failed is discarded; if that goes on, the learning rate is lowered, then a snapshot
 * restored, and at last a {@link GuardError} thrown. At most skips·(backoffs+1)·(rollbacks+1) steps, 72 by default, are
 * discarded between two commits.
 *
 * The multiplier of the rate stands on top of whatever the schedule yields: a schedule cannot undo it. Steps count
 * commits alone, so that a run with a bad batch goes on as if it had not been there, to the bit.
 *
 * @param optimizer one that has made no step yet
 * @throws InvalidInputError for wrong options, or an optimiser that has begun
 */
export function guard(optimizer: Optimizer, options: GuardOptions = {}): Optimizer {
  if (!(optimizer instanceof Optimizer)) {
    throw new InvalidInputError('option-not-valid', 'guard(): the first argument must be an optimiser', {
      name: 'optimizer',
    })
  }
  if (optimizer.tensors.length > 0 || optimizer.guarded) {
    const message = optimizer.guarded
      ? 'the optimiser has a guard already'
      : 'the optimiser has made steps without a guard'
    throw new InvalidInputError('options-conflict', message, { name: 'optimizer', hint: 'guard a new one' })
  }
  return new Optimizer(optimizer.plan, readGuard(options))
}

/** The options of a guard, checked. */
export function readGuard(options: unknown): GuardPlan {
  const checker = new Checker(options, 'guard(): options')
  const found: GuardPlan['options'] = {}
  const note = (name: keyof GuardPlan['options'], value: number | undefined): void => {
    if (value !== undefined) found[name] = value
  }
  for (const name of ['skips', 'recovery', 'snapshotEvery', 'snapshots', 'window', 'samples'] as const) {
    note(name, checker.integer(name, { min: 1, max: 2 ** 32 - 1 }))
  }
  for (const name of ['backoffs', 'rollbacks'] as const) note(name, checker.integer(name, { max: 2 ** 32 - 1 }))
  note('factor', below(checker, 'factor', checker.positive('factor')))
  note('least', checker.number('least', { min: Number.MIN_VALUE, max: 1 }))
  // Infinity is allowed: no spikes.
  note('spike', checker.take('spike') === Infinity ? Infinity : checker.positive('spike'))
  note('discards', checker.number('discards', { min: 0, max: 1 }))
  const onEvent = checker.function<(event: GuardEvent) => void>('onEvent')
  checker.finish()
  return { options: found, onEvent }
}

function below(checker: Checker, name: string, value: number | undefined): number | undefined {
  if (value === undefined || value < 1) return value
  checker.problem('option-out-of-range', name, `${name} must be below 1, got ${value}`)
  return undefined
}
