/** The reference of the guard: the sequences that the specification names, by hand, and its guarantee on random events. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { guardEvents } from './guard-events.ts'
import { classify, DEFAULTS, guard, guardStart, isSpike, mad, median, type GuardAction, type GuardEvent, type GuardState } from './guard.ts' // prettier-ignore

const fine: GuardEvent = { kind: 'finite', loss: 1 }
const nan: GuardEvent = { kind: 'nonfinite', what: 'loss' }
const candidate: GuardEvent = { kind: 'candidate', loss: 1 }
const parameters: GuardEvent = { kind: 'parameters' }
const times = (count: number, event: GuardEvent): GuardEvent[] => Array<GuardEvent>(count).fill(event)

function play(
  events: readonly GuardEvent[],
  start: GuardState = guardStart(),
): { state: GuardState; actions: GuardAction[]; phases: string } {
  // prettier-ignore
  let state = start
  const actions = events.map((event) => {
    const next = guard(state, event)
    state = next.state
    return next.action
  })
  return { state, actions, phases: actions.map(({ transitions }) => transitions.map(({ to }) => to).join('>')).join(' ') } // prettier-ignore
}
/** Events until HALT. */
function untilHalt(event: GuardEvent, start: GuardState): { attempts: number; state: GuardState; last: GuardAction } {
  let state = start
  for (let attempts = 1; ; attempts++) {
    const { state: next, action } = guard(state, event)
    state = next
    if (state.phase === 'HALT') return { attempts, state, last: action }
  }
}

describe('sequences', () => {
  test('one bad batch: a skip, nothing else', () => {
    const { state, actions, phases } = play([fine, nan, fine])
    expect(phases).toBe(' SKIP RUN')
    expect(actions.map(({ commit }) => commit)).toEqual([true, false, true])
    const { totals, attempts, ...rest } = state
    const { totals: _, attempts: __, ...clean } = play([fine, fine]).state
    expect(rest).toEqual(clean)
    expect([totals.attempts, totals.commits, totals.discards, attempts]).toEqual([3, 2, 1, [false, true, false]])
  })

  test('three in a row: BACKOFF to half; 200 commits undo it', () => {
    const { state, phases } = play(times(3, nan))
    expect(phases).toBe('SKIP SKIP SKIP>BACKOFF>RUN')
    expect([state.multiplier, state.backoffs, state.skips]).toEqual([0.5, 1, 0])
    expect(play(times(199, fine), state).state.multiplier).toBe(0.5)
    const after = play(times(200, fine), state).state
    expect([after.multiplier, after.backoffs]).toEqual([1, 0])
  })

  test('a commit between sets the count back', () => {
    expect(play([nan, nan, fine, nan, nan, fine]).phases).toBe('SKIP SKIP RUN SKIP SKIP RUN')
  })

  test('for ever NaN without a snapshot: HALT after Ks·(Nb + 1) = 18', () => {
    const { attempts, state, last } = untilHalt(nan, guardStart())
    expect(attempts).toBe(18)
    expect(last.transitions.map(({ to }) => to)).toEqual(['SKIP', 'BACKOFF', 'ROLLBACK', 'HALT'])
    expect(last.halt).toEqual({ cause: 'loss', lastGood: undefined })
    expect([state.multiplier, state.totals.discards, state.totals.backoffs]).toEqual([2 ** -6, 18, 6])
    expect(() => guard(state, fine)).toThrow('halted')
  })

  test('for ever NaN with snapshots: 18, then one BACKOFF of 3 per rollback at s_min, HALT after 27', () => {
    const start = play(times(100, fine)).state
    expect(start.snapshots.map(({ number, commits }) => [number, commits])).toEqual([[1, 50], [2, 100]]) // prettier-ignore
    const { attempts, state, last } = untilHalt(nan, start)
    expect(attempts).toBe(27)
    expect(last.halt).toEqual({ cause: 'loss', lastGood: 1 })
    expect([state.totals.rollbacks, state.totals.backoffs, state.rollbacks]).toEqual([4, 9, 4])
    const { actions } = play(times(27, nan), start)
    expect(actions.flatMap(({ restore, reseed }) => (restore === undefined ? [] : [[restore, reseed]]))).toEqual([[2, 1], [1, 2], [1, 3], [1, 4]]) // prettier-ignore
    expect(actions.flatMap(({ drop }) => drop)).toEqual([2])
  })

  test('a candidate that is not finite: BACKOFF at once, 6 to the first rollback', () => {
    expect(play([candidate]).phases).toBe('BACKOFF>RUN')
    expect(untilHalt(candidate, guardStart()).attempts).toBe(6)
    expect(untilHalt(candidate, play(times(50, fine)).state).attempts).toBe(9)
  })

  test('parameters that are not finite: ROLLBACK at once', () => {
    expect(play([parameters]).phases).toBe('ROLLBACK>HALT')
    const start = play(times(60, fine)).state
    const { state, actions, phases } = play([parameters], start)
    expect(phases).toBe('ROLLBACK>RUN')
    expect([actions[0]!.restore, state.multiplier, state.rollbacks, state.losses.length]).toEqual([1, 0.5, 1, 50])
    expect(untilHalt(parameters, start).attempts).toBe(4)
  })

  test('an overflow of the scaler is not counted, unless the scale is at its end', () => {
    const small: GuardEvent = { kind: 'overflow', belowMinimum: false }
    const { state, phases } = play([nan, ...times(1000, small), nan])
    expect([phases.trim().split(/ +/), state.skips, state.totals.overflows]).toEqual([['SKIP', 'SKIP'], 2, 1000])
    expect(play(times(3, { kind: 'overflow', belowMinimum: true })).phases).toBe('SKIP SKIP SKIP>BACKOFF>RUN')
  })

  test('solver reasons are counted as skips are', () => {
    const { actions, phases } = play(times(3, { kind: 'solver', reason: 'indefiniteOperator' }))
    expect(phases).toBe('SKIP SKIP SKIP>BACKOFF>RUN')
    expect(actions[2]!.transitions[1]).toEqual({ to: 'BACKOFF', cause: 'solver' })
  })

  test('skip and commit in turn: BACKOFF at the 26th discard', () => {
    const { state, actions } = play(Array.from({ length: 52 }, (_, k) => (k % 2 === 0 ? nan : fine)))
    const at = actions.findIndex(({ transitions }) => transitions.some(({ to }) => to === 'BACKOFF'))
    expect([at, actions[at]!.transitions]).toEqual([50, [{ to: 'SKIP', cause: 'loss' }, { to: 'BACKOFF', cause: 'skipRate' }, { to: 'RUN' }]]) // prettier-ignore
    expect([state.multiplier, state.attempts.length]).toEqual([0.5, 1])
    // One in six is not more than 20 %.
    expect(play(Array.from({ length: 2000 }, (_, k) => (k % 6 === 0 ? nan : fine))).state.totals.backoffs).toBe(0)
  })

  test('rollbacks are forgiven after 2000 commits', () => {
    const start = play([...times(60, fine), parameters]).state
    const before = play(times(1939, fine), start).state
    expect([before.rollbacks, play([fine], before).state.rollbacks]).toEqual([1, 0])
  })
})

