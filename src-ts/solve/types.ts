/** What the solvers take and return, in words that all of them share. */
import type { JobOptions } from '../job.ts'
import type { LinearOperator } from './operators.ts'
import type { CallbackOperator } from './callbacks.ts'
import type { Preconditioner } from './preconditioners.ts'

/**
 * Type of the numbers. `complex128` is interleaved: element i is `x[2 * i] + i x[2 * i + 1]`, a vector of n elements is a
 * `Float64Array(2 * n)`. Nothing is converted silently: all parts of a system have the same type.
 */
export type Dtype = 'float64' | 'complex128'

/** A complex number as `[re, im]`. */
export type ComplexPair = readonly [number, number]

/** A vector as input: a `Float64Array`, numbers, or pairs `[re, im]` for complex vectors. It is copied at the call. */
export type VectorLike = Float64Array<ArrayBufferLike> | readonly number[] | readonly ComplexPair[]

/** Whatever can be applied to a vector. */
export type Operator = LinearOperator | CallbackOperator

/** The iterative methods. */
export type Method = 'cg' | 'minres' | 'cr' | 'shiftedHermitian' | 'cocg' | 'cgw' | 'cgnr' | 'lsqr'

/** Reasons with which `converged` is true. */
export type ConvergedReason = 'rtol' | 'atol' | 'zeroRhs' | 'exactGuess' | 'trustBoundary' | 'negativeCurvature'

/** Reasons with which it is false. */
export type UnconvergedReason =
  | 'userStop'
  | 'aborted'
  | 'timeLimit'
  | 'maxIterations'
  | 'diverged'
  | 'indefiniteOperator'
  | 'zeroCurvature'
  | 'indefinitePreconditioner'
  | 'notHermitian'
  | 'nonFinite'
  | 'stagnation'
  | 'accuracyLimit'

/** Why a solve ended: a closed list. {@link REASONS} says what each one means. */
export type Reason = ConvergedReason | UnconvergedReason

/** Every reason with its meaning. */
export const REASONS: Readonly<Record<Reason, string>> = {
  rtol: 'The true residual is at most rtol times the norm of b.',
  atol: 'The true residual is at most atol, the larger of the two bounds.',
  zeroRhs: 'b = 0, so x = 0.',
  exactGuess: 'The guess x0 met the tolerance as it was.',
  trustBoundary: 'The step met the trust radius (only with `radius`).',
  negativeCurvature: 'A direction of negative curvature ended a solve that allows it (`radius`, `truncated`).',
  userStop: '`stop` said so, or the loop over `iterate` was left.',
  aborted: "The signal was aborted, and `onAbort` is 'partial'.",
  timeLimit: 'The time limit was reached.',
  maxIterations: 'The largest number of iterations was reached.',
  diverged: 'The residual grew beyond `divergence` times the norm of b.',
  indefiniteOperator: 'A direction with p*Ap < 0 was met: A is not positive definite.',
  zeroCurvature:
    'p*Ap = 0 to rounding with a residual left: A is singular, or b is not in its range (`cocg` may also break down otherwise).',
  indefinitePreconditioner: 'r*z <= 0 for z the preconditioned residual: M is not positive definite.',
  notHermitian: 'The operator, or a preconditioner given as a function, lacks the symmetry that the method rests on.',
  nonFinite: 'A NaN or an infinity was met; `location` says where it came in.',
  stagnation: 'No progress over the stagnation window.',
  accuracyLimit: 'Rounding keeps the true residual above the tolerance, though the recurrence says converged.',
}

/** Where a NaN or an infinity came in. `solution`: it cannot be represented (overflow or underflow). */
export type Location = 'b' | 'x0' | 'operator' | 'preconditioner' | 'recurrence' | 'solution'

/** Norms of the residual b − Ax of the x that is returned. What is not known is absent. */
export interface Residual {
  /**
   * ‖b − Ax‖₂, computed from x; with `nullspace` for the b without its part in that space, whose norm is `inconsistency`. Absent if it could not be: the operator returned NaN, or it is a function and
   * the solve was aborted, or stopped between products that are promises.
   */
  true?: number
  /** What the recurrence believed it to be, in the norm of the stopping test. */
  recurrence?: number
  /** `true` divided by ‖b‖₂. */
  relative?: number
}

