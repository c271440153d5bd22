/**
 * What can go wrong, as classes and stable codes. A numerical outcome is never an error: it is the `status` of a
 * result.
 */

import { DATA_ERROR_CODES } from './data/codes.ts'

/**
 * Every code that an error of this package can carry, with its meaning. Codes are stable: they are only ever added.
 * Warnings have codes of their own, see `Warning`.
 */
export const ERROR_CODES: Readonly<Record<string, string>> = {
  // Options and arrays
  'option-unknown': 'An option does not exist; the hint names the one that was probably meant.',
  'option-missing': 'A required option was not given.',
  'option-not-valid': 'An option has the wrong type or is not one of the allowed words.',
  'option-out-of-range': 'A number among the options is outside its range or not whole.',
  'options-conflict': 'Two options exclude each other.',
  'matrix-not-valid': 'Something else than a matrix was given: rows of unequal length, or a shape that does not fit.',
  'array-detached': 'The memory of an array was transferred to another thread or resized: it can no longer be read.',
  'shape-mismatch':
    'Matrices that belong together have different numbers of rows or columns, or a vector has the wrong length.',
  'names-mismatch': 'The number of species or sample names differs from the number of columns or rows.',
  'json-not-valid': 'The document is not what `toJSON` writes.',
  // Data, read and treated
  ...DATA_ERROR_CODES,
  // Data, checked by the engine
  'value-not-finite': 'A value is infinite. Missing values are NaN.',
  'value-missing': 'A value is missing where every cell is needed.',
  'uncertainty-not-positive': 'An uncertainty is zero or negative. A cell without information has NaN or Infinity.',
  'no-data': 'No cell has a weight: every value or every uncertainty is missing.',
  'empty-data': 'A matrix without rows or without columns cannot be factorised.',
  'scale-overflow':
    'Values and uncertainties are of such different size, or values so large or small, that their squares do not fit.',
  // Factorisation
  'too-few-factors': 'The number of factors is below 1.',
  'too-many-factors': 'The number of factors exceeds the smaller side of the data; `limit` is the largest possible.',
  'start-shape-mismatch': 'Given contributions or profiles do not fit the data and the number of factors.',
  'data-needed': 'A model without its data was asked for something that needs them; `withData` attaches them.',
  'posterior-not-defined': "Student's loss leaves contributions ambiguous: profiles have no density to sample from.",
  'results-differ': 'Results that are to be compared belong to different models.',
  'start-not-valid': 'Given contributions or profiles are not finite, or negative where that is not allowed.',
  'batch-not-valid':
    'A batch of a stream is no data, has other species than the first one, or holds what a fit by passes cannot use.',
  'source-changed': 'A source of batches gave other rows than in the pass before.',
  'weights-too-uneven': 'An uncertainty is so small beside the others that sums over rows cannot hold the rest.',
  'too-many-unknowns': 'Species × factors exceed what a fit by passes can hold; `limit` is the largest possible.',
  // Solvers
  'operator-not-valid': 'Something else than an operator or a preconditioner was given.',
  'vector-not-valid': 'Something else than a vector was given.',
  'dtype-mismatch': 'Real and complex numbers, or other typed arrays, were mixed; nothing is converted silently.',
  'matrix-needed': 'The elements of a matrix are needed, and an operator was given whose elements are not known.',
  'adjoint-needed': 'The method needs products with the adjoint, and the operator has none.',
  'not-positive-definite':
    'A preconditioner cannot be made of a matrix that is not positive definite; `row` is the pivot.',
  'operator-not-finite':
    'The operator holds or returned NaN or an infinity where bounds of its spectrum or a propagation were asked for.',
  'graph-not-valid': 'Nodes, edges, weights or fluxes make no graph; the message says which.',
  'not-hermitian':
    'Propagation needs H = Hᴴ, or exp(-iHt) is not unitary; bounds of a spectrum need A = Aᴴ, or it is not real.',
  'unconverged-gradient': 'A solve behind a gradient did not converge, and `allowInexact` was not given.',
  'propagator-busy': 'A synchronous call came while an asynchronous one of the same propagator was running.',
  'callback-asynchronous': 'A function returned a promise in a synchronous call.',
  'callback-not-valid': 'A function returned something else than it has to; the message says what that is.',
  'not-converged': 'A `SolverError`: `assertConverged` was given a result that is not converged.',
  // Optimisers
  'tensor-not-valid': 'A parameter or gradient is not a typed array or not of the tensor that it was before.',
  'tensor-not-suitable': 'The optimiser cannot treat a tensor of this shape; the message says which it can.',
  'parameter-not-admitted': 'A constrained parameter does not obey its constraint at the beginning of a step.',
  'arrays-overlap': 'A parameter shares its memory with another array of the same step.',
  'state-not-valid': 'Bytes are no saved optimiser, are damaged, or belong to another optimiser.',
  'function-needed': 'A saved optimiser had a function among its options, which must be given again.',
  'start-not-finite':
    'Parameters, loss, gradient or residuals are not finite where a minimisation begins; the message says which.',
  'start-not-feasible': 'A fit begins outside its bounds; `row` is the parameter.',
  'probe-needed': "Newton's criterion needs products with the Hessian, and no `hvp` was given.",
  'guard-halted': 'A `GuardError`: steps failed until the guard gave up; it says where and why.',
  // Dictionaries
  'weight-not-valid': 'A weight is negative or not finite, or the weight of a row is not above 0.',
  'too-few-atoms': 'A dictionary has no atom.',
  'too-many-atoms':
    'A dictionary has more atoms than the data have rows, or than a comparison can hold; `limit` is the largest possible.',
  'support-not-valid':
    'Active atoms of a row do not exist, are not ascending, or do not fit the gate; `row` is the row.',
  'prior-not-proper':
    'Strengths leave a scale or a coordinate without a bound, so that there is no minimum or no evidence; `row` is the atom.',
  'border-too-large':
    'The decoders of atoms that are active together are too many for a log-determinant; `limit` is the largest number of elements.',
  'topology-not-supported': 'A dictionary has shapes or gates that the other program does not know.',
  'vector-not-finite': 'A vector of decoders holds NaN or an infinity; `row` is the element.',
  'pair-not-valid': 'A pair of atoms does not exist, is not ascending, or comes twice.',
  // Arrays in files
  'array-not-recognised': 'A file is neither .npy, .npz nor .safetensors, or holds no array.',
  'array-header-not-valid':
    'The header of an array file is damaged: sizes, places or types in it cannot be; a compressed member does not unpack.',
  'array-truncated': 'An array file ends before its last element.',
  'array-size-mismatch': 'An array file holds more than its header says.',
  'array-dtype-not-supported':
    'The elements of an array are no real numbers or integers; the message says what they are.',
  'array-compression-not-supported': 'A member of a .npz is compressed in another way than by deflate.',
  'array-name-missing': 'A file holds several arrays and none was named; the hint lists them.',
  'array-name-unknown': 'A file holds no array of this name; the hint lists them.',
  'array-too-large': 'Memory does not hold what was asked for: rows, or a compressed member.',
  'array-file-changed': 'A file became shorter while it was open.',
  'array-closed': 'Rows of a file were asked for after it was closed.',
  'value-not-representable':
    'A 64-bit integer is beyond ±2⁵³, or a number beyond the range of float32; `row` and `col` say which.',
  // Command line
  'output-not-empty': 'The folder or file to write to holds something else, and --force was not given.',
  'output-not-writable': 'A result cannot be written; the message says why.',
  'data-differ': 'A saved model was fitted to other data than the ones given with it.',
  'point-not-read': 'A file of contributions or profiles holds no block of numbers.',
  'point-shape-mismatch': 'Contributions and profiles do not fit the data, even transposed.',
  incomplete: 'Work is done and saved, but something is left to do; the message says how to go on.',
  // Devices
  'cuda-not-built-in': 'CUDA was asked for, and this build of the addon has none.',
  'cuda-driver-missing': 'CUDA was asked for, and the system has no NVIDIA driver.',
  'cuda-library-missing': 'CUDA was asked for, and a library of it cannot be loaded; the message names it.',
  'cuda-no-device': 'CUDA was asked for, and the driver shows no GPU, or not the one that was named.',
  'cuda-ptx-version': 'CUDA was asked for, and the driver is too old for the kernels of this build.',
  'device-out-of-memory':
    'The memory of a device does not hold what a call needs; `limit` is what was asked for last, in bytes.',
  'device-failed': 'A device gave up for another reason; the message is its own.',
  // Runtime
  'threads-not-valid': 'HEADWATER_NUM_THREADS is not a whole number in its range.',
  'threads-fixed': '`configure` came after the first call, which had fixed the number of threads.',
  'threads-unavailable': 'The system refused to start threads.',
  'cancelled-while-waiting': 'The call was cancelled before its turn came.',
  'backend-unavailable': 'The native addon could not be loaded; the message says what was found and what to do.',
  internal: 'A defect of this package. Please report it, with the message.',
}

