/**
 * What is wrong with input data: a list of places, thrown at once as one `InvalidInputError`.
 *
 * Every check of this folder collects problems and throws them together, because a file with one typing mistake
 * usually has ten, and a scientist wants to correct them in one go.
 */
import { InvalidInputError } from '../errors.ts'

/** One thing that is wrong, and where. Absent fields do not apply. */
export interface DataProblem {
  /** Stable kebab-case code, for example `not-a-number`. */
  code: string
  /** What was expected and what came, without the position. */
  message: string
  /** Name of the file as it was given. */
  file?: string
  /** 1-based line of the file (the header is usually line 1). */
  line?: number
  /** 1-based field within the line: the spreadsheet's column, where A is 1. */
  column?: number
  /** Name of the column in the header. */
  header?: string
  /** The text that was found, unchanged. */
  value?: string
  /** What to do about it. */
  hint?: string
  /** 0-based row of the array (arrays only). */
  row?: number
  /** 0-based column of the array (arrays only). */
  col?: number
}

/** Most problems that one message spells out; the error's `problems` always holds them all. */
export const SHOWN_PROBLEMS = 20

/** One problem in one line: position, what is wrong, what to do. */
export function describeProblem(problem: DataProblem): string {
  const place: string[] = []
  if (problem.file !== undefined) place.push(problem.file)
  if (problem.line !== undefined) place.push(`line ${problem.line}`)
  if (problem.column !== undefined) place.push(`column ${problem.column}`)
  if (problem.row !== undefined) place.push(`row ${problem.row}`)
  if (problem.col !== undefined) place.push(`column ${problem.col}`)
  if (problem.row !== undefined || problem.col !== undefined) place.push('counted from 0')
  if (problem.header !== undefined && problem.header !== '') place.push(`"${problem.header}"`)
  const where = place.length > 0 ? `${place.join(', ')}: ` : ''
  return `${where}${problem.message}${problem.hint === undefined ? '' : ` (${problem.hint})`}`
}

/**
 * The error for a list of problems. Its code and position are those of the first problem, its message shows the first
 * {@link SHOWN_PROBLEMS} with the total, and its field `problems` holds all of them.
 */
export function problemsError(problems: readonly DataProblem[]): InvalidInputError {
  const first = problems[0]
  if (first === undefined) throw new RangeError('problemsError needs at least one problem')
  const { code, message: _message, ...details } = first
  const lines = problems.slice(0, SHOWN_PROBLEMS).map(describeProblem)
  const rest = problems.length - lines.length
  const message =
    problems.length === 1
      ? lines[0]!
      : `${problems.length} problems in the data:\n  ${lines.join('\n  ')}${rest > 0 ? `\n  … and ${rest} more` : ''}`
  return new InvalidInputError(code, message, details, problems)
}

/** Throws {@link problemsError} if there is any problem. */
export function throwProblems(problems: readonly DataProblem[]): void {
  if (problems.length > 0) throw problemsError(problems)
}
