/** Nonlinear least squares with bounds. */
import type { ExternalObject, NativeLeastSquares, NativeLeastSquaresSettings, NativeLeastSquaresResult } from '#native'
import type { JobOptions } from '../job.ts'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { isThenable } from '../solve/session.ts'
import { Checker } from '../validate.ts'
import {
  DETACHED,
  drive,
  driveSync,
  JACOBIAN,
  orAborted,
  settled,
  VALUES,
  type Dialogue,
  type OnIteration,
} from './dialogue.ts'
import { signalOf } from './minimize.ts'
import type {
  LeastSquaresIteration,
  LeastSquaresJobOptions,
  LeastSquaresOptions,
  LeastSquaresReason,
  LeastSquaresResult,
  LeastSquaresWarning,
  Residuals,
} from './least-squares-types.ts'

/** Every reason with its meaning. */
export const LEAST_SQUARES_REASONS: Readonly<Record<LeastSquaresReason, string>> = {
  offset: 'The residuals are orthogonal to what the free parameters can change, within `tolerance`.',
  step: 'The whole, undamped Gauss-Newton step is at most `stepTolerance` of the parameters.',
  rounding: 'What the linear model still promises is within the rounding of the residuals or of the cost.',
  target: 'The cost is at the target; with the default, every residual is 0.',
  noDecrease:
    'The linear model promises a decrease and no step has it: the Jacobian is wrong, or the residuals are not smooth.',
  jacobianNotFinite: 'The Jacobian at the parameters has NaN or an infinity.',
  maxIterations: 'The largest number of iterations was reached.',
  maxEvaluations: 'The largest number of evaluations was reached.',
  stopped: '`onIteration` returned true.',
  aborted: "The signal was aborted, and `onAbort` is 'partial'.",
}

const STATUS: Readonly<Record<LeastSquaresReason, LeastSquaresResult['status']>> = {
  offset: 'converged',
  step: 'converged',
  rounding: 'converged',
  target: 'converged',
  noDecrease: 'stalled',
  jacobianNotFinite: 'stalled',
  maxIterations: 'budget',
  maxEvaluations: 'budget',
  stopped: 'budget',
  aborted: 'aborted',
}

class Fit implements Dialogue<LeastSquaresResult, LeastSquaresIteration> {
  readonly #fit: ExternalObject<NativeLeastSquares>
  readonly #plan: Plan
  readonly #rows: number
  readonly #point: Float64Array<ArrayBuffer>
  #answer = new Float64Array(0)
  readonly #values: Float64Array<ArrayBuffer>
  #elements: Float64Array<ArrayBuffer> | undefined

  /** @param first residuals at the start */
  constructor(plan: Plan, first: unknown) {
    this.#plan = plan
    this.#point = plan.start.slice()
    this.#values = Float64Array.from(numbers(first, 'residuals'))
    this.#rows = this.#values.length
    this.#fit = call((addon) => addon.openLeastSquares(plan.start, this.#values, plan.settings)).value
  }

