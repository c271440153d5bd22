/**
 * Levenberg-Marquardt for min ½‖r(x)‖² (J. J. Moré 1978: scaling by the largest column norms of J seen so far;
 * H. B. Nielsen 1999: λ by the gain ratio), with bounds by projection (C. Kanzow et al. 2004).
 *
 * δ minimises ‖Jδ + r‖² + λ‖Dδ‖², from the QR factors of [J; √λ D], over the variables that are not held at a bound by
 * their gradient; the trial is x + δ projected. Gain ρ = actual over predicted decrease: accepted if ρ > 0, then
 * λ ← λ max(1/3, 1 − (2ρ − 1)³), else λ ← νλ, ν ← 2ν. Decreases below the rounding of ‖r‖² are taken as predicted, 3 times.
 */

export interface Model {
  residuals: (x: Float64Array) => Float64Array
  /** Rows: residuals; columns: parameters; row-major. */
  jacobian: (x: Float64Array) => Float64Array
}
export interface LeastSquaresSettings {
  lower?: ArrayLike<number>
  upper?: ArrayLike<number>
  maxIterations?: number
  /** Stop at max |D⁻¹Jᵀr| over ‖r‖, of the free variables, ≤ this: the largest cosine between r and a column of J. */
  gradientTolerance?: number
  /** Stop at ‖Dδ‖ ≤ this·‖Dx‖. */
  stepTolerance?: number
}
export interface LeastSquaresResult {
  x: Float64Array
  /** ‖r‖². */
  sumOfSquares: number
  /** √diag(s² (JᵀJ)⁻¹), s² = ‖r‖²/(m − n), as if no bound were active. */
  standardErrors: Float64Array
  iterations: number
  reason: 'gradient' | 'step' | 'exact' | 'maxIterations'
}

const square = (r: Float64Array): number => r.reduce((sum, value) => sum + value * value, 0)

export function leastSquares(
  model: Model,
  start: ArrayLike<number>,
  settings: LeastSquaresSettings = {},
): LeastSquaresResult {
  // prettier-ignore
  const { maxIterations = 1000, gradientTolerance = 1e-14, stepTolerance = 1e-15 } = settings
  const n = start.length
  const lower = Float64Array.from(settings.lower ?? Array<number>(n).fill(-Infinity))
  const upper = Float64Array.from(settings.upper ?? Array<number>(n).fill(Infinity))
  const project = (x: Float64Array): Float64Array => x.map((v, k) => Math.min(Math.max(v, lower[k]!), upper[k]!))
  let x = project(Float64Array.from(start))
  let r = model.residuals(x)
  const scale = new Float64Array(n)
  let [lambda, nu] = [1e-3, 2]
  let blind = 0
  const done = (iterations: number, reason: LeastSquaresResult['reason']): LeastSquaresResult => ({
    x,
    sumOfSquares: square(r),
    standardErrors: standardErrors(model.jacobian(x), r, n),
    iterations,
    reason,
  })
  for (let k = 0; k < maxIterations; k++) {
    const jacobian = model.jacobian(x)
    const m = r.length
    const gradient = new Float64Array(n)
    for (let j = 0; j < n; j++) {
      let column = 0
      for (let i = 0; i < m; i++) {
        gradient[j]! += jacobian[i * n + j]! * r[i]!
        column += jacobian[i * n + j]! ** 2
      }
      scale[j] = Math.max(scale[j]!, Math.sqrt(column))
    }
    const free = [...gradient.keys()].filter((j) => !(x[j] === lower[j] && gradient[j]! >= 0) && !(x[j] === upper[j] && gradient[j]! <= 0)) // prettier-ignore
    const size = Math.sqrt(square(r))
    if (size === 0) return done(k, 'exact')
    const steepest = Math.max(0, ...free.map((j) => (scale[j]! > 0 ? Math.abs(gradient[j]!) / scale[j]! / size : 0)))
    if (steepest <= gradientTolerance) return done(k, 'gradient')
    for (;;) {
      const delta = dampedStep(jacobian, r, free, scale, lambda, n)
      const trial = project(x.map((v, j) => v + delta[j]!))
      const moved = trial.map((v, j) => v - x[j]!)
      if (length(moved, scale) <= stepTolerance * length(x, scale)) return done(k, 'step')
      const next = model.residuals(trial)
      // ‖r‖² − ‖r + Jδ‖²
      const predicted = -r.reduce((sum, value, i) => {
        let change = 0
        for (let j = 0; j < n; j++) change += jacobian[i * n + j]! * moved[j]!
        return sum + change * (2 * value + change)
      }, 0)
      // ‖r‖² − ‖r₊‖², as a difference of the vectors: the squares would lose the last steps to rounding.
      const actual = r.reduce((sum, value, i) => sum + (value - next[i]!) * (value + next[i]!), 0)
      // Decreases that rounding hides are believed, a few times.
      const hidden = Math.max(Math.abs(actual), predicted) <= 2 ** -50 * square(r)
      if (hidden && ++blind > 3) return done(k, 'step')
      const gain = hidden ? 1 : actual / predicted
      if (gain > 0 && Number.isFinite(gain)) {
        ;[x, r] = [trial, next]
        lambda *= Math.max(1 / 3, 1 - (2 * gain - 1) ** 3)
        nu = 2
        break
      }
      lambda *= nu
      nu *= 2
    }
  }
  return done(maxIterations, 'maxIterations')
}

