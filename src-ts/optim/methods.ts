/** The optimisers that move each element by itself. */
import { Checker } from '../validate.ts'
import { Optimizer } from './optimizer.ts'
import { readCommon, type Plan } from './options.ts'
import type { CommonOptions, Schedule } from './types.ts'

/** A copy of the options as they were given. */
export const given = (options: object): Record<string, unknown> => ({ ...options })

/** Options of {@link Sgd}. */
export interface SgdOptions extends CommonOptions {
  /** μ in [0, 1). Default 0. */
  momentum?: number
  /** Look ahead along the momentum. Default false. */
  nesterov?: boolean
  /** T of Langevin noise. Default 0. */
  temperature?: Schedule
}

/**
 * Gradient descent: b ← μb + g, d = b (heavy ball) or g + μb (Nesterov), θ ← (1 − lr·λ)θ − lr·d + √(2T·lr) ξ.
 *
 * With a temperature and without momentum this is stochastic gradient Langevin dynamics: samples of exp(−U/T) where the
 * gradients are those of U. On a quadratic of curvature λ the stationary variance is T/(λ(1 − lr·λ/2)); momentum raises
 * it by about the factor 1 + lr·λ(1+μ)/(2(1−μ)). Weight decay is not part of U: put the prior into the gradient.
 * The gradient of a complex parameter is ∂f/∂Re + i ∂f/∂Im: Wirtinger's derivative is half of that and would double T.
 *
 * Default `lr` 0.01. State: one number per parameter with momentum. Sources: B. T. Polyak (1964), "Some methods of
 * speeding up the convergence of iteration methods"; I. Sutskever et al. (2013), "On the importance of initialization and
 * momentum in deep learning"; M. Welling, Y. W. Teh (2011), "Bayesian learning via stochastic gradient Langevin dynamics".
 */
export class Sgd extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: SgdOptions = {}) {
    super(sgdPlan(options))
  }
}

function sgdPlan(options: SgdOptions): Plan {
  const checker = new Checker(options, 'Sgd: options')
  const { common, settings } = readCommon(checker, { lr: 0.01 }, true)
  const momentum = below1(checker, 'momentum')
  const nesterov = checker.boolean('nesterov')
  if (nesterov === true && !(momentum !== undefined && momentum > 0)) {
    checker.problem('options-conflict', 'nesterov', 'nesterov needs a momentum above 0')
  }
  checker.finish()
  return { name: 'Sgd', options: given(options), common, settings: { method: 'sgd', ...settings, ...present({ momentum, nesterov }) } } // prettier-ignore
}

/** Options of {@link AdamW}. */
export interface AdamWOptions extends CommonOptions {
  /** β₁ in [0, 1). Default 0.9; 0 for sampling. */
  beta1?: number
  /** β₂ in [0, 1). Default 0.999. */
  beta2?: number
  /** ε > 0. Default 1e-8. */
  epsilon?: number
  /**
   * Second moment of complex gradients: `'modulus'`, |g|² for both parts, so that turning the gradient turns the step; or
   * `'perPart'`, the square of each part, what programs do that see a complex number as two reals. Default `'modulus'`;
   * its steps are shorter by √2 where the parts are of one size.
   */
  secondMoment?: 'modulus' | 'perPart'
  /** T of Langevin noise. Default 0. */
  temperature?: Schedule
  /** Largest G = 1/(√v̂ + ε), in drift and noise alike. Default: none, 1/ε is the limit then. */
  metricCap?: number
  /** No noise before 1 − β₂ᵗ > ½. Default true. */
  burnIn?: boolean
}

/**
 * AdamW for real and complex parameters; with a temperature, preconditioned Langevin dynamics:
 *
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)s(g), m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), G = min(cap, 1/(√v̂ + ε)),
 * θ ← (1 − lr·λ)θ − lr·G·m̂ + √(2T·lr·G) ξ, ξ ~ N(0, 1) for each real part.
 *
 * Where gradients are tiny G is huge: a step of noise at T = 1e-4, lr = 1.2e-3 and v̂ = 0 is 4.9. The cap is the remedy,
 * and it must hold for drift and noise alike, or another law than exp(−U/T) is sampled. The same goes for momentum
 * (β₁ > 0 raises the temperature) and decoupled decay (put the prior into the gradient).
 *
 * Default `lr` 1e-3, `weightDecay` 0.01 as in the paper's programs. State: two numbers per parameter. Bound by memory:
 * seven reads and writes a parameter, and two to see first that everything is finite. Sources: D. P. Kingma, J. Ba (2015),
 * "Adam: a method for stochastic optimization"; I. Loshchilov, F. Hutter (2019), "Decoupled weight decay
 * regularization"; C. Li et al. (2016), "Preconditioned stochastic gradient Langevin dynamics for deep neural networks".
 */
export class AdamW extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: AdamWOptions = {}) {
    super(adamwPlan(options))
  }
}

function adamwPlan(options: AdamWOptions): Plan {
  const checker = new Checker(options, 'AdamW: options')
  const { common, settings } = readCommon(checker, { lr: 1e-3, weightDecay: 0.01 }, true)
  const own = {
    beta1: below1(checker, 'beta1'),
    beta2: below1(checker, 'beta2'),
    epsilon: checker.positive('epsilon'),
    secondMoment: checker.oneOf('secondMoment', ['modulus', 'perPart']),
    metricCap: checker.positive('metricCap'),
    burnIn: checker.boolean('burnIn'),
  }
  checker.finish()
  return { name: 'AdamW', options: given(options), common, settings: { method: 'adamw', ...settings, ...present(own) } }
}

/** Options of {@link Lion}. */
export interface LionOptions extends CommonOptions {
  /** β₁ in [0, 1). Default 0.9. */
  beta1?: number
  /** β₂ in [0, 1). Default 0.99. */
  beta2?: number
}

/**
 * Lion: θ ← (1 − lr·λ)θ − lr·sign(β₁m + (1−β₁)g), m ← β₂m + (1−β₂)g. The sign of a complex number is z/|z|.
 *
 * Default `lr` 1e-4: every element moves by lr, about ten times what AdamW moves. State: one number per parameter.
 * Source: X. Chen et al. (2023), "Symbolic discovery of optimization algorithms".
 */
export class Lion extends Optimizer {
  /** @throws InvalidInputError for wrong options */
  constructor(options: LionOptions = {}) {
    super(lionPlan(options))
  }
}

function lionPlan(options: LionOptions): Plan {
  const checker = new Checker(options, 'Lion: options')
  const { common, settings } = readCommon(checker, { lr: 1e-4 })
  const own = { beta1: below1(checker, 'beta1'), beta2: below1(checker, 'beta2') }
  checker.finish()
  return { name: 'Lion', options: given(options), common, settings: { method: 'lion', ...settings, ...present(own) } }
}

/** A number in [0, 1). */
export function below1(checker: Checker, name: string): number | undefined {
  const value = checker.number(name, { min: 0, max: 1 })
  if (value !== 1) return value
  checker.problem('option-out-of-range', name, `${name} must be below 1`)
  return undefined
}

/** The properties that are there. */
export function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof present<T>
  >
}
