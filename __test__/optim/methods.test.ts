/** The elementwise methods beside recorded runs and the plain references. A failure names its seed. */
import { describe, expect, test } from 'vitest'
import { AdamW, Lion, Sgd, type Dtype, type Optimizer } from '../../src-ts/optim/index.ts'
import { adamw, adamwStart } from '../reference/optim/adamw.ts'
import { lion } from '../reference/optim/lion.ts'
import { array, cases, row, vectorOf } from '../reference/optim/load.ts'
import { sgd } from '../reference/optim/sgd.ts'
import { scaled, toInterleaved, vector, zeros, type Vector } from '../reference/solve/dense.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { asArray, asVector, distance, draw, DTYPES, isComplex, rounding } from './arrays.ts'

const seed = chooseSeed()

interface AdamwCases {
  lr: number
  beta1: number
  beta2: number
  eps: number
  weight_decay: number
  checkpoints: number[]
  cases: { name: string; complex: boolean }[]
}

describe('AdamW beside recorded runs of another program', () => {
  const recorded = cases<AdamwCases>('adamw')
  const { lr, beta1, beta2, eps: epsilon, weight_decay: weightDecay, checkpoints } = recorded
  const runs = recorded.cases.flatMap(({ name, complex }) =>
    (complex ? (['perPart', 'modulus'] as const) : (['perPart'] as const)).map((moment) => ({ name, complex, moment })),
  )
  test.each(runs)('$name, $moment', ({ name, complex, moment }) => {
    const dtype: Dtype = complex ? 'complex128' : 'float64'
    const optimizer = new AdamW({ lr, beta1, beta2, epsilon, weightDecay, secondMoment: moment })
    const theta = asArray(vectorOf(array('adamw', `${name}.theta0.npy`)), dtype)
    const gradients = array('adamw', `${name}.gradients.npy`)
    const expected = array('adamw', `${name}.${moment}.npy`)
    const width = complex ? 2 : 1
    const size = 12 * width
    for (let step = 1; step <= 200; step++) {
      const g = Float64Array.from(gradients.data.slice((step - 1) * size, step * size), (x) => x / 4096)
      optimizer.step({ theta: { data: theta, dtype } }, { theta: g })
      const at = checkpoints.indexOf(step)
      if (at >= 0) expect(distance(theta, asArray(row(expected, at), dtype))).toBeLessThanOrEqual(1e-12)
    }
  })
})

/** A run of some steps of the package and of a reference on the same random gradients. */
function beside(
  dtype: Dtype,
  key: number,
  optimizer: Optimizer,
  reference: (theta: Vector, g: Vector) => Vector,
  steps = 60,
): void {
  const numbers = random(seed, key)
  const n = 1 + numbers.integer(70)
  const data = draw(numbers, n, dtype)
  let theta = asVector(data, dtype)
  for (let step = 0; step < steps; step++) {
    // Some gradients are zero, and their size changes by orders of magnitude.
    const g = draw(numbers, n, dtype, numbers.pick([0, 1, 1, 1, 1e-3, 100]))
    optimizer.step({ theta: { data, dtype } }, { theta: g })
    theta = reference(theta, asVector(g, dtype))
    // The reference goes on from rounded numbers, as the package does.
    const found = distance(data, asArray(theta, dtype))
    expect(found, `seed ${seed}, key ${key}, step ${step}`).toBeLessThanOrEqual(rounding(dtype))
  }
}

describe.each(DTYPES)('beside the references: %s', (dtype) => {
  const complex = isComplex(dtype)

  test.each([1, 2, 3, 4])('AdamW %i', (key) => {
    const pick = random(seed, 100 + key)
    const settings = {
      lr: pick.pick([1e-3, 0.1]),
      beta1: pick.pick([0, 0.9]),
      beta2: pick.pick([0.9, 0.999]),
      epsilon: pick.pick([1e-8, 1e-3]),
      weightDecay: pick.pick([0, 0.1]),
      secondMoment: pick.pick(['modulus', 'perPart'] as const),
      cap: pick.pick([Infinity, 2]),
    }
    const { cap, ...rest } = settings
    const optimizer = new AdamW(cap === Infinity ? rest : { ...rest, metricCap: cap })
    let state: ReturnType<typeof adamwStart> | undefined
    beside(dtype, key, optimizer, (theta, g) => {
      const moved = adamw(theta, g, state ?? adamwStart(theta.re.length), { ...settings, complex })
      state = moved.state
      return moved.theta
    })
  })

  test.each([11, 12, 13, 14])('gradient descent %i', (key) => {
    const pick = random(seed, 100 + key)
    const momentum = pick.pick([0, 0.5, 0.9])
    const settings = {
      lr: 0.01,
      momentum,
      nesterov: momentum > 0 && pick.chance(0.5),
      weightDecay: pick.pick([0, 0.1]),
    }
    let buffer: Vector | undefined
    beside(dtype, key, new Sgd(settings), (theta, g) => {
      const moved = sgd(theta, g, buffer ?? zeros(theta.re.length), settings)
      buffer = moved.buffer
      return moved.theta
    })
  })

  test.each([21, 22])('Lion %i', (key) => {
    const settings = { lr: 0.01, beta1: 0.9, beta2: 0.99, weightDecay: 0.1 }
    let m: Vector | undefined
    beside(dtype, key, new Lion(settings), (theta, g) => {
      const moved = lion(theta, g, m ?? zeros(theta.re.length), { ...settings, sign: 'modulus' })
      m = moved.m
      return moved.theta
    })
  })
})

