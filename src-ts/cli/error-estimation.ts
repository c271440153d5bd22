/** Error estimation within `fit` and the whole study: which methods, with which options, kept as they are done. */
import { InvalidArgumentError, Option } from 'commander'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { Dataset } from '../data/dataset.ts'
import type { JobOptions } from '../job.ts'
import { checkBeforeFit } from '../pmf/before-fit.ts'
import { summarizeErrors, type ErrorEstimates, type ErrorSummary } from '../pmf/error-summary.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { nearest } from '../validate.ts'
import { checkNumbers, list } from './data-options.ts'
import {
  elementOptions,
  LEAST_RESAMPLING,
  levelOptions,
  resamplingOptions,
  toScale,
  type ElementFlags,
  type LevelFlags,
  type ResamplingFlags,
} from './estimate-options.ts'
import type { Interrupt } from './interrupt.ts'
import { writeWhole } from './output.ts'
import { keepingDone } from './progress.ts'
import { count } from './words.ts'

/** Methods by the names that the field gives them. */
export type Method = 'bs' | 'disp' | 'bs-disp'
/** In the order in which they are run: the quick ones first. */
const METHODS: readonly Method[] = ['bs', 'disp', 'bs-disp']

/** What commander makes of the options. */
export interface EstimationFlags extends ElementFlags, LevelFlags, ResamplingFlags {
  errorEstimation?: Method[]
}

/** Which methods, with which options. */
export interface EstimationRequest {
  methods: readonly Method[]
  /** Whether nobody asked for them: then what cannot be done is left out instead of refused. */
  byDefault: boolean
  flags: EstimationFlags
}

const RESAMPLES: readonly Method[] = ['bs', 'bs-disp']
const DISPLACES: readonly Method[] = ['disp', 'bs-disp']
/** Which methods each option is for. */
const NEEDS: Readonly<Record<Exclude<keyof EstimationFlags, 'errorEstimation'>, readonly Method[]>> = {
  runs: RESAMPLES,
  block: RESAMPLES,
  coldStarts: RESAMPLES,
  threshold: RESAMPLES,
  levels: DISPLACES,
  levelScale: DISPLACES,
  species: METHODS,
  elements: METHODS,
}

/**
 * The options.
 * @param usual what is estimated where they name nothing, in words
 */
export function estimationOptions(usual: string): Option[] {
  const what = 'species to resample and displace in every factor (default: all for bs, the strong ones for disp)'
  const text = `any of ${METHODS.join(', ')}, or none (default: ${usual})`
  const levels = 'rises of Q to find, ascending, of disp and bs-disp (default: 4,8,15,25 and 0.5,1,2,4)'
  const options = [...elementOptions(what), ...levelOptions([]), ...resamplingOptions()]
  for (const option of options) if (option.long === '--levels') option.description = levels
  return [new Option('--error-estimation <list>', text).argParser(toMethods), ...options].map((option) =>
    option.helpGroup('Error estimation:'),
  )
}

