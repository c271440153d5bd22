/** Fits by passes, and scores, through the API. */
import { expect, test } from 'vitest'
import { factorize, factorizeStream, InvalidInputError, Matrix, score, type Batch } from '../../index.ts'
import { epaData, spoilt } from './sources.ts'

/** The rows of a set in batches, with species names. */
function batches(set: string, size: number): Batch[] {
  const { values, uncertainties } = epaData(set) as { values: Matrix; uncertainties: Matrix }
  const species = Array.from({ length: values.cols }, (_, j) => `s${j}`)
  const out: Batch[] = []
  for (let from = 0; from < values.rows; from += size) {
    const rows = Math.min(size, values.rows - from)
    const part = (of: Matrix): Matrix =>
      new Matrix(rows, of.cols, of.data.slice(from * of.cols, (from + rows) * of.cols))
    out.push({ values: part(values), uncertainties: part(uncertainties), species })
  }
  return out
}

async function* later<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve()
    yield item
  }
}

const OPTIONS = { factors: 6, sample: 150, starts: 5, seed: 1 }

test('St Louis in batches ends in the certified minimum that it has in memory', async () => {
  const parts = batches('stlouis', 50)
  const progress: number[] = []
  let opened = 0
  const source = (): AsyncGenerator<Batch> => (opened++, later(parts))
  const fit = await factorizeStream(source, { ...OPTIONS, onProgress: ({ done }) => progress.push(done) })
  expect(fit.status).toBe('converged')
  expect([fit.rows, fit.sample, fit.learnt?.rows]).toEqual([418, 150, 418])
  expect(fit.certificate!.blockGap).toBeLessThan(1e-4)
  expect(fit.passes.at(-1)).toMatchObject({ proof: true, q: fit.q })
  expect(opened).toBe(fit.passes.length + 2)
  expect(progress).toEqual(Array.from({ length: opened }, (_, at) => at + 1))
  // The same point is a certified minimum of the whole table, and one of those that starts in memory find.
  const model = await factorize(epaData('stlouis'), { factors: 6, starts: 40, seed: 1 })
  expect(model.basins.some(({ q }) => Math.abs(q / fit.q! - 1) < 1e-9)).toBe(true)
  const { contributions, q } = await score(epaData('stlouis'), fit.profiles)
  expect(Math.abs(q / fit.q! - 1)).toBeLessThan(1e-12)
  for (let k = 0; k < 6; k++) {
    const column = Array.from({ length: 418 }, (_, i) => contributions.get(i, k))
    expect(column.reduce((a, b) => a + b) / 418).toBeCloseTo(1, 10)
  }
  // Plain data, and the same again.
  expect(structuredClone(fit).status).toBe('converged')
  const again = await factorizeStream(parts, { ...OPTIONS, threads: 1 })
  expect(again.profiles.data).toEqual(fit.profiles.data)
})

test('what can be read only once is learnt from, and proves nothing', async () => {
  const parts = batches('stlouis', 50)
  const fit = await factorizeStream(later(parts), OPTIONS)
  expect([fit.status, fit.rows, fit.sample, fit.learnt!.rows]).toEqual(['budget', 418, 150, 268])
  expect([fit.q, fit.certificate, fit.passes.length]).toEqual([undefined, undefined, 0])
  const learnt = (await score(epaData('stlouis'), fit.profiles)).q
  const start = await factorizeStream(later(parts.slice(0, 3)), OPTIONS)
  // All of these rows fit into the sample: they are in memory, and there is a proof.
  expect([start.status, start.rows, start.learnt]).toEqual(['converged', 150, undefined])
  const before = (await score(epaData('stlouis'), start.profiles)).q
  const { q: least } = await factorize(epaData('stlouis'), { factors: 6, starts: 40, seed: 1 })
  expect(learnt - least).toBeLessThan(0.7 * (before - least))
})

