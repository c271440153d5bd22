/** `headwater displace CON UNC --factors P`, or `--model FILE`: intervals of profile elements (DISP). */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { Dataset } from '../data/dataset.ts'
import { checkBeforeFit, type ElementChoice } from '../pmf/displacement-options.ts'
import type { Displacement, DisplacementOptions } from '../pmf/displacement.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { addDataOptions, checkNumbers, list, readData } from './data-options.ts'
import { describeData, describeSolution, heading } from './describe.ts'
import { describeDisplacement, displacementTable, swapTable } from './describe-displacement.ts'
import { EXIT } from './exit.ts'
import { addEngineOptions, LEAST, toEngine, type FitFlags } from './fit.ts'
import { Interrupt } from './interrupt.ts'
import { conflicts } from './objective.ts'
import { MODEL_FILE, prepareFile, prepareFolder, writeWhole } from './output.ts'
import { ProgressLine } from './progress.ts'
import { checkSameData, readModel } from './report.ts'
import { fit, freeName } from './study.ts'
import { count } from './words.ts'
import { quote } from './write-report.ts'

/** What commander makes of the options. */
export interface DisplaceFlags extends Omit<FitFlags, 'nameFactor' | 'errorScale' | 'errorBlock'> {
  model?: string
  levels?: number[]
  species?: string[]
  elements?: ElementChoice[]
  levelScale?: 'none' | 'Q/nu'
  check: boolean
}

/** Options that a saved model has fixed. */
const FIXED = [
  ...['factors', 'starts', 'maxStarts', 'firstStart', 'start', 'robust', 'method', 'initialization'],
  ...['maxIterations', 'negative', 'stop', 'save'],
] as const

/** Adds the options of the command. */
export function addDisplaceOptions(command: Command): Command {
  const displace = (flags: string, text: string): Option => new Option(flags, text).helpGroup('Displacement:')
  const output = (flags: string, text: string): Option => new Option(flags, text).helpGroup('Output:')
  addEngineOptions(command)
    .addOption(displace('--model <file>', 'instead of a fit: a model saved by --save or --out'))
    .addOption(displace('--levels <rises>', 'rises of Q to find, ascending (default: 4,8,15,25)').argParser(toLevels))
    .addOption(
      displace('--species <names>', 'species to displace in every factor (default: the strong ones)').argParser(list),
    ) // prettier-ignore
    .addOption(
      displace('--elements <list>', 'single elements instead, such as 0:Fe,2:Zn; factors count from 0').argParser(
        toChoices,
      ),
    ) // prettier-ignore
    .addOption(
      displace(
        '--level-scale <scale>',
        'Q/nu multiplies the levels by Q over the degrees of freedom (default: none)',
      ).choices(['none', 'Q/nu']),
    ) // prettier-ignore
    .addOption(displace('--no-check', 'leave out the search for lower branches at the ends'))
  addDataOptions(command)
  return command
    .addOption(output('-o, --out <folder>', 'write the model, displacement.json and CSV tables'))
    .addOption(output('--force', 'overwrite what is in the way'))
    .addOption(output('--save <file>', 'save the model as JSON'))
    .addOption(output('--json', 'print one JSON document instead of tables'))
    .addOption(output('-q, --quiet', 'no progress and no notes'))
}

