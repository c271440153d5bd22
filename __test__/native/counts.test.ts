import { expect, test } from 'vitest'
// @ts-expect-error plain JavaScript, which runs before TypeScript is installed
import { countCargo, countVitest } from '../../scripts/lib/counts.mjs'

test('cargo: every binary counts, ignored tests are named', () => {
  const output = `
running 3 tests
test a::works ... ok
test a::slow ... ignored
test a::breaks ... FAILED

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
`
  expect(countCargo(output)).toEqual({ passed: 6, failed: 1, skipped: ['cargo: a::slow'] })
  expect(countCargo('error: could not compile')).toEqual({ passed: 0, failed: 0, skipped: [] })
})

test('vitest: skipped tests are named, a file that failed to load and an empty one are failures', () => {
  const report = {
    testResults: [
      {
        name: 'a.test.ts',
        status: 'passed',
        assertionResults: [{ status: 'passed' }, { status: 'pending', fullName: 'later' }],
      },
      { name: 'b.test.ts', status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] },
      { name: 'c.test.ts', status: 'failed', assertionResults: [] },
      { name: 'd.test.ts', status: 'passed', assertionResults: [] },
    ],
  }
  expect(countVitest(report)).toEqual({ passed: 2, failed: 3, skipped: ['a.test.ts: later'] })
})
