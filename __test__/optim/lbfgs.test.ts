/** L-BFGS beside its plain reference, on problems with known answers, and what it promises. A failure names its seed. */
import { describe, expect, test } from 'vitest'
import { lbfgs, lbfgsSync, type LossAndGradient, type Tensors } from '../../src-ts/optim/index.ts'
import { lbfgs as reference, type Objective } from '../reference/optim/lbfgs.ts'
import { random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { bytes, distance, draw, DTYPES, isComplex, isWide } from './arrays.ts'

const seed = chooseSeed()

/** The objective as a function of `{ x }`. */
const of =
  (objective: Objective) =>
  ({ x }: Tensors): LossAndGradient => {
    const { f, g } = objective(x as Float64Array)
    return { loss: f, grads: { x: g } }
  }

const rosenbrock: Objective = (x) => {
  const g = new Float64Array(x.length)
  let f = 0
  for (let i = 0; i + 1 < x.length; i++) {
    const [gap, rest] = [x[i + 1]! - x[i]! ** 2, 1 - x[i]!]
    f += 100 * gap ** 2 + rest ** 2
    g[i]! += -400 * gap * x[i]! - 2 * rest
    g[i + 1]! += 200 * gap
  }
  return { f, g }
}

/** ½xᵀAx − bᵀx with a random definite A, and its minimum's gradient. */
function quadratic(key: number, n: number, spread: number): { objective: Objective; start: Float64Array } {
  const numbers = random(seed, key)
  const half = Array.from({ length: n }, () => Array.from({ length: n }, numbers.normal))
  const a = half.map((row, i) => half.map((other, j) => row.reduce((sum, v, k) => sum + v * other[k]!, 0) + (i === j ? spread : 0))) // prettier-ignore
  const b = Array.from({ length: n }, numbers.normal)
  const objective: Objective = (x) => {
    const ax = a.map((row) => row.reduce((sum, v, k) => sum + v * x[k]!, 0))
    return { f: ax.reduce((sum, v, k) => sum + x[k]! * (v / 2 - b[k]!), 0), g: Float64Array.from(ax, (v, k) => v - b[k]!) } // prettier-ignore
  }
  return { objective, start: Float64Array.from({ length: n }, numbers.normal) }
}

const size = (x: Float64Array): number => Math.hypot(...x)

describe('beside the reference', () => {
  test.each([1, 2, 3, 4, 5])('the same points, step by step, where both take the same first step: %i', (key) => {
    // A little curved and well conditioned, so that no search has to interpolate.
    const { objective: flat, start } = quadratic(key, 7, 30)
    const objective: Objective = (x) => {
      const { f, g } = flat(x)
      return {
        f: f + x.reduce((sum, v) => sum + Math.cosh(v / 4), 0),
        g: g.map((v, k) => v + Math.sinh(x[k]! / 4) / 4),
      }
    }
    for (let steps = 1; steps <= 9; steps++) {
      const x = start.slice()
      const first = Math.min(1, size(objective(x).g))
      const settings = { history: 3, maxIterations: steps, c1: 1e-4, c2: 0.99999 }
      const found = lbfgsSync(of(objective), { x }, { ...settings, initialStep: first, relativeTolerance: 0 })
      const expected = reference(objective, start, { ...settings, gradientTolerance: 0 })
      expect(found.iterations, `seed ${seed}`).toBe(steps)
      expect(distance(x, expected.x), `seed ${seed}, step ${steps}`).toBeLessThan(1e-9)
    }
  })

  test.each([2, 20, 100])('Rosenbrock of %i: the minimum, in no more steps', (n) => {
    const x = new Float64Array(n)
    const found = lbfgsSync(of(rosenbrock), { x })
    const expected = reference(rosenbrock, new Float64Array(n), { gradientTolerance: 1e-8 })
    expect(found).toMatchObject({ status: 'converged', reason: 'gradient' })
    expect(found.gradientNorm).toBeLessThanOrEqual(found.tolerance!)
    expect(distance(x, new Float64Array(n).fill(1))).toBeLessThan(1e-6)
    expect(found.evaluations).toBeLessThan(1.2 * expected.evaluations)
  })
})

describe('known answers', () => {
  test('exact searches with full memory end a quadratic in n steps', () => {
    for (const n of [1, 3, 8]) {
      const { objective, start } = quadratic(20 + n, n, 1)
      const found = lbfgsSync(of(objective), { x: start }, { c1: 1e-10, c2: 1e-9, history: n })
      expect(found.status, `seed ${seed}`).toBe('converged')
      expect(found.iterations, `seed ${seed}`).toBeLessThanOrEqual(n + 1)
    }
  })

  test('Beale', () => {
    const beale: Objective = (x) => {
      const [a, b] = [x[0]!, x[1]!]
      const terms = [1.5, 2.25, 2.625].map((y, k) => y - a * (1 - b ** (k + 1)))
      const g = [0, 1, 2].map((k) => [2 * terms[k]! * (b ** (k + 1) - 1), 2 * terms[k]! * a * (k + 1) * b ** k])
      return { f: terms.reduce((sum, v) => sum + v * v, 0), g: Float64Array.of(g[0]![0]! + g[1]![0]! + g[2]![0]!, g[0]![1]! + g[1]![1]! + g[2]![1]!) } // prettier-ignore
    }
    const x = Float64Array.of(1, 1)
    expect(lbfgsSync(of(beale), { x }).status).toBe('converged')
    expect(distance(x, [3, 0.5])).toBeLessThan(1e-7)
  })

  test("Powell's singular function, whose Hessian has no inverse at the minimum", () => {
    const powell: Objective = (x) => {
      const [a, b, c, d] = [x[0]! + 10 * x[1]!, x[2]! - x[3]!, x[1]! - 2 * x[2]!, x[0]! - x[3]!]
      const [p, q] = [4 * c ** 3, 40 * d ** 3]
      return { f: a * a + 5 * b * b + c ** 4 + 10 * d ** 4, g: Float64Array.of(2 * a + q, 20 * a + p, 10 * b - 2 * p, -10 * b - q) } // prettier-ignore
    }
    const x = Float64Array.of(3, -1, 0, 1)
    expect(lbfgsSync(of(powell), { x }, { relativeTolerance: 1e-12 }).status).toBe('converged')
    expect(size(x)).toBeLessThan(1e-3)
  })

  test.each(DTYPES)('Σ w|z − c|² + coupling over tensors of %s', (dtype) => {
    const numbers = random(seed, 50)
    const n = 12
    const [start, target] = [draw(numbers, n, dtype), draw(numbers, n, dtype)]
    const width = isComplex(dtype) ? 2 : 1
    const weight = (k: number): number => 1 + Math.floor(k / width)
    const shift = Float64Array.of(5)
    const seen: boolean[] = []
    const found = lbfgsSync(
      ({ z, s }) => {
        const [data, [t]] = [(z as { data: Float64Array }).data, s as Float64Array]
        seen.push(data === start)
        const g = data.map((v, k) => 2 * weight(k) * (v - target[k]!))
        const loss = data.reduce((sum, v, k) => sum + weight(k) * (v - target[k]!) ** 2, (t! - 2) ** 2)
        return { loss, grads: { z: g, s: Float64Array.of(2 * (t! - 2)) } }
      },
      { z: { data: start, shape: [3, 4], dtype }, s: shift },
      isWide(dtype) ? {} : { relativeTolerance: 1e-5, lossAccuracy: 1e-12 },
    )
    expect(found.status, `seed ${seed}`).toBe('converged')
    expect(seen.every(Boolean)).toBe(true)
    expect(distance(start, target)).toBeLessThan(isWide(dtype) ? 1e-7 : 1e-4)
    expect(shift[0]).toBeCloseTo(2, isWide(dtype) ? 6 : 3)
  })
})

describe('promises', () => {
  test('loss and parameters in other units give the same digits', () => {
    const run = (unit: number, scale: number): { x: Float64Array; evaluations: number } => {
      const x = Float64Array.of(-1.2 * unit, unit)
      const { evaluations } = lbfgsSync(({ x }) => {
        const { f, g } = rosenbrock((x as Float64Array).map((v) => v / unit))
        return { loss: f * scale, grads: { x: g.map((v) => (v * scale) / unit) } }
      }, { x }) // prettier-ignore
      return { x: x.map((v) => v / unit), evaluations }
    }
    expect(run(2 ** 60, 2 ** -80)).toEqual(run(1, 1))
  })

  test('a large constant in the loss hides no minimum from the gradient', () => {
    const x = Float64Array.of(-1.2, 1)
    const found = lbfgsSync(({ x }) => {
      const { f, g } = rosenbrock(x as Float64Array)
      return { loss: f + 1e12, grads: { x: g } }
    }, { x }) // prettier-ignore
    expect(found.status).toBe('converged')
    expect(distance(x, [1, 1])).toBeLessThan(1e-7)
  })

  test('values that are not finite are stepped back from, and the function sees finite parameters only', () => {
    for (const [initialStep, wall] of [
      [1e3, Infinity],
      [1e300, 50],
    ] as const) {
      const x = Float64Array.of(1e-3, 2)
      const found = lbfgsSync(
        ({ x }) => {
          const [a, b] = x as Float64Array
          expect(Number.isFinite(a) && Number.isFinite(b)).toBe(true)
          if (a! > wall) return { loss: NaN, grads: { x: Float64Array.of(0, 0) } }
          // NaN for a negative argument.
          return {
            loss: a! + b! - Math.log(a!) - 2 * Math.log(b!),
            grads: { x: Float64Array.of(1 - 1 / a!, 1 - 2 / b!) },
          }
        },
        { x },
        { initialStep },
      )
      expect(found).toMatchObject({ status: 'converged' })
      expect(found.nonFinite).toBeGreaterThan(0)
      expect(distance(x, [1, 2])).toBeLessThan(1e-5)
    }
  })

  test('a start that is not finite is named, and nothing is changed', () => {
    const good = { loss: 1, grads: { a: Float64Array.of(1), b: Float64Array.of(1, 1) } }
    const run = (b: number[], answer: unknown): unknown => {
      const params = { a: Float64Array.of(0), b: Float64Array.from(b) }
      try {
        lbfgsSync(() => answer as LossAndGradient, params)
      } catch (error) {
        expect(Array.from(params.b)).toEqual(b)
        return error
      }
      return undefined
    }
    const code = 'start-not-finite'
    expect(run([0, NaN], good)).toMatchObject({ code, message: 'params.b at 1 is NaN at the start' })
    expect(run([0, 0], { ...good, loss: Infinity })).toMatchObject({ code, message: 'the loss at the start is inf' })
    expect(run([0, 0], { loss: 1, grads: { ...good.grads, b: Float64Array.of(0, -Infinity) } })).toMatchObject({ code, message: 'grads.b at 1 is -inf at the start' }) // prettier-ignore
  })

  test('a gradient of the wrong sign is stalled, with what was seen', () => {
    const x = Float64Array.of(1, 1)
    const found = lbfgsSync(({ x }) => {
      const [a, b] = x as Float64Array
      return { loss: a! * a! + b! * b!, grads: { x: Float64Array.of(-2 * a!, -2 * b!) } }
    }, { x }) // prettier-ignore
    expect(found).toMatchObject({ status: 'stalled', reason: 'lineSearch', iterations: 0, loss: 2 })
    expect(found.search!.slope).toBeCloseTo(-Math.sqrt(8), 12)
    expect(found.search!.change).toBeGreaterThan(0)
    expect(found.search!.shortest).toBeLessThan(1e-10)
    expect(Array.from(x)).toEqual([1, 1])
  })

  test('limits are kept to the call, and end at the lowest point seen', () => {
    for (const maxEvaluations of [1, 2, 3, 7, 20]) {
      const x = Float64Array.of(-1.2, 1)
      let [calls, lowest] = [0, Infinity]
      const found = lbfgsSync(
        ({ x }) => {
          const { f, g } = rosenbrock(x as Float64Array)
          calls++
          lowest = Math.min(lowest, f)
          return { loss: f, grads: { x: g } }
        },
        { x },
        { maxEvaluations },
      )
      expect(found).toMatchObject({ status: 'budget', reason: 'maxEvaluations', evaluations: maxEvaluations })
      expect([calls, found.loss, rosenbrock(x).f]).toEqual([maxEvaluations, lowest, lowest])
    }
    const x = Float64Array.of(-1.2, 1)
    expect(lbfgsSync(of(rosenbrock), { x }, { maxIterations: 4 })).toMatchObject({ status: 'budget', reason: 'maxIterations', iterations: 4 }) // prettier-ignore
  })

  test('iterations are told, and true ends it', () => {
    const x = Float64Array.of(-1.2, 1)
    const seen: number[] = []
    const found = lbfgsSync(of(rosenbrock), { x }, {
      onIteration: ({ iteration, loss, gradientNorm, evaluations }) => {
        const now = rosenbrock(x)
        expect([loss, gradientNorm]).toEqual([now.f, expect.closeTo(size(now.g), 10)])
        expect(evaluations).toBeGreaterThan(iteration)
        seen.push(iteration)
        return iteration === 5
      },
    }) // prettier-ignore
    expect(found).toMatchObject({ status: 'budget', reason: 'stopped', iterations: 5 })
    expect(seen).toEqual([1, 2, 3, 4, 5])
  })

  test('the same bits, at once or by promises', async () => {
    const run = async (wait: boolean): Promise<Buffer> => {
      const x = new Float64Array(30)
      await lbfgs((params) => (wait ? Promise.resolve(of(rosenbrock)(params)) : of(rosenbrock)(params)), { x })
      return bytes(x)
    }
    const x = new Float64Array(30)
    lbfgsSync(of(rosenbrock), { x })
    expect(await run(false)).toEqual(bytes(x))
    expect(await run(true)).toEqual(bytes(x))
  })

  test('what the function throws comes out as it is, with the best point in the parameters', async () => {
    const oops = new Error('oops')
    let [calls, best] = [0, Infinity]
    const failing = (params: Tensors): LossAndGradient => {
      if (++calls === 9) throw oops
      const answer = of(rosenbrock)(params)
      best = Math.min(best, answer.loss)
      return answer
    }
    for (const run of [
      (x: Float64Array) => Promise.resolve().then(() => lbfgsSync(failing, { x })),
      (x: Float64Array) => lbfgs(failing, { x }),
      (x: Float64Array) => lbfgs(async (params) => failing(params), { x }),
    ]) {
      ;[calls, best] = [0, Infinity]
      const x = Float64Array.of(-1.2, 1)
      await expect(run(x)).rejects.toBe(oops)
      expect(rosenbrock(x).f).toBe(best)
      expect(best).toBeLessThan(24)
    }
    const x = Float64Array.of(-1.2, 1)
    expect(() => lbfgsSync(of(rosenbrock), { x }, { onIteration: () => { throw oops } })).toThrow(oops) // prettier-ignore
  })

  test('an abort is heard between calls and while one is pending', async () => {
    for (const pending of [false, true]) {
      for (const onAbort of ['reject', 'partial'] as const) {
        const [x, control] = [Float64Array.of(-1.2, 1), new AbortController()]
        let calls = 0
        const running = lbfgs(
          (params) => {
            if (++calls !== 6) return of(rosenbrock)(params)
            setTimeout(() => control.abort(new Error('enough')))
            // Never settles, or settles after the abort.
            return pending ? new Promise<never>(() => {}) : new Promise((resolve) => setTimeout(() => resolve(of(rosenbrock)(params)), 20)) // prettier-ignore
          },
          { x },
          { signal: control.signal, onAbort },
        )
        if (onAbort === 'reject') await expect(running).rejects.toThrow('enough')
        else expect(await running).toMatchObject({ status: 'aborted', reason: 'aborted', loss: rosenbrock(x).f })
        expect([calls, rosenbrock(x).f < 24.2]).toEqual([6, true])
      }
    }
    const fn = (): never => expect.fail('called')
    await expect(lbfgs(fn, { x: Float64Array.of(0) }, { signal: AbortSignal.abort(7) })).rejects.toBe(7)
  })

  test('others get their turn', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const x = new Float64Array(20_000)
    await lbfgs(of(rosenbrock), { x }, { maxIterations: 400 })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
  })

  test('misuse is an error that says what and where', () => {
    const x = Float64Array.of(1)
    const run = (answer: unknown, options: object = {}, params: Tensors = { x }) => () => lbfgsSync(() => answer as LossAndGradient, params, options) // prettier-ignore
    const good = { loss: 1, grads: { x: Float64Array.of(1) } }
    expect(run(good, { histroy: 3, c1: 0.95, tolerance: -1 })).toThrow(/histroy[^]*c1 is 0.95|c1 is 0.95[^]*histroy/)
    expect(run(good, { signal: AbortSignal.timeout(1) })).toThrow(expect.objectContaining({ code: 'option-unknown' }))
    expect(run(Promise.resolve(good))).toThrow(expect.objectContaining({ code: 'callback-asynchronous' }))
    expect(run(undefined)).toThrow(expect.objectContaining({ code: 'callback-not-valid' }))
    expect(run({ loss: '1', grads: good.grads })).toThrow(expect.objectContaining({ code: 'callback-not-valid' }))
    expect(run({ loss: 1, grads: { y: x } })).toThrow(expect.objectContaining({ code: 'tensor-not-valid' }))
    expect(run({ loss: 1, grads: { x: new Float64Array(2) } })).toThrow(
      expect.objectContaining({ code: 'shape-mismatch' }),
    )
    expect(run({ loss: 1, grads: { x: new Float32Array(1) } })).toThrow(
      expect.objectContaining({ code: 'dtype-mismatch' }),
    )
    expect(run(good, {}, { x, y: x })).toThrow(expect.objectContaining({ code: 'arrays-overlap' }))
    expect(() => lbfgsSync(null as never, { x })).toThrow(expect.objectContaining({ code: 'option-not-valid' }))
    const lost = Float64Array.of(1, 2)
    expect(() =>
      lbfgsSync((params) => {
        const answer = of(rosenbrock)(params)
        structuredClone(lost, { transfer: [lost.buffer] })
        return answer
      }, { x: lost }),
    ).toThrow(expect.objectContaining({ code: 'array-detached' })) // prettier-ignore
  })
})
