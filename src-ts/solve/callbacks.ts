/** Operators given as functions. */
import { Checker } from '../validate.ts'
import type { Dtype } from './types.ts'

/**
 * Writes the product with `x` into `y`. Both are the solver's own work arrays, the same ones at every call, so keep no
 * reference to them. `y` is zero at the start of each call. In the asynchronous functions it may return a promise, and the arrays are
 * its own until that resolves.
 */
export type Product = (x: Float64Array<ArrayBuffer>, y: Float64Array<ArrayBuffer>) => unknown

/** What {@link operator} takes. */
export interface OperatorInput {
  /** Rows. */
  rows: number
  /** Columns. @default rows */
  cols?: number | undefined
  /** y = A x. */
  apply: Product
  /** y = Aᴴ x, the conjugate transpose; needed by `cgnr` and `lsqr`. */
  applyAdjoint?: Product | undefined
  /** Type of the vectors. @default 'float64' */
  dtype?: Dtype | undefined
  /** Whether A = Aᴴ. `true` is probed, not believed (see `probe`); `false` is believed. */
  hermitian?: boolean | undefined
}

/** An operator given as a function. Make one with {@link operator}. */
export class CallbackOperator {
  /** Rows. */
  readonly rows: number
  /** Columns. */
  readonly cols: number
  /** Type of the vectors. */
  readonly dtype: Dtype
  /** What was claimed. */
  readonly hermitian: boolean | undefined
  /** y = A x. */
  readonly apply: Product
  /** y = Aᴴ x. */
  readonly applyAdjoint: Product | undefined

  /** @internal */
  constructor(input: OperatorInput) {
    this.rows = input.rows
    this.cols = input.cols ?? input.rows
    this.dtype = input.dtype ?? 'float64'
    this.hermitian = input.hermitian
    this.apply = input.apply
    this.applyAdjoint = input.applyAdjoint
  }
}

/**
 * A matrix-free operator: the solver asks for products and runs on the JavaScript thread in between (reverse
 * communication; one to two microseconds of overhead a product on a quiet machine).
 *
 * What `apply` throws, or rejects with, the solve throws as it is. It must be linear and must not change between calls; a
 * NaN that it writes ends the solve with reason `nonFinite`.
 * @throws InvalidInputError all wrong fields at once
 * @example
 * ```ts
 * const A = operator({ rows: n, apply: (x, y) => { for (let i = 0; i < n; i++) y[i] = 2 * x[i] - (x[i - 1] ?? 0) - (x[i + 1] ?? 0) } })
 * const { x, reason } = cgSync(A, b)
 * ```
 */
export function operator(input: OperatorInput): CallbackOperator {
  const check = new Checker(input, 'operator')
  check.required('rows', 'the number of rows')
  check.required('apply', 'a function that writes A x into its second argument')
  const rows = check.integer('rows', { max: 2 ** 32 - 1 })
  const cols = check.integer('cols', { max: 2 ** 32 - 1 })
  const apply = check.function<Product>('apply')
  const applyAdjoint = check.function<Product>('applyAdjoint')
  const dtype = check.oneOf('dtype', ['float64', 'complex128'])
  const hermitian = check.boolean('hermitian')
  check.finish()
  return new CallbackOperator({ rows: rows!, cols, apply: apply!, applyAdjoint, dtype, hermitian })
}
