/** Second order with W eliminated: Q as a function of H alone, W = argmin over W >= 0. */
import { cholesky, choleskySolve, eigenvalues, submatrix } from './linear.ts'
import { blockDiagonals, halfGradients, residuals, type Factors, type Problem } from './model.ts'
import { nnls } from './nnls.ts'

/** `gn`: without the terms that contain residuals; `exact`: with them. */
export type Kind = 'gn' | 'exact'

/**
 * Schur complement of the free contributions (w > 0) in the Hessian of Q/2, size pn, element (k, j) at k n + j:
 * S = Σ_i (w_i w_iᵀ) ⊗ diag(Ω_i) - C_iᵀ A_i⁻¹ C_i, with A_i = H_F diag(Ω_i) H_Fᵀ and
 * C_i[k, (l, j)] = Ω_ij (w_il h_kj + δ_kl R_ij), the last term in the exact one only.
 */
export function reducedHessian(data: Problem, at: Factors, kind: Kind): Float64Array {
  const { m, n, omega } = data
  const { p, w, h } = at
  const r = residuals(data, at)
  const size = p * n
  const s = new Float64Array(size * size)
  for (let i = 0; i < m; i++) {
    const free = Array.from({ length: p }, (_, k) => k).filter((k) => w[i * p + k]! > 0)
    const f = free.length
    if (f === 0) continue
    const a = new Float64Array(f * f)
    const c = new Float64Array(f * f * n) // C_i restricted to the blocks l in F; the others are 0
    for (let x = 0; x < f; x++) {
      for (let y = 0; y < f; y++) {
        for (let j = 0; j < n; j++) {
          const o = omega[i * n + j]!
          a[x * f + y]! += o * h[free[x]! * n + j]! * h[free[y]! * n + j]!
          const residual = kind === 'exact' && x === y ? r[i * n + j]! : 0
          c[x * f * n + y * n + j] = o * (w[i * p + free[y]!]! * h[free[x]! * n + j]! + residual)
        }
      }
    }
    const l = cholesky(a, f, 1e-15)
    if (l === undefined) throw new Error(`the free profiles of row ${i} are linearly dependent`)
    // Y = L⁻¹ C, so that Cᵀ A⁻¹ C = YᵀY.
    const width = f * n
    for (let x = 0; x < f; x++) {
      for (let k = 0; k < x; k++) for (let q = 0; q < width; q++) c[x * width + q]! -= l[x * f + k]! * c[k * width + q]!
      for (let q = 0; q < width; q++) c[x * width + q]! /= l[x * f + x]!
    }
    for (let y = 0; y < f; y++) {
      for (let j = 0; j < n; j++) {
        const row = (free[y]! * n + j) * size
        for (let z = 0; z < f; z++) {
          s[row + free[z]! * n + j]! += omega[i * n + j]! * w[i * p + free[y]!]! * w[i * p + free[z]!]!
          for (let q = 0; q < n; q++) {
            let sum = 0
            for (let x = 0; x < f; x++) sum += c[x * width + y * n + j]! * c[x * width + z * n + q]!
            s[row + free[z]! * n + q]! -= sum
          }
        }
      }
    }
  }
  return s
}

/** Profile elements off their bound: not (h = 0 and g >= 0). */
export function freeProfiles(at: Factors, gradient: Float64Array): number[] {
  return Array.from(at.h, (_, k) => k).filter((k) => !(at.h[k] === 0 && gradient[k]! >= 0))
}

/** S on the free elements in unit-diagonal scaling, with the p scale gauges moved from eigenvalue 0 to `GAUGE`. */
function scaled(
  s: Float64Array,
  data: Problem,
  at: Factors,
  free: readonly number[],
): { matrix: Float64Array; root: Float64Array; gauges: Float64Array[] } {
  const { n } = data
  const size = at.p * n
  const d = blockDiagonals(data, at).h
  const root = Float64Array.from(free, (k) => Math.sqrt(d[k]!))
  const f = free.length
  const matrix = submatrix(s, size, free)
  for (let a = 0; a < f; a++) for (let b = 0; b < f; b++) matrix[a * f + b]! /= root[a]! * root[b]!
  const gauges: Float64Array[] = []
  for (let k = 0; k < at.p; k++) {
    const z = Float64Array.from(free, (e, a) => (Math.floor(e / n) === k ? root[a]! * at.h[e]! : 0))
    const length = Math.hypot(...z)
    if (length > 0) gauges.push(z.map((x) => x / length))
  }
  // P M P + GAUGE Z Zᵀ; the z have disjoint supports, so they are orthonormal.
  for (const z of gauges) {
    const mz = Float64Array.from({ length: f }, (_, a) => z.reduce((sum, x, b) => sum + matrix[a * f + b]! * x, 0))
    const zmz = z.reduce((sum, x, a) => sum + x * mz[a]!, 0)
    for (let a = 0; a < f; a++) {
      for (let b = 0; b < f; b++) matrix[a * f + b]! += -mz[a]! * z[b]! - z[a]! * mz[b]! + zmz * z[a]! * z[b]!
    }
  }
  for (const z of gauges)
    for (let a = 0; a < f; a++) for (let b = 0; b < f; b++) matrix[a * f + b]! += GAUGE * z[a]! * z[b]!
  return { matrix, root, gauges }
}

