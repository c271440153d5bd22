/**
 * Kron-PSGD (X.-L. Li, arXiv 1512.04202, 1809.10232, 2402.11858; X.-L. Li and O. Pooladzandi, arXiv 2402.04553).
 *
 * P = QᴴQ, Q = Q_1 ⊗ … ⊗ Q_r, minimises E[hᴴPh + vᴴP⁻¹v]: with h = Hv (Newton) P = |H|⁻¹, with a gradient h and
 * independent v ~ N(0, I) (whitening) P = (E hhᴴ)^(-1/2). U_(k) is the unfolding along axis k, n its size, N the number
 * of elements, s = μ/L_k, L_k ← max(β_L L_k + (1 − β_L) ℓ, ℓ), ℓ = ‖T₁ + T₂‖₂.
 *
 * - EQ (Q upper triangular): A = Q h, B = Q⁻ᴴ v on all axes; T₁ = A_(k) A_(k)ᴴ, T₂ = B_(k) B_(k)ᴴ; Q ← Q − s triu(T₁ − T₂) Q.
 * - the others: p = Ph; T₁ = p_(k) p_(k)ᴴ, T₂ = v_(k) v_(k)ᴴ (Newton) or (N/n) I (whitening); E = T₁ − T₂.
 *   QEQ: Q ← Q − s Q E. QUAD: Q ← (I − (s/2) E) Q (I − (s/2) E), made Hermitian.
 *   Q0.5EQ1.5: Q ← Q − s E Q, then one turn towards a Hermitian Q (Procrustes).
 *   QEP: Q balanced first; T₁, T₂ from Q_k p and Q_k v (whitening: (N/n) Q Qᴴ); Q ← Q − s E Q.
 *   PRO4P: the factor is P_k itself (P = ⊗ P_k), the step as Q0.5EQ1.5, then turns, 1 to 10, until
 *   max|P_k − P_kᴴ| < 10⁻³ max|P_k|.
 * - turn: R = (Qᴴ − Q)/‖Qᴴ − Q‖₂, t₁ = Re tr(RQ), t₂ = Re tr(R²Q), a = 1/8 if t₂ ≥ 0 else min(1/8, −t₁/t₂),
 *   Q ← Q + a (RQ + (a/2) R²Q); none if R = 0.
 *
 * A diagonal factor is a matrix whose T₁ and T₂ are replaced by their diagonals; everything else stays the same.
 * All factors are updated from the same A, B or p.
 */
import { adjoint, at, combine, copy, identity, matrixFrom, modulus, multiply, plus, scaled, vector, type Matrix, type Vector } from '../solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../solve/eigen.ts'
import { contract, count, gram, rms, substitute, tensor, type Tensor } from './tensor.ts'

export type Geometry = 'EQ' | 'QEP' | 'QEQ' | 'QUAD' | 'Q0.5EQ1.5' | 'PRO4P'
export type Criterion = 'newton' | 'whiten'

export interface Factor {
  /** Q_k, or P_k of PRO4P. */
  q: Matrix
  diagonal: boolean
  /** L_k. */
  smoothness: number
}

export interface FitSettings {
  geometry: Geometry
  criterion: Criterion
  /** μ. */
  precondLr: number
  /** β_L. */
  betaL: number
  /** ℓ, by default the exact spectral norm. */
  norm?: (positive: Matrix) => number
}

/** Dense if 1 < n ≤ maxSize and n² ≤ maxSkew·N; Q_k = scale^(1/r) I (PRO4P: the square, as P_k = Q_kᴴQ_k). */
export function factors(
  shape: readonly number[],
  scale: number,
  geometry: Geometry,
  { maxSize = Infinity, maxSkew = Infinity }: { maxSize?: number; maxSkew?: number } = {},
): Factor[] {
  const root = scale ** (1 / shape.length)
  return shape.map((n) => ({
    q: scaledMatrix(geometry === 'PRO4P' ? root * root : root, identity(n)),
    diagonal: !(n > 1 && n <= maxSize && n * n <= maxSkew * count(shape)),
    smoothness: 0,
  }))
}

/** P t. */
export function precondition(list: readonly Factor[], geometry: Geometry, t: Tensor): Tensor {
  if (geometry === 'PRO4P') return onAll(list, t, ({ q }) => q)
  return onAll(list, onAll(list, t, ({ q }) => q), ({ q }) => adjoint(q)) // prettier-ignore
}

