/**
 * Solves in several environments of one process: worker threads that solve at once, that end in the middle, and that are the
 * first to load the addon. Electron, the other host with environments of its own, needs a display and is not tried here.
 */
import { expect, test } from 'vitest'
import { runChild } from '../native/problem.ts'

/** In every program: a grid, a right-hand side, an operator with promises. */
const HEADER = `
  import { Cayley, cg, cgSync, Csr, evolve, graph, incompleteCholesky, iterate, minres, operator, solveMany } from './src-ts/solve/index.ts'
  export const A = graph.grid(30, 30).laplacian()
  const shifted = operator({ rows: 900, apply: async (x, y) => { await null; A.apply(x, y); for (let k = 0; k < 900; k++) y[k] += 0.1 * x[k] } })
  const b = Float64Array.from({ length: 900 }, (_, k) => Math.sin(k * k))
  const psi = Float64Array.from({ length: 1800 }, (_, k) => Math.cos(k))
  const ENDLESS = { rtol: 0, maxIterations: 4e9, stagnationWindow: 4e9 }
`
const WORKER = `
  import { Worker } from 'node:worker_threads'
  const start = (text) => new Worker(${JSON.stringify(HEADER)} + 'import { parentPort } from "node:worker_threads"; ' + text, { eval: true })
  const heard = (worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); worker.once('exit', (code) => reject(new Error('exit ' + code))) })
`

test('six workers solve at once, by job, by promises and by themselves, with the bits of the main thread', async () => {
  const ended = await runChild(`
    ${HEADER}
    ${WORKER}
    const program = \`
      const results = await Promise.all([
        cg(A, b, { nullspace: 'constant', rtol: 1e-9 }),
        cg(shifted, b),
        minres(shifted, b, { rtol: 1e-9 }),
        cg(A, b, { nullspace: 'constant', M: operatorM() }),
      ])
      function operatorM() { return incompleteCholesky(graph.grid(30, 30).laplacian(), { shift: 0.01 }) }
      const evolved = await new Cayley(A, { dt: 0.1, solver: 'galerkin' }).step(psi, { steps: 5 })
      const many = await solveMany('cg', A, { rows: 900, cols: 1, data: b }, { nullspace: 'constant' })
      const text = JSON.stringify([...results, ...many.columns].map(({ x, reason, iterations }) => [[...x], reason, iterations]).concat([[...evolved.psi]]))
      give(text)
    \`
    const here = await new Promise((resolve) => { globalThis.give = resolve; import('data:text/javascript,').then(async () => {
      const M = incompleteCholesky(graph.grid(30, 30).laplacian(), { shift: 0.01 })
      const results = [await cg(A, b, { nullspace: 'constant', rtol: 1e-9 }), await cg(shifted, b), await minres(shifted, b, { rtol: 1e-9 }), await cg(A, b, { nullspace: 'constant', M })]
      const evolved = await new Cayley(A, { dt: 0.1, solver: 'galerkin' }).step(psi, { steps: 5 })
      const many = await solveMany('cg', A, { rows: 900, cols: 1, data: b }, { nullspace: 'constant' })
      resolve(JSON.stringify([...results, ...many.columns].map(({ x, reason, iterations }) => [[...x], reason, iterations]).concat([[...evolved.psi]])))
    }) })
    const workers = Array.from({ length: 6 }, () => start('const give = (text) => parentPort.postMessage(text);' + program))
    const there = await Promise.all(workers.map(heard))
    console.log(there.filter((text) => text === here).length, JSON.parse(here).map((entry) => entry[1]).slice(0, 5).join())
  `)
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toBe('6 rtol,rtol,rtol,rtol,rtol\n')
  expect(ended.code).toBe(0)
})

