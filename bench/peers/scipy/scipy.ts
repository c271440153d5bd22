// SciPy's times on the same linear systems, for bench/solve.ts to set beside ours. Installs SciPy into a private Python
// environment at the first run. By itself it prints SciPy's figures:
//   node bench/peers/scipy/scipy.ts [CASE …]
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const VERSIONS = { numpy: '2.4.6', scipy: '1.17.1' } as const

/** Seconds of CPU of one thread. */
export interface Timing {
  median: number
  smallest: number
  repetitions: number
}
export interface Bandwidth extends Timing {
  bytes: number
  bytesPerSecond: number
}
export interface CgCase {
  perIteration: Timing
  whole: number
  wholePerIteration: number
  iterations: number
  info: number
  trueResidual: number
  rows: number
}
export interface CayleyCase {
  n: number
  Lambda: number
  nonzeros: number
  bicgstab: Timing & { info: number; trueResidual: number }
  gmres: Timing & { info: number; trueResidual: number }
  /** Only for n = 256. */
  lu?: Timing & { trueResidual: number }
}
export interface Cases {
  triad: Bandwidth & { count: number; note: string }
  spmv: Bandwidth & { rows: number; nonzeros: number; indexBytes: number }
  'cg-poisson-1024': CgCase
  'cg-poisson-256': CgCase
  'cayley-256-0.5': CayleyCase
  'cayley-256-5': CayleyCase
  'cayley-1024-0.5': CayleyCase
  'cayley-1024-5': CayleyCase
  'cayley-4096-0.5': CayleyCase
  'cayley-4096-5': CayleyCase
}
export interface Report<K extends keyof Cases> {
  versions: { python: string; numpy: string; scipy: string }
  unit: string
  cases: Pick<Cases, K>
}

const here = fileURLToPath(new URL('.', import.meta.url))
const python = `${here}.venv/bin/python`

/** Runs these cases, one after the other in one process. */
export function runScipy<K extends keyof Cases>(cases: readonly K[]): Report<K> {
  install()
  return JSON.parse(run(python, [`${here}run.py`, ...cases])) as Report<K>
}

/** The names of all cases. */
export function scipyCases(): (keyof Cases)[] {
  install()
  return JSON.parse(run(python, [`${here}run.py`, '--list'])) as (keyof Cases)[]
}

function install(): void {
  if (existsSync(python) && spawnSync(python, ['-c', 'import scipy']).status === 0) return
  run('python3', ['-m', 'venv', `${here}.venv`])
  const pinned = Object.entries(VERSIONS).map(([name, version]) => `${name}==${version}`)
  run(python, ['-m', 'pip', 'install', '--quiet', ...pinned])
}

function run(command: string, args: string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.error?.message ?? done.stderr}`)
  return done.stdout
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.slice(2) as (keyof Cases)[]
  console.log(JSON.stringify(runScipy(wanted.length > 0 ? wanted : scipyCases()), undefined, 1))
}
