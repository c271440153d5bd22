/** The result of `factorize`. */
import { isDeepStrictEqual } from 'node:util'
import { InvalidInputError } from '../errors.ts'
import type { JobOptions } from '../job.ts'
import { Matrix, type MatrixNames } from '../matrix.ts'
import {
  bootstrapDisplacementOf,
  type BootstrapDisplacement,
  type BootstrapDisplacementOptions,
} from './bootstrap-displacement.ts'
import { bootstrapOf, type Bootstrap, type BootstrapOptions } from './bootstrap.ts'
import { cellWeightsOf, downweightedCellsOf, type DownweightedCells, type DownweightedOptions } from './cell-weights.ts'
import { keep, prepare, type DataSource } from './data.ts'
import { displacementOf, type Displacement, type DisplacementOptions } from './displacement.ts'
import type { Loss } from './loss.ts'
import { posteriorOf, type Posterior, type PosteriorOptions } from './posterior.ts'
import { score, type Score, type ScoreOptions } from './score.ts'
import { factorNames, toFactors } from './solution.ts'
import { needData, standardErrorsOf, type StandardErrorOptions, type StandardErrors } from './standard-errors.ts'
import type {
  Basin,
  Certificate,
  DataLike,
  DataSummary,
  FactorizeOptions,
  Solution,
  StartReport,
  Status,
  Timing,
  Warning,
} from './types.ts'

/** The options of the call that change the result, as far as they were given. */
export type ChosenOptions = Omit<
  FactorizeOptions,
  'factors' | 'seed' | 'initial' | 'robust' | 'signal' | 'onProgress' | 'onAbort' | 'threads'
> & {
  /** Present if a starting point was given. */
  initial?: 'given'
  /** Present if the fit was robust. */
  robust?: Loss
}

/** The fields of a {@link Factorization}. */
export interface FactorizationFields extends Solution {
  headwater: string
  data: DataSummary
  factors: number
  seed: number
  options: ChosenOptions
  start: number
  starts: StartReport[]
  basins: Basin[]
  chains: { run: number; atBest: number }
  unseenBasinProbability?: number
  timing: Timing
}

/** A matrix in JSON: rows of numbers, `null` for NaN. */
export type JsonMatrix = (number | null)[][]

/** What {@link Factorization.toJSON} writes: the document of `headwater fit --json`. */
export interface FactorizationJson {
  /** Version of headwater that computed it. */
  headwater: string
  data: Omit<DataSummary, 'samples' | 'treatment'> & { samples: string[]; samplesAre: 'names' | 'times' }
  /** What was done to the data before the fit, where that is known. */
  treatment?: DataSummary['treatment']
  factors: number
  seed: number
  options: ChosenOptions
  timing: Timing
  best: Omit<Solution, 'profiles' | 'contributions'> & { start: number }
  starts: StartReport[]
  basins: Basin[]
  chains: { run: number; atBest: number }
  unseenBasinProbability?: number
  /** Present if factors have been named. */
  factorNames?: string[]
  profiles: JsonMatrix
  contributions: JsonMatrix
}

/**
 * A factorisation with its proof. Its fields are plain data and typed arrays, so it passes through `structuredClone`,
 * workers and Electron IPC; `new Factorization(clone)` gives the other side its methods back. The numbers of the
 * solution itself (`status`, `q`, `certificate`, `profiles`, …) are described at {@link Solution}.
 */
export class Factorization implements FactorizationFields {
  /** Version of headwater that computed it. */
  readonly headwater: string
  /** What it was computed from. */
  readonly data: DataSummary
  /** Number of factors. */
  readonly factors: number
  /** Key of the random numbers. */
  readonly seed: number
  /** The call's options. */
  readonly options: ChosenOptions
  /** Number of the start whose solution this is. */
  readonly start: number
  /* The solution: see Solution for each field. */
  readonly status: Status
  readonly q: number
  readonly qTrue: number
  readonly qRobust: number
  readonly outliers: number
  readonly nearThreshold: number
  readonly qExpected: number
  readonly degreesOfFreedom: number
  readonly iterations: number
  readonly certificate: Certificate
  readonly warnings: Warning[]
  readonly profiles: Matrix
  readonly contributions: Matrix
  /** Every run, in order of its number. */
  readonly starts: StartReport[]
  /** Distinct minima that were found, by Q, ascending. */
  readonly basins: Basin[]
  /** Perturbation chains that were run, and how many of them ended at the best Q. */
  readonly chains: { run: number; atBest: number }
  /** Estimated chance (Good and Turing) that one more random start ends in a new basin; absent if none converged. */
  declare readonly unseenBasinProbability?: number
  readonly timing: Timing
  readonly #source: DataSource | undefined

