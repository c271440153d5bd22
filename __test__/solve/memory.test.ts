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

// V8 says what it has been told of only with this flag; it is in kilobytes, and all array buffers are in it.
test('what V8 is told of each object is what the object holds, and is taken back to the last byte', async () => {
  const ended = await runChild(
    `
    import { arrow, blockJacobi, Cayley, Csr, dense, directSync, graph, incompleteCholesky, jacobi } from './src-ts/solve/index.ts'
    const h = graph.grid(50, 60).laplacian()
    const n = 3000
    const data = new Float64Array(90_000)
    const unit = data.map((_, k) => (k % 301 === 0 ? 1 : 0))
    const block = dense({ rows: 100, cols: 100, data: new Float64Array(10_000).map((_, k) => (k % 101 === 0 ? 3 : 0)) })
    const border = Csr.fromTriplets({ rows: 400, cols: 50, entries: [] })
    const corner = dense({ rows: 50, cols: 50, data: new Float64Array(2500).map((_, k) => (k % 51 === 0 ? 2 : 0)) })
    const ring = graph.ring(300)
    const makers = {
      dense: [() => dense({ rows: 300, cols: 300, data }), 8 * 90_000],
      // Five diagonals, laid out once more for products.
      sparse: [() => graph.grid(50, 60).laplacian(), 12 * h.nnz + 8 * 5 * n],
      scattered: [() => ring.laplacian(), 12 * 900],
      // The matrix, a copy of it and its factors.
      factored: [() => { const a = dense({ rows: 300, cols: 300, data: unit }); directSync(a, data.subarray(0, 300)); return a }, 3 * 8 * 90_000],
      complex: [() => graph.grid(50, 60).magneticLaplacian(), 20 * h.nnz],
      lifted: [() => h.toComplex(), 0],
      jacobi: [() => jacobi(h), 8 * n],
      incompleteCholesky: [() => incompleteCholesky(h, { shift: 0.01 }), 12 * (n + (h.nnz - n) / 2)],
      blockJacobi: [() => blockJacobi(Csr.fromTriplets({ rows: n, cols: n, entries: Array.from({ length: n }, (_, k) => [k, k, 1]) }), { size: 70 }), 8 * (42 * 70 ** 2 + 60 ** 2), 12 * n],
      arrow: [() => arrow({ blocks: [block, block, block, block], border, corner }), 8 * (4 * 100 ** 2 + 50 ** 2)],
      direct: [() => new Cayley(ring, { dt: 0.1, solver: 'direct' }), 16 * 300 ** 2],
      galerkin: [() => new Cayley(ring, { dt: 0.1, solver: 'galerkin' }), 0],
    }
    // Finalisers run between turns.
    const settle = async () => {
      for (let k = 0; k < 4; k++) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
      gc()
    }
    for (const [name, [make, bytes]] of Object.entries(makers)) {
      make()
      await settle()
      console.log('\\n# before', name, bytes)
      globalThis.held = Array.from({ length: 16 }, make)
      await settle()
      console.log('\\n# during', name, bytes)
      globalThis.held = undefined
      await settle()
      console.log('\\n# after', name, bytes)
    }
  `,
    ['--expose-gc', '--trace-gc-verbose'],
  )
  expect(ended.stderr).toBe('')
  expect(ended.code).toBe(0)
  let reported = NaN
  const said: Record<string, { bytes: number; before?: number; during?: number; after?: number }> = {}
  for (const line of ended.stdout.split('\n')) {
    const found = /External memory reported:\s+(\d+) KB/.exec(line)
    if (found) reported = Number(found[1])
    const [mark, when, name, bytes] = line.split(' ')
    if (mark === '#') (said[name!] ??= { bytes: Number(bytes) })[when as 'before'] = reported
  }
  expect(Object.keys(said)).toHaveLength(12)
  for (const [name, { bytes, before, during, after }] of Object.entries(said)) {
    // Half a kilobyte for each of two roundings, and some objects of V8's own.
    expect(Math.abs((during! - before!) * 1024 - 16 * bytes), name).toBeLessThan(4096 + 0.01 * 16 * bytes)
    expect(Math.abs(after! - before!), name).toBeLessThanOrEqual(2)
  }
})
