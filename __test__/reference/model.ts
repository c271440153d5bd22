/** Q = Σ Ω (V - WH)² and what the definitions say about a point. */
import { transpose } from './linear.ts'
import { nnls } from './nnls.ts'

/** Data as they are fitted: a weight of 0 is a missing cell (its value is then 0). */
export interface Problem {
  m: number
  n: number
  v: Float64Array
  omega: Float64Array
}

/** A point. */
export interface Factors {
  p: number
  w: Float64Array
  h: Float64Array
}

/** Ω = 1/U², 0 where the value is NaN or the uncertainty is not finite. */
export function problem(m: number, n: number, values: ArrayLike<number>, uncertainties: ArrayLike<number>): Problem {
  const v = new Float64Array(m * n)
  const omega = new Float64Array(m * n)
  for (let k = 0; k < m * n; k++) {
    const u = uncertainties[k]!
    if (Number.isNaN(values[k]!) || !Number.isFinite(u)) continue
    v[k] = values[k]!
    omega[k] = 1 / (u * u)
  }
  return { m, n, v, omega }
}

/** The problem with samples and species exchanged; W and H change roles. */
export function transposed({ m, n, v, omega }: Problem): Problem {
  return { m: n, n: m, v: transpose(v, m, n), omega: transpose(omega, m, n) }
}

/** R = WH - V, 0 in missing cells. */
export function residuals({ m, n, v, omega }: Problem, { p, w, h }: Factors): Float64Array {
  const r = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      if (omega[i * n + j] === 0) continue
      let sum = -v[i * n + j]!
      for (let k = 0; k < p; k++) sum += w[i * p + k]! * h[k * n + j]!
      r[i * n + j] = sum
    }
  }
  return r
}

/** Q. */
export function objective(data: Problem, at: Factors): number {
  const r = residuals(data, at)
  return r.reduce((sum, value, k) => sum + data.omega[k]! * value * value, 0)
}

/** G_W = (Ω∘R)Hᵀ and G_H = Wᵀ(Ω∘R): half the gradient of Q. */
export function halfGradients(data: Problem, at: Factors): { w: Float64Array; h: Float64Array } {
  const { m, n, omega } = data
  const { p, w, h } = at
  const r = residuals(data, at)
  const gw = new Float64Array(m * p)
  const gh = new Float64Array(p * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const x = omega[i * n + j]! * r[i * n + j]!
      for (let k = 0; k < p; k++) {
        gw[i * p + k]! += x * h[k * n + j]!
        gh[k * n + j]! += x * w[i * p + k]!
      }
    }
  }
  return { w: gw, h: gh }
}

/** Diagonals of the two block Hessians of Q/2: Ω(H∘H)ᵀ (m × p) and (W∘W)ᵀΩ (p × n). */
export function blockDiagonals({ m, n, omega }: Problem, { p, w, h }: Factors): { w: Float64Array; h: Float64Array } {
  const dw = new Float64Array(m * p)
  const dh = new Float64Array(p * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < p; k++) {
        dw[i * p + k]! += omega[i * n + j]! * h[k * n + j]! ** 2
        dh[k * n + j]! += omega[i * n + j]! * w[i * p + k]! ** 2
      }
    }
  }
  return { w: dw, h: dh }
}

/** E_W and E_H: the decreases available to single coordinates, added up. */
export function coordinateGaps(data: Problem, at: Factors): { w: number; h: number } {
  const g = halfGradients(data, at)
  const d = blockDiagonals(data, at)
  const gap = (x: Float64Array, gradient: Float64Array, curvature: Float64Array): number =>
    x.reduce((sum, value, k) => {
      if (!(curvature[k]! > 0)) return sum
      const s = Math.min(gradient[k]! / curvature[k]!, value)
      return sum + 2 * gradient[k]! * s - curvature[k]! * s * s
    }, 0)
  return { w: gap(at.w, g.w, d.w), h: gap(at.h, g.h, d.h) }
}

/** argmin over W >= 0 with H fixed, row by row. */
export function bestContributions({ m, n, v, omega }: Problem, p: number, h: Float64Array): Float64Array {
  const w = new Float64Array(m * p)
  const a = new Float64Array(p * p)
  const b = new Float64Array(p)
  for (let i = 0; i < m; i++) {
    a.fill(0)
    b.fill(0)
    for (let j = 0; j < n; j++) {
      const o = omega[i * n + j]!
      for (let k = 0; k < p; k++) {
        const oh = o * h[k * n + j]!
        b[k]! += oh * v[i * n + j]!
        for (let l = 0; l < p; l++) a[k * p + l]! += oh * h[l * n + j]!
      }
    }
    w.set(nnls(a, b, p), i * p)
  }
  return w
}

/** argmin over H >= 0 with W fixed. */
export function bestProfiles(data: Problem, p: number, w: Float64Array): Float64Array {
  return transpose(bestContributions(transposed(data), p, transpose(w, data.m, p)), data.n, p)
}

/** Exact block gaps: what the best W for this H, and the best H for this W, would gain. */
export function blockGaps(data: Problem, at: Factors): { w: number; h: number } {
  const q = objective(data, at)
  return {
    w: q - objective(data, { ...at, w: bestContributions(data, at.p, at.h) }),
    h: q - objective(data, { ...at, h: bestProfiles(data, at.p, at.w) }),
  }
}

/** Factors whose product is zero everywhere. */
export function deadFactors({ m, n }: Problem, { p, w, h }: Factors): number[] {
  return Array.from({ length: p }, (_, k) => k).filter((k) => {
    const some = (count: number, at: (i: number) => number): boolean =>
      Array.from({ length: count }, (_, i) => at(i)).some((x) => x !== 0)
    return !(some(m, (i) => w[i * p + k]!) && some(n, (j) => h[k * n + j]!))
  })
}

/** Mean contribution of each factor 1 (over rows with data), factors by mass Σ_ij w_ik h_kj, decreasing. */
export function canonical({ m, n, omega }: Problem, { p, w, h }: Factors): Factors & { mass: number[] } {
  const used = Array.from({ length: m }, (_, i) => i).filter((i) =>
    omega.subarray(i * n, (i + 1) * n).some((o) => o > 0),
  )
  const factors = Array.from({ length: p }, (_, k) => {
    const mean = used.reduce((sum, i) => sum + w[i * p + k]!, 0) / used.length
    const profile = Array.from({ length: n }, (_, j) => h[k * n + j]! * mean)
    return { k, mean, profile, mass: used.length * profile.reduce((sum, x) => sum + x, 0) }
  }).sort((a, b) => b.mass - a.mass)
  const cw = new Float64Array(m * p)
  const ch = new Float64Array(p * n)
  factors.forEach(({ k, mean, profile }, to) => {
    ch.set(profile, to * n)
    for (let i = 0; i < m; i++) cw[i * p + to] = mean > 0 ? w[i * p + k]! / mean : 0
  })
  return { p, w: cw, h: ch, mass: factors.map((factor) => factor.mass) }
}
