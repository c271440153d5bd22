/** From what the caller gave to what the addon takes: checked, all that is wrong at once. */
import type { JobOptions } from '../job.ts'
import { MOST_THREADS } from '../native.ts'
import { Checker } from '../validate.ts'
import { CallbackOperator } from './callbacks.ts'
import { LinearOperator } from './operators.ts'
import type { SolveSettings } from './packing.ts'
import { CallbackInverse, isPreconditioner, type Preconditioner } from './preconditioners.ts'
import type { Dtype, IterationReport, Method, Operator, SolveProgress, SolveResult, StepProgress } from './types.ts'
import { checkVector, widthOf } from './vectors.ts'

/** A solve that is ready to run. */
export interface Plan {
  operator: Operator
  /** B of B + δC, where `operator` is C and the caller answers for it. */
  base?: { operator: LinearOperator; delta: number }
  M: Preconditioner | undefined
  /** Type of the vectors. */
  dtype: Dtype
  b: Float64Array<ArrayBuffer>
  settings: SolveSettings
  maxIterations: number
  stop: ((report: IterationReport) => boolean) | undefined
  job: JobOptions
  onProgress: ((progress: SolveProgress) => unknown) | undefined
  /** Takes the result where a loop over the iterations is left. */
  settle?: (result: SolveResult) => void
}

/** Options that only some methods have. */
const EXTRA: Readonly<Record<Method, readonly string[]>> = {
  cg: ['M', 'scaleGuess', 'norm', 'flexible', 'radius', 'truncated', 'deflation', 'harvest', 'replacement', 'delay'],
  minres: ['M', 'scaleGuess'],
  cr: ['M', 'scaleGuess'],
  shiftedHermitian: ['sigma', 'a'],
  cocg: [],
  cgw: [],
  cgnr: ['replacement'],
  lsqr: ['damp'],
}

/** Methods that take matrices that are not square, by products with the adjoint. */
const NORMAL: readonly string[] = ['cgnr', 'lsqr']

/** What a call is, besides its arguments. */
export interface Kind {
  /** Of the function, for messages. */
  name: string
  /** Whether it takes `signal` and the like. */
  asynchronous: boolean
  /** Number of right-hand sides where `b` is a matrix. */
  columns?: number | undefined
}

/**
 * Checks the arguments of a solve.
 * @throws InvalidInputError everything that is wrong
 */
export function plan(method: Method, operator: unknown, b: unknown, options: unknown, kind: Kind): Plan {
  const check = new Checker(options, `${kind.name}: options`)
  const A = checkOperator(check, operator, 'A')
  const dtype = vectorType(check, method, A)
  const rows = A?.rows ?? 0
  const cols = A?.cols ?? 0
  if (A && rows !== cols && !NORMAL.includes(method)) {
    const hint = 'lsqr() and cgnr() take other matrices'
    check.add({
      code: 'shape-mismatch',
      message: `A is ${rows} × ${cols}; ${method} needs a square one`,
      name: 'A',
      hint,
    })
  }
  if (A && NORMAL.includes(method) && !(A instanceof CallbackOperator ? A.applyAdjoint : hasAdjoint(A))) {
    const message = `${method} needs products with the adjoint: give applyAdjoint`
    check.add({ code: 'adjoint-needed', message, name: 'A' })
  }
  const vector = (value: unknown, length: number, name: string): Float64Array<ArrayBuffer> => {
    const found = checkVector(value, A && length, dtype, name)
    if (found instanceof Float64Array) return found as Float64Array<ArrayBuffer>
    check.add(found)
    return new Float64Array(0)
  }
  const right = vector(b, rows * (kind.columns ?? 1), 'b')
  const vectors = (name: string): Float64Array<ArrayBuffer>[] | undefined => {
    const list = check.take(name)
    if (list === undefined) return undefined
    if (name === 'nullspace' && list === 'constant') return [constant(rows, dtype)]
    if (Array.isArray(list) && list.length > 0) return list.map((item, k) => vector(item, rows, `${name}[${k}]`))
    check.problem('option-not-valid', name, `${name} must be a non-empty array of vectors`)
    return undefined
  }
  const count = { min: 1, max: 2 ** 32 - 1 }
  const x0 = check.take('x0')
  const maxIterations = check.integer('maxIterations', { min: 0, max: 2 ** 32 - 1 })
  const settings: SolveSettings = {
    method,
    rtol: check.number('rtol', { min: 0 }),
    atol: check.number('atol', { min: 0 }),
    maxIterations,
    x0: x0 === undefined ? undefined : vector(x0, cols, 'x0'),
    nullSpace: vectors('nullspace'),
    history: check.boolean('history'),
    timeLimit: check.number('timeLimit', { min: 0, max: 1e9 }),
    probe: check.boolean('probe'),
    seed: check.integer('seed'),
    divergence: readDivergence(check),
    stagnationWindow: check.integer('stagnationWindow', count),
  }
  const extra = EXTRA[method]
  const has = (name: string): boolean => extra.includes(name)
  let M: Preconditioner | undefined
  if (has('M')) {
    M = checkInverse(check, A, dtype)
    settings.scaleGuess = check.boolean('scaleGuess')
  }
  if (has('sigma')) readShift(check, settings)
  if (has('damp')) settings.damp = check.number('damp', { min: 0 })
  if (has('replacement')) settings.replacement = readReplacement(check)
  if (has('norm')) {
    settings.norm = check.oneOf('norm', ['residual', 'preconditioned', 'natural'])
    settings.flexible = check.boolean('flexible')
    settings.radius = check.positive('radius')
    settings.truncated = check.boolean('truncated')
    settings.deflation = vectors('deflation')
    settings.harvest = check.integer('harvest', { max: 2 ** 16 })
    settings.delay = check.integer('delay', { min: 1, max: 2 ** 16 })
    if (settings.radius !== undefined && x0 !== undefined) {
      check.problem('options-conflict', 'x0', 'a trust radius is about steps from zero: give no x0 with it')
    }
  }
  const stop = check.function<Plan['stop'] & {}>('stop')
  const { onProgress, ...job } = kind.asynchronous ? readJob(check) : {}
  check.finish()
  if (job.threads !== undefined) settings.threads = job.threads
  return {
    operator: A!,
    M,
    dtype,
    b: right,
    settings,
    maxIterations: maxIterations ?? Math.max(10 * cols, 1000),
    stop,
    job,
    onProgress: onProgress as Plan['onProgress'],
  }
}

