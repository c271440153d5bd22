import { expect, test } from 'vitest'
import { factorize } from '../../index.ts'
import { noise } from './problem.ts'

test('64 concurrent calls give the bits that each gives alone', async () => {
  const options = { factors: 3, starts: 3, maxIterations: 300 }
  const alone = new Map<number, Float64Array>()
  for (let seed = 0; seed < 4; seed++) {
    alone.set(seed, (await factorize(noise(40, 10, seed), { ...options, seed })).profiles.data)
  }
  const calls = Array.from({ length: 64 }, (_, i) =>
    factorize(noise(40, 10, i % 4), { ...options, seed: i % 4, threads: 1 + (i % 3) }),
  )
  for (const [i, model] of (await Promise.all(calls)).entries()) {
    expect(model.profiles.data).toEqual(alone.get(i % 4))
  }
})

test('calls of one thread each are served in the order in which they were made', async () => {
  const order: number[] = []
  const calls = Array.from({ length: 12 }, async (_, i) => {
    // All threads for each: no two run at once, so the order of ends is that of starts.
    await factorize(noise(20, 8), { factors: 2, starts: 1, maxIterations: 50 })
    order.push(i)
  })
  await Promise.all(calls)
  expect(order).toEqual(calls.map((_, i) => i))
})
