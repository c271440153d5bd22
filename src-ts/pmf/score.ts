/** Samples seen through profiles that are known. */
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { own, prepare } from './data.ts'
import { readRobust, toObjective, type Robust } from './loss.ts'
import { factorNames, sampleNames } from './solution.ts'
import type { DataLike } from './types.ts'

/** Options of {@link score}. */
export interface ScoreOptions extends JobOptions {
  /**
   * The objective, as in `factorize`.
   * @default that of the model for `model.score`, else the plain sum of squares
   */
  robust?: Robust | undefined
  /**
   * Contributions bounded at zero.
   * @default as in the model for `model.score`, else true
   */
  nonnegative?: boolean | undefined
}

/** The result of {@link score}. */
export interface Score {
  /** samples × factors, the minimiser of Q for the given profiles; NaN where a sample has no data. */
  contributions: Matrix
  /** Q there. */
  q: number
}

/**
 * What known sources contribute to samples: min Q over contributions ≥ 0 with the profiles fixed, exactly, every sample by
 * itself. Cost: half a sweep of `factorize`.
 *
 * @param profiles factors × species, those of the data in the same order; NaN (a species that the fit had no data of) is 0
 * @throws InvalidInputError wrong options, `start-shape-mismatch`, `start-not-valid`, `names-mismatch`, or the first bad cell
 */
export async function score(data: DataLike, profiles: MatrixLike, options: ScoreOptions = {}): Promise<Score> {
  const check = new Checker(options, 'score: options')
  const robust = readRobust(check) || undefined
  const nonnegative = check.boolean('nonnegative') ?? true
  const job = check.job()
  check.finish()
  const { values, uncertainties, censored, summary } = prepare(data)
  const { rows: factors, cols, data: elements, rowNames, colNames } = own(profiles, 'profiles')
  if (cols !== values.cols) {
    const message = `profiles are ${factors} × ${cols}, and the data have ${values.cols} species`
    throw new InvalidInputError('start-shape-mismatch', message, { name: 'profiles' })
  }
  const given = data.species ?? (values.colNames as readonly string[] | undefined)
  const other = given && colNames ? colNames.findIndex((name, j) => name !== given[j]) : -1
  if (other >= 0) {
    const message = `column ${other} is '${given![other]}' in the data and '${colNames![other]}' in the profiles`
    throw new InvalidInputError('names-mismatch', message, { name: 'profiles', col: other })
  }
  const objective = toObjective(robust, censored)
  const { score: start } = native()
  const { contributions, q } = await runJob(
    (token) =>
      start(
        values.data,
        uncertainties.data,
        values.rows,
        cols,
        objective,
        elements,
        factors,
        nonnegative,
        job.threads,
        token,
      ),
    job,
  )
  const names = { rowNames: sampleNames(summary), colNames: rowNames ?? factorNames(factors) }
  return { contributions: new Matrix(values.rows, factors, contributions, names), q }
}
