/**
 * The guard's state machine: a pure function from (state, event) to (state, action).
 *
 * An attempt at a step is committed or discarded; a discarded one leaves nothing behind. The guard owns a multiplier
 * s ∈ [s_min, 1] of the learning rate. RUN → SKIP → BACKOFF → ROLLBACK → HALT; the machine rests in RUN, SKIP (c > 0) or
 * HALT and passes through BACKOFF and ROLLBACK within one event.
 *
 * What the specification says, by event:
 * - `finite`: commit; c = 0; good++; every R good: s = min(1, 2s), b = max(0, b − 1); every 10R good: r = max(0, r − 1);
 *   maybe a snapshot.
 * - `overflow` (loss scaling): skip, not counted, unless the scale is below its minimum: then as `nonfinite`.
 * - `nonfinite` (loss, gradient), `solver`: discard, c++; c = Ks: BACKOFF.
 * - a finite loss that is a spike: discard, c++, not entered in the window; c = Ks: BACKOFF, and the window is cleared.
 * - `candidate` not finite: discard, BACKOFF at once.
 * - `parameters` not finite already: ROLLBACK at once.
 * - more than 20 % of the last 128 attempts discarded: BACKOFF.
 * - BACKOFF: s = bf·s, b++, c = 0; b > Nb or s < s_min: ROLLBACK, else RUN.
 * - ROLLBACK: no snapshot: HALT; restore the snapshot with its windows; reseed; s = max(s_min, bf·s); b = 0; r++; r > Nr: HALT.
 *
 * Decisions where it is silent:
 *  1. Order of checks within an attempt: parameters, overflow, loss or gradient, solver, spike, candidate, commit
 *     (`classify`): what is known earlier wins.
 *  2. Spike: the loss only, and only upwards: (x − median) / (1.4826·MAD) > 6, with the usual factor that makes MAD a
 *     standard deviation, over the losses of the last 128 commits, from 64 on. MAD = 0 tells no scale: no spike.
 *  3. The condition of a snapshot has plain MAD: loss ≤ median + 3·MAD over the last 32 losses that were entered, this one
 *     included. Without a loss there is no spike, and a snapshot is not held up.
 *  4. A snapshot is due when 50 commits have passed since the last one (or the start, or a rollback); one that is not
 *     allowed is tried again at the next commit. The start itself is no snapshot.
 *  5. The median of an even number is the mean of the middle two.
 *  6. The skip rate is a count: more than 0.2·128, so 26 discards among the last (at most) 128 attempts, whether or not
 *     128 have been made; looked at after a discard that has not led to BACKOFF by itself. Every BACKOFF clears this
 *     window: it has answered for those discards, and each further one would otherwise be a BACKOFF again. An overflow
 *     that is not counted is no attempt.
 *  7. `good` counts commits and nothing sets it back.
 *  8. c keeps its value through an uncounted overflow. The attempt that finds the parameters not finite is a discard.
 *  9. The spike window is cleared by a BACKOFF that a spike brings about as the Ks-th discard, whatever the ones before
 *     it were; not by one of the skip rate.
 * 10. The restored windows are the spike window and the attempts. c = 0 after ROLLBACK. `good`, counters, s, b, r are not
 *     restored.
 * 11. The newest snapshot is restored; if it has been restored before and no other was taken since, it is dropped in
 *     favour of the older one, where there is one: what was saved last may be what is wrong.
 * 12. r > Nr is tested after restoring, so that HALT too leaves the state of the snapshot. HALT without any snapshot leaves
 *     the last committed state.
 * 13. Every transition is an event: SKIP at each counted discard that is not of the parameters or the candidate, BACKOFF,
 *     ROLLBACK, HALT, and RUN where the machine comes back to it, also by a commit after SKIP. HALT takes no more events.
 * 14. The reseeding number is the total of rollbacks, which only grows (r comes down again).
 */