/** Extreme Ritz values of M⁻¹A: estimates from inside the spectrum, free of charge. */
export interface Condition {
  /** Smallest Ritz value; for `cgnr` and `lsqr` smallest singular value. */
  min?: number
  /** Largest. */
  max?: number
  /** Their ratio, a lower bound of the condition number. */
  kappa?: number
}

/** The result of every solver: plain data, to be passed through `structuredClone`, workers and IPC. */
export interface SolveResult {
  /** The solution, or the last iterate: finite always. Interleaved for `complex128`. */
  x: Float64Array<ArrayBuffer>
  /** Whether x is what was asked for. */
  converged: boolean
  /** Why the solve ended. */
  reason: Reason
  /** Iterations completed. */
  iterations: number
  /** Products with A and with its adjoint, confirmations included, probes not. */
  matvecs: number
  /** Products spent on probing the symmetry of A before the start. */
  probes: number
  /** Applications of the preconditioner. */
  preconditions: number
  /** Residual norms. */
  residual: Residual
  /** |true − recurrence| residual: how far the recurrence has left the truth. */
  gap?: number
  /** max(rtol ‖b‖, atol), and which of the two it was. */
  tolerance: { value?: number; term: 'rtol' | 'atol' }
  /** Restarts from the true residual. */
  restarts: number
  /** Whether x0 was used: it is not where its residual exceeds ‖b‖. */
  guessUsed: boolean
  /** Estimate of the spectrum. */
  condition?: Condition
  /** Lower bound of the energy norm of the error, `delay` iterations before the end (`cg`). */
  energyError?: number
  /** Residual norms by iteration, with `history: true`. */
  history?: Float64Array<ArrayBuffer>
  /** Where a NaN or an infinity came in, with reason `nonFinite`. */
  location?: Location
  /** A direction p of negative or zero curvature, of norm 1. */
  direction?: Float64Array<ArrayBuffer>
  /** p*Ap / p*p of that direction. */
  curvature?: number
  /** Norm of the part of b in the given null space, which was taken off. */
  inconsistency?: number
  /** ‖A*r − damp² x‖₂ (`lsqr`, `cgnr`). */
  normalResidual?: number
  /** With `harvest`: approximate eigenvectors of M⁻¹A for its smallest eigenvalues, to be given as `deflation`. */
  ritz?: Float64Array<ArrayBuffer>[]
  /** Wall time. */
  timing: { seconds: number }
}

/** What is known after an iteration. */
export interface IterationReport {
  /** Iterations done. */
  iteration: number
  /** Residual norm of the recurrence. */
  residual: number
}

/** Options of every iterative solver. */
export interface SolveOptions {
  /**
   * Relative tolerance: stops at ‖b − Ax‖ ≤ max(rtol ‖b‖, atol). Relative to b, not to the first residual, so that a good
   * guess does not make the test harder.
   * @default 1e-8, half the digits of a double, reachable up to a condition number of about 1e8
   */
  rtol?: number | undefined
  /**
   * Absolute tolerance.
   * @default 0
   */
  atol?: number | undefined
  /**
   * Largest number of iterations.
   * @default the larger of 10 n and 1000: rounding delays convergence beyond the n of exact arithmetic
   */
  maxIterations?: number | undefined
  /** Initial guess. It may save iterations and never changes the answer beyond the tolerance. @default 0 */
  x0?: VectorLike | undefined
  /** Known null space of a Hermitian A: vectors that span it, or `'constant'` for the constant vector of a Laplacian. */
  nullspace?: 'constant' | readonly VectorLike[] | undefined
  /** Keep the residual norms. @default false */
  history?: boolean | undefined
  /** Called after every iteration on the JavaScript thread; a true value ends the solve with reason `userStop`. */
  stop?: ((report: IterationReport) => boolean) | undefined
  /** Wall-clock limit, seconds. @default none */
  timeLimit?: number | undefined
  /** Probe the symmetry of an operator whose elements are not known: three products before the start. @default true */
  probe?: boolean | undefined
  /** Key of the probe's random vectors. @default 0 */
  seed?: number | undefined
  /** A residual above so many times ‖b‖ is divergence. @default 1e5 */
  divergence?: number | undefined
  /**
   * Iterations without a residual smaller by 0.1 % that end the solve.
   * @default max(50, √n, min(n, 1000)): a Krylov method may rightly stand still for n iterations
   */
  stagnationWindow?: number | undefined
}

