/** The guard beside its reference on random attempts, and what it promises. A failure names its seed. */
import { describe, expect, test } from 'vitest'
import { AdamW, guard, GuardError, Sgd, type GuardEvent as Event, type StepInput } from '../../src-ts/optim/index.ts'
import { guardEvents } from '../reference/optim/guard-events.ts'
import { guard as decide, guardStart, type GuardEvent } from '../reference/optim/guard.ts'
import { chooseSeed } from '../reference/solve/systems.ts'

const seed = chooseSeed()

const CAUSES = {
  lossNotFinite: 'loss',
  gradientNotFinite: 'gradient',
  parameterNotFinite: 'parameters',
  candidateNotFinite: 'candidate',
  spike: 'spike',
  solverFailed: 'solver',
  skipRate: 'skipRate',
} as const

/** How a step looks about which the event is found out. */
function attempt(event: GuardEvent, theta: Float64Array): { g: number; input: StepInput } {
  switch (event.kind) {
    case 'finite':
      return { g: 1, input: { loss: event.loss } }
    case 'candidate':
      return { g: 1e305, input: { loss: event.loss } }
    case 'parameters':
      theta[0] = NaN
      return { g: 1, input: {} }
    case 'nonfinite':
      return event.what === 'loss' ? { g: 1, input: { loss: Infinity } } : { g: NaN, input: { loss: 1 } }
    case 'solver':
      return { g: 1, input: { loss: 1, solves: [{ converged: false, reason: event.reason }] } }
    case 'overflow':
      return { g: NaN, input: { scaler: { overflow: true, scale: event.belowMinimum ? 0.5 : 2, minScale: 1 } } }
  }
}

describe('beside the reference', () => {
  test.each(Array.from({ length: 30 }, (_, k) => k))('random attempts %i', (key) => {
    const theta = Float64Array.of(0)
    // The candidate of a gradient of 1e305 is infinite at this rate.
    const lr = 1e6
    const optimizer = guard(new Sgd({ lr }))
    let state = guardStart()
    let value = 0
    const kept = new Map<number, number>()
    for (const [at, event] of guardEvents(seed + key, 1500).entries()) {
      const where = `seed ${seed + key}, attempt ${at}, ${JSON.stringify(event)}`
      const expected = decide(state, event)
      const { g, input } = attempt(event, theta)
      const rate = lr * state.multiplier
      const { committed, events, guard: counters, restored } = tried(optimizer, theta, g, input)
      expect(committed, where).toBe(expected.action.commit)
      expect(
        events.map(({ to, cause }) => [to.toUpperCase(), cause && CAUSES[cause as keyof typeof CAUSES]]),
        where,
      ).toEqual(expected.action.transitions.map(({ to, cause }) => [to, cause]))
      state = expected.state
      const { multiplier, skips, backoffs, rollbacks, good } = state
      const { multiplier: s, skipped, backedOff, rolledBack, good: commits } = counters!
      expect([s, skipped, backedOff, rolledBack, commits], where).toEqual([
        multiplier,
        skips,
        backoffs,
        rollbacks,
        good,
      ])
      if (committed) value -= rate
      if (expected.action.take !== undefined) kept.set(expected.action.take, value)
      if (expected.action.restore !== undefined) value = kept.get(expected.action.restore)!
      expect(restored, where).toBe(expected.action.restore !== undefined)
      if (event.kind !== 'parameters' || restored) expect(theta[0], where).toBe(value)
      if (state.phase === 'HALT') break
    }
  })
})

function tried(optimizer: Sgd, theta: Float64Array, g: number, input: StepInput): ReturnType<Sgd['tryStep']> {
  return optimizer.tryStep({ theta }, { theta: Float64Array.of(g) }, input, -1)
}