/** Every code that a warning of a result can carry, with its meaning. Codes are only ever added. */
export const WARNING_CODES: Readonly<Record<string, string>> = {
  'row-without-data': 'A sample has no cell with weight: its contributions are NaN.',
  'column-without-data': 'A species has no cell with weight: its profile elements are NaN.',
  'row-not-identified': 'The data of a sample do not determine its contributions.',
  'column-not-identified': 'The data of a species do not determine its profile elements.',
  'weights-too-uneven': 'An uncertainty is so small beside the others that the fit passes through its cell.',
  'dead-factor': 'A factor is zero throughout: the data need fewer factors.',
  'not-unique': 'Q does not change along some direction: other solutions fit equally well.',
  'curvature-unknown': 'The curvature could not be bounded from below, so that the minimum is not proven.',
  'standard-errors-not-positive': 'The point is not a minimum of the second order: it has no standard errors.',
  'standard-errors-too-large': 'Standard errors are computed up to a size of the Hessian that the message names.',
  'base-not-converged': 'The model whose errors are estimated is not a proven minimum.',
  'resamples-not-converged': 'Some resamples of a bootstrap did not converge.',
  'bootstrap-incomplete': 'A bootstrap was stopped before all resamples were made.',
  'few-resamples-accepted': 'So few resamples are accepted that the intervals of BS-DISP mean little.',
  'base-not-minimum': 'A refit found a lower Q than the base; the message says what became of it.',
  'levels-off-scale': 'Q/ν is far from 1, and levels of displacement were not scaled by it.',
  'factors-swapped':
    'Factors exchange their identities at the lowest level of a displacement, or in draws of a posterior.',
  'displacement-failed': 'Refits of some displaced elements did not settle: their ends are NaN.',
  'displacement-incomplete': 'A displacement was stopped before all elements were done.',
  'posterior-too-large': 'A posterior is sampled up to a number of unknowns that the message names.',
  'posterior-not-mixed':
    'Chains of a posterior do not agree, or their draws are worth too few: intervals may be wrong.',
  'posterior-incomplete': 'Sampling of a posterior was stopped before its draws were worth enough.',
  'parameter-not-identified': 'The residuals of a fit do not determine a parameter: its standard error is NaN.',
  'no-degrees-of-freedom':
    'A fit has no more residuals than parameters: their scatter, and with it standard errors, is unknown.',
  'jacobian-unknown': 'A fit ended before there was a Jacobian at its end: gradient and standard errors are NaN.',
  'device-gave-up': "With device 'auto', the device gave up and the CPU did its part; the message says why.",
  'lower-unconverged-start': 'A start that did not converge ended with a lower Q than the one returned.',
}

