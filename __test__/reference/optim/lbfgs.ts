/**
 * L-BFGS (J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed. 2006): two-loop recursion (algorithm 7.4), a line search
 * for the strong Wolfe conditions (3.5, 3.6). Real vectors; a complex problem is one of twice as many reals.
 */

export interface Value {
  f: number
  g: Float64Array
}
export type Objective = (x: Float64Array) => Value

export interface Pair {
  /** x₊ − x. */
  s: Float64Array
  /** g₊ − g. */
  y: Float64Array
}
export interface LbfgsSettings {
  history?: number
  maxIterations?: number
  /** Stop at max|g| ≤ this. */
  gradientTolerance?: number
  /** Sufficient decrease. */
  c1?: number
  /** Curvature. */
  c2?: number
}
export interface LbfgsResult {
  x: Float64Array
  f: number
  g: Float64Array
  iterations: number
  evaluations: number
  reason: 'gradient' | 'maxIterations' | 'lineSearch'
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0)
const along = (x: Float64Array, step: number, p: Float64Array): Float64Array =>
  x.map((value, k) => value + step * p[k]!)

/** −H g with H from the pairs, oldest first, H₀ = (sᵀy/yᵀy) I of the newest. */
export function direction(g: Float64Array, pairs: readonly Pair[]): Float64Array {
  let q: Float64Array = g.slice()
  const alphas: number[] = []
  for (let k = pairs.length - 1; k >= 0; k--) {
    const { s, y } = pairs[k]!
    alphas[k] = dot(s, q) / dot(y, s)
    q = along(q, -alphas[k]!, y)
  }
  const newest = pairs.at(-1)
  const scale = newest === undefined ? 1 : dot(newest.s, newest.y) / dot(newest.y, newest.y)
  let r: Float64Array = q.map((value) => scale * value)
  pairs.forEach(({ s, y }, k) => (r = along(r, alphas[k]! - dot(y, r) / dot(y, s), s)))
  return r.map((value) => -value)
}

/** The same by the matrix itself: H ← (I − ρsyᵀ) H (I − ρysᵀ) + ρssᵀ, ρ = 1/yᵀs. */
export function directionDense(g: Float64Array, pairs: readonly Pair[]): Float64Array {
  const n = g.length
  const newest = pairs.at(-1)
  const scale = newest === undefined ? 1 : dot(newest.s, newest.y) / dot(newest.y, newest.y)
  let h = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? scale : 0)))
  for (const { s, y } of pairs) {
    const rho = 1 / dot(y, s)
    const v = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0) - rho * y[i]! * s[j]!)) // prettier-ignore
    const hv = h.map((row) => Float64Array.from({ length: n }, (_, j) => row.reduce((sum, x, k) => sum + x * v[k]![j]!, 0))) // prettier-ignore
    h = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => v.reduce((sum, row, k) => sum + row[i]! * hv[k]![j]!, 0) + rho * s[i]! * s[j]!)) // prettier-ignore
  }
  return Float64Array.from(h, (row) => -dot(row, g))
}

interface Trial extends Value {
  step: number
  x: Float64Array
  slope: number
}

/** A step with f ≤ f₀ + c₁ step f₀′ and |f′| ≤ c₂|f₀′|, or undefined after 40 trials. */
export function strongWolfe(
  objective: Objective,
  x: Float64Array,
  start: Value,
  p: Float64Array,
  first: number,
  c1: number,
  c2: number,
): { trial: Trial; evaluations: number } | { trial: undefined; evaluations: number } {
  const slope0 = dot(start.g, p)
  let evaluations = 0
  const look = (step: number): Trial => {
    evaluations++
    const at = along(x, step, p)
    const value = objective(at)
    return { ...value, step, x: at, slope: dot(value.g, p) }
  }
  const high = (t: Trial): boolean => !(t.f <= start.f + c1 * t.step * slope0)
  const flat = (t: Trial): boolean => Math.abs(t.slope) <= -c2 * slope0
  const zoom = (from: Trial, to: Trial): Trial | undefined => {
    let [low, far] = [from, to]
    while (evaluations < 40) {
      const middle = look(cubic(low, far))
      if (high(middle) || middle.f >= low.f) far = middle
      else {
        if (flat(middle)) return middle
        if (middle.slope * (far.step - low.step) >= 0) far = low
        low = middle
      }
    }
    return undefined
  }
  let previous: Trial = { ...start, step: 0, x, slope: slope0 }
  let step = first
  while (evaluations < 40) {
    const now = look(step)
    if (high(now) || (previous.step > 0 && now.f >= previous.f)) return { trial: zoom(previous, now), evaluations }
    if (flat(now)) return { trial: now, evaluations }
    if (now.slope >= 0) return { trial: zoom(now, previous), evaluations }
    previous = now
    step *= 2
  }
  return { trial: undefined, evaluations }
}

/** Minimum of the cubic through two values and slopes (3.59), kept off the ends; the middle where there is none. */
function cubic(a: Trial, b: Trial): number {
  const width = b.step - a.step
  const d1 = a.slope + b.slope - (3 * (b.f - a.f)) / width
  const square = d1 * d1 - a.slope * b.slope
  const d2 = Math.sign(width) * Math.sqrt(square)
  const step = b.step - (width * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2)
  const share = (step - a.step) / width
  return share >= 0.1 && share <= 0.9 ? step : a.step + width / 2
}

export function lbfgs(objective: Objective, start: Float64Array, settings: LbfgsSettings = {}): LbfgsResult {
  const { history = 10, maxIterations = 1000, gradientTolerance = 1e-8, c1 = 1e-4, c2 = 0.9 } = settings
  let x: Float64Array = start.slice()
  let value = objective(x)
  let evaluations = 1
  let pairs: Pair[] = []
  const done = (iterations: number, reason: LbfgsResult['reason']): LbfgsResult => ({ x, ...value, iterations, evaluations, reason }) // prettier-ignore
  for (let k = 0; k < maxIterations; k++) {
    const peak = value.g.reduce((most, g) => Math.max(most, Math.abs(g)), 0)
    if (peak <= gradientTolerance) return done(k, 'gradient')
    const p = direction(value.g, pairs)
    const first = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(dot(value.g, value.g)))
    const { trial, evaluations: spent } = strongWolfe(objective, x, value, p, first, c1, c2)
    evaluations += spent
    if (trial === undefined) return done(k, 'lineSearch')
    const pair = { s: trial.x.map((v, i) => v - x[i]!), y: trial.g.map((v, i) => v - value.g[i]!) }
    // The Wolfe conditions make sᵀy > 0 but for rounding.
    if (dot(pair.s, pair.y) > 0) pairs = [...pairs, pair].slice(-history)
    x = trial.x
    value = { f: trial.f, g: trial.g }
  }
  return done(maxIterations, 'maxIterations')
}
