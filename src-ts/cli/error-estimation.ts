/** Error estimation within `fit` and the whole study: which methods, with which options, kept as they are done. */
import { InvalidArgumentError, Option } from 'commander'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { Dataset } from '../data/dataset.ts'
import type { JobOptions } from '../job.ts'
import type { Bootstrap } from '../pmf/bootstrap.ts'
import { checkBeforeFit, type ElementChoice } from '../pmf/displacement-options.ts'
import type { ErrorEstimates } from '../pmf/error-summary.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { nearest } from '../validate.ts'
import { checkNumbers, list, wholeNumber } from './data-options.ts'
import type { Interrupt } from './interrupt.ts'
import { writeWhole } from './output.ts'
import { ProgressLine } from './progress.ts'
import { count } from './words.ts'

/** Methods by the names that the field gives them. */
export const METHODS = ['bs', 'disp'] as const
export type Method = (typeof METHODS)[number]

/** What commander makes of the options. */
export interface EstimationFlags {
  errorEstimation?: Method[]
  runs?: number | undefined
  block?: number | undefined
  levels?: number[] | undefined
  species?: string[] | undefined
  elements?: ElementChoice[] | undefined
  levelScale?: 'none' | 'Q/nu' | undefined
}

/** Which methods, with which options. */
export interface EstimationRequest extends Omit<EstimationFlags, 'errorEstimation' | 'levelScale'> {
  methods: readonly Method[]
  /** Whether nobody asked for them: then what cannot be done is left out instead of refused. */
  byDefault: boolean
  levelScale: 'none' | 'Q/ν'
}

/** Which method each option is for. */
const NEEDS: Readonly<Record<string, readonly Method[]>> = {
  runs: ['bs'],
  block: ['bs'],
  levels: ['disp'],
  levelScale: ['disp'],
  species: ['disp'],
  elements: ['disp'],
}

/** The options. */
export function estimationOptions(): Option[] {
  const option = (flags: string, text: string): Option => new Option(flags, text).helpGroup('Error estimation:')
  return [
    option(
      '--error-estimation <list>',
      `any of ${METHODS.join(', ')}, or none (default: bs,disp for the whole study, none for fit)`,
    ).argParser(toMethods),
    option('--runs <n>', 'resamples of the bootstrap (default: 100)').argParser(wholeNumber),
    option('--block <n>', "samples in a block of the bootstrap (default: by Politis and White's rule)").argParser(
      wholeNumber,
    ),
    option('--levels <rises>', 'rises of Q of the displacement, ascending (default: 4,8,15,25)').argParser(toLevels),
    option('--level-scale <scale>', 'Q/nu multiplies the levels by Q over the degrees of freedom').choices([
      'none',
      'Q/nu',
    ]),
    option('--species <names>', 'species to displace in every factor (default: the strong ones)').argParser(list),
    option('--elements <list>', 'single elements instead, such as 0:Fe,2:Zn; factors count from 0').argParser(
      toChoices,
    ),
  ]
}