/** h + (damping + ε|h|)·noise, elementwise. */
export function damped(h: Tensor, noise: Vector, damping: number, epsilon: number = 2 ** -52): Tensor {
  const size = vector(h.re.map((re, k) => damping + epsilon * Math.hypot(re, h.im[k]!)))
  return tensor(h.shape, {
    re: h.re.map((re, k) => re + size.re[k]! * noise.re[k]!),
    im: h.im.map((im, k) => im + size.re[k]! * noise.im[k]!),
  })
}

/** One update of all factors from the pair (v, h); h has been damped. */
export function fit(list: readonly Factor[], v: Tensor, h: Tensor, settings: FitSettings): Factor[] {
  const { geometry, criterion, precondLr, betaL, norm = spectralNorm } = settings
  const from = geometry === 'QEP' ? balanced(list) : list
  const eq = geometry === 'EQ'
  const first = eq ? onAll(from, h, ({ q }) => q) : precondition(from, geometry, h)
  const second = eq ? from.reduce((b, { q }, k) => substitute(b, k, adjoint(q)), v) : v
  const total = count(h.shape)
  return from.map(({ q, diagonal, smoothness }, k) => {
    const n = q.rows
    let [t1, t2] = [gram(first, k), gram(second, k)]
    if (!eq && criterion === 'whiten') t2 = scaledMatrix(total / n, identity(n))
    if (geometry === 'QEP') {
      t1 = gram(contract(first, k, q), k)
      t2 = criterion === 'whiten' ? scaledMatrix(total / n, multiply(q, adjoint(q))) : gram(contract(v, k, q), k)
    }
    if (diagonal) [t1, t2] = [onlyDiagonal(t1), onlyDiagonal(t2)]
    const bound = norm(combine(t1, 1, t2))
    const next = Math.max(betaL * smoothness + (1 - betaL) * bound, bound)
    // Nothing was measured: T₁ = T₂ = 0.
    const step = next > 0 ? precondLr / next : 0
    return { q: moved(q, combine(t1, -1, t2), step, geometry), diagonal, smoothness: next }
  })
}

function moved(q: Matrix, e: Matrix, step: number, geometry: Geometry): Matrix {
  if (geometry === 'EQ') return combine(q, -step, multiply(upper(e), q))
  if (geometry === 'QEQ') return combine(q, -step, multiply(q, e))
  const left = (x: Matrix, s: number): Matrix => combine(x, -s, multiply(e, x))
  if (geometry === 'QUAD') {
    const once = left(q, step / 2)
    return hermitianPart(combine(once, -step / 2, multiply(once, e)))
  }
  const out = left(q, step)
  if (geometry === 'Q0.5EQ1.5') return turned(out)
  return geometry === 'PRO4P' ? turnedUntilHermitian(out) : out
}

/** One turn towards a Hermitian matrix; see the head. */
export function turned(q: Matrix): Matrix {
  const skew = combine(adjoint(q), -1, q)
  // ‖R‖₂² is the largest eigenvalue of RᴴR.
  const size = Math.sqrt(spectralNorm(multiply(adjoint(skew), skew)))
  if (!(size > 0)) return q
  const rq = multiply(scaledMatrix(1 / size, skew), q)
  const rrq = multiply(scaledMatrix(1 / size, skew), rq)
  const [t1, t2] = [trace(rq), trace(rrq)]
  const a = t2 < 0 ? Math.min(1 / 8, -t1 / t2) : 1 / 8
  return combine(q, a, combine(rq, a / 2, rrq))
}

function turnedUntilHermitian(p: Matrix): Matrix {
  let out = p
  // One at least: without it a turn of P below the threshold would stay for ever, as P|H|²Pᴴ = I does not see it.
  for (let round = 0; round < 10; round++) {
    out = turned(out)
    if (maxAbs(combine(out, -1, adjoint(out))) < 1e-3 * maxAbs(out)) break
  }
  return out
}

/** Every factor with the same largest element; P stays the same. */
export function balanced(list: readonly Factor[]): Factor[] {
  const sizes = list.map(({ q }) => maxAbs(q))
  const mean = Math.exp(sizes.reduce((sum, size) => sum + Math.log(size), 0) / sizes.length)
  return list.map((factor, k) => ({ ...factor, q: scaledMatrix(mean / sizes[k]!, factor.q) }))
}

/** Largest eigenvalue of a positive semidefinite matrix. */
export function spectralNorm(positive: Matrix): number {
  return hermitianEigen(positive, false).values.at(-1)!
}

/**
 * Start of Q by the first pair. Whitening: (mean |g|⁴ + damping⁴)^(-1/8). Newton: (mean |v|²)^(1/4) (mean |h|⁴ + damping⁴)^(-1/8).
 */
