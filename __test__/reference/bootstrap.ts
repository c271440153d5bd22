/** Bootstrap by its definitions: resamples as copies of samples, the assignment by all permutations, quantiles. */
import { bestContributions, type Factors, type Problem } from './model.ts'

/** The data with each sample as often as it was drawn. */
export function copies({ m, n, v, omega }: Problem, counts: readonly number[]): Problem {
  const rows = Array.from({ length: m }, (_, i) => i).flatMap((i) => Array<number>(counts[i]!).fill(i))
  const take = (from: Float64Array): Float64Array =>
    Float64Array.from({ length: rows.length * n }, (_, at) => from[rows[Math.floor(at / n)]! * n + (at % n)]!)
  return { m: rows.length, n, v: take(v), omega: take(omega) }
}

/** The fit of a resample from its profiles alone: contributions are the best ones. */
export function fitted(data: Problem, p: number, profiles: Float64Array): Factors {
  return { p, w: bestContributions(data, p, profiles), h: Float64Array.from(profiles) }
}

/** Pearson's r of every base factor's contributions with every factor's of the resample, over the drawn samples. */
export function correlations(
  base: Float64Array,
  found: Float64Array,
  p: number,
  counts: readonly number[],
): number[][] {
  const drawn = counts.flatMap((times, i) => Array<number>(times).fill(i))
  const column = (of: Float64Array, k: number): number[] => {
    const values = drawn.map((i) => of[i * p + k]!)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return values.map((value) => value - mean)
  }
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  return Array.from({ length: p }, (_, k) =>
    Array.from({ length: p }, (_unused, l) => {
      const [a, b] = [column(base, k), column(found, l)]
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
    }),
  )
}

/** For each base factor the factor that the permutation with the largest sum of r gives it, if r reaches the threshold. */
export function assignment(r: readonly (readonly number[])[], threshold: number): (number | null)[] {
  let best: number[] = []
  let most = -Infinity
  const extend = (taken: number[], sum: number): void => {
    const k = taken.length
    if (k === r.length && sum > most) [best, most] = [taken, sum]
    for (let l = 0; l < r.length && k < r.length; l++) if (!taken.includes(l)) extend([...taken, l], sum + r[k]![l]!)
  }
  extend([], 0)
  return best.map((l, k) => (r[k]![l]! >= threshold ? l : null))
}

/** For each factor of the resample the base factor with which it correlates best, if r reaches the threshold. */
export function nearest(r: readonly (readonly number[])[], threshold: number): (number | null)[] {
  return r.map((_, l) => {
    const column = r.map((row) => row[l]!)
    const most = Math.max(...column)
    return most >= threshold ? column.indexOf(most) : null
  })
}

/** Linear between order statistics, infinite where an infinite one takes part; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = share * (sorted.length - 1)
  const [low, high, part] = [sorted[Math.floor(place)], sorted[Math.ceil(place)], place % 1]
  if (low === undefined || high === undefined) return NaN
  return part === 0 ? low : (1 - part) * low + part * high
}
