import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DATA_ERROR_CODES, FINDING_CODES } from '../../src-ts/data/index.ts'
import { ERROR_CODES } from '../../src-ts/errors.ts'

const folder = (name: string): string[] => {
  const url = new URL(name, import.meta.url)
  return readdirSync(url).map((file) => readFileSync(new URL(file, url), 'utf8'))
}

test('every error code is in the documented table, raised somewhere, and produced in a test', () => {
  const sources = folder('../../src-ts/data/')
    .filter((source) => !source.includes('DATA_ERROR_CODES:'))
    .filter((source) => !source.includes('checkDataset('))
    .join('\n')
  const tests = folder('./').join('\n')
  const raised = [...sources.matchAll(/(?:code: |once\(\s*)'([a-z-]+)'/g)].map((match) => match[1]!)
  const known = { ...ERROR_CODES, ...DATA_ERROR_CODES }
  expect(raised.filter((code) => !(code in known))).toEqual([])
  const built = ['samples-do-not-match', 'species-do-not-match'] // from a template in pair.ts
  expect(Object.keys(DATA_ERROR_CODES).filter((code) => ![...raised, ...built].includes(code))).toEqual([])
  expect(Object.keys(DATA_ERROR_CODES).filter((code) => !tests.includes(`'${code}'`))).toEqual([])
})

test('every code of a finding is in its table, and the table lists no other', () => {
  const source = readFileSync(new URL('../../src-ts/data/check.ts', import.meta.url), 'utf8')
  const found = [...source.matchAll(/code: '([a-z-]+)'/g)].map((match) => match[1]!)
  expect([...new Set(found)].sort()).toEqual(Object.keys(FINDING_CODES).sort())
})
