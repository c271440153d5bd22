import { expect, test } from 'vitest'
import { runChild } from './problem.ts'

// Memory that V8 owns counts as arrayBuffers, external memory does not (and Electron forbids it).
test('results lie in memory that V8 owns', async () => {
  const ended = await runChild(
    `
    import { factorize, Matrix } from './index.ts'
    const rows = 1_000_000, cols = 10, factors = 10
    const values = new Matrix(rows, cols, new Float64Array(rows * cols).fill(1))
    const uncertainties = new Matrix(rows, cols, new Float64Array(rows * cols).fill(1))
    gc()
    const before = process.memoryUsage().arrayBuffers
    const model = await factorize({ values, uncertainties }, { factors, starts: 1, method: 'mu', maxIterations: 1 })
    gc()
    const grown = process.memoryUsage().arrayBuffers - before
    const expected = 8 * (model.contributions.data.length + model.profiles.data.length)
    console.log(JSON.stringify({ grown, expected }))
  `,
    ['--expose-gc'],
  )
  expect(ended.stderr).toBe('')
  const { grown, expected } = JSON.parse(ended.stdout) as { grown: number; expected: number }
  expect(expected).toBe(8 * (10_000_000 + 100))
  expect(grown).toBeGreaterThanOrEqual(0.9 * expected)
})

test('resident memory grows by less than 10 MB from small solve 2,000 to 10,000', async () => {
  const ended = await runChild(
    `
    import { factorize } from './index.ts'
    import { noise } from './__test__/native/problem.ts'
    const data = noise(8, 5)
    const resident = () => { gc(); gc(); return process.memoryUsage().rss }
    let at2000 = 0
    for (let i = 1; i <= 10_000; i++) {
      await factorize(data, { factors: 2, starts: 1, seed: i, maxIterations: 5, onProgress: () => {} })
      if (i === 2_000) at2000 = resident()
    }
    console.log((resident() - at2000) / 1e6)
  `,
    ['--expose-gc'],
  )
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toMatch(/^-?[\d.]+/)
  expect(Number(ended.stdout)).toBeLessThan(10)
})