const length = (x: Float64Array, scale: Float64Array): number => Math.hypot(...x.map((value, k) => value * scale[k]!))

/** δ of the free variables; 0 elsewhere. A column of zeros is held by a scale of 1. */
function dampedStep(
  jacobian: Float64Array,
  r: Float64Array,
  free: readonly number[],
  scale: Float64Array,
  lambda: number,
  n: number,
): Float64Array {
  const rows: number[][] = Array.from(r, (_, i) => free.map((j) => jacobian[i * n + j]!))
  const right = Array.from(r, (value) => -value)
  free.forEach((j, at) => {
    rows.push(free.map((_, k) => (k === at ? Math.sqrt(lambda) * (scale[j]! || 1) : 0)))
    right.push(0)
  })
  const out = new Float64Array(n)
  solveQr(rows, right).forEach((value, at) => (out[free[at]!] = value))
  return out
}

/** min ‖Ax − b‖ by Householder reflections; A has full column rank. */
export function solveQr(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const { rows, right } = triangular(a, b)
  const n = a[0]?.length ?? 0
  const x = new Array<number>(n).fill(0)
  for (let j = n - 1; j >= 0; j--) {
    let rest = right[j]!
    for (let k = j + 1; k < n; k++) rest -= rows[j]![k]! * x[k]!
    x[j] = rest / rows[j]![j]!
  }
  return x
}

function triangular(a: readonly (readonly number[])[], b: readonly number[]): { rows: number[][]; right: number[] } {
  const [rows, right] = [a.map((row) => [...row]), [...b]]
  const n = rows[0]?.length ?? 0
  for (let j = 0; j < n; j++) {
    const size = Math.hypot(...rows.slice(j).map((row) => row[j]!))
    const v = rows.map((row, i) => (i < j ? 0 : row[j]!))
    v[j]! += v[j]! >= 0 ? size : -size
    const norm = v.reduce((sum, value) => sum + value * value, 0)
    if (norm === 0) continue
    const reflect = (get: (i: number) => number, set: (i: number, value: number) => void): void => {
      let sum = 0
      for (let i = j; i < rows.length; i++) sum += v[i]! * get(i)
      for (let i = j; i < rows.length; i++) set(i, get(i) - (2 * sum * v[i]!) / norm)
    }
    for (let k = j; k < n; k++) reflect((i) => rows[i]![k]!, (i, value) => (rows[i]![k] = value)) // prettier-ignore
    reflect((i) => right[i]!, (i, value) => (right[i] = value)) // prettier-ignore
  }
  return { rows, right }
}

/** √diag(s² (RᵀR)⁻¹) by the columns of R⁻¹. */
function standardErrors(jacobian: Float64Array, r: Float64Array, n: number): Float64Array {
  const a = Array.from(r, (_, i) => Array.from(jacobian.subarray(i * n, i * n + n)))
  const { rows } = triangular(a, Array<number>(r.length).fill(0))
  const variance = new Float64Array(n)
  for (let c = 0; c < n; c++) {
    const x = new Array<number>(n).fill(0)
    for (let j = c; j >= 0; j--) {
      let rest = j === c ? 1 : 0
      for (let k = j + 1; k <= c; k++) rest -= rows[j]![k]! * x[k]!
      x[j] = rest / rows[j]![j]!
    }
    x.forEach((value, j) => (variance[j]! += value * value))
  }
  const s2 = square(r) / (r.length - n)
  return variance.map((value) => Math.sqrt(s2 * value))
}
