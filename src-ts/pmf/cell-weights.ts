/** Which cells a robust fit trusts less than their uncertainties say. */
import type { NativeCellWeights } from '#native'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import type { Factorization } from './factorization.ts'
import { toObjective } from './loss.ts'

/** A cell that counts less than its uncertainty says. */
export interface DownweightedCell {
  /** 0-based row. */
  sample: number
  /** 0-based column. */
  species: number
  /** Share of its weight that it keeps, between 0 and 1. */
  share: number
  /** (value − prediction) / uncertainty. */
  scaled: number
}

/** Result of {@link Factorization.downweightedCells}. */
export interface DownweightedCells {
  /** Cells that keep less than their whole weight. */
  count: number
  /** Those that keep least, in that order. */
  cells: DownweightedCell[]
}

/** Options of {@link Factorization.downweightedCells}. */
export interface DownweightedOptions extends Pick<JobOptions, 'signal'> {
  /**
   * Most cells to list.
   * @default 50
   */
  limit?: number | undefined
}

/** Cells that are listed unless more are asked for. */
const LISTED = 50

/** The share of its weight that each cell keeps. */
export async function cellWeightsOf(
  model: Factorization,
  source: DataSource,
  options: Pick<JobOptions, 'signal'>,
): Promise<Matrix> {
  const check = new Checker(options, 'cellWeights: options')
  const job = check.job()
  check.finish()
  const { shares } = await weigh(model, source, 0, job)
  const { rows, cols } = source.values
  return new Matrix(rows, cols, shares, { rowNames: model.contributions.rowNames, colNames: model.data.species })
}

/** The cells that keep least. */
export async function downweightedCellsOf(
  model: Factorization,
  source: DataSource,
  options: DownweightedOptions,
): Promise<DownweightedCells> {
  const check = new Checker(options, 'downweightedCells: options')
  const limit = check.integer('limit') ?? LISTED
  const job = check.job()
  check.finish()
  const { count, downweighted } = await weigh(model, source, limit, job)
  return { count, cells: downweighted }
}

function weigh(model: Factorization, source: DataSource, limit: number, job: JobOptions): Promise<NativeCellWeights> {
  const { values, uncertainties, censored } = source
  const { contributions, profiles, factors } = model
  const objective = toObjective(model.robust, censored)
  const { cellWeights: start } = native()
  return runJob(
    (token) =>
      start(
        values.data,
        uncertainties.data,
        values.rows,
        values.cols,
        contributions.data,
        profiles.data,
        objective,
        { factors, limit },
        token,
      ),
    job,
  )
}
