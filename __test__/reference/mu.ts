/** Multiplicative updates (Wang, Kossenkov, Ochs 2006), as older programs run them. */
import { transpose } from './linear.ts'
import { objective, residuals, transposed, type Factors, type Problem } from './model.ts'

/** When to stop before the last iteration: Q fell by less than `decrease` over the last `over` iterations. */
export interface OlderStop {
  decrease: number
  over: number
}

/** A run and its Q after every iteration (`qs[0]`: at the start). */
export interface MultiplicativeRun extends Factors {
  qs: number[]
  iterations: number
  /** Whether the stop rule, and not the number of iterations, ended the run. It proves nothing about a minimum. */
  stoppedByRule: boolean
}

/** H first, then W; a factor element of 0 stays 0, whatever its gradient (the defect of the method, kept on purpose). */
export function multiplicative(data: Problem, start: Factors, iterations: number, stop?: OlderStop): MultiplicativeRun {
  const at: Factors = { p: start.p, w: Float64Array.from(start.w), h: Float64Array.from(start.h) }
  const flipped = transposed(data)
  const qs = [objective(data, at)]
  for (let t = 1; t <= iterations; t++) {
    at.h = updatedProfiles(data, at)
    const exchanged = { p: at.p, w: transpose(at.h, at.p, data.n), h: transpose(at.w, data.m, at.p) }
    at.w = transpose(updatedProfiles(flipped, exchanged), at.p, data.m)
    qs.push(objective(data, at))
    if (stop !== undefined && t >= stop.over && qs[t - stop.over]! - qs[t]! < stop.decrease) {
      return { ...at, qs, iterations: t, stoppedByRule: true }
    }
  }
  return { ...at, qs, iterations, stoppedByRule: false }
}

/** H ∘ [Wᵀ(Ω∘V)] / [Wᵀ(Ω∘WH)]; 0 where the denominator is 0. */
function updatedProfiles(data: Problem, at: Factors): Float64Array {
  const { m, n, v, omega } = data
  const { p, w, h } = at
  const r = residuals(data, at)
  const out = new Float64Array(p * n)
  for (let k = 0; k < p; k++) {
    for (let j = 0; j < n; j++) {
      let above = 0
      let below = 0
      for (let i = 0; i < m; i++) {
        const ow = omega[i * n + j]! * w[i * p + k]!
        above += ow * v[i * n + j]!
        below += ow * (r[i * n + j]! + v[i * n + j]!)
      }
      out[k * n + j] = below > 0 ? (h[k * n + j]! * above) / below : 0
    }
  }
  return out
}