function toMethods(text: string, before: Method[] = []): Method[] {
  const words = list(text)
  if (words.length === 1 && words[0] === 'none') return []
  for (const word of words) {
    if ((METHODS as readonly string[]).includes(word)) continue
    const meant = nearest(word, METHODS)
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`
    throw new InvalidArgumentError(
      word === 'none' ? '"none" stands alone.' : `Expected ${METHODS.join(', ')} or none, got "${word}".${hint}`,
    )
  }
  if (words.length === 0) throw new InvalidArgumentError(`Expected any of ${METHODS.join(', ')}, or none.`)
  return [...new Set([...before, ...(words as Method[])])]
}

/**
 * Reads the flags; `undefined` where nothing is to be estimated.
 * @param methods the methods where the flags name none
 * @throws InvalidInputError all that is wrong at once
 */
export function toEstimation(flags: EstimationFlags, methods: readonly Method[]): EstimationRequest | undefined {
  const { errorEstimation, levelScale, runs, block, levels, species, elements } = flags
  checkNumbers(flags, { runs: 1, block: 1 })
  const chosen = errorEstimation ?? methods
  const problems: InputProblem[] = []
  for (const [name, needed] of Object.entries(NEEDS)) {
    if (flags[name as keyof EstimationFlags] === undefined || needed.some((method) => chosen.includes(method))) continue
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const message = `${flag} is for error estimation: it needs --error-estimation ${needed.join(' or ')}`
    problems.push({ code: 'options-conflict', name, message })
  }
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
  if (chosen.length === 0) return undefined
  return {
    // In the order in which they are run.
    methods: METHODS.filter((method) => chosen.includes(method)),
    byDefault: errorEstimation === undefined,
    levelScale: levelScale === 'Q/nu' ? 'Q/ν' : 'none',
    ...{ runs, block, levels, species, elements },
  }
}

/**
 * Refuses before the fit what would be refused after it, and leaves out what nobody asked for and cannot be done.
 * @throws InvalidInputError all that is wrong at once
 */
export function checkEstimation(request: EstimationRequest, data: Dataset, factors: number): EstimationRequest {
  const { methods, byDefault, levels, species, elements } = request
  if (!methods.includes('disp')) return request
  const chosen = species !== undefined || elements !== undefined
  if (byDefault && !chosen && !data.categories.includes('strong')) {
    return { ...request, methods: methods.filter((method) => method !== 'disp') }
  }
  const summary = { species: [...data.species], columns: data.cols, treatment: data.treatment }
  checkBeforeFit(factors, summary, data.categories, { levels, species, elements })
  return request
}

/** Names of the files within a study's folder. */
const FILES: Readonly<Record<Method, string>> = { bs: 'bootstrap.json', disp: 'displacement.json' }
export const SUMMARY_FILE = 'error-summary.json'

/** Removes the results of another study from its folder. */
export async function forgetEstimates(folder: string): Promise<void> {
  for (const file of [...Object.values(FILES), SUMMARY_FILE]) await rm(join(folder, file), { force: true })
}

/** A bootstrap without what its resamples look like one by one, which would be most of a document. */
export function bootstrapJson({ resamples, ...rest }: Bootstrap): object {
  return { ...rest, resamples: resamples.map(({ counts: _, profiles: __, ...numbers }) => numbers) }
}

/** What was estimated; absent where the user stopped the program before anything of it was done. */
type Estimated = Pick<ErrorEstimates, 'bootstrap' | 'displacement'>

/**
 * Runs the methods one after the other. What is done when the user stops the program is kept and marked `aborted`; each
 * result is written as soon as it is there.
 * @param where folder for the results, if any
 */
export async function estimateErrors(
  model: Factorization,
  request: EstimationRequest,
  where: { out?: string | undefined; threads?: number | undefined; quiet?: boolean | undefined },
  interrupt: Interrupt,
): Promise<Estimated> {
  const { runs, block, levels, species, elements, levelScale } = request
  const found: Estimated = {}
  for (const method of request.methods) {
    if (interrupt.stopped !== undefined) break
    const job = { threads: where.threads, seed: model.seed }
    const result =
      method === 'bs'
        ? (found.bootstrap = await kept('resample', where, interrupt, (options) =>
            model.bootstrap({ ...job, ...options, runs, block }),
          ))
        : (found.displacement = await kept('element', where, interrupt, (options) =>
            model.displacement({ ...job, ...options, levels, species, elements, levelScale }),
          ))
    if (where.out !== undefined && result !== undefined) {
      await writeWhole(join(where.out, FILES[method]), `${JSON.stringify(result)}\n`)
    }
  }
  return found
}

/** `undefined` if the user stopped the program before anything of it was done. */
async function kept<T>(
  unit: string,
  { quiet }: { quiet?: boolean | undefined },
  { signal }: Interrupt,
  work: (options: JobOptions) => Promise<T>,
): Promise<T | undefined> {
  const line = quiet ? undefined : new ProgressLine(process.stderr, false, undefined, unit)
  try {
    return await work({ signal, onAbort: 'partial', onProgress: line && ((progress) => line.update(progress)) })
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined
    throw error
  } finally {
    line?.finish()
  }
}

/** What is about to be done, so that nobody waits for what he does not want. */
export function announce({ methods, runs = 100, byDefault }: EstimationRequest): string {
  const words: Record<Method, string> = { bs: `bootstrap (${count(runs, 'resample')})`, disp: 'displacement' }
  const hint = byDefault ? '; --error-estimation none leaves that out' : ''
  return `error estimation: ${methods.map((method) => words[method]).join(', ')}${hint}`
}

function toLevels(text: string, before: number[] = []): number[] {
  const levels = text.split(',').map((word) => (word.trim() === '' ? NaN : Number(word)))
  if (levels.some(Number.isNaN)) throw new InvalidArgumentError('Expected numbers separated by commas, such as 4,8.')
  return [...before, ...levels]
}

function toChoices(text: string, before: ElementChoice[] = []): ElementChoice[] {
  const choices = list(text).map((word): ElementChoice => {
    const [, factor, species] = /^(\d+)\s*:\s*(.+)$/.exec(word) ?? []
    if (factor === undefined || species === undefined) {
      throw new InvalidArgumentError('Expected factors (from 0) and species, such as 0:Fe,2:Zn.')
    }
    return { factor: Number(factor), species }
  })
  return [...before, ...choices]
}
