// Nominal 95 % intervals of every profile element, by each method.
import type { Factorization } from 'headwater'
import { COLS, FACTORS } from './designs.ts'

/** factors × species; `undefined` where the method gives none. */
export type Intervals = ([number, number] | undefined)[][]

/** What a method computes of a fit; one thread, since studies run side by side. */
export type Method = (model: Factorization, seed: number) => Promise<Intervals>

const each = (of: (k: number, j: number) => [number, number] | undefined): Intervals =>
  Array.from({ length: FACTORS }, (_, k) => Array.from({ length: COLS }, (_, j) => of(k, j)))

/** Of BS-DISP; fewer than a study would take, so that 400 studies fit into half an hour. */
const RESAMPLES = 20
/** χ² with one degree of freedom at 95 %. */
const LEVEL = 3.84

/** By the names that `--methods` takes. */
export const METHODS: Readonly<Record<string, { title: string; of: Method }>> = {
  /** An element at zero has no standard error: its interval is the point. */
  laplace: {
    title: 'Laplace ± 1.96 se',
    of: async (model) => {
      const { profiles } = await model.standardErrors({ threads: 1 })
      return each((k, j) => {
        const [value, error] = [model.profiles.get(k, j), profiles.get(k, j)]
        if (Number.isNaN(error)) return value === 0 ? [0, 0] : undefined
        return [value - 1.96 * error, value + 1.96 * error]
      })
    },
  },
  disp: {
    title: 'DISP, ΔQ = 3.84',
    of: async (model, seed) => {
      const { elements } = await model.displacement({ levels: [LEVEL], seed, threads: 1 })
      const found = each(() => undefined)
      for (const { factor, column, levels } of elements) {
        const { lower, upper, lowerUnbounded, upperUnbounded } = levels[0]!
        const ends: [number, number] = [lowerUnbounded ? -Infinity : lower, upperUnbounded ? Infinity : upper]
        found[factor]![column] = ends.some(Number.isNaN) ? undefined : ends
      }
      return found
    },
  },
  bs: {
    title: 'BS, 2.5 to 97.5 %',
    of: async (model, seed) => {
      const { quantiles } = (await model.bootstrap({ runs: 100, seed, threads: 1 })).statistics
      return each((k, j) => {
        const ends: [number, number] = [quantiles['2.5'].get(k, j), quantiles['97.5'].get(k, j)]
        return ends.some(Number.isNaN) ? undefined : ends
      })
    },
  },
  /** Intervals from 5 % of the lower to 95 % of the upper ends: wider than 95 % by intention. */
  'bs-disp': {
    title: 'BS-DISP, ΔQ = 0.5',
    of: async (model, seed) => {
      const options = { runs: RESAMPLES, levels: [0.5], seed, threads: 1 }
      const found = each(() => undefined)
      for (const { factor, column, levels } of (await model.bootstrapDisplacement(options)).elements) {
        const { lower, upper, lowerUnbounded, upperUnbounded, count } = levels[0]!
        if (count === 0) continue
        found[factor]![column] = [
          lowerUnbounded ? -Infinity : (lower ?? NaN),
          upperUnbounded ? Infinity : (upper ?? NaN),
        ]
      }
      return found
    },
  },
}
