/** `npm start` in a clone: two data sets of which the best known optima are published in this repository. */
import { join } from 'node:path'
import { EXIT } from './exit.ts'
import { Interrupt } from './interrupt.ts'
import { runStudy } from './study.ts'

/** A data set, and the lowest Q that anybody has found for it. */
interface Known {
  title: string
  folder: string
  con: string
  unc: string
  factors: number
  q: number
}

const KNOWN: readonly Known[] = [
  {
    title: 'St Louis, fine particles (EPA PMF 5 example)',
    folder: 'st-louis',
    con: 'Dataset-StLouis-con.csv',
    unc: 'Dataset-StLouis-unc.csv',
    factors: 6,
    q: 6527.50031416,
  },
  {
    title: 'Baltimore, fine particles (EPA PMF 5 example)',
    folder: 'baltimore',
    con: 'Dataset-Baltimore_con.txt',
    unc: 'Dataset-Baltimore_unc.txt',
    factors: 7,
    q: 13991.6426656,
  },
]

/** Starts per data set: enough to find both optima several times. */
const STARTS = 20
/** Relative distance to a known optimum within which it counts as reached; the known values have 12 digits. */
const REACHED = 1e-6

/**
 * Fits the example data, prints how far the result is from the known optimum, and writes the reports.
 *
 * @param examples folder with the data files
 * @param out folder for one sub-folder per study
 * @returns the exit code: 70 if a known optimum was not reached
 */
export async function demo(examples: string, out: string): Promise<number> {
  using interrupt = new Interrupt()
  let reached = true
  for (const { title, folder, con, unc, factors, q } of KNOWN) {
    process.stdout.write(`── ${title}\n`)
    const { model, exitCode } = await runStudy(
      {
        con: join(examples, con),
        unc: join(examples, unc),
        dataFlags: {},
        engine: { factors, starts: STARTS, seed: 1 },
        out: join(out, folder),
        // These folders are written by this program only, and by every version of it.
        force: true,
        withCheck: false,
        title,
        command: 'npm start',
      },
      interrupt,
    )
    const distance = (model.q - q) / q
    const there = Math.abs(distance) <= REACHED
    process.stdout.write(
      `\n  known optimum ${q}: ${there ? 'reached' : 'NOT reached'}, relative distance ${distance.toExponential(1)}\n\n`,
    )
    if (exitCode !== EXIT.ok) return exitCode
    reached &&= there
  }
  return reached ? EXIT.ok : EXIT.notConverged
}
