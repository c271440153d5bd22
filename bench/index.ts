// All benchmarks, one after the other: npm run bench [-- NAME …]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const steps: Record<string, readonly string[]> = {
  sweep: ['cargo', 'bench', '--profile', 'fast', '-p', 'headwater-pmf', '--bench', 'sweep'],
  fit: [process.execPath, 'bench/fit.ts'],
  mu: [process.execPath, 'bench/mu.ts'],
  large: [process.execPath, 'bench/large.ts', '10000', '100', '8', '1'],
  'larger, two threads': [process.execPath, 'bench/large.ts', '100000', '100', '8', '2'],
  stream: [process.execPath, 'bench/stream.ts'],
  solve: [process.execPath, 'bench/solve.ts'],
  optim: [process.execPath, 'bench/optim.ts'],
  incoherence: [process.execPath, 'bench/incoherence.ts'],
  dictionary: [process.execPath, 'bench/dictionary.ts'],
  gamfit: [process.execPath, 'bench/dictionary.ts', 'compare'],
  glove: [process.execPath, 'bench/glove.ts'],
  saelens: [process.execPath, 'bench/peers/saelens/saelens.ts'],
  esat: [process.execPath, 'bench/peers/esat/compare.ts'],
  errors: [process.execPath, 'bench/errors.ts'],
  coverage: [process.execPath, 'bench/coverage.ts'],
}
const wanted = process.argv.slice(2)
for (const [name, [command, ...args]] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n── ${name}`)
  const done = spawnSync(command!, args, { stdio: 'inherit', cwd: fileURLToPath(new URL('..', import.meta.url)) })
  if (done.status !== 0) process.exitCode = 1
}
