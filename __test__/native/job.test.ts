import type { NativeOutcome, NativeProgress } from '#native'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { runJob } from '../../src-ts/job.ts'

type Outcome = NativeOutcome<{ answer: number }>
const good: Outcome = { ok: true, answer: 42 }
const cancelled: Outcome = { ok: false, code: 'cancelled-while-waiting', message: 'm' }
const bad: Outcome = { ok: false, code: 'value-not-finite', message: 'm', row: 1, col: 2 }

test('a good outcome is what the call resolves with', async () => {
  await expect(runJob(async () => good, {})).resolves.toMatchObject({ answer: 42 })
})

test('a job is not started for a signal that is aborted already', async () => {
  let started = false
  const start = async (): Promise<Outcome> => {
    started = true
    return good
  }
  await expect(runJob(start, { signal: AbortSignal.abort('why'), onAbort: 'partial' })).rejects.toBe('why')
  expect(started).toBe(false)
})

test.each([
  ['reject', good, 'rejects'],
  ['partial', good, 'resolves'],
  ['reject', cancelled, 'rejects'],
  ['partial', cancelled, 'rejects'],
] as const)('an abort during the job: %s, outcome %o: %s', async (onAbort, outcome, ends) => {
  const controller = new AbortController()
  const { signal } = controller
  const call = runJob<{ answer: number }>(
    async (token) => {
      controller.abort('why')
      expect(token.cancelled).toBe(true)
      return outcome
    },
    { signal, onAbort },
  )
  if (ends === 'resolves') await expect(call).resolves.toMatchObject({ answer: 42 })
  else await expect(call).rejects.toBe('why')
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('bad input is told even if the call was aborted meanwhile', async () => {
  const controller = new AbortController()
  const call = runJob(
    async (): Promise<Outcome> => {
      controller.abort()
      return bad
    },
    { signal: controller.signal },
  )
  await expect(call).rejects.toMatchObject({ code: 'value-not-finite', row: 1, col: 2 })
})

test('an exception of the binding itself is an InternalError with its cause', async () => {
  const cause = new TypeError('argument 3')
  const call = runJob(() => Promise.reject(cause), {})
  await expect(call).rejects.toMatchObject({ name: 'InternalError', message: 'argument 3', cause })
})

test('reports that arrive after the result, or after a failure, are dropped', async () => {
  const seen: number[] = []
  let late: NativeProgress | undefined
  await runJob<{ answer: number }>(
    async (_, progress) => {
      late = progress
      progress!(1, 10, null, null)
      return good
    },
    { onProgress: ({ done }) => seen.push(done) },
  )
  late!(2, 10)
  expect(seen).toEqual([1])
})

test('absent numbers of a report are absent', async () => {
  const seen: object[] = []
  await runJob<{ answer: number }>(
    async (_, progress) => {
      progress!(0, 10, null, null)
      progress!(1, 10, 3.5, 0)
      return good
    },
    { onProgress: (report) => void seen.push(report) },
  )
  expect(seen).toEqual([
    { done: 0, total: 10 },
    { done: 1, total: 10, best: 3.5, basins: 0 },
  ])
})
