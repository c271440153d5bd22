/** Options of error estimates that a fit comes before: what is wrong with them is said before the fit, not after it. */
import { Matrix } from '../matrix.ts'
import { Checker } from '../validate.ts'
import type { BootstrapDisplacementOptions } from './bootstrap-displacement.ts'
import type { BootstrapOptions } from './bootstrap.ts'
import type { DataSource } from './data.ts'
import { chooseElements, readLevels, USUAL_LEVELS } from './displacement-options.ts'
import type { DisplacementOptions } from './displacement.ts'
import { readLevelScale } from './error-estimate.ts'
import { readResampling } from './resampling-options.ts'
import type { DataSummary } from './types.ts'

/** The error estimates that refit, by the names of their methods, with their options. */
export interface EstimateOptions {
  bootstrap: BootstrapOptions
  displacement: DisplacementOptions
  bootstrapDisplacement: BootstrapDisplacementOptions
}

/**
 * Refuses options that the estimate would refuse after the fit.
 * @throws InvalidInputError all that is wrong at once
 */
export function checkBeforeFit<E extends keyof EstimateOptions>(
  estimate: E,
  planned: {
    factors: number
    data: Pick<DataSummary, 'species' | 'columns' | 'treatment' | 'rows'>
    categories: DataSource['categories']
  },
  options: EstimateOptions[E],
): void {
  const { data, categories } = planned
  const check = new Checker(options, `${estimate}: options`)
  if (estimate === 'displacement') {
    check.boolean('check')
    check.integer('seed')
  } else readResampling(check, { rows: data.rows, seed: 0 })
  if (estimate !== 'bootstrap') {
    readLevels(check, USUAL_LEVELS[estimate as keyof typeof USUAL_LEVELS])
    // Q/ν is known after the fit.
    readLevelScale(check, { q: 1, degreesOfFreedom: 1 })
  }
  // More factors than species are refused by the fit; which species have data it finds out.
  const factors = Math.min(planned.factors, data.columns)
  const profiles = new Matrix(1, data.columns, new Float64Array(data.columns))
  chooseElements(check, { factors, data, profiles }, categories, estimate === 'bootstrap' ? 'all' : 'strong')
  check.job()
  check.finish()
}