  /**
   * From its fields, for example those of a structured clone.
   * @param source the arrays it was fitted to; a model without them gets them by {@link Factorization.withData}
   */
  constructor(fields: FactorizationFields, source?: DataSource) {
    this.#source = source
    this.headwater = fields.headwater
    this.data = fields.data
    this.factors = fields.factors
    this.seed = fields.seed
    this.options = fields.options
    this.start = fields.start
    this.status = fields.status
    this.q = fields.q
    this.qTrue = fields.qTrue
    this.qRobust = fields.qRobust
    this.outliers = fields.outliers
    this.nearThreshold = fields.nearThreshold
    this.qExpected = fields.qExpected
    this.degreesOfFreedom = fields.degreesOfFreedom
    this.iterations = fields.iterations
    this.certificate = fields.certificate
    this.warnings = fields.warnings
    this.profiles = Matrix.from(fields.profiles, 'profiles')
    this.contributions = Matrix.from(fields.contributions, 'contributions')
    this.starts = fields.starts
    this.basins = fields.basins
    this.chains = fields.chains
    if (fields.unseenBasinProbability !== undefined) this.unseenBasinProbability = fields.unseenBasinProbability
    this.timing = fields.timing
  }

  /** The robust loss that was minimised; `undefined` for the plain sum of squares. */
  get robust(): Loss | undefined {
    return this.options.robust
  }