/** Whether a function of the caller takes part, so that the solve runs on the JavaScript thread. */
export const needsSession = ({ operator, M, stop }: Plan): boolean =>
  operator instanceof CallbackOperator || M instanceof CallbackInverse || stop !== undefined

/** The operator, if it is one. */
export function checkOperator(check: Checker, value: unknown, name: string): Operator | undefined {
  if (value instanceof LinearOperator || value instanceof CallbackOperator) return value
  const message = `${name} must be an operator: Csr, dense(), kroneckerSum() or operator()`
  check.add({ code: 'operator-not-valid', message, name, value })
  return undefined
}

/** The options that the asynchronous functions have besides. */
export function readJob(check: Checker): JobOptions {
  const job = check.job()
  return { ...job, threads: job.threads === undefined ? undefined : Math.min(job.threads, MOST_THREADS) }
}

/** The same for runs of steps, whose progress is a number of steps. */
export function readSteps(check: Checker): JobOptions {
  const { onProgress, ...job } = readJob(check)
  if (onProgress === undefined) return job
  const tell = onProgress as unknown as (progress: StepProgress) => unknown
  return { ...job, onProgress: ({ done, total }) => tell({ step: done, steps: total }) }
}

/** An object without the properties that are undefined, as the addon expects absent options. */
export function present<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

const hasAdjoint = (A: LinearOperator): boolean => A.hasAdjoint

function vectorType(check: Checker, method: Method, A: Operator | undefined): Dtype {
  if (method !== 'shiftedHermitian') return A?.dtype ?? 'float64'
  if (A instanceof CallbackOperator && A.dtype === 'float64') {
    const message = "shiftedHermitian applies H to complex vectors: the function needs dtype 'complex128'"
    check.add({ code: 'dtype-mismatch', message, name: 'A' })
  }
  return 'complex128'
}

function checkInverse(check: Checker, A: Operator | undefined, dtype: Dtype): Preconditioner | undefined {
  const M = check.take('M')
  if (M === undefined) return undefined
  const note = (code: string, message: string): void => check.add({ code, message, name: 'M' })
  if (!isPreconditioner(M)) {
    note(
      'operator-not-valid',
      'M must be made by jacobi(), blockJacobi(), incompleteCholesky(), arrow() or preconditioner()',
    )
    return undefined
  }
  if (A && M.size !== A.rows) note('shape-mismatch', `M is for ${M.size} rows, A has ${A.rows}`)
  if (A && M.dtype !== dtype) note('dtype-mismatch', `M is ${M.dtype}, A is ${dtype}`)
  return M
}

function readShift(check: Checker, settings: { sigma?: number | undefined; a?: number | undefined }): void {
  check.required('a', 'the factor of iH in sigma I + i a H')
  settings.a = check.number('a')
  settings.sigma = check.number('sigma')
  if (settings.sigma === 0)
    check.problem('option-out-of-range', 'sigma', 'sigma must not be 0: that system may be singular')
}

function readDivergence(check: Checker): number | undefined {
  const value = check.take('divergence')
  if (value === undefined || (typeof value === 'number' && value > 1)) return value
  check.problem('option-out-of-range', 'divergence', `divergence must be a number above 1, got ${String(value)}`)
  return undefined
}

function readReplacement(check: Checker): number | undefined {
  const value = check.take('replacement')
  if (value === undefined) return undefined
  if (value === 'never') return 0
  if (value === 'automatic') return -1
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 32) return value
  const message = `replacement must be 'never', 'automatic' or a number of iterations, got ${String(value)}`
  check.problem('option-not-valid', 'replacement', message)
  return undefined
}

function constant(rows: number, dtype: Dtype): Float64Array<ArrayBuffer> {
  const width = widthOf(dtype)
  const out = new Float64Array(rows * width)
  for (let k = 0; k < out.length; k += width) out[k] = 1
  return out
}
