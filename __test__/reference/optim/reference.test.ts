/** The references of the optimisers against recorded runs, closed forms and certified values. */
import { describe, expect, test } from 'vitest'
import { nnls } from '../nnls.ts'
import { adjoint, combine, complex, distance, identity, largest, matrixFrom, minus, multiply, norm, plus, scaled, vector, type Matrix, type Vector } from '../solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../solve/eigen.ts'
import { random, type Random } from '../solve/random.ts'
import { adafactor, adafactorStart, secondMoments, type AdafactorSettings } from './adafactor.ts'
import { adamw, adamwStart, afterBurnIn, stationaryVariance, type AdamWSettings } from './adamw.ts'
import { direction, directionDense, lbfgs, strongWolfe, type Objective, type Pair } from './lbfgs.ts'
import { leastSquares, solveQr, type Model } from './least-squares.ts'
import { lion } from './lion.ts'
import { array, cases, row, vectorOf } from './load.ts'
import { muon, newtonSchulz, polar, quintic, spectral } from './muon.ts'
import { sgd, sgdStart } from './sgd.ts'
import { cayleyRetraction, orthogonalityDefect, skew } from './stiefel.ts'
import { rms, tensor } from './tensor.ts'

const draw = (next: Random, n: number, isComplex = false): Vector => ({
  re: Float64Array.from({ length: n }, next.normal),
  im: Float64Array.from({ length: n }, () => (isComplex ? next.normal() : 0)),
})
const drawMatrix = (next: Random, rows: number, cols: number, isComplex = false): Matrix => ({ rows, cols, ...draw(next, rows * cols, isComplex) }) // prettier-ignore
const PHASE = complex(Math.cos(0.7), Math.sin(0.7))

