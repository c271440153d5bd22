import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../index.ts'
import { Checker, nearest } from '../../src-ts/validate.ts'

const problemsOf = (check: Checker): string[] => {
  try {
    check.finish()
    return []
  } catch (error) {
    return (error as InvalidInputError).problems.map((problem) => `${problem.code} ${problem.name}`)
  }
}

test('an integer is accepted exactly if it is whole and in its range', () => {
  const value = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.constantFrom(NaN, Infinity, -0, 2 ** 53, null, '3', [3], {}, true),
  )
  fc.assert(
    fc.property(value, (value) => {
      const check = new Checker({ a: value }, 'options')
      const taken = check.integer('a', { min: -5, max: 1000 })
      const valid = typeof value === 'number' && Number.isSafeInteger(value) && value >= -5 && value <= 1000
      expect(taken).toBe(valid ? value : undefined)
      expect(problemsOf(check)).toHaveLength(valid ? 0 : 1)
    }),
    { numRuns: 500 },
  )
})

test('positive refuses zero, negative, NaN, infinite and anything that is no number', () => {
  for (const value of [0, -1, NaN, Infinity, '1', null]) {
    const check = new Checker({ a: value }, 'options')
    check.positive('a')
    expect(problemsOf(check)).toHaveLength(1)
  }
  expect(new Checker({ a: 1e-300 }, 'options').positive('a')).toBe(1e-300)
})

test('undefined is absent, null is wrong', () => {
  const check = new Checker({ a: undefined, b: null }, 'options')
  expect(check.boolean('a')).toBe(undefined)
  check.boolean('b')
  expect(problemsOf(check)).toEqual(['option-not-valid b'])
})

test('nested options are named by their path, unknown ones included', () => {
  const check = new Checker({ stop: { decrease: 'x', ovr: 3 } }, 'options')
  check.nested('stop', (inner) => [inner.positive('decrease'), inner.integer('over')])
  expect(problemsOf(check)).toEqual(['option-not-valid stop.decrease', 'option-unknown stop.ovr'])
})

test('options that are no object are one problem', () => {
  for (const options of [null, 3, 'x', []])
    expect(problemsOf(new Checker(options, 'options'))).toEqual(['option-not-valid options'])
  expect(problemsOf(new Checker(undefined, 'options'))).toEqual([])
})

test('job options are checked', () => {
  const check = new Checker({ signal: {}, onProgress: 1, onAbort: 'x', threads: 0 }, 'options')
  check.job()
  expect(problemsOf(check)).toEqual([
    'option-not-valid signal',
    'option-not-valid onProgress',
    'option-not-valid onAbort',
    'option-out-of-range threads',
  ])
})

test('a suggestion is near, and none is made where nothing is', () => {
  expect(nearest('factor', ['seed', 'factors'])).toBe('factors')
  expect(nearest('maxiterations', ['maxStarts', 'maxIterations'])).toBe('maxIterations')
  expect(nearest('colour', ['seed', 'factors'])).toBe(undefined)
})
