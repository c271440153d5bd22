/** min xᵀAx - 2bᵀx over x >= 0, A positive semidefinite of size n. */
import { cholesky, choleskySolve, submatrix } from './linear.ts'

/**
 * Active-set method of Lawson and Hanson on the normal equations, from a feasible start (default 0).
 * Variables whose column depends on those in use stay at 0; the minimum is the same.
 */
export function nnls(a: Float64Array, b: ArrayLike<number>, n: number, start?: ArrayLike<number>): Float64Array {
  const x = start === undefined ? new Float64Array(n) : Float64Array.from(start)
  const passive = new Set<number>()
  for (let i = 0; i < n; i++) if (x[i]! > 0) passive.add(i)
  const banned = new Set<number>()
  let entered = -1
  for (let round = 0; round < 50 * (n + 2); round++) {
    const indices = [...passive].sort((i, j) => i - j)
    if (indices.length > 0) {
      const l = cholesky(submatrix(a, n, indices), indices.length)
      if (l === undefined) {
        // The variable that came last depends on the others; at the start, any may be given up that is smallest.
        const out = passive.has(entered) ? entered : indices.reduce((i, j) => (x[j]! < x[i]! ? j : i))
        banned.add(out)
        passive.delete(out)
        if (x[out]! > 0) x[out] = 0
        continue
      }
      const s = choleskySolve(
        l,
        indices.length,
        indices.map((i) => b[i]!),
      )
      let step = 1
      indices.forEach((i, k) => {
        if (s[k]! <= 0) step = Math.min(step, x[i]! / (x[i]! - s[k]!) || 0)
      })
      const blocked = indices.filter((i, k) => s[k]! <= 0 && !(x[i]! / (x[i]! - s[k]!) > step))
      indices.forEach((i, k) => (x[i]! += step * (s[k]! - x[i]!)))
      if (step === 1 && blocked.length === 0) indices.forEach((i, k) => (x[i] = s[k]!))
      else {
        for (const i of blocked) {
          x[i] = 0
          passive.delete(i)
          if (i === entered && step === 0) banned.add(i)
        }
        if (step > 0) banned.clear()
        continue
      }
    }
    // Decrease that freeing one variable promises, in units that do not depend on its scale.
    let best = -1
    let bestGain = 0
    for (let i = 0; i < n; i++) {
      if (passive.has(i) || banned.has(i) || !(a[i * n + i]! > 0)) continue
      let y = b[i]!
      let size = Math.abs(y)
      for (let k = 0; k < n; k++) {
        y -= a[i * n + k]! * x[k]!
        size += Math.abs(a[i * n + k]! * x[k]!)
      }
      if (y <= 1e-14 * size) continue
      const gain = (y * y) / a[i * n + i]!
      if (gain > bestGain) [best, bestGain] = [i, gain]
    }
    if (best < 0) return x
    passive.add(best)
    entered = best
  }
  throw new Error('the active set did not settle')
}

/** The same by trying every support: 2^n solves, beyond doubt. */
export function nnlsByEnumeration(a: Float64Array, b: ArrayLike<number>, n: number): Float64Array {
  let best: Float64Array = new Float64Array(n)
  let bestValue = 0
  for (let mask = 1; mask < 2 ** n; mask++) {
    const indices = Array.from({ length: n }, (_, i) => i).filter((i) => (mask >> i) & 1)
    const l = cholesky(submatrix(a, n, indices), indices.length)
    if (l === undefined) continue
    const s = choleskySolve(
      l,
      indices.length,
      indices.map((i) => b[i]!),
    )
    if (s.some((value) => value < 0)) continue
    const value = -indices.reduce((sum, i, k) => sum + b[i]! * s[k]!, 0)
    if (value < bestValue) {
      bestValue = value
      best = new Float64Array(n)
      indices.forEach((i, k) => (best[i] = s[k]!))
    }
  }
  return best
}