test('bad batches are named, and a source that changes is not believed', async () => {
  const parts = batches('stlouis', 50)
  const spoil = (at: number, change: (batch: Batch) => object): Batch[] =>
    parts.map((part, i) => (i === at ? { ...part, ...change(part) } : part) as Batch)
  const fails = async (source: Parameters<typeof factorizeStream>[0], code: string, message: RegExp): Promise<void> => {
    const error = (await factorizeStream(source, OPTIONS).catch((e: unknown) => e)) as InvalidInputError
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  }
  await fails(7 as never, 'batch-not-valid', /source must be batches/)
  await fails([], 'no-data', /no batches/)
  await fails(
    spoil(2, () => ({ values: new Matrix(1, 2, Float64Array.of(1, 2)) })),
    'batch-not-valid',
    /batch 2 has 1 × 2 values/,
  )
  await fails(
    spoil(4, () => ({ species: ['x'] })),
    'batch-not-valid',
    /batch 4/,
  )
  await fails(
    spoil(4, ({ species }) => ({ species: [...species!].reverse() })),
    'batch-not-valid',
    /batch 4 calls column 0/,
  )
  await fails(
    spoil(1, ({ values }) => ({ censored: values })),
    'batch-not-valid',
    /batch 1 has censored cells/,
  )
  const zero = spoil(5, ({ uncertainties }) => {
    const { rows, cols, data } = uncertainties as Matrix
    return {
      uncertainties: new Matrix(
        rows,
        cols,
        data.map((u, at) => (at === 3 * cols + 2 ? 0 : u)),
      ),
    }
  })
  await fails(zero, 'uncertainty-not-positive', /batch 5: .*row 3, column 2/)
  let opened = 0
  await fails(() => (opened++ < 3 ? parts : parts.slice(1)), 'source-changed', /same rows each time/)
  const failing = async function* (): AsyncGenerator<Batch> {
    yield parts[0]!
    await Promise.resolve()
    throw new RangeError('the disk is gone')
  }
  await expect(factorizeStream(failing, OPTIONS)).rejects.toThrow('the disk is gone')
  await expect(factorizeStream(parts, { factors: 6, maxPasses: 1 })).rejects.toThrow(/maxPasses/)
  await expect(factorizeStream(parts, { ...OPTIONS, factors: 400 })).rejects.toMatchObject({
    code: 'too-many-unknowns',
  })
})

test('an abort rejects, or gives the lowest point so far; the source is closed', async () => {
  const parts = batches('stlouis', 50)
  const controller = new AbortController()
  let [opened, closed] = [0, 0]
  const source = async function* (): AsyncGenerator<Batch> {
    opened++
    try {
      yield* later(parts)
    } finally {
      closed++
    }
  }
  const onProgress = ({ done }: { done: number }): void => {
    if (done === 4) controller.abort(new Error('enough'))
  }
  const { signal } = controller
  const partial = await factorizeStream(source, { ...OPTIONS, signal, onProgress, onAbort: 'partial' })
  expect([partial.status, partial.passes.length]).toEqual(['aborted', 2])
  expect(partial.q).toBe(Math.min(...partial.passes.filter((pass) => pass.accepted).map((pass) => pass.q)))
  expect([opened, closed]).toEqual([4, 4])
  await expect(factorizeStream(source, { ...OPTIONS, signal })).rejects.toThrow('enough')
  await expect(factorizeStream(source, { ...OPTIONS, signal, onAbort: 'partial' })).rejects.toThrow('enough')
})

test('scores are the best contributions to given profiles, by the objective of the model', async () => {
  const data = spoilt()
  for (const robust of [undefined, true]) {
    const model = await factorize(data, { factors: 2, starts: 5, robust })
    const { contributions, q } = await model.score(data)
    expect(q).toBeCloseTo(model.q, 8)
    contributions.data.forEach((w, at) => expect(w).toBeCloseTo(model.contributions.data[at]!, 6))
  }
  const model = await factorize(data, { factors: 2, starts: 5, nonnegative: { contributions: false } })
  const { contributions } = await model.score(data)
  expect(contributions.data.some((w) => w < 0)).toBe(true)
  const one = await model.score({ values: [[1, NaN, 2, 3, 4, 5]], uncertainties: [[1, 1, 1, 1, 1, 1]] })
  expect([one.contributions.rows, one.contributions.cols]).toEqual([1, 2])
  await expect(score({ values: [[1]], uncertainties: [[1]] }, model.profiles)).rejects.toMatchObject({
    code: 'start-shape-mismatch',
  })
})
