/** `headwater dictionary fit ROWS --atoms K`. */
import { basename } from 'node:path'
import { Interrupt } from '../interrupt.ts'
import { EXIT } from '../exit.ts'
import { ProgressLine } from '../progress.ts'
import { freeName } from '../study.ts'
import { openArray, type ArrayFile } from '../../manifold/arrays.ts'
import type { Dictionary } from '../../manifold/dictionary.ts'
import { fitDictionary } from '../../manifold/fit.ts'
import { prepareDictionaryFolder } from '../../manifold/model-folder.ts'
import { describeDictionary } from './describe.ts'
import { REPORT_FILE, writeDictionaryReport } from './report.ts'
import { toFitOptions, type DictionaryFitFlags } from './options.ts'

/** Fits, prints, writes. */
export async function dictionaryFitCommand(file: string, flags: DictionaryFitFlags): Promise<number> {
  const options = toFitOptions(flags)
  const { out, json = false, quiet = false, force = false, array: name } = flags
  const open = (path: string): ArrayFile => openArray(path, name === undefined ? {} : { name })
  using rows = open(file)
  using held = flags.heldOut === undefined ? undefined : open(flags.heldOut)
  // After the input was found, before anything is computed.
  if (out !== undefined) prepareDictionaryFolder(out, force, [REPORT_FILE])
  using interrupt = new Interrupt()
  const dictionary = await fit(rows, { ...options, ...(held ? { heldOut: held } : {}) }, quiet, interrupt)
  const { stopped } = interrupt
  const folder = out ?? (stopped === undefined || json ? undefined : await freeName('headwater-stopped', ''))
  if (folder !== undefined) {
    dictionary.save(folder, { force: true })
    await writeDictionaryReport(dictionary, folder, basename(file))
  }
  const data = { file: basename(file), array: rows.name, rows: rows.rows, columns: rows.cols, dtype: rows.dtype }
  process.stdout.write(json ? `${JSON.stringify(toJson(dictionary, data))}\n` : describeDictionary(dictionary, data))
  if (stopped !== undefined) {
    const where = folder === undefined ? '' : `; what was done is saved in ${folder}`
    process.stderr.write(`headwater: stopped before the fit had ended${where}.\n`)
    return stopped.exitCode
  }
  return dictionary.status === 'converged' || dictionary.status === 'boundary' ? EXIT.ok : EXIT.notConverged
}

async function fit(
  rows: ArrayFile,
  options: Parameters<typeof fitDictionary>[1],
  quiet: boolean,
  interrupt: Interrupt,
): Promise<Dictionary> {
  const line = quiet ? undefined : new ProgressLine(process.stderr, true, undefined, 'round', 'L')
  const onProgress = line && (({ done, total }: { done: number; total: number }) => line.update({ done, total }))
  try {
    return await fitDictionary(rows, { ...options, signal: interrupt.signal, onAbort: 'partial', onProgress })
  } finally {
    line?.finish()
  }
}

/** What of a dictionary is printed: everything but its codes. */
export function toJson(dictionary: Dictionary, data: object): object {
  const { headwater, status, certificate, atoms, train, heldOut, controls, timing, codes, offset, ...rest } = dictionary
  return {
    ...{ headwater, data, status, certificate },
    atoms: atoms.map(({ decoder, ...facts }) => ({ ...facts, decoder: toRows(decoder) })),
    ...{ train, heldOut, controls, ...rest, offset: [...offset], timing },
  }
}

function toRows({ rows, cols, data }: { rows: number; cols: number; data: Float64Array }): number[][] {
  return Array.from({ length: rows }, (_, i) => [...data.subarray(i * cols, (i + 1) * cols)])
}