  readonly next = (): number => {
    const answer = this.#answer
    const kind = native().resumeLeastSquares(this.#fit, this.#point, answer)
    if (kind !== DETACHED) return kind
    const message = 'the array of the point was transferred elsewhere by the function that was given it'
    throw new InvalidInputError('array-detached', message, { hint: 'send a copy' })
  }

  readonly ask = (kind: number): unknown =>
    kind === JACOBIAN ? this.#plan.jacobian!(this.#point) : this.#plan.residuals(this.#point)

  readonly take = (kind: number, answer: unknown): void => {
    if (kind === VALUES) {
      const found = numbers(answer, 'residuals')
      if (found.length !== this.#rows) {
        throw new InvalidInputError('shape-mismatch', `the function returned ${found.length} residuals, and ${this.#rows} before`) // prettier-ignore
      }
      this.#values.set(found)
      this.#answer = this.#values
    } else {
      this.#elements ??= new Float64Array(this.#rows * this.#point.length)
      this.#elements.set(jacobianOf(answer, this.#rows, this.#point.length))
      this.#answer = this.#elements
    }
  }

  readonly report = (): LeastSquaresIteration => {
    const [iteration, cost, offset, evaluations] = native().leastSquaresProgress(this.#fit)
    return { iteration, cost, offset, evaluations }
  }

  readonly halt = (aborted: boolean): void => native().haltLeastSquares(this.#fit, aborted)

  readonly finish = (): LeastSquaresResult =>
    resultOf(call((addon) => addon.finishLeastSquares(this.#fit)).value, this.#plan)
}

function resultOf(found: NativeLeastSquaresResult, plan: Plan): LeastSquaresResult {
  const { held, offset, relativeStep, gradientNorm, estimates, reason: word, ...rest } = found
  const reason = word as LeastSquaresReason
  const n = rest.parameters.length
  const known = <K extends string>(name: K, value: number | undefined): { [key in K]?: number } =>
    value !== undefined && Number.isFinite(value) ? ({ [name]: value } as { [key in K]: number }) : {}
  const unknown = (count: number): Float64Array<ArrayBuffer> => new Float64Array(count).fill(NaN)
  return {
    status: STATUS[reason],
    reason,
    ...rest,
    ...known('gradientNorm', gradientNorm),
    ...known('offset', offset),
    ...known('relativeStep', relativeStep),
    activeBounds: held.flatMap((side, index) => (side === 0 ? [] : [{ index, bound: side < 0 ? 'lower' : 'upper' }])),
    covariance: new Matrix(n, n, estimates?.covariance ?? unknown(n * n)),
    standardErrors: estimates?.standardErrors ?? unknown(n),
    correlation: new Matrix(n, n, estimates?.correlation ?? unknown(n * n)),
    ...(estimates === undefined ? {} : { rank: estimates.rank, degreesOfFreedom: estimates.degreesOfFreedom }),
    ...known('condition', estimates?.condition),
    ...known('reducedChiSquare', estimates?.reduced),
    warnings: warningsOf(estimates, plan.settings.absoluteSigma === true),
    timing: { seconds: (performance.now() - plan.started) / 1000 },
  }
}

function warningsOf(estimates: NativeLeastSquaresResult['estimates'], absolute: boolean): LeastSquaresWarning[] {
  if (estimates === undefined) {
    const message = 'the fit ended before there was a Jacobian at its end: gradient and standard errors are NaN'
    return [{ code: 'jacobian-unknown', message }]
  }
  const warnings: LeastSquaresWarning[] = estimates.unidentified.map((index) => {
    const message = `the residuals do not determine parameter ${index}: other values fit equally well, together with others`
    return { code: 'parameter-not-identified', index, message }
  })
  if (estimates.degreesOfFreedom <= 0 && !absolute) {
    const message = 'there are no more residuals than parameters: standard errors are NaN'
    warnings.push({ code: 'no-degrees-of-freedom', message })
  }
  return warnings
}

interface Plan {
  start: Float64Array<ArrayBuffer>
  residuals: Residuals<unknown>
  jacobian: Residuals<unknown> | undefined
  settings: NativeLeastSquaresSettings
  onIteration: OnIteration<LeastSquaresIteration>
  job: Pick<JobOptions, 'signal' | 'onAbort'>
  started: number
}

function plan(fn: unknown, x0: unknown, options: unknown, where: string, asynchronous: boolean): Plan {
  if (typeof fn !== 'function') {
    throw new InvalidInputError('option-not-valid', `${where}: the first argument must be a function`, { name: 'fn' })
  }
  const checker = new Checker(options, `${where}: options`)
  const jacobian = checker.take('jacobian')
  if (!(typeof jacobian === 'function' || [undefined, 'central', 'forward'].includes(jacobian as string | undefined))) {
    checker.problem('option-not-valid', 'jacobian', "jacobian must be a function, 'central' or 'forward'")
  }
  const onIteration = checker.function<NonNullable<OnIteration<LeastSquaresIteration>>>('onIteration')
  const settings: NativeLeastSquaresSettings = {
    derivative: typeof jacobian === 'function' ? 'given' : ((jacobian as string | undefined) ?? 'central'),
    observe: onIteration !== undefined,
  }
  for (const name of ['lower', 'upper', 'sigma', 'typical'] as const) {
    const value = list(checker, name)
    if (value !== undefined) settings[name] = value
  }
  const absoluteSigma = checker.boolean('absoluteSigma')
  if (absoluteSigma !== undefined) settings.absoluteSigma = absoluteSigma
  if (absoluteSigma === true && settings.sigma === undefined) {
    checker.problem('options-conflict', 'absoluteSigma', 'absoluteSigma needs sigma')
  }
  const note = (name: 'tolerance' | 'stepTolerance' | 'target' | 'initialRadius' | 'maxIterations' | 'maxEvaluations', value: number | undefined): void => { if (value !== undefined) settings[name] = value } // prettier-ignore
  for (const name of ['tolerance', 'stepTolerance', 'target'] as const) note(name, checker.number(name, { min: 0 }))
  note('initialRadius', checker.positive('initialRadius'))
  note('maxIterations', checker.integer('maxIterations'))
  note('maxEvaluations', checker.integer('maxEvaluations', { min: 1 }))
  const job = asynchronous ? signalOf(checker) : {}
  checker.finish()
  return {
    start: Float64Array.from(numbers(x0, 'x0')),
    residuals: fn as Residuals<unknown>,
    jacobian: typeof jacobian === 'function' ? (jacobian as Residuals<unknown>) : undefined,
    settings,
    onIteration,
    job,
    started: performance.now(),
  }
}

function list(checker: Checker, name: string): Float64Array | undefined {
  const value = checker.take(name)
  if (value === undefined) return undefined
  if (typeof value === 'number') return Float64Array.of(value)
  if (isNumbers(value) && value.length > 0) return Float64Array.from(value)
  checker.problem('option-not-valid', name, `${name} must be a number or an array of numbers`)
  return undefined
}

/** An array of numbers that is not nested. */
function isNumbers(value: unknown): value is ArrayLike<number> {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'number')
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array) // prettier-ignore
}

function numbers(value: unknown, name: string): ArrayLike<number> {
  if (isNumbers(value)) return value
  const code = name === 'x0' ? 'vector-not-valid' : 'callback-not-valid'
  const what = name === 'x0' ? 'x0 must be' : `the function must return the ${name} as`
  throw new InvalidInputError(code, `${what} an array of numbers`, { name })
}

function jacobianOf(value: unknown, rows: number, cols: number): ArrayLike<number> {
  const flat = isNumbers(value)
  const matrix = flat ? undefined : Matrix.from(value as MatrixLike, 'jacobian')
  const data = flat ? value : matrix!.data
  const fits = flat ? data.length === rows * cols : matrix!.rows === rows && matrix!.cols === cols
  if (fits) return data
  const shape = flat ? `${data.length} numbers` : `${matrix!.rows} × ${matrix!.cols}`
  throw new InvalidInputError('shape-mismatch', `the Jacobian must be ${rows} × ${cols}, row by row, got ${shape}`, { name: 'jacobian' }) // prettier-ignore
}

/**
 * Least squares: min ½Σ(rᵢ(x)/σᵢ)² over lower ≤ x ≤ upper, by Levenberg and Marquardt's method in the trust-region form of
 * Moré, for problems whose Jacobian fits in memory.
 *
 * A step minimises ‖Jδ + r‖ with ‖Dδ‖ ≤ Δ, D from the largest norm of each column of J so far, so that the units of the
 * parameters do not matter. J is factored by QR and singular values, never as JᵀJ. A parameter that a step takes over its bound
 * is put there and the others are solved for again; one whose gradient points outwards is held.
 *
 * It is converged where residuals and tangent plane are orthogonal (`offset`), or, where the residuals vanish, the whole
 * Gauss-Newton step or the cost does. A cost that merely no longer changes is `stalled`. Cost of an iteration: a Jacobian
 * (2n evaluations by central differences), 2mn² + 18n³ operations.
 *
 * Sources: J. J. Moré (1978), "The Levenberg-Marquardt algorithm: implementation and theory"; D. M. Bates, D. G. Watts
 * (1981), "A relative offset orthogonality convergence criterion for nonlinear least squares".
 *
 * @param fn gives the residuals at x, or a promise of them; what it throws comes out as it is
 * @param x0 start, within the bounds; not written to
 * @throws InvalidInputError wrong options or shapes, `start-not-finite`, `start-not-feasible`
 * @example
 * ```ts
 * const { parameters, standardErrors } = await leastSquares((b) => t.map((t, i) => b[0] * Math.exp(-b[1] * t) - y[i]), [1, 1])
 * ```
 */
export async function leastSquares(
  fn: Residuals<ArrayLike<number> | PromiseLike<ArrayLike<number>>>,
  x0: ArrayLike<number>,
  options: LeastSquaresJobOptions = {},
): Promise<LeastSquaresResult> {
  const ready = plan(fn, x0, options, 'leastSquares()', true)
  const { signal } = ready.job
  signal?.throwIfAborted()
  const returned = fn(ready.start.slice())
  const first = isThenable(returned) ? await orAborted(returned, signal) : returned
  signal?.throwIfAborted()
  return drive(new Fit(ready, first), ready.onIteration, ready.job)
}

/** {@link leastSquares} on the calling thread; the functions must not return promises. */
export function leastSquaresSync(
  fn: Residuals<ArrayLike<number>>,
  x0: ArrayLike<number>,
  options: LeastSquaresOptions = {},
): LeastSquaresResult {
  const ready = plan(fn, x0, options, 'leastSquaresSync()', false)
  return driveSync(new Fit(ready, settled(fn(ready.start.slice()))), ready.onIteration)
}
