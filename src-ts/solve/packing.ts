/**
 * Settings and results as they cross to the addon and back: as one array of numbers each, in the order that the addon says.
 * An object costs it a look-up for every property, which took more time than a small solve. NaN stands for what is absent.
 */
import type { NativeFailure, NativeLayout } from '#native'
import { HeadwaterError, InternalError } from '../errors.ts'
import { toError } from '../job.ts'
import { native, type Native } from '../native.ts'
import type { PropagationReport } from './propagation.ts'
import type { Location, Method, Reason, SolveResult } from './types.ts'

type Vector = Float64Array<ArrayBuffer>

/** Settings of a solve: what is `undefined` has the engine's default. Vectors are as long as the system's. */
export interface SolveSettings {
  method: Method | 'direct'
  sigma?: number | undefined
  a?: number | undefined
  damp?: number | undefined
  rtol?: number | undefined
  atol?: number | undefined
  maxIterations?: number | undefined
  norm?: 'residual' | 'preconditioned' | 'natural' | undefined
  flexible?: boolean | undefined
  radius?: number | undefined
  truncated?: boolean | undefined
  harvest?: number | undefined
  history?: boolean | undefined
  replacement?: number | undefined
  divergence?: number | undefined
  stagnationWindow?: number | undefined
  probe?: boolean | undefined
  seed?: number | undefined
  timeLimit?: number | undefined
  delay?: number | undefined
  observe?: boolean | undefined
  threads?: number | undefined
  scaleGuess?: boolean | undefined
  x0?: Vector | undefined
  nullSpace?: readonly Vector[] | undefined
  deflation?: readonly Vector[] | undefined
}

type Places = Readonly<Record<string, number>>

interface Layout {
  settings: Places
  size: number
  methods: Places
  norms: Places
  outcome: Places
  scalars: number
  run: Places
  report: number
  reasons: readonly string[]
  converged: number
  locations: readonly string[]
}

let known: Layout | undefined

/** The addon's layout, asked for once. */
function layout(): Layout {
  return (known ??= read(native().solveLayout()))
}

function read(told: NativeLayout): Layout {
  const places = (names: readonly string[]): Places => Object.fromEntries(names.map((name, at) => [name, at]))
  return {
    settings: places(told.settings),
    size: told.settings.length,
    methods: places(told.methods),
    norms: places(told.norms),
    outcome: places(told.outcome),
    scalars: told.outcome.length,
    run: places(told.run),
    report: told.run.length,
    reasons: told.reasons,
    converged: told.converged,
    locations: told.locations,
  }
}

/** Settings for the addon. */
export function packSettings(from: SolveSettings): Vector {
  const vectors = [...(from.x0 ? [from.x0] : []), ...(from.nullSpace ?? []), ...(from.deflation ?? [])]
  const width = vectors[0]?.length ?? 0
  const { size } = layout()
  const to = new Float64Array(size + vectors.length * width)
  write(from, to, width)
  vectors.forEach((vector, k) => to.set(vector, size + k * width))
  return to
}

let scratch: Vector | undefined

/** The same for a call that follows at once: the array may be the one of the call before. */
export function packBriefly(from: SolveSettings): Vector {
  if (from.x0 ?? from.nullSpace ?? from.deflation) return packSettings(from)
  scratch ??= new Float64Array(layout().size)
  write(from, scratch, 0)
  return scratch
}

// One line a setting: look-ups by a name in a variable took two of the fourteen microseconds of a small solve.
function write(from: SolveSettings, to: Vector, width: number): void {
  const { settings: at, methods, norms } = layout()
  to[at.method!] = methods[from.method]!
  to[at.sigma!] = from.sigma ?? NaN
  to[at.a!] = from.a ?? NaN
  to[at.damp!] = from.damp ?? NaN
  to[at.rtol!] = from.rtol ?? NaN
  to[at.atol!] = from.atol ?? NaN
  to[at.maxIterations!] = from.maxIterations ?? NaN
  to[at.norm!] = from.norm === undefined ? NaN : norms[from.norm]!
  to[at.flexible!] = flag(from.flexible)
  to[at.radius!] = from.radius ?? NaN
  to[at.truncated!] = flag(from.truncated)
  to[at.harvest!] = from.harvest ?? NaN
  to[at.history!] = flag(from.history)
  to[at.replacement!] = from.replacement ?? NaN
  to[at.divergence!] = from.divergence ?? NaN
  to[at.stagnationWindow!] = from.stagnationWindow ?? NaN
  to[at.probe!] = flag(from.probe)
  to[at.seed!] = from.seed ?? NaN
  to[at.timeLimit!] = from.timeLimit ?? NaN
  to[at.delay!] = from.delay ?? NaN
  to[at.observe!] = flag(from.observe)
  to[at.threads!] = from.threads ?? NaN
  to[at.scaleGuess!] = flag(from.scaleGuess)
  to[at.width!] = width
  to[at.x0!] = from.x0 ? 1 : NaN
  to[at.nullSpace!] = from.nullSpace?.length ?? NaN
  to[at.deflation!] = from.deflation?.length ?? NaN
}

