import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root, runChild } from './problem.ts'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'headwater-tools-'))))
afterEach(() => rmSync(folder, { recursive: true }))

/** Puts a program into the folder that prints one line. */
function fake(name: string, line: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\necho "${line}"\n`)
  chmodSync(join(folder, name), 0o755)
}

function setup(): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], {
    env: { PATH: folder },
    encoding: 'utf8',
  })
  return { status, stderr }
}

// The stand-ins are shell scripts.
const unix = process.platform !== 'win32'

test.runIf(unix)('a missing tool is one line that says what to install', () => {
  expect(setup()).toEqual({
    status: 1,
    stderr: expect.stringMatching(/^headwater: rustc was not found: .*rustup\.rs\.\n$/),
  })
  fake('rustc', 'rustc 1.95.0 (0 2026-01-01)')
  expect(setup()).toEqual({ status: 1, stderr: expect.stringMatching(/^headwater: cargo was not found: .*\n$/) })
  fake('cargo', 'cargo 1.95.0 (0 2026-01-01)')
  expect(setup()).toEqual({ status: 1, stderr: expect.stringMatching(/^headwater: cc was not found: .*\n$/) })
})

test.runIf(unix)('a Rust that is too old is one line that says how to update it', () => {
  fake('rustc', 'rustc 1.88.0 (0 2025-01-01)')
  expect(setup()).toEqual({
    status: 1,
    stderr: expect.stringMatching(/^headwater: rustc 1\.88\.0 .* too old: 1\.89\.0 .*rustup update\)\.\n$/),
  })
})

test('the example of the readme runs as it stands', async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
  const ended = await runChild(`
    import { noise } from './__test__/native/problem.ts'
    const { values, uncertainties } = noise(30, 10)
    const [contributions, profiles] = [noise(30, 7).values, noise(7, 10).values]
    ${example!}
  `)
  expect(ended).toMatchObject({ code: 0, stderr: '' })
})
