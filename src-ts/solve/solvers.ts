/** The iterative solvers, each with its synchronous twin. */
import { solve, solveSync } from './run.ts'
import type {
  CgnrOptions,
  CgOptions,
  LsqrOptions,
  Operator,
  PreconditionedOptions,
  ShiftedHermitianOptions,
  SolveJobOptions,
  SolveOptions,
  SolveResult,
  VectorLike,
} from './types.ts'

/**
 * Conjugate gradients, for Hermitian positive definite A.
 *
 * r = b − Ax, z = M⁻¹r, p = z, γ = r*z; each iteration: q = Ap, α = γ / p*q, x += αp, r −= αq, z = M⁻¹r, β = γ⁺/γ
 * (Fletcher–Reeves; `flexible`: (r⁺ − r)*z / γ, Polak–Ribière), p = z + βp.
 *
 * - Error in the energy norm after m iterations: at most 2 ((√κ − 1)/(√κ + 1))ᵐ of the first, κ the condition of M⁻¹A.
 * - One product and one application of M an iteration; 4 vectors besides b, 5 with M.
 * - Detected and named: negative curvature (`indefiniteOperator`, with direction and curvature), breakdown
 *   (`zeroCurvature`), an M that is not positive definite, an A that is not Hermitian. Nothing is added to denominators.
 * - Success is confirmed by the true residual; where rounding stands in the way that is `accuracyLimit`.
 * - With `radius` it is Steihaug's and Toint's method for trust regions.
 *
 * Sources: M. R. Hestenes, E. Stiefel (1952), "Methods of conjugate gradients for solving linear systems"; T. Steihaug
 * (1983), "The conjugate gradient method and trust regions in large scale optimization"; Y. Saad, M. Yeung, J. Erhel,
 * F. Guyomarc'h (2000), "A deflated version of the conjugate gradient algorithm"; Z. Strakoš, P. Tichý (2002), "On error
 * estimation in the conjugate gradient method".
 *
 * Runs off the JavaScript thread; with functions as operator, `M` or `stop` on it, in pieces, with aborts heard between
 * requests. Inputs are copied at the call. A numerical outcome never throws.
 * @throws InvalidInputError all that is wrong with the arguments; the signal's reason; what a function of yours throws
 * @example
 * ```ts
 * const { x, converged, reason } = await cg(A, b, { M: incompleteCholesky(A), rtol: 1e-10 })
 * ```
 */
export async function cg(A: Operator, b: VectorLike, options: CgOptions & SolveJobOptions = {}): Promise<SolveResult> {
  return solve('cg', A, b, options)
}

/** {@link cg} on the calling thread: for systems that take microseconds. */
export function cgSync(A: Operator, b: VectorLike, options: CgOptions = {}): SolveResult {
  return solveSync('cg', A, b, options)
}

/**
 * MINRES, for Hermitian A, definite or not: minimises ‖b − Ax‖ (in the norm of M⁻¹ with M, which must be positive
 * definite) over the Krylov space, by Lanczos' recurrence and Givens rotations.
 *
 * One product an iteration; 9 vectors besides b, 10 with M. The residual never grows. For definite A `cg` costs less
 * and has the smaller error; for singular A with b off its range the reason is `zeroCurvature`, `stagnation` or
 * `accuracyLimit`, never success. From a condition of ε^(−2/3) ≈ 3·10¹⁰ on it cannot tell A from a singular one and says
 * `zeroCurvature` as well.
 *
 * Source: C. C. Paige, M. A. Saunders (1975), "Solution of sparse indefinite systems of linear equations".
 * @throws as {@link cg}
 */
export async function minres(
  A: Operator,
  b: VectorLike,
  options: PreconditionedOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('minres', A, b, options)
}

/** {@link minres} on the calling thread. */
export function minresSync(A: Operator, b: VectorLike, options: PreconditionedOptions = {}): SolveResult {
  return solveSync('minres', A, b, options)
}

/**
 * Conjugate residuals, for Hermitian positive definite A: as {@link cg}, with products weighted by A, so that the residual
 * never grows: α = r*Ar / ‖Ap‖², β = r⁺*Ar⁺ / r*Ar.
 *
 * One product an iteration; 5 vectors besides b, 7 with M. To be preferred to `cg` where the residual is what counts and
 * the iteration may be stopped early.
 *
 * Source: E. Stiefel (1955), "Relaxationsmethoden bester Strategie zur Lösung linearer Gleichungssysteme".
 * @throws as {@link cg}
 */
export async function cr(
  A: Operator,
  b: VectorLike,
  options: PreconditionedOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('cr', A, b, options)
}

/** {@link cr} on the calling thread. */
export function crSync(A: Operator, b: VectorLike, options: PreconditionedOptions = {}): SolveResult {
  return solveSync('cr', A, b, options)
}

