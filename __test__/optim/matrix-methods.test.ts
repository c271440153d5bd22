/** Muon, Adafactor and constrained parameters beside the plain references. A failure names its seed. */
import { describe, expect, test } from 'vitest'
import { Adafactor, AdamW, KronPsgd, Muon, Sgd } from '../../src-ts/optim/index.ts'
import { adafactor, adafactorStart } from '../reference/optim/adafactor.ts'
import { muon } from '../reference/optim/muon.ts'
import { cayleyRetraction, orthogonalityDefect } from '../reference/optim/stiefel.ts'
import { count, tensor } from '../reference/optim/tensor.ts'
import { adjoint, combine, multiply, scaled, type Matrix, type Vector } from '../reference/solve/dense.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { asArray, asVector, distance, draw, DTYPES, isComplex, isWide } from './arrays.ts'

const seed = chooseSeed()
const matrix = (rows: number, cols: number, v: Vector): Matrix => ({ rows, cols, ...v })

describe.each(DTYPES)('beside the references: %s', (dtype) => {
  test.each([
    [4, 7],
    [7, 4],
    [5, 5],
    [2, 12],
  ])('Muon, %i x %i', (rows, cols) => {
    const numbers = random(seed, 10 * rows + cols)
    const settings = { lr: 0.05, momentum: 0.8, nesterov: numbers.chance(0.5), weightDecay: 0.1, scale: numbers.pick(['aspect', 'rms'] as const) } // prettier-ignore
    const optimizer = new Muon(settings)
    const data = draw(numbers, rows * cols, dtype)
    let theta = matrix(rows, cols, asVector(data, dtype))
    let buffer = matrix(rows, cols, scaled(0, theta))
    for (let time = 0; time < 20; time++) {
      const g = draw(numbers, rows * cols, dtype)
      optimizer.step({ theta: { data, shape: [rows, cols], dtype } }, { theta: g })
      ;({ theta, buffer } = muon(theta, matrix(rows, cols, asVector(g, dtype)), buffer, settings))
      expect(distance(data, asArray(theta, dtype)), `seed ${seed}, step ${time}`).toBeLessThanOrEqual(isWide(dtype) ? 1e-11 : 1e-4) // prettier-ignore
    }
  })

  test.each([[[]], [[6]], [[4, 5]], [[2, 3, 4]]])('Adafactor, [%s]', (shape) => {
    const sizes = shape.length > 0 ? shape : [1]
    const numbers = random(seed, 200 + count(sizes))
    const relative = numbers.chance(0.5)
    const beta1 = numbers.pick([0, 0.7])
    const settings = {
      epsilon1: 1e-30,
      epsilon2: 1e-3,
      clip: 0.9,
      decay: -0.8,
      weightDecay: 0.1,
      ...(relative ? {} : { lr: 0.02 }),
    }
    const { epsilon1, epsilon2, clip, weightDecay } = settings
    const optimizer = new Adafactor({ relative, epsilon1, epsilon2, clip, weightDecay, beta1, lr: relative ? 1 : 0.02 })
    const data = draw(numbers, count(sizes), dtype)
    let theta = tensor(sizes, asVector(data, dtype))
    let state = adafactorStart(sizes)
    for (let time = 0; time < 20; time++) {
      const g = draw(numbers, count(sizes), dtype)
      optimizer.step({ theta: { data, shape, dtype } }, { theta: g })
      ;({ theta, state } = adafactor(theta, tensor(sizes, asVector(g, dtype)), state, { ...settings, beta1 }))
      expect(distance(data, asArray(theta, dtype)), `seed ${seed}, step ${time}`).toBeLessThanOrEqual(isWide(dtype) ? 1e-12 : 1e-5) // prettier-ignore
    }
  })

  test("a step of orthonormal columns is Cayley's curve along the tangent gradient", () => {
    const [n, p, lr] = [7, 3, 0.1]
    const numbers = random(seed, 300)
    const data = orthonormal(n, p, draw(numbers, n * p, 'complex128') as Float64Array, dtype)
    const w = matrix(n, p, asVector(data, dtype))
    const g = draw(numbers, n * p, dtype)
    const G = matrix(n, p, asVector(g, dtype))
    new Sgd({ lr, groups: [{ match: /./, constraint: 'stiefel' }] }).step(
      { w: { data, shape: [n, p], dtype } },
      { w: g },
    )
    // With P the curve's A = P T Wᴴ − W Tᴴ P of the tangent T is that of the reference with u = P T.
    const overlap = multiply(adjoint(w), G)
    const tangent = combine(G, -0.5, multiply(w, combine(overlap, 1, adjoint(overlap))))
    const projected = combine(tangent, -0.5, multiply(w, multiply(adjoint(w), tangent)))
    expect(distance(data, asArray(cayleyRetraction(w, projected, lr), dtype))).toBeLessThan(
      isWide(dtype) ? 1e-13 : 1e-5,
    )
  })
})

