/** Exit codes, and how an error is told. */
import { styleText } from 'node:util'
import { BackendUnavailableError, HeadwaterError, InvalidInputError, type InputProblem } from '../errors.ts'
import { describeProblem, SHOWN_PROBLEMS, type DataProblem } from '../data/problems.ts'
import { asFlags } from './flags.ts'

/** How the program ends. */
export const EXIT = {
  ok: 0,
  /** A defect of this program. */
  internal: 1,
  /** Wrong options or arguments. */
  usage: 2,
  /** The data cannot be used. */
  data: 65,
  /** A file is missing or cannot be read. */
  missing: 66,
  /** The native addon, or threads, cannot be had. */
  unavailable: 69,
  /** No start converged. */
  notConverged: 70,
  /** Something is left to do, and can be taken up again. */
  incomplete: 75,
} as const

/** The user stopped the program; what is done has been saved, if there was anything. */
export class Stopped extends Error {
  /** 130 after SIGINT, 143 after SIGTERM. */
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`)
    this.exitCode = signal === 'SIGINT' ? 130 : 143
  }
}

/** Work is done and saved, but not all of it: the message says how to go on. */
export class IncompleteError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super('incomplete', message, options)
  }
}

/** Codes of input errors that are not about the contents of a data file. */
const MISSING = new Set(['file-not-found', 'file-not-readable', 'file-locked'])
const USAGE =
  /^(option-.*|options-.*|species-unknown|sample-unknown|column-unknown|range-needs-dates|too-(few|many)-factors|output-.*|threads-.*)$/

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Stopped) return error.exitCode
  if (error instanceof IncompleteError) return EXIT.incomplete
  if (error instanceof BackendUnavailableError) return EXIT.unavailable
  if (!(error instanceof InvalidInputError)) return EXIT.internal
  if (MISSING.has(error.code)) return EXIT.missing
  return USAGE.test(error.code) ? EXIT.usage : EXIT.data
}

/** Tells an error on stderr: in words, or with `--json` as one line of JSON with all problems. */
export function tell(error: unknown, json: boolean): void {
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: plain(error) })}\n`)
    return
  }
  const mark = styleText(['bold', 'red'], 'headwater:', { stream: process.stderr })
  process.stderr.write(`${mark} ${inWords(error)}\n`)
}

function inWords(error: unknown): string {
  if (error instanceof InvalidInputError) {
    const lines = error.problems.map((problem) => asFlags(describeProblem(withoutNulls(problem))))
    if (lines.length === 1) return lines[0]!
    const shown = lines.slice(0, SHOWN_PROBLEMS)
    const rest = lines.length - shown.length
    const more = rest > 0 ? `\n  … and ${rest} more (--json lists all)` : ''
    return `${lines.length} problems:\n  ${shown.join('\n  ')}${more}`
  }
  if (error instanceof HeadwaterError && error.code !== 'internal') return error.message
  if (error instanceof Stopped) return `${error.message} before anything was done: there is nothing to save.`
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `this is a defect of headwater, not of your data. Please report it with the following text.\n${text}`
}

function plain(error: unknown): unknown {
  if (error instanceof InvalidInputError) {
    const { code, message, problems } = error
    return { code, message: asFlags(message), problems }
  }
  if (error instanceof HeadwaterError) return { code: error.code, message: error.message }
  if (error instanceof Stopped) return { code: 'stopped', message: error.message }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
}

/** Problems of options have an argument's name instead of a place. */
function withoutNulls(problem: InputProblem): DataProblem {
  const entries = Object.entries(problem).filter(([key, value]) => value !== undefined && key !== 'value')
  return Object.fromEntries(entries) as unknown as DataProblem
}
