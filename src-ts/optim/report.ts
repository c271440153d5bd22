/** The numbers of a step as the addon packs them, as an object. */
import type { Cause, Fault, GuardCounters, GuardEvent, StepReport, TensorInfo } from './types.ts'

const ACTIONS = ['run', 'skip', 'backoff', 'rollback', 'halt', 'rest'] as const
const CAUSES: readonly Cause[] = [
  'lossNotFinite',
  'gradientNotFinite',
  'parameterNotFinite',
  'probeNotFinite',
  'candidateNotFinite',
  'spike',
  'solverFailed',
  'overflow',
  'skipRate',
]
const WHATS = ['gradient', 'parameter', 'probe', 'state', 'candidate'] as const

/** Numbers before those of the guard, and the guard's own. */
const [FIXED, GUARD] = [16, 8]

/** The report of a step; `reason` is that of a solve that did not converge. */
export function unpack(numbers: Float64Array, tensors: readonly TensorInfo[], reason: string | undefined): StepReport {
  const at = (index: number): number => numbers[index]!
  const known = (index: number): number | undefined => (Number.isNaN(at(index)) ? undefined : at(index))
  const action = ACTIONS[at(0)]!
  const cause = CAUSES[at(1)]
  const fault: Fault | undefined =
    at(12) < 0 ? undefined : { what: WHATS[at(13)]!, tensor: tensors[at(12)]!.name, index: at(14), value: at(15) }
  const step = at(3)
  const report: StepReport = {
    committed: action === 'run',
    action,
    step,
    restored: at(2) === 1,
    updateRms: at(6),
    noiseRatio: at(7),
    preconditionerUpdated: (at(8) & 1) === 1,
    preconditionerReset: (at(8) & 2) === 2,
    events: [],
    warnings: [],
  }
  if (cause !== undefined) report.cause = cause
  if (fault !== undefined) report.fault = fault
  const [norm, smallest, score] = [known(5), known(9), known(11)]
  if (norm !== undefined) report.gradientNorm = norm
  if (smallest !== undefined) report.factorRange = [smallest, at(10)]
  if (score !== undefined) report.lossScore = score
  if (numbers.length > FIXED) {
    const [multiplier, skipped, backedOff, rolledBack, good, attempted, discarded, restored] = numbers.subarray(FIXED)
    report.guard = { multiplier, skipped, backedOff, rolledBack, good, attempted, discarded, restored } as GuardCounters
  }
  for (let index = FIXED + GUARD; index < numbers.length; index += 2) {
    const why = CAUSES[at(index + 1)]
    const event: GuardEvent = { to: ACTIONS[at(index)] as GuardEvent['to'], step }
    if (why !== undefined) event.cause = why
    if (why !== undefined && fault !== undefined) event.fault = fault
    if (why === 'solverFailed' && reason !== undefined) event.reason = reason
    report.events.push(event)
  }
  return report
}
