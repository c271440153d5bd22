/** Robust fits: the objective, what a result remembers of it, and what it says about single cells. */
import { expect, test } from 'vitest'
import { certify, factorize, Factorization, InvalidInputError, Matrix, type Robust } from '../../index.ts'
import { noise } from '../native/problem.ts'
import { fixture } from '../reference/load.ts'
import { epaData, spoilt } from './sources.ts'

interface Golden {
  solutions: {
    set: string
    p: number
    alpha: number
    Q_huber: number
    Q_robust: number
    Q_true: number
    n_outliers: number
  }[]
}

test('robust: 4 reaches the golden minimum of the Huber objective of the Baton Rouge set', async () => {
  const expected = fixture<Golden>('robust.json').solutions.find(({ set }) => set === 'batonrouge')!
  const model = await factorize(epaData('batonrouge'), { factors: expected.p, robust: expected.alpha, seed: 2 })
  expect(model.status).toBe('converged')
  expect(Math.abs(model.q / expected.Q_huber - 1)).toBeLessThan(1e-8)
  expect(Math.abs(model.qTrue / expected.Q_true - 1)).toBeLessThan(1e-6)
  expect(Math.abs(model.qRobust / expected.Q_robust - 1)).toBeLessThan(1e-6)
  expect(model.outliers).toBe(expected.n_outliers)
  expect(model.nearThreshold).toBeGreaterThanOrEqual(0)
  // Ranked by the same objective: the minima are in its order, and the best is the one returned.
  expect(Math.abs(model.basins[0]!.q / model.q - 1)).toBeLessThan(1e-12)
})

test('q is the sum of the loss over the returned point, for Huber and Student', async () => {
  const data = spoilt()
  const loss: [Robust, (t: number) => number][] = [
    [true, (t) => (t <= 4 ? t * t : 8 * t - 16)],
    [{ alpha: 2 }, (t) => (t <= 2 ? t * t : 4 * t - 4)],
    [{ student: 3 }, (t) => 4 * Math.log1p((t * t) / 3)],
  ]
  for (const [robust, rho] of loss) {
    const { q, profiles, contributions } = await factorize(data, { factors: 2, robust, starts: 3 })
    let sum = 0
    for (let i = 0; i < 40; i++) {
      for (let j = 0; j < 6; j++) {
        const fit = contributions.get(i, 0) * profiles.get(0, j) + contributions.get(i, 1) * profiles.get(1, j)
        sum += rho(Math.abs(data.values.get(i, j) - fit) / 0.1)
      }
    }
    expect(Math.abs(q / sum - 1)).toBeLessThan(1e-10)
  }
})

test('cell weights are α/t beyond α and 1 within, and the least trusted cells are the spoilt ones', async () => {
  const data = spoilt()
  const model = await factorize(data, { factors: 2, robust: 4, starts: 3 })
  const weights = await model.cellWeights()
  expect([weights.rows, weights.cols]).toEqual([40, 6])
  const { contributions: w, profiles: h } = model
  for (let i = 0; i < 40; i++) {
    for (let j = 0; j < 6; j++) {
      const t = Math.abs(data.values.get(i, j) - w.get(i, 0) * h.get(0, j) - w.get(i, 1) * h.get(1, j)) / 0.1
      expect(weights.get(i, j)).toBeCloseTo(Math.min(1, 4 / t), 10)
    }
  }
  const { count, cells } = await model.downweightedCells()
  expect(cells.slice(0, 2).map(({ sample, species }) => [sample, species])).toEqual([
    [3, 1],
    [7, 0],
  ])
  expect(count).toBe(model.outliers)
  expect((await model.downweightedCells({ limit: 1 })).cells).toEqual(cells.slice(0, 1))
  const plain = await factorize(data, { factors: 2, starts: 3 })
  expect((await plain.cellWeights()).data.every((share) => share === 1)).toBe(true)
})