describe('AdamW', () => {
  interface Fixture {
    lr: number
    beta1: number
    beta2: number
    eps: number
    weight_decay: number
    checkpoints: number[]
    cases: ({ name: string; complex: boolean } & Record<string, { file: string }>)[]
  }
  const fixture = cases<Fixture>('adamw')
  const settings: AdamWSettings = { lr: fixture.lr, beta1: fixture.beta1, beta2: fixture.beta2, epsilon: fixture.eps, weightDecay: fixture.weight_decay, secondMoment: 'perPart', complex: true } // prettier-ignore

  test.each(
    fixture.cases.flatMap((kase) =>
      (['perPart', 'modulus'] as const).filter((kind) => kind in kase).map((kind) => [kase.name, kind, kase] as const),
    ),
  )('%s, %s: the recorded run', (_, secondMoment, kase) => {
    // prettier-ignore
    const recorded = array('adamw', kase.gradients!.file)
    const gradients = kase.complex ? { ...recorded, complex: true } : recorded
    const expected = array('adamw', kase[secondMoment]!.file)
    let theta = vectorOf(array('adamw', kase.theta0!.file))
    let state = adamwStart(12)
    for (let k = 0, done = 0; done < fixture.checkpoints.length; k++) {
      const g = scaled(1 / 4096, row({ ...gradients, shape: [200, 12] }, k))
      ;({ theta, state } = adamw(theta, g, state, { ...settings, secondMoment, complex: kase.complex }))
      if (k + 1 !== fixture.checkpoints[done]) continue
      const wanted = row(expected, done++)
      expect(largest(minus(theta, wanted)) / largest(wanted)).toBeLessThan(1e-12)
    }
  })

  const run = (gradients: readonly Vector[], rest: Partial<AdamWSettings>): Vector => {
    let theta = vector(new Float64Array(gradients[0]!.re.length))
    let state = adamwStart(theta.re.length)
    for (const g of gradients) ({ theta, state } = adamw(theta, g, state, { ...settings, ...rest }))
    return theta
  }

  test('modulus turns with the gradient, perPart does not; on a real tensor both are the same', () => {
    const next = random(1)
    const list = Array.from({ length: 50 }, () => draw(next, 5, true))
    const turned = list.map((g) => scaled(PHASE, g))
    expect(distance(run(turned, { secondMoment: 'modulus' }), scaled(PHASE, run(list, { secondMoment: 'modulus' })))).toBeLessThan(1e-14) // prettier-ignore
    expect(distance(run(turned, {}), scaled(PHASE, run(list, {})))).toBeGreaterThan(0.01)
    const real = list.map(({ re }) => vector(re))
    expect(run(real, { secondMoment: 'modulus', complex: false })).toEqual(run(real, { complex: false }))
  })

  test('nothing but decay moves without gradients; a thousand steps stay finite', () => {
    let theta = vector([1, -2], [3, 0])
    let state = adamwStart(2)
    for (let k = 0; k < 1000; k++) ({ theta, state } = adamw(theta, vector([0, 0]), state, settings))
    expect(distance(theta, scaled(0.9999 ** 1000, vector([1, -2], [3, 0])))).toBeLessThan(1e-12)
  })

  test('no noise before half of the second moment is known', () => {
    expect([afterBurnIn(2, 0.999, 692), afterBurnIn(2, 0.999, 693)]).toEqual([0, 2])
  })

  /** Chains side by side on U = Σ λ|θ|²/2, from a start of the right order; mean square per real part. */
  const sample = (
    chains: number,
    steps: number,
    lambda: number,
    rest: Partial<AdamWSettings> & { temperature: number },
  ) => {
    // prettier-ignore
    const next = random(2)
    let theta = scaled(Math.sqrt(rest.temperature / lambda), draw(next, chains, rest.complex))
    let state = adamwStart(chains)
    const all = { ...settings, beta1: 0, weightDecay: 0, noise: next.normal, ...rest }
    for (let k = 0; k < steps; k++) ({ theta, state } = adamw(theta, scaled(lambda, theta), state, all))
    return (rms(theta) ** 2 / (rest.complex ? 2 : 1)) * (lambda / rest.temperature)
  }

  test('a capped metric samples exp(−U/T), whatever its size: drift and noise have the same one', () => {
    for (const cap of [0.5, 2]) {
      const lr = 0.4 / cap / 2
      // G = cap in all steps, since 1/√v̂ is larger; h G λ = 0.4, 4000 chains: σ of the variance is √(2/4000).
      const found = sample(4000, 25, 2, { lr, cap, temperature: 1e-3, complex: false })
      expect(Math.abs(found / stationaryVariance(0.4) - 1)).toBeLessThan(3 * Math.sqrt(2 / 4000))
    }
    const complexOne = sample(4000, 25, 2, { lr: 0.2, cap: 1, temperature: 1e-3, complex: true, secondMoment: 'modulus' }) // prettier-ignore
    expect(Math.abs(complexOne / stationaryVariance(0.4) - 1)).toBeLessThan(3 * Math.sqrt(1 / 4000))
  })

  test('momentum warms by the stated factor', () => {
    const found = sample(4000, 200, 1, { lr: 0.02, cap: 1, temperature: 1e-3, beta1: 0.9, complex: false })
    expect(stationaryVariance(0.02, 0.9)).toBeCloseTo(1.19, 10)
    expect(Math.abs(found / 1.19 - 1)).toBeLessThan(3 * Math.sqrt(2 / 4000) + 0.02)
  })

  test('noise is √(2Th/(√v̂ + ε)) a part, and the ratio to the drift is reported', () => {
    const next = random(3)
    const g = draw(next, 20_000, true)
    const one = adamw(vector(new Float64Array(20_000)), g, adamwStart(20_000), { ...settings, weightDecay: 0, temperature: 0.3, secondMoment: 'modulus', noise: next.normal }) // prettier-ignore
    const still = adamw(vector(new Float64Array(20_000)), g, adamwStart(20_000), { ...settings, weightDecay: 0, secondMoment: 'modulus' }) // prettier-ignore
    const shake = minus(one.theta, still.theta)
    const unit = vector(shake.re.map((x, k) => x / Math.sqrt((2 * 0.3 * settings.lr) / (Math.hypot(g.re[k]!, g.im[k]!) + settings.epsilon)))) // prettier-ignore
    expect(Math.abs(rms(unit) - 1)).toBeLessThan(0.02)
    expect([one.noiseRms, one.driftRms]).toEqual([expect.closeTo(rms(shake) / Math.SQRT2, 12), expect.closeTo(rms(still.theta) / Math.SQRT2, 12)]) // prettier-ignore
  })
})