function toMethods(text: string, before: Method[] = []): Method[] {
  const words = list(text)
  if (words.length === 1 && words[0] === 'none') return []
  for (const word of words) {
    if ((METHODS as readonly string[]).includes(word)) continue
    const meant = nearest(word, METHODS)
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`
    throw new InvalidArgumentError(
      word === 'none'
        ? '"none" stands alone.'
        : `Expected any of ${METHODS.join(', ')}, or none, got "${word}".${hint}`,
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
  checkNumbers(flags, LEAST_RESAMPLING)
  const chosen = flags.errorEstimation ?? methods
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
    methods: METHODS.filter((method) => chosen.includes(method)),
    byDefault: flags.errorEstimation === undefined,
    flags,
  }
}

/** What is done by each method. */
interface Step {
  method: 'bootstrap' | 'displacement' | 'bootstrapDisplacement'
  /** File within a study's folder. */
  file: string
  /** What progress counts. */
  unit: string
  /** For the announcement. */
  words: string
  options: Parameters<typeof checkBeforeFit>[2]
  run: (model: Factorization, job: JobOptions) => Promise<ErrorEstimates>
}

function stepOf(method: Method, flags: EstimationFlags): Step {
  const { runs, block, coldStarts, threshold, species, elements, levels } = flags
  const resampling = { runs, block, coldStarts, threshold, species, elements }
  const displacing = { levels, species, elements, levelScale: toScale(flags) }
  const resamples = count(runs ?? 100, 'resample')
  switch (method) {
    case 'bs':
      return {
        ...{ method: 'bootstrap', file: 'bootstrap.json', unit: 'resample', words: `bootstrap (${resamples})` },
        options: resampling,
        run: async (model, job) => ({ bootstrap: await model.bootstrap({ ...resampling, ...job }) }),
      }
    case 'disp':
      return {
        ...{ method: 'displacement', file: 'displacement.json', unit: 'element', words: 'displacement' },
        options: displacing,
        run: async (model, job) => ({ displacement: await model.displacement({ ...displacing, ...job }) }),
      }
    case 'bs-disp': {
      const options = { ...resampling, ...displacing }
      const words = `bootstrap with displacement (${resamples})`
      return {
        ...{ method: 'bootstrapDisplacement', file: 'bootstrap-displacement.json', unit: 'resample', words, options },
        run: async (model, job) => ({
          bootstrapDisplacement: await model.bootstrapDisplacement({ ...options, ...job }),
        }),
      }
    }
  }
}

/**
 * Refuses before the fit what would be refused after it, and leaves out what nobody asked for and cannot be done.
 * @throws InvalidInputError all that is wrong with a method at once
 */
export function checkEstimation(request: EstimationRequest, data: Dataset, factors: number): EstimationRequest {
  const { byDefault, flags } = request
  const { rows, cols, species, treatment, categories } = data
  const chosen = flags.species !== undefined || flags.elements !== undefined
  const possible = chosen || categories.includes('strong') || !byDefault
  const methods = request.methods.filter((method) => possible || !DISPLACES.includes(method))
  const planned = { factors, data: { rows, columns: cols, species: [...species], treatment }, categories }
  for (const method of methods) {
    const step = stepOf(method, flags)
    checkBeforeFit(step.method, planned, step.options)
  }
  return { ...request, methods }
}

/** What is about to be done, so that nobody waits for what he does not want. */
export function announce({ methods, byDefault, flags }: EstimationRequest): string {
  const words = methods.map((method) => stepOf(method, flags).words).join(', ')
  return `error estimation: ${words}${byDefault ? '; --error-estimation none leaves that out' : ''}`
}

/**
 * Runs the methods one after the other. What is done when the user stops the program is kept and marked `aborted`; each
 * result is written as soon as it is there.
 * @param where folder for the results, if any
 */
export async function estimateErrors(
  model: Factorization,
  { methods, flags }: EstimationRequest,
  where: { out?: string | undefined; threads?: number | undefined; quiet?: boolean | undefined },
  interrupt: Interrupt,
): Promise<ErrorEstimates> {
  let found: ErrorEstimates = {}
  for (const { method, file, unit, run } of methods.map((name) => stepOf(name, flags))) {
    if (interrupt.stopped !== undefined) break
    const { out, threads, quiet = false } = where
    const result = await keepingDone(unit, quiet, interrupt, (job) => run(model, { ...job, threads }))
    if (result === undefined) break
    found = { ...found, ...result }
    if (out !== undefined) await writeWhole(join(out, file), `${JSON.stringify(result[method])}\n`)
  }
  return found
}

/** The summary within a study's folder. */
const SUMMARY_FILE = 'error-summary.json'

/**
 * Writes the summary of what was refitted, if anything was.
 * @returns names of the files: one or none
 */
export async function writeSummary(folder: string, model: Factorization, estimates: ErrorEstimates): Promise<string[]> {
  const summary = summaryOf(model, estimates)
  if (summary === undefined) return []
  const file = join(folder, SUMMARY_FILE)
  await writeWhole(file, `${JSON.stringify(summary)}\n`)
  return [file]
}

/** The summary; `undefined` where nothing was refitted. */
export function summaryOf(model: Factorization, estimates: ErrorEstimates): ErrorSummary | undefined {
  const { bootstrap, displacement, bootstrapDisplacement } = estimates
  return (bootstrap ?? displacement ?? bootstrapDisplacement) && summarizeErrors(model, estimates)
}

/** Removes the results of another study from its folder. */
export async function forgetEstimates(folder: string): Promise<void> {
  const files = METHODS.map((method) => stepOf(method, {}).file)
  for (const file of [...files, SUMMARY_FILE]) await rm(join(folder, file), { force: true })
}
