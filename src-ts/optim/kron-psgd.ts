/** Kron-PSGD. */
import type { NativeOptimizerSettings } from '#native'
import { Checker } from '../validate.ts'
import { below1, given, present } from './methods.ts'
import { Optimizer } from './optimizer.ts'
import { readCommon, type Plan } from './options.ts'
import type { CommonOptions } from './types.ts'

const GEOMETRIES = ['EQ', 'QEP', 'QEQ', 'QUAD', 'Q0.5EQ1.5', 'QUAD4P', 'PRO4P'] as const

/** How the factors of the preconditioner move; see {@link KronPsgdOptions.geometry}. */
export type Geometry = (typeof GEOMETRIES)[number]

/** Options of {@link KronPsgd}. */
export interface KronPsgdOptions extends CommonOptions {
  /**
   * What P is fitted to. `'whiten'`: P = (E ggᴴ)^(−1/2) of the gradients, so that updates have about unit size. `'newton'`:
   * P = |H|⁻¹ by products of the Hessian ({@link StepInput.hvp}), so that updates are Newton's. Default `'whiten'`.
   */
  mode?: 'whiten' | 'newton'
  /**
   * `'EQ'`: Q triangular, needs triangular solves, follows changes of scale. `'QEP'`, `'QEQ'`: general Q. `'QUAD'`: Q
   * positive definite also under rounding. `'Q0.5EQ1.5'`: products of matrices only, the fewest updates to a fit.
   * `'QUAD4P'`, `'PRO4P'`: the last two on P itself, with half of the work of applying it. Default `'Q0.5EQ1.5'`.
   */
  geometry?: Geometry
  /** μ in (0, 1], the relative size of an update of P. Default 0.1, for Newton 0.5. */
  precondLr?: number
  /** In [0, 1): memory of the smoothness L that updates are divided by. Default 0.9. */
  normMemory?: number
  /** Spectral norms exactly for sides of any length, instead of a bound for sides above 32. Default false. */
  exactNorm?: boolean
  /** Longest side with a dense factor; longer ones have a diagonal. Default 2048. */
  maxSize?: number
  /** A side n has a dense factor only if n² ≤ maxSkew·N, N being the elements; may be `Infinity`. Default 4. */
  maxSkew?: number
  /** d: whitening uses g + (d + ε|g|)∘v, so that P ≤ 1/d; Newton fits |H + dI|. Default 1e-9. */
  damping?: number
  /** P = scale²·I at the beginning. Default: from the first gradient or pair. */
  scale?: number
  /**
   * How often P is updated: a share of the steps in (0, 1], or every step up to `flat`, then e^(−rate·(t − flat)) of them,
   * at least `floor`. Which steps these are is a function of the step alone. Default: 500 steps, rate 0.001, floor 0.03;
   * for Newton every step.
   */
  updates?: number | { flat: number; rate: number; floor: number }
  /** Factors are brought to equal size every so many updates and where their ratio exceeds this. Default 100, 1000. */
  balance?: { every?: number; ratio?: number }
  /** β in [0, 1) of the gradient's mean, which is what P is applied to. Default 0.9; for Newton 0. */
  momentum?: number
  /** Fit P to the momentum instead of the gradient; rates shrink by about √((1−β)/(1+β)). Default false. */
  whitenMomentum?: boolean
  /** Largest root mean square of a tensor's update. Default 1.1; for Newton none. */
  clipRms?: number
  /** Largest modulus of an element of the update. Default 10; for Newton none. */
  clipElement?: number
  /** Largest norm of the update over all tensors. Default none; of use for Newton. */
  updateCap?: number
}

