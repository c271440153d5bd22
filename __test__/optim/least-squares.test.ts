/** Least squares beside the plain reference, certified values and direct solutions. A failure names its seed. */
import { describe, expect, test } from 'vitest'
import { leastSquares, leastSquaresSync, type LeastSquaresOptions, type LeastSquaresResult } from '../../src-ts/optim/index.ts' // prettier-ignore
import { dense, lsqrSync } from '../../src-ts/solve/index.ts'
import { leastSquares as reference, type Model } from '../reference/optim/least-squares.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { bytes, distance } from './arrays.ts'

const seed = chooseSeed()

const curve = (
  t: readonly number[],
  y: readonly number[],
  f: (x: Float64Array, t: number) => number,
  slope: (x: Float64Array, t: number) => number[],
): Model => ({
  residuals: (x) => Float64Array.from(t, (at, i) => f(x, at) - y[i]!),
  jacobian: (x) => Float64Array.from(t.flatMap((at) => slope(x, at))),
})

/** Statistical Reference Datasets of NIST (public domain). */
const misra = {
  t: [77.6, 114.9, 141.1, 190.8, 239.9, 289, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760],
  y: [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.4, 75.47, 81.78],
}
const mgh09 = curve(
  [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625],
  [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246],
  (b, t) => (b[0]! * (t * t + t * b[1]!)) / (t * t + t * b[2]! + b[3]!),
  (b, t) => {
    const [above, below] = [t * t + t * b[1]!, t * t + t * b[2]! + b[3]!]
    return [above / below, (b[0]! * t) / below, (-b[0]! * above * t) / below ** 2, (-b[0]! * above) / below ** 2]
  },
)
const misra1a = curve(misra.t, misra.y, (b, t) => b[0]! * (1 - Math.exp(-b[1]! * t)), (b, t) => [1 - Math.exp(-b[1]! * t), b[0]! * t * Math.exp(-b[1]! * t)]) // prettier-ignore
const misra1b = curve(misra.t, misra.y, (b, t) => b[0]! * (1 - (1 + (b[1]! * t) / 2) ** -2), (b, t) => [1 - (1 + (b[1]! * t) / 2) ** -2, b[0]! * t * (1 + (b[1]! * t) / 2) ** -3]) // prettier-ignore
const misra1c = curve(misra.t, misra.y, (b, t) => b[0]! * (1 - (1 + 2 * b[1]! * t) ** -0.5), (b, t) => [1 - (1 + 2 * b[1]! * t) ** -0.5, b[0]! * t * (1 + 2 * b[1]! * t) ** -1.5]) // prettier-ignore
const misra1d = curve(misra.t, misra.y, (b, t) => (b[0]! * b[1]! * t) / (1 + b[1]! * t), (b, t) => [(b[1]! * t) / (1 + b[1]! * t), (b[0]! * t) / (1 + b[1]! * t) ** 2]) // prettier-ignore

interface Certified {
  model: Model
  values: number[]
  errors: number[]
  sum: number
  starts: number[][]
}
const nist: Record<string, Certified> = {
  Misra1a: { model: misra1a, values: [238.94212918, 5.5015643181e-4], errors: [2.7070075241, 7.2668688436e-6], sum: 0.12455138894, starts: [[500, 1e-4], [250, 5e-4]] }, // prettier-ignore
  Misra1b: { model: misra1b, values: [337.99746163, 3.9039091287e-4], errors: [3.1643950207, 4.2547321834e-6], sum: 0.075464681533, starts: [[500, 1e-4], [300, 2e-4]] }, // prettier-ignore
  Misra1c: { model: misra1c, values: [636.42725809, 2.0813627256e-4], errors: [4.6638326572, 1.7728423155e-6], sum: 0.040966836971, starts: [[500, 1e-4], [600, 2e-4]] }, // prettier-ignore
  Misra1d: { model: misra1d, values: [437.36970754, 3.0227324449e-4], errors: [3.6489174345, 2.9334354479e-6], sum: 0.056419295283, starts: [[500, 1e-4], [450, 3e-4]] }, // prettier-ignore
  MGH09: { model: mgh09, values: [0.19280693458, 0.19128232873, 0.12305650693, 0.13606233068], errors: [0.011435312227, 0.19633220911, 0.080842031232, 0.090025542308], sum: 3.0750560385e-4, starts: [[25, 39, 41.5, 39], [0.25, 0.39, 0.415, 0.39]] }, // prettier-ignore
}

