/** Preconditioners: M ≈ A, Hermitian positive definite, applied as z = M⁻¹r. */
import type { NativePreconditioner } from '#native'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import type { Product } from './callbacks.ts'
import { nativeOf, requireLinear, type Csr, type LinearOperator } from './operators.ts'
import type { Dtype, VectorLike } from './types.ts'
import { readVector } from './vectors.ts'

/** The handle in the addon. */
export let nativeInverse: (M: NativeInverse) => NativePreconditioner

/** A preconditioner whose data live in the addon. */
export class NativeInverse {
  readonly #native: NativePreconditioner
  /** Rows and columns. */
  readonly size: number
  /** Type of the vectors. */
  readonly dtype: Dtype
  /** {@link incompleteCholesky}: the shift σ that was needed. */
  declare readonly shift?: number
  /** {@link incompleteCholesky}: elements of the factor, diagonal included. */
  declare readonly nnz?: number

  static {
    nativeInverse = (M) => M.#native
  }

  /** @internal */
  constructor(handle: NativePreconditioner) {
    this.#native = handle
    this.size = handle.size
    this.dtype = handle.complex ? 'complex128' : 'float64'
    for (const name of ['shift', 'nnz'] as const) {
      const value = handle[name]
      if (value != null) Object.defineProperty(this, name, { value, enumerable: true })
    }
  }

  /** z = M⁻¹ r, in a new array. @throws InvalidInputError `shape-mismatch`, `array-detached`, `dtype-mismatch` */
  apply(r: VectorLike): Float64Array<ArrayBuffer> {
    const input = readVector(r, this.size, this.dtype, 'r')
    const z = new Float64Array(input.length)
    this.#native.apply(input, z)
    return z
  }
}

/** A preconditioner given as a function. Make one with {@link preconditioner}. */
export class CallbackInverse {
  /** Rows and columns. */
  readonly size: number
  /** Type of the vectors. */
  readonly dtype: Dtype
  /** z = M⁻¹ r. */
  readonly apply: Product

  /** @internal */
  constructor(size: number, apply: Product, dtype: Dtype) {
    this.size = size
    this.apply = apply
    this.dtype = dtype
  }
}

/** What the option `M` takes. */
export type Preconditioner = NativeInverse | CallbackInverse

/** What {@link preconditioner} takes. */
export interface PreconditionerInput {
  /** Rows and columns. */
  size: number
  /** Writes z = M⁻¹ r into its second argument; the rules are those of {@link Product}. */
  apply: Product
  /** Type of the vectors. @default 'float64' */
  dtype?: Dtype | undefined
}

/**
 * A preconditioner of your own. It must be linear, Hermitian and positive definite, or else `cg` says
 * `indefinitePreconditioner`; one that varies from call to call needs `flexible: true`.
 * @throws InvalidInputError all wrong fields at once
 */
export function preconditioner(input: PreconditionerInput): CallbackInverse {
  const check = new Checker(input, 'preconditioner')
  check.required('size', 'the number of rows')
  check.required('apply', 'a function that writes the preconditioned vector into its second argument')
  const size = check.integer('size', { max: 2 ** 32 - 1 })
  const apply = check.function<Product>('apply')
  const dtype = check.oneOf('dtype', ['float64', 'complex128'])
  check.finish()
  return new CallbackInverse(size!, apply!, dtype ?? 'float64')
}

/**
 * Jacobi: M = diag(A). One division a row; it removes a bad scaling of the unknowns, and among diagonal M it is within
 * the number of nonzeros a row of the best (A. van der Sluis 1969, "Condition numbers and equilibration of matrices").
 * @param A a `Csr` or `dense` matrix with a positive diagonal
 * @throws InvalidInputError `not-positive-definite` at the first element that is not above 0, `matrix-needed`
 */
export function jacobi(A: LinearOperator): NativeInverse {
  requireLinear(A, 'A')
  return new NativeInverse(call((addon) => addon.jacobiPreconditioner(nativeOf(A))).value)
}

/**
 * Block Jacobi: M is the block-diagonal part of A, each block factored by Cholesky. Σ n_i³/3 flop once, Σ 2n_i² an
 * application. Worth it where unknowns come in groups, such as the components at a node.
 * @param blocks `{ size }` for equal blocks (the last one smaller), or `{ blocks: [n₁, n₂, …] }` that add up to the rows
 * @throws InvalidInputError `not-positive-definite` at the failing pivot, `matrix-needed`, `option-not-valid`
 */
