/** What the samplers leave behind is the law that they promise: variances within three standard errors. */
import { describe, expect, test } from 'vitest'
import { AdamW, Sgd, type Optimizer, type StepReport } from '../../src-ts/optim/index.ts'
import { stationaryVariance } from '../reference/optim/adamw.ts'

/** Fixed: of a hundred seeds one would be beyond three standard errors. */
const seed = 7
const CHAINS = 4000

/** Mean square over all chains and some times far apart, for U = λθ²/2 in each coordinate, and its standard error. */
function meanSquare(
  optimizer: Optimizer,
  lambda: number,
  { burn, every, times }: { burn: number; every: number; times: number },
  complex = false,
): { value: number; error: number } {
  const theta = new Float64Array(CHAINS * (complex ? 2 : 1))
  const params = { theta: { data: theta, dtype: complex ? ('complex128' as const) : ('float64' as const) } }
  const step = (): unknown => optimizer.step(params, { theta: theta.map((x) => lambda * x) })
  for (let k = 0; k < burn; k++) step()
  let sum = 0
  for (let time = 0; time < times; time++) {
    for (let k = 0; k < every; k++) step()
    sum += theta.reduce((total, x) => total + x * x, 0) / CHAINS
  }
  const value = sum / times
  // Of a χ² with as many degrees as there are independent parts.
  return { value, error: value * Math.sqrt(2 / (theta.length * times)) }
}

describe('gradient descent with noise', () => {
  test.each([0.02, 0.4, 1])('the variance is T/(λ(1 − hλ/2)), hλ = %d', (step) => {
    const [lambda, temperature] = [3, 0.5]
    const optimizer = new Sgd({ lr: step / lambda, temperature, seed })
    const relax = Math.ceil(6 / step)
    const { value, error } = meanSquare(optimizer, lambda, { burn: 2 * relax, every: relax, times: 6 })
    const expected = (temperature / lambda) * stationaryVariance(step)
    expect(Math.abs(value - expected), `seed ${seed}: ${value} ± ${error}, expected ${expected}`).toBeLessThan(
      3 * error,
    )
  })

  test('each part of a complex number has that variance: E|z|² = 2T/λ', () => {
    const optimizer = new Sgd({ lr: 0.1, temperature: 0.2, seed })
    const { value, error } = meanSquare(optimizer, 1, { burn: 120, every: 60, times: 5 }, true)
    const expected = 2 * 0.2 * stationaryVariance(0.1)
    expect(Math.abs(value - expected), `seed ${seed}: ${value} ± ${error}`).toBeLessThan(3 * error)
  })

  test('momentum raises it by the stated factor', () => {
    const [step, momentum] = [0.02, 0.9]
    // G = 1/(√v̂ + ε) = 1/1000 up to 0.1 %: steps of hG with h = 1000 · 0.02.
    const optimizer = new AdamW({ lr: step * 1e3, beta1: momentum, beta2: 0, epsilon: 1e3, temperature: 1, weightDecay: 0, burnIn: false, seed }) // prettier-ignore
    const { value, error } = meanSquare(optimizer, 1, { burn: 600, every: 300, times: 5 })
    const expected = stationaryVariance(step, momentum)
    expect(Math.abs(value - expected), `seed ${seed}: ${value} ± ${error}, expected ${expected}`).toBeLessThan(3 * error + 0.02 * expected) // prettier-ignore
  })
})

describe('with a metric', () => {
  test.each([1, 10])('a constant G does not change the law: cap %d', (cap) => {
    // v̂ is tiny beside 1/cap, so that G is the cap in every step.
    const optimizer = new AdamW({ lr: 0.1 / cap, beta1: 0, temperature: 1e-6, metricCap: cap, weightDecay: 0, burnIn: false, seed }) // prettier-ignore
    const { value, error } = meanSquare(optimizer, 1, { burn: 120, every: 60, times: 5 })
    const expected = 1e-6 * stationaryVariance(0.1)
    expect(Math.abs(value - expected), `seed ${seed}: ${value} ± ${error}`).toBeLessThan(3 * error)
  })

  test('a step of noise has the deviation √(2T·lr·G)', () => {
    const [lr, temperature, epsilon] = [1.2e-3, 1e-4, 1e-8]
    for (const [cap, expected] of [
      [Infinity, Math.sqrt((2 * temperature * lr) / epsilon)],
      [100, Math.sqrt(2 * temperature * lr * 100)],
    ] as const) {
      const theta = new Float64Array(50_000)
      const optimizer = new AdamW({ lr, temperature, epsilon, beta1: 0, weightDecay: 0, burnIn: false, seed, ...(cap === Infinity ? {} : { metricCap: cap }) }) // prettier-ignore
      optimizer.step({ theta }, { theta: new Float64Array(50_000) })
      const found = Math.sqrt(theta.reduce((sum, x) => sum + x * x, 0) / theta.length)
      expect(Math.abs(found / expected - 1)).toBeLessThan(0.01)
    }
    // What makes noise of a tiny gradient destructive: 4.9 at the settings of a published program.
    expect(Math.sqrt((2 * temperature * lr) / epsilon)).toBeCloseTo(4.9, 1)
  })

  test('the report tells drift and noise apart, however large the noise', () => {
    for (const make of [
      (temperature: number) => new Sgd({ lr: 1e-3, temperature, seed }),
      (temperature: number) => new AdamW({ lr: 1e-3, temperature, weightDecay: 0, burnIn: false, seed }),
    ]) {
      for (const dtype of ['float64', 'complex128'] as const) {
        const gradient = new Float64Array(100).fill(0.01)
        const step = (temperature: number): StepReport =>
          make(temperature).step({ theta: { data: new Float64Array(100), dtype } }, { theta: gradient })
        const quiet = step(0)
        for (const temperature of [1e-10, 1e-2, 1e6]) {
          const { updateRms, noiseRatio } = step(temperature)
          expect(updateRms).toBe(quiet.updateRms)
          const ratio = step(1e-2).noiseRatio * Math.sqrt(temperature / 1e-2)
          expect(Math.abs(noiseRatio / ratio - 1)).toBeLessThan(1e-9)
        }
      }
    }
  })

  test('no noise before v̂ knows half of what it will know', () => {
    const theta = Float64Array.of(1)
    const optimizer = new AdamW({ lr: 1e-3, beta1: 0, beta2: 0.9, temperature: 1, weightDecay: 0 })
    const quiet: number[] = []
    for (let step = 0; step < 10; step++) {
      const { noiseRatio } = optimizer.step({ theta }, { theta: Float64Array.of(1) })
      if (noiseRatio === 0) quiet.push(step)
    }
    // 1 − 0.9ᵗ > ½ from t = 7 on, the step of index 6.
    expect(quiet).toEqual([0, 1, 2, 3, 4, 5])
  })
})

test('noise is a function of seed, tensor and step', () => {
  const run = (key: number, count: number): Float64Array => {
    const theta = new Float64Array(9)
    const optimizer = new Sgd({ lr: 0.1, temperature: 1, seed: key })
    for (let step = 0; step < count; step++) optimizer.step({ theta }, { theta: new Float64Array(9) })
    return theta
  }
  expect(run(1, 5)).toEqual(run(1, 5))
  expect(run(1, 5)).not.toEqual(run(2, 5))
  const [four, five] = [run(1, 4), run(1, 5)]
  const [, second] = [run(1, 1), run(1, 2).map((x, k) => x - run(1, 1)[k]!)]
  expect(five.map((x, k) => x - four[k]!)).not.toEqual(second)
})
