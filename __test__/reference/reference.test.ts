/** The reference judged by the fixtures (from another program), by closed forms and by itself in other ways. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { descend } from './descend.ts'
import { fullHessian, fullHessianByDifferences, jointDecrement } from './joint.ts'
import { cholesky, choleskySolve, eigenvalues, submatrix } from './linear.ts'
import { epa, factors, fixture, planted } from './load.ts'
import { bestContributions, bestProfiles, blockGaps, canonical, coordinateGaps, deadFactors, halfGradients, objective, problem, type Factors, type Problem } from './model.ts' // prettier-ignore
import { multiplicative } from './mu.ts'
import { nnls, nnlsByEnumeration } from './nnls.ts'
import { boxStep, freeProfiles, reducedHessian, secondOrder } from './reduced.ts'

/** Uniform numbers in (0, 1): a 32-bit generator that a test can key. */
function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32 + 2 ** -33
  }
}
const numbers = (count: number, next: () => number): Float64Array => Float64Array.from({ length: count }, next)

/** Noisy data of p factors with some zeros and missing cells, and a random point. */
function small(seed: number, m: number = 7, n: number = 5, p: number = 2): { data: Problem; at: Factors } {
  const next = random(seed)
  const sparse = (): number => (next() < 0.25 ? 0 : next())
  const [w, h] = [numbers(m * p, sparse), numbers(p * n, sparse)]
  const values = Float64Array.from({ length: m * n }, (_, k) => {
    let sum = 0.1 * (next() - 0.5)
    for (let l = 0; l < p; l++) sum += w[Math.floor(k / n) * p + l]! * h[l * n + (k % n)]!
    return next() < 0.05 ? NaN : sum
  })
  const data = problem(
    m,
    n,
    values,
    numbers(m * n, () => 0.05 + 0.1 * next()),
  )
  return { data, at: { p, w: numbers(m * p, next), h: numbers(p * n, next) } }
}
const seeds = fc.integer({ min: 0, max: 2 ** 31 })
const relative = (a: number, b: number): number => Math.abs(a - b) / Math.max(Math.abs(b), 1e-300)

interface StopPoint {
  set: string
  p: number
  label: string
  W: number[][]
  H: number[][]
  expected: Record<string, number | null>
}
const stopPoints = fixture<{ points: StopPoint[] }>('stop_points.json').points

describe('stop points', () => {
  for (const [index, point] of stopPoints.entries()) {
    const title = `${index}, ${point.set} p=${point.p}, ${point.label.slice(0, 24)}…`
    const expected = (name: string): number => point.expected[name]!

    test(`first-order numbers agree: ${title}`, () => {
      const data = epa(point.set)
      const at = factors(point.W, point.H)
      expect(relative(objective(data, at), expected('Q'))).toBeLessThan(1e-9)
      const gaps = coordinateGaps(data, at)
      // E of a block that was just solved exactly is rounding, 1e-15 of Q; there only its size can be compared.
      const floor = 1e-12 * expected('Q')
      expect(Math.abs(gaps.w - expected('E_W'))).toBeLessThan(1e-9 * expected('E_W') + 1e-12 * floor)
      expect(Math.abs(gaps.h - expected('E_H'))).toBeLessThan(1e-9 * expected('E_H') + 1e-9 * floor)
      const blocks = blockGaps(data, at)
      expect(Math.abs(blocks.w - expected('gap_W'))).toBeLessThan(1e-5 * Math.abs(expected('gap_W')) + 1e-8)
      expect(Math.abs(blocks.h - expected('gap_H'))).toBeLessThan(1e-5 * Math.abs(expected('gap_H')) + 1e-8)
    })

    test(`second-order numbers agree: ${title}`, { timeout: 60_000 }, () => {
      const data = epa(point.set)
      const given = factors(point.W, point.H)
      const at = { ...given, w: bestContributions(data, given.p, given.h) }
      expect(relative(objective(data, at), expected('Q_at_nnls_W'))).toBeLessThan(1e-9)
      const gn = secondOrder(data, at, 'gn')
      expect(relative(gn.lambda2!, expected('lambda2_gn'))).toBeLessThan(1e-3)
      expect(relative(gn.eigenvalues[0]!, expected('reduced_gn_eig_min'))).toBeLessThan(1e-3)
      const exact = secondOrder(data, at, 'exact')
      expect(relative(exact.eigenvalues[0]!, expected('reduced_exact_eig_min'))).toBeLessThan(1e-3)
      if (point.expected.lambda2_exact === null) expect(exact.lambda2).toBeUndefined()
      else expect(relative(exact.lambda2!, expected('lambda2_exact'))).toBeLessThan(1e-3)
      const free = freeProfiles(at, halfGradients(data, at).h)
      const box = boxStep(data, at, reducedHessian(data, at, 'gn'), 0, free)
      expect(relative(box.decrease, expected('lambda2_box_gn'))).toBeLessThan(1e-3)
      expect(at.h.every((h, k) => h + box.step[k]! >= -1e-12 * h)).toBe(true)
    })

    test(`a descent from there finds the excess: ${title}`, { timeout: 120_000 }, () => {
      const data = epa(point.set)
      const at = factors(point.W, point.H)
      const end = descend(data, at)
      expect(end.minimum).toBe(true)
      expect(relative(end.q, expected('Q_local_minimum'))).toBeLessThan(1e-10)
      const excess = objective(data, at) - end.q
      expect(Math.abs(excess - expected('excess'))).toBeLessThan(1e-6 * expected('excess') + 1e-9)
    })
  }
})

