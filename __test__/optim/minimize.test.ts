/** Minimisations, and what is refused. */
import { describe, expect, test } from 'vitest'
import { AdamW, cosine, exponential, guard, inverseSquareRoot, load, Sgd, type Evaluation, type Tensors } from '../../src-ts/optim/index.ts' // prettier-ignore
import { rosenbrock } from '../../examples/optim/problems.ts'

/** f = ½ Σ aₖxₖ². */
const quadratic = (x: Float64Array): Evaluation => {
  const a = x.map((_, k) => k + 1)
  return { loss: x.reduce((sum, v, k) => sum + 0.5 * a[k]! * v * v, 0), grads: { x: x.map((v, k) => a[k]! * v) } }
}
const numbers = (params: Tensors): Float64Array => params.x as Float64Array

describe('minimize', () => {
  test('ends where the gradient is small, and leaves that point', async () => {
    const x = Float64Array.of(1, 1, 1)
    const result = await new Sgd({ lr: 0.3 }).minimize(
      (params) => quadratic(numbers(params)),
      { x },
      { tolerance: 1e-10 },
    )
    expect(result).toMatchObject({ status: 'converged', reason: 'gradient' })
    expect(result.gradientNorm).toBeLessThanOrEqual(1e-10)
    expect(Math.hypot(...(quadratic(x).grads.x as Float64Array))).toBe(result.gradientNorm)
    expect(result.steps).toBe(result.evaluations - 1)
  })

  test('sync and async walk the same way; promises are waited for', async () => {
    const run = async (how: 'sync' | 'async' | 'promise'): Promise<number[]> => {
      const x = Float64Array.of(1, -2)
      const optimizer = new AdamW({ lr: 0.05 })
      const fn = (params: Tensors): Evaluation => quadratic(numbers(params))
      if (how === 'sync') optimizer.minimizeSync(fn, { x }, { maxSteps: 50 })
      else await optimizer.minimize(how === 'async' ? fn : async (params) => fn(params), { x }, { maxSteps: 50 })
      return [...x]
    }
    expect(await run('async')).toEqual(await run('sync'))
    expect(await run('promise')).toEqual(await run('sync'))
  })

  test('Rosenbrock by AdamW to 1e-6', () => {
    const x = new Float64Array(10)
    const { status, loss, evaluations } = new AdamW({ lr: 0.01, weightDecay: 0 }).minimizeSync(
      () => rosenbrock(10).evaluate({ x }),
      { x },
      { maxSteps: 5000, target: 1e-6 },
    )
    expect(status).toBe('converged')
    expect(loss).toBeLessThanOrEqual(1e-6)
    expect(evaluations).toBeLessThan(5000)
  })

  test('budget, stop by the caller, a guard that gives up', async () => {
    const x = Float64Array.of(1)
    const fn = (): Evaluation => quadratic(x)
    expect(await new Sgd({ lr: 1e-3 }).minimize(fn, { x }, { maxSteps: 3 })).toMatchObject({ status: 'budget', reason: 'maxSteps', steps: 3, evaluations: 3 }) // prettier-ignore
    const seen: number[] = []
    const stopped = await new Sgd({ lr: 1e-3 }).minimize(fn, { x }, { onStep: ({ step }, loss) => seen.push(loss) > 0 && step === 2 }) // prettier-ignore
    expect(stopped).toMatchObject({ status: 'budget', reason: 'stopped', steps: 2 })
    expect(seen).toHaveLength(2)
    const halted = await guard(new Sgd()).minimize(() => ({ loss: NaN, grads: { x: Float64Array.of(1) } }), { x })
    expect(halted).toMatchObject({
      status: 'stalled',
      reason: 'halted',
      error: { code: 'guard-halted' },
      evaluations: 18,
    })
  })

  test('an abort rejects with its reason, or keeps what there is', async () => {
    for (const onAbort of [undefined, 'partial'] as const) {
      const x = Float64Array.of(1)
      const controller = new AbortController()
      const reason = new Error('enough')
      setTimeout(() => controller.abort(reason), 20)
      const running = new Sgd({ lr: 1e-9 }).minimize(() => quadratic(x), { x }, { maxSteps: 1e9, signal: controller.signal, ...(onAbort ? { onAbort } : {}) }) // prettier-ignore
      if (onAbort === undefined) await expect(running).rejects.toBe(reason)
      else expect(await running).toMatchObject({ status: 'aborted', reason: 'aborted' })
    }
  })

  test('what the function does wrong is said', async () => {
    const x = Float64Array.of(1)
    const optimizer = new Sgd()
    const code = (fn: () => unknown): unknown => {
      try {
        optimizer.minimizeSync(fn as () => Evaluation, { x })
        return undefined
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    expect(code(() => undefined)).toBe('callback-not-valid')
    expect(code(() => ({ loss: '1', grads: {} }))).toBe('callback-not-valid')
    expect(code(() => Promise.reject(new Error('never seen')))).toBe('callback-asynchronous')
    expect(code(() => ({ loss: 1, grads: {} }))).toBe('tensor-not-valid')
    const failure = new Error('mine')
    await expect(optimizer.minimize(() => Promise.reject(failure), { x })).rejects.toBe(failure)
  })
})

describe('refusals', () => {
  const refused = (act: () => unknown): unknown => {
    try {
      act()
      return undefined
    } catch (error) {
      const { code, message } = error as { code: string; message: string }
      return { code, message }
    }
  }

  test('options', () => {
    expect(refused(() => new AdamW({ beta1: 1, beta2: -1, epsilon: 0, lrr: 1 } as never))).toMatchObject({ code: 'option-out-of-range', message: expect.stringMatching(/4 problems[^]*did you mean 'lr'/) as string }) // prettier-ignore
    expect(refused(() => new Sgd({ nesterov: true }))).toMatchObject({ code: 'options-conflict' })
    expect(refused(() => new Sgd({ groups: [{ match: 3 as never, lr: -1 }] }))).toMatchObject({ message: expect.stringMatching(/2 problems[^]*groups\[0\]/) as string }) // prettier-ignore
    expect(refused(() => new Sgd({ lr: () => NaN }).step({ x: new Float64Array(1) }, { x: new Float64Array(1) }))).toMatchObject({ code: 'option-out-of-range', message: 'lr(0) must give a finite number of at least 0, got NaN' }) // prettier-ignore
    expect(refused(() => guard(new Sgd(), { factor: 1 }))).toMatchObject({ code: 'option-out-of-range' })
    const used = new Sgd()
    used.step({ x: new Float64Array(1) }, { x: new Float64Array(1) })
    expect(refused(() => guard(used))).toMatchObject({ code: 'options-conflict' })
    expect(refused(() => guard(guard(new Sgd())))).toMatchObject({ code: 'options-conflict' })
  })

  test('tensors', () => {
    const x = new Float64Array(4)
    const step = (params: unknown, grads: unknown) => () => new Sgd().step(params as Tensors, grads as Tensors)
    expect(refused(step({}, {}))).toMatchObject({ code: 'tensor-not-valid' })
    expect(refused(step({ x: [1, 2] }, {}))).toMatchObject({ code: 'tensor-not-valid' })
    expect(refused(step({ x: { data: x, shape: [3] } }, { x }))).toMatchObject({ code: 'shape-mismatch' })
    expect(refused(step({ x: { data: x, dtype: 'float32' } }, { x }))).toMatchObject({ code: 'dtype-mismatch' })
    expect(refused(step({ x }, { x: new Float64Array(3) }))).toMatchObject({ code: 'shape-mismatch', message: "the gradient of 'x' has 3 numbers instead of 4" }) // prettier-ignore
    expect(refused(step({ x }, { x: new Float32Array(4) }))).toMatchObject({ code: 'dtype-mismatch' })
    expect(refused(step({ x }, { x: new Float64Array(4), y: x }))).toMatchObject({ code: 'tensor-not-valid' })
    expect(refused(step({ x }, { x }))).toMatchObject({ code: 'arrays-overlap' })
    expect(refused(step({ x }, { x: x.subarray(0, 4) }))).toMatchObject({ code: 'arrays-overlap' })
    expect(refused(step({ x, y: x.subarray(2) }, { x: new Float64Array(4), y: new Float64Array(2) }))).toMatchObject({ code: 'arrays-overlap' }) // prettier-ignore
    // Gradients may share memory with each other: they are only read.
    const g = new Float64Array(4)
    expect(refused(step({ x, y: new Float64Array(4) }, { x: g, y: g }))).toBeUndefined()
    expect(refused(step({ x: { data: new Float64Array(0), shape: [0] } }, { x: new Float64Array(0) }))).toMatchObject({ code: 'tensor-not-suitable' }) // prettier-ignore
    const moved = new Float64Array(2)
    structuredClone(moved, { transfer: [moved.buffer] })
    expect(refused(step({ x: moved }, { x: moved }))).toMatchObject({ code: 'array-detached' })
    // Names and shapes stay what they were at the first step.
    const optimizer = new Sgd()
    optimizer.step({ x }, { x: g })
    expect(refused(() => optimizer.step({ y: x }, { y: g }))).toMatchObject({ code: 'tensor-not-valid' })
    expect(refused(() => optimizer.step({ x: new Float64Array(5) }, { x: g }))).toMatchObject({
      code: 'shape-mismatch',
    })
  })

  test('saved optimisers', () => {
    const x = new Float64Array(4)
    const optimizer = new AdamW({ lr: (step) => 1 / (step + 1), beta1: 0.5 })
    expect(refused(() => optimizer.save())).toMatchObject({ code: 'state-not-valid' })
    optimizer.step({ x }, { x: new Float64Array(4) })
    const saved = optimizer.save()
    expect(refused(() => load(saved))).toMatchObject({ code: 'function-needed', message: 'functions cannot be saved; give again: lr' }) // prettier-ignore
    const lr = (step: number): number => 1 / (step + 1)
    expect(refused(() => load(saved, { options: { lr, beta1: 0.9 } }))).toMatchObject({ code: 'options-conflict' })
    expect(load(saved, { options: { lr } })).toBeInstanceOf(Object)
    expect(refused(() => load(saved.slice(0, 100)))).toMatchObject({ code: 'state-not-valid' })
    const spoilt = saved.slice()
    spoilt[spoilt.length - 20]! ^= 1
    expect(refused(() => load(spoilt))).toMatchObject({
      message: 'the saved optimiser is damaged: its checksum does not fit',
    })
    expect(refused(() => load(Uint8Array.of(1, 2, 3)))).toMatchObject({ message: 'this is not a saved optimiser' })
    expect(refused(() => load('x' as never))).toMatchObject({ code: 'state-not-valid' })
  })
})

test('schedules', () => {
  const lr = cosine({ peak: 1, steps: 110, warmup: 10, floor: 0.1 })
  expect([lr(0), lr(9), lr(10), lr(60), lr(110), lr(1000)].map((x) => +x.toFixed(12))).toEqual([
    0.1, 1, 1, 0.55, 0.1, 0.1,
  ])
  expect([0, 99, 399].map(inverseSquareRoot({ peak: 1, warmup: 100 }))).toEqual([0.01, 1, 0.5])
  expect([0, 1, 9].map(exponential({ start: 1, rate: 0.5, floor: 0.01 }))).toEqual([1, 0.5, 0.01])
})
