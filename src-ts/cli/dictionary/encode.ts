/** `headwater dictionary encode MODEL ROWS`: codes of further rows. */
import { basename } from 'node:path'
import { openArray, writeSafetensors } from '../../manifold/arrays.ts'
import { Dictionary } from '../../manifold/dictionary.ts'
import { checkNumbers } from '../data-options.ts'
import { EXIT } from '../exit.ts'
import { Interrupt } from '../interrupt.ts'
import { refuseExisting } from '../output.ts'
import { describeScore } from './describe.ts'

/** What commander makes of the options. */
export interface DictionaryEncodeFlags {
  array?: string
  out?: string
  force?: boolean
  threads?: number
  json?: boolean
}

/** Codes rows, prints how well they are said, writes the codes. */
export async function dictionaryEncodeCommand(
  model: string,
  file: string,
  flags: DictionaryEncodeFlags,
): Promise<number> {
  const { array: name, out, force, threads, json = false } = flags
  checkNumbers(flags, { threads: 1 })
  const dictionary = Dictionary.load(model)
  using rows = openArray(file, name === undefined ? {} : { name })
  if (out !== undefined) refuseExisting(out, force)
  using interrupt = new Interrupt()
  const { score, ...codes } = await dictionary.encode(rows, {
    signal: interrupt.signal,
    ...(threads === undefined ? {} : { threads }),
  })
  if (out !== undefined) {
    const vector = (data: ArrayLike<number>): { shape: number[]; data: Float64Array } => ({
      shape: [data.length],
      data: Float64Array.from(data),
    })
    const { sizes, atoms, amounts, coordinates, logits } = codes
    const tensors = {
      ...{ sizes: vector(sizes), atoms: vector(atoms), amounts: vector(amounts), coordinates: vector(coordinates) },
      ...(logits ? { logits: vector(logits) } : {}),
    }
    writeSafetensors(out, tensors, { model: basename(model) })
  }
  process.stdout.write(json ? `${JSON.stringify({ rows: rows.rows, score })}\n` : describeScore('rows', score))
  return EXIT.ok
}
