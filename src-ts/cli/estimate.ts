/**
 * What `bootstrap`, `displace` and `bs-disp` have in common: a base that is fitted or read, an estimate around it under
 * Ctrl-C, and what becomes of the result.
 */
import { Option, type Command } from 'commander'
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import { checkBeforeFit, type EstimateOptions } from '../pmf/before-fit.ts'
import type { BootstrapDisplacement } from '../pmf/bootstrap-displacement.ts'
import type { Bootstrap } from '../pmf/bootstrap.ts'
import type { Displacement } from '../pmf/displacement.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { addDataOptions, checkNumbers, readData } from './data-options.ts'
import type { EstimationFlags } from './error-estimation.ts'
import { elementOptions, LEAST_RESAMPLING, type ElementFlags } from './estimate-options.ts'
import { describeData, describeSolution, heading } from './describe.ts'
import { EXIT } from './exit.ts'
import { addEngineOptions, LEAST, toEngine, type FitFlags } from './fit.ts'
import { Interrupt } from './interrupt.ts'
import { conflicts } from './objective.ts'
import { MODEL_FILE, prepareFile, prepareFolder, writeWhole } from './output.ts'
import { keepingDone } from './progress.ts'
import { checkSameData, readModel } from './report.ts'
import { fit, freeName } from './study.ts'
import { count } from './words.ts'
import { quote } from './write-report.ts'

/** What commander makes of the options that all three have. */
export interface EstimateFlags
  extends Omit<FitFlags, 'nameFactor' | 'errorScale' | 'errorBlock' | keyof EstimationFlags>, ElementFlags {
  model?: string
}

interface Results {
  bootstrap: Bootstrap
  displacement: Displacement
  bootstrapDisplacement: BootstrapDisplacement
}

/** What makes one command of the three. */
export interface Estimate<Flags extends EstimateFlags, Method extends keyof Results> {
  /** Name of the command. */
  command: string
  /** Method of the model, and the stem of its file. */
  method: Method
  /** What is done to a saved model, before "6 factors". */
  doing: string
  /** What progress counts. */
  unit: 'element' | 'resample'
  /** Options of the method; seed and threads are added. */
  toOptions: (flags: Flags) => EstimateOptions[Method]
  run: (model: Factorization, options: EstimateOptions[Method]) => Promise<Results[Method]>
  /** How much was done before a stop, for "stopped when … had been …". */
  done: (found: Results[Method] | undefined) => string
  describe: (model: Factorization, found: Results[Method]) => string
  /** CSV tables by file name; the first one is the main one. */
  tables: (model: Factorization, found: Results[Method]) => Record<string, string>
  /** What is printed with `--json` beside the base; `undefined` if nothing was done. */
  document: (model: Factorization, found: Results[Method] | undefined) => object
}

/** Options that a saved model has fixed. */
const FIXED = [
  ...['factors', 'starts', 'maxStarts', 'firstStart', 'start', 'robust', 'method', 'initialization'],
  ...['maxIterations', 'negative', 'stop', 'save'],
] as const

/**
 * Adds the options of a command.
 * @param group heading of its own options in the help
 * @param what `--species` does, and which ones are meant without it
 * @param own further options
 */
export function addEstimateOptions(command: Command, group: string, what: string, own: readonly Option[]): Command {
  const estimate = (flags: string, text: string): Option => new Option(flags, text).helpGroup(group)
  const output = (flags: string, text: string): Option => new Option(flags, text).helpGroup('Output:')
  addEngineOptions(command).addOption(estimate('--model <file>', 'instead of a fit: a model saved by --save or --out'))
  for (const option of [...elementOptions(what), ...own]) command.addOption(option.helpGroup(group))
  addDataOptions(command)
  return command
    .addOption(output('-o, --out <folder>', 'write the model, the result as JSON, and CSV tables'))
    .addOption(output('--force', 'overwrite what is in the way'))
    .addOption(output('--save <file>', 'save the model as JSON'))
    .addOption(output('--json', 'print one JSON document instead of tables'))
    .addOption(output('-q, --quiet', 'no progress and no notes'))
}

