import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './problem.ts'

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((name) => name !== '')

test("ARCHITECTURE.md's tree names the folders that there are, and no others", () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const tree = /```tree\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
  const drawn = tree
    .split('\n')
    .map((line) => /^(\S+\/)(\s|$)/.exec(line)?.[1])
    .filter((name) => name !== undefined)
  expect(drawn.length).toBeGreaterThan(5)
  // Two levels deep; below that a folder is its owner's business.
  const real = new Set<string>()
  for (const name of tracked) {
    const [first, second, ...rest] = name.split('/')
    if (second === undefined) continue
    const split = ['crates', 'src-ts'].includes(first!) && rest.length > 0
    real.add(split ? `${first}/${second}/` : `${first}/`)
  }
  for (const parent of ['crates/', 'src-ts/']) real.add(parent)
  expect(drawn.sort()).toEqual([...real].sort())
})

test('only native.ts and job.ts know the addon at run time', () => {
  const importers = readdirSync(join(root, 'src-ts'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .filter((name) =>
      /^import (?!type).*'#native'|require\('#native'\)/m.test(readFileSync(join(root, 'src-ts', name), 'utf8')),
    )
  expect(importers).toEqual(['native.ts'])
})

test('every export of the addon is used by src-ts, or says that it is for tests', () => {
  const types = readFileSync(join(root, 'native/binding.d.cts'), 'utf8')
  const exported = [...types.matchAll(/^export declare (?:function|class) (\w+)/gm)].map(([, name]) => name!)
  expect(exported.length).toBeGreaterThan(4)
  const sources = tracked
    .filter((name) => name.startsWith('src-ts/') && name.endsWith('.ts'))
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n')
  const unused = exported.filter(
    (name) => !new RegExp(`((native\\(\\)|\\baddon)\\)?\\.|\\{[^}]*\\b)${name}\\b`).test(sources),
  )
  expect(unused.filter((name) => !name.endsWith('ForTest'))).toEqual([])
})

test('no source file is so long that it hides something', () => {
  const long = tracked
    .filter((name) => /^(crates|src-ts|scripts|__test__)\/.*\.(rs|ts|mjs)$/.test(name))
    .filter((name) => readFileSync(join(root, name), 'utf8').split('\n').length > 600)
  expect(long).toEqual([])
})
