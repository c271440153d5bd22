// Builds the native addon into native/, or does nothing when it is up to date.
//   node scripts/build.mjs [--release | --cuda] [--force] [-- options of napi build]
// With --cuda for NVIDIA GPUs too, by the tools that scripts/cuda-toolkit.sh puts into .cuda/. Builds without --cuda keep such an
// addon as long as the sources are the same: on the CPU it does what the other does.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root, requireNode, requireRust } from './lib/tools.mjs'

process.chdir(root)
requireNode('22.13.0')
const rustc = requireRust()

const words = process.argv.slice(2)
const cut = words.includes('--') ? words.indexOf('--') : words.length
const flags = new Set(words.slice(0, cut))
const extra = words.slice(cut + 1)
const cuda = flags.has('--cuda')
if (cuda && flags.has('--release')) fail('--cuda has a profile of its own: leave --release out.')
const profile = cuda ? 'cuda' : flags.has('--release') ? 'release' : 'fast'
const outDir = 'native'
const inputs = [
  'Cargo.toml',
  'Cargo.lock',
  'package.json',
  'scripts/build.mjs',
  '.cargo/config.toml',
  ...walk('crates'),
]
const digest = digestOf(profile)
const stamp = join(outDir, '.stamp')
const addons = () => (existsSync(outDir) ? readdirSync(outDir).filter((name) => name.endsWith('.node')) : [])
const good = profile === 'fast' ? [digest, digestOf('cuda')] : [digest]
if (!flags.has('--force') && addons().length > 0 && existsSync(stamp) && good.includes(readFileSync(stamp, 'utf8'))) {
  process.exit(0)
}
if (cuda && !existsSync('.cuda/env.sh')) fail('the CUDA tools are missing: run npm run build:cuda, which gets them.')

mkdirSync(outDir, { recursive: true })
rmSync(stamp, { force: true })
const cli = join('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')
if (!existsSync(cli)) fail('node_modules is incomplete: run npm install.')
// prettier-ignore
const args = [cli, 'build', '--platform', '--profile', profile,
  '--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json',
  '--output-dir', outDir, '--js', 'binding.cjs', '--dts', 'binding.d.cts', '--no-const-enum', ...extra]
// What the addon's objects look like goes on top of the declarations that napi writes.
const types = 'crates/node/types'
const header = readdirSync(types).map((name) => readFileSync(join(types, name), 'utf8'))
mkdirSync('target', { recursive: true })
writeFileSync('target/binding.header.d.ts', header.join('\n'))
const began = Date.now()
// stdout belongs to the program that is about to run.
if (cuda) args.push('--features', 'cuda')
// The compilers and link archives of .cuda/, and no others.
const built = cuda
  ? spawnSync('bash', ['-c', 'source .cuda/env.sh && exec "$@"', 'bash', process.execPath, ...args], {
      stdio: ['ignore', 2, 2],
    })
  : spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] })
if (built.status !== 0) {
  for (const name of addons()) rmSync(join(outDir, name))
  fail('the native build failed (see above).')
}
writeFileSync(stamp, digest)
console.error(`native addon built (${profile}) in ${((Date.now() - began) / 1000).toFixed(1)} s`)

/** What the addon is built from, and how. */
function digestOf(profile) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([profile, extra, rustc, process.platform, process.arch]))
  for (const file of inputs) {
    if (existsSync(file)) hash.update(file).update('\0').update(readFileSync(file))
  }
  return hash.digest('hex')
}

function walk(dir) {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