describe('SGD and Lion', () => {
  test('heavy ball and Nesterov on λθ²/2: the powers of their 2 × 2 matrix', () => {
    const [lr, momentum, lambda, steps] = [0.1, 0.8, 3, 37]
    for (const nesterov of [false, true]) {
      let [theta, buffer] = [vector([1]), sgdStart(1)]
      for (let k = 0; k < steps; k++) ({ theta, buffer } = sgd(theta, scaled(lambda, theta), buffer, { lr, momentum, nesterov, weightDecay: 0 })) // prettier-ignore
      // (θ, b) ← (θ − η u, μ b + λ θ), u = b′ or λθ + μ b′.
      const [onTheta, onB] = nesterov ? [lambda * (1 + momentum), momentum * momentum] : [lambda, momentum]
      const matrix = matrixFrom(2, 2, (i, j) => [[1 - lr * onTheta, -lr * onB], [lambda, momentum]][i]![j]!) // prettier-ignore
      let power = identity(2)
      for (let k = 0; k < steps; k++) power = multiply(power, matrix)
      expect(theta.re[0]).toBeCloseTo(power.re[0]!, 12)
    }
  })

  test('decay is decoupled', () => {
    const { theta } = sgd(vector([2], [4]), vector([1], [0]), sgdStart(1), { lr: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0.5 }) // prettier-ignore
    expect([theta.re[0], theta.im[0]]).toEqual([expect.closeTo(1.8, 15), expect.closeTo(3.8, 15)])
  })

  test('SGLD has the variance T/(λ(1 − hλ/2)), in each real part', () => {
    const next = random(4)
    const [lr, lambda, temperature, n] = [0.2, 2, 0.5, 4000]
    for (const isComplex of [false, true]) {
      let theta = scaled(0.5, draw(next, n, isComplex))
      for (let k = 0; k < 25; k++) ({ theta } = sgd(theta, scaled(lambda, theta), sgdStart(n), { lr, momentum: 0, nesterov: false, weightDecay: 0, temperature, noise: next.normal, complex: isComplex })) // prettier-ignore
      const found = rms(theta) ** 2 / (isComplex ? 2 : 1)
      expect(Math.abs(found / (temperature / (lambda * (1 - (lr * lambda) / 2))) - 1)).toBeLessThan(3 * Math.sqrt((isComplex ? 1 : 2) / n)) // prettier-ignore
    }
  })

  test('Lion by hand, with phases', () => {
    const settings = { lr: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0.5, sign: 'perPart' } as const
    // c = 0.9·(1, −1, 0) + 0.1·(−20, 3, 0).
    const one = lion(vector([2, 2, 2]), vector([-20, 3, 0]), vector([1, -1, 0]), settings)
    expect(Array.from(one.theta.re, (x) => Math.round(1e12 * x) / 1e12)).toEqual([2, 2, 1.9])
    expect(Array.from(one.m.re, (x) => Math.round(1e12 * x) / 1e12)).toEqual([0.79, -0.96, 0])
    const next = random(5)
    const [g, m] = [draw(next, 6, true), draw(next, 6, true)]
    const zero = vector(new Float64Array(6))
    const plain = lion(zero, g, m, { ...settings, sign: 'modulus' }).theta
    const turned = lion(zero, scaled(PHASE, g), scaled(PHASE, m), { ...settings, sign: 'modulus' }).theta
    expect(distance(turned, scaled(PHASE, plain))).toBeLessThan(1e-14)
    plain.re.forEach((re, k) => expect(Math.hypot(re, plain.im[k]!)).toBeCloseTo(0.1, 14))
    expect(lion(zero, zero, zero, { ...settings, sign: 'modulus' }).theta).toEqual(zero)
  })
})

