/**
 * The pieces of a sparse dictionary, one by one: value, gradient, products with the Hessian, exact solves, evidence. For
 * tests, and for models of one's own.
 */
import type { NativeDictionary, NativeDictionarySettings } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { readVector } from '../solve/vectors.ts'
import { Checker } from '../validate.ts'
import { numbersOf, readGate, readShape } from './shapes.ts'

/** Numbers: a `Float64Array`, or an array. */
export type Numbers = Float64Array | readonly number[]

/** The shape of an atom. */
export type AtomShape =
  /** A point: Φ = 1. */
  | 'constant'
  /** A line: Φ = (1, t). */
  | 'linear'
  /** A closed curve: t in turns, Φ = (1, sin 2πht, cos 2πht; h = 1 … harmonics). */
  | { readonly topology: 'circle'; readonly harmonics?: number | undefined }
  /** A closed surface: products of the functions of two circles. */
  | { readonly topology: 'torus'; readonly harmonics?: number | undefined }
  /** A surface: all monomials up to degree 2. */
  | { readonly topology: 'patch'; readonly dimension: number }

/** How a row is gated. */
export type GateOptions =
  /**
   * Amplitudes s ≥ 0 of the active atoms, with prior ½α(s − 1)² (`normal`), ½αs² (`half-normal`) or αs (`exponential`). Only with
   * `normal` is a curve's shape no matter of choice: else it could come closer to the origin anywhere, and the amplitudes grow.
   * Default: `normal` for `fitDictionary`, `half-normal` for `dictionaryProblem`.
   */
  | { readonly kind: 'amplitude'; readonly prior?: 'normal' | 'half-normal' | 'exponential' | undefined }
  /** An active atom counts once: a circle is a ring of one size, with one number a code. */
  | { readonly kind: 'unit' }
  /** Shares softmax(l/τ) of all atoms, l_K = 0, with ½κ‖l‖²; τ = `temperature` (default 1), κ = `ridge` (default 0.1). */
  | { readonly kind: 'softmax'; readonly temperature?: number | undefined; readonly ridge?: number | undefined }

/** Noise variance and strengths of the priors; 0 turns a prior off. */
export interface StrengthOptions {
  /** φ, the noise variance of a cell of weight 1. @default 1 */
  noise?: number | undefined
  /** λ of the shares' entropy (softmax). @default 0 */
  entropy?: number | undefined
  /** α of the amplitudes, one an atom. @default 1 where there are amplitudes */
  amplitude?: Numbers | undefined
  /** λ₁ of ½λ₁⟨B, SB⟩, one an atom. @default 1 */
  roughness?: Numbers | undefined
  /** λ₂ of ½λ₂‖B‖², one an atom. @default 1 */
  ridge?: Numbers | undefined
  /** α of each coordinate of all atoms. @default 1 on lines and patches, 0 on circles and tori, whose phase has no place */
  ard?: Numbers | undefined
}

/** What makes a {@link DictionaryProblem}. */
export interface DictionaryProblemOptions {
  /** N × p; NaN is missing. */
  values: MatrixLike
  /** N × p, diagonals of the rows' metrics; 0 is missing. @default 1 */
  cellWeights?: MatrixLike | undefined
  /** N, above 0. @default 1 */
  rowWeights?: Numbers | undefined
  /**
   * `precision`: row weights multiply the data term. `sampling`: they count rows, and multiply the rows' priors too.
   * @default 'precision'
   */
  weighting?: 'precision' | 'sampling' | undefined
  /** One shape an atom. */
  atoms: readonly AtomShape[]
  /** @default { kind: 'amplitude' } */
  gate?: GateOptions | undefined
  /** Decoders are not negative. @default false */
  nonNegative?: boolean | undefined
  /** The active atoms of each row, ascending. @default all atoms in every row */
  supports?: readonly (readonly number[])[] | undefined
  /** The point: gate parameters and coordinates of the active atoms, row by row; decoders, functions × p. */
  start: { gates: Numbers; coordinates: Numbers; decoders: Numbers }
  /** Noise and priors. */
  strengths?: StrengthOptions | undefined
  /** Strength of the decoder incoherence; its pair weights are the co-activations at the start. @default 0 */
  incoherence?: number | undefined
  /** Strength of the repulsion of nearly equal decoders, gated at the start. @default 0 */
  repulsion?: number | undefined
  /** Largest number of threads. @default all that are configured */
  threads?: number | undefined
}

