// Makes a fresh clone ready: dependencies, addon, dist/. Does only what is missing or stale, and prints to stderr.
//   node scripts/setup.mjs [--cuda]     with --cuda the addon is one for NVIDIA GPUs too
// Runs on Node 18 and newer without any dependency: it is what brings the right Node.
//
// It has to be a lifecycle script of its own (prestart, pretest): only the next script that npm starts finds
// node_modules/.bin/node, a command chained to this one would still run on the system's Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, isAtLeast, OLDEST_NODE, requireNode, requireRust, root } from './lib/tools.mjs'

process.chdir(root)
requireNode('18.0.0')
requireRust()
install()
const node = chooseNode()
step(node, ['scripts/build.mjs', ...process.argv.slice(2)], 'the native addon')
emit()

/** npm, as long as package.json and the lock are not what was installed last. */
function install() {
  const stamp = join('node_modules', '.headwater-stamp')
  const wanted = digest(['package.json', 'package-lock.json'])
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  // A bare clone gets exactly the lock; an existing folder is updated in place, which is faster.
  const command = existsSync('node_modules') ? 'install' : 'ci'
  const args = [command, '--no-audit', '--no-fund', '--loglevel=error']
  const npm = process.env.npm_execpath
  console.error(`headwater: npm ${command} …`)
  const done = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { stdio: ['ignore', 2, 2] })
    : spawnSync('npm', args, { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (done.status !== 0) fail(`npm ${command} failed (see above).`)
  writeFileSync(stamp, digest(['package.json', 'package-lock.json']))
}

/** The Node of node_modules, else this one if it is new enough. */
function chooseNode() {
  const own = join('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  // The package holds a glibc build, which a musl system installs but cannot run.
  if (existsSync(own) && spawnSync(own, ['--version']).status === 0) return own
  if (isAtLeast(process.versions.node, OLDEST_NODE)) return process.execPath
  return fail(
    `Node ${process.versions.node} is too old and node_modules has none: install Node ${OLDEST_NODE} or newer.`,
  )
}

/** dist/ from the TypeScript sources. */
function emit() {
  const sources = readdirSync('src-ts', { recursive: true })
    .map((name) => join('src-ts', name.toString()))
    .filter((name) => name.endsWith('.ts'))
    .sort()
  const inputs = [
    'index.ts',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'native/binding.d.cts',
    ...sources,
  ]
  const wanted = digest(inputs)
  const stamp = join('dist', '.stamp')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  // Files of deleted sources must not stay behind.
  rmSync('dist', { recursive: true, force: true })
  step(node, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'], 'dist/')
  mkdirSync('dist', { recursive: true })
  writeFileSync(stamp, wanted)
}

function step(command, args, what) {
  const done = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (done.status !== 0) fail(`building ${what} failed (see above).`)
}

function digest(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update('\0').update(readFileSync(file))
  return hash.digest('hex')
}
