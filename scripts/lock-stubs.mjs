// Adds to package-lock.json an entry for every optional dependency that npm left out of it
// (a registry may lack the binaries of other platforms), so that `npm ci` accepts the lock.
// Run after each `npm install` that changed the lock: node scripts/lock-stubs.mjs
import { readFileSync, writeFileSync } from 'node:fs'

const file = 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8'))
const packages = lock.packages
let added = 0
for (const [path, entry] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (resolve(path, name)) continue
    const { os, cpu, libc } = platform(name)
    // npm's own key order, so that a later `npm install` leaves the file alone
    const stub = { version: range.replace(/^[\^~]/, ''), cpu, dev: entry.dev || undefined, libc, optional: true, os }
    packages[`node_modules/${name}`] = stub
    added++
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
if (added > 0) writeFileSync(file, JSON.stringify(lock, null, 2) + '\n')
console.log(`package-lock.json: ${added} optional entries added`)

/** The lock entry that NAME resolves to, looked up from the package at PATH outwards. */
function resolve(path, name) {
  let at = path
  for (;;) {
    const found = packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`]
    if (found || at === '') return found
    const cut = at.lastIndexOf('/node_modules/')
    at = cut < 0 ? '' : at.slice(0, cut)
  }
}

/** os/cpu/libc as the name tells, so that no installer tries to fetch the stub here. */
function platform(name) {
  const os = /(linux|darwin|win32|freebsd|android|openharmony|aix|sunos|netbsd|openbsd)/.exec(name)?.[1]
  const cpu = /(x64|arm64|arm|ia32|riscv64|ppc64|s390x|loong64|wasm32)/.exec(name)?.[1]
  const libc = os === 'linux' ? (/musl/.test(name) ? 'musl' : /gnu/.test(name) ? 'glibc' : undefined) : undefined
  return { os: os && [os], cpu: cpu && [cpu], libc: libc && [libc] }
}