describe('Muon', () => {
  test('five rounds do to each singular value what the polynomial does, and nothing to the vectors', () => {
    const next = random(6)
    for (const [rows, cols, isComplex] of [
      [6, 4, false],
      [4, 6, true],
      [5, 5, true],
      [1, 7, false],
      [3, 1, true],
    ] as const) {
      // prettier-ignore
      const u = drawMatrix(next, rows, cols, isComplex)
      const size = norm(u) + 1e-7
      expect(
        distance(
          newtonSchulz(u),
          spectral(u, (sigma) => quintic(sigma / size)),
        ),
      ).toBeLessThan(1e-12)
      const o = polar(u)
      const gram = rows <= cols ? multiply(o, adjoint(o)) : multiply(adjoint(o), o)
      expect(distance(gram, identity(gram.rows))).toBeLessThan(1e-11)
    }
  })

  test('it is near the polar factor where no singular value is small', () => {
    const next = random(7)
    const u = combine(identity(8), 0.2, drawMatrix(next, 8, 8))
    const gap = combine(newtonSchulz(u), -1, polar(u))
    // The polynomial takes [0.01, 1] into [0.68, 1.14].
    const values = Array.from({ length: 991 }, (_, k) => quintic(0.01 + k / 1000))
    expect([Math.min(...values) > 0.68, Math.max(...values) < 1.14]).toEqual([true, true])
    expect(Math.sqrt(hermitianEigen(multiply(adjoint(gap), gap)).values.at(-1)!)).toBeLessThan(0.32)
  })

  test('momentum, decay and both scales', () => {
    const next = random(8)
    const [theta, g, b] = [drawMatrix(next, 6, 2), drawMatrix(next, 6, 2), drawMatrix(next, 6, 2)]
    const settings = { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.5, scale: 'aspect' } as const
    const one = muon(theta, g, b, settings)
    expect(distance(one.buffer, plus(g, 0.9, b))).toBeLessThan(1e-15)
    const o = newtonSchulz(combine(g, 0.9, combine(g, 0.9, b)))
    expect(distance(one.theta, plus(scaled(0.95, theta), -0.1 * Math.sqrt(3), o))).toBeLessThan(1e-14)
    const other = muon(theta, g, b, { ...settings, scale: 'rms', nesterov: false })
    const plain = newtonSchulz(combine(g, 0.9, b))
    expect(distance(other.theta, plus(scaled(0.95, theta), -0.1 * 0.2 * Math.sqrt(6), plain))).toBeLessThan(1e-14)
  })
})