/**
 * (σI + iaH)x = b for Hermitian H and real σ ≠ 0: Galerkin's condition on the Krylov space of H, as a recurrence like that
 * of `cg` with a complex step: α = r*r / r*Ap, β = −(‖r⁺‖²/‖r‖²)(α/ᾱ), p = r⁺ + βp.
 *
 * Give H, not σI + iaH: real or complex; vectors are complex whatever H is, and a real H is applied to both parts. The
 * matrix is normal and never singular (its eigenvalues σ + iaλ have modulus at least |σ|), so the error is at most the
 * residual divided by |σ|; the pivots have a real part of at least |σ| and cannot break down. One product an iteration; 4
 * vectors besides b, and one copy of the best x, for the residual may grow in between. a → −a is the adjoint system.
 *
 * For a Cayley step exp(−iH dt) ≈ (I + iaH)⁻¹(I − iaH), a = dt/2: ψ⁺ = 2x − ψ with b = ψ.
 *
 * Source: R. W. Freund (1990), "On conjugate gradient type methods and polynomial preconditioners for a class of complex
 * non-Hermitian matrices".
 * @throws as {@link cg}
 * @example
 * ```ts
 * const { x } = await shiftedHermitian(H, psi, { a: dt / 2, rtol: 1e-12 }) // psi: interleaved
 * ```
 */
export async function shiftedHermitian(
  H: Operator,
  b: VectorLike,
  options: ShiftedHermitianOptions & SolveJobOptions,
): Promise<SolveResult> {
  return solve('shiftedHermitian', H, b, options)
}

/** {@link shiftedHermitian} on the calling thread. */
export function shiftedHermitianSync(H: Operator, b: VectorLike, options: ShiftedHermitianOptions): SolveResult {
  return solveSync('shiftedHermitian', H, b, options)
}

/**
 * COCG, for complex symmetric A (A = Aᵀ, not conjugated): the formulas of `cg` with products uᵀv.
 *
 * One product an iteration; 4 vectors besides b, and one copy of the best x, for the residual is not monotone. pᵀAp may
 * vanish for p ≠ 0, which is `zeroCurvature`. Without symmetry the reason is `notHermitian`.
 *
 * Source: H. A. van der Vorst, J. B. M. Melissen (1990), "A Petrov–Galerkin type method for solving Ax = b, where A is
 * symmetric complex".
 * @throws as {@link cg}
 */
export async function cocg(
  A: Operator,
  b: VectorLike,
  options: SolveOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('cocg', A, b, options)
}

/** {@link cocg} on the calling thread. */
export function cocgSync(A: Operator, b: VectorLike, options: SolveOptions = {}): SolveResult {
  return solveSync('cocg', A, b, options)
}

/**
 * The method of Concus, Golub and Widlund, for A = I + S with skew-Hermitian S (Sᴴ = −S): `cg` with the sign of β turned,
 * α = ‖r‖² / Re r*Ap, β = −‖r⁺‖²/‖r‖².
 *
 * One product an iteration; 4 vectors besides b, and one copy of the best x. Converges by Λ/(1 + √(1 + Λ²)) an iteration,
 * Λ = ‖S‖: about twice the iterations of {@link shiftedHermitian}, but in real arithmetic where S is real. If A − I is not
 * skew the reason is `notHermitian`.
 *
 * Sources: P. Concus, G. H. Golub (1976), "A generalized conjugate gradient method for nonsymmetric systems of linear
 * equations"; O. Widlund (1978), "A Lanczos method for a class of nonsymmetric systems of linear equations".
 * @throws as {@link cg}
 */
export async function cgw(
  A: Operator,
  b: VectorLike,
  options: SolveOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('cgw', A, b, options)
}

/** {@link cgw} on the calling thread. */
export function cgwSync(A: Operator, b: VectorLike, options: SolveOptions = {}): SolveResult {
  return solveSync('cgw', A, b, options)
}

/**
 * Conjugate gradients on the normal equations AᴴAx = Aᴴb, in the form CGLS that carries the residual of the original
 * system: for any A of full column rank, square or tall.
 *
 * One product with A and one with Aᴴ an iteration; 5 vectors. Robust, but the condition is squared: κ(A)² decides. A least
 * squares solution is recognised by ‖Aᴴr‖, reported as `normalResidual`.
 *
 * Sources: M. R. Hestenes, E. Stiefel (1952); Å. Björck (1996), "Numerical methods for least squares problems".
 * @throws as {@link cg}; `adjoint-needed` if A has none
 */
export async function cgnr(
  A: Operator,
  b: VectorLike,
  options: CgnrOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('cgnr', A, b, options)
}

/** {@link cgnr} on the calling thread. */
export function cgnrSync(A: Operator, b: VectorLike, options: CgnrOptions = {}): SolveResult {
  return solveSync('cgnr', A, b, options)
}

/**
 * LSQR: least squares min ‖Ax − b‖² + damp² ‖x‖² for any A, by Golub–Kahan bidiagonalisation. For a rank-deficient A it
 * gives the solution of least norm.
 *
 * One product with A and one with Aᴴ an iteration; 6 vectors. In exact arithmetic the iterates of {@link cgnr}, with less
 * rounding for ill-conditioned A. Success is a small residual or, where b is off the range, ‖Aᴴr‖ ≤ rtol ‖A‖ ‖r‖.
 *
 * Source: C. C. Paige, M. A. Saunders (1982), "LSQR: an algorithm for sparse linear equations and sparse least squares".
 * @throws as {@link cg}; `adjoint-needed` if A has none
 */
export async function lsqr(
  A: Operator,
  b: VectorLike,
  options: LsqrOptions & SolveJobOptions = {},
): Promise<SolveResult> {
  return solve('lsqr', A, b, options)
}

/** {@link lsqr} on the calling thread. */
export function lsqrSync(A: Operator, b: VectorLike, options: LsqrOptions = {}): SolveResult {
  return solveSync('lsqr', A, b, options)
}