/** The outcome of {@link DictionaryProblem.solveStationarity}. */
export interface StationaritySolution {
  /** The last iterate: a solution only if `converged`. */
  x: Float64Array<ArrayBuffer>
  /** `negativeCurvature`: A is not positive definite, and `direction` shows it. */
  status: 'converged' | 'negativeCurvature' | 'stagnated' | 'aborted'
  /** Iterations of conjugate gradients with the surrogate as preconditioner. */
  iterations: number
  /** ‖b − Ax‖/‖b‖ over what may move, computed from x. */
  residual: number
  /** v with vᵀAv = `curvature` ≤ 0, ‖v‖ = 1. */
  direction?: Float64Array<ArrayBuffer>
  curvature?: number
}

/** What proves the end of a minimisation. */
export interface MinimumEvidence {
  iterations: number
  newtonSteps: number
  dampedSteps: number
  surrogateSteps: number
  /** Steps along negative curvature. */
  escapes: number
  /** ½gᵀA⁻¹g over what may move, off the gauges. Absent where A is not positive definite. */
  decrement?: number
  /** ‖g‖ over what may move. */
  gradientNorm: number
  /** Smallest eigenvalue of A off the gauges with the diagonal of B scaled to 1: an estimate from above. */
  minCurvature?: number
  /** Positive definite only up to −10⁻⁸ of that scale. */
  flat: boolean
  /** Elements held: at their bound, or without use. */
  held: number
  /** Gauges taken out in closed form. */
  gauges: number
}

/** The end of a minimisation. */
export interface DictionaryMinimum {
  /** `converged` only by the decrement and a positive definite A; a plateau is never enough. */
  status: 'converged' | 'saddle' | 'stalled' | 'budget' | 'aborted'
  /** L. */
  value: number
  theta: Float64Array<ArrayBuffer>
  /** At a saddle: a direction of negative curvature. */
  direction?: Float64Array<ArrayBuffer>
  evidence: MinimumEvidence
}

/** The criterion of evidence at one ρ. */
export interface DictionaryCriterion {
  /** The minimum that it was computed at. */
  minimum: DictionaryMinimum
  /** V. Absent, with all below, where the minimisation did not converge. */
  criterion?: number
  /** ln|B|. */
  logDeterminant?: number
  /** dV/dρ, in the order of `parameters`. */
  gradient?: Float64Array<ArrayBuffer>
  /** Effective degrees of freedom of each function, mean over the columns, 0 to 1. */
  degrees?: Float64Array<ArrayBuffer>
  /** ½(ln|A| − ln|B|) off the gauges. */
  laplaceGap?: number
  /** Iterations of the one solve with A. */
  iterations?: number
}

/** Options of the long calls. */
export interface DictionaryCallOptions extends Omit<JobOptions, 'threads'> {
  /** Most iterations of a minimisation. @default 200 */
  maxIterations?: number | undefined
}

/**
 * A state of a dictionary with its data and hyperparameters. Its unknowns are one vector θ: for each row its gate
 * parameters (amplitudes of the active atoms, or K − 1 logits) and then the coordinates of its active atoms; after all rows
 * the decoders, atom by atom, function by function, one number a column. Nothing changes it; {@link DictionaryProblem.at}
 * gives the same problem at another θ. Make one with {@link dictionaryProblem}.
 */
export class DictionaryProblem {
  readonly #native: NativeDictionary
  /** Names of the hyperparameters that the criterion differentiates by, for example `ridge[0]`. */
  readonly parameters: readonly string[]
  /** Their logarithms. */
  readonly rho: Float64Array<ArrayBuffer>
  /** θ. */
  readonly theta: Float64Array<ArrayBuffer>

  /** @internal */
  constructor(handle: NativeDictionary) {
    this.#native = handle
    const facts = native().dictionaryFacts(handle)
    this.parameters = facts.parameters
    this.rho = facts.rho
    this.theta = facts.theta
  }

  /** Length of θ. */
  get size(): number {
    return this.theta.length
  }

