// ESAT's Python environment, made at the first use.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const python = `${here}.venv/bin/python`

/** Version that is compared with. */
export const ESAT = 'ESAT 2025.0.1'

/** Runs a program of this folder, and returns the JSON of its last line. */
export function esat<T>(program: string, ...args: (string | number)[]): T {
  if (!existsSync(python)) {
    run('python3', ['-m', 'venv', `${here}.venv`])
    run(python, ['-m', 'pip', 'install', '--quiet', 'esat==2025.0.1'])
  }
  const printed = run(python, [`${here}${program}`, ...args.map(String)])
  return JSON.parse(printed.trim().split('\n').at(-1)!) as T
}

function run(command: string, args: string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.error?.message ?? done.stderr}`)
  return done.stdout
}