const fit = (model: Model, start: ArrayLike<number>, options: LeastSquaresOptions = {}): LeastSquaresResult =>
  leastSquaresSync(model.residuals, start, { jacobian: model.jacobian, ...options })
const most = (values: Iterable<number>): number => Math.max(...Array.from(values, Math.abs))

describe('certified values', () => {
  const cases = Object.entries(nist).flatMap(([name, { starts }]) => starts.map((start) => ({ name, start })))
  test.each(cases)('$name from $start', ({ name, start }) => {
    const { model, values, errors, sum } = nist[name]!
    for (const jacobian of [model.jacobian, 'central'] as const) {
      const found = fit(model, start, { jacobian })
      expect(found.status).toBe('converged')
      values.forEach((x, k) =>
        expect(Math.abs(found.parameters[k]! / x - 1)).toBeLessThan(jacobian === 'central' ? 1e-6 : 1e-7),
      )
      errors.forEach((x, k) =>
        expect(Math.abs(found.standardErrors[k]! / x - 1)).toBeLessThan(jacobian === 'central' ? 1e-5 : 1e-6),
      )
      expect(Math.abs((2 * found.cost) / sum - 1)).toBeLessThan(1e-9)
      expect(found).toMatchObject({ rank: values.length, degreesOfFreedom: found.residuals.length - values.length })
    }
  })

  test('with a tighter tolerance the digits go as far as they are certified', () => {
    for (const { model, values, starts } of Object.values(nist)) {
      const found = fit(model, starts[1]!, { tolerance: 1e-11 })
      expect(found.status).toBe('converged')
      values.forEach((x, k) => expect(Math.abs(found.parameters[k]! / x - 1)).toBeLessThan(2e-10))
    }
  })
})

/** a·exp(−bt) + c·exp(−dt) with noise; well determined. */
function decay(key: number, noise = 0.01): { model: Model; start: number[]; truth: number[] } {
  const numbers = random(seed, key)
  const truth = [1 + numbers.uniform(), 0.3 + 0.2 * numbers.uniform(), 2 + numbers.uniform(), 2 + numbers.uniform()]
  const t = Array.from({ length: 40 }, (_, i) => i / 6)
  const f = (b: ArrayLike<number>, at: number): number => b[0]! * Math.exp(-b[1]! * at) + b[2]! * Math.exp(-b[3]! * at)
  const y = t.map((at) => f(truth, at) + noise * numbers.normal())
  const model = curve(t, y, f, (b, at) => [
    Math.exp(-b[1]! * at),
    -b[0]! * at * Math.exp(-b[1]! * at),
    Math.exp(-b[3]! * at),
    -b[2]! * at * Math.exp(-b[3]! * at),
  ])
  return { model, start: [1, 0.1, 1, 1], truth }
}

/** Jᵀr. */
function gradientOf(model: Model, x: Float64Array): number[] {
  const [r, j] = [model.residuals(x), model.jacobian(x)]
  return Array.from(x, (_, k) => r.reduce((sum, v, i) => sum + v * j[i * x.length + k]!, 0))
}

