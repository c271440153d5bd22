import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  BackendUnavailableError,
  ERROR_CODES,
  FINDING_CODES,
  HeadwaterError,
  InternalError,
  InvalidInputError,
  WARNING_CODES,
} from '../../index.ts'
import { toError } from '../../src-ts/job.ts'
import { load } from '../../src-ts/native.ts'
import { root } from './problem.ts'

test('every error is a HeadwaterError and an Error, under its own name', () => {
  const errors = [
    new InvalidInputError('option-not-valid', 'a'),
    new BackendUnavailableError('x', 'b'),
    new InternalError('c'),
  ]
  expect(errors.map((error) => error.name)).toEqual(['InvalidInputError', 'BackendUnavailableError', 'InternalError'])
  for (const error of errors) {
    expect(error).toBeInstanceOf(HeadwaterError)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toBe(`${error.name}: ${error.message}`)
  }
})

test('details are own properties where they apply and absent where they do not', () => {
  const error = new InvalidInputError('not-a-number', 'no', {
    file: 'a.csv',
    line: 3,
    column: 2,
    value: 'x',
    hint: undefined,
  })
  expect(Object.keys(error).sort()).toEqual(['code', 'column', 'file', 'line', 'problems', 'value'])
  expect(error.hint).toBe(undefined)
})

test('several problems are one error: code and place of the first, text and list of all', () => {
  const error = InvalidInputError.ofAll([
    { code: 'option-missing', message: 'a is needed', name: 'a' },
    { code: 'option-unknown', message: 'there is no b', name: 'b', hint: "did you mean 'a'?" },
  ])
  expect(error.message).toBe("2 problems:\n  - a is needed\n  - there is no b (did you mean 'a'?)")
  expect(error).toMatchObject({ code: 'option-missing', argument: 'a' })
  expect(error.problems).toHaveLength(2)
})

test('outcomes of the addon become the class that their code stands for', () => {
  const of = (code: string): HeadwaterError => toError({ ok: false, code, message: 'm', row: 1, col: 0 })
  expect(of('internal')).toBeInstanceOf(InternalError)
  expect(of('threads-unavailable')).toBeInstanceOf(BackendUnavailableError)
  expect(of('value-not-finite')).toMatchObject({ name: 'InvalidInputError', row: 1, col: 0 })
})

test('a failed load says what was found, what is needed and what to do', () => {
  const cause = new Error('Cannot find native binding.\nmore lines')
  const failing = (): never => {
    throw cause
  }
  const error = (() => {
    try {
      return load(failing)
    } catch (error) {
      return error
    }
  })()
  expect(error).toBeInstanceOf(BackendUnavailableError)
  expect(error).toMatchObject({ code: 'backend-unavailable', cause })
  expect((error as Error).message).toContain(`${process.platform}-${process.arch}`)
  expect((error as Error).message).toMatch(/Cannot find native binding\. .*npm install/)
  expect((error as Error).message).not.toContain('more lines')
})

const files = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(root, folder, name))

// A code that is not in the table is one that no reader can look up.
test('every code that the engines and the API raise is in the table', () => {
  const codesIn = (names: readonly string[], pattern: RegExp): string[] =>
    names.flatMap((name) => [...readFileSync(name, 'utf8').matchAll(pattern)].map(([, code]) => code!))
  const [engines, api] = [files('crates', '.rs'), files('src-ts', '.ts')]
  const raised = [
    ...codesIn(engines, /Error::new\(\s*"([a-z-]+)"/g),
    ...codesIn(api, /(?:Error\(|#add\(|\.problem\()\s*'([a-z]+(?:-[a-z]+)+)'/g),
  ]
  expect(raised.length).toBeGreaterThan(50)
  expect(raised.filter((code) => !(code in ERROR_CODES))).toEqual([])
  // A code beside a message can be an error's, a finding's or a warning's.
  const known = { ...ERROR_CODES, ...FINDING_CODES, ...WARNING_CODES }
  const stated = codesIn(api, /code:\s*'([a-z]+(?:-[a-z]+)+)'/g)
  expect(stated.length).toBeGreaterThan(20)
  expect(stated.filter((code) => !(code in known))).toEqual([])
})

test('every warning of a result is in the table of warnings, and the table lists no other', () => {
  const sources = files('crates', '.rs')
    .map((name) => readFileSync(name, 'utf8'))
    .join('\n')
  const given = [...sources.matchAll(/Warning \{ code: "([a-z-]+)"/g)].map(([, code]) => code!)
  expect(given.length).toBeGreaterThan(3)
  expect(given.filter((code) => !(code in WARNING_CODES))).toEqual([])
  const api = [...files('src-ts/pmf', '.ts'), ...files('src-ts/optim', '.ts')]
    .map((name) => readFileSync(name, 'utf8'))
    .join('\n')
  const isGiven = (code: string): boolean => sources.includes(`"${code}"`) || api.includes(`code: '${code}'`)
  expect(Object.keys(WARNING_CODES).filter((code) => !isGiven(code))).toEqual([])
})
