// Builds the native addon into native/, or does nothing when it is up to date.
//   node scripts/build.mjs [--release] [--force] [--cuda]
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
const flags = new Set(process.argv.slice(2))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) fail(`Node ${process.versions.node} is too old: 22.13 or newer is needed (run it through npm, which uses the node of node_modules).`)

const rustc = spawnSync('rustc', ['--version'], { encoding: 'utf8' })
if (rustc.error || rustc.status !== 0) fail('rustc was not found. Install Rust 1.89 or newer (rustup.rs), then run npm test again.')
const rv = /rustc (\d+)\.(\d+)/.exec(rustc.stdout)
if (!rv || Number(rv[1]) < 1 || (Number(rv[1]) === 1 && Number(rv[2]) < 89)) fail(`rustc ${rustc.stdout.trim()} is too old: 1.89 or newer is needed (rustup update).`)

const profile = flags.has('--release') ? 'release' : 'fast'
const features = flags.has('--cuda') ? 'cuda' : ''
const outDir = 'native'
const hash = createHash('sha256')
hash.update(JSON.stringify([profile, features, rustc.stdout, process.platform, process.arch]))
for (const f of ['Cargo.toml', 'Cargo.lock', 'package.json', 'scripts/build.mjs', '.cargo/config.toml', ...walk('crates')]) {
  if (existsSync(f)) hash.update(f).update('\0').update(readFileSync(f))
}
const digest = hash.digest('hex')
const stamp = join(outDir, '.stamp')
const addons = () => (existsSync(outDir) ? readdirSync(outDir).filter((f) => f.endsWith('.node')) : [])
if (!flags.has('--force') && addons().length > 0 && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) process.exit(0)

mkdirSync(outDir, { recursive: true })
rmSync(stamp, { force: true })
const args = [join('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js'), 'build', '--platform', '--profile', profile,
  '--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json',
  '--output-dir', outDir, '--js', 'binding.cjs', '--dts', 'binding.d.cts', '--no-const-enum']
if (features) args.push('--features', features)
const t = Date.now()
const built = spawnSync(process.execPath, args, { stdio: 'inherit' })
if (built.status !== 0) {
  for (const f of addons()) rmSync(join(outDir, f))
  fail('the native build failed (see above).')
}
writeFileSync(stamp, digest)
console.log(`native addon built (${profile}${features ? ', ' + features : ''}) in ${((Date.now() - t) / 1000).toFixed(1)} s`)

function walk(dir) {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name)).sort()
}
function fail(message) {
  console.error(`build: ${message}`)
  process.exit(1)
}
