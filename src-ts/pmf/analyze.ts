/** What a factorisation means for its data. Nothing is fitted here. */
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { own, prepare } from './data.ts'
import { toObjective } from './loss.ts'
import { factorNames, sampleNames } from './solution.ts'
import type { DataLike, Factors } from './types.ts'

/** How well one species, or one sample, is fitted. Over used cells: value, uncertainty and prediction are known. */
export interface Fit {
  /** Used cells. */
  cells: number
  /** Sum of their squared scaled residuals. */
  q: number
  /** `q` over its expectation. About 1 is right, above 2 deserves a look. Absent without cells, or if Qexp ≤ 0. */
  qOverExpected?: number
}

/** The line predicted = intercept + slope · observed, by ordinary least squares. */
export interface Regression {
  /** Used cells. */
  cells: number
  /** Squared correlation; absent where predictions do not vary. */
  rSquared?: number
  /** Dimensionless. */
  slope: number
  slopeStandardError: number
  /** In the unit of the species, as all that follows. */
  intercept: number
  interceptStandardError: number
  /** Standard error of the residuals about the line. */
  residualStandardError: number
}

/** Whether scaled residuals look like draws of the normal distribution with mean 0 and variance 1. */
export interface Normality {
  mean: number
  /** Absent for one cell. */
  standardDeviation?: number
  /** Kolmogorov and Smirnov's statistic: largest distance between the two distribution functions. */
  statistic: number
  /** Chance of at least this distance if they were. */
  pValue: number
}

/** Fit of one species. */
export interface SpeciesFit extends Fit {
  /** Its name. */
  species: string
  /** Absent with fewer than 3 used cells, or where all observed values are equal. */
  regression?: Regression
  /** Absent without used cells. */
  normality?: Normality
}

/** A cell whose scaled residual is beyond 3. */
export interface LargeResidual {
  /** 0-based row. */
  sample: number
  /** 0-based column. */
  species: number
  /** Positive where the solution falls short of the value. */
  scaled: number
}

/**
 * The measured mass as a sum of the factors: mass = intercept + Σ slope · contribution, by ordinary least squares.
 * Contributions have mean 1, so a slope is the mean mass that a factor brings. A negative slope, or a large intercept,
 * says that the factors are not what the mass consists of.
 */
export interface MassRegression {
  /** The species that is the mass. */
  species: string
  /** Samples used. */
  samples: number
  /** In the unit of the mass, as all but `rSquared`. */
  intercept: number
  interceptStandardError: number
  /** One per factor. */
  slopes: Float64Array
  slopeStandardErrors: Float64Array
  rSquared: number
  residualStandardError: number
}

/** Result of {@link analyze}. Plain data: passes through `structuredClone`. */
export interface Analysis {
  /** samples × species: value less prediction, in the data's units; NaN in cells that are not used. */
  residuals: Matrix
  /** samples × species: the same over the uncertainties. */
  scaledResiduals: Matrix
  /** Sum of their squares. */
  q: number
  /** Used cells. */
  cells: number
  /** Used cells less factors × (samples + species with used cells); can be negative for small data. */
  qExpected: number
  /** The same with strong species alone, as EPA PMF 5 counts. */
  qExpectedStrong: number
  /** Measured mass on contributions; absent without a total, or where contributions depend on each other. */
  massRegression?: MassRegression
  /** One per species. */
  species: SpeciesFit[]
  /** One per sample. */
  samples: Fit[]
  /** Cells beyond 3, by sample, then by species. */
  largeResiduals: LargeResidual[]
  /** factors × species: share of the weighted variation that each factor explains (Paatero 1997), 0 to 1; NaN if none. */
  explainedVariation: Matrix
  /** One per species: the share of the residuals. With a column of `explainedVariation` it adds up to 1. */
  unexplainedVariation: Float64Array
  /** factors × species: percentage of the reconstructed species that each factor holds; columns add up to 100. */
  percentOfSpecies: Matrix
  /** One per factor: the sum of its part of all cells. Means something where all species have one unit. */
  mass: Float64Array
}

