import { expect, test } from 'vitest'
import { runChild } from '../native/problem.ts'

// What the collector is told when a matrix is made must be what it is told when the matrix goes: V8 ends the process
// when the sum falls below zero.
test('matrices from every maker can be collected, in any number', async () => {
  const ended = await runChild(
    `
    import { Cayley, cgSync, Csr, dense, graph, kroneckerSum } from './src-ts/solve/index.ts'
    const b = new Float64Array([1, 2])
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 100; i++) {
        const ring = graph.ring(300)
        const h = ring.laplacian()
        ring.magneticLaplacian()
        h.toComplex()
        new Cayley(h, { dt: 0.1, solver: 'galerkin' })
        kroneckerSum(h, h)
        cgSync(Csr.fromTriplets({ rows: 2, cols: 2, entries: [[0, 0, 2], [1, 1, 3]] }), b)
        cgSync(dense({ rows: 2, cols: 2, data: new Float64Array([2, 0, 0, 3]) }), b)
      }
      gc()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    console.log('collected')
  `,
    ['--expose-gc'],
  )
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toContain('collected')
})
