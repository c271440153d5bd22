/** `headwater dictionary report MODEL`. */
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { Dictionary } from '../../manifold/dictionary.ts'
import { dictionaryPage } from '../../report/dictionary/page.ts'
import { EXIT } from '../exit.ts'
import { writeWhole } from '../output.ts'

/** What commander makes of the options. */
export interface DictionaryReportFlags {
  out?: string
  json?: boolean
}

/** Writes the report of a saved dictionary. */
export async function dictionaryReportCommand(model: string, flags: DictionaryReportFlags): Promise<number> {
  const dictionary = Dictionary.load(model)
  const out = flags.out ?? model
  const file = await writeDictionaryReport(dictionary, out)
  process.stdout.write(flags.json ? `${JSON.stringify({ files: [file] })}\n` : `${file}\n`)
  return EXIT.ok
}

/** Writes `report.html`; returns its path. */
export async function writeDictionaryReport(dictionary: Dictionary, folder: string, source?: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'report.html')
  await writeWhole(file, dictionaryPage(dictionary, source))
  return file
}
