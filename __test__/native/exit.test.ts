import { expect, test } from 'vitest'
import { CHILD_HEADER, runChild } from './problem.ts'

// Node-API's own asynchronous work would hold the exit until the solve is done, which here is never.
test('process.exit during an endless solve ends the process at once', async () => {
  const ended = await runChild(`${CHILD_HEADER}
    factorize(noise(300, 40), ENDLESS).catch(() => {})
    setTimeout(() => { console.log('leaving'); process.exit(7) }, 300)
  `)
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toBe('leaving\n')
  expect(ended.code).toBe(7)
  // Start-up takes 0.3 s, the timer 0.3 s; the rest is a liveness check on a busy machine.
  expect(ended.milliseconds).toBeLessThan(15_000)
})

test('process.exit with calls still waiting for their turn ends the process at once', async () => {
  const ended = await runChild(`${CHILD_HEADER}
    for (let i = 0; i < 20; i++) factorize(noise(300, 40), ENDLESS).catch(() => {})
    setTimeout(() => process.exit(7), 300)
  `)
  expect(ended.stderr).toBe('')
  expect(ended.code).toBe(7)
  expect(ended.milliseconds).toBeLessThan(15_000)
})

test('a pending solve keeps the process alive until its result is there', async () => {
  const ended = await runChild(`${CHILD_HEADER}
    factorize(noise(30, 10), { factors: 3, starts: 2 }).then((model) => console.log(model.starts.length))
  `)
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toBe('2\n')
  expect(ended.code).toBe(0)
})