/**
 * Says where a factorisation fits its data and where it does not, and how it shares each species out to the factors.
 * A censored cell is used only where the prediction exceeds its value.
 *
 * @param data the data that were factorised
 * @param model contributions (samples × factors) and profiles (factors × species), of any program; NaN: not known
 * @param options abort signal
 * @throws InvalidInputError `start-shape-mismatch`, `value-not-finite`, `uncertainty-not-positive`, or the codes of the
 *   data's shapes and names
 * @example
 * ```ts
 * const { species } = await analyze(data, model)
 * console.log(species.filter((one) => (one.qOverExpected ?? 0) > 2))
 * ```
 */
export async function analyze(
  data: DataLike,
  model: Factors,
  options: Pick<JobOptions, 'signal'> = {},
): Promise<Analysis> {
  const check = new Checker(options, 'analyze: options')
  const job = check.job()
  check.finish()
  const { values, uncertainties, censored, summary } = prepare(data)
  const { rows, cols } = values
  if (typeof model !== 'object' || model === null) {
    throw new InvalidInputError('matrix-not-valid', 'analyze needs { contributions, profiles }', { name: 'model' })
  }
  const contributions = own(model.contributions, 'contributions')
  const profiles = own(model.profiles, 'profiles')
  const factors = contributions.cols
  if (contributions.rows !== rows || profiles.rows !== factors || profiles.cols !== cols) {
    const message =
      `contributions are ${contributions.rows} × ${contributions.cols} and profiles ${profiles.rows} × ${profiles.cols}, ` +
      `which does not give ${rows} × ${cols}`
    const hint = 'contributions are samples × factors, profiles factors × species'
    throw new InvalidInputError('start-shape-mismatch', message, { name: 'model', hint })
  }
  for (const [name, matrix] of Object.entries({ contributions, profiles })) refuseInfinite(name, matrix)
  const { species } = summary
  const total = summary.treatment?.total
  const place = total === undefined ? -1 : species.indexOf(total)
  const { categories } = data
  const view = {
    factors,
    ...(categories?.length === cols ? { weak: Uint8Array.from(categories, (one) => Number(one === 'weak')) } : {}),
    ...(place < 0 ? {} : { total: place }),
  }
  const objective = toObjective(undefined, censored)
  const { analyze: start } = native()
  const found = await runJob(
    (token) =>
      start(values.data, uncertainties.data, rows, cols, contributions.data, profiles.data, objective, view, token),
    job,
  )
  const samples = sampleNames(summary)
  const cells = { rowNames: samples, colNames: species }
  const shares = { rowNames: contributions.colNames ?? factorNames(factors), colNames: species }
  return {
    residuals: new Matrix(rows, cols, found.residuals, cells),
    scaledResiduals: new Matrix(rows, cols, found.scaledResiduals, cells),
    q: found.q,
    cells: found.cells,
    qExpected: found.qExpected,
    qExpectedStrong: found.qExpectedStrong,
    ...(found.massRegression === undefined ? {} : { massRegression: { species: total!, ...found.massRegression } }),
    species: found.species.map((fit, j) => ({ species: species[j]!, ...fit })),
    samples: found.samples,
    largeResiduals: found.largeResiduals,
    explainedVariation: new Matrix(factors, cols, found.explainedVariation, shares),
    unexplainedVariation: found.unexplainedVariation,
    percentOfSpecies: new Matrix(factors, cols, found.percentOfSpecies, shares),
    mass: found.mass,
  }
}

function refuseInfinite(name: string, matrix: Matrix): void {
  const at = matrix.data.findIndex((value) => value === Infinity || value === -Infinity)
  if (at < 0) return
  const place = { name, row: Math.floor(at / matrix.cols), col: at % matrix.cols, value: matrix.data[at] }
  throw new InvalidInputError('value-not-finite', `${name} hold an infinite number`, place)
}