describe('Adafactor', () => {
  const settings: AdafactorSettings = { epsilon1: 1e-30, epsilon2: 1e-3, clip: 1, decay: -0.8, weightDecay: 0 }

  test('squares of rank one are kept exactly: steps are signs', () => {
    const [a, b] = [[1, -10, 1e-3], [2, 1e-4, 30, 5]] // prettier-ignore
    const g = tensor([3, 4], vector(a.flatMap((x) => b.map((y) => x * y))))
    const { state, theta } = adafactor(tensor([3, 4]), g, adafactorStart([3, 4]), { ...settings, lr: 0.1 })
    secondMoments([3, 4], state).forEach((v, k) => expect(v / g.re[k]! ** 2).toBeCloseTo(1, 10))
    theta.re.forEach((x, k) => expect(x).toBeCloseTo(-0.1 * Math.sign(g.re[k]!), 10))
  })

  test('the factored moments have the row and column sums of the squares (paper, section 3)', () => {
    const next = random(9)
    const shape = [2, 3, 4]
    let state = adafactorStart(shape)
    const squares = new Float64Array(24)
    for (let t = 1; t <= 5; t++) {
      const g = tensor(shape, draw(next, 24, true))
      state = adafactor(tensor(shape), g, state, settings).state
      const beta = 1 - t ** -0.8
      squares.forEach((x, k) => (squares[k] = beta * x + (1 - beta) * (g.re[k]! ** 2 + g.im[k]! ** 2)))
    }
    const v = secondMoments(shape, state)
    const sums = (x: Float64Array, key: (k: number) => number): number[] => {
      const out: number[] = []
      x.forEach((value, k) => (out[key(k)] = (out[key(k)] ?? 0) + value))
      return out
    }
    for (const key of [(k: number) => Math.floor(k / 4), (k: number) => 4 * Math.floor(k / 12) + (k % 4)]) {
      const [found, wanted] = [sums(v, key), sums(squares, key)]
      found.forEach((x, k) => expect(x / wanted[k]!).toBeCloseTo(1, 12))
    }
  })

  test('relative steps, clipping, and vectors', () => {
    const g = tensor([2], vector([3, 4]))
    // t = 1: V̂ = g², U = (1, 1), RMS 1: not clipped; ρ = 0.01, RMS(θ) = 5.
    const one = adafactor(tensor([2], vector([1, 7])), g, adafactorStart([2]), settings)
    expect([one.theta.re[0], one.theta.re[1]]).toEqual([expect.closeTo(0.95, 12), expect.closeTo(6.95, 12)])
    // Ten times the gradient: β̂ = 1 − 2^(−0.8), U = 10/√(β̂ + 100 (1 − β̂)) > 1 is cut to 1.
    const two = adafactor(one.theta, tensor([2], scaled(10, g)), one.state, { ...settings, lr: 0.1, beta1: 0.5, weightDecay: 0.5 }) // prettier-ignore
    expect(two.theta.re[0]).toBeCloseTo(0.95 - 0.1 * (0.5 * 0.95 + 0.5 + 0.5), 12)
    const zero = adafactor(tensor([2]), tensor([2]), adafactorStart([2]), settings)
    expect(zero.theta).toEqual(tensor([2]))
  })
})

const rosenbrock: Objective = (x) => {
  const g = new Float64Array(x.length)
  let f = 0
  for (let k = 0; k + 1 < x.length; k++) {
    const [gap, rest] = [x[k + 1]! - x[k]! ** 2, 1 - x[k]!]
    f += 100 * gap ** 2 + rest ** 2
    g[k]! += -400 * x[k]! * gap - 2 * rest
    g[k + 1]! += 200 * gap
  }
  return { f, g }
}

describe('L-BFGS', () => {
  test('two loops give what the matrix gives, and a step satisfies both Wolfe conditions', () => {
    const next = random(10)
    const pairs: Pair[] = Array.from({ length: 5 }, () => {
      const s = Float64Array.from({ length: 6 }, next.normal)
      return { s, y: s.map((value, k) => (k + 1) * value) }
    })
    const g = Float64Array.from({ length: 6 }, next.normal)
    expect(distance(vector(direction(g, pairs)), vector(directionDense(g, pairs)))).toBeLessThan(1e-12)
    for (let k = 0; k < 200; k++) {
      const x = Float64Array.from({ length: 2 }, () => 2 * next.normal())
      const start = rosenbrock(x)
      const p = start.g.map((value) => -value)
      const { trial } = strongWolfe(rosenbrock, x, start, p, 10 ** (4 * next.normal()), 1e-4, 0.1)
      const slope = -start.g.reduce((sum, value) => sum + value * value, 0)
      expect(trial!.f).toBeLessThanOrEqual(start.f + 1e-4 * trial!.step * slope)
      expect(Math.abs(trial!.slope)).toBeLessThanOrEqual(-0.1 * slope)
    }
  })

  test.each([2, 100])('Rosenbrock of %i', (n) => {
    const found = lbfgs(rosenbrock, new Float64Array(n), { gradientTolerance: 1e-9 })
    expect(found.reason).toBe('gradient')
    found.x.forEach((x) => expect(x).toBeCloseTo(1, 9))
    expect(found.iterations).toBeLessThan(n === 2 ? 40 : 700)
  })

  test('a quadratic of n variables with exact searches and full memory ends in n iterations', () => {
    const n = 8
    const quadratic: Objective = (x) => ({ f: x.reduce((sum, v, k) => sum + ((k + 1) * v * v) / 2, 0), g: x.map((v, k) => (k + 1) * v) }) // prettier-ignore
    const found = lbfgs(quadratic, new Float64Array(n).fill(1), { c2: 1e-9, c1: 1e-10, gradientTolerance: 1e-7 })
    expect(found.iterations).toBeLessThanOrEqual(n + 1)
  })
})

