// PyTorch's AdamW, kron-torch and psgd-torch on the same steps. Installs them into a private Python environment at the first
// run (0.8 GB where PyTorch's own index can be reached, else 5 GB with CUDA libraries that are not used). By itself it
// prints their figures:
//   node bench/peers/torch/torch.ts [CASE …]
import { spawnSync } from 'node:child_process'
import { existsSync, statfsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const VERSIONS = { torch: '2.13.0', numpy: '2.4.6', 'kron-torch': '0.3.3', 'psgd-torch': '0.6.1' } as const

/** Seconds of CPU of one thread. */
export interface Timing {
  median: number
  smallest: number
  repetitions: number
}
export interface AdamWCase {
  /** Read and written by one step. */
  bytes: number
  default: Timing
  fused: Timing
}
type Size = 128 | 256 | 512
export interface Cases
  extends
    Record<'adamw-10000000' | `adamw-${Size}x${Size}`, AdamWCase>,
    Record<`kron-torch-${Size}` | `kron-torch-${Size}-full`, Timing & { compiled: boolean }>,
    Record<`psgd-torch-${Size}`, { update: Timing; apply: Timing }> {
  triad: Timing & { bytes: number; bytesPerSecond: number }
}
export interface Report<K extends keyof Cases> {
  versions: Record<string, string>
  unit: string
  cases: Pick<Cases, K>
}

const here = fileURLToPath(new URL('.', import.meta.url))
const python = `${here}.venv/bin/python`

/** Runs these cases, or says why it cannot. */
export function runTorch<K extends keyof Cases>(cases: readonly K[]): Report<K> | { skipped: string } {
  const skipped = install()
  if (skipped !== undefined) return { skipped }
  const done = spawnSync(python, [`${here}run.py`, ...cases], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`run.py ${cases.join(' ')} failed:\n${done.error?.message ?? done.stderr}`)
  // kron-torch prints lines of its own before.
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Report<K>
}

/** Why there is no environment; undefined if there is one. */
function install(): string | undefined {
  const works = (): boolean => existsSync(python) && spawnSync(python, ['-c', 'import torch, kron_torch, psgd_torch']).status === 0 // prettier-ignore
  if (works()) return undefined
  const { bavail, bsize } = statfsSync(here)
  if (bavail * bsize < 8e9) return `PyTorch needs up to 5 GB beside its downloads, ${(bavail * bsize / 1e9).toFixed(1)} GB are free` // prettier-ignore
  const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}==${version}`)
  const index = ['--extra-index-url', 'https://download.pytorch.org/whl/cpu', '--timeout', '30', '--retries', '1']
  for (const [command, ...args] of [
    ['python3', '-m', 'venv', `${here}.venv`],
    [python, '-m', 'pip', 'install', '--quiet', '--no-cache-dir', ...index, ...packages],
  ] as const) {
    const done = spawnSync(command, args, { encoding: 'utf8', timeout: 1_800_000 })
    if (done.status !== 0) return `PyTorch could not be installed: ${done.error?.message ?? done.stderr.trim().split('\n').at(-1)}` // prettier-ignore
  }
  return works() ? undefined : 'PyTorch was installed but cannot be imported'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(runTorch(process.argv.slice(2) as (keyof Cases)[]), null, 2))
}