/** One thing that is wrong with the input. Fields that do not apply are absent. */
export interface InputProblem {
  /** Stable code, see {@link ERROR_CODES}. */
  code: string
  /** What was expected and what came. */
  message: string
  /** File, as it was given. */
  file?: string | undefined
  /** 1-based line of that file. */
  line?: number | undefined
  /** 1-based field of that line. */
  column?: number | undefined
  /** Name of the file's column. */
  header?: string | undefined
  /** Option or argument, for example `stop.decrease`. */
  name?: string | undefined
  /** What was found. */
  value?: unknown
  /** What to do about it. */
  hint?: string | undefined
  /** 0-based row of the array. */
  row?: number | undefined
  /** 0-based column of the array. */
  col?: number | undefined
  /** The largest, or smallest, value that would be accepted. */
  limit?: number | undefined
}

/** Where and why, without code and message. */
export type InputDetails = Omit<InputProblem, 'code' | 'message'>

/** Base of all errors that this package throws, aborts excepted: those reject with the signal's own reason. */
export class HeadwaterError extends Error {
  /** Stable kebab-case code, see {@link ERROR_CODES}. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  override get name(): string {
    return 'HeadwaterError'
  }
}

/**
 * The caller's input cannot be used. Thrown before any work is done. Where several things are wrong, `problems` lists
 * them all, and code and position are those of the first.
 */
export class InvalidInputError extends HeadwaterError implements InputDetails {
  declare readonly file?: string | undefined
  declare readonly line?: number | undefined
  declare readonly column?: number | undefined
  declare readonly header?: string | undefined
  /** Option or argument. (The class is `InvalidInputError`, whatever this says.) */
  declare readonly argument?: string | undefined
  declare readonly value?: unknown
  declare readonly hint?: string | undefined
  declare readonly row?: number | undefined
  declare readonly col?: number | undefined
  declare readonly limit?: number | undefined
  /** Everything that is wrong, at least one. */
  readonly problems: readonly InputProblem[]

