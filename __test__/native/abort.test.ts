import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { factorize, type Factorization } from '../../index.ts'
import { ENDLESS, noise } from './problem.ts'

const small = { factors: 3, starts: 2 } as const
const soon = (controller: AbortController, reason: unknown): unknown => setTimeout(() => controller.abort(reason), 100)

test('a signal that is aborted before the call rejects with its reason', async () => {
  const reason = { why: 'not an Error on purpose' }
  await expect(factorize(noise(30, 10), { ...small, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test('an abort during the call rejects with its reason, soon', async () => {
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  soon(controller, reason)
  const began = performance.now()
  await expect(factorize(noise(300, 40), { ...ENDLESS, signal: controller.signal })).rejects.toBe(reason)
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('an abort after the call changes nothing', async () => {
  const controller = new AbortController()
  const model = await factorize(noise(30, 10), { ...small, signal: controller.signal })
  controller.abort()
  expect(model.starts).toHaveLength(2)
  await expect(factorize(noise(30, 10), small)).resolves.toMatchObject({ q: model.q })
})

test('one signal stops all the calls that it was given to, running or waiting, and no other', async () => {
  const controller = new AbortController()
  const reason = new Error('all of you')
  const { signal } = controller
  const calls = Array.from({ length: 6 }, () => factorize(noise(300, 40), { ...ENDLESS, threads: 1, signal }))
  const other = factorize(noise(30, 10), small)
  soon(controller, reason)
  for (const ended of await Promise.allSettled(calls)) expect(ended).toEqual({ status: 'rejected', reason })
  await expect(other).resolves.toMatchObject({ factors: 3 })
})

// A finished call of a shared signal must not disarm the others.
test('a shared signal still works after one of its calls has finished', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const endless = factorize(noise(300, 40), { ...ENDLESS, threads: 1, signal })
  endless.catch(() => {})
  await factorize(noise(10, 5), { factors: 2, starts: 1, threads: 1, maxIterations: 5, signal }).catch(() => {})
  controller.abort(new Error('now'))
  await expect(endless).rejects.toThrow('now')
})

test("onAbort: 'partial' resolves with what is done", async () => {
  const controller = new AbortController()
  soon(controller, new Error('enough'))
  const data = noise(300, 40)
  const model: Factorization = await factorize(data, { ...ENDLESS, signal: controller.signal, onAbort: 'partial' })
  expect(model.status).toBe('aborted')
  expect(model.q).toBeGreaterThan(0)
  expect(model.profiles.data).toHaveLength(8 * 40)
  expect(model.profiles.data.every(Number.isFinite)).toBe(true)
})

test('a waiting call can be aborted while the one before it runs', async () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const running = factorize(noise(300, 40), { ...ENDLESS, signal: first.signal })
  running.catch(() => {})
  const reason = new Error('no time to wait')
  const waiting = factorize(noise(300, 40), { ...ENDLESS, signal: second.signal, onAbort: 'partial' })
  soon(second, reason)
  // Nothing is done yet, so even 'partial' rejects.
  await expect(waiting).rejects.toBe(reason)
  first.abort(new Error('first'))
  await expect(running).rejects.toThrow('first')
})

test('no listener stays on the signal, however the call ends', async () => {
  const controller = new AbortController()
  const { signal } = controller
  await factorize(noise(30, 10), { ...small, signal })
  await factorize(noise(30, 10), { factors: 99, signal }).catch(() => {})
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  const endless = factorize(noise(300, 40), { ...ENDLESS, signal })
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort()
  await expect(endless).rejects.toBe(signal.reason)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('an abort rejects at once even while the engine is in the middle of a long step', async () => {
  const controller = new AbortController()
  const call = factorize(noise(200_000, 20), { ...ENDLESS, threads: 1, signal: controller.signal })
  let aborted = Infinity
  setTimeout(() => {
    aborted = performance.now()
    controller.abort(new Error('now'))
  }, 300)
  await expect(call).rejects.toThrow('now')
  expect(performance.now() - aborted).toBeLessThan(5_000)
  const began = performance.now()
  // The next call waits for nobody who has been cancelled and does not listen.
  await expect(factorize(noise(10, 5), { factors: 1, starts: 1, threads: 1 })).resolves.toMatchObject({ factors: 1 })
  expect(performance.now() - began).toBeLessThan(60_000)
})