test('a model remembers its loss through JSON, and certify judges it by that loss', async () => {
  const data = spoilt()
  const model = await factorize(data, { factors: 2, robust: true, starts: 3 })
  expect(model.robust).toEqual({ alpha: 4 })
  const again = Factorization.fromJSON(JSON.stringify(model))
  expect(again.robust).toEqual({ alpha: 4 })
  const verdict = await certify(data, again)
  expect(verdict).toMatchObject({ status: 'converged', robust: { alpha: 4 } })
  expect(Math.abs(verdict.q / model.q - 1)).toBeLessThan(1e-10)
  const plain = await certify(data, again, { robust: false })
  expect(plain.robust).toBeUndefined()
  expect(Math.abs(plain.q / model.qTrue - 1)).toBeLessThan(1e-10)
  expect(plain.status).not.toBe('converged')
})

test('a censored cell costs nothing below its limit and pulls the model down from above', async () => {
  const data = spoilt()
  // The true value of (3, 1) is far below what stands there: as a limit it is no contradiction.
  const flags = new Float64Array(240)
  flags[3 * 6 + 1] = 1
  flags[7 * 6] = 1
  const censored = new Matrix(40, 6, flags)
  const model = await factorize({ ...data, censored }, { factors: 2, starts: 3 })
  expect(model.data.censored).toBe(2)
  const plain = await factorize(data, { factors: 2, starts: 3 })
  expect(model.q).toBeLessThan(0.1 * plain.q)
  const weights = await model.cellWeights()
  expect([weights.get(3, 1), weights.get(7, 0), weights.get(0, 0)]).toEqual([0, 0, 1])
  expect(Factorization.fromJSON(JSON.stringify(model)).data).toEqual(model.data)
})

test.each([
  [0, 'option-out-of-range', /α must be a positive finite number, got 0/],
  [-4, 'option-out-of-range', /got -4/],
  [NaN, 'option-out-of-range', /got NaN/],
  [{ alpha: Infinity }, 'option-out-of-range', /robust\.alpha must be a positive finite number/],
  [{ student: 0 }, 'option-out-of-range', /robust\.student must be a positive/],
  [{ alpha: 4, student: 4 }, 'options-conflict', /not both/],
  [{}, 'option-missing', /needs alpha, or student/],
  [{ freedom: 4 }, 'option-missing', /no option 'robust\.freedom'/],
  ['huber', 'option-not-valid', /robust must be true, a positive number/],
] as [never, string, RegExp][])('robust: %j is refused with what would be right', async (robust, code, message) => {
  const call = factorize(noise(6, 4), { factors: 2, robust })
  await expect(call).rejects.toThrow(message)
  await expect(call).rejects.toMatchObject({ code })
  await expect(call).rejects.toBeInstanceOf(InvalidInputError)
})

test('methods that minimise squares alone are refused for other objectives', async () => {
  for (const method of ['mu', 'hals'] as const) {
    // Before any work, and together with what else is wrong.
    const call = factorize(noise(6, 4), { factors: 2, robust: true, method, seed: -1 })
    await expect(call).rejects.toMatchObject({ code: 'options-conflict' })
    await expect(call).rejects.toThrow(/a robust fit needs 'anls' or 'auto'[^]*seed must be a whole number/)
    const censored = new Matrix(6, 4, new Float64Array(24).fill(1))
    const other = factorize({ ...noise(6, 4), censored }, { factors: 2, method })
    await expect(other).rejects.toMatchObject({ code: 'options-conflict' })
  }
})

test('flags of censored cells are checked for shape and values', async () => {
  const wrong = factorize({ ...noise(6, 4), censored: new Matrix(4, 6, new Float64Array(24)) }, { factors: 2 })
  await expect(wrong).rejects.toMatchObject({ code: 'shape-mismatch' })
  const half = factorize({ ...noise(6, 4), censored: new Matrix(6, 4, new Float64Array(24).fill(0.5)) }, { factors: 2 })
  await expect(half).rejects.toMatchObject({ code: 'matrix-not-valid', row: 0, col: 0 })
})
