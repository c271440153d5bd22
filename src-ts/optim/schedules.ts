/** Learning rates as functions of the steps committed so far. */
import { Checker } from '../validate.ts'

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** Rate after the warm-up. */
  peak: number
  /** Steps until the floor is reached, warm-up included. */
  steps: number
  /** Steps of linear warm-up. Default 0. */
  warmup?: number
  /** Rate at the end and afterwards. Default 0. */
  floor?: number
}

/**
 * Linear warm-up, then half a cosine down to the floor:
 * floor + (peak − floor)(1 + cos(π(t − warmup)/(steps − warmup)))/2.
 *
 * Source: I. Loshchilov, F. Hutter (2017), "SGDR: stochastic gradient descent with warm restarts", arXiv 1608.03983.
 * @throws InvalidInputError for options outside their ranges
 */
export function cosine(options: CosineOptions): (step: number) => number {
  const checker = new Checker(options, 'cosine(): options')
  checker.required('peak', 'the rate after the warm-up')
  checker.required('steps', 'how long it takes')
  const peak = checker.positive('peak') ?? NaN
  const steps = checker.integer('steps', { min: 1 }) ?? NaN
  const warmup = checker.integer('warmup', { max: steps }) ?? 0
  const floor = checker.number('floor', { min: 0, max: peak }) ?? 0
  checker.finish()
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup
    const share = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
    return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * share))
  }
}

/**
 * Linear warm-up, then the peak divided by √(t/warmup): for runs without a known end.
 *
 * Source: A. Vaswani et al. (2017), "Attention is all you need", arXiv 1706.03762.
 * @throws InvalidInputError for options outside their ranges
 */
export function inverseSquareRoot(options: { peak: number; warmup: number }): (step: number) => number {
  const checker = new Checker(options, 'inverseSquareRoot(): options')
  checker.required('peak', 'the rate after the warm-up')
  checker.required('warmup', 'its length')
  const peak = checker.positive('peak') ?? NaN
  const warmup = checker.integer('warmup', { min: 1 }) ?? NaN
  checker.finish()
  return (step) => peak * Math.min((step + 1) / warmup, Math.sqrt(warmup / (step + 1)))
}

/**
 * start · rateᵗ, not below the floor: annealing of a rate or a temperature.
 * @throws InvalidInputError for options outside their ranges
 */
export function exponential(options: { start: number; rate: number; floor?: number }): (step: number) => number {
  const checker = new Checker(options, 'exponential(): options')
  checker.required('start', 'the first value')
  checker.required('rate', 'the factor of each step')
  const start = checker.positive('start') ?? NaN
  const rate = checker.number('rate', { min: 0, max: 1 }) ?? NaN
  const floor = checker.number('floor', { min: 0 }) ?? 0
  checker.finish()
  return (step) => Math.max(floor, start * rate ** step)
}