describe('spikes', () => {
  const wave = (k: number): GuardEvent => ({ kind: 'finite', loss: 10 + Math.sin(k) })
  const high: GuardEvent = { kind: 'finite', loss: 100 }

  test('median and MAD, and the score', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), mad([1, 1, 2, 2, 4, 6, 9])]).toEqual([2, 2.5, 1])
    const losses = Array.from({ length: 64 }, (_, k) => k % 2)
    // Median ½, MAD ½: the score is (x − ½)/0.7413.
    expect([isSpike(0.5 + 4.44, losses, DEFAULTS), isSpike(0.5 + 4.45, losses, DEFAULTS)]).toEqual([false, true])
    expect([isSpike(-1e9, losses, DEFAULTS), isSpike(1e9, losses.slice(1), DEFAULTS)]).toEqual([false, false])
    expect(isSpike(1e9, Array<number>(64).fill(1), DEFAULTS)).toBe(false)
  })

  test('a spike is discarded and not entered; before 64 losses nothing is one', () => {
    expect(play([...Array.from({ length: 63 }, (_, k) => wave(k)), high]).actions[63]!.commit).toBe(true)
    const start = play(Array.from({ length: 64 }, (_, k) => wave(k))).state
    const { state, phases } = play([high], start)
    expect([phases, state.losses, state.totals.spikes]).toEqual(['SKIP', start.losses, 1])
  })

  test('a new regime is accepted after three spikes, once', () => {
    const start = play(Array.from({ length: 100 }, (_, k) => wave(k))).state
    const { state, phases, actions } = play(times(4, high), start)
    expect(phases).toBe('SKIP SKIP SKIP>BACKOFF>RUN ')
    expect([actions[3]!.commit, state.losses, state.multiplier]).toEqual([true, [100], 0.5])
  })

  test('a spike is known before the candidate', () => {
    const start = play(Array.from({ length: 64 }, (_, k) => wave(k))).state
    expect(play([{ kind: 'candidate', loss: 100 }], start).phases).toBe('SKIP')
  })
})