interface Golden {
  set: string
  p: number
  Q: number
  H: number[][]
  mass: number[]
  certificate: Record<string, number> & { reduced_exact_eig_min: number[]; reduced_gn_eig_min: number[] }
}
describe('golden minima', () => {
  for (const golden of fixture<{ solutions: Golden[] }>('golden.json').solutions) {
    test(
      `${golden.set} p=${golden.p} is a certified strict minimum with the numbers of the fixture`,
      { timeout: 60_000 },
      () => {
        const data = epa(golden.set)
        const h = Float64Array.from(golden.H.flat())
        const at = { p: golden.p, w: bestContributions(data, golden.p, h), h }
        expect(relative(objective(data, at), golden.Q)).toBeLessThan(1e-9)
        const gaps = coordinateGaps(data, at)
        expect(gaps.w + gaps.h).toBeLessThan(1e-10 * golden.Q)
        const blocks = blockGaps(data, at)
        expect(Math.max(Math.abs(blocks.w), Math.abs(blocks.h))).toBeLessThan(1e-6)
        const form = canonical(data, at)
        form.mass.forEach((mass, k) => expect(relative(mass, golden.mass[k]!)).toBeLessThan(1e-7))
        const zeros = (x: Float64Array): number => x.filter((value) => value === 0).length
        expect([zeros(at.w), zeros(at.h)]).toEqual([golden.certificate.n_zero_W, golden.certificate.n_zero_H])
        const g = halfGradients(data, at)
        const dual = (x: Float64Array, gradient: Float64Array): number =>
          Math.min(...gradient.filter((_, k) => x[k] === 0))
        expect(relative(dual(at.w, g.w), golden.certificate.min_dual_W!)).toBeLessThan(1e-3)
        expect(relative(dual(at.h, g.h), golden.certificate.min_dual_H!)).toBeLessThan(1e-3)
        for (const kind of ['exact', 'gn'] as const) {
          const second = secondOrder(data, at, kind)
          expect(second.lambda2!).toBeLessThan(4e-3)
          golden.certificate[`reduced_${kind}_eig_min`].forEach((value, k) =>
            expect(relative(second.eigenvalues[k]!, value)).toBeLessThan(1e-4),
          )
        }
      },
    )
  }
})

describe('closed forms', () => {
  test('one factor of unweighted positive data is the first singular pair', () => {
    const [m, n] = [9, 6]
    const v = numbers(m * n, random(3))
    const data = problem(m, n, v, new Float64Array(m * n).fill(1))
    const gram = new Float64Array(n * n)
    for (let i = 0; i < m; i++)
      for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) gram[a * n + b]! += v[i * n + a]! * v[i * n + b]!
    const squares = eigenvalues(gram, n)
    const end = descend(data, { p: 1, w: new Float64Array(m).fill(1), h: new Float64Array(n).fill(1) })
    expect(end.minimum).toBe(true)
    expect(
      relative(
        end.q,
        squares.subarray(0, n - 1).reduce((a, b) => a + b),
      ),
    ).toBeLessThan(1e-12)
  })

  for (const [name, nulls] of [
    ['rank_one_svd', 0],
    ['several_minima', 0],
    ['noisy', 6],
    ['missing10', 6],
  ] as const) {
    test(`a descent from the best profiles of ${name} stays at its Q, and finds ${nulls} flat directions`, () => {
      const { p, expected } = fixture<{ p: number; expected: { Q: number; H: number[][] } }>(`planted/${name}.json`)
      const data = planted(name)
      const h = Float64Array.from(expected.H.flat())
      const end = descend(data, { p, w: bestContributions(data, p, h), h })
      expect(relative(end.q, expected.Q)).toBeLessThan(1e-8)
      // Where W and H have no zero, any small rotation (W T, T⁻¹ H) leaves Q alone: p² - p directions beside the scales.
      expect([...end.w, ...end.h].every((x) => x > 0)).toBe(nulls > 0 || p === 1)
      expect(secondOrder(data, end, 'exact').eigenvalues.filter((x) => Math.abs(x) < 1e-9)).toHaveLength(nulls)
      expect(end.minimum).toBe(nulls === 0)
    })
  }

  test('eigenvalues of a matrix with known ones', () => {
    // Second differences: 2 - 2 cos(kπ/(n+1)).
    const n = 12
    const a = Float64Array.from({ length: n * n }, (_, k) => [2, -1][Math.abs(Math.floor(k / n) - (k % n))] ?? 0)
    eigenvalues(a, n).forEach((value, k) =>
      expect(value).toBeCloseTo(2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)), 12),
    )
  })
})

