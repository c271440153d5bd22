/** `headwater certify CON UNC --contributions G --profiles F`: where does a solution of any program stand? */
import { basename } from 'node:path'
import { certify, type Verdict } from '../pmf/certify.ts'
import { checkNumbers, readData, type CommonFlags, type DataFlags } from './data-options.ts'
import { describeSolution, describeWarnings, heading } from './describe.ts'
import { EXIT } from './exit.ts'
import { Interrupt } from './interrupt.ts'
import { readPoint } from './point.ts'
import { brief, count, formatQ } from './words.ts'

/** What commander makes of the options. */
export interface CertifyFlags extends CommonFlags, DataFlags {
  contributions: string
  profiles: string
  negative?: 'contributions' | 'profiles' | 'both'
  maxIterations?: number
  threads?: number
}

/** Judges; the exit code is 0 whatever the verdict. */
export async function certifyCommand(con: string, unc: string, flags: CertifyFlags): Promise<number> {
  const { negative, maxIterations, threads } = flags
  checkNumbers(flags, { maxIterations: 1, threads: 1 })
  const data = await readData(con, unc, flags)
  const point = await readPoint(flags.contributions, flags.profiles, data.rows, data.cols)
  if (!flags.quiet) for (const note of point.notes) process.stderr.write(`headwater: ${note}\n`)
  using interrupt = new Interrupt()
  const verdict = await certify(
    data,
    { contributions: point.contributions, profiles: point.profiles },
    {
      signal: interrupt.signal,
      ...(maxIterations === undefined ? {} : { maxIterations }),
      ...(threads === undefined ? {} : { threads }),
      ...(negative === undefined
        ? {}
        : { nonnegative: { contributions: negative === 'profiles', profiles: negative === 'contributions' } }),
    },
  )
  if (flags.json) process.stdout.write(`${JSON.stringify(toJson(verdict, point.notes))}\n`)
  else process.stdout.write(inWords(verdict, flags))
  return EXIT.ok
}

function toJson(verdict: Verdict, notes: readonly string[]): object {
  const { data, factors, localMinimum, timing, profiles: _, contributions: __, ...solution } = verdict
  const { profiles: ___, contributions: ____, ...minimum } = localMinimum
  return { data, factors, ...solution, localMinimum: minimum, notes, timing }
}

function inWords(verdict: Verdict, flags: CertifyFlags): string {
  const { data, factors, localMinimum } = verdict
  const files = `${basename(flags.contributions)} and ${basename(flags.profiles)}`
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