describe('snapshots', () => {
  test('every 50 commits, two are kept', () => {
    const { state, actions } = play(times(200, fine))
    expect(actions.flatMap(({ take }, k) => (take === undefined ? [] : [[k + 1, take]]))).toEqual([[50, 1], [100, 2], [150, 3], [200, 4]]) // prettier-ignore
    expect([actions[149]!.drop, actions[199]!.drop, state.snapshots.map(({ number }) => number)]).toEqual([[1], [2], [3, 4]]) // prettier-ignore
  })

  test('not while the loss stands out: the next calm commit', () => {
    const losses = [...Array.from({ length: 49 }, (_, k) => Math.sin(k)), 50, 60, 0]
    const { actions } = play(losses.map((loss) => ({ kind: 'finite', loss })))
    expect(actions.map(({ take }) => take).slice(49)).toEqual([undefined, undefined, 1])
  })

  test('one that did not help is left for the older one', () => {
    const start = play([...times(100, fine), parameters]).state
    expect(start.snapshots.map(({ number, restored }) => [number, restored])).toEqual([[1, false], [2, true]]) // prettier-ignore
    const again = play([fine, parameters], start)
    expect([again.actions[1]!.restore, again.actions[1]!.drop]).toEqual([1, [2]])
    // A new one in between, and it is the one.
    const later = play([...times(50, fine), parameters], start)
    expect([later.actions[49]!.take, later.actions[50]!.restore]).toEqual([3, 3])
  })
})

test('the earliest fault names the event', () => {
  const good = { parametersFinite: true, loss: 1, gradientFinite: true, candidateFinite: true }
  expect(classify(good)).toEqual(fine)
  expect(classify({ ...good, candidateFinite: false })).toEqual(candidate)
  expect(classify({ ...good, candidateFinite: false, solver: 'stagnation' })).toEqual({ kind: 'solver', reason: 'stagnation' }) // prettier-ignore
  expect(classify({ ...good, gradientFinite: false, solver: 'x' })).toEqual({ kind: 'nonfinite', what: 'gradient' })
  expect(classify({ ...good, gradientFinite: false, loss: NaN })).toEqual(nan)
  expect(classify({ ...good, overflow: { belowMinimum: false }, loss: NaN })).toEqual({ kind: 'overflow', belowMinimum: false }) // prettier-ignore
  expect(classify({ ...good, parametersFinite: false, loss: NaN })).toEqual(parameters)
})

test('on any events: bounded discards, s in its range, a state that survives JSON', () => {
  const event: fc.Arbitrary<GuardEvent> = fc.oneof(
    { weight: 30, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }).map((loss) => ({ kind: 'finite', loss }) as const) }, // prettier-ignore
    { weight: 4, arbitrary: fc.constant<GuardEvent>({ kind: 'finite', loss: 1e6 }) },
    { weight: 6, arbitrary: fc.constant(nan) },
    { weight: 1, arbitrary: fc.constant(candidate) },
    { weight: 1, arbitrary: fc.constant(parameters) },
    { weight: 1, arbitrary: fc.constant<GuardEvent>({ kind: 'overflow', belowMinimum: false }) },
  )
  const runs = fc.array(fc.tuple(event, fc.integer({ min: 1, max: 60 })), { minLength: 5, maxLength: 40 })
  fc.assert(
    fc.property(runs, (list) => {
      let state = guardStart()
      let discards = 0
      for (const one of list.flatMap(([what, count]) =>
        times(what.kind === 'finite' ? count : Math.ceil(count / 8), what),
      )) {
        const { state: next, action } = guard(state, one)
        state = JSON.parse(JSON.stringify(next)) as GuardState
        discards = action.commit ? 0 : discards + (one.kind === 'overflow' ? 0 : 1)
        expect(discards).toBeLessThanOrEqual(3 * 6 * 4)
        expect(action.commit).toBe(action.transitions.every(({ to }) => to === 'RUN') && one.kind === 'finite')
        if (state.phase === 'HALT') {
          expect(state).toEqual(next)
          return
        }
        expect(state.multiplier).toBeGreaterThanOrEqual(DEFAULTS.minimum)
        expect(state.multiplier).toBeLessThanOrEqual(1)
        expect([state.skips < 3, state.backoffs <= 5, state.rollbacks <= 3, state.snapshots.length <= 2]).toEqual([true, true, true, true]) // prettier-ignore
        expect(state.phase).toBe(state.skips > 0 ? 'SKIP' : 'RUN')
      }
    }),
    { numRuns: 20 },
  )
})

test('the stream of events for comparisons meets every state and cause', () => {
  const met = new Set<string>()
  for (let seed = 0; seed < 8; seed++) {
    let state = guardStart()
    for (const event of guardEvents(seed, 2000)) {
      const { state: next, action } = guard(state, event)
      for (const { to, cause } of action.transitions) met.add(`${to} ${cause ?? ''}`.trim())
      if (action.take !== undefined) met.add('take')
      if (action.restore !== undefined) met.add(action.drop.length > 0 ? 'restore the older' : 'restore')
      state = next
      if (state.phase === 'HALT') break
    }
  }
  for (const to of [
    'RUN',
    'SKIP loss',
    'SKIP gradient',
    'SKIP solver',
    'SKIP spike',
    'BACKOFF loss',
    'BACKOFF spike',
    'BACKOFF candidate',
    'BACKOFF skipRate',
    'ROLLBACK parameters',
    'ROLLBACK gradient',
    'take',
    'restore',
    'restore the older',
  ])
    expect(met).toContain(to)
  expect([...met].some((what) => what.startsWith('HALT'))).toBe(true)
})