// The addon is loaded in no thread but the workers'. Each kind of solve is running when its worker ends.
test.each([
  ['a job', `cg(A, b, { ...ENDLESS, nullspace: 'constant', onProgress: () => {} }); setTimeout(() => parentPort.postMessage(1), 10)`], // prettier-ignore
  ['a solve that awaits a promise', `let count = 0; const told = operator({ rows: 900, apply: async (x, y) => { await new Promise(setImmediate); A.apply(x, y); if (++count === 5) parentPort.postMessage(1) } }); cg(told, b, ENDLESS)`], // prettier-ignore
  ['a promise that never comes', `cg(operator({ rows: 900, apply: () => new Promise(() => {}) }), b); setTimeout(() => parentPort.postMessage(1), 5); setInterval(() => {}, 1000)`], // prettier-ignore
  ['a function that does not yield', `let count = 0; const busy = operator({ rows: 900, apply: (x, y) => { for (let k = 0; k < 900; k++) y[k] = (k + 1) ** 2 * x[k]; if (++count === 50) parentPort.postMessage(1) } }); for (;;) cgSync(busy, b, { ...ENDLESS, rtol: 1e-300, maxIterations: 1e5 })`], // prettier-ignore
  ['a loop over iterations', `const loop = iterate('cg', shifted, b, ENDLESS); for await (const { iteration } of loop) if (iteration === 3) parentPort.postMessage(1)`], // prettier-ignore
  ['steps of a propagator', `new Cayley(A, { dt: 0.1, solver: 'galerkin' }).step(psi, { steps: 1e8 }); setTimeout(() => parentPort.postMessage(1), 10)`], // prettier-ignore
])('workers terminated during %s leave a process that works', async (_, program) => {
  const ended = await runChild(`
    ${WORKER}
    // Some message comes late when the solve is over: it must be one that does not end.
    for (let round = 0; round < 6; round++) {
      const workers = [start(${JSON.stringify(program)}), start(${JSON.stringify(program)})]
      await Promise.all(workers.map(heard))
      const began = performance.now()
      await Promise.all(workers.map((worker) => worker.terminate()))
      const took = performance.now() - began
      if (took > 5000) throw new Error('terminate took ' + took + ' ms in round ' + round)
    }
    const { cg, graph } = await import('./src-ts/solve/index.ts')
    const b = Float64Array.of(1, 0, 0, -1)
    console.log('alive', (await cg(graph.ring(4).laplacian(), b, { nullspace: 'constant' })).reason)
  `)
  expect(ended.stderr).toBe('')
  expect(ended.signal).toBe(null)
  expect(ended.stdout).toBe('alive rtol\n')
  expect(ended.code).toBe(0)
})

test('in a worker, what an operator throws, rejects with or does wrong is an error of its solve only', async () => {
  const ended = await runChild(`
    ${WORKER}
    const worker = start(\`
      const seen = []
      const tell = async (name, apply, options = {}) => {
        const call = cg(operator({ rows: 900, apply }), b, options)
        seen.push([name, await call.then(({ reason, location }) => [reason, location ?? ''].join(' '), (error) => error.code ?? error.message)])
      }
      let count = 0
      await tell('throws', () => { throw new Error('thrown') })
      await tell('rejects', async () => { throw new Error('rejected') })
      await tell('rejects late', async (x, y) => { A.apply(x, y); if (++count === 7) throw new Error('late') })
      await tell('returns a vector', (x) => A.apply(x))
      await tell('resolves to a vector', async (x) => A.apply(x))
      await tell('writes NaN', async (x, y) => void y.fill(NaN))
      await tell('writes nothing', async () => {})
      await tell('transfers its argument', async (x, y) => { structuredClone(y.buffer, { transfer: [y.buffer] }) })
      await tell('a thenable', (x, y) => ({ then: (done) => { A.apply(x, y); for (let k = 0; k < 900; k++) y[k] += x[k]; done() } }))
      const controller = new AbortController()
      let products = 0
      await tell('aborts between requests', async (x, y) => { A.apply(x, y); if (++products === 6) controller.abort(new Error('enough')) }, { signal: controller.signal })
      const stopped = products
      await new Promise((resolve) => setTimeout(resolve, 5))
      seen.push(['products after the abort', products - stopped])
      const again = new AbortController()
      let other = 0
      await tell('aborts and keeps', async (x, y) => { A.apply(x, y); for (let k = 0; k < 900; k++) y[k] += 1e-3 * x[k]; if (++other === 9) again.abort() }, { signal: again.signal, onAbort: 'partial' })
      seen.push(['the next one', (await cg(shifted, b)).reason])
      parentPort.postMessage(seen)
    \`)
    console.log(JSON.stringify(await heard(worker)))
  `)
  expect(ended.stderr).toBe('')
  expect(Object.fromEntries(JSON.parse(ended.stdout) as [string, unknown][])).toEqual({
    throws: 'thrown',
    rejects: 'rejected',
    'rejects late': 'late',
    'returns a vector': 'callback-not-valid',
    'resolves to a vector': 'callback-not-valid',
    'writes NaN': 'nonFinite operator',
    'writes nothing': 'zeroCurvature ',
    'transfers its argument': 'array-detached',
    'a thenable': 'rtol ',
    'aborts between requests': 'enough',
    'products after the abort': 0,
    'aborts and keeps': 'aborted ',
    'the next one': 'rtol',
  })
  expect(ended.code).toBe(0)
})

test('a process may exit while solves run in it and in its workers', async () => {
  const ended = await runChild(`
    ${HEADER}
    ${WORKER}
    const worker = start("cg(A, b, { ...ENDLESS, nullspace: 'constant', onProgress: () => {} }); setTimeout(() => parentPort.postMessage(1), 10)")
    await heard(worker)
    for (let k = 0; k < 5; k++) cg(A, b, { ...ENDLESS, nullspace: 'constant' }).catch(() => {})
    cg(shifted, b, ENDLESS)
    evolve(A, psi, 1e4)
    setTimeout(() => process.exit(7), 20)
  `)
  expect([ended.code, ended.signal, ended.stderr]).toEqual([7, null, ''])
  expect(ended.milliseconds).toBeLessThan(20_000)
})
