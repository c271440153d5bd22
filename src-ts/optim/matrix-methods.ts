/** The optimisers that look at matrices as a whole: Muon and Adafactor. */
import { Checker } from '../validate.ts'
import { below1, given, present } from './methods.ts'
import { Optimizer } from './optimizer.ts'
import { readCommon, type Plan } from './options.ts'
import type { CommonOptions } from './types.ts'

/** Options of {@link Muon}. */
export interface MuonOptions extends CommonOptions {
  /** μ in [0, 1). Default 0.95. */
  momentum?: number
  /** Look ahead along the momentum. Default true. */
  nesterov?: boolean
  /**
   * What the orthogonal direction is multiplied by: `'aspect'`, √max(1, rows/cols); or `'rms'`, 0.2 √max(rows, cols), so that
   * updates are of AdamW's size. Default `'aspect'`.
   */
  scale?: 'aspect' | 'rms'
  /** Rate of what is no matrix (moved by AdamW) over that of the matrices. Default 0.015. */
  restRate?: number
}

/**
 * Muon: b ← μb + g, u = g + μb, θ ← (1 − lr·λ)θ − lr·scale·NS(u), where NS takes every singular value of u to about 1 by five
 * steps of a Newton-Schulz iteration. A tensor of more than two axes is a matrix of its first axis by the rest; scalars,
 * vectors, and matrices with one row or column are moved by AdamW.
 *
 * Default `lr` 0.02. Cost for m × n, m ≤ n: 10(2m²n + m³) multiply-adds. State: one number per parameter. Sources: K. Jordan
 * et al. (2024), "Muon: an optimizer for hidden layers in neural networks"; J. Liu et al. (2025), "Muon is scalable for
 * LLM training", arXiv 2502.16982.
 */
export class Muon extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: MuonOptions = {}) {
    super(muonPlan(options))
  }
}

function muonPlan(options: MuonOptions): Plan {
  const checker = new Checker(options, 'Muon: options')
  const { common, settings } = readCommon(checker, { lr: 0.02 })
  const own = {
    momentum: below1(checker, 'momentum'),
    nesterov: checker.boolean('nesterov'),
    muonScale: checker.oneOf('scale', ['aspect', 'rms']),
    restRate: checker.positive('restRate'),
  }
  checker.finish()
  return { name: 'Muon', options: given(options), common, settings: { method: 'muon', ...settings, ...present(own) } }
}

/** Options of {@link Adafactor}. */
export interface AdafactorOptions extends CommonOptions {
  /** α = lr·max(ε₂, RMS(θ))·min(10⁻², 1/√t) instead of lr. Default true, with `lr` 1; else `lr` 1e-3. */
  relative?: boolean
  /** ε₁, added to squares. Default 1e-30. */
  epsilon1?: number
  /** ε₂, smallest size of a parameter. Default 1e-3. */
  epsilon2?: number
  /** d, largest root mean square of an update. Default 1. */
  clip?: number
  /** β₁ in [0, 1); 0: no momentum, and no memory for it. Default 0. */
  beta1?: number
}

/**
 * Adafactor: the second moments of a matrix are R Cᵀ/mean R, R and C being means over its columns and rows, so that an m × n
 * matrix has a state of m + n numbers. β̂ = 1 − t^(−0.8), U = g/√V̂, Û = U/max(1, RMS(U)/d), θ ← θ − α(λθ + m).
 *
 * Of tensors with two axes or more the last two are factored. Bound by memory. Source: N. Shazeer, M. Stern (2018),
 * "Adafactor: adaptive learning rates with sublinear memory cost", arXiv 1804.04235.
 */
export class Adafactor extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: AdafactorOptions = {}) {
    super(adafactorPlan(options))
  }
}

function adafactorPlan(options: AdafactorOptions): Plan {
  const checker = new Checker(options, 'Adafactor: options')
  const relative = checker.boolean('relative')
  const { common, settings } = readCommon(checker, { lr: relative === false ? 1e-3 : 1 })
  const own = {
    relative,
    epsilon: checker.positive('epsilon1'),
    epsilon2: checker.number('epsilon2', { min: 0 }),
    clipRms: checker.positive('clip'),
    beta1: below1(checker, 'beta1'),
  }
  checker.finish()
  return { name: 'Adafactor', options: given(options), common, settings: { method: 'adafactor', ...settings, ...present(own) } } // prettier-ignore
}