export function initialScale(criterion: Criterion, v: Vector, h: Vector, damping: number): number {
  const fourth = h.re.reduce((sum, re, k) => sum + (re ** 2 + h.im[k]! ** 2) ** 2, 0) / h.re.length
  return (criterion === 'newton' ? Math.sqrt(rms(v)) : 1) * (fourth + damping ** 4) ** (-1 / 8)
}

/** p_t of step t = 0, 1, …: min(1, max(0.03, e^(−0.001 (t − 500)))). */
export const updateProbability = (t: number): number => Math.min(1, Math.max(0.03, Math.exp(-0.001 * (t - 500))))

/** Whether Q is updated in step t = 0, 1, …: where Σ p reaches a new whole number. */
export function updateSteps(steps: number, probability: (t: number) => number = updateProbability): boolean[] {
  let sum = 0
  return Array.from({ length: steps }, (_, t) => {
    const before = Math.floor(sum)
    sum += probability(t)
    return Math.floor(sum) > before
  })
}

export interface KronState {
  factors: Factor[]
  momentum: Tensor
  /** Steps taken. */
  t: number
}
export interface KronSettings extends FitSettings {
  lr: number
  /** β; m ← β_t m + (1 − β_t) g, β_t = min(t/(t+1), β), t = 0, 1, … */
  momentum: number
  weightDecay: number
  damping: number
  /** The pair of whitening is the gradient (true) or the momentum. */
  whitenGradient: boolean
  /** u is shortened to this root mean square; Infinity: not. */
  maxRms: number
  /** Then |u| of each element is cut to this. */
  maxElement: number
}

/**
 * m; Q updated if `update`; u = Pm; clipped; θ ← (1 − ηλ) θ − η u. For whitening v is noise and h is not used; for
 * Newton (v, h = Hv) is the pair.
 */
export function step(
  parameter: Tensor,
  gradient: Tensor,
  state: KronState,
  settings: KronSettings,
  update: { v: Tensor; h?: Tensor } | undefined,
): { parameter: Tensor; state: KronState; direction: Tensor } {
  const beta = Math.min(state.t / (state.t + 1), settings.momentum)
  const momentum = tensor(gradient.shape, plus(scaled(beta, state.momentum), 1 - beta, gradient))
  let list = state.factors
  if (update !== undefined) {
    const h = settings.criterion === 'newton' ? update.h! : settings.whitenGradient ? gradient : momentum
    list = fit(list, update.v, damped(h, update.v, settings.damping), settings)
  }
  const direction = clipped(precondition(list, settings.geometry, momentum), settings.maxRms, settings.maxElement)
  const kept = scaled(1 - settings.lr * settings.weightDecay, parameter)
  return {
    parameter: tensor(parameter.shape, plus(kept, -settings.lr, direction)),
    state: { factors: list, momentum, t: state.t + 1 },
    direction,
  }
}

/** First the root mean square, then each modulus. */
export function clipped(u: Tensor, maxRms: number, maxElement: number): Tensor {
  const size = rms(u)
  const out = tensor(u.shape, size > maxRms ? scaled(maxRms / size, u) : copy(u))
  for (let k = 0; k < out.re.length; k++) {
    const modulus = Math.hypot(out.re[k]!, out.im[k]!)
    if (modulus <= maxElement) continue
    out.re[k]! *= maxElement / modulus
    out.im[k]! *= maxElement / modulus
  }
  return out
}

const onAll = (list: readonly Factor[], t: Tensor, of: (factor: Factor) => Matrix): Tensor =>
  list.reduce((product, factor, k) => contract(product, k, of(factor)), t)
const scaledMatrix = (by: number, a: Matrix): Matrix => ({ rows: a.rows, cols: a.cols, ...scaled(by, a) })
const upper = (a: Matrix): Matrix => matrixFrom(a.rows, a.cols, (i, j) => (i <= j ? at(a, i, j) : 0))
const onlyDiagonal = (a: Matrix): Matrix => matrixFrom(a.rows, a.cols, (i, j) => (i === j ? at(a, i, j) : 0))
const hermitianPart = (a: Matrix): Matrix => scaledMatrix(0.5, combine(a, 1, adjoint(a)))
function trace(a: Matrix): number {
  let sum = 0
  for (let i = 0; i < a.rows; i++) sum += a.re[i * a.cols + i]!
  return sum
}
function maxAbs(a: Matrix): number {
  let most = 0
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.cols; j++) most = Math.max(most, modulus(at(a, i, j)))
  return most
}
