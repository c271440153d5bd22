/** Writing the report of a model that is saved already. */
import { join } from 'node:path'
import type { DataCheck } from '../data/check.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Analysis } from '../pmf/analyze.ts'
import type { DownweightedCells } from '../pmf/cell-weights.ts'
import type { Factorization } from '../pmf/factorization.ts'
import type { ErrorEstimates } from '../pmf/error-summary.ts'
import { writeReport } from '../report/index.ts'
import { IncompleteError } from './exit.ts'
import { MODEL_FILE } from './output.ts'

/** Where a report goes, and what it says about its origin. */
export interface ReportRequest {
  out: string
  con: string
  unc: string
  title?: string | undefined
  /** The command line. */
  command: string
}

/** What a report shows. */
export interface ReportContent extends ErrorEstimates {
  data: Dataset
  model: Factorization
  analysis: Analysis
  check: DataCheck
  downweighted?: DownweightedCells | undefined
}

/**
 * Writes report, charts and tables; returns the files' names.
 * @throws IncompleteError where the file system refuses, with the command that takes it up again
 */
export async function reportOrIncomplete(content: ReportContent, request: ReportRequest): Promise<string[]> {
  const { out, con, unc, title, command } = request
  try {
    const factorNames = content.model.profiles.rowNames
    return await writeReport({ directory: out, ...content, factorNames, title, command })
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error
    const saved = join(out, MODEL_FILE)
    const methods = [
      ...(content.bootstrap ? ['bs'] : []),
      ...(content.displacement ? ['disp'] : []),
      ...(content.bootstrapDisplacement ? ['bs-disp'] : []),
    ]
    const estimation = methods.length > 0 ? ['--error-estimation', methods.join()] : []
    const again = ['headwater', 'report', con, unc, '--model', saved, '--out', out, '--force', ...estimation]
      .map(quote)
      .join(' ')
    throw new IncompleteError(
      `the model is saved in ${saved}, but the report could not be written: ${error.message}. ` +
        `Then, with the same data options${methods.length > 0 ? ', and those of error estimation' : ''}: ${again}`,
      { cause: error },
    )
  }
}

/** An argument as it has to be typed. */
export function quote(text: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(text) ? text : `"${text.replaceAll('"', '\\"')}"`
}