describe('beside the reference', () => {
  test.each([1, 2, 3, 4, 5, 6])('sums of two exponentials %i', (key) => {
    const { model, start } = decay(key)
    const expected = reference(model, start)
    const found = fit(model, start, { tolerance: 1e-10 })
    expect(found.status, `seed ${seed}`).toBe('converged')
    expect(distance(found.parameters, expected.x), `seed ${seed}`).toBeLessThan(1e-8)
    expect(distance(found.standardErrors, expected.standardErrors), `seed ${seed}`).toBeLessThan(1e-7)
    expect(Math.abs((2 * found.cost) / expected.sumOfSquares - 1)).toBeLessThan(1e-12)
    expect(found.iterations, `seed ${seed}`).toBeLessThan(Math.max(20, 1.5 * expected.iterations))
    const n = start.length
    for (let i = 0; i < n; i++) {
      expect(found.correlation.get(i, i)).toBe(1)
      expect(found.covariance.get(i, i)).toBeCloseTo(found.standardErrors[i]! ** 2, 15)
      for (let j = 0; j < n; j++) {
        const both = found.standardErrors[i]! * found.standardErrors[j]!
        expect(found.covariance.get(i, j)).toBe(found.covariance.get(j, i))
        expect(found.correlation.get(i, j)).toBeCloseTo(found.covariance.get(i, j) / both, 12)
      }
    }
    for (const jacobian of ['central', 'forward'] as const) {
      const near = fit(model, start, { jacobian })
      // In standard errors, what the tolerance promises.
      const far = most(near.parameters.map((x, k) => (x - expected.x[k]!) / expected.standardErrors[k]!))
      expect([near.status, far < (jacobian === 'central' ? 1e-6 : 1e-4)], `seed ${seed}: ${far}`).toEqual([
        'converged',
        true,
      ])
    }
  })

  test.each([11, 12, 13, 14, 15, 16, 17, 18])('with bounds: the conditions of Karush, Kuhn and Tucker %i', (key) => {
    const { model, start, truth } = decay(key)
    const numbers = random(seed, 1000 + key)
    const lower = truth.map((x) => (numbers.chance(0.5) ? x * (0.7 + 0.5 * numbers.uniform()) : -Infinity))
    const upper = truth.map((x, k) => Math.max(lower[k]!, 0) + x * (0.05 + numbers.uniform()))
    const from = start.map((x, k) => Math.min(Math.max(x, lower[k]!), upper[k]!))
    const found = fit(model, from, { lower, upper })
    const x = found.parameters
    expect(found.status, `seed ${seed}`).toBe('converged')
    x.forEach((v, k) => expect(v >= lower[k]! && v <= upper[k]!).toBe(true))
    const gradient = gradientOf(model, x)
    expect(distance(found.gradient, gradient)).toBeLessThan(1e-10)
    const columns = Array.from(x, (_, k) =>
      Math.hypot(...model.residuals(x).map((_, i) => model.jacobian(x)[i * 4 + k]!)),
    )
    for (const [k, g] of gradient.entries()) {
      const active = found.activeBounds.find(({ index }) => index === k)
      const cosine = g / columns[k]! / Math.sqrt(2 * found.cost)
      if (active === undefined) expect(Math.abs(cosine), `seed ${seed}, ${k}`).toBeLessThan(1e-7)
      else {
        expect(x[k]).toBe(active.bound === 'lower' ? lower[k] : upper[k])
        expect(active.bound === 'lower' ? cosine : -cosine).toBeGreaterThanOrEqual(0)
        expect([found.standardErrors[k], found.covariance.get(k, (k + 1) % 4)]).toEqual([NaN, NaN])
      }
    }
    const expected = reference(model, from, { lower, upper })
    expect(2 * found.cost).toBeLessThan(expected.sumOfSquares * (1 + 1e-9))
  })
})