test('a run with a bad batch is the run without it, to the bit', () => {
  const run = (bad: boolean): { theta: Float64Array; report: unknown } => {
    const theta = Float64Array.of(1, -2, 3)
    const optimizer = guard(new AdamW({ lr: (step) => 0.1 / (1 + step), temperature: 1e-3, burnIn: false }))
    for (let step = 0; step < 100; step++) {
      if (bad && step === 40) optimizer.step({ theta }, { theta: Float64Array.of(0, NaN, 0) }, { loss: 1 })
      optimizer.step({ theta }, { theta: theta.map((x) => 2 * x) }, { loss: 1 })
    }
    return { theta, report: optimizer.stepCount }
  }
  expect(run(true)).toEqual(run(false))
})

test('a schedule cannot undo the multiplier', () => {
  const theta = Float64Array.of(0)
  const optimizer = guard(new Sgd({ lr: () => 1 }))
  for (let k = 0; k < 3; k++) optimizer.step({ theta }, { theta: Float64Array.of(NaN) })
  optimizer.step({ theta }, { theta: Float64Array.of(1) })
  expect(theta[0]).toBe(-0.5)
})

test('a lasting failure ends with what is known of it', () => {
  const theta = Float64Array.of(0, 0)
  const events: Event[] = []
  const optimizer = guard(new Sgd({ lr: 1 }), { snapshotEvery: 5, onEvent: (event) => events.push(event) })
  for (let step = 0; step < 7; step++) optimizer.step({ theta }, { theta: Float64Array.of(1, 1) })
  const attempts: string[] = []
  let caught: unknown
  for (let k = 0; k < 100 && caught === undefined; k++) {
    try {
      attempts.push(optimizer.step({ theta }, { theta: Float64Array.of(1, NaN) }).action)
    } catch (error) {
      caught = error
    }
  }
  expect(attempts.length + 1).toBe(27)
  expect(caught).toBeInstanceOf(GuardError)
  const error = caught as GuardError
  expect(error).toMatchObject({ code: 'guard-halted', step: 5, restored: true, fault: { what: 'gradient', tensor: 'theta', index: 1, value: NaN } }) // prettier-ignore
  expect(error.message).toContain("gradient of 'theta' at 1 is NaN")
  expect(Array.from(theta)).toEqual([-5, -5])
  expect(events.at(-1)).toMatchObject({ to: 'halt', cause: 'gradientNotFinite' })
  expect(events.filter(({ to }) => to === 'rollback')).toHaveLength(4)
  // It stays so, and says so.
  expect(() => optimizer.step({ theta }, { theta: Float64Array.of(1, 1) })).toThrow(GuardError)
})

test('health warns and never touches the rate', () => {
  const theta = Float64Array.of(0)
  const seen: string[] = []
  const optimizer = new Sgd({ lr: 1, health: { gradientNorm: 1.5, updateRms: 10 }, onWarning: ({ measure }) => seen.push(measure) }) // prettier-ignore
  expect(optimizer.step({ theta }, { theta: Float64Array.of(1) }).warnings).toEqual([])
  const report = optimizer.step({ theta }, { theta: Float64Array.of(2) })
  expect(report.warnings).toEqual([{ measure: 'gradientNorm', value: 2, threshold: 1.5, step: 2 }])
  expect([seen, theta[0]]).toEqual([['gradientNorm'], -3])
})

test('after a rollback the noise is drawn anew', () => {
  const theta = Float64Array.of(0)
  const optimizer = guard(new Sgd({ lr: 0.1, temperature: 1 }), { snapshotEvery: 2 })
  const step = (): number => {
    optimizer.step({ theta }, { theta: Float64Array.of(0) })
    return theta[0]!
  }
  step()
  const snapshot = step()
  const first = step()
  theta[0] = NaN
  expect(optimizer.step({ theta }, { theta: Float64Array.of(0) })).toMatchObject({ action: 'rollback', restored: true, step: 2 }) // prettier-ignore
  expect([theta[0], optimizer.epoch]).toEqual([snapshot, 1])
  expect(step()).not.toBe(first)
})
