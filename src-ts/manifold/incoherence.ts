/** Decoder incoherence: a penalty on the overlap of the decoders of atoms that are active together, usable alone. */
import type { NativeIncoherence } from '#native'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { call } from '../solve/backend.ts'
import { isDetached, readVector } from '../solve/vectors.ts'
import { Checker } from '../validate.ts'
import type { Numbers } from './problem.ts'

/** Pairs of atoms j < k and their weights W_jk, one array each. */
export interface CoActivationPairs {
  /** j. */
  readonly first: Uint32Array | readonly number[]
  /** k. */
  readonly second: Uint32Array | readonly number[]
  /** W_jk, not negative. */
  readonly weight: Numbers
}

/** Of what {@link coActivationPairs} is made. */
export interface Supports {
  /** K, number of atoms. */
  readonly atoms: number
  /** The active atoms of each row, ascending. */
  readonly supports: readonly (readonly number[])[]
  /** Their amounts, from 0. @default 1 throughout */
  readonly amounts?: readonly Numbers[] | undefined
}

/** What makes a {@link DecoderIncoherence}. */
export interface DecoderIncoherenceOptions {
  /** M_k: the functions of each decoder, which is M_k × p. They may differ. */
  functions: readonly number[] | Uint32Array
  /** p. */
  columns: number
  /**
   * W: a K × K matrix (made symmetric, its diagonal is not read), or the list of pairs that have a weight. Beyond some thousand
   * atoms only the list fits into memory: see {@link coActivationPairs}.
   */
  coActivation: MatrixLike | CoActivationPairs
  /** w, from 0. @default 1 */
  weight?: number | undefined
  /** ρ; the strength is w exp ρ. @default 0 */
  rho?: number | undefined
}

/** A weight that changes from step to step. */
export interface IncoherenceSchedule {
  /** w at step 0. */
  from: number
  /** w from step `steps` on. */
  to: number
  /** Steps between them. */
  steps: number
  /** In equal ratios instead of equal differences; both ends must be above 0 then. @default false */
  geometric?: boolean | undefined
}

/** Overlaps s_jk = ‖B_j B_kᵀ‖²/(‖B_j‖²‖B_k‖²) of the pairs, each from 0 to 1. */
export interface DecoderOverlaps {
  /** The largest; 0 without pairs. */
  largest: number
  /** The mean; 0 without pairs. */
  mean: number
  /** Pairs that were counted: a decoder of zeros has no overlap. */
  pairs: number
}

/**
 * The pairs of atoms that are active together in rows, W_jk = Σ_n a_nj a_nk / N. Cost: sorting Σ_n |S_n|²/2 products, of 16 bytes
 * each; nothing is K × K.
 * @throws InvalidInputError `support-not-valid` for atoms that do not exist or do not ascend, `weight-not-valid` for amounts
 * that are negative or not finite, `shape-mismatch`; wrong options
 * @example
 * ```ts
 * const coActivation = coActivationPairs({ atoms: 3, supports: [[0, 2], [1, 2]] }) // W_02 = W_12 = 1/2
 * ```
 */
export function coActivationPairs(options: Supports): {
  first: Uint32Array<ArrayBuffer>
  second: Uint32Array<ArrayBuffer>
  weight: Float64Array<ArrayBuffer>
} {
  const check = new Checker(options, 'coActivationPairs(): options')
  check.required('atoms', 'the number of atoms')
  check.required('supports', 'the active atoms of each row')
  const atoms = check.integer('atoms', { max: MOST_ATOMS }) ?? 0
  const supports = check.take('supports') as Supports['supports'] | undefined
  const whole = (k: unknown): boolean => typeof k === 'number' && Number.isInteger(k) && k >= 0 && k <= MOST_ATOMS
  const good = Array.isArray(supports) && supports.every((row) => Array.isArray(row) && row.every(whole))
  if (supports !== undefined && !good) {
    check.problem('option-not-valid', 'supports', 'supports must be an array of arrays of atom numbers')
  }
  const amounts = check.take('amounts') as Supports['amounts']
  if (amounts !== undefined && !(Array.isArray(amounts) && amounts.length === supports?.length)) {
    check.problem('option-not-valid', 'amounts', 'amounts must be an array of as many rows as supports')
  }
  check.finish()
  const rows = supports!
  const sizes = Uint32Array.from(rows, (row) => row.length)
  const active = new Uint32Array(sizes.reduce((sum, size) => sum + size, 0))
  const packed = amounts && new Float64Array(active.length)
  let at = 0
  rows.forEach((row, n) => {
    active.set(row, at)
    packed?.set(readVector(amounts![n], row.length, 'float64', `amounts[${n}]`), at)
    at += row.length
  })
  return call((addon) => addon.coActivationPairs(atoms, sizes, active, packed)).value
}

