/**
 * Displacement by brute force: ΔQ(c) = min { Q : h_kj = c, mean of w_k = 1 } − Q_base by alternating non-negative least
 * squares until nothing is left to gain, and bisection on c. No derivatives of Q, no paths: every c is refitted by itself.
 */
import { objective, type Factors, type Problem } from './model.ts'
import { nnls } from './nnls.ts'

/** What may be left to gain at the end of a refit, in units of Q. */
const LEFT = 1e-8

/** Normal equations Σ ω x xᵀ and Σ ω x v of one row or column. */
function normal(
  p: number,
  count: number,
  x: (at: number, k: number) => number,
  omega: (at: number) => number,
  v: (at: number) => number,
): [Float64Array, Float64Array] {
  // prettier-ignore
  const a = new Float64Array(p * p)
  const b = new Float64Array(p)
  for (let at = 0; at < count; at++) {
    for (let k = 0; k < p; k++) {
      b[k]! += omega(at) * x(at, k) * v(at)
      for (let l = 0; l < p; l++) a[k * p + l]! += omega(at) * x(at, k) * x(at, l)
    }
  }
  return [a, b]
}

/** The best profiles for these contributions, element (k, j) held at c. */
function holdProfiles({ m, n, v, omega }: Problem, { p, w, h }: Factors, k: number, j: number, c: number): void {
  for (let species = 0; species < n; species++) {
    const [a, b] = normal(p, m, (i, l) => w[i * p + l]!, (i) => omega[i * n + species]!, (i) => v[i * n + species]!) // prettier-ignore
    const others = Array.from({ length: p }, (_, l) => l).filter((l) => species !== j || l !== k)
    const held = species === j ? c : 0
    const small = Float64Array.from(others.flatMap((l) => others.map((o) => a[l * p + o]!)))
    const best = nnls(small, others.map((l) => b[l]! - a[l * p + k]! * held), others.length) // prettier-ignore
    if (species === j) h[k * n + j] = c
    others.forEach((l, at) => (h[l * n + species] = best[at]!))
  }
}

/** The best contributions for these profiles under mean w_k = 1: a multiplier common to all rows, found by bisection. */
function holdContributions({ m, n, v, omega }: Problem, { p, w, h }: Factors, k: number): void {
  const rows = Array.from(
    { length: m },
    (_, i) =>
    normal(p, n, (j, l) => h[l * n + j]!, (j) => omega[i * n + j]!, (j) => v[i * n + j]!), // prettier-ignore
  )
  const mean = (multiplier: number): number => {
    let sum = 0
    for (const [i, [a, b]] of rows.entries()) {
      const best = nnls(a, b.map((value, l) => (l === k ? value + multiplier : value)), p) // prettier-ignore
      w.set(best, i * p)
      sum += best[k]!
    }
    return sum / m
  }
  const free = mean(0) - 1
  if (free === 0) return
  let step = -Math.sign(free) * 1e-3 * Math.max(...rows.map(([, b]) => Math.abs(b[k]!)))
  let [near, atNear] = [0, free]
  let [far, atFar] = [step, mean(step) - 1]
  while (atFar * free > 0) {
    ;[near, atNear] = [far, atFar]
    step *= 2
    far += step
    atFar = mean(far) - 1
  }
  // The mean is piecewise linear in the multiplier: the chord is exact as soon as no kink is left between.
  for (let round = 0; round < 200 && Math.abs(atFar) > 1e-13; round++) {
    const at = round % 3 === 2 ? 0.5 * (near + far) : far - (atFar * (far - near)) / (atFar - atNear)
    const value = mean(at) - 1
    if (value * atFar <= 0) [near, atNear] = [far, atFar]
    ;[far, atFar] = [at, value]
  }
}

/** Minimum of Q with the element held at c, near `start`. */
export function held(data: Problem, start: Factors, k: number, j: number, c: number): { q: number; at: Factors } {
  const at = { p: start.p, w: start.w.slice(), h: start.h.slice() }
  let q = Infinity
  let last = Infinity
  for (let sweep = 0; sweep < 20000; sweep++) {
    holdProfiles(data, at, k, j, c)
    holdContributions(data, at, k)
    const next = objective(data, at)
    const gain = q - next
    const rate = Math.min(0.9999, Math.max(0.5, gain / last))
    q = next
    if (sweep > 5 && (gain * rate) / (1 - rate) < LEFT) return { q, at }
    last = gain
  }
  throw new Error('the refit did not settle')
}

/** Where ΔQ reaches the level above (1) or below (-1) the base; 0 if the bound is reached first. */
export function displaced(data: Problem, base: Factors, k: number, j: number, level: number, sign: 1 | -1): number {
  const { n } = data
  const start = base.h[k * n + j]!
  const bottom = objective(data, base)
  const rise = (c: number, from: Factors): { rise: number; at: Factors } => {
    const { q, at } = held(data, from, k, j, c)
    return { rise: q - bottom, at }
  }
  if (sign < 0) {
    const zero = rise(0, base)
    if (start === 0 || zero.rise < level) return 0
  }
  let inside = start
  let from = base
  let size = 0.05 * Math.max(...base.h.subarray(k * n, (k + 1) * n))
  let outside = sign < 0 ? 0 : NaN
  while (Number.isNaN(outside)) {
    const next = rise(inside + size, from)
    if (next.rise > level) outside = inside + size
    else {
      inside += size
      from = next.at
      size *= 2
    }
  }
  while (Math.abs(outside - inside) > 1e-6 * Math.abs(outside - start)) {
    const middle = 0.5 * (inside + outside)
    const next = rise(middle, from)
    if (next.rise > level) outside = middle
    else {
      inside = middle
      from = next.at
    }
  }
  return 0.5 * (inside + outside)
}