test('a turned gradient turns the step of modulus and of Lion, not of perPart', () => {
  const numbers = random(seed, 31)
  const n = 20
  const angle = 0.7
  const turn = (x: Vector): Vector =>
    vector(
      x.re.map((re, k) => Math.cos(angle) * re - Math.sin(angle) * x.im[k]!),
      x.re.map((re, k) => Math.sin(angle) * re + Math.cos(angle) * x.im[k]!),
    )
  const start = asVector(draw(numbers, n, 'complex128'), 'complex128')
  const gradients = Array.from({ length: 30 }, () => asVector(draw(numbers, n, 'complex128'), 'complex128'))
  const run = (optimizer: Optimizer, theta: Vector, gs: Vector[]): Vector => {
    const data = asArray(theta, 'complex128')
    for (const g of gs) optimizer.step({ theta: { data, dtype: 'complex128' } }, { theta: toInterleaved(g) })
    return asVector(data, 'complex128')
  }
  const off = (make: () => Optimizer): number => {
    const [plain, turned] = [run(make(), start, gradients), run(make(), turn(start), gradients.map(turn))]
    return distance(toInterleaved(turned), toInterleaved(turn(plain)))
  }
  expect(off(() => new AdamW({ lr: 0.05 }))).toBeLessThan(1e-13)
  expect(off(() => new Lion({ lr: 0.05 }))).toBeLessThan(1e-12)
  expect(off(() => new AdamW({ lr: 0.05, secondMoment: 'perPart' }))).toBeGreaterThan(1e-3)
})

test('groups, schedules and clipping are those of the formula', () => {
  const a = Float64Array.of(1, 2)
  const b = Float64Array.of(3)
  const optimizer = new Sgd({
    lr: (step) => 0.1 / (step + 1),
    clipNorm: 1,
    groups: [{ match: /^b/, lr: 0.5, weightDecay: 0.2 }],
  })
  optimizer.step({ a, b }, { a: Float64Array.of(3, 0), b: Float64Array.of(4) })
  // ‖g‖ = 5 is shortened to 1.
  expect(distance(a, [1 - 0.1 * 0.6, 2])).toBeLessThan(1e-15)
  expect(distance(b, [3 * (1 - 0.5 * 0.2) - 0.5 * 0.8])).toBeLessThan(1e-15)
  optimizer.step({ a, b }, { a: Float64Array.of(0.5, 0), b: Float64Array.of(0) })
  expect(distance(a, [0.94 - 0.05 * 0.5, 2])).toBeLessThan(1e-15)
})

test('zero gradients for a thousand steps stay finite, and huge ones are refused', () => {
  for (const dtype of DTYPES) {
    const theta = draw(random(seed, 41), 33, dtype)
    const zero = asArray(scaled(0, asVector(theta, dtype)), dtype)
    const params = { theta: { data: theta, dtype } }
    const optimizer = new AdamW({ temperature: 1e-5, metricCap: 100 })
    for (let step = 0; step < 1000; step++) optimizer.step(params, { theta: zero })
    expect(theta.every(Number.isFinite)).toBe(true)
    const before = Array.from(theta)
    const huge = zero.map(() => (theta instanceof Float32Array ? 1e30 : 1e200))
    const report = optimizer.step(params, { theta: huge })
    expect([report.committed, report.cause, report.fault?.what]).toEqual([false, 'candidateNotFinite', 'state'])
    expect(Array.from(theta)).toEqual(before)
  }
})
