/** Second order in both blocks at once: the full Hessian of Q/2, and the decrement with all bounds kept. Small problems only. */
import { cholesky, submatrix } from './linear.ts'
import { halfGradients, objective, residuals, type Factors, type Problem } from './model.ts'
import { nnls } from './nnls.ts'
import type { Kind } from './reduced.ts'

/** Hessian of Q/2 over W (element (i, k) at i p + k), then H (element (k, j) at m p + k n + j). */
export function fullHessian(data: Problem, at: Factors, kind: Kind): Float64Array {
  const { m, n, omega } = data
  const { p, w, h } = at
  const r = residuals(data, at)
  const size = (m + n) * p
  const out = new Float64Array(size * size)
  const inW = (i: number, k: number): number => i * p + k
  const inH = (k: number, j: number): number => m * p + k * n + j
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const o = omega[i * n + j]!
      for (let k = 0; k < p; k++) {
        for (let l = 0; l < p; l++) {
          out[inW(i, k) * size + inW(i, l)]! += o * h[k * n + j]! * h[l * n + j]!
          out[inH(k, j) * size + inH(l, j)]! += o * w[i * p + k]! * w[i * p + l]!
          const residual = kind === 'exact' && k === l ? r[i * n + j]! : 0
          const cross = o * (w[i * p + l]! * h[k * n + j]! + residual)
          out[inW(i, k) * size + inH(l, j)] = cross
          out[inH(l, j) * size + inW(i, k)] = cross
        }
      }
    }
  }
  return out
}

/** The same, exact, by central differences of the half-gradients; `step` is relative to the largest element. */
export function fullHessianByDifferences(data: Problem, at: Factors, step: number = 1e-5): Float64Array {
  const x = [...at.w, ...at.h]
  const size = x.length
  const delta = step * Math.max(...x.map(Math.abs))
  const gradient = (values: readonly number[]): number[] => {
    const split = at.w.length
    const g = halfGradients(data, {
      p: at.p,
      w: Float64Array.from(values.slice(0, split)),
      h: Float64Array.from(values.slice(split)),
    })
    return [...g.w, ...g.h]
  }
  const out = new Float64Array(size * size)
  for (let k = 0; k < size; k++) {
    const up = gradient(x.map((value, a) => (a === k ? value + delta : value)))
    const down = gradient(x.map((value, a) => (a === k ? value - delta : value)))
    for (let a = 0; a < size; a++) out[a * size + k] = (up[a]! - down[a]!) / (2 * delta)
  }
  return out
}

/**
 * λ²_J = -min { model(dW, dH) : W + dW >= 0, H + dH >= 0 } of the quadratic model in both blocks, with the scale gauges sliced
 * by Σ_j d_kj h_kj δ_kj = 0. `undefined` where the model is not positive definite on the elements off their bounds: there the
 * minimum of the model says nothing.
 */
export function jointDecrement(data: Problem, at: Factors, kind: Kind): number | undefined {
  const { m, n } = data
  const hessian = fullHessian(data, at, kind)
  const all = (m + n) * at.p
  const x = [...at.w, ...at.h]
  const gradients = halfGradients(data, at)
  const g = [...gradients.w, ...gradients.h]
  const used = x.map((_, k) => k).filter((k) => hessian[k * all + k]! > 0)
  const size = used.length
  const root = used.map((k) => Math.sqrt(hessian[k * all + k]!))
  const a = submatrix(hessian, all, used)
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) a[i * size + j]! /= root[i]! * root[j]!
  for (let k = 0; k < at.p; k++) {
    const z = used.map((e, i) => (e >= m * at.p && Math.floor((e - m * at.p) / n) === k ? root[i]! * x[e]! : 0))
    const length = Math.hypot(...z)
    if (length === 0) continue
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) a[i * size + j]! += (10 * z[i]! * z[j]!) / length ** 2
  }
  // A gradient of rounding size at a bound frees nothing: such an element would bring in directions that nothing curves.
  const q = objective(data, at)
  const opens = (k: number): boolean => g[k]! < 0 && g[k]! ** 2 / hessian[k * all + k]! > 1e-14 * q
  const free = used.map((_, i) => i).filter((i) => x[used[i]!]! > 0 || opens(used[i]!))
  if (cholesky(submatrix(a, size, free), free.length, 1e-12) === undefined) return undefined
  const start = used.map((k, i) => x[k]! * root[i]!)
  const times = (vector: ArrayLike<number>, i: number): number => {
    let sum = 0
    for (let j = 0; j < size; j++) sum += a[i * size + j]! * vector[j]!
    return sum
  }
  const gradient = used.map((k, i) => g[k]! / root[i]!)
  const end = nnls(
    a,
    gradient.map((value, i) => times(start, i) - value),
    size,
    start,
  )
  const move = end.map((value, i) => value - start[i]!)
  return -move.reduce((sum, value, i) => sum + value * (times(move, i) + 2 * gradient[i]!), 0)
}
