import { expect, test } from 'vitest'
import { factorize, InternalError } from '../../index.ts'
import { runJob } from '../../src-ts/job.ts'
import { native } from '../../src-ts/native.ts'
import { noise, runChild } from './problem.ts'

test.each([false, true])(
  'a panic becomes an InternalError that says what and where (in a helper: %s)',
  async (helper) => {
    const call = runJob((token) => native().panicForTest(token, helper), {})
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(InternalError)
    expect(error).toMatchObject({ code: 'internal', name: 'InternalError' })
    expect((error as Error).message).toMatch(/this is a test of panics.* \(.*configure\.rs:\d+\)$/)
    await expect(factorize(noise(30, 10), { factors: 3, starts: 2 })).resolves.toMatchObject({ factors: 3 })
  },
)

test('a panic prints nothing, since it is told to the caller', async () => {
  const ended = await runChild(`
    process.env.RUST_BACKTRACE = '1'
    import { native } from './src-ts/native.ts'
    const { CancelToken, panicForTest } = native()
    console.log((await panicForTest(new CancelToken(), true)).code)
  `)
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toBe('internal\n')
})