describe('linear problems', () => {
  const linear = (key: number, m: number, n: number): { a: number[][]; b: number[]; model: Model } => {
    const numbers = random(seed, key)
    const a = Array.from({ length: m }, () => Array.from({ length: n }, numbers.normal))
    const b = Array.from({ length: m }, numbers.normal)
    const residuals = (x: Float64Array): Float64Array => Float64Array.from(a, (row, i) => row.reduce((sum, v, j) => sum + v * x[j]!, -b[i]!)) // prettier-ignore
    return { a, b, model: { residuals, jacobian: () => Float64Array.from(a.flat()) } }
  }

  test('one step to the solution of lsqr; the Jacobian as rows, as a matrix, as numbers', () => {
    for (let key = 1; key <= 10; key++) {
      const { a, b, model } = linear(key, 9, 4)
      const { x } = lsqrSync(dense(a), b, { rtol: 1e-14 })
      for (const jacobian of [() => a, () => ({ rows: 9, cols: 4, data: a.flat() }), () => a.flat(), model.jacobian]) {
        const found = fit(model, [1, 1, 1, 1], { jacobian })
        expect(found).toMatchObject({ status: 'converged', reason: 'offset', iterations: 1, jacobians: 2 })
        expect(distance(found.parameters, x), `seed ${seed}`).toBeLessThan(1e-11)
      }
    }
  })

  test('weights: sigma as rows divided by it; known sigma give (JᵀJ)⁻¹', () => {
    const { a, b, model } = linear(20, 12, 3)
    const sigma = Array.from({ length: 12 }, (_, i) => 0.5 + i / 4)
    const [scaledA, scaledB] = [a.map((row, i) => row.map((v) => v / sigma[i]!)), b.map((v, i) => v / sigma[i]!)]
    const { x } = lsqrSync(dense(scaledA), scaledB, { rtol: 1e-14 })
    const plain = fit(model, [0, 0, 0], { sigma })
    const known = fit(model, [0, 0, 0], { sigma, absoluteSigma: true })
    const doubled = fit(model, [0, 0, 0], { sigma: sigma.map((v) => 2 * v), absoluteSigma: true })
    expect(distance(plain.parameters, x)).toBeLessThan(1e-11)
    expect(Array.from(plain.residuals)).toEqual(Array.from(model.residuals(plain.parameters)))
    // (JᵀJ)·cov = I.
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        let sum = 0
        for (let k = 0; k < 3; k++)
          sum += scaledA.reduce((s, row) => s + row[i]! * row[k]!, 0) * known.covariance.get(k, j)
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 10)
      }
    }
    const s2 = (2 * plain.cost) / 9
    expect(plain.reducedChiSquare).toBeCloseTo(s2, 12)
    plain.standardErrors.forEach((v, k) => expect(v / known.standardErrors[k]! / Math.sqrt(s2)).toBeCloseTo(1, 12))
    doubled.standardErrors.forEach((v, k) => expect(v / known.standardErrors[k]!).toBeCloseTo(2, 10))
  })

  test('what the residuals do not determine is named, and the rest keeps its errors', () => {
    const { model } = linear(30, 10, 2)
    // The first parameter is written as a sum of two.
    const split = (x: Float64Array): Float64Array => Float64Array.of(x[0]! + x[2]!, x[1]!)
    const whole = fit(model, [0, 0])
    for (const jacobian of [
      'central',
      'forward',
      (x: Float64Array) =>
        model.jacobian(x).reduce<number[]>((rows, _, i, j) => (i % 2 ? rows : [...rows, j[i]!, j[i + 1]!, j[i]!]), []),
    ] as const) {
      // prettier-ignore
      const found = leastSquaresSync((x) => model.residuals(split(x)), [0, 0, 0], { jacobian })
      expect(found).toMatchObject({ status: 'converged', rank: 2, degreesOfFreedom: 8 })
      expect(found.warnings.map(({ code, index }) => [code, index])).toEqual([['parameter-not-identified', 0], ['parameter-not-identified', 2]]) // prettier-ignore
      expect(distance(split(found.parameters), whole.parameters)).toBeLessThan(1e-7)
      expect([found.standardErrors[0], found.standardErrors[2], found.covariance.get(0, 1)]).toEqual([NaN, NaN, NaN])
      expect(found.standardErrors[1]! / whole.standardErrors[1]!).toBeCloseTo(1, 6)
    }
  })

  test('no more residuals than parameters: an answer, and no errors', () => {
    const found = fit(linear(40, 3, 3).model, [0, 0, 0])
    expect(found.status).toBe('converged')
    expect(found.cost).toBeLessThan(1e-25)
    expect([...found.standardErrors].every(Number.isNaN)).toBe(true)
    expect(found.correlation.get(0, 0)).toBe(1)
    expect(found.warnings.map(({ code }) => code)).toEqual(['no-degrees-of-freedom'])
    expect(fit(linear(41, 2, 4).model, [0, 0, 0, 0])).toMatchObject({ status: 'converged', rank: 2 })
  })
})

