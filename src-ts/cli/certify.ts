/** `headwater certify CON UNC --contributions G --profiles F`: where does a solution of any program stand? */
import { basename } from 'node:path'
import { InvalidInputError } from '../errors.ts'
import type { Dataset } from '../data/dataset.ts'
import { certify, type Verdict } from '../pmf/certify.ts'
import type { Factors } from '../pmf/types.ts'
import { checkNumbers, readData, type CommonFlags, type DataFlags } from './data-options.ts'
import { describeSolution, describeWarnings, heading } from './describe.ts'
import { EXIT } from './exit.ts'
import { Interrupt } from './interrupt.ts'
import type { ObjectiveFlags } from './objective.ts'
import { readPoint } from './point.ts'
import { checkSameData, readModel } from './report.ts'
import { brief, count, formatQ } from './words.ts'

/** What commander makes of the options. */
export interface CertifyFlags extends CommonFlags, DataFlags, ObjectiveFlags {
  contributions?: string
  profiles?: string
  model?: string
  negative?: 'contributions' | 'profiles' | 'both'
  maxIterations?: number
  threads?: number
}

/** Judges; the exit code is 0 whatever the verdict. */
export async function certifyCommand(con: string, unc: string, flags: CertifyFlags): Promise<number> {
  const { negative, maxIterations, threads } = flags
  checkNumbers(flags, { maxIterations: 1, threads: 1 })
  checkPoint(flags)
  const data = await readData(con, unc, flags)
  const { point, notes } = await readFactors(flags, data)
  if (!flags.quiet) for (const note of notes) process.stderr.write(`headwater: ${note}\n`)
  using interrupt = new Interrupt()
  const verdict = await certify(data, point, {
    ...(flags.robust === undefined ? {} : { robust: flags.robust }),
    signal: interrupt.signal,
    ...(maxIterations === undefined ? {} : { maxIterations }),
    ...(threads === undefined ? {} : { threads }),
    ...(negative === undefined
      ? {}
      : { nonnegative: { contributions: negative === 'profiles', profiles: negative === 'contributions' } }),
  })
  if (flags.json) process.stdout.write(`${JSON.stringify(toJson(verdict, notes))}\n`)
  else process.stdout.write(inWords(verdict, flags))
  return EXIT.ok
}

function checkPoint({ model, contributions, profiles }: CertifyFlags): void {
  if (model === undefined && contributions !== undefined && profiles !== undefined) return
  if (model !== undefined && contributions === undefined && profiles === undefined) return
  const message =
    model === undefined
      ? 'certify needs --contributions and --profiles, or --model'
      : '--model holds contributions and profiles: --contributions and --profiles cannot be given beside it'
  throw new InvalidInputError(model === undefined ? 'option-missing' : 'options-conflict', message, { name: 'model' })
}

async function readFactors(flags: CertifyFlags, data: Dataset): Promise<{ point: Factors; notes: readonly string[] }> {
  if (flags.model === undefined) {
    const { contributions, profiles, notes } = await readPoint(
      flags.contributions!,
      flags.profiles!,
      data.rows,
      data.cols,
    )
    return { point: { contributions, profiles }, notes }
  }
  const model = await readModel(flags.model)
  checkSameData(model, data.sha256(), flags.model)
  return { point: model, notes: [] }
}

function toJson(verdict: Verdict, notes: readonly string[]): object {
  const { data: summary, factors, localMinimum, timing, profiles: _, contributions: __, ...solution } = verdict
  const { treatment, ...data } = summary
  const { profiles: ___, contributions: ____, ...minimum } = localMinimum
  return { data, treatment, factors, ...solution, localMinimum: minimum, notes, timing }
}

function inWords(verdict: Verdict, flags: CertifyFlags): string {
  const { data, factors, localMinimum } = verdict
  const files =
    flags.model === undefined
      ? `${basename(flags.contributions!)} and ${basename(flags.profiles!)}`
      : basename(flags.model)
  let text = heading(
    `${files}: ${count(factors, 'factor')} for ${count(data.rows, 'sample')} × ${data.columns} species`,
  )
  text += describeSolution(verdict)
  const { excess, q, status } = localMinimum
  // Q as it is printed may differ in the last digits only by rounding.
  const relative = excess / Math.max(Math.abs(q), Number.MIN_VALUE)
  text +=
    status === 'converged'
      ? `  below it    a proven minimum at Q ${formatQ(q)}: the solution lies ${brief(excess)} above it (${brief(100 * relative, 2)} % of Q)\n`
      : `  below it    a descent from here came to Q ${formatQ(q)}, ${brief(excess)} lower, and ended ${status}\n`
  return text + describeWarnings(verdict)
}
