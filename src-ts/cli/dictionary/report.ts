/** `headwater dictionary report MODEL`. */
import { join, resolve } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { Dictionary } from '../../manifold/dictionary.ts'
import { dictionaryPage } from '../../report/dictionary/page.ts'
import { EXIT } from '../exit.ts'
import { notWritable, refuseExisting, writeWhole } from '../output.ts'

/** Name of the page in the folder. */
export const REPORT_FILE = 'report.html'

/** What commander makes of the options. */
export interface DictionaryReportFlags {
  out?: string
  force?: boolean
  json?: boolean
}

/** Writes the report of a saved dictionary. */
export async function dictionaryReportCommand(model: string, flags: DictionaryReportFlags): Promise<number> {
  const dictionary = Dictionary.load(model)
  const out = flags.out ?? model
  // The model's own folder holds its own report, which may be drawn again.
  if (resolve(out) !== resolve(model)) refuseExisting(join(out, REPORT_FILE), flags.force)
  const file = await writeDictionaryReport(dictionary, out)
  process.stdout.write(flags.json ? `${JSON.stringify({ files: [file] })}\n` : `${file}\n`)
  return EXIT.ok
}

/** Writes `report.html`; returns its path. */
export async function writeDictionaryReport(dictionary: Dictionary, folder: string, source?: string): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw notWritable(folder, cause)
  })
  const file = join(folder, REPORT_FILE)
  await writeWhole(file, dictionaryPage(dictionary, source))
  return file
}