describe('least squares', () => {
  const curve = (
    t: readonly number[],
    y: readonly number[],
    f: (x: Float64Array, t: number) => number,
    slope: (x: Float64Array, t: number) => number[],
  ): Model => ({
    // prettier-ignore
    residuals: (x) => Float64Array.from(t, (at, i) => f(x, at) - y[i]!),
    jacobian: (x) => Float64Array.from(t.flatMap((at) => slope(x, at))),
  })
  /** Statistical Reference Datasets of NIST (public domain): data, two starts, certified values. */
  const misra1a = curve(
    [77.6, 114.9, 141.1, 190.8, 239.9, 289, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760],
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.4, 75.47, 81.78],
    (b, t) => b[0]! * (1 - Math.exp(-b[1]! * t)),
    (b, t) => [1 - Math.exp(-b[1]! * t), b[0]! * t * Math.exp(-b[1]! * t)],
  )
  const mgh09 = curve(
    [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625],
    [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246],
    (b, t) => (b[0]! * (t * t + t * b[1]!)) / (t * t + t * b[2]! + b[3]!),
    (b, t) => {
      const [above, below] = [t * t + t * b[1]!, t * t + t * b[2]! + b[3]!]
      return [above / below, (b[0]! * t) / below, (-b[0]! * above * t) / below ** 2, (-b[0]! * above) / below ** 2]
    },
  )
  test.each([
    [
      'Misra1a',
      misra1a,
      [500, 0.0001],
      [238.94212918, 5.5015643181e-4],
      [2.7070075241, 7.2668688436e-6],
      0.12455138894,
    ],
    [
      'Misra1a',
      misra1a,
      [250, 0.0005],
      [238.94212918, 5.5015643181e-4],
      [2.7070075241, 7.2668688436e-6],
      0.12455138894,
    ],
    ['MGH09', mgh09, [25, 39, 41.5, 39], [0.19280693458, 0.19128232873, 0.12305650693, 0.13606233068], [0.011435312227, 0.19633220911, 0.080842031232, 0.090025542308], 3.0750560385e-4], // prettier-ignore
    ['MGH09', mgh09, [0.25, 0.39, 0.415, 0.39], [0.19280693458, 0.19128232873, 0.12305650693, 0.13606233068], [0.011435312227, 0.19633220911, 0.080842031232, 0.090025542308], 3.0750560385e-4], // prettier-ignore
  ] as const)('NIST %s', (_, model, start, certified, errors, sum) => {
    const found = leastSquares(model, start)
    expect(found.reason).not.toBe('maxIterations')
    // Certified to 11 digits.
    found.x.forEach((x, k) => expect(Math.abs(x / certified[k]! - 1)).toBeLessThan(1e-8))
    found.standardErrors.forEach((x, k) => expect(Math.abs(x / errors[k]! - 1)).toBeLessThan(1e-6))
    expect(Math.abs(found.sumOfSquares / sum - 1)).toBeLessThan(1e-9)
  })

  const valley: Model = {
    residuals: (x) => Float64Array.of(10 * (x[1]! - x[0]! ** 2), 1 - x[0]!),
    jacobian: (x) => Float64Array.of(-20 * x[0]!, 10, -1, 0),
  }
  test('Rosenbrock, free and bounded', () => {
    const free = leastSquares(valley, [-1.2, 1])
    free.x.forEach((x) => expect(x).toBeCloseTo(1, 12))
    const held = leastSquares(valley, [-1.2, 1], { upper: [0.5, 10] })
    expect([held.x[0], held.reason]).toEqual([0.5, 'gradient'])
    expect(held.x[1]).toBeCloseTo(0.25, 12)
  })

  test('a linear problem: one QR, and with x ≥ 0 the active set of NNLS', () => {
    const next = random(11)
    for (let round = 0; round < 20; round++) {
      const [m, n] = [8, 4]
      const a = Array.from({ length: m }, () => Array.from({ length: n }, next.normal))
      const b = Array.from({ length: m }, next.normal)
      const model: Model = { residuals: (x) => Float64Array.from(a, (line, i) => line.reduce((sum, v, j) => sum + v * x[j]!, -b[i]!)), jacobian: () => Float64Array.from(a.flat()) } // prettier-ignore
      const normal = Float64Array.from({ length: n * n }, (_, k) => a.reduce((sum, line) => sum + line[Math.floor(k / n)]! * line[k % n]!, 0)) // prettier-ignore
      const right = Array.from({ length: n }, (_, j) => a.reduce((sum, line, i) => sum + line[j]! * b[i]!, 0))
      const free = leastSquares(model, [0, 0, 0, 0])
      solveQr(a, b).forEach((x, j) => expect(free.x[j]).toBeCloseTo(x, 10))
      const bounded = leastSquares(model, [1, 1, 1, 1], { lower: [0, 0, 0, 0] })
      nnls(normal, right, n).forEach((x, j) => expect(bounded.x[j]).toBeCloseTo(x, 10))
    }
  })
})

