/** Bounds of the spectrum of a Hermitian operator. */
import { InvalidInputError } from '../errors.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { nativeOf, requireLinear, type Csr, type LinearOperator } from './operators.ts'

/** An interval that holds the whole spectrum. */
export interface Interval {
  min: number
  max: number
}

/** What Lanczos' iteration has seen of a spectrum. */
export interface LanczosBounds extends Interval {
  /** `min` less its residual: an eigenvalue lies between. There may be lower ones only by bad luck of the start. */
  lower: number
  /** `max` plus its residual. */
  upper: number
  /** Products made; fewer than asked for where the Krylov space is exhausted and Ritz values are eigenvalues. */
  steps: number
}

/** Bounds of spectra: what a step size, a Chebyshev interval or a shift needs. */
export const bounds: {
  /**
   * Gershgorin's discs: every eigenvalue of a Hermitian matrix is within Σ_{j≠i}|a_ij| of some a_ii. Certain and often
   * wide; one pass over the matrix.
   * @throws InvalidInputError `operator-not-valid`, `not-hermitian`, `matrix-needed`
   */
  gershgorin(A: Csr): Interval
  /**
   * Extreme Ritz values after some steps of Lanczos' iteration from a random start, with full reorthogonalisation:
   * inside the spectrum, and close to its ends after a few dozen steps. `steps` products, 2 n steps² flop, n · steps
   * numbers of memory.
   *
   * Source: B. N. Parlett (1980), "The symmetric eigenvalue problem".
   * @param options `steps`: default 30, which settles the ends of most spectra to a few digits; `seed`: default 0
   * @throws InvalidInputError `operator-not-valid`, `not-hermitian`, `operator-not-finite`, `option-not-valid`
   */
  lanczos(A: LinearOperator, options?: { steps?: number | undefined; seed?: number | undefined }): LanczosBounds
} = {
  gershgorin(A) {
    requireHermitian(A)
    const { min, max } = call((addon) => addon.gershgorinBounds(nativeOf(A)))
    return { min, max }
  },
  lanczos(A, options = {}) {
    requireHermitian(A)
    const check = new Checker(options, 'bounds.lanczos: options')
    const steps = check.integer('steps', { min: 1, max: 2 ** 16 }) ?? 30
    const seed = check.integer('seed') ?? 0
    check.finish()
    const { min, max, lower, upper, steps: made } = call((addon) => addon.lanczosBounds(nativeOf(A), steps, seed))
    return { min, max, lower, upper, steps: made }
  },
}

/** Of any other matrix the numbers would bound nothing. */
function requireHermitian(A: unknown): void {
  const { hermitian } = requireLinear(A, 'A')
  if (hermitian !== false) return
  throw new InvalidInputError('not-hermitian', 'A is not Hermitian: these bounds are for real spectra', { name: 'A' })
}
