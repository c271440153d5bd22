/** Displacement of a planted case against brute force. */
import { expect, test } from 'vitest'
import { factorize } from '../../index.ts'
import { displaced, held } from '../reference/displacement.ts'
import { objective, problem, type Factors } from '../reference/model.ts'
import { planted } from './sources.ts'

const [rows, cols, p] = [20, 6, 2]

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