/** Fits or reads, displaces, prints and writes; what was done before Ctrl-C too. */
export async function displaceCommand(con: string, unc: string, flags: DisplaceFlags): Promise<number> {
  checkFlags(con, unc, flags)
  const { out, save, force = false, quiet = false, json = false } = flags
  const options = toOptions(flags)
  const given = flags.model === undefined ? undefined : await readModel(flags.model)
  const data = await readData(con, unc, flags)
  if (given) checkSameData(given, data.sha256(), flags.model!)
  const engine = given ? undefined : toEngine(flags, flags.factors!)
  const { factors, seed = 0, ...rest } = engine ?? given!
  const summary = { species: [...data.species], columns: data.cols, treatment: data.treatment }
  checkBeforeFit(factors, summary, data.categories, { levels: options.levels, species: options.species, elements: options.elements }) // prettier-ignore
  const key = { sha256: data.sha256(), factors, seed, options: given ? given.options : rest }
  if (out !== undefined) await prepareFolder(out, key, force)
  if (save !== undefined) await prepareFile(save, key, force)
  const say = (text: string): void => void (quiet || process.stderr.write(`headwater: ${text}\n`))
  say(
    `${count(data.rows, 'sample')} × ${count(data.cols, 'species', 'species')} read; ` +
      (given ? `displacing elements of ${count(factors, 'factor')}` : `fitting ${count(factors, 'factor')}`),
  )
  using interrupt = new Interrupt()
  const model = given?.withData(data) ?? (await fit(data, { engine: engine!, threads: flags.threads, quiet }, interrupt)) // prettier-ignore
  // First of all, so that nothing that happens later can lose it.
  const document = `${JSON.stringify(model)}\n`
  if (save !== undefined) await writeWhole(save, document)
  if (out !== undefined) await writeWhole(join(out, MODEL_FILE), document)
  if (save !== undefined) say(`model saved in ${save}`)
  const found = await displace(model, options, flags, interrupt)
  if (json) process.stdout.write(`${JSON.stringify(toJson(model, found))}\n`)
  else process.stdout.write(inWords(data, model, found, quiet))
  if (out !== undefined && found !== undefined) await writeTables(out, model, found, say)
  const { stopped } = interrupt
  if (stopped === undefined) return given || model.basins.length > 0 ? EXIT.ok : EXIT.notConverged
  if (!given && out === undefined && save === undefined && !json) {
    const file = await freeName('headwater-stopped')
    await writeWhole(file, document)
    say(`the fit is saved in ${file}`)
  }
  process.stderr.write(`headwater: stopped when ${count(found?.elements.length ?? 0, 'element')} had been displaced.\n`)
  return stopped.exitCode
}

function checkFlags(con: string, unc: string, flags: DisplaceFlags): void {
  checkNumbers(flags, LEAST)
  const problems: InputProblem[] = conflicts(flags)
  if (flags.model === undefined && flags.factors === undefined) {
    const hint = `for example: headwater displace ${quote(con)} ${quote(unc)} --factors 6`
    problems.push({ code: 'option-missing', name: 'factors', message: 'displace needs --factors, or --model', hint })
  }
  if (flags.model !== undefined) {
    const beside = FIXED.filter((name) => flags[name] !== undefined)
    const named = beside.map((name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    const message = `--model holds a fit: ${named.join(', ')} cannot be given beside it`
    if (beside.length > 0) problems.push({ code: 'options-conflict', name: 'model', message })
  }
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
}

function toOptions(flags: DisplaceFlags): DisplacementOptions {
  const { levels, species, elements, check, seed, threads, levelScale } = flags
  return { levels, species, elements, check, seed, threads, levelScale: levelScale === 'Q/nu' ? 'Q/ν' : 'none' }
}

/** `undefined` if the user stopped the program before anything of it was done. */
async function displace(
  model: Factorization,
  options: DisplacementOptions,
  { quiet }: DisplaceFlags,
  { signal }: Interrupt,
): Promise<Displacement | undefined> {
  const line = quiet ? undefined : new ProgressLine(process.stderr, false, undefined, 'element')
  try {
    return await model.displacement({
      ...options,
      signal,
      onAbort: 'partial',
      onProgress: line && ((progress) => line.update(progress)),
    })
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined
    throw error
  } finally {
    line?.finish()
  }
}

function toJson(model: Factorization, found: Displacement | undefined): object {
  if (found === undefined) {
    const nothing = { elements: [], swaps: [], largestDecrease: 0, errorCode: 6, status: 'aborted', restarts: 0 }
    return { ...model.toJSON(), ...nothing }
  }
  const { timing, ...displacement } = found
  return { ...model.toJSON(), ...displacement, displacementTiming: timing }
}

function inWords(data: Dataset, model: Factorization, found: Displacement | undefined, quiet: boolean): string {
  const base = quiet ? '' : describeData(data)
  const title = `\n${heading(`${count(model.factors, 'factor')}, seed ${model.seed}`)}`
  return base + title + describeSolution(model) + (found === undefined ? '' : describeDisplacement(model, found))
}

async function writeTables(
  out: string,
  model: Factorization,
  found: Displacement,
  say: (text: string) => void,
): Promise<void> {
  await mkdir(join(out, 'tables'), { recursive: true })
  const file = join(out, 'tables', 'displacement.csv')
  await writeWhole(file, displacementTable(model, found))
  await writeWhole(join(out, 'tables', 'displacement_swaps.csv'), swapTable(model, found))
  await writeWhole(join(out, 'displacement.json'), `${JSON.stringify(found)}\n`)
  say(`intervals in ${file}`)
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
