/** Running the program as its users do, in a process and a folder of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { random, root } from '../native/problem.ts'

/** How a run ended. */
export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** A temporary folder, removed after the tests of the file; its name holds a blank and a letter that is not ASCII. */
export const folder: string = mkdtempSync(join(tmpdir(), 'headwater cli é '))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

export const BIN: string = join(root, 'bin', 'headwater.mjs')
export const START: string = join(root, 'scripts', 'start.mjs')
const data = (name: string): string => join(root, 'examples', 'data', name)
export const ST_LOUIS: string[] = [data('Dataset-StLouis-con.csv'), data('Dataset-StLouis-unc.csv')]

/** A child that hangs must not outlive the test that notices. */
const LIMITS = { timeout: 110_000, killSignal: 'SIGKILL' } as const

/** Runs `headwater ARGS` in the temporary folder. */
export function headwater(args: readonly string[], env: Record<string, string> = {}, cwd: string = folder): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
    ...LIMITS,
  })
  return { code: status, stdout, stderr }
}

/** Starts it, to be talked to while it runs. */
export function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Run>; until: Until } {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...LIMITS })
  const texts = { stdout: '', stderr: '' }
  const waiting: (() => void)[] = []
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
      for (const look of waiting) look()
    })
  }
  const ended = new Promise<Run>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...texts }))
  })
  const until: Until = (name, pattern) =>
    Promise.race([
      new Promise<void>((resolve) => {
        const look = (): void => void (pattern.test(texts[name]) && resolve())
        waiting.push(look)
        look()
      }),
      ended.then((run) => {
        if (!pattern.test(texts[name])) throw new Error(`ended without ${pattern}: ${JSON.stringify(run)}`)
      }),
    ])
  return { child, ended, until }
}

/** Resolves when a stream has shown a text. */
export type Until = (name: 'stdout' | 'stderr', pattern: RegExp) => Promise<void>

let count = 0

/** Writes a text into a new file of the folder and returns its full name. */
export function file(text: string, name: string = `file ${count++}.csv`): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Rows of numbers as CSV. */
export function csv(rows: readonly (readonly (number | string)[])[]): string {
  return rows.map((row) => `${row.join(',')}\n`).join('')
}

/** A small data set of two sources; both files' names. */
export function twoSources(): string[] {
  const draw = random(7)
  const sources = [
    [4, 2, 0.5, 0.1, 1, 0],
    [0, 0.3, 2, 5, 0.2, 1.5],
  ]
  const header = ['date', 'A', 'B', 'C', 'D', 'E', 'F']
  const con: (number | string)[][] = [header]
  const unc: (number | string)[][] = [header]
  for (let i = 0; i < 30; i++) {
    const [a, b] = [draw(), draw()]
    const day = `2020-01-${String(i + 1).padStart(2, '0')}`
    const values = sources[0]!.map((x, j) => a * x + b * sources[1]![j]! + 0.05 * draw())
    con.push([day, ...values])
    unc.push([day, ...values.map((value) => 0.05 * value + 0.02)])
  }
  return [file(csv(con)), file(csv(unc))]
}

/** A fit that runs for hours: `mu` with a stop rule out of reach. */
export const ENDLESS: string[] = [
  '--factors',
  '6',
  '--method',
  'mu',
  '--max-iterations',
  '4000000000',
  '--stop',
  '1e-300,4000000000',
]