/**
 * Kron-PSGD: stochastic gradient descent with a preconditioner P = QᴴQ, Q = Q₁ ⊗ … ⊗ Q_r, one factor for each axis,
 * learned on the way. P minimises E[hᴴPh + vᴴP⁻¹v]: v is independent noise and h the gradient (whitening), or v noise and
 * h = Hv (Newton). m ← β_t m + (1−β_t)g, u = Pm, clipped, θ ← (1 − lr·λ)θ − lr·u.
 *
 * Default `lr` 1e-3; for Newton 0.5. Tensors of at most four axes; scalars and vectors have diagonal factors. Cost of a
 * step of an n × n matrix: 4n³ flop; of an update about 9n³ (`EQ`) to 22n³. State: the momentum and, for each axis with a
 * dense factor, 4n² numbers.
 *
 * Sources: X.-L. Li (2018), "Preconditioned stochastic gradient descent", arXiv 1512.04202; X.-L. Li (2018),
 * "Preconditioner on matrix Lie group for SGD", arXiv 1809.10232; X.-L. Li (2024), "Stochastic Hessian fittings with Lie
 * groups", arXiv 2402.11858.
 */
export class KronPsgd extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: KronPsgdOptions = {}) {
    super(kronPlan(options))
  }
}

function kronPlan(options: KronPsgdOptions): Plan {
  const checker = new Checker(options, 'KronPsgd: options')
  const mode = checker.oneOf('mode', ['whiten', 'newton'])
  const newton = mode === 'newton'
  const { common, settings } = readCommon(checker, { lr: newton ? 0.5 : 1e-3 })
  const precondLr = checker.positive('precondLr')
  if (precondLr !== undefined && precondLr > 1) {
    checker.problem('option-out-of-range', 'precondLr', `precondLr must be at most 1, got ${precondLr}`)
  }
  const own = {
    geometry: checker.oneOf('geometry', GEOMETRIES),
    precondLr,
    normMemory: below1(checker, 'normMemory'),
    exactNorm: checker.boolean('exactNorm'),
    maxSize: checker.integer('maxSize', { max: 2 ** 32 - 1 }),
    maxSkew: unlimited(checker, 'maxSkew', 0),
    damping: checker.number('damping', { min: 0 }),
    scale: checker.positive('scale'),
    momentum: below1(checker, 'momentum'),
    whitenMomentum: checker.boolean('whitenMomentum'),
    clipRms: unlimited(checker, 'clipRms', Number.MIN_VALUE),
    clipElement: unlimited(checker, 'clipElement', Number.MIN_VALUE),
    updateCap: checker.positive('updateCap'),
    ...readUpdates(checker),
    ...readBalance(checker),
  }
  checker.finish()
  const criterion = newton ? 'newton' : 'whitening'
  return { name: 'KronPsgd', options: given(options), common, settings: { method: 'kron', criterion, ...settings, ...present(own) } } // prettier-ignore
}

function readUpdates(checker: Checker): Partial<NativeOptimizerSettings> {
  const value = checker.take('updates')
  if (value === undefined) return {}
  if (typeof value !== 'object') {
    const updateProbability = checker.number('updates', { min: Number.MIN_VALUE, max: 1 })
    return updateProbability === undefined ? {} : { updateProbability }
  }
  const found = checker.nested('updates', (inner) => {
    for (const name of ['flat', 'rate', 'floor']) inner.required(name, 'see the documentation')
    return {
      updateFlat: inner.integer('flat', { max: 2 ** 32 - 1 }),
      updateRate: inner.number('rate', { min: 0 }),
      updateProbability: inner.number('floor', { min: 0, max: 1 }),
    }
  })
  return present(found ?? {})
}

function readBalance(checker: Checker): Partial<NativeOptimizerSettings> {
  const found = checker.nested('balance', (inner) => ({
    balanceEvery: inner.integer('every', { max: 2 ** 32 - 1 }),
    balanceRatio: unlimited(inner, 'ratio', 1),
  }))
  return present(found ?? {})
}

/** A number of at least `min`, or `Infinity`. */
function unlimited(checker: Checker, name: string, min: number): number | undefined {
  return checker.take(name) === Infinity ? Infinity : checker.number(name, { min })
}