/** Above every eigenvalue of interest (the smallest), of the order of the largest. */
const GAUGE = 10

/** What second order says about a point. W must be the best for H. */
export interface SecondOrder {
  /** g_Fᵀ S_FF⁺ g_F; `undefined` where S is not positive definite off the gauges. */
  lambda2: number | undefined
  /** Eigenvalues of D^-1/2 S_FF D^-1/2 off the gauges, ascending. */
  eigenvalues: Float64Array
}

/** Newton decrement and curvature of the reduced problem. */
export function secondOrder(data: Problem, at: Factors, kind: Kind): SecondOrder {
  const g = halfGradients(data, at).h
  // An element of a factor without contributions has no curvature and no influence: that factor is dead, see deadFactors.
  const d = blockDiagonals(data, at).h
  const free = freeProfiles(at, g).filter((k) => d[k]! > 0)
  const { matrix, root, gauges } = scaled(reducedHessian(data, at, kind), data, at, free)
  const right = Float64Array.from(free, (k, a) => g[k]! / root[a]!)
  for (const z of gauges) {
    const along = z.reduce((sum, x, a) => sum + x * right[a]!, 0)
    z.forEach((x, a) => (right[a]! -= along * x))
  }
  const l = cholesky(matrix, free.length, 1e-13)
  const values = eigenvalues(matrix, free.length)
  const lambda2 = l && choleskySolve(l, free.length, right).reduce((sum, x, a) => sum + x * right[a]!, 0)
  return { lambda2, eigenvalues: values.subarray(0, free.length - gauges.length) }
}

/**
 * Step and predicted decrease -min { dᵀ(S + μD)d + 2gᵀd : h + d >= 0, no move along the scale gauges }, over the elements `over`:
 * the free ones for `lambda2_box` of the fixtures, all of them (the default) for a step that may also open a bound.
 *
 * The gauges must be sliced (Σ_j d_kj h_kj δ_kj = 0): S does not see a step along h_k, but such a step moves every element of
 * the factor away from its bound, so that without the slice the bounds would not bind at all.
 */
export function boxStep(
  data: Problem,
  at: Factors,
  s: Float64Array,
  mu: number = 0,
  over: readonly number[] = Array.from(at.h, (_, k) => k),
): { step: Float64Array; decrease: number } {
  const g = halfGradients(data, at).h
  const d = blockDiagonals(data, at).h
  const used = over.filter((k) => d[k]! > 0)
  const size = used.length
  const root = Float64Array.from(used, (k) => Math.sqrt(d[k]!))
  const a = submatrix(s, at.p * data.n, used)
  for (let x = 0; x < size; x++) {
    for (let y = 0; y < size; y++) a[x * size + y]! /= root[x]! * root[y]!
    a[x * size + x]! += mu
  }
  for (let k = 0; k < at.p; k++) {
    const z = Float64Array.from(used, (e, x) => (Math.floor(e / data.n) === k ? root[x]! * at.h[e]! : 0))
    const length = Math.hypot(...z)
    if (length === 0) continue
    for (let x = 0; x < size; x++)
      for (let y = 0; y < size; y++) a[x * size + y]! += (GAUGE * z[x]! * z[y]!) / length ** 2
  }
  const gradient = Float64Array.from(used, (k, x) => g[k]! / root[x]!)
  const start = Float64Array.from(used, (k, x) => at.h[k]! * root[x]!)
  const times = (vector: Float64Array, x: number): number => {
    let sum = 0
    for (let y = 0; y < size; y++) sum += a[x * size + y]! * vector[y]!
    return sum
  }
  const end = nnls(
    a,
    gradient.map((value, x) => times(start, x) - value),
    size,
    start,
  )
  const move = end.map((value, x) => value - start[x]!)
  const decrease = -move.reduce((sum, value, x) => sum + value * (times(move, x) + 2 * gradient[x]!), 0)
  const step = new Float64Array(at.h.length)
  used.forEach((k, x) => (step[k] = move[x]! / root[x]!))
  return { step, decrease }
}
