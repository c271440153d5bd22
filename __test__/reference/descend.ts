/** Slow but sure descent to a local minimum, to judge how far above it a point stands. */
import { bestContributions, bestProfiles, halfGradients, objective, type Factors, type Problem } from './model.ts'
import { boxStep, reducedHessian, secondOrder } from './reduced.ts'

/**
 * Curvature (unit diagonal) below which a direction counts as flat. Where the infimum of Q is not attained (a contribution of one
 * sample grows without end while the profile shrinks) the descent ends far out with a curvature of 1e-13: no strict minimum.
 */
const FLAT = 1e-9

/** Where the descent ended. */
export interface Descent extends Factors {
  q: number
  /** Accepted second-order steps. */
  steps: number
  /** Decrease that the last model still promised, bounds of H kept. */
  promised: number
  /** Whether that is negligible and every curvature of the exact reduced Hessian exceeds 1e-9: a strict local minimum. */
  minimum: boolean
}

/**
 * Alternating exact NNLS, then Newton steps on the exact reduced Hessian with h + d >= 0 and W solved anew, damped (μD) until
 * Q falls. Q never rises.
 */
export function descend(data: Problem, start: Factors, options: { sweeps?: number; steps?: number } = {}): Descent {
  const { p } = start
  let h = Float64Array.from(start.h)
  let w = bestContributions(data, p, h)
  for (let sweep = 0; sweep < (options.sweeps ?? 20); sweep++) {
    h = Float64Array.from(bestProfiles(data, p, w))
    w = bestContributions(data, p, h)
  }
  let q = objective(data, { p, w, h })
  let mu = 1e-4
  let steps = 0
  let promised = Infinity
  const limit = options.steps ?? 400
  for (let attempt = 0; steps < limit && attempt < 3 * limit;) {
    const at = { p, w, h }
    const s = reducedHessian(data, at, 'exact')
    let accepted = false
    for (; !accepted && mu < 1e6; attempt++) {
      const { step, decrease } = boxStep(data, at, s, mu)
      promised = decrease
      if (decrease >= 0 && decrease < 1e-13 * q && mu < 1e-9) break
      const trial = h.map((x, k) => Math.max(0, x + step[k]!))
      const trialW = bestContributions(data, p, trial)
      const trialQ = objective(data, { p, w: trialW, h: trial })
      if (decrease > 0 && trialQ < q) {
        const ratio = (q - trialQ) / decrease
        mu = ratio > 0.7 ? mu / 10 : ratio < 0.25 ? mu * 4 : mu
        if (mu < 1e-10) mu = 0
        ;[h, w, q] = [trial, trialW, trialQ]
        steps++
        accepted = true
      } else if (Math.abs(decrease) < 1e-13 * q) {
        break
      } else {
        mu = Math.max(mu, 1e-10) * 10
      }
    }
    if (!accepted) break
  }
  const end = { p, w, h }
  const second = secondOrder(data, end, 'exact')
  const g = halfGradients(data, end)
  const feasible = [...w, ...h, ...g.w, ...g.h].every(Number.isFinite)
  return {
    ...end,
    q,
    steps,
    promised,
    minimum:
      feasible && Math.abs(promised) < 1e-10 * q && second.lambda2 !== undefined && (second.eigenvalues[0] ?? 1) > FLAT,
  }
}