/** Orthonormal columns by Gram and Schmidt's process, twice. */
function orthonormal(
  n: number,
  p: number,
  from: Float64Array,
  dtype: (typeof DTYPES)[number],
): Float32Array | Float64Array {
  const complex = isComplex(dtype)
  const columns = Array.from({ length: p }, (_, j) => Array.from({ length: n }, (_, i) => ({ re: from[2 * (i * p + j)]!, im: complex ? from[2 * (i * p + j) + 1]! : 0 }))) // prettier-ignore
  for (let round = 0; round < 2; round++) {
    columns.forEach((column, j) => {
      for (const other of columns.slice(0, j)) {
        const re = column.reduce((sum, z, i) => sum + other[i]!.re * z.re + other[i]!.im * z.im, 0)
        const im = column.reduce((sum, z, i) => sum + other[i]!.re * z.im - other[i]!.im * z.re, 0)
        column.forEach((z, i) => {
          const { re: a, im: b } = other[i]!
          z.re -= re * a - im * b
          z.im -= re * b + im * a
        })
      }
      const size = Math.sqrt(column.reduce((sum, z) => sum + z.re ** 2 + z.im ** 2, 0))
      column.forEach((z) => void ((z.re /= size), (z.im /= size)))
    })
  }
  const at = (i: number, j: number): Vector => ({ re: Float64Array.of(columns[j]![i]!.re), im: Float64Array.of(columns[j]![i]!.im) }) // prettier-ignore
  const cells = Array.from({ length: n * p }, (_, k) => at(Math.floor(k / p), k % p))
  return asArray({ re: Float64Array.from(cells, ({ re }) => re[0]!), im: Float64Array.from(cells, ({ im }) => im[0]!) }, dtype) // prettier-ignore
}

describe('constraints', () => {
  test.each(DTYPES)('the columns stay orthonormal and find the leading eigenvectors: %s', (dtype) => {
    // min −½ tr(Wᴴ D W), D diagonal: W spans the axes of the largest elements.
    const [n, p] = [12, 3]
    const numbers = random(seed, 310)
    const data = orthonormal(n, p, draw(numbers, n * p, 'complex128') as Float64Array, dtype)
    const width = isComplex(dtype) ? 2 : 1
    const d = Array.from({ length: n }, (_, i) => 1 + i)
    const optimizers = [new Sgd({ lr: 0.05, momentum: 0.5, weightDecay: 0.1, groups: [{ match: ['w'], constraint: 'stiefel' }] }), new AdamW({ lr: 0.02, groups: [{ match: ['w'], constraint: 'stiefel' }] }), new KronPsgd({ lr: 0.02, groups: [{ match: ['w'], constraint: 'stiefel' }] })] // prettier-ignore
    for (const optimizer of optimizers) {
      const w = data.slice()
      for (let step = 0; step < 1500; step++) {
        const g = w.map((x, k) => -d[Math.floor(k / (p * width))]! * x)
        optimizer.step({ w: { data: w, shape: [n, p], dtype } }, { w: g })
      }
      const W = matrix(n, p, asVector(w, dtype))
      expect(orthogonalityDefect(W)).toBeLessThan(isWide(dtype) ? 1e-12 : 2e-5)
      const captured = Float64Array.from(w).reduce((sum, x, k) => sum + d[Math.floor(k / (p * width))]! * x * x, 0)
      expect(captured / (12 + 11 + 10)).toBeGreaterThan(0.98)
    }
  })

  test('non-negative parameters: the projected minimum', () => {
    // ½|x − (1, −1, 2)|²: (1, 0, 2).
    const x = Float64Array.of(3, 3, 3)
    const optimizer = new Sgd({ lr: 0.2, groups: [{ match: /x/, constraint: 'nonnegative' }] })
    for (let step = 0; step < 200; step++)
      optimizer.step({ x }, { x: Float64Array.of(x[0]! - 1, x[1]! + 1, x[2]! - 2) })
    expect(distance(x, [1, 0, 2])).toBeLessThan(1e-12)
    expect(x[1]).toBe(0)
  })

  test('what does not obey at the start, or never can, is refused', () => {
    const code = (act: () => unknown): unknown => {
      try {
        return act()
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    const groups = (constraint: 'stiefel' | 'nonnegative') => [{ match: /./, constraint }]
    const w = { data: Float64Array.of(1, 1, 0, 1), shape: [2, 2] }
    expect(code(() => new Sgd({ groups: groups('stiefel') }).step({ w }, { w: new Float64Array(4) }))).toBe('parameter-not-admitted') // prettier-ignore
    expect(code(() => new Sgd({ groups: groups('stiefel') }).step({ w: { ...w, shape: [1, 4] } }, { w: new Float64Array(4) }))).toBe('tensor-not-suitable') // prettier-ignore
    expect(code(() => new Sgd({ groups: groups('nonnegative') }).step({ w: Float64Array.of(-1) }, { w: new Float64Array(1) }))).toBe('parameter-not-admitted') // prettier-ignore
    expect(code(() => new Sgd({ groups: groups('nonnegative') }).step({ w: { ...w, dtype: 'complex128', shape: [2] } }, { w: new Float64Array(4) }))).toBe('tensor-not-suitable') // prettier-ignore
  })
})
