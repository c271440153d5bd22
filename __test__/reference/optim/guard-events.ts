/** Attempts for a guard, seeded: calm stretches and the kinds of trouble that it is for, so that all its states are met. */
import { random } from '../solve/random.ts'
import type { GuardEvent } from './guard.ts'

/** A stretch of calm, then trouble of some kind, again and again until there are `count` events. */
export function guardEvents(seed: number, count: number): GuardEvent[] {
  const next = random(seed)
  const out: GuardEvent[] = []
  let level = 1
  const calm = (): GuardEvent => ({ kind: 'finite', loss: level * (1 + 0.1 * next.normal()) })
  const many = (most: number): number => 1 + next.integer(most)
  const troubles: (() => void)[] = [
    // Bad batches, one or several in a row, of each kind.
    () => {
      const kinds: readonly (() => GuardEvent)[] = [
        () => ({ kind: 'nonfinite', what: 'loss' }),
        () => ({ kind: 'nonfinite', what: 'gradient' }),
        () => ({ kind: 'solver', reason: 'stagnation' }),
        () => ({ kind: 'finite', loss: 100 * level }),
        () => ({ kind: 'overflow', belowMinimum: next.chance(0.5) }),
      ]
      for (let k = many(7); k > 0; k--) out.push(next.pick(kinds)())
    },
    // Every second attempt.
    () => {
      for (let k = many(60); k > 0; k--) out.push({ kind: 'nonfinite', what: 'loss' }, calm())
    },
    // A candidate, or the parameters themselves.
    () => out.push(next.chance(0.7) ? { kind: 'candidate', loss: level } : { kind: 'parameters' }),
    // Another regime: spikes until they are accepted.
    () => {
      level *= next.pick([0.1, 3, 30])
    },
    // Long trouble.
    () => {
      for (let k = many(25); k > 0; k--) out.push({ kind: 'nonfinite', what: 'gradient' })
    },
    // No loss is told for a while.
    () => {
      for (let k = many(20); k > 0; k--) out.push({ kind: 'finite' })
    },
  ]
  while (out.length < count) {
    for (let k = next.pick([3, 40, 120, 300, 700]); k > 0; k--) out.push(calm())
    next.pick(troubles)()
  }
  return out.slice(0, count)
}
