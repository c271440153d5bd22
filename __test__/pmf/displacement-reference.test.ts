/** Displacement of a planted case against brute force. */
import { expect, test } from 'vitest'
import { factorize, Matrix } from '../../index.ts'
import { random } from '../native/problem.ts'
import { displaced, held } from '../reference/displacement.ts'
import { objective, problem, type Factors } from '../reference/model.ts'

const [rows, cols, p] = [20, 6, 2]

/** Two sources, each missing in some samples, with noise of 5 %. */
function planted(): { values: Matrix; uncertainties: Matrix } {
  const draw = random(11)
  const h = [4, 2, 0.5, 0, 1, 0.2, 0, 0.3, 2, 5, 0.2, 1.5]
  const u = new Float64Array(rows * cols)
  const values = Float64Array.from({ length: rows * cols }, () => 0)
  for (let i = 0; i < rows; i++) {
    const w = [draw() < 0.3 ? 0 : 2 * draw(), draw() < 0.3 ? 0 : 2 * draw()]
    for (let j = 0; j < cols; j++) {
      const x = w[0]! * h[j]! + w[1]! * h[cols + j]!
      const at = i * cols + j
      u[at] = 0.05 * x + 0.03
      // Three uniform numbers: near enough to normal, with a variance of 1.
      values[at] = x + u[at]! * 2 * (draw() + draw() + draw() - 1.5)
    }
  }
  return { values: new Matrix(rows, cols, values), uncertainties: new Matrix(rows, cols, u) }
}

test('intervals of a planted case are those of brute force', { timeout: 100_000 }, async () => {
  const data = planted()
  const model = await factorize(data, { factors: p, seed: 1, starts: 10 })
  expect(model.status).toBe('converged')
  const plain = problem(rows, cols, data.values.data, data.uncertainties.data)
  const base: Factors = { p, w: Float64Array.from(model.contributions.data), h: Float64Array.from(model.profiles.data) }
  expect(objective(plain, base)).toBeCloseTo(model.q, 8)
  const levels = [4, 15]
  const { elements } = await model.displacement({ levels })
  expect(elements).toHaveLength(p * cols)
  const atZero = elements.filter((element) => element.levels[0]!.lowerAtZero).length
  expect(atZero).toBeGreaterThan(0)
  expect(atZero).toBeLessThan(p * cols - 2)
  for (const { factor, column, base: value, levels: intervals } of elements) {
    // Held where it is, the base is what the refit finds.
    expect(Math.abs(held(plain, base, factor, column, value).q - model.q)).toBeLessThan(1e-6)
    for (const [l, level] of levels.entries()) {
      const { lower, upper, lowerAtZero } = intervals[l]!
      const ends = [displaced(plain, base, factor, column, level, -1), displaced(plain, base, factor, column, level, 1)]
      const width = ends[1]! - ends[0]!
      expect(Math.abs(lower - ends[0]!)).toBeLessThan(1e-4 * width)
      expect(Math.abs(upper - ends[1]!)).toBeLessThan(1e-4 * width)
      expect(lowerAtZero === true).toBe(ends[0] === 0)
    }
  }
})