export interface GuardConfig {
  /** Ks. */
  skips: number
  /** Nb. */
  backoffs: number
  /** Nr. */
  rollbacks: number
  /** bf. */
  factor: number
  /** s_min. */
  minimum: number
  /** R. */
  recovery: number
  snapshotEvery: number
  snapshotWindow: number
  snapshotMads: number
  keep: number
  spikeScore: number
  spikeWindow: number
  spikeSamples: number
  skipRate: number
  skipWindow: number
}
export const DEFAULTS: GuardConfig = {
  skips: 3,
  backoffs: 5,
  rollbacks: 3,
  factor: 0.5,
  minimum: 2 ** -5,
  recovery: 200,
  snapshotEvery: 50,
  snapshotWindow: 32,
  snapshotMads: 3,
  keep: 2,
  spikeScore: 6,
  spikeWindow: 128,
  spikeSamples: 64,
  skipRate: 0.2,
  skipWindow: 128,
}

export type GuardEvent =
  | { kind: 'finite'; loss?: number }
  | { kind: 'overflow'; belowMinimum: boolean }
  | { kind: 'nonfinite'; what: 'loss' | 'gradient' }
  | { kind: 'solver'; reason: string }
  | { kind: 'candidate'; loss?: number }
  | { kind: 'parameters' }

export type Phase = 'RUN' | 'SKIP' | 'BACKOFF' | 'ROLLBACK' | 'HALT'
export type Cause = 'loss' | 'gradient' | 'spike' | 'solver' | 'candidate' | 'parameters' | 'skipRate'

export interface Snapshot {
  number: number
  /** Commits made when it was taken. */
  commits: number
  losses: number[]
  attempts: boolean[]
  restored: boolean
}
export interface GuardState {
  phase: 'RUN' | 'SKIP' | 'HALT'
  /** s. */
  multiplier: number
  /** c. */
  skips: number
  /** b. */
  backoffs: number
  /** r. */
  rollbacks: number
  good: number
  sinceSnapshot: number
  /** Losses of commits, newest last. */
  losses: number[]
  /** Of each attempt: whether it was discarded; newest last. */
  attempts: boolean[]
  /** Oldest first. */
  snapshots: Snapshot[]
  totals: { attempts: number; commits: number; discards: number; overflows: number; spikes: number; backoffs: number; rollbacks: number; snapshots: number } // prettier-ignore
}
export interface GuardAction {
  commit: boolean
  /** Phases entered, in order. */
  transitions: { to: Phase; cause?: Cause }[]
  /** Number of the snapshot to take of what has just been committed. */
  take?: number
  /** Numbers of snapshots not needed any more. */
  drop: number[]
  /** Number of the snapshot to restore. */
  restore?: number
  /** New key of the noise. */
  reseed?: number
  halt?: { cause: Cause; lastGood: number | undefined }
}

export const guardStart = (): GuardState => ({
  phase: 'RUN',
  multiplier: 1,
  skips: 0,
  backoffs: 0,
  rollbacks: 0,
  good: 0,
  sinceSnapshot: 0,
  losses: [],
  attempts: [],
  snapshots: [],
  totals: { attempts: 0, commits: 0, discards: 0, overflows: 0, spikes: 0, backoffs: 0, rollbacks: 0, snapshots: 0 },
})