  /**
   * The same problem at another θ; the pair weights of the incoherence stay.
   * @throws InvalidInputError `shape-mismatch`; `start-not-valid` for numbers that are not finite, or negative where bounded
   */
  at(theta: Numbers): DictionaryProblem {
    const numbers = this.#vector(theta, 'theta')
    return new DictionaryProblem(call((addon) => addon.dictionaryAt(this.#native, numbers)).value)
  }

  /** L. */
  value(): number {
    return native().dictionaryValue(this.#native)
  }

  /** ∇L. */
  gradient(): Float64Array<ArrayBuffer> {
    return native().dictionaryGradient(this.#native)
  }

  /**
   * A v, A = ∇²L of everything that is on.
   * @throws InvalidInputError `shape-mismatch`
   */
  hessianVector(v: Numbers): Float64Array<ArrayBuffer> {
    return this.#product('exact', v)
  }

  /**
   * B v, B the surrogate: Gauss–Newton with majorised priors, positive semidefinite.
   * @throws InvalidInputError `shape-mismatch`
   */
  surrogateVector(v: Numbers): Float64Array<ArrayBuffer> {
    return this.#product('surrogate', v)
  }

  /**
   * (A − B) v.
   * @throws InvalidInputError `shape-mismatch`
   */
  correctionVector(v: Numbers): Float64Array<ArrayBuffer> {
    return this.#product('correction', v)
  }

  /**
   * A x = b over what may move, to ‖b − Ax‖ ≤ 10⁻¹⁰‖b‖, or the reason why not.
   * @throws InvalidInputError `shape-mismatch`; the signal's reason
   */
  async solveStationarity(b: Numbers, options: Omit<JobOptions, 'threads'> = {}): Promise<StationaritySolution> {
    const numbers = this.#vector(b, 'b')
    const job = readOptions(options, 'solveStationarity(): options')
    const { x, status, iterations, residual, direction, curvature } = await runJob(
      (token, progress) => native().dictionarySolve(this.#native, numbers, token, progress),
      job.options,
    )
    const bent = direction === undefined || curvature === undefined ? {} : { direction, curvature }
    return { x, status, iterations, residual, ...bent }
  }

  /**
   * The minimum of L from here.
   * @throws InvalidInputError wrong options; the signal's reason
   */
  async minimise(options: DictionaryCallOptions = {}): Promise<DictionaryMinimum> {
    const job = readOptions(options, 'minimise(): options')
    const { status, value, theta, direction, evidence } = await runJob(
      (token, progress) => native().dictionaryMinimise(this.#native, job.maxIterations, token, progress),
      job.options,
    )
    return { status, value, theta, ...(direction === undefined ? {} : { direction }), evidence }
  }

  /**
   * Minimises L at the hyperparameters exp(ρ), from here, and gives Laplace's criterion
   * V = L + ½ ln|B| − ½p Σ ln|λ₁S + λ₂I| + normalisers + ½N ln φ with its gradient.
   * @param rho logarithms in the order of `parameters`; default `this.rho`
   * @throws InvalidInputError `shape-mismatch`, `option-out-of-range`, `prior-not-proper`; the signal's reason
   */
  async criterion(rho: Numbers = this.rho, options: DictionaryCallOptions = {}): Promise<DictionaryCriterion> {
    const numbers = readVector(rho, this.rho.length, 'float64', 'rho')
    const job = readOptions(options, 'criterion(): options')
    const outcome = await runJob(
      (token, progress) => native().dictionaryCriterion(this.#native, numbers, job.maxIterations, token, progress),
      job.options,
    )
    const { ok: _, ...found } = outcome as typeof outcome & { ok: true }
    return found
  }

  #vector(v: Numbers, name: string): Float64Array {
    return readVector(v, this.size, 'float64', name)
  }

  #product(kind: 'exact' | 'surrogate' | 'correction', v: Numbers): Float64Array<ArrayBuffer> {
    const numbers = this.#vector(v, 'v')
    return call((addon) => addon.dictionaryProduct(this.#native, kind, numbers)).value
  }
}

function readOptions(options: unknown, where: string): { options: JobOptions; maxIterations: number | undefined } {
  const check = new Checker(options, where)
  const maxIterations = check.integer('maxIterations', { min: 1 })
  const { signal, onProgress, onAbort } = check.job()
  check.finish()
  return { options: { signal, onProgress, onAbort }, maxIterations }
}

/**
 * A dictionary's state, to ask questions about.
 * @throws InvalidInputError what is wrong with the options, the data or the start; `prior-not-proper` for strengths that leave
 * a scale without a bound
 * @example
 * ```ts
 * const problem = dictionaryProblem({
 *   values, atoms: [{ topology: 'circle' }], start: { gates: amplitudes, coordinates: phases, decoders },
 * })
 * const g = problem.gradient()
 * const { status, x } = await problem.solveStationarity(g)
 * ```
 */
export function dictionaryProblem(options: DictionaryProblemOptions): DictionaryProblem {
  const settings = readSettings(options)
  return new DictionaryProblem(call((addon) => addon.dictionary(settings)).value)
}

function readSettings(options: DictionaryProblemOptions): NativeDictionarySettings {
  const check = new Checker(options, 'dictionaryProblem(): options')
  check.required('values', 'the data, rows × columns')
  check.required('atoms', 'one shape an atom')
  check.required('start', 'gates, coordinates and decoders')
  const list = check.take('atoms')
  if (list !== undefined && !Array.isArray(list))
    check.problem('option-not-valid', 'atoms', 'atoms must be an array of shapes')
  const shapes = Array.isArray(list) ? list.map((shape, at) => readShape(shape, at, check)) : []
  const weighting = check.oneOf('weighting', ['precision', 'sampling']) ?? 'precision'
  const gate = readGate(check, 'half-normal')
  const strengths = check.nested('strengths', (inner) => ({
    noise: inner.positive('noise'),
    entropy: inner.number('entropy', { min: 0 }),
    amplitude: numbersOf(inner, 'amplitude'),
    roughness: numbersOf(inner, 'roughness'),
    ridge: numbersOf(inner, 'ridge'),
    ard: numbersOf(inner, 'ard'),
  }))
  const start = check.nested('start', (inner) => ({
    gates: numbersOf(inner, 'gates'),
    coordinates: numbersOf(inner, 'coordinates'),
    decoders: numbersOf(inner, 'decoders'),
  }))
  const supports = check.take('supports') as readonly (readonly number[])[] | undefined
  const whole = (k: unknown): boolean => typeof k === 'number' && Number.isInteger(k) && k >= 0
  if (
    supports !== undefined &&
    !(Array.isArray(supports) && supports.every((row) => Array.isArray(row) && row.every(whole)))
  ) {
    check.problem('option-not-valid', 'supports', 'supports must be an array of arrays of atom numbers')
  }
  const rowWeights = numbersOf(check, 'rowWeights')
  const [values, cellWeights] = [check.take('values'), check.take('cellWeights')]
  const nonNegative = check.boolean('nonNegative') ?? false
  const incoherence = check.number('incoherence', { min: 0 }) ?? 0
  const repulsion = check.number('repulsion', { min: 0 }) ?? 0
  const threads = check.integer('threads', { min: 1 })
  check.finish()
  const data = Matrix.from(values as MatrixLike, 'values')
  const weights = cellWeights === undefined ? undefined : Matrix.from(cellWeights as MatrixLike, 'cellWeights')
  if (weights && (weights.rows !== data.rows || weights.cols !== data.cols)) {
    const message = `cellWeights are ${weights.rows} × ${weights.cols}, the values ${data.rows} × ${data.cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'cellWeights' })
  }
  const none = new Float64Array(0)
  return {
    rows: data.rows,
    cols: data.cols,
    values: data.data,
    ...(weights ? { cellWeights: weights.data } : {}),
    ...(rowWeights ? { rowWeights } : {}),
    sampling: weighting === 'sampling',
    topologies: shapes.map(([name]) => name),
    sizes: shapes.map(([, size]) => size),
    ...gate,
    nonNegative,
    ...(supports
      ? { supports: Uint32Array.from(supports.flat()), supportSizes: Uint32Array.from(supports, (row) => row.length) }
      : {}),
    gates: start?.gates ?? none,
    coordinates: start?.coordinates ?? none,
    decoders: start?.decoders ?? none,
    noise: strengths?.noise ?? 1,
    entropy: strengths?.entropy ?? 0,
    ...(strengths?.amplitude ? { amplitude: strengths.amplitude } : {}),
    ...(strengths?.roughness ? { roughness: strengths.roughness } : {}),
    ...(strengths?.ridge ? { ridge: strengths.ridge } : {}),
    ...(strengths?.ard ? { ard: strengths.ard } : {}),
    incoherence,
    repulsion,
    ...(threads === undefined ? {} : { threads }),
  }
}
