/**
 * Settings and results as they cross to the addon and back: as one array of numbers each, in the order that the addon says.
 * An object costs it a look-up for every property, which took more time than a small solve. NaN stands for what is absent.
 */
import type { NativeFailure, NativeLayout } from '#native'
import { HeadwaterError, InternalError } from '../errors.ts'
import { toError } from '../job.ts'
import { native, type Native } from '../native.ts'
import type { PropagationReport } from './cayley.ts'
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

/** Settings of which no vectors are made. */
type Scalar = Exclude<keyof SolveSettings, 'method' | 'norm' | 'x0' | 'nullSpace' | 'deflation'>

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
  const { settings: at, size, methods, norms } = layout()
  const { x0, nullSpace, deflation } = from
  const width = (x0 ?? nullSpace?.[0] ?? deflation?.[0])?.length ?? 0
  const vectors = [...(x0 ? [x0] : []), ...(nullSpace ?? []), ...(deflation ?? [])]
  const to = new Float64Array(size + vectors.length * width).fill(NaN, 0, size)
  for (const name in from) {
    const value = from[name as Scalar]
    if (typeof value === 'number') to[at[name]!] = value
    else if (typeof value === 'boolean') to[at[name]!] = value ? 1 : 0
  }
  to[at.method!] = methods[from.method]!
  if (from.norm !== undefined) to[at.norm!] = norms[from.norm]!
  if (width === 0) return to
  to[at.width!] = width
  if (x0) to[at.x0!] = 1
  if (nullSpace) to[at.nullSpace!] = nullSpace.length
  if (deflation) to[at.deflation!] = deflation.length
  vectors.forEach((vector, k) => to.set(vector, size + k * width))
  return to
}

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
  const number = (name: string): number => from[begin + at[name]!]!
  let next = begin + scalars
  const vector = (length: number): Vector => from.slice(next, (next += length))
  const x = vector(number('x'))
  const reason = number('reason')
  const residual: SolveResult['residual'] = {}
  if (isKnown(number('true'))) residual.true = number('true')
  if (isKnown(number('recurrence'))) residual.recurrence = number('recurrence')
  if (isKnown(number('relative'))) residual.relative = number('relative')
  const tolerance: SolveResult['tolerance'] = { term: number('byAtol') === 1 ? 'atol' : 'rtol' }
  if (isKnown(number('tolerance'))) tolerance.value = number('tolerance')
  const result: SolveResult = {
    x,
    converged: reason < converged,
    reason: reasons[reason] as Reason,
    iterations: number('iterations'),
    matvecs: number('matvecs'),
    probes: number('probes'),
    preconditions: number('preconditions'),
    residual,
    tolerance,
    restarts: number('restarts'),
    guessUsed: number('guessUsed') === 1,
    timing: { seconds: number('seconds') },
  }
  if (isKnown(number('gap'))) result.gap = number('gap')
  if (number('hasCondition') === 1) {
    const condition: SolveResult['condition'] & {} = {}
    if (isKnown(number('min'))) condition.min = number('min')
    if (isKnown(number('max'))) condition.max = number('max')
    if (isKnown(number('kappa'))) condition.kappa = number('kappa')
    result.condition = condition
  }
  if (isKnown(number('energyError'))) result.energyError = number('energyError')
  if (isKnown(number('location'))) result.location = locations[number('location')] as Location
  if (isKnown(number('curvature'))) result.curvature = number('curvature')
  if (isKnown(number('inconsistency'))) result.inconsistency = number('inconsistency')
  if (isKnown(number('normalResidual'))) result.normalResidual = number('normalResidual')
  if (isKnown(number('history'))) result.history = vector(number('history'))
  if (isKnown(number('direction'))) result.direction = vector(number('direction'))
  if (isKnown(number('ritz'))) result.ritz = Array.from({ length: number('ritz') }, () => vector(x.length))
  cursor.at = next
  return result
}

/** The report on a run of steps, and where what stands behind it begins. */
export function unpackRun(from: Vector): { report: PropagationReport; end: number } {
  const { run: at, report: begin, reasons, converged } = layout()
  const number = (name: string): number => from[at[name]!]!
  const end = begin + number('residuals')
  const reason = number('reason')
  const energy = number('energyDefect')
  const report: PropagationReport = {
    steps: number('steps'),
    converged: reason < converged,
    reason: reasons[reason] as Reason,
    residuals: from.slice(begin, end),
    worstResidual: number('worstResidual'),
    normDefect: number('normDefect'),
    ...(isKnown(energy) ? { energyDefect: energy } : {}),
    matvecs: number('matvecs'),
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
