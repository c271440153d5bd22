/** What `fit` and the whole study have in common: read, guard the output, fit under Ctrl-C, save, write the report. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { checkDataset } from '../data/check.ts'
import type { Dataset } from '../data/dataset.ts'
import { analyze } from '../pmf/analyze.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { factorize } from '../pmf/factorize.ts'
import type { DownweightedCells } from '../pmf/cell-weights.ts'
import type { ErrorEstimates } from '../pmf/error-summary.ts'
import type { StandardErrorOptions, StandardErrors } from '../pmf/standard-errors.ts'
import type { FactorizeOptions } from '../pmf/types.ts'
import { InvalidInputError } from '../errors.ts'
import { readData, type CommonFlags, type DataFlags } from './data-options.ts'
import { describeData, describeModel } from './describe.ts'
import { describeFindings } from './check.ts'
import {
  announce,
  checkEstimation,
  estimateErrors,
  forgetEstimates,
  summaryOf,
  writeSummary,
  type EstimationRequest,
} from './error-estimation.ts'
import { bootstrapDocument } from './describe-bootstrap.ts'
import { describeEstimation } from './describe-estimation.ts'
import { EXIT } from './exit.ts'
import type { Interrupt } from './interrupt.ts'
import { MODEL_FILE, prepareFile, prepareFolder, writeWhole } from './output.ts'
import { ProgressLine } from './progress.ts'
import { count } from './words.ts'
import { reportOrIncomplete, type ReportContent } from './write-report.ts'

/** Options that change the fit. */
export type EngineOptions = Omit<FactorizeOptions, 'signal' | 'onProgress' | 'onAbort' | 'threads'>

/** Everything that a study needs. */
export interface StudyRequest extends CommonFlags {
  con: string
  unc: string
  dataFlags: DataFlags
  engine: EngineOptions
  errors?: Pick<StandardErrorOptions, 'scale' | 'block'>
  /** Errors that take refits; left out: none. */
  estimation?: EstimationRequest | undefined
  threads?: number | undefined
  /** Folder for report and tables. */
  out?: string | undefined
  force?: boolean | undefined
  /** File for the model. */
  save?: string | undefined
  /** Names of factors by 1-based number. */
  names?: ReadonlyMap<number, string> | undefined
  /** Whether first aid belongs to what is printed. */
  withCheck: boolean
  title?: string | undefined
  /** The command line, for the report. */
  command: string
}

/** How a study ended. */
export interface StudyOutcome {
  model: Factorization
  exitCode: number
}

/** Does the whole of it and returns the exit code. */
export async function runStudy(request: StudyRequest, interrupt: Interrupt): Promise<StudyOutcome> {
  const { engine, out, save, quiet = false, json = false } = request
  const data = await readData(request.con, request.unc, request.dataFlags)
  const { factors, seed = 0, ...options } = engine
  const key = { sha256: data.sha256(), factors, seed, options }
  if (out !== undefined) await prepareFolder(out, key, request.force ?? false)
  if (save !== undefined) await prepareFile(save, key, request.force ?? false)
  checkNames(request.names, factors)
  const estimation = request.estimation && checkEstimation(request.estimation, data, factors)
  const say = (text: string): void => void (quiet || process.stderr.write(`headwater: ${text}\n`))
  say(
    `${count(data.rows, 'sample')} × ${count(data.cols, 'species', 'species')} read; fitting ${count(factors, 'factor')}`,
  )
  const check = checkDataset(data)
  const fitted = await fit(data, request, interrupt)
  const model = request.names ? fitted.withFactorNames(namesOf(fitted, request.names)) : fitted
  // First of all, so that nothing that happens later can lose it.
  await saveModel(model, request, interrupt)
  const duringFit = interrupt.stopped !== undefined
  const analysis = await analyze(data, model)
  const { standardErrors, downweighted } = await look(model, request, interrupt)
  let estimates: ErrorEstimates = { standardErrors }
  if (estimation && interrupt.stopped === undefined) {
    say(announce(estimation))
    estimates = { ...estimates, ...(await estimateErrors(model, estimation, request, interrupt)) }
  }
  const { bootstrap, displacement, bootstrapDisplacement } = estimates
  const summary = summaryOf(model, estimates)
  const { massRegression, qExpectedStrong } = analysis
  if (json) {
    const mass = massRegression && {
      ...massRegression,
      slopes: [...massRegression.slopes],
      slopeStandardErrors: [...massRegression.slopeStandardErrors],
    }
    const document = {
      ...model.toJSON(),
      ...{ qExpectedStrong, massRegression: mass, downweighted, standardErrors },
      ...{ bootstrap: bootstrap && bootstrapDocument(model, bootstrap), displacement, bootstrapDisplacement },
      errorSummary: summary,
    }
    process.stdout.write(`${JSON.stringify(document)}\n`)
  } else {
    if (!quiet) process.stdout.write(describeData(data) + (request.withCheck ? describeFindings(check) : ''))
    process.stdout.write(describeModel(model, { analysis, standardErrors, downweighted }, data.treatment.total))
    if (summary) process.stdout.write(describeEstimation({ ...estimates, summary }, out === undefined))
  }
  if (out !== undefined) {
    await writeSummary(out, model, estimates)
    await writeFolder({ data, model, analysis, check, downweighted, ...estimates }, { ...request, out })
  }
  const { stopped } = interrupt
  if (stopped !== undefined && !duringFit) {
    process.stderr.write(
      'headwater: stopped during error estimation; the fit is whole, and what was estimated is kept.\n',
    )
    return { model, exitCode: stopped.exitCode }
  }
  if (stopped !== undefined) {
    const ended = model.starts.filter(({ status }) => status !== 'aborted').length
    const planned = typeof engine.starts === 'number' ? ` of ${engine.starts}` : ''
    process.stderr.write(`headwater: stopped when ${ended}${planned} starts had ended.\n`)
    return { model, exitCode: stopped.exitCode }
  }
  return { model, exitCode: model.basins.length > 0 ? EXIT.ok : EXIT.notConverged }
}

