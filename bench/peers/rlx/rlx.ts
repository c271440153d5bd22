// rlx-optim's Kron-PSGD and AdamW on the same steps, built with cargo at the first run. rlx-optim 0.2.5 is GPL-3.0-only: the
// program is built here, into an ignored folder, for this comparison alone; nothing of ours is linked with it. By itself it
// prints the figures:
//   node bench/peers/rlx/rlx.ts [CASE …]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Seconds of CPU of one thread. */
export interface Timing {
  median: number
  smallest: number
  repetitions: number
}
export type Case = 'kron-128' | 'kron-256' | 'kron-512' | 'adamw-10000000'
export interface Report<K extends Case> {
  version: string
  unit: string
  cases: Record<K, Timing>
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** Runs these cases, or says why it cannot. */
export function runRlx<K extends Case>(cases: readonly K[]): Report<K> | { skipped: string } {
  const built = spawnSync('cargo', ['build', '--release', '--locked', '--quiet'], { cwd: here, encoding: 'utf8' })
  if (built.status !== 0) return { skipped: `rlx-optim could not be built: ${built.error?.message ?? built.stderr}` }
  const done = spawnSync(`${here}target/release/rlx-peer`, cases, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`rlx-peer ${cases.join(' ')} failed:\n${done.error?.message ?? done.stderr}`)
  return JSON.parse(done.stdout) as Report<K>
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(runRlx(process.argv.slice(2) as Case[]), null, 2))
}