describe('promises', () => {
  const valley: Model = {
    residuals: (x) => Float64Array.of(10 * (x[1]! - x[0]! ** 2), 1 - x[0]!),
    jacobian: (x) => Float64Array.of(-20 * x[0]!, 10, -1, 0),
  }

  test('residuals that vanish: Rosenbrock, held and free, and Powell with its singular Jacobian', () => {
    const free = fit(valley, [-1.2, 1])
    expect([free.status, distance(free.parameters, [1, 1]) < 1e-14]).toEqual(['converged', true])
    const bounded = fit(valley, [-1.2, 1], { upper: [0.5, 10] })
    expect(bounded).toMatchObject({ status: 'converged', activeBounds: [{ index: 0, bound: 'upper' }] })
    expect([bounded.parameters[0], bounded.gradient[0]! < 0]).toEqual([0.5, true])
    expect(bounded.parameters[1]).toBeCloseTo(0.25, 13)
    const held = fit(valley, [-1.2, 1], { lower: [-1.2, -Infinity], upper: [-1.2, Infinity], jacobian: 'central' })
    expect(held.parameters[0]).toBe(-1.2)
    expect(held.parameters[1]).toBeCloseTo(1.44, 11)
    const powell = leastSquaresSync((x) => [x[0]! + 10 * x[1]!, Math.sqrt(5) * (x[2]! - x[3]!), (x[1]! - 2 * x[2]!) ** 2, Math.sqrt(10) * (x[0]! - x[3]!) ** 2], [3, -1, 0, 1]) // prettier-ignore
    expect(powell.status).toBe('converged')
    expect(most(powell.parameters)).toBeLessThan(1e-7)
  })

  test('parameters in other units give the same digits', () => {
    const { model, start } = decay(31)
    const units = [2 ** 40, 2 ** -30, 2 ** 7, 1]
    const plain = fit(model, start)
    const back = (x: Float64Array): Float64Array => x.map((v, k) => v / units[k]!)
    const found = fit({ residuals: (x) => model.residuals(back(x)), jacobian: (x) => model.jacobian(back(x)).map((v, i) => v / units[i % 4]!) }, start.map((v, k) => v * units[k]!)) // prettier-ignore
    expect(back(found.parameters)).toEqual(plain.parameters)
    expect([found.iterations, found.cost]).toEqual([plain.iterations, plain.cost])
    expect(back(found.standardErrors)).toEqual(plain.standardErrors)
  })

  test('differences stay within the bounds, are as good at one, and are counted', () => {
    const { model, start } = decay(32)
    const [lower, upper] = [[1, 0.1, -Infinity, 0.9], [Infinity, 0.1 + 1e-9, 1.5, 4]] // prettier-ignore
    for (const jacobian of ['central', 'forward'] as const) {
      let calls = 0
      const found = leastSquaresSync(
        (x) => {
          calls++
          x.forEach((v, k) => expect(v >= lower[k]! && v <= upper[k]!).toBe(true))
          return model.residuals(x)
        },
        start,
        { lower, upper, jacobian },
      )
      expect([found.status, found.evaluations]).toEqual(['converged', calls])
      const exact = fit(model, start, { lower, upper })
      expect(distance(found.parameters, exact.parameters)).toBeLessThan(1e-6)
      expect(distance(found.gradient, exact.gradient)).toBeLessThan(jacobian === 'central' ? 1e-5 : 1e-3)
    }
  })

  test('values that are not finite are stepped back from', () => {
    // log of a negative number where the first step overshoots.
    const t = [1, 2, 3, 4, 5]
    const model = curve(t, t.map((v) => Math.log(3 * v + 1)), (b, at) => Math.log(b[0]! * at + b[1]!), (b, at) => [at / (b[0]! * at + b[1]!), 1 / (b[0]! * at + b[1]!)]) // prettier-ignore
    for (const jacobian of [model.jacobian, 'central', 'forward'] as const) {
      const found = fit(model, [1000, 1000], { jacobian })
      expect(found.status).toBe('converged')
      expect(found.nonFinite).toBeGreaterThan(0)
      expect(distance(found.parameters, [3, 1])).toBeLessThan(1e-6)
    }
  })

  test('a wrong Jacobian, and one that is not finite, are stalled', () => {
    const { model, start } = decay(33)
    const wrong = fit(model, start, { jacobian: (x) => model.jacobian(x).map((v) => -v) })
    expect(wrong).toMatchObject({ status: 'stalled', reason: 'noDecrease', iterations: 0 })
    expect(wrong.offset).toBeGreaterThan(0.01)
    expect(Array.from(wrong.parameters)).toEqual(start)
    const broken = fit(model, start, { jacobian: (x) => model.jacobian(x).fill(NaN, 5, 6) })
    expect(broken).toMatchObject({ status: 'stalled', reason: 'jacobianNotFinite' })
    expect(broken.warnings.map(({ code }) => code)).toEqual(['jacobian-unknown'])
    expect([broken.gradient[0], broken.standardErrors[0], broken.offset]).toEqual([NaN, NaN, undefined])
  })

  test('limits are kept to the call; iterations are told, and true ends it', () => {
    const { model, start } = decay(34)
    for (const maxEvaluations of [1, 5, 12, 30]) {
      let calls = 0
      const found = leastSquaresSync((x) => (calls++, model.residuals(x)), start, { maxEvaluations })
      expect(found).toMatchObject({ status: 'budget', reason: 'maxEvaluations', evaluations: maxEvaluations })
      expect(calls).toBe(maxEvaluations)
      expect(found.cost).toBeCloseTo(
        model.residuals(found.parameters).reduce((s, v) => s + (v * v) / 2, 0),
        12,
      )
    }
    expect(fit(model, start, { maxIterations: 2 })).toMatchObject({ reason: 'maxIterations', iterations: 2 })
    const seen: number[] = []
    const costs: number[] = []
    const stopped = fit(model, start, {
      onIteration: ({ iteration, cost }) => {
        seen.push(iteration)
        costs.push(cost)
        return iteration === 3
      },
    })
    expect(stopped).toMatchObject({ status: 'budget', reason: 'stopped', iterations: 3, cost: costs.at(-1) })
    expect(seen).toEqual([1, 2, 3])
    expect(costs).toEqual(costs.toSorted((a, b) => b - a))
    expect(fit(model, start, { target: 1 }).reason).toBe('target')
  })

  test('the same bits, at once or by promises; the start is not written to', async () => {
    const { model, start } = decay(35)
    const x0 = Float64Array.from(start)
    const expected = bytes(leastSquaresSync(model.residuals, x0).parameters)
    expect(bytes((await leastSquares(model.residuals, x0)).parameters)).toEqual(expected)
    expect(bytes((await leastSquares(async (x) => model.residuals(x), x0)).parameters)).toEqual(expected)
    const given = await leastSquares(model.residuals, x0, { jacobian: async (x) => model.jacobian(x) })
    expect(bytes(given.parameters)).toEqual(bytes(fit(model, start).parameters))
    expect(Array.from(x0)).toEqual(start)
  })

  test('what a function throws comes out as it is; aborts are heard', async () => {
    const { model, start } = decay(36)
    const oops = new Error('oops')
    let calls = 0
    const failing = (x: Float64Array): Float64Array => {
      if (++calls === 4) throw oops
      return model.residuals(x)
    }
    expect(() => leastSquaresSync(failing, start)).toThrow(oops)
    calls = 0
    await expect(leastSquares(async (x) => failing(x), start)).rejects.toBe(oops)
    const jacobian = (): never => { throw oops } // prettier-ignore
    await expect(leastSquares(model.residuals, start, { jacobian })).rejects.toBe(oops)
    for (const at of [1, 4]) {
      for (const onAbort of ['reject', 'partial'] as const) {
        const control = new AbortController()
        calls = 0
        const running = leastSquares(
          (x) => {
            if (++calls !== at) return model.residuals(x)
            setTimeout(() => control.abort(oops))
            return new Promise<never>(() => {})
          },
          start,
          { jacobian: model.jacobian, signal: control.signal, onAbort },
        )
        if (onAbort === 'reject' || at === 1) await expect(running).rejects.toBe(oops)
        else expect(await running).toMatchObject({ status: 'aborted', reason: 'aborted', evaluations: 3 })
      }
    }
  })

  test('misuse is an error that says what and where', () => {
    const good = (x: Float64Array): number[] => [x[0]! - 1, x[1]! - 2, x[0]! * x[1]!]
    const run = (options: object, fn: (x: Float64Array) => unknown = good, x0: unknown = [0, 0]) => () => leastSquaresSync(fn as never, x0 as never, options) // prettier-ignore
    const coded = (code: string, more: object = {}): Error => expect.objectContaining({ code, ...more })
    expect(run({ lowr: 1, target: -1 })).toThrow(/2 problems[^]*target[^]*lowr/)
    expect(run({ lower: [1, -1] })).toThrow(coded('start-not-feasible', { row: 0 }))
    expect(run({ lower: [0, 0, 0] })).toThrow(coded('shape-mismatch'))
    expect(run({ lower: 1, upper: 0 })).toThrow(coded('option-out-of-range', { row: 0 }))
    expect(run({ sigma: [1, 0, 1] })).toThrow(coded('option-out-of-range', { row: 1 }))
    expect(run({ absoluteSigma: true })).toThrow(coded('options-conflict'))
    expect(run({ jacobian: 'exact' })).toThrow(coded('option-not-valid'))
    expect(run({}, good, [0, NaN])).toThrow(coded('start-not-finite', { row: 1 }))
    expect(run({}, () => [1, Infinity])).toThrow(coded('start-not-finite', { row: 1 }))
    expect(run({}, () => [])).toThrow(coded('shape-mismatch'))
    expect(run({}, () => 3)).toThrow(coded('callback-not-valid'))
    expect(run({}, good, 'x')).toThrow(coded('vector-not-valid'))
    expect(run({}, async (x) => good(x))).toThrow(coded('callback-asynchronous'))
    expect(run({ jacobian: () => [1, 2, 3] })).toThrow(coded('shape-mismatch'))
    expect(run({ jacobian: () => [[1, 2, 3], [1, 2, 3]] })).toThrow(coded('shape-mismatch')) // prettier-ignore
    let calls = 0
    expect(run({}, (x) => (++calls === 3 ? [1] : good(x)))).toThrow(coded('shape-mismatch'))
    calls = 0
    expect(run({}, (x) => { const r = good(x); if (++calls === 3) structuredClone(x, { transfer: [x.buffer as ArrayBuffer] }); return r })).toThrow(coded('array-detached')) // prettier-ignore
  })

  test('the result is plain data', () => {
    const found = leastSquaresSync((x) => [x[0]! - 1, x[0]! - 2], [0])
    const { covariance, correlation, ...rest } = structuredClone(found)
    expect([covariance.data, correlation.data]).toEqual([found.covariance.data, found.correlation.data])
    expect(rest).toEqual({ ...found, covariance: undefined, correlation: undefined })
  })
})
