/** Problems and child programs that the tests of the native runtime share. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Matrix, type DataLike, type FactorizeOptions } from '../../index.ts'

/** The package's root folder. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** Pseudo-random numbers in (0, 1), the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296 + 1e-12
  }
}

/** Noise without structure: no factorisation fits it, and every method has much to do. */
export function noise(rows: number, cols: number, seed = 1): DataLike & { values: Matrix; uncertainties: Matrix } {
  const draw = random(seed)
  return {
    values: new Matrix(rows, cols, Float64Array.from({ length: rows * cols }, draw)),
    uncertainties: new Matrix(rows, cols, new Float64Array(rows * cols).fill(0.1)),
  }
}

/** A call on {@link noise} of 300 × 40 that would run for hours: multiplicative updates with no stop rule in reach. */
export const ENDLESS: FactorizeOptions = {
  factors: 8,
  method: 'mu',
  starts: 1,
  maxIterations: 4_000_000_000,
  stop: { decrease: 1e-300, over: 4_000_000_000 },
}

/** How a child program ended. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  milliseconds: number
}

/** Runs a TypeScript module text in a Node of its own, in the package's root, so that it can import 'headwater'. */
export function runChild(program: string, flags: string[] = []): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const args = [...flags, '--input-type=module-typescript', '--eval', program]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.on('data', (text) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout, stderr, milliseconds: performance.now() - began }),
    )
  })
}

/** The start of a child program: the shared problem, imported from the sources. */
export const CHILD_HEADER = `
import { factorize } from './index.ts'
import { ENDLESS, noise } from './__test__/native/problem.ts'
`
