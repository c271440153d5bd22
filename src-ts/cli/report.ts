/** `headwater report CON UNC --model FILE --out DIR`: the report of a saved model. */
import { join } from 'node:path'
import { checkDataset } from '../data/check.ts'
import { readBytes } from '../data/text.ts'
import { InvalidInputError } from '../errors.ts'
import { analyze } from '../pmf/analyze.ts'
import { Factorization } from '../pmf/factorization.ts'
import { readData, type CommonFlags, type DataFlags } from './data-options.ts'
import { EXIT } from './exit.ts'
import { MODEL_FILE, prepareFolder, writeWhole } from './output.ts'
import { quote, reportOrIncomplete } from './write-report.ts'

/** What commander makes of the options. */
export interface ReportFlags extends CommonFlags, DataFlags {
  model: string
  out: string
  force?: boolean
}

/** Reads model and data, makes sure that they belong together, and writes. */
export async function reportCommand(con: string, unc: string, flags: ReportFlags): Promise<number> {
  const model = await readModel(flags.model)
  const data = await readData(con, unc, flags)
  checkSameData(model, data.sha256(), flags.model)
  const { factors, seed, options } = model
  await prepareFolder(flags.out, { sha256: model.data.sha256, factors, seed, options }, flags.force ?? false)
  await writeWhole(join(flags.out, MODEL_FILE), `${JSON.stringify(model)}\n`)
  const command = ['headwater', ...process.argv.slice(2)].map(quote).join(' ')
  const content = { data, model, analysis: await analyze(data, model), check: checkDataset(data) }
  const files = [
    join(flags.out, MODEL_FILE),
    ...(await reportOrIncomplete(content, { out: flags.out, con, unc, command })),
  ]
  if (flags.json) process.stdout.write(`${JSON.stringify({ out: flags.out, files })}\n`)
  else
    process.stdout.write(
      `report and tables in ${flags.out} (${files.length} files); open ${join(flags.out, 'report.html')}\n`,
    )
  return EXIT.ok
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

function checkSameData(model: Factorization, found: { values: string; uncertainties: string }, file: string): void {
  const wanted = model.data.sha256
  const values = wanted.values !== found.values
  const uncertainties = wanted.uncertainties !== found.uncertainties
  if (!values && !uncertainties) return
  const what = values ? (uncertainties ? 'values and uncertainties' : 'values') : 'uncertainties'
  const message = `the model was fitted to other data than these: the ${what} differ`
  const hint =
    'name the same two files, and the same data options (--weak, --bad, --total, --exclude, …) as for the fit'
  throw new InvalidInputError('data-differ', message, { file, hint })
}
