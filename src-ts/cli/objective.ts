/** Options of the command line that say what is minimised, and how errors are given. */
import { InvalidArgumentError, Option } from 'commander'
import type { InputProblem } from '../errors.ts'
import { USUAL_ALPHA, type Loss } from '../pmf/loss.ts'

/** What commander makes of them. */
export interface ObjectiveFlags {
  robust?: Loss
}

/** What commander makes of the options about standard errors. */
export interface ErrorFlags {
  errorScale?: 'none' | 'Q/nu'
  errorBlock?: number
}

/** `--robust [loss]`. */
export function robustOption(): Option {
  const description =
    "robust fit: outliers pull with a bounded force. A number is α of Huber's loss (4 if left out), student:V is " +
    "Student's t with V degrees of freedom"
  return new Option('--robust [alpha]', description).preset(String(USUAL_ALPHA)).argParser(toLoss)
}

function toLoss(text: string): Loss {
  const [, student] = /^student:(.*)$/i.exec(text) ?? []
  const number = Number(student ?? text)
  if ((student ?? text).trim() !== '' && Number.isFinite(number) && number > 0) {
    return student === undefined ? { alpha: number } : { student: number }
  }
  const hint = /[./\\]/.test(text) && student === undefined ? ' Put --robust after the files, or write --robust=4.' : ''
  throw new InvalidArgumentError(`Expected a positive number α, or student:4 for Student's t.${hint}`)
}

/** The options about standard errors. */
export function errorOptions(): Option[] {
  return [
    new Option(
      '--error-scale <scale>',
      'Q/nu multiplies standard errors by the root of Q over the degrees of freedom (default: none)',
    ).choices(['none', 'Q/nu']),
    new Option(
      '--error-block <samples>',
      'consecutive samples that the sandwich errors treat as one (default: 1)',
    ).argParser((value) => (Number.isNaN(Number(value)) ? value : Number(value))),
  ]
}

/** Contradictions between the objective and other options, all at once. */
export function conflicts(
  flags: ObjectiveFlags & { method?: string | undefined; pmf5?: boolean | undefined },
): InputProblem[] {
  const { pmf5, method } = flags
  const robust = flags.robust ?? pmf5
  if (robust === undefined || (method !== 'mu' && method !== 'hals')) return []
  const message = `--method ${method} minimises a plain sum of squares: ${flags.robust ? '--robust' : '--pmf5'} needs anls or auto`
  return [{ code: 'options-conflict', name: 'method', message }]
}