/** Fits or reads, estimates, prints and writes; what was done before Ctrl-C too. */
export async function runEstimate<Flags extends EstimateFlags, Method extends keyof Results>(
  con: string,
  unc: string,
  flags: Flags,
  estimate: Estimate<Flags, Method>,
): Promise<number> {
  checkFlags(con, unc, flags, estimate.command)
  const { out, save, force = false, quiet = false, json = false, seed: key, threads } = flags
  const options = { ...estimate.toOptions(flags), seed: key, threads }
  const given = flags.model === undefined ? undefined : await readModel(flags.model)
  const data = await readData(con, unc, flags)
  if (given) checkSameData(given, data.sha256(), flags.model!)
  const engine = given ? undefined : toEngine(flags, flags.factors!)
  const { factors, seed = 0, ...rest } = engine ?? given!
  const { rows, cols, treatment, categories } = data
  const about = { rows, columns: cols, species: [...data.species], treatment }
  checkBeforeFit(estimate.method, { factors, data: about, categories }, options)
  const study = { sha256: data.sha256(), factors, seed, options: given ? given.options : rest }
  if (out !== undefined) await prepareFolder(out, study, force)
  if (save !== undefined) await prepareFile(save, study, force)
  const say = (text: string): void => void (quiet || process.stderr.write(`headwater: ${text}\n`))
  const size = `${count(rows, 'sample')} × ${count(cols, 'species', 'species')}`
  say(`${size} read; ${given ? estimate.doing : 'fitting'} ${count(factors, 'factor')}`)
  using interrupt = new Interrupt()
  const model = given?.withData(data) ?? (await fit(data, { engine: engine!, threads, quiet }, interrupt))
  // First of all, so that nothing that happens later can lose it.
  const document = `${JSON.stringify(model)}\n`
  if (save !== undefined) await writeWhole(save, document)
  if (out !== undefined) await writeWhole(join(out, MODEL_FILE), document)
  if (save !== undefined) say(`model saved in ${save}`)
  const found = await keepingDone(estimate.unit, quiet, interrupt, (job) => estimate.run(model, { ...options, ...job }))
  if (json) process.stdout.write(`${JSON.stringify(toJson(model, estimate.method, estimate.document(model, found)))}\n`)
  else {
    if (!quiet) process.stdout.write(describeData(data))
    process.stdout.write(`\n${heading(`${count(factors, 'factor')}, seed ${model.seed}`)}${describeSolution(model)}`)
    if (found !== undefined) process.stdout.write(estimate.describe(model, found))
  }
  if (out !== undefined && found !== undefined) {
    say(`tables in ${await writeTables(out, estimate.method, found, estimate.tables(model, found))}`)
  }
  const { stopped } = interrupt
  if (stopped === undefined) return given || model.basins.length > 0 ? EXIT.ok : EXIT.notConverged
  if (!given && out === undefined && save === undefined && !json) {
    const file = await freeName('headwater-stopped')
    await writeWhole(file, document)
    say(`the fit is saved in ${file}`)
  }
  process.stderr.write(`headwater: stopped when ${estimate.done(found)}.\n`)
  return stopped.exitCode
}

function checkFlags(con: string, unc: string, flags: EstimateFlags, command: string): void {
  checkNumbers(flags, { ...LEAST, ...LEAST_RESAMPLING })
  const problems: InputProblem[] = conflicts(flags)
  if (flags.model === undefined && flags.factors === undefined) {
    const hint = `for example: headwater ${command} ${quote(con)} ${quote(unc)} --factors 6`
    const message = `${command} needs --factors, or --model`
    problems.push({ code: 'option-missing', name: 'factors', message, hint })
  }
  if (flags.model !== undefined) {
    const beside = FIXED.filter((name) => flags[name as keyof EstimateFlags] !== undefined)
    const named = beside.map((name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    const message = `--model holds a fit: ${named.join(', ')} cannot be given beside it`
    if (beside.length > 0) problems.push({ code: 'options-conflict', name: 'model', message })
  }
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
}

/** The document of the fit with that of the estimate; what both have is named after the estimate there. */
function toJson(model: Factorization, method: string, found: object): object {
  const base = model.toJSON()
  const own = Object.entries(found).map(([key, value]) => [
    key in base ? method + key[0]!.toUpperCase() + key.slice(1) : key,
    value,
  ])
  return { ...base, ...Object.fromEntries(own) }
}

/** Returns the name of the main table. */
async function writeTables(
  out: string,
  method: keyof Results,
  found: object,
  tables: Record<string, string>,
): Promise<string> {
  await mkdir(join(out, 'tables'), { recursive: true })
  const files = Object.entries(tables).map(([name, text]) => [join(out, 'tables', name), text] as const)
  for (const [file, text] of files) await writeWhole(file, text)
  const stem = method.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  await writeWhole(join(out, `${stem}.json`), `${JSON.stringify(found)}\n`)
  return files[0]![0]
}