  /**
   * Standard errors of profiles, contributions, shares and totals, from the second derivatives at the minimum: nothing
   * is refitted, so they take milliseconds.
   *
   * @throws InvalidInputError all wrong options at once, `species-unknown`; `data-needed` (see {@link Factorization.withData})
   * @example
   * ```ts
   * const errors = await model.standardErrors()
   * console.log(model.profiles.get(0, 3), '±', errors.profiles.get(0, 3))
   * ```
   */
  async standardErrors(options: StandardErrorOptions = {}): Promise<StandardErrors> {
    return standardErrorsOf(this, needData(this.#source, 'standardErrors'), options)
  }

  /**
   * Bootstrap: fits resamples of blocks of samples, assigns their factors to this model's and describes how its profiles
   * vary. Makes `runs` × (1 + `coldStarts`) fits.
   *
   * @returns mapping and statistics; after an abort with `onAbort: 'partial'`, those of the resamples that were made
   * @throws InvalidInputError all wrong options at once, `species-unknown`; `data-needed` (see {@link Factorization.withData})
   * @throws the signal's reason after an abort, unless `onAbort: 'partial'`
   * @example
   * ```ts
   * const bs = await model.bootstrap({ runs: 100, seed: 1 })
   * console.log(bs.statistics.quantiles['5'].get(0, 3), bs.statistics.quantiles['95'].get(0, 3))
   * ```
   */
  async bootstrap(options: BootstrapOptions = {}): Promise<Bootstrap> {
    return bootstrapOf(this, needData(this.#source, 'bootstrap'), options)
  }

  /**
   * Displacement (DISP): intervals of profile elements, by pushing each one up and down until Q has risen by each level,
   * everything else refitted and the factors keeping their identity. If a refit finds a lower Q than that of the fit,
   * the study begins again from there, at most three times.
   *
   * @returns intervals, swaps and what is to be known about them; after an abort with `onAbort: 'partial'`, the
   * elements that were done
   * @throws InvalidInputError all wrong options at once, `species-unknown`; `data-needed` (see {@link Factorization.withData})
   * @throws the signal's reason after an abort, unless `onAbort: 'partial'`
   * @example
   * ```ts
   * const { elements } = await model.displacement({ species: ['Fe'], levels: [4] })
   * for (const { factor, base, levels } of elements) console.log(factor, base, levels[0].lower, levels[0].upper)
   * ```
   */
  async displacement(options: DisplacementOptions = {}): Promise<Displacement> {
    return displacementOf(this, needData(this.#source, 'displacement'), options)
  }

  /**
   * Bootstrap with displacement (BS-DISP): every resample is fitted as by {@link Factorization.bootstrap}, and chosen
   * elements are displaced in it as by {@link Factorization.displacement}, without the search for lower branches. The
   * intervals are the 5 % quantile of the lower and the 95 % quantile of the upper ends over the accepted resamples.
   *
   * @returns intervals, and how many resamples count and why others do not; after an abort with `onAbort: 'partial'`, of
   * the resamples that were done
   * @throws InvalidInputError all wrong options at once, `species-unknown`; `data-needed` (see {@link Factorization.withData})
   * @throws the signal's reason after an abort, unless `onAbort: 'partial'`
   * @example
   * ```ts
   * const { accepted, elements } = await model.bootstrapDisplacement({ runs: 50, species: ['Fe'] })
   * console.log(`${accepted} of 50`, elements[0].levels[0].lower, elements[0].levels[0].upper)
   * ```
   */
  async bootstrapDisplacement(options: BootstrapDisplacementOptions = {}): Promise<BootstrapDisplacement> {
    return bootstrapDisplacementOf(this, needData(this.#source, 'bootstrapDisplacement'), options)
  }

  /**
   * Draws of the profiles from their posterior around this fit, by Langevin dynamics: a check of what standard errors and
   * displacement say, without a parabola and without refits. The density is the profile likelihood, exp(−½ min Q) over the
   * contributions, flat in non-negative profiles; draws of several chains go on until every element has R̂ ≤ 1.01 and
   * `minimumEss` effective draws. Seconds to minutes, about ten solutions of all contributions a draw.
   *
   * @returns moments, quantiles, their Monte Carlo errors, and the draws; after an abort with `onAbort: 'partial'`, of the
   * draws that were made
   * @throws InvalidInputError all wrong options at once; `data-needed` (see {@link Factorization.withData});
   * `posterior-not-defined` for fits by Student's loss
   * @throws the signal's reason after an abort, unless `onAbort: 'partial'` and there are draws
   * @example
   * ```ts
   * const posterior = await model.samplePosterior({ seed: 1 })
   * const { '2.5': low, '97.5': high } = posterior.quantiles
   * console.log(posterior.status, low.get(0, 3), high.get(0, 3), posterior.ratio.get(0, 3))
   * ```
   */
  async samplePosterior(options: PosteriorOptions = {}): Promise<Posterior> {
    return posteriorOf(this, needData(this.#source, 'samplePosterior'), options)
  }

  /**
   * What this model's sources contribute to other samples: {@link score} with its profiles and its objective.
   *
   * @param data the same species in the same order
   */
  async score(data: DataLike, options: ScoreOptions = {}): Promise<Score> {
    const robust = options.robust ?? this.robust
    const nonnegative = options.nonnegative ?? this.options.nonnegative?.contributions
    return score(data, this.profiles, { ...options, robust, nonnegative })
  }

  /**
   * samples × species: the share of its weight that each cell keeps in a robust fit, 1 in a plain one. NaN in cells
   * that are not used, 0 in censored cells that the model stays below; above 1 where Student's t trusts a cell more.
   *
   * @throws InvalidInputError `data-needed`
   */
  async cellWeights(options: Pick<JobOptions, 'signal'> = {}): Promise<Matrix> {
    return cellWeightsOf(this, needData(this.#source, 'cellWeights'), options)
  }

  /**
   * The cells that a robust fit trusts least.
   * @throws InvalidInputError `data-needed`, `option-not-valid`, `option-out-of-range`
   */
  async downweightedCells(options: DownweightedOptions = {}): Promise<DownweightedCells> {
    return downweightedCellsOf(this, needData(this.#source, 'downweightedCells'), options)
  }

  /**
   * The same model with the data that it was fitted to, which what comes from JSON or another thread has lost.
   * @throws InvalidInputError `data-differ` if these are other data; the codes of the data's shapes and names
   */
  withData(data: DataLike): Factorization {
    const prepared = prepare(data)
    if (!isDeepStrictEqual(prepared.summary.sha256, this.data.sha256)) {
      const message = 'the model was fitted to other data than these: their SHA-256 differ'
      throw new InvalidInputError('data-differ', message, { name: 'data' })
    }
    return new Factorization(this, keep(prepared))
  }

  /** A document from which {@link Factorization.fromJSON} restores every number exactly; NaN is written as `null`. */
  toJSON(): FactorizationJson {
    const times = this.data.samples.some((sample) => sample instanceof Date)
    const names = this.profiles.rowNames?.slice() ?? factorNames(this.factors)
    return {
      headwater: this.headwater,
      data: {
        rows: this.data.rows,
        columns: this.data.columns,
        missing: this.data.missing,
        ...(this.data.censored === undefined ? {} : { censored: this.data.censored }),
        sha256: this.data.sha256,
        species: this.data.species,
        samples: this.data.samples.map((sample) => (sample instanceof Date ? sample.toISOString() : sample)),
        samplesAre: times ? 'times' : 'names',
      },
      ...(this.data.treatment === undefined ? {} : { treatment: this.data.treatment }),
      factors: this.factors,
      seed: this.seed,
      options: this.options,
      timing: this.timing,
      best: {
        start: this.start,
        status: this.status,
        q: this.q,
        qTrue: this.qTrue,
        qRobust: this.qRobust,
        outliers: this.outliers,
        nearThreshold: this.nearThreshold,
        qExpected: this.qExpected,
        degreesOfFreedom: this.degreesOfFreedom,
        iterations: this.iterations,
        certificate: this.certificate,
        warnings: this.warnings,
      },
      starts: this.starts,
      basins: this.basins,
      chains: this.chains,
      ...(this.unseenBasinProbability === undefined ? {} : { unseenBasinProbability: this.unseenBasinProbability }),
      ...(isDeepStrictEqual(names, factorNames(this.factors)) ? {} : { factorNames: names }),
      profiles: this.profiles.toJSON(),
      contributions: this.contributions.toJSON(),
    }
  }

  /**
   * The model that {@link Factorization.toJSON} wrote.
   * @param json the document, as text or parsed
   * @throws InvalidInputError `json-not-valid`
   */
  static fromJSON(json: string | FactorizationJson): Factorization {
    const document = parse(json)
    const { samples, samplesAre, ...rest } = document.data
    const data: DataSummary = {
      ...rest,
      samples: samplesAre === 'times' ? samples.map((time) => new Date(time)) : samples,
      ...(document.treatment === undefined ? {} : { treatment: document.treatment }),
    }
    const { factors } = document
    const contributions = flat(document.contributions, data.rows, factors, 'contributions')
    const profiles = flat(document.profiles, factors, data.columns, 'profiles')
    const { unseenBasinProbability } = document
    const model = new Factorization({
      headwater: document.headwater,
      data,
      factors,
      seed: document.seed,
      options: document.options,
      ...document.best,
      ...toFactors(contributions, profiles, data, factors),
      starts: document.starts,
      basins: document.basins,
      chains: document.chains,
      ...(unseenBasinProbability === undefined ? {} : { unseenBasinProbability }),
      timing: document.timing,
    })
    return document.factorNames === undefined ? model : model.withFactorNames(document.factorNames)
  }

  /**
   * The same model with other names for its factors, for reports and tables.
   * @param names one per factor
   * @throws InvalidInputError `names-mismatch`
   */
  withFactorNames(names: readonly string[]): Factorization {
    if (!Array.isArray(names) || names.length !== this.factors || !names.every((name) => typeof name === 'string')) {
      const message = `${this.factors} factors need as many names`
      throw new InvalidInputError('names-mismatch', message, { name: 'names', value: names })
    }
    const { profiles, contributions } = this
    const named = {
      ...this,
      profiles: new Matrix(profiles.rows, profiles.cols, profiles.data, { ...labels(profiles), rowNames: names }),
      contributions: new Matrix(contributions.rows, contributions.cols, contributions.data, {
        ...labels(contributions),
        colNames: names,
      }),
    }
    return new Factorization(named, this.#source)
  }
}

function labels({ rowNames, colNames }: Matrix): MatrixNames {
  return { ...(rowNames && { rowNames }), ...(colNames && { colNames }) }
}

function parse(json: unknown): FactorizationJson {
  let document: unknown = json
  if (typeof json === 'string') {
    try {
      document = JSON.parse(json)
    } catch (error) {
      return notValid(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (typeof document !== 'object' || document === null) return notValid('it is not an object')
  const has = document as Record<string, unknown>
  const wanted = ['headwater', 'data', 'factors', 'best', 'starts', 'basins', 'chains', 'options', 'timing', 'seed']
  const missing = wanted.filter((key) => has[key] === undefined)
  if (missing.length > 0) return notValid(`${missing.join(', ')} missing`)
  const data = has['data'] as Partial<FactorizationJson['data']>
  if (!Number.isInteger(has['factors']) || !Number.isInteger(data.rows) || !Number.isInteger(data.columns)) {
    return notValid('factors, data.rows and data.columns must be whole numbers')
  }
  if (data.samples?.length !== data.rows || data.species?.length !== data.columns) {
    return notValid('the names in data do not fit data.rows and data.columns')
  }
  return document as FactorizationJson
}

function flat(rows: JsonMatrix | undefined, count: number, cols: number, name: string): Float64Array<ArrayBuffer> {
  const out = new Float64Array(count * cols)
  if (!Array.isArray(rows) || rows.length !== count) return notValid(`${name} must have ${count} rows`)
  for (const [i, row] of rows.entries()) {
    if (!Array.isArray(row) || row.length !== cols) return notValid(`${name}, row ${i}: must have ${cols} numbers`)
    for (const [j, value] of row.entries()) {
      if (value !== null && typeof value !== 'number') return notValid(`${name}, row ${i}, column ${j}: not a number`)
      out[i * cols + j] = value ?? NaN
    }
  }
  return out
}

function notValid(reason: string): never {
  throw new InvalidInputError('json-not-valid', `this is not a model written by headwater: ${reason}`, { name: 'json' })
}