const flag = (value: boolean | undefined): number => (value === undefined ? NaN : value ? 1 : 0)

/** Results from the addon, which stand one behind the other. */
export function unpackResults(from: Vector): SolveResult[] {
  const results: SolveResult[] = []
  const cursor = { at: 0 }
  while (cursor.at < from.length) results.push(unpack(from, cursor))
  return results
}

/** The only result of an array. */
export function unpackResult(from: Vector): SolveResult {
  return unpack(from, { at: 0 })
}

function unpack(from: Vector, cursor: { at: number }): SolveResult {
  const { outcome: at, scalars, reasons, converged, locations } = layout()
  const begin = cursor.at
  const number = (place: number | undefined): number => from[begin + place!]!
  let next = begin + scalars
  const vector = (length: number): Vector => from.slice(next, (next += length))
  const x = vector(number(at.x))
  const reason = number(at.reason)
  const residual: SolveResult['residual'] = {}
  if (isKnown(number(at.true))) residual.true = number(at.true)
  if (isKnown(number(at.recurrence))) residual.recurrence = number(at.recurrence)
  if (isKnown(number(at.relative))) residual.relative = number(at.relative)
  const tolerance: SolveResult['tolerance'] = { term: number(at.byAtol) === 1 ? 'atol' : 'rtol' }
  if (isKnown(number(at.tolerance))) tolerance.value = number(at.tolerance)
  const result: SolveResult = {
    x,
    converged: reason < converged,
    reason: reasons[reason] as Reason,
    iterations: number(at.iterations),
    matvecs: number(at.matvecs),
    probes: number(at.probes),
    preconditions: number(at.preconditions),
    residual,
    tolerance,
    restarts: number(at.restarts),
    guessUsed: number(at.guessUsed) === 1,
    timing: { seconds: number(at.seconds) },
  }
  if (isKnown(number(at.gap))) result.gap = number(at.gap)
  if (number(at.hasCondition) === 1) {
    const condition: SolveResult['condition'] & {} = {}
    if (isKnown(number(at.min))) condition.min = number(at.min)
    if (isKnown(number(at.max))) condition.max = number(at.max)
    if (isKnown(number(at.kappa))) condition.kappa = number(at.kappa)
    result.condition = condition
  }
  if (isKnown(number(at.energyError))) result.energyError = number(at.energyError)
  if (isKnown(number(at.location))) result.location = locations[number(at.location)] as Location
  if (isKnown(number(at.curvature))) result.curvature = number(at.curvature)
  if (isKnown(number(at.inconsistency))) result.inconsistency = number(at.inconsistency)
  if (isKnown(number(at.normalResidual))) result.normalResidual = number(at.normalResidual)
  if (isKnown(number(at.history))) result.history = vector(number(at.history))
  if (isKnown(number(at.direction))) result.direction = vector(number(at.direction))
  if (isKnown(number(at.ritz))) result.ritz = Array.from({ length: number(at.ritz) }, () => vector(x.length))
  cursor.at = next
  return result
}

/** The report on a run of steps, and where what stands behind it begins. */
export function unpackRun(from: Vector): { report: PropagationReport; end: number } {
  const { run: at, report: begin, reasons, converged } = layout()
  const number = (place: number | undefined): number => from[place!]!
  const end = begin + number(at.residuals)
  const reason = number(at.reason)
  const energy = number(at.energyDefect)
  const report: PropagationReport = {
    steps: number(at.steps),
    converged: reason < converged,
    reason: reasons[reason] as Reason,
    residuals: from.slice(begin, end),
    worstResidual: number(at.worstResidual),
    normDefect: number(at.normDefect),
    ...(isKnown(energy) ? { energyDefect: energy } : {}),
    matvecs: number(at.matvecs),
  }
  return { report, end }
}

const isKnown = (value: number): boolean => !Number.isNaN(value)

/**
 * What a call of the addon returns that gives an array or a failure.
 * @throws InvalidInputError what the engine refuses; InternalError a defect; BackendUnavailableError
 */
export function callPacked(run: (addon: Native) => Vector | NativeFailure): Vector {
  let outcome: Vector | NativeFailure
  try {
    outcome = run(native())
  } catch (error) {
    if (error instanceof HeadwaterError) throw error
    throw new InternalError(error instanceof Error ? error.message : String(error), { cause: error })
  }
  if (outcome instanceof Float64Array) return outcome
  throw toError(outcome)
}
