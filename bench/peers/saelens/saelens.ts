// SAELens, NumPy and safetensors read what headwater writes: an export is loaded by SAELens itself, and its codes and
// reconstructions are compared with the formulas of exportSaeLens. Installs SAELens into a private Python environment at the
// first run (PyTorch comes with it: up to 5 GB).
//   node bench/peers/saelens/saelens.ts
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportSaeLens, writeNpy, writeSafetensors } from '../../../src-ts/manifold/index.ts'
import { gauss } from '../../common.ts'

export const VERSIONS = { 'sae-lens': '6.54.12', torch: '2.13.0', numpy: '2.4.6' } as const

interface Loaded {
  architecture: string
  model: string | null
  codes: number[][]
  reconstruction: number[][]
}
interface Report {
  versions: Record<string, string>
  rows: { dtype: string; fortran: boolean; values: number[][] }
  rows32: { dtype: string; values: number[][] }
  safetensors: Record<string, { dtype: string; shape: number[]; values: number[] }>
  sae: Loaded
  jump: Loaded
}

const here = fileURLToPath(new URL('.', import.meta.url))
const python = `${here}.venv/bin/python`

/** Why there is no environment; undefined if there is one. */
function install(): string | undefined {
  const works = (): boolean => existsSync(python) && spawnSync(python, ['-c', 'import sae_lens']).status === 0
  if (works()) return undefined
  const { bavail, bsize } = statfsSync(here)
  if (bavail * bsize < 8e9) return `SAELens needs up to 5 GB beside its downloads, ${((bavail * bsize) / 1e9).toFixed(1)} GB are free` // prettier-ignore
  const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}==${version}`)
  for (const [command, ...args] of [
    ['python3', '-m', 'venv', `${here}.venv`],
    [python, '-m', 'pip', 'install', '--quiet', '--no-cache-dir', ...packages],
  ] as const) {
    const done = spawnSync(command, args, { encoding: 'utf8', timeout: 1_800_000 })
    if (done.status !== 0) return `SAELens could not be installed: ${done.error?.message ?? done.stderr.trim().split('\n').at(-1)}` // prettier-ignore
  }
  return works() ? undefined : 'SAELens was installed but cannot be imported'
}

const [atoms, columns, count, active] = [40, 12, 64, 5]
const { normal, uniform } = gauss(7)
const table = (rows: number, cols: number, of = normal): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: cols }, of))
const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0)

const decoder = table(atoms, columns)
const offset = table(1, columns)[0]!
const encoder = table(atoms, columns)
const encoderOffset = table(1, atoms)[0]!
const threshold = table(1, atoms, () => 2 * uniform())[0]!
const rows = table(count, columns)

/** What the exported dictionary says of a row, from its formulas. */
function expected(e: number[][], c: number[], gate: (a: number[]) => number[], x: number[]): [number[], number[]] {
  const centred = x.map((v, o) => v - offset[o]!)
  const codes = gate(e.map((row, k) => dot(row, centred) + c[k]!))
  return [codes, offset.map((b, o) => b + codes.reduce((sum, a, k) => sum + a * decoder[k]![o]!, 0))]
}

function worst(loaded: Loaded, of: (x: number[]) => [number[], number[]]): number {
  let largest = 0
  rows.forEach((x, n) => {
    const [codes, reconstruction] = of(x)
    codes.forEach((a, k) => (largest = Math.max(largest, Math.abs(a - loaded.codes[n]![k]!))))
    reconstruction.forEach((y, o) => (largest = Math.max(largest, Math.abs(y - loaded.reconstruction[n]![o]!))))
  })
  return largest
}

const skipped = install()
if (skipped !== undefined) {
  console.log(`skipped: ${skipped}`)
  process.exit()
}
const folder = mkdtempSync(join(tmpdir(), 'headwater-saelens-'))
exportSaeLens(join(folder, 'sae'), { decoder, offset, active, metadata: { model_name: 'made-up' } })
exportSaeLens(join(folder, 'jump'), { decoder, offset, encoder, encoderOffset, threshold })
writeNpy(join(folder, 'rows.npy'), rows)
writeNpy(join(folder, 'rows32.npy'), rows, { dtype: 'float32' })
const flat = Float64Array.from(rows.flat())
writeSafetensors(join(folder, 'rows.safetensors'), {
  a: { shape: [count / 4, 4, columns], data: flat },
  b: { shape: [count, columns], data: Float32Array.from(flat) },
})
const done = spawnSync(python, [`${here}run.py`, folder], { encoding: 'utf8', maxBuffer: 1 << 28 })
rmSync(folder, { recursive: true })
if (done.status !== 0) throw new Error(`run.py failed:\n${done.error?.message ?? done.stderr}`)
const report = JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Report

const matched = decoder.map((d) => d.map((x) => x / dot(d, d)))
const top = (a: number[]): number[] => {
  const least = [...a].sort((x, y) => y - x)[active - 1]!
  return a.map((x) => (x >= least ? Math.max(x, 0) : 0))
}
const equal = (x: readonly number[], y: readonly number[]): boolean => x.length === y.length && x.every((v, i) => v === y[i]) // prettier-ignore
const narrow = rows.flat().map(Math.fround)
const { a, b } = report.safetensors
const checks: [string, boolean, string][] = [
  ['NumPy reads writeNpy', report.rows.dtype === 'float64' && !report.rows.fortran && equal(report.rows.values.flat(), rows.flat()), 'bit for bit'], // prettier-ignore
  ['NumPy reads it as float32', report.rows32.dtype === 'float32' && equal(report.rows32.values.flat(), narrow), 'bit for bit'], // prettier-ignore
  ['safetensors reads writeSafetensors', equal(a!.values, rows.flat()) && equal(a!.shape, [count / 4, 4, columns]) && equal(b!.values, narrow), 'bit for bit'], // prettier-ignore
]
for (const [name, loaded, gap] of [
  ['topk', report.sae, worst(report.sae, (x) => expected(matched, encoderOffset.map(() => 0), top, x))], // prettier-ignore
  ['jumprelu', report.jump, worst(report.jump, (x) => expected(encoder, encoderOffset, (p) => p.map((v, k) => (v > threshold[k]! ? v : 0)), x))], // prettier-ignore
] as const) {
  checks.push([`SAELens loads ${name}`, loaded.architecture === name && gap < 1e-4, `largest difference of codes and rows ${gap.toExponential(1)} (float32)`]) // prettier-ignore
}
checks.push(['SAELens knows the metadata', report.sae.model === 'made-up', String(report.sae.model)])
console.log(Object.entries(report.versions).map(([name, version]) => `${name} ${version}`).join(', ')) // prettier-ignore
for (const [name, good, detail] of checks) console.log(`${good ? 'ok  ' : 'FAIL'} ${name}: ${detail}`)
if (checks.some(([, good]) => !good)) process.exitCode = 1
