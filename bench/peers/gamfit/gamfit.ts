// gamfit's Python environment, made at the first use, and its two lanes on one planted case. gamfit is AGPL-3.0-or-later: it runs
// as a program of its own, and nothing of it is in this package.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Version that is compared with. */
export const GAMFIT = 'gamfit 0.1.274'

/** What a lane says about the rows that it was not fitted to. */
export interface Said {
  /** Of the fit alone. */
  cpu: number
  status: string
  /** Atoms that are on in each row, and their phases in turns. */
  support: number[][]
  phases: number[][]
  /** The rows as it says them, row after row. */
  fitted: number[]
}

/** No answer: why. */
export interface Failure {
  failure: string
}

const here = fileURLToPath(new URL('.', import.meta.url))
const python = `${here}.venv/bin/python`

/** Why it cannot run; undefined if it can. */
export function install(): string | undefined {
  const works = (): boolean => existsSync(python) && spawnSync(python, ['-c', 'import gamfit']).status === 0
  if (works()) return undefined
  for (const [command, ...args] of [
    ['python3', '-m', 'venv', `${here}.venv`],
    [python, '-m', 'pip', 'install', '--quiet', '--no-cache-dir', 'gamfit==0.1.274', 'numpy==2.4.6'],
  ] as const) {
    const done = spawnSync(command, args, { encoding: 'utf8', timeout: 900_000 })
    if (done.status !== 0) return `gamfit could not be installed: ${done.error?.message ?? done.stderr.trim().split('\n').at(-1)}` // prettier-ignore
  }
  return works() ? undefined : 'gamfit was installed but cannot be imported'
}

/** Runs one lane on one thread, for at most so many seconds of CPU. */
export function gamfit(
  lane: 'curved' | 'block',
  problem: { cols: number; train: number[]; test: number[]; atoms: number; active: number },
  limit: number,
): Said | Failure {
  const env = { ...process.env, RAYON_NUM_THREADS: '1', OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' }
  const done = spawnSync(python, [`${here}run.py`, lane, String(limit)], {
    ...{ input: JSON.stringify(problem), encoding: 'utf8', maxBuffer: 1 << 28, env },
    // Where it waits instead of computing, or others leave it little.
    timeout: 30_000 * limit,
  })
  if (done.signal === 'SIGXCPU' || done.signal === 'SIGKILL') return { failure: `no result in ${limit} s` }
  if (done.error !== undefined) return { failure: done.error.message }
  // Its messages are long; what failed comes first.
  if (done.status !== 0) return { failure: done.stderr.trim().split('\n').at(-1)!.slice(0, 110) }
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Said
}
