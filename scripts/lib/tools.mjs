// What the scripts share: where the root is, and one-line answers to missing tools. Runs on Node 18 and newer.
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's root folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Oldest versions that work. Rust: napi and nalgebra; the Node that runs TypeScript files without a flag. */
export const OLDEST_RUST = '1.89.0'
export const OLDEST_NODE = '22.18.0'

/** Ends the program with one line. */
export function fail(message) {
  console.error(`headwater: ${message}`)
  process.exit(1)
}

/** Whether version `found` is `wanted` or newer; both are dotted numbers. */
export function isAtLeast(found, wanted) {
  const a = found.split('.').map(Number)
  const b = wanted.split('.').map(Number)
  for (let i = 0; i < b.length; i++) {
    if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) > b[i]
  }
  return true
}

/** Ends the program if the Node that runs it is too old. */
export function requireNode(oldest) {
  if (isAtLeast(process.versions.node, oldest)) return
  fail(
    `Node ${process.versions.node} is too old: ${oldest} or newer is needed (npm scripts use the one in node_modules).`,
  )
}

/** The version line of rustc; ends the program if Rust or a C compiler is missing or Rust is too old. */
export function requireRust() {
  for (const tool of ['rustc', 'cargo']) {
    const found = run(tool, ['--version'])
    if (found === undefined) fail(`${tool} was not found: install Rust ${OLDEST_RUST} or newer from https://rustup.rs.`)
    const version = /(\d+\.\d+\.\d+)/.exec(found)?.[1]
    if (!version || !isAtLeast(version, OLDEST_RUST)) {
      fail(`${found.trim()} is too old: ${OLDEST_RUST} or newer is needed (rustup update).`)
    }
  }
  // MSVC's linker is found by rustc itself.
  if (process.platform !== 'win32' && run('cc', ['--version']) === undefined) {
    fail(
      'cc was not found: install a C compiler (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install).',
    )
  }
  return run('rustc', ['--version'])
}

/** The triple that cargo builds for on this machine. */
export function hostTriple() {
  const host = /^host: (\S+)$/m.exec(run('rustc', ['-vV']) ?? '')?.[1]
  return host ?? fail('rustc -vV does not name its host.')
}

function run(command, args) {
  const done = spawnSync(command, args, { encoding: 'utf8', cwd: root })
  return done.error || done.status !== 0 ? undefined : done.stdout
}
