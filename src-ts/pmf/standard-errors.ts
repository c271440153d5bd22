/** Standard errors of a fit, from the second derivatives at its minimum. */
import type { NativeErrorSettings, NativeEstimated } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker, nearest } from '../validate.ts'
import type { DataSource } from './data.ts'
import { toNativeBase } from './error-estimate.ts'
import type { Factorization } from './factorization.ts'
import { dropAbsent } from './solution.ts'
import type { Warning } from './types.ts'

/** Options of {@link Factorization.standardErrors}. */
export interface StandardErrorOptions extends Pick<JobOptions, 'signal' | 'threads'> {
  /**
   * `'Q/ν'` multiplies the errors by √(Q/ν), ν the degrees of freedom, as if a misfit meant that all uncertainties are
   * too small by that factor. Sandwich errors stay: they do not rely on the uncertainties.
   * @default 'none', since the uncertainties are known
   */
  scale?: 'none' | 'Q/ν' | undefined
  /**
   * Species whose profile elements are the factors' totals, such as PM2.5.
   * @default the data's total, if they have one; otherwise totals are sums over all species
   */
  total?: string | undefined
  /**
   * Consecutive samples that the sandwich errors treat as one, for samples that depend on their neighbours.
   * @default 1
   */
  block?: number | undefined
}

/** Estimates with their standard errors. */
export interface Estimated {
  value: Matrix
  /** NaN where `value` is at its bound, or the data do not determine it. */
  error: Matrix
}

/**
 * Errors of one standard deviation. They hold where Q is nearly a parabola; an element at zero has none (NaN), and near
 * weakly active zeros they are too small. Plain data: passes through `structuredClone`.
 */
export interface StandardErrors {
  scale: 'none' | 'Q/ν'
  /** Samples per block of the sandwich errors. */
  block: number
  /** Species that is the total; absent: totals are sums over all species. */
  total?: string
  /** Of the profiles, factors × species. */
  profiles: Matrix
  /** Of the contributions, samples × factors. */
  contributions: Matrix
  /** Of the profiles, with the size of the scores taken from the data: right also where the uncertainties are wrong. */
  profilesSandwich: Matrix
  /**
   * Median of sandwich errors over the others. Well above 1: the uncertainties are too small, or samples depend on
   * each other. Absent without errors.
   */
  sandwichRatio?: number
  /** factors × species: share of each species that a factor explains, 0 to 1. */
  shareOfSpecies: Estimated
  /** factors × species: share of each species in the total of a factor. */
  shareOfFactor: Estimated
  /** factors × 1: mean concentration that each factor contributes. */
  totals: Estimated
  /** Profile elements at zero that noise could lift off (0-based): errors that depend on them are too small. */
  weakZeros: { factor: number; species: number }[]
  /** Q/ν; absent where it is not known. */
  reducedQ?: number
  warnings: Warning[]
}

/** Computes them. */
export async function standardErrorsOf(
  model: Pick<Factorization, 'data' | 'factors' | 'options' | 'robust' | 'profiles' | 'contributions'>,
  source: DataSource,
  options: StandardErrorOptions,
): Promise<StandardErrors> {
  const { data, factors } = model
  const check = new Checker(options, 'standardErrors: options')
  const scale = check.oneOf('scale', ['none', 'Q/ν']) ?? 'none'
  const block = check.integer('block', { min: 1, max: 2 ** 32 - 1 })
  const wanted = check.take('total') as unknown
  const total = typeof wanted === 'string' ? wanted : data.treatment?.total
  let place = total === undefined ? undefined : data.species.indexOf(total)
  if (wanted !== undefined && (typeof wanted !== 'string' || place === -1)) {
    const close = typeof wanted === 'string' ? nearest(wanted, data.species) : undefined
    check.add({
      code: typeof wanted === 'string' ? 'species-unknown' : 'option-not-valid',
      name: 'total',
      value: wanted,
      message: `total must be one of the fitted species, got ${JSON.stringify(wanted)}`,
      hint: close === undefined ? `they are ${data.species.join(', ')}` : `did you mean "${close}"?`,
    })
  }
  if (place === -1) place = undefined
  const job = check.job()
  check.finish()
  const settings = dropAbsent<NativeErrorSettings>({ total: place, block, scaled: scale === 'Q/ν' })
  const { rows, cols } = source.values
  const { contributions, profiles } = model
  const { standardErrors: start } = native()
  const found = await runJob((token) => start(toNativeBase(model, source, job.threads), settings, token), job)
  const elements = (from: Float64Array<ArrayBuffer>): Matrix => new Matrix(factors, cols, from, profiles)
  const estimated = ({ value, error }: NativeEstimated): Estimated => ({
    value: elements(value),
    error: elements(error),
  })
  const name = place === undefined ? 'all species' : data.species[place]!
  const totals = (from: Float64Array<ArrayBuffer>): Matrix =>
    new Matrix(factors, 1, from, { rowNames: profiles.rowNames, colNames: [name] })
  const weakZeros: StandardErrors['weakZeros'] = []
  found.weakZeros.forEach((weak, at) => {
    if (weak !== 0) weakZeros.push({ factor: Math.floor(at / cols), species: at % cols })
  })
  return {
    scale,
    block: block ?? 1,
    ...(place === undefined ? {} : { total: name }),
    profiles: elements(found.profiles),
    contributions: new Matrix(rows, factors, found.contributions, contributions),
    profilesSandwich: elements(found.profilesSandwich),
    ...(Number.isNaN(found.sandwichRatio) ? {} : { sandwichRatio: found.sandwichRatio }),
    shareOfSpecies: estimated(found.shareOfSpecies),
    shareOfFactor: estimated(found.shareOfFactor),
    totals: { value: totals(found.totals.value), error: totals(found.totals.error) },
    weakZeros,
    ...(Number.isNaN(found.reducedQ) ? {} : { reducedQ: found.reducedQ }),
    warnings: found.warnings,
  }
}

/** Refuses a model without its data. */
export function needData(source: DataSource | undefined, what: string): DataSource {
  if (source !== undefined) return source
  const message = `${what} needs the data that the model was fitted to`
  const hint = 'a model from JSON or from another thread has none: model.withData(data) attaches them'
  throw InvalidInputError.ofAll([{ code: 'data-needed', name: 'data', message, hint }])
}
