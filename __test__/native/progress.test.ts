import { expect, test } from 'vitest'
import { factorize, type Progress } from '../../index.ts'
import { noise } from './problem.ts'

const many = { factors: 4, method: 'mu', starts: 1_000_000, maxIterations: 50 } as const

test('progress counts starts upwards and never raises the best Q', async () => {
  const reports: Progress[] = []
  const controller = new AbortController()
  const onProgress = (report: Progress): void => {
    reports.push(report)
    if (reports.length >= 3 && report.best !== undefined) controller.abort()
  }
  await factorize(noise(60, 12), { factors: 4, starts: 1_000_000, onProgress, signal: controller.signal }).catch(
    () => {},
  )
  expect(reports.length).toBeGreaterThanOrEqual(3)
  for (const [i, report] of reports.entries()) {
    expect(report.total).toBe(1_000_000)
    if (i === 0) continue
    expect(report.done).toBeGreaterThanOrEqual(reports[i - 1]!.done)
    // Absent until the first start has converged.
    expect(report.best ?? Infinity).toBeLessThanOrEqual(reports[i - 1]!.best ?? Infinity)
  }
  expect(reports.at(-1)!.best).toBeGreaterThan(0)
})

test('a callback that throws rejects its own call with that error and no other', async () => {
  const failure = new Error('from the callback')
  const other = factorize(noise(30, 10), { factors: 3, starts: 2 })
  const call = factorize(noise(60, 12), {
    ...many,
    onProgress() {
      throw failure
    },
  })
  await expect(call).rejects.toBe(failure)
  await expect(other).resolves.toMatchObject({ factors: 3 })
  await expect(factorize(noise(30, 10), { factors: 3, starts: 2 })).resolves.toMatchObject({ factors: 3 })
})

test('a callback whose promise rejects does the same', async () => {
  const failure = new Error('from the promise')
  const call = factorize(noise(60, 12), { ...many, onProgress: () => Promise.reject(failure) })
  await expect(call).rejects.toBe(failure)
})