/**
 * P = ½ w eᵖ Σ_{j<k} W_jk ‖B_j B_kᵀ‖² for decoders B_k (M_k × p) and fixed co-activations W.
 *
 * **The target vector** holds all decoders: atom by atom, within an atom function by function (the rows of B_k), within a function
 * column by column. Element (k, m, o) is at (M_0 + … + M_{k-1} + m)·p + o; the length is `size` = p Σ M_k. Vectors of another
 * length, or with NaN or infinities, are refused.
 *
 * P is not free of scale: smaller decoders have less. Apply it to decoders of norm 1 with amplitudes apart, or look at
 * {@link DecoderIncoherence.overlaps}. A product costs O(M_j M_k p) a pair and runs on the calling thread; nothing p × p or
 * K × K is formed but by the two methods that add to a dense block of the caller.
 *
 * Source: the incoherence of dictionaries as a penalty follows I. Ramirez, F. Lecumberry and G. Sapiro, "Sparse modeling with
 * universal priors and learned incoherent dictionaries" (2009), restricted here to atoms that are active together.
 * @example
 * ```ts
 * const penalty = new DecoderIncoherence({ functions: [3, 3, 1], columns: 24, coActivation: coActivationPairs({ atoms: 3, supports }) })
 * const gradient = penalty.gradient(decoders)
 * const { largest, mean } = penalty.overlaps(decoders)
 * ```
 */
export class DecoderIncoherence {
  readonly #native: NativeIncoherence
  readonly #functions: Uint32Array
  #rho = 0
  #weight = 1
  /** p. */
  readonly columns: number
  /** Length of the target vector. */
  readonly size: number

  /**
   * @throws InvalidInputError `pair-not-valid` for atoms that do not exist, are not ascending or come twice; `weight-not-valid`
   * for weights that are negative or not finite; `shape-mismatch`; wrong options
   */
  constructor(options: DecoderIncoherenceOptions) {
    const { handle, functions, columns, weight, rho } = make(options)
    this.#native = handle
    this.#functions = functions
    this.columns = columns
    this.size = columns * functions.reduce((sum, m) => sum + m, 0)
    this.#weight = weight
    if (rho !== 0) this.rho = rho
  }