export function blockJacobi(A: Csr, blocks: { size: number } | { blocks: readonly number[] }): NativeInverse {
  requireLinear(A, 'A')
  const check = new Checker(blocks, 'blockJacobi: blocks')
  const size = check.integer('size', { min: 1, max: 2 ** 32 - 1 })
  const list = check.take('blocks')
  if ((size === undefined) === (list === undefined)) {
    check.problem('option-missing', 'size', 'either size or blocks is needed')
  }
  const isSize = (n: unknown): boolean => typeof n === 'number' && Number.isInteger(n) && n >= 1 && n < 2 ** 32
  if (list !== undefined && !(Array.isArray(list) && list.every(isSize))) {
    check.problem('option-not-valid', 'blocks', 'blocks must be an array of whole numbers from 1')
  }
  check.finish()
  const sizes = Uint32Array.from(size === undefined ? (list as number[]) : [size])
  return new NativeInverse(
    call((addon) => addon.blockJacobiPreconditioner(nativeOf(A), sizes, size !== undefined)).value,
  )
}

/** What {@link incompleteCholesky} takes besides the matrix. */
export interface IncompleteCholeskyOptions {
  /** Elements a row of the factor may have more than the lower triangle of A. @default 0 */
  fill?: number | undefined
  /** Elements below drop · √a_ii are dropped. @default 0 */
  drop?: number | undefined
  /** First shift σ to try. @default 0 */
  shift?: number | undefined
}

/**
 * Incomplete Cholesky: A + σ diag(A) ≈ LLᴴ with a sparse L. Without options IC(0), on the pattern of A's lower triangle;
 * with `fill` or `drop` ICT, which keeps the largest elements wherever they are. A pivot that is not above rounding starts
 * again with the Manteuffel shift σ = 10⁻³, then doubled; the result reports the `shift` that was needed.
 *
 * Usually the best choice for elliptic problems. An application is two sparse triangular solves, 4 nnz(L) flop, on one thread.
 *
 * Sources: J. A. Meijerink, H. A. van der Vorst (1977), "An iterative solution method for linear systems of which the
 * coefficient matrix is a symmetric M-matrix"; T. A. Manteuffel (1980), "An incomplete factorization technique for
 * positive definite linear systems".
 * @throws InvalidInputError `not-positive-definite` for a diagonal element that is not above 0, `matrix-needed`
 */
export function incompleteCholesky(A: Csr, options: IncompleteCholeskyOptions = {}): NativeInverse {
  requireLinear(A, 'A')
  const check = new Checker(options, 'incompleteCholesky: options')
  const fill = check.integer('fill', { max: 2 ** 32 - 1 })
  const drop = check.number('drop', { min: 0 })
  const shift = check.number('shift', { min: 0 })
  check.finish()
  return new NativeInverse(
    call((addon) => addon.incompleteCholeskyPreconditioner(nativeOf(A), shift ?? 0, drop ?? null, fill ?? null)).value,
  )
}

/** What {@link arrow} takes. */
export interface ArrowInput {
  /** Diagonal blocks of D: `dense` matrices, Hermitian positive definite. */
  blocks: readonly LinearOperator[]
  /** E: rows of D × rows of the corner. */
  border: Csr
  /** S₀: a small `dense` matrix. */
  corner: LinearOperator
}

/**
 * Arrow matrices [[D, E], [Eᴴ, S₀]] with D block-diagonal, by the Schur complement S = S₀ − EᴴD⁻¹E: many small groups of
 * unknowns that are coupled through a few common ones. Exact for such a matrix (one iteration); meant for matrices near
 * one. Σ n_i³/3 + n₂ solves with D + n₂³/3 flop once, two solves with D, two products with E and 2n₂² an application.
 * @throws InvalidInputError `not-positive-definite` at the failing pivot, `matrix-not-valid` for sizes that do not fit
 */
export function arrow(input: ArrowInput): NativeInverse {
  const check = new Checker(input, 'arrow')
  const [blocks, border, corner] = [check.take('blocks'), check.take('border'), check.take('corner')]
  for (const name of ['blocks', 'border', 'corner']) check.required(name, 'see ArrowInput')
  if (blocks !== undefined && !Array.isArray(blocks)) {
    check.problem('option-not-valid', 'blocks', 'blocks must be an array of dense matrices')
  }
  check.finish()
  const handles = (blocks as unknown[]).map((block, k) => nativeOf(requireLinear(block, `blocks[${k}]`)))
  const e = nativeOf(requireLinear(border, 'border'))
  const s = nativeOf(requireLinear(corner, 'corner'))
  return new NativeInverse(call((addon) => addon.arrowPreconditioner(handles, e, s)).value)
}

/** @throws InvalidInputError `not-positive-definite`, `matrix-needed` */
export function choleskyOf(A: LinearOperator): NativeInverse {
  return new NativeInverse(call((addon) => addon.choleskyPreconditioner(nativeOf(A))).value)
}

/** Whether it can be given as `M`. */
export function isPreconditioner(value: unknown): value is Preconditioner {
  return value instanceof NativeInverse || value instanceof CallbackInverse
}
