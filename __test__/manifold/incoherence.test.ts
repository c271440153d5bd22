/** The overlap of decoders against its definition as a sum of squares, and against differences of the value. */
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../index.ts'
import { coActivationPairs, DecoderIncoherence } from '../../src-ts/manifold/index.ts'
import { gradient, hessianVector } from '../reference/manifold/derivatives.ts'
import { matrix, overlaps, value, type Overlapping } from '../reference/manifold/incoherence.ts'

/** Numbers in (-0.5, 0.5) from a seed (a multiplicative congruential generator). */
function generator(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5
}

const random = generator(5)
const numbers = (length: number): Float64Array => Float64Array.from({ length }, () => 2 * random())
// Blocks of different sizes, one of them without a partner, weights that are not symmetric.
const data: Overlapping = {
  functions: [3, 1, 2, 2],
  columns: 3,
  weights: [[9, 0.4, 0.1, 0], [0.2, 9, 0.7, 0], [0.5, 0, 9, 0], [0, 0, 0, 9]], // prettier-ignore
  strength: 1.3,
}
const size = 24
const target = numbers(size)
const v = numbers(size)
const dense = (): DecoderIncoherence =>
  new DecoderIncoherence({ functions: data.functions, columns: 3, coActivation: data.weights, weight: 1.3 })
/** The same as pairs, not in order. */
const sparse = (): DecoderIncoherence =>
  new DecoderIncoherence({
    functions: Uint32Array.from(data.functions),
    columns: 3,
    coActivation: { first: [1, 0, 0], second: [2, 2, 1], weight: [0.35, 0.3, 0.5 * (0.4 + 0.2)] },
    weight: 1.3,
  })
const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))
const distance = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  norm(Array.from(x, (a, i) => a - y[i]!)) / norm(y)
const times = (m: Float64Array, x: Float64Array): Float64Array =>
  x.map((_, i) => x.reduce((sum, y, j) => sum + m[i * x.length + j]! * y, 0))

function refusal(run: () => unknown): InvalidInputError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return error as InvalidInputError
  }
  throw new Error('nothing was refused')
}

test('value and derivatives are those of the definition, and of differences of the value', () => {
  const penalty = dense()
  expect(penalty.size).toBe(size)
  const f = (x: Float64Array): number => value(data, x)
  expect(Math.abs(penalty.value(target) / f(target) - 1)).toBeLessThan(1e-14)
  expect(distance(penalty.gradient(target), gradient(f, target))).toBeLessThan(1e-9)
  expect(distance(penalty.hessianVector(target, v), hessianVector(f, target, v))).toBeLessThan(1e-7)
  expect(distance(penalty.hessianVector(target, v), times(matrix(data, target, true), v))).toBeLessThan(1e-14)
  expect(distance(penalty.majorizerVector(target, v), times(matrix(data, target, false), v))).toBeLessThan(1e-14)
  // The definition's gradient from its own Hessian: P is of degree 4.
  expect(distance(penalty.gradient(target), times(matrix(data, target, true), target).map((x) => x / 3))).toBeLessThan(1e-14) // prettier-ignore
})

test('what is added to a dense block is scale times the matrix of the products', () => {
  const penalty = dense()
  for (const exact of [false, true]) {
    const begin = numbers(size * size)
    const block = begin.slice()
    if (exact) penalty.accumulateHessian(target, block, -0.7)
    else penalty.accumulateMajorizer(target, block, -0.7)
    const added = block.map((x, i) => (x - begin[i]!) / -0.7)
    expect(distance(added, matrix(data, target, exact))).toBeLessThan(1e-13)
    const column = (j: number): Float64Array => {
      const unit = new Float64Array(size)
      unit[j] = 1
      return exact ? penalty.hessianVector(target, unit) : penalty.majorizerVector(target, unit)
    }
    for (let j = 0; j < size; j++) {
      column(j).forEach((x, i) => expect(Math.abs(x - added[i * size + j]!)).toBeLessThan(1e-13))
    }
    const plain = new Float64Array(size * size)
    penalty.accumulateMajorizer(target, plain)
    if (!exact) expect(distance(plain, added)).toBeLessThan(1e-13)
  }
})

test('a dense matrix and a list of pairs are the same penalty', () => {
  const [one, other] = [dense(), sparse()]
  expect(other.pairs).toEqual(one.pairs)
  expect(one.pairs.first).toEqual(Uint32Array.from([0, 0, 1]))
  expect(other.value(target)).toBe(one.value(target))
  expect(other.gradient(target)).toEqual(one.gradient(target))
  expect(other.hessianVector(target, v)).toEqual(one.hessianVector(target, v))
  expect(other.functions).toEqual(data.functions)
})