describe('properties', () => {
  test('the active set finds what enumeration of all supports finds', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 7 }), fc.boolean(), (seed, n, deficient) => {
        const next = random(seed)
        const rows = deficient ? Math.max(1, n - 2) : n + 3
        const x = numbers(rows * n, () => next() - 0.5)
        const y = numbers(rows, () => next() - 0.5)
        const a = new Float64Array(n * n)
        const b = new Float64Array(n)
        for (let r = 0; r < rows; r++) for (let i = 0; i < n; i++) {
          b[i]! += x[r * n + i]! * y[r]!
          for (let j = 0; j < n; j++) a[i * n + j]! += x[r * n + i]! * x[r * n + j]!
        } // prettier-ignore
        const value = (z: Float64Array): number =>
          z.reduce((sum, zi, i) => sum - 2 * b[i]! * zi + zi * z.reduce((s, zj, j) => s + a[i * n + j]! * zj, 0), 0)
        expect(Math.abs(value(nnls(a, b, n)) - value(nnlsByEnumeration(a, b, n)))).toBeLessThan(1e-10)
      }),
      { numRuns: 300 },
    )
  })

  test('half-gradients and the exact Hessian are the differences of Q and of the gradients', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { data, at } = small(seed, 4, 3)
        const g = halfGradients(data, at)
        const moved = (block: 'w' | 'h', k: number, by: number): number =>
          objective(data, { ...at, [block]: at[block].map((x, a) => (a === k ? x + by : x)) })
        for (const block of ['w', 'h'] as const) {
          g[block].forEach((value, k) => {
            // Q is quadratic in one element, so that the central difference is exact but for rounding.
            const difference = (moved(block, k, 1e-3) - moved(block, k, -1e-3)) / 4e-3
            expect(Math.abs(difference - value)).toBeLessThan(1e-7 * (1 + Math.abs(value)))
          })
        }
        const byFormula = fullHessian(data, at, 'exact')
        const scale = Math.max(...byFormula.map(Math.abs))
        fullHessianByDifferences(data, at).forEach((value, k) =>
          expect(Math.abs(value - byFormula[k]!)).toBeLessThan(1e-6 * scale),
        )
      }),
      { numRuns: 30 },
    )
  })

  test('the reduced Hessian is the Schur complement of the full one', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom('gn' as const, 'exact' as const), (seed, kind) => {
        const { data, at: start } = small(seed)
        const at = { ...start, w: bestContributions(data, start.p, start.h) }
        const full = fullHessian(data, at, kind)
        const size = (data.m + data.n) * at.p
        const free = Array.from(at.w, (_, k) => k).filter((k) => at.w[k]! > 0)
        const inverse = cholesky(submatrix(full, size, free), free.length)!
        const s = reducedHessian(data, at, kind)
        const first = data.m * at.p
        const scale = Math.max(...full.map(Math.abs))
        for (let b = 0; b < at.h.length; b++) {
          const column = free.map((k) => full[k * size + first + b]!)
          const solved = choleskySolve(inverse, free.length, column)
          for (let a = 0; a < at.h.length; a++) {
            const schur =
              full[(first + a) * size + first + b]! -
              free.reduce((sum, k, x) => sum + full[k * size + first + a]! * solved[x]!, 0)
            expect(Math.abs(schur - s[a * at.h.length + b]!)).toBeLessThan(1e-9 * scale)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('a descent never raises Q, and where it ends in a strict minimum every gap and decrement is nil', () => {
    let minima = 0
    let borderline = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const { data, at } = small(seed, 9, 6)
        const end = descend(data, at)
        expect(end.q).toBeLessThanOrEqual(objective(data, at))
        if (!end.minimum) return
        minima++
        const gaps = coordinateGaps(data, end)
        const blocks = blockGaps(data, end)
        expect(Math.max(gaps.w + gaps.h, blocks.w, blocks.h)).toBeLessThan(1e-8 * (1 + end.q))
        // The full Hessian is positive definite iff its Schur complement is, but the two are tested against different
        // limits: in between, where contributions of a sample are nearly collinear, only one of them says so.
        const decrement = jointDecrement(data, end, 'exact')
        if (decrement === undefined) borderline++
        else expect(decrement).toBeLessThan(1e-6)
      }),
      { numRuns: 80 },
    )
    expect(borderline).toBeLessThan(0.1 * minima + 2)
    // About half of the draws have a strict minimum; the property must not hold for want of cases.
    expect(minima).toBeGreaterThan(10)
  })

  test('where the infimum of Q is not attained, the end of the descent is not called a minimum', () => {
    const { data, at } = small(13, 9, 6)
    const end = descend(data, at)
    expect(Math.max(...end.w)).toBeGreaterThan(1e6)
    expect(end.minimum).toBe(false)
  })

  test('near a strict minimum the joint decrement predicts the excess, and Gauss-Newton agrees where residuals are small', () => {
    let compared = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const { data, at } = small(seed, 9, 6)
        const end = descend(data, at)
        if (!end.minimum) return
        const next = random(seed + 1)
        const nudge = (x: Float64Array): Float64Array => x.map((value) => value * (1 + 1e-5 * (next() - 0.5)))
        const near = { p: end.p, w: nudge(end.w), h: nudge(end.h) }
        const excess = objective(data, near) - end.q
        const decrement = jointDecrement(data, near, 'exact')
        if (decrement === undefined || excess < 1e-9 * end.q) return
        compared++
        expect(decrement / excess).toBeGreaterThan(0.9)
        expect(decrement / excess).toBeLessThan(1.1)
      }),
      { numRuns: 80 },
    )
    expect(compared).toBeGreaterThan(10)
  })

  test('canonical form, E and the eigenvalues do not change with the scale of the factors', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { data, at } = small(seed)
        const best = { ...at, w: bestContributions(data, at.p, at.h) }
        // Powers of two, so that no rounding comes between: near-singular points would magnify it.
        const t = [1024, 1 / 128]
        const other = {
          p: 2,
          w: best.w.map((x, k) => x * t[k % 2]!),
          h: best.h.map((x, k) => x / t[Math.floor(k / data.n)]!),
        }
        const [one, two] = [canonical(data, best), canonical(data, other)]
        one.h.forEach((x, k) => expect(Math.abs(x - two.h[k]!)).toBeLessThan(1e-12 * (1 + x)))
        expect(relative(coordinateGaps(data, other).h, coordinateGaps(data, best).h)).toBeLessThan(1e-9)
        const [a, b] = [secondOrder(data, best, 'exact').eigenvalues, secondOrder(data, other, 'exact').eigenvalues]
        a.forEach((x, k) => expect(Math.abs(x - b[k]!)).toBeLessThan(1e-9))
      }),
      { numRuns: 30 },
    )
  })

  test('a factor without contributions or profile is dead, others are not', () => {
    const { data, at } = small(1)
    expect(deadFactors(data, at)).toEqual([])
    expect(deadFactors(data, { ...at, h: at.h.map((x, k) => (k < data.n ? 0 : x)) })).toEqual([0])
    expect(deadFactors(data, { ...at, w: at.w.map((x, k) => (k % 2 === 1 ? 0 : x)) })).toEqual([1])
  })
})

