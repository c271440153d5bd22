/**
 * Adafactor (N. Shazeer, M. Stern, arXiv 1804.04235, algorithms 4 and 5).
 *
 * β̂ = 1 − t^(−0.8), t = 1, 2, …; s = |g|² + ε₁. Of two axes or more, the last two are factored:
 * R ← β̂R + (1 − β̂) mean over columns of s, C ← β̂C + (1 − β̂) mean over rows of s, V̂ = R Cᵀ / mean R; else V̂ ← β̂V̂ + (1 − β̂)s.
 * U = g/√V̂, Û = U/max(1, RMS(U)/d), α = max(ε₂, RMS(θ)) ρ, ρ = min(10⁻², 1/√t) (or α = a given rate);
 * θ ← θ − α(λθ + m) with m = Û or, with β₁, m ← β₁m + (1 − β₁)Û. The paper's sums and these means give the same V̂.
 */
import { vector, type Vector } from '../solve/dense.ts'
import { count, rms, tensor, type Tensor } from './tensor.ts'

export interface AdafactorSettings {
  /** A given rate instead of the relative one. */
  lr?: number
  epsilon1: number
  epsilon2: number
  /** d. */
  clip: number
  /** Exponent of β̂, −0.8. */
  decay: number
  beta1?: number
  weightDecay: number
}
export interface AdafactorState {
  t: number
  /** Row means (… × rows) and column means (… × cols), or all second moments. */
  rows: Float64Array
  cols: Float64Array
  full: Float64Array
  m: Vector
}

const layout = (shape: readonly number[]): { batch: number; rows: number; cols: number } => ({
  batch: count(shape.slice(0, -2)),
  rows: shape.at(-2)!,
  cols: shape.at(-1)!,
})

export function adafactorStart(shape: readonly number[]): AdafactorState {
  const factored = shape.length >= 2
  const { batch, rows, cols } = layout(shape)
  return {
    t: 0,
    rows: new Float64Array(factored ? batch * rows : 0),
    cols: new Float64Array(factored ? batch * cols : 0),
    full: new Float64Array(factored ? 0 : count(shape)),
    m: vector(new Float64Array(count(shape))),
  }
}

/** V̂ after the moments have been updated. */
export function secondMoments(shape: readonly number[], state: AdafactorState): Float64Array {
  if (shape.length < 2) return state.full.slice()
  const { batch, rows, cols } = layout(shape)
  const out = new Float64Array(count(shape))
  for (let b = 0; b < batch; b++) {
    let mean = 0
    for (let i = 0; i < rows; i++) mean += state.rows[b * rows + i]! / rows
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++)
        out[(b * rows + i) * cols + j] = (state.rows[b * rows + i]! * state.cols[b * cols + j]!) / mean
    }
  }
  return out
}

export function adafactor(
  theta: Tensor,
  g: Tensor,
  state: AdafactorState,
  { lr, epsilon1, epsilon2, clip, decay, beta1, weightDecay }: AdafactorSettings,
): { theta: Tensor; state: AdafactorState } {
  const { shape } = theta
  const t = state.t + 1
  const beta = 1 - t ** decay
  const s = g.re.map((re, k) => re ** 2 + g.im[k]! ** 2 + epsilon1)
  const next = { ...state, t, rows: state.rows.map((x) => beta * x), cols: state.cols.map((x) => beta * x), full: state.full.map((x) => beta * x) } // prettier-ignore
  if (shape.length >= 2) {
    const { rows, cols } = layout(shape)
    s.forEach((value, k) => {
      const [batch, i, j] = [Math.floor(k / (rows * cols)), Math.floor(k / cols) % rows, k % cols]
      next.rows[batch * rows + i]! += ((1 - beta) * value) / cols
      next.cols[batch * cols + j]! += ((1 - beta) * value) / rows
    })
  } else s.forEach((value, k) => (next.full[k]! += (1 - beta) * value))
  const v = secondMoments(shape, next)
  const over = { re: g.re.map((x, k) => x / Math.sqrt(v[k]!)), im: g.im.map((x, k) => x / Math.sqrt(v[k]!)) }
  const shrink = 1 / Math.max(1, rms(over) / clip)
  const keep = beta1 ?? 0
  next.m = {
    re: over.re.map((x, k) => keep * state.m.re[k]! + (1 - keep) * x * shrink),
    im: over.im.map((x, k) => keep * state.m.im[k]! + (1 - keep) * x * shrink),
  }
  const rate = lr ?? Math.max(epsilon2, rms(theta)) * Math.min(1e-2, 1 / Math.sqrt(t))
  return {
    theta: tensor(shape, {
      re: theta.re.map((x, k) => x - rate * (weightDecay * x + next.m.re[k]!)),
      im: theta.im.map((x, k) => x - rate * (weightDecay * x + next.m.im[k]!)),
    }),
    state: next,
  }
}