/** What is wrong with an attempt, as an event; the first that applies. */
export function classify(attempt: {
  parametersFinite: boolean
  overflow?: { belowMinimum: boolean }
  loss?: number
  gradientFinite: boolean
  solver?: string
  candidateFinite: boolean
}): GuardEvent {
  if (!attempt.parametersFinite) return { kind: 'parameters' }
  if (attempt.overflow !== undefined) return { kind: 'overflow', ...attempt.overflow }
  if (attempt.loss !== undefined && !Number.isFinite(attempt.loss)) return { kind: 'nonfinite', what: 'loss' }
  if (!attempt.gradientFinite) return { kind: 'nonfinite', what: 'gradient' }
  if (attempt.solver !== undefined) return { kind: 'solver', reason: attempt.solver }
  const loss = attempt.loss === undefined ? {} : { loss: attempt.loss }
  return { kind: attempt.candidateFinite ? 'finite' : 'candidate', ...loss }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
/** Median of the distances from the median. */
export function mad(values: readonly number[]): number {
  const middle = median(values)
  return median(values.map((value) => Math.abs(value - middle)))
}

export function isSpike(loss: number, losses: readonly number[], config: GuardConfig): boolean {
  if (losses.length < config.spikeSamples) return false
  const spread = mad(losses)
  return spread > 0 && (loss - median(losses)) / (1.4826 * spread) > config.spikeScore
}

export function guard(
  before: GuardState,
  event: GuardEvent,
  config: GuardConfig = DEFAULTS,
): { state: GuardState; action: GuardAction } {
  // Arrays of numbers are replaced, never written to.
  const state: GuardState = {
    ...before,
    snapshots: before.snapshots.map((one) => ({ ...one })),
    totals: { ...before.totals },
  }
  const action: GuardAction = { commit: false, transitions: [], drop: [] }
  if (state.phase === 'HALT') throw new Error('the guard has halted')
  const enter = (to: Phase, cause?: Cause): void => {
    action.transitions.push(cause === undefined ? { to } : { to, cause })
    if (to === 'RUN' || to === 'SKIP' || to === 'HALT') state.phase = to
  }

  if (event.kind === 'overflow' && !event.belowMinimum) {
    state.totals.overflows++
    return { state, action }
  }
  state.totals.attempts++
  const loss = event.kind === 'finite' || event.kind === 'candidate' ? event.loss : undefined
  const spike = loss !== undefined && isSpike(loss, state.losses, config)

  if (event.kind === 'finite' && !spike) {
    action.commit = true
    state.totals.commits++
    state.attempts = [...state.attempts, false].slice(-config.skipWindow)
    state.skips = 0
    if (state.phase !== 'RUN') enter('RUN')
    if (loss !== undefined) state.losses = [...state.losses, loss].slice(-config.spikeWindow)
    state.good++
    if (state.good % config.recovery === 0) {
      state.multiplier = Math.min(1, 2 * state.multiplier)
      state.backoffs = Math.max(0, state.backoffs - 1)
    }
    if (state.good % (10 * config.recovery) === 0) state.rollbacks = Math.max(0, state.rollbacks - 1)
    state.sinceSnapshot++
    const recent = state.losses.slice(-config.snapshotWindow)
    const calm = loss === undefined || loss <= median(recent) + config.snapshotMads * mad(recent)
    if (state.sinceSnapshot >= config.snapshotEvery && calm) {
      action.take = ++state.totals.snapshots
      const { losses, attempts } = state
      state.snapshots.push({ number: action.take, commits: state.totals.commits, losses, attempts, restored: false })
      while (state.snapshots.length > config.keep) action.drop.push(state.snapshots.shift()!.number)
      state.sinceSnapshot = 0
    }
    return { state, action }
  }

  state.totals.discards++
  state.attempts = [...state.attempts, true].slice(-config.skipWindow)
  const cause: Cause = spike ? 'spike' : event.kind === 'nonfinite' ? event.what : event.kind === 'overflow' ? 'gradient' : (event.kind as Cause) // prettier-ignore
  if (spike) state.totals.spikes++

  const halt = (why: Cause): void => {
    action.halt = { cause: why, lastGood: state.snapshots.at(-1)?.number }
    enter('HALT', why)
  }
  const rollback = (why: Cause): void => {
    enter('ROLLBACK', why)
    state.totals.rollbacks++
    if (state.snapshots.length === 0) return halt(why)
    if (state.snapshots.at(-1)!.restored && state.snapshots.length > 1) action.drop.push(state.snapshots.pop()!.number)
    const snapshot = state.snapshots.at(-1)!
    snapshot.restored = true
    action.restore = snapshot.number
    action.reseed = state.totals.rollbacks
    state.losses = [...snapshot.losses]
    state.attempts = [...snapshot.attempts]
    state.sinceSnapshot = 0
    state.multiplier = Math.max(config.minimum, state.multiplier * config.factor)
    state.skips = 0
    state.backoffs = 0
    state.rollbacks++
    if (state.rollbacks > config.rollbacks) return halt(why)
    enter('RUN')
  }
  const backoff = (why: Cause): void => {
    enter('BACKOFF', why)
    state.totals.backoffs++
    state.multiplier *= config.factor
    state.backoffs++
    state.skips = 0
    state.attempts = []
    if (state.backoffs > config.backoffs || state.multiplier < config.minimum) rollback(why)
    else enter('RUN')
  }

  if (cause === 'parameters') rollback(cause)
  else if (cause === 'candidate') backoff(cause)
  else {
    state.skips++
    enter('SKIP', cause)
    const rate = state.attempts.filter(Boolean).length > config.skipRate * config.skipWindow
    if (state.skips === config.skips) {
      if (cause === 'spike') state.losses = []
      backoff(cause)
    } else if (rate) backoff('skipRate')
  }
  return { state, action }
}