/** Options of `minres` and `cr`. */
export interface PreconditionedOptions extends SolveOptions {
  /** Preconditioner: Hermitian positive definite M ≈ A, applied as z = M⁻¹r. @default none */
  M?: Preconditioner | undefined
  /**
   * Take ⟨x0, b⟩/⟨x0, A x0⟩ · x0 for the guess: of all multiples of x0 the one of least energy error, for definite A. For a
   * guess whose direction is better than its length; no product more.
   * @default false: the guess is taken as it is
   */
  scaleGuess?: boolean | undefined
}

/** Options of `cg`. */
export interface CgOptions extends PreconditionedOptions {
  /**
   * Norm of the stopping test: `residual` ‖r‖ against ‖b‖; `preconditioned` ‖M⁻¹r‖ against ‖M⁻¹b‖; `natural` √(r*M⁻¹r)
   * against √(b*M⁻¹b).
   * @default 'residual', the only one that does not depend on M
   */
  norm?: 'residual' | 'preconditioned' | 'natural' | undefined
  /** Polak–Ribière β, for an M that varies from call to call; one more vector. @default false */
  flexible?: boolean | undefined
  /** Trust radius (Steihaug–Toint): ends at ‖x‖_M = radius, or along negative curvature. Excludes `x0`. @default none */
  radius?: number | undefined
  /** On negative curvature return the last x as converged, with the direction, for a line search. @default false */
  truncated?: boolean | undefined
  /** Vectors that span a space to be deflated: usually `ritz` of an earlier solve with a similar A. @default none */
  deflation?: readonly VectorLike[] | undefined
  /** Ritz vectors to harvest for later solves; holds up to 4 times as many vectors and 40 more meanwhile. @default 0 */
  harvest?: number | undefined
  /**
   * When the residual of the recurrence is replaced by the true one inside the iteration.
   * @default 'never': the confirmation at the end reaches the same accuracy in fewer iterations
   */
  replacement?: 'never' | 'automatic' | number | undefined
  /** Iterations over which the energy error is estimated: more is later and tighter. @default 5 */
  delay?: number | undefined
}

/** Options of `shiftedHermitian`. */
export interface ShiftedHermitianOptions extends SolveOptions {
  /** Factor of iH; its sign gives the adjoint system. For a Cayley step of length dt: dt / 2. */
  a: number
  /** Real shift, not 0. @default 1 */
  sigma?: number | undefined
}

/** Options of `cgnr`. */
export interface CgnrOptions extends SolveOptions {
  /** As in `cg`. @default 'never' */
  replacement?: 'never' | 'automatic' | number | undefined
}

/** Options of `lsqr`. */
export interface LsqrOptions extends SolveOptions {
  /** Tikhonov damping: minimises ‖Ax − b‖² + damp² ‖x‖². @default 0 */
  damp?: number | undefined
}

/** Options of `direct`. */
export interface DirectOptions {
  /** Relative tolerance by which the answer is judged. @default 1e-8 */
  rtol?: number | undefined
  /** Absolute tolerance. @default 0 */
  atol?: number | undefined
}

/** How far a solve has come. */
export interface SolveProgress {
  /** Iterations done. */
  iteration: number
  /** Largest number of iterations. */
  maxIterations: number
  /** Residual norm of the recurrence. */
  residual?: number
}

/** How far a run of steps has come. */
export interface StepProgress {
  /** Steps made; for a series, terms. */
  step: number
  /** Steps asked for. */
  steps: number
}

/** What the asynchronous functions take besides. */
export interface SolveJobOptions extends Pick<JobOptions, 'signal' | 'onAbort'> {
  /** Called at most ten times a second on the JavaScript thread; if it throws, the call rejects with that error. */
  onProgress?: ((progress: SolveProgress) => unknown) | undefined
  /**
   * Largest number of threads for the products with a `Csr`; the result does not depend on it. Other operators use one.
   * @default 1 below 2¹⁸ stored elements, where threads cost more than they bring, else all that are configured
   */
  threads?: number | undefined
}

/** The options of each method. */
export interface MethodOptions {
  cg: CgOptions
  minres: PreconditionedOptions
  cr: PreconditionedOptions
  shiftedHermitian: ShiftedHermitianOptions
  cocg: SolveOptions
  cgw: SolveOptions
  cgnr: CgnrOptions
  lsqr: LsqrOptions
}
