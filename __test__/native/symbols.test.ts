import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { symbols } from 'node-api-headers'
import { expect, test } from 'vitest'
import { root } from './problem.ts'

const native = join(root, 'native')
const addons = readdirSync(native).filter((name) => name.endsWith('.node'))
// GNU nm reads the dynamic symbols of ELF files only.
const canRead = process.platform === 'linux' && spawnSync('nm', ['--version']).status === 0

test.runIf(canRead)('the addon needs nothing of Node but Node-API up to version 8', () => {
  expect(addons).toHaveLength(1)
  const text = execFileSync('nm', ['-D', '--undefined-only', join(native, addons[0]!)], { encoding: 'utf8' })
  const allowed = new Set([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols])
  const needed = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([kind]) => kind === 'U')
    .map(([, name]) => name!)
    // Symbols with a version are those of the C library and its kin.
    .filter((name) => !/@/.test(name))
  expect(needed.length).toBeGreaterThan(20)
  expect(needed.filter((name) => !allowed.has(name))).toEqual([])
})

test.runIf(canRead)('the addon shows one symbol to the outside', () => {
  const text = execFileSync('nm', ['-D', '--defined-only', join(native, addons[0]!)], { encoding: 'utf8' })
  const names = text
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).at(-1))
  expect(names).toEqual(['napi_register_module_v1'])
})

// With CUDA in it, too: its libraries are opened when they are first called, or nothing would load without a driver.
test.runIf(canRead)('the addon is linked with the C library and its kin alone, not with CUDA', () => {
  const text = execFileSync('readelf', ['-d', join(native, addons[0]!)], { encoding: 'utf8' })
  const needed = [...text.matchAll(/\(NEEDED\)[^[]*\[([^\]]+)\]/g)].map(([, name]) => name!)
  expect(needed.length).toBeGreaterThan(0)
  expect(
    needed.filter((name) => !/^(libc|libm|libdl|libpthread|librt|libgcc_s|ld-linux[-\w]*|ld-musl[-\w]*)\./.test(name)),
  ).toEqual([])
})
