import { expect, test } from 'vitest'
import { CHILD_HEADER, runChild } from './problem.ts'

// The addon is loaded in no thread but the worker's: when it ends, Node closes the addon while its threads still run,
// which is a crash unless the image stays mapped.
test('fifty workers terminated during a solve leave a process that works', async () => {
  const ended = await runChild(`
    import { Worker } from 'node:worker_threads'
    const program = ${JSON.stringify(`${CHILD_HEADER}
      import { parentPort } from 'node:worker_threads'
      // A rejection would reach the worker's error event: the solve is running when the message arrives.
      factorize(noise(300, 40), { ...ENDLESS, onProgress: () => {} })
      setTimeout(() => parentPort.postMessage('running'), 20)
    `)}
    for (let round = 0; round < 50; round++) {
      const worker = new Worker(program, { eval: true })
      await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
      const began = performance.now()
      await worker.terminate()
      const took = performance.now() - began
      if (took > 5000) throw new Error('terminate took ' + took + ' ms in round ' + round)
    }
    const { factorize } = await import('./index.ts')
    const { noise } = await import('./__test__/native/problem.ts')
    const model = await factorize(noise(30, 10), { factors: 3, starts: 2 })
    console.log('alive', model.starts.length)
  `)
  expect(ended.stderr).toBe('')
  expect(ended.signal).toBe(null)
  expect(ended.stdout).toBe('alive 2\n')
  expect(ended.code).toBe(0)
})