test('the strength is w exp ρ, its derivative by ρ is the value, and a schedule sets w', () => {
  const penalty = dense()
  const at = (rho: number): number => {
    penalty.rho = rho
    return penalty.value(target)
  }
  const slope = (at(0.3 + 1e-5) - at(0.3 - 1e-5)) / 2e-5
  penalty.rho = 0.3
  expect(Math.abs(penalty.gradientRho(target) / slope - 1)).toBeLessThan(1e-9)
  expect(penalty.strength).toBe(1.3 * Math.exp(0.3))
  expect(penalty.applySchedule({ from: 1, to: 5, steps: 4 }, 3)).toBe(4)
  expect([penalty.weight, penalty.rho, penalty.strength]).toEqual([4, 0.3, 4 * Math.exp(0.3)])
  expect(penalty.applySchedule({ from: 1, to: 16, steps: 4, geometric: true }, 1)).toBe(2)
  expect(penalty.applySchedule({ from: 1, to: 16, steps: 4 }, 99)).toBe(16)
  penalty.rho = 0
  expect(Math.abs(penalty.value(target) / value({ ...data, strength: 16 }, target) - 1)).toBeLessThan(1e-14)
  const given = new DecoderIncoherence({ functions: data.functions, columns: 3, coActivation: data.weights, weight: 2, rho: -1 }) // prettier-ignore
  expect([given.weight, given.rho, given.strength]).toEqual([2, -1, 2 * Math.exp(-1)])
})

test('overlaps are those of the pairs, whatever the scale', () => {
  const wanted = overlaps(data, target)
  const { largest, mean, pairs } = dense().overlaps(target)
  expect(pairs).toBe(3)
  expect(Math.abs(largest - Math.max(...wanted))).toBeLessThan(1e-14)
  expect(Math.abs(mean - wanted.reduce((a, b) => a + b) / 3)).toBeLessThan(1e-14)
  const scaled = dense().overlaps(target.map((x) => 1e3 * x))
  expect(Math.abs(scaled.mean - mean)).toBeLessThan(1e-14)
  // A decoder of zeros has no overlap.
  const without = target.slice().fill(0, 9, 12)
  const rest = overlaps(data, without)
  expect(rest).toHaveLength(1)
  const found = dense().overlaps(without)
  expect(found.pairs).toBe(1)
  expect(Math.abs(found.mean - rest[0]!)).toBeLessThan(1e-14)
  expect(found.largest).toBe(found.mean)
})

test('the repulsion acts on nearly equal decoders only, by their overlap and not by their scale', () => {
  const two = { functions: [1, 1], columns: 2, coActivation: [[0, 1], [1, 0]] } // prettier-ignore
  const penalty = new DecoderIncoherence(two)
  expect(penalty.repulsion([1, 0, 0.6, 0.8]).pairs.first).toHaveLength(0)
  const close = [2, 0, 3, 0.3]
  const s = 36 / (4 * (9 + 0.09))
  const u = 2 * s - 1
  const wanted = 0.5 * 1e-4 * 3 * u * u * (3 - 2 * u) * s
  expect(Math.abs(penalty.repulsion(close, 3).value(close) / wanted - 1)).toBeLessThan(1e-14)
  const large = close.map((x) => 100 * x)
  expect(Math.abs(penalty.repulsion(large, 3).value(large) / wanted - 1)).toBeLessThan(1e-12)
})

test('pairs from supports are the mean products of the amounts of atoms that are active together', () => {
  const [rows, atoms] = [200, 12]
  const supports = Array.from({ length: rows }, () =>
    Array.from({ length: atoms }, (_, k) => k).filter(() => random() > 0.15),
  )
  const amounts = supports.map((row) => row.map((_, x) => (x % 5 === 4 ? 0 : random() + 0.5)))
  const wanted = Array.from({ length: atoms }, () => new Array<number>(atoms).fill(0))
  supports.forEach((row, n) =>
    row.forEach((j, x) => row.forEach((k, y) => (wanted[j]![k]! += (amounts[n]![x]! * amounts[n]![y]!) / rows))),
  )
  const { first, second, weight } = coActivationPairs({ atoms, supports, amounts })
  expect(first.length).toBeGreaterThan(50)
  first.forEach((j, at) => expect(Math.abs(weight[at]! / wanted[j]![second[at]!]! - 1)).toBeLessThan(1e-13))
  const there = new Set(Array.from(first, (j, at) => j * atoms + second[at]!))
  for (let j = 0; j < atoms; j++) for (let k = j + 1; k < atoms; k++) expect(there.has(j * atoms + k)).toBe(wanted[j]![k]! > 0) // prettier-ignore
  const plain = coActivationPairs({ atoms: 3, supports: [[0, 2], [1, 2], []] }) // prettier-ignore
  expect(plain).toEqual({ first: Uint32Array.from([0, 1]), second: Uint32Array.from([2, 2]), weight: Float64Array.from([1 / 3, 1 / 3]) }) // prettier-ignore
})

