/** `headwater report CON UNC --model FILE --out DIR`: the report of a saved model. */
import { join } from 'node:path'
import { checkDataset } from '../data/check.ts'
import { readBytes } from '../data/text.ts'
import { InvalidInputError } from '../errors.ts'
import { analyze } from '../pmf/analyze.ts'
import { Factorization } from '../pmf/factorization.ts'
import type { Digests } from '../pmf/types.ts'
import { checkNumbers, readData, type CommonFlags, type DataFlags } from './data-options.ts'
import {
  checkEstimation,
  estimateErrors,
  toEstimation,
  writeSummary,
  type EstimationFlags,
} from './error-estimation.ts'
import { EXIT } from './exit.ts'
import { Interrupt } from './interrupt.ts'
import type { ErrorFlags } from './objective.ts'
import { MODEL_FILE, prepareFolder, writeWhole } from './output.ts'
import { quote, reportOrIncomplete } from './write-report.ts'

/** What commander makes of the options. */
export interface ReportFlags extends CommonFlags, DataFlags, ErrorFlags, EstimationFlags {
  model: string
  out: string
  force?: boolean
}

/** Reads model and data, makes sure that they belong together, and writes. */
export async function reportCommand(con: string, unc: string, flags: ReportFlags): Promise<number> {
  checkNumbers(flags, { errorBlock: 1 })
  const wanted = toEstimation(flags, [])
  const model = await readModel(flags.model)
  const data = await readData(con, unc, flags)
  checkSameData(model, data.sha256(), flags.model)
  const { factors, seed, options } = model
  const estimation = wanted && checkEstimation(wanted, data, factors)
  await prepareFolder(flags.out, { sha256: model.data.sha256, factors, seed, options }, flags.force ?? false)
  await writeWhole(join(flags.out, MODEL_FILE), `${JSON.stringify(model)}\n`)
  const command = ['headwater', ...process.argv.slice(2)].map(quote).join(' ')
  const fitted = model.withData(data)
  const standardErrors = await fitted.standardErrors({
    scale: flags.errorScale === 'Q/nu' ? 'Q/ν' : 'none',
    block: flags.errorBlock,
  })
  using interrupt = new Interrupt()
  const where = { out: flags.out, quiet: flags.quiet ?? false }
  const refits = estimation ? await estimateErrors(fitted, estimation, where, interrupt) : {}
  const estimates = { standardErrors, ...refits }
  const content = {
    ...{ data, model, check: checkDataset(data), ...estimates },
    analysis: await analyze(data, model),
    downweighted: model.robust && (await fitted.downweightedCells()),
  }
  const files = [
    join(flags.out, MODEL_FILE),
    ...(await writeSummary(flags.out, fitted, estimates)),
    ...(await reportOrIncomplete(content, { out: flags.out, con, unc, command })),
  ]
  if (flags.json) process.stdout.write(`${JSON.stringify({ out: flags.out, files })}\n`)
  else
    process.stdout.write(
      `report and tables in ${flags.out} (${files.length} files); open ${join(flags.out, 'report.html')}\n`,
    )
  if (interrupt.stopped === undefined) return EXIT.ok
  process.stderr.write('headwater: stopped during error estimation; what was estimated is kept.\n')
  return interrupt.stopped.exitCode
}

/** A saved model. */
export async function readModel(file: string): Promise<Factorization> {
  const text = new TextDecoder().decode(await readBytes(file))
  try {
    return Factorization.fromJSON(text)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    const [problem] = error.problems
    throw InvalidInputError.ofAll([
      { ...problem!, name: undefined, file, hint: 'it must be a file that --save or --out wrote' },
    ])
  }
}

/** @throws InvalidInputError `data-differ` */
export function checkSameData(model: Factorization, found: Digests, file: string): void {
  const wanted = model.data.sha256
  const names = ['values', 'uncertainties', 'censored'] as const
  const differ = names.filter((name) => wanted[name] !== found[name])
  if (differ.length === 0) return
  const what = differ.map((name) => (name === 'censored' ? 'cells below detection' : name)).join(' and ')
  const message = `the model was fitted to other data than these: the ${what} differ`
  const hint =
    'name the same two files, and the same data options (--weak, --bad, --total, --exclude, …) as for the fit'
  throw new InvalidInputError('data-differ', message, { file, hint })
}
