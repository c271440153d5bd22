/** Cells below the detection limit: kept, replaced as EPA PMF 5 advises, or known only to lie below the limit. */
import type { BelowDetection } from './options.ts'
import { throwProblems, type DataProblem } from './problems.ts'

/** Uncertainty of a value below the detection limit, as a share of the limit (Polissar et al. 1998). */
export const BELOW_DETECTION_UNCERTAINTY: number = 5 / 6

/** A cell as a policy leaves it. */
export interface DetectedCell {
  value: number
  uncertainty: number
  /** The value is a limit that the true one lies below. */
  censored: boolean
}

/** What the policy makes of a cell; `undefined` where the cell is at or above its limit, or has no value. */
export function belowDetection(
  value: number,
  uncertainty: number,
  limit: number | undefined,
  policy: BelowDetection,
): DetectedCell | undefined {
  if (policy === 'keep' || limit === undefined || !(limit > 0) || Number.isNaN(value) || value > limit) return undefined
  const usual = BELOW_DETECTION_UNCERTAINTY * limit
  if (policy === 'substitute') return { value: limit / 2, uncertainty: usual, censored: false }
  const known = uncertainty > 0 && uncertainty < Infinity
  return { value: limit, uncertainty: known ? uncertainty : usual, censored: true }
}

/**
 * The detection limit of each species: those of the equation file or arrays, with those of the options over them.
 * @throws InvalidInputError `detection-limit-missing` with every species that a policy needs one for
 */
export function detectionLimits(
  species: readonly string[],
  fitted: readonly number[],
  known: readonly number[] | undefined,
  given: Readonly<Record<string, number>> | undefined,
  policy: BelowDetection,
): (number | undefined)[] {
  const limits = species.map((name, col) => (given && Object.hasOwn(given, name) ? given[name] : known?.[col]))
  if (policy === 'keep') return limits
  const problems: DataProblem[] = fitted
    .filter((col) => limits[col] === undefined)
    .map((col) => ({
      code: 'detection-limit-missing',
      header: species[col]!,
      message: `belowDetection: '${policy}' needs the detection limit of this species`,
      hint: 'give it with detectionLimits (0: never below), or with a file of limits and error fractions',
    }))
  throwProblems(problems)
  return limits
}