test('what does not fit is refused by name, and blocks stay as they were', () => {
  const penalty = dense()
  for (const call of [
    (x: Float64Array) => penalty.value(x),
    (x: Float64Array) => penalty.gradient(x),
    (x: Float64Array) => penalty.hessianVector(x, v),
    (x: Float64Array) => penalty.hessianVector(target, x),
    (x: Float64Array) => penalty.majorizerVector(target, x),
    (x: Float64Array) => penalty.overlaps(x),
    (x: Float64Array) => penalty.repulsion(x),
    (x: Float64Array) => penalty.accumulateMajorizer(x, new Float64Array(size * size)),
  ]) {
    expect(refusal(() => call(new Float64Array(size - 1))).code).toBe('shape-mismatch')
    expect(refusal(() => call(target.with(7, NaN)))).toMatchObject({ code: 'vector-not-finite', row: 7 })
  }
  expect(refusal(() => penalty.value(target.map(() => 1e200))).code).toBe('scale-overflow')
  const block = new Float64Array(size * size)
  expect(
    refusal(() =>
      penalty.accumulateMajorizer(
        target.map(() => 1e200),
        block,
      ),
    ).code,
  ).toBe('scale-overflow')
  expect(refusal(() => penalty.accumulateMajorizer(target, block.subarray(1))).code).toBe('shape-mismatch')
  expect(refusal(() => penalty.accumulateMajorizer(target, [] as never)).code).toBe('dtype-mismatch')
  expect(refusal(() => penalty.accumulateMajorizer(target, block, NaN)).code).toBe('option-out-of-range')
  expect(refusal(() => penalty.accumulateMajorizer(block.subarray(3, 3 + size), block)).code).toBe('arrays-overlap')
  expect(block.every((x) => x === 0)).toBe(true)
  expect(refusal(() => (penalty.rho = NaN)).code).toBe('option-out-of-range')
  expect(refusal(() => (penalty.rho = 1000)).code).toBe('weight-not-valid')
  expect([penalty.rho, penalty.strength]).toEqual([0, 1.3])
  expect(refusal(() => penalty.applySchedule({ from: 0, to: 1, steps: 3, geometric: true }, 1)).code).toBe('weight-not-valid') // prettier-ignore
  expect(refusal(() => penalty.applySchedule({ from: 1, to: 1, steps: 3 }, -1)).code).toBe('option-out-of-range')
  expect(penalty.weight).toBe(1.3)

  const base = { functions: [1, 1, 2], columns: 2 }
  const pair = (first: number, second: number, weight: number) => () =>
    new DecoderIncoherence({ ...base, coActivation: { first: [first], second: [second], weight: [weight] } })
  expect(refusal(pair(1, 1, 1)).code).toBe('pair-not-valid')
  expect(refusal(pair(2, 1, 1)).code).toBe('pair-not-valid')
  expect(refusal(pair(0, 3, 1)).code).toBe('pair-not-valid')
  expect(refusal(pair(0, 1, -1)).code).toBe('weight-not-valid')
  expect(refusal(pair(0, 1, NaN)).code).toBe('weight-not-valid')
  expect(refusal(pair(0.5, 1, 1)).code).toBe('option-not-valid')
  expect(refusal(() => new DecoderIncoherence({ ...base, coActivation: { first: [0, 0], second: [1, 1], weight: [1, 2] } })).code).toBe('pair-not-valid') // prettier-ignore
  expect(refusal(() => new DecoderIncoherence({ ...base, coActivation: { first: [0], second: [1, 2], weight: [1] } })).code).toBe('shape-mismatch') // prettier-ignore
  expect(refusal(() => new DecoderIncoherence({ ...base, coActivation: [[0, 1], [1, 0]] })).code).toBe('shape-mismatch') // prettier-ignore
  expect(refusal(() => new DecoderIncoherence({ ...base, columns: 0, coActivation: [] })).code).toBe(
    'option-out-of-range',
  )
  expect(refusal(() => new DecoderIncoherence({ ...base } as never)).code).toBe('option-missing')
  expect(refusal(() => coActivationPairs({ atoms: 2, supports: [[0], [0, 2]] }))).toMatchObject({ code: 'support-not-valid', row: 1, col: 1 }) // prettier-ignore
  expect(refusal(() => coActivationPairs({ atoms: 3, supports: [[0], [2, 1]] }))).toMatchObject({ code: 'support-not-valid', row: 1 }) // prettier-ignore
  expect(refusal(() => coActivationPairs({ atoms: 3, supports: [[0, 1]], amounts: [[1, -1]] }))).toMatchObject({ code: 'weight-not-valid', row: 0, col: 1 }) // prettier-ignore
  expect(refusal(() => coActivationPairs({ atoms: 3, supports: [[0, 1]], amounts: [[1]] })).code).toBe('shape-mismatch')
})