describe('orthogonal parameters', () => {
  test('WᴴW is kept, −A W is the slope, and the way back is the same', () => {
    const next = random(12)
    for (const [rows, cols, isComplex] of [
      [6, 3, false],
      [5, 5, true],
      [7, 1, true],
    ] as const) {
      const w = polar(drawMatrix(next, rows, cols, isComplex))
      const u = drawMatrix(next, rows, cols, isComplex)
      for (const eta of [0.01, 1, 30]) expect(orthogonalityDefect(cayleyRetraction(w, u, eta))).toBeLessThan(1e-12)
      const slope = scaled(1 / 2e-5, minus(cayleyRetraction(w, u, 1e-5), cayleyRetraction(w, u, -1e-5)))
      expect(distance(slope, scaled(-1, multiply(skew(w, u), w)))).toBeLessThan(1e-8)
      // −A W = −(u − W uᴴW) where WᴴW = I.
      const canonical = combine(u, -1, multiply(w, multiply(adjoint(u), w)))
      expect(distance(multiply(skew(w, u), w), canonical)).toBeLessThan(1e-12)
    }
  })

  test('descent by it finds the leading eigenvectors', () => {
    const next = random(13)
    const half = drawMatrix(next, 6, 6, true)
    const a = multiply(half, adjoint(half))
    const { values } = hermitianEigen(a)
    let w = polar(drawMatrix(next, 6, 2, true))
    for (let k = 0; k < 3000; k++) {
      const g = multiply(a, w)
      w = cayleyRetraction(w, { rows: 6, cols: 2, ...scaled(-1 / values.at(-1)!, g) }, 0.5)
    }
    const found = multiply(adjoint(w), multiply(a, w))
    expect(found.re[0]! + found.re[3]!).toBeCloseTo(values.at(-1)! + values.at(-2)!, 8)
  })
})