/** The fit alone, with its progress; what is done if it is stopped. */
export async function fit(
  data: Dataset,
  request: Pick<StudyRequest, 'engine' | 'threads' | 'quiet'>,
  interrupt: Interrupt,
): Promise<Factorization> {
  interrupt.signal.throwIfAborted()
  const { engine, threads, quiet } = request
  const line = quiet ? undefined : new ProgressLine(process.stderr, typeof engine.starts !== 'number')
  try {
    return await factorize(data, {
      ...engine,
      threads,
      signal: interrupt.signal,
      onAbort: 'partial',
      onProgress: line && ((progress) => line.update(progress)),
    })
  } finally {
    line?.finish()
  }
}

/** What takes a moment more, and is left out of a study that was stopped. */
async function look(
  model: Factorization,
  { errors, threads }: StudyRequest,
  { signal }: Interrupt,
): Promise<{ standardErrors?: StandardErrors; downweighted?: DownweightedCells }> {
  try {
    return {
      standardErrors: await model.standardErrors({ ...errors, threads, signal }),
      ...(model.robust ? { downweighted: await model.downweightedCells({ signal }) } : {}),
    }
  } catch (error) {
    if (signal.aborted && error === signal.reason) return {}
    throw error
  }
}

async function saveModel(model: Factorization, request: StudyRequest, interrupt: Interrupt): Promise<void> {
  const { out, save, quiet, force } = request
  const say = (text: string): void => void (quiet || process.stderr.write(`headwater: ${text}\n`))
  const document = `${JSON.stringify(model)}\n`
  if (save !== undefined) {
    await writeWhole(save, document)
    say(`model saved in ${save}`)
  }
  if (out !== undefined) {
    await writeWhole(join(out, MODEL_FILE), document)
    // What another study left there is not about this model.
    if (force) await forgetEstimates(out)
  } else if (save === undefined && interrupt.stopped !== undefined && !request.json) {
    // What took long is not lost because nobody thought of a file.
    const file = await freeName('headwater-stopped')
    await writeWhole(file, document)
    say(`what was done is saved in ${file}`)
  }
}

async function writeFolder(content: ReportContent, request: StudyRequest & { out: string }): Promise<void> {
  const { out, quiet } = request
  const files = await reportOrIncomplete(content, request)
  if (quiet) return
  process.stderr.write(
    `headwater: report and tables in ${out} (${files.length + 1} files); open ${join(out, 'report.html')}\n`,
  )
}

/** A name that no file has. */
export async function freeName(stem: string, extension: string = '.json'): Promise<string> {
  for (let number = 1; ; number++) {
    const file = `${stem}${number === 1 ? '' : `-${number}`}${extension}`
    const taken = await access(file).then(
      () => true,
      () => false,
    )
    if (!taken) return file
  }
}

function checkNames(names: ReadonlyMap<number, string> | undefined, factors: number): void {
  for (const [number, name] of names ?? []) {
    if (number < 1 || number > factors) {
      const message = `--name-factor ${number}=${name}: there are ${factors} factors, numbered from 1`
      throw new InvalidInputError('option-out-of-range', message, { name: 'name-factor', value: number })
    }
  }
}

function namesOf(model: Factorization, names: ReadonlyMap<number, string>): string[] {
  return Array.from({ length: model.factors }, (_, k) => names.get(k + 1) ?? model.profiles.rowNames![k]!)
}