describe('multiplicative updates', () => {
  test('Q never rises, and the rule of older programs stops far above the minimum', () => {
    const { data, at } = small(11, 12, 8, 3)
    const run = multiplicative(data, at, 20_000, { decrease: 0.1, over: 100 })
    expect(run.stoppedByRule).toBe(true)
    expect(run.qs.every((q, t) => t === 0 || q <= run.qs[t - 1]! * (1 + 1e-12))).toBe(true)
    const { qs, iterations } = run
    expect(qs[iterations - 100]! - qs[iterations]!).toBeLessThan(0.1)
    expect(qs[iterations - 101]! - qs[iterations - 1]!).toBeGreaterThanOrEqual(0.1)
    expect(qs[iterations]! - descend(data, run).q).toBeGreaterThan(1e-3)
  })

  test('without the rule they go on to the last iteration', () => {
    const { data, at } = small(11, 12, 8, 3)
    expect(multiplicative(data, at, 250)).toMatchObject({ iterations: 250, stoppedByRule: false })
  })

  test('the published stop points are points where that rule stops', () => {
    const point = stopPoints[0]!
    const run = multiplicative(epa(point.set), factors(point.W, point.H), 100)
    expect(run.qs[0]! - run.qs[100]!).toBeLessThan(0.1)
    expect(run.qs[0]! - run.qs[100]!).toBeGreaterThan(0)
  })

  test('an element that is zero stays zero, though freeing it would lower Q', () => {
    const { data, at } = small(5)
    const locked = { ...at, h: at.h.map((x, k) => (k === 0 ? 0 : x)) }
    const run = multiplicative(data, locked, 2000)
    expect(run.h[0]).toBe(0)
    expect(objective(data, { ...run, h: bestProfiles(data, run.p, run.w) })).toBeLessThan(objective(data, run))
  })
})
