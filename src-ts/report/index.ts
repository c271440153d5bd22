/** The report: one offline page, its charts as SVG files and its tables as CSV files. */
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { drawCharts } from './charts.ts'
import { prepareContent, type ReportInput } from './content.ts'
import { csvLines } from './csv.ts'
import { page } from './page.ts'
import { makeTables } from './tables.ts'

export type { ReportInput } from './content.ts'

/** What {@link writeReport} takes. */
export interface ReportOptions extends ReportInput {
  /** Where to write. Made if it does not exist; files of an earlier report are replaced. */
  directory: string
}

/**
 * Writes a report on a factorisation: `report.html` (one file, no network, no script), `charts/*.svg`, `tables/*.csv`.
 * The same input gives the same bytes.
 *
 * @returns the paths written, `report.html` first
 * @throws InvalidInputError `shape-mismatch`, `names-mismatch` before anything is written
 * @throws the file system's errors
 * @example
 * ```ts
 * const model = await factorize(data, { factors: 7 })
 * const analysis = await analyze(data, model)
 * await writeReport({ directory: 'out', data, model, analysis, factorNames: ['sulfate', 'traffic', ...] })
 * ```
 */
export async function writeReport(options: ReportOptions): Promise<string[]> {
  const { directory } = options
  const content = prepareContent(options)
  const charts = drawCharts(content)
  const tables = makeTables(content)
  const html = page(content, charts, tables)
  for (const folder of ['charts', 'tables']) await mkdir(join(directory, folder), { recursive: true })
  const written: string[] = []
  const write = async (path: string, save: (file: string) => Promise<void>): Promise<void> => {
    await save(join(directory, path))
    written.push(join(directory, path))
  }
  await write('report.html', (file) => writeFile(file, html))
  for (const { name, svg } of charts) {
    await write(join('charts', `${name}.svg`), (file) =>
      writeFile(file, `<?xml version="1.0" encoding="UTF-8"?>\n${svg}\n`),
    )
  }
  for (const table of tables.values()) {
    // In pieces: the residuals of large data need not fit into one string.
    await write(join('tables', `${table.name}.csv`), (file) =>
      pipeline(Readable.from(chunks(csvLines(table))), createWriteStream(file)),
    )
  }
  return written
}

function* chunks(lines: Iterable<string>): Generator<string> {
  let text = ''
  for (const line of lines) {
    text += line
    if (text.length < 1 << 16) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}