  constructor(code: string, message: string, details: InputDetails = {}, problems?: readonly InputProblem[]) {
    super(code, message)
    const { name, ...rest } = details
    for (const [key, value] of Object.entries(rest)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true, configurable: true })
    }
    if (name !== undefined)
      Object.defineProperty(this, 'argument', { value: name, enumerable: true, configurable: true })
    this.problems = problems ?? [{ code, message, ...details }]
  }

  override get name(): string {
    return 'InvalidInputError'
  }

  /** One error for several problems; a single one keeps its own message. */
  static ofAll(problems: readonly InputProblem[]): InvalidInputError {
    const [first] = problems
    if (first === undefined) throw new RangeError('an InvalidInputError needs at least one problem')
    const { code, message, ...details } = first
    const text =
      problems.length === 1
        ? withHint(first)
        : `${problems.length} problems:\n${problems.map((problem) => `  - ${withHint(problem)}`).join('\n')}`
    return new InvalidInputError(code, text, details, problems)
  }
}

/** Why CUDA is not used. */
export type CudaReason = 'not-built-in' | 'driver-missing' | 'library-missing' | 'no-device' | 'ptx-version'

/** What the call needs is not there: the native addon, threads, or a device. The message says what to do. */
export class BackendUnavailableError extends HeadwaterError {
  /** Why CUDA is not used; absent where the call did not ask for it. */
  declare readonly reason?: CudaReason
  /** Bytes that a device's memory does not hold; absent where that is not the reason. */
  declare readonly limit?: number

  constructor(code: string, message: string, options?: ErrorOptions & { limit?: number | undefined }) {
    super(code, message, options)
    if (code.startsWith('cuda-')) {
      Object.defineProperty(this, 'reason', { value: code.slice('cuda-'.length), enumerable: true })
    }
    if (options?.limit !== undefined) Object.defineProperty(this, 'limit', { value: options.limit, enumerable: true })
  }

  override get name(): string {
    return 'BackendUnavailableError'
  }
}

/** A defect of this package: never the fault of the input. The next call works. */
export class InternalError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super('internal', message, options)
  }

  override get name(): string {
    return 'InternalError'
  }
}

function withHint(problem: InputProblem): string {
  return problem.hint === undefined ? problem.message : `${problem.message} (${problem.hint})`
}
