/** The engine against the slow reference, number by number. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { certify, factorize, Matrix } from '../../index.ts'
import { blockGaps, coordinateGaps, objective, problem as reference } from '../reference/model.ts'
import { secondOrder } from '../reference/reduced.ts'
import { KINDS, problem, random, type Case } from './zoo.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const data = ({ m, n, values, uncertainties }: Case): { values: Matrix; uncertainties: Matrix } => ({
  values: new Matrix(m, n, values),
  uncertainties: new Matrix(m, n, uncertainties),
})

test('Q, coordinate gap and block gaps of any point are those of the definitions', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const made = problem(seed)
      const { m, n, p } = made
      const next = random(seed + 7)
      const draw = (size: number): Float64Array =>
        Float64Array.from({ length: size }, () => (next() < 0.3 ? 0 : next() * 2))
      const [w, h] = [draw(m * p), draw(p * n)]
      const verdict = await certify(data(made), {
        contributions: new Matrix(m, p, w),
        profiles: new Matrix(p, n, h),
      })
      const slow = reference(m, n, made.values, made.uncertainties)
      const q = objective(slow, { p, w, h })
      const e = coordinateGaps(slow, { p, w, h })
      const gaps = blockGaps(slow, { p, w, h })
      const close = (found: number, expected: number): void =>
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-7 * Math.abs(expected) + 1e-9 * q)
      close(verdict.q, q)
      close(verdict.certificate.coordinateGap, e.w + e.h)
      close(verdict.certificate.blockGapContributions, gaps.w)
      close(verdict.certificate.blockGapProfiles, gaps.h)
      // A descent never ends above its start.
      expect(verdict.localMinimum.excess).toBeGreaterThanOrEqual(-1e-9 * q)
    }),
    { numRuns: 500 },
  )
}, 240_000)

test('the smallest curvature and the Newton decrement at a minimum are those of the definitions', async () => {
  let compared = 0
  for (let seed = 0; seed < 20 * KINDS.length; seed++) {
    const made = problem(seed)
    const { m, n, p } = made
    // The reduced Hessian is taken on the short side, which the profiles are on where there are more samples.
    if (m < n || made.values.some(Number.isNaN)) continue
    const model = await factorize(data(made), { factors: p, starts: 1, seed })
    if (model.status !== 'converged' || model.certificate.flatDirections > 0 || model.q < 1e-6) continue
    const at = { p, w: model.contributions.data, h: model.profiles.data }
    const slow = secondOrder(reference(m, n, made.values, made.uncertainties), at, 'exact')
    const smallest = slow.eigenvalues[0]
    if (smallest === undefined || smallest < 1e-6 || typeof model.certificate.minCurvature !== 'number') continue
    compared++
    expect(Math.abs(model.certificate.minCurvature / smallest - 1), `seed ${seed}`).toBeLessThan(1e-4)
    expect(model.certificate.newtonDecrement).toBeLessThan(1e-8 * model.certificate.unit)
  }
  expect(compared).toBeGreaterThan(50)
}, 240_000)

test('permuting samples and species, and changing their units, changes nothing but the order and the units', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const made = problem(KINDS.length * (seed % 1000))
      const { m, n, p } = made
      const next = random(seed)
      const order = (size: number): number[] =>
        Array.from({ length: size }, (_, i) => [next(), i] as const)
          .sort(([a], [b]) => a - b)
          .map(([, i]) => i)
      const [rows, cols] = [order(m), order(n)]
      const unit = Array.from({ length: n }, () => 10 ** (8 * next() - 4))
      const moved = (x: Float64Array): Matrix =>
        new Matrix(m, n, Float64Array.from(x, (_, at) => x[rows[Math.floor(at / n)]! * n + cols[at % n]!]! * unit[at % n]!)) // prettier-ignore
      const options = { factors: p, starts: 12, seed: 1 }
      const before = await factorize(data(made), options)
      const after = await factorize({ values: moved(made.values), uncertainties: moved(made.uncertainties) }, options)
      // Both are the best of twelve starts: the same minimum unless a start in twelve finds it only once in a while.
      const reached = after.basins.some((b) => Math.abs(b.q / before.q - 1) < 1e-6)
      const back = before.basins.some((b) => Math.abs(b.q / after.q - 1) < 1e-6)
      expect(reached || back).toBe(true)
      if (Math.abs(after.q / before.q - 1) > 1e-6) return
      if (before.certificate.flatDirections > 0 || after.certificate.flatDirections > 0) return
      // Compare the fitted data, which know no order of factors.
      const fit = (w: Matrix, h: Matrix, i: number, j: number): number =>
        Array.from({ length: p }, (_, k) => w.get(i, k) * h.get(k, j)).reduce((a, b) => a + b, 0)
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const here = fit(after.contributions, after.profiles, i, j) / unit[j]!
          const there = fit(before.contributions, before.profiles, rows[i]!, cols[j]!)
          expect(Math.abs(here - there)).toBeLessThan(1e-4 * (1 + Math.abs(there)))
        }
      }
    }),
    { numRuns: 60 },
  )
}, 240_000)
