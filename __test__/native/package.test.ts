import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './problem.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8')

test('npm pack holds the emitted API, the loader, the program and the documents, and nothing else', () => {
  const npm = process.env['npm_execpath']
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  const shell = process.platform === 'win32' && command === 'npm'
  const output = execFileSync(
    command,
    [...args, 'pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'],
    {
      cwd: root,
      encoding: 'utf8',
      shell,
    },
  )
  const listing = JSON.parse(output)
  // npm 11 prints a list, npm 12 an object keyed by name.
  const [pack] = Array.isArray(listing) ? listing : Object.values<any>(listing)
  const found = (pack.files as { path: string }[]).map(({ path }) => path)
  const sources = readdirSync(join(root, 'src-ts'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src-ts/${name.replaceAll('\\', '/')}`)
  const emitted = ['index.ts', ...sources].flatMap((name) => {
    const stem = `dist/${name.slice(0, -'.ts'.length)}`
    return [`${stem}.js`, `${stem}.d.ts`]
  })
  // prettier-ignore
  const documents = ['package.json', 'README.md', 'CHANGELOG.md', 'CITATION.cff', 'LICENSE-APACHE', 'LICENSE-MIT']
  const others = ['bin/headwater.mjs', 'native/binding.cjs', 'native/binding.d.cts']
  expect(found.filter((path) => !emitted.includes(path)).sort()).toEqual([...documents, ...others].sort())
  // Assets of the report may stand beside the modules, but every module must be there.
  expect(emitted.filter((path) => !found.includes(path))).toEqual([])
})

test('versions are the same everywhere, and dependencies are pinned', () => {
  const cargo = readFileSync(join(root, 'Cargo.toml'), 'utf8')
  expect(/^version = "(.+)"$/m.exec(cargo)?.[1]).toBe(manifest.version)
  expect(/^version: (.+)$/m.exec(readFileSync(join(root, 'CITATION.cff'), 'utf8'))?.[1]).toBe(manifest.version)
  expect(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')).toContain(`## ${manifest.version}`)
  for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies })) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  }
})

test('platform packages are written at release, not committed', () => {
  expect(manifest.optionalDependencies).toBe(undefined)
  expect(manifest.scripts.install ?? manifest.scripts.postinstall).toBe(undefined)
})

test('the lock needs no more stubs for npm ci, and names no registry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-lock-'))
  try {
    writeFileSync(join(folder, 'package-lock.json'), lockText)
    const output = execFileSync(process.execPath, [join(root, 'scripts/lock-stubs.mjs')], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(output).toBe('package-lock.json: 0 optional entries added\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
  const entries = Object.values<{ resolved?: string }>(JSON.parse(lockText).packages)
  expect(entries.length).toBeGreaterThan(50)
  expect(entries.filter((entry) => entry.resolved?.startsWith('http'))).toEqual([])
})

test('the lock script adds what is missing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-lock-'))
  try {
    const lock = {
      packages: { '': {}, 'node_modules/a': { dev: true, optionalDependencies: { 'a-linux-arm64-musl': '^1.2.3' } } },
    }
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
    execFileSync(process.execPath, [join(root, 'scripts/lock-stubs.mjs')], { cwd: folder })
    expect(JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages).toEqual({
      ...lock.packages,
      'node_modules/a-linux-arm64-musl': {
        version: '1.2.3',
        cpu: ['arm64'],
        dev: true,
        libc: ['musl'],
        optional: true,
        os: ['linux'],
      },
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