  /** M_k, the functions of each decoder. */
  get functions(): readonly number[] {
    return Array.from(this.#functions)
  }

  /** The pairs with a weight, ascending, in new arrays. */
  get pairs(): {
    first: Uint32Array<ArrayBuffer>
    second: Uint32Array<ArrayBuffer>
    weight: Float64Array<ArrayBuffer>
  } {
    return native().incoherencePairList(this.#native)
  }

  /** w. {@link DecoderIncoherence.applySchedule} changes it. */
  get weight(): number {
    return this.#weight
  }

  /** w exp ρ, the strength that value and derivatives have. */
  get strength(): number {
    return native().incoherenceStrength(this.#native)
  }

  /**
   * ρ, for who learns the strength; setting it changes `strength`.
   * @throws InvalidInputError `option-out-of-range` if it is not finite, `weight-not-valid` if w exp ρ is not
   */
  get rho(): number {
    return this.#rho
  }

  set rho(rho: number) {
    if (!Number.isFinite(rho)) {
      const message = `rho must be a finite number, got ${String(rho)}`
      throw new InvalidInputError('option-out-of-range', message, { name: 'rho', value: rho })
    }
    call((addon) => addon.incoherenceSetRho(this.#native, rho))
    this.#rho = rho
  }

  /**
   * P.
   * @throws InvalidInputError `shape-mismatch`, `vector-not-finite`; `scale-overflow` if P exceeds the range of numbers (as all below)
   */
  value(target: Numbers): number {
    const numbers = this.#vector(target, 'target')
    return call((addon) => addon.incoherenceValue(this.#native, numbers)).value
  }

  /** ∇P: for B_j it is w eᵖ Σ_k W_jk B_j B_kᵀ B_k. */
  gradient(target: Numbers): Float64Array<ArrayBuffer> {
    const numbers = this.#vector(target, 'target')
    return call((addon) => addon.incoherenceVector(this.#native, 'gradient', numbers)).value
  }

  /** ∂P/∂ρ, which is P. */
  gradientRho(target: Numbers): number {
    return this.value(target)
  }

  /** ∇²P v, exact. It may be indefinite. */
  hessianVector(target: Numbers, v: Numbers): Float64Array<ArrayBuffer> {
    return this.#product('hessian', target, v)
  }

  /**
   * The Gauss–Newton part of ∇²P times v: positive semidefinite, and exact where pairs do not overlap. Not above ∇²P in the order
   * of matrices: rely on damping.
   */
  majorizerVector(target: Numbers, v: Numbers): Float64Array<ArrayBuffer> {
    return this.#product('majorizer', target, v)
  }

  /**
   * block += scale × the Gauss–Newton matrix, dense. Cost O((M_j M_k + M_j + M_k)p²) a pair.
   * @param block size × size numbers of the caller, row-major
   * @param scale finite. @default 1
   * @throws InvalidInputError `shape-mismatch`, `dtype-mismatch`, `array-detached`; `arrays-overlap` if it shares memory with the
   * target. The block is then as it was.
   */
  accumulateMajorizer(target: Numbers, block: Float64Array, scale = 1): void {
    this.#accumulate(target, block, scale, false)
  }

  /** block += scale × ∇²P, dense; otherwise as {@link DecoderIncoherence.accumulateMajorizer}. */
  accumulateHessian(target: Numbers, block: Float64Array, scale = 1): void {
    this.#accumulate(target, block, scale, true)
  }

  /**
   * Sets w to that of a schedule at a step (0-based); ρ stays.
   * @returns w
   * @throws InvalidInputError wrong options; `weight-not-valid` for a geometric schedule from or to 0
   */
  applySchedule(schedule: IncoherenceSchedule, step: number): number {
    const check = new Checker(schedule, 'applySchedule(): schedule')
    for (const name of ['from', 'to', 'steps']) check.required(name, 'a schedule has from, to and steps')
    const from = check.number('from', { min: 0 }) ?? 0
    const to = check.number('to', { min: 0 }) ?? 0
    const steps = check.integer('steps', { max: MOST_STEPS }) ?? 0
    const geometric = check.boolean('geometric') ?? false
    if (!Number.isSafeInteger(step) || step < 0 || step > MOST_STEPS) {
      check.problem(
        'option-out-of-range',
        'step',
        `step must be a whole number from 0 to ${MOST_STEPS}, got ${String(step)}`,
      )
    }
    check.finish()
    this.#weight = call((addon) => addon.incoherenceSchedule(this.#native, from, to, steps, geometric, step)).value
    return this.#weight
  }

  /** How much the decoders of the pairs overlap; independent of scales, w and W. */
  overlaps(target: Numbers): DecoderOverlaps {
    const numbers = this.#vector(target, 'target')
    return call((addon) => addon.incoherenceOverlaps(this.#native, numbers)).value
  }

  /**
   * The penalty that pushes nearly equal decoders apart, as an incoherence of its own: weights 10⁻⁴ μ g(s_jk)/(‖B_j‖²‖B_k‖²),
   * g = u²(3 − 2u), u = 2s − 1 above s = ½ and 0 below. It acts on s, so that it has no scale, and pairs that differ have none.
   * Gates and norms are those of this target, and stay.
   * @param strength μ, from 0. @default 1
   */
  repulsion(target: Numbers, strength = 1): DecoderIncoherence {
    const check = new Checker({ strength }, 'repulsion()')
    check.number('strength', { min: 0 })
    check.finish()
    const numbers = this.#vector(target, 'target')
    const coActivation = call((addon) => addon.incoherenceRepulsion(this.#native, numbers, strength)).value
    return new DecoderIncoherence({ functions: this.#functions, columns: this.columns, coActivation })
  }

  #vector(vector: Numbers, name: string): Float64Array {
    return readVector(vector, this.size, 'float64', name)
  }

  #product(kind: 'hessian' | 'majorizer', target: Numbers, v: Numbers): Float64Array<ArrayBuffer> {
    const [numbers, direction] = [this.#vector(target, 'target'), this.#vector(v, 'v')]
    return call((addon) => addon.incoherenceVector(this.#native, kind, numbers, direction)).value
  }

  #accumulate(target: Numbers, block: Float64Array, scale: number, exact: boolean): void {
    const numbers = this.#vector(target, 'target')
    if (!(block instanceof Float64Array)) {
      throw new InvalidInputError('dtype-mismatch', 'the block must be a Float64Array: it is written to', {
        name: 'block',
      })
    }
    if (isDetached(block)) {
      throw new InvalidInputError('array-detached', 'the memory of the block was transferred elsewhere', {
        name: 'block',
      })
    }
    if (!Number.isFinite(scale)) {
      const message = `scale must be a finite number, got ${String(scale)}`
      throw new InvalidInputError('option-out-of-range', message, { name: 'scale', value: scale })
    }
    call((addon) => addon.incoherenceAccumulate(this.#native, numbers, block, scale, exact))
  }
}

const MOST_ATOMS = 2 ** 32 - 1
const MOST_STEPS = 2 ** 32 - 1

function make(options: DecoderIncoherenceOptions): {
  handle: NativeIncoherence
  functions: Uint32Array
  columns: number
  weight: number
  rho: number
} {
  const check = new Checker(options, 'DecoderIncoherence(): options')
  check.required('functions', 'the number of functions of each decoder')
  check.required('columns', 'the number of columns of all decoders')
  check.required('coActivation', 'a matrix, or pairs of atoms')
  const counts = (value: unknown, name: string): Uint32Array => {
    if (value === undefined || value instanceof Uint32Array) return value ?? new Uint32Array(0)
    const whole = (m: unknown): boolean => typeof m === 'number' && Number.isInteger(m) && m >= 0 && m <= MOST_ATOMS
    if (Array.isArray(value) && value.every(whole)) return Uint32Array.from(value as number[])
    check.problem('option-not-valid', name, `${name} must be whole numbers from 0, as an array or a Uint32Array`)
    return new Uint32Array(0)
  }
  const functions = counts(check.take('functions'), 'functions').slice()
  const columns = check.integer('columns', { min: 1, max: 2 ** 32 - 1 }) ?? 1
  const weight = check.number('weight', { min: 0 }) ?? 1
  const rho = check.number('rho') ?? 0
  const given = check.take('coActivation')
  const listed = typeof given === 'object' && given !== null && 'first' in given
  const { first, second, weight: weights } = (listed ? given : {}) as Partial<CoActivationPairs>
  const [j, k] = [counts(first, 'coActivation.first'), counts(second, 'coActivation.second')]
  check.finish()
  if (listed) {
    const numbers = readVector(weights, j.length, 'float64', 'coActivation.weight')
    const made = call((addon) => addon.incoherencePairs(functions, columns, j, k, numbers, weight))
    return { handle: made.value, functions, columns, weight, rho }
  }
  const matrix = Matrix.from(given as MatrixLike, 'coActivation')
  if (matrix.rows !== functions.length || matrix.cols !== functions.length) {
    const message = `coActivation must be ${functions.length} × ${functions.length}, got ${matrix.rows} × ${matrix.cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'coActivation' })
  }
  const made = call((addon) => addon.incoherenceDense(functions, columns, matrix.data, weight))
  return { handle: made.value, functions, columns, weight, rho }
}
