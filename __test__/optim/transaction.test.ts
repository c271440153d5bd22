/** A step is carried out as a whole or has changed nothing. 10,000 faults are injected; a failure names its seed. */
import { describe, expect, test } from 'vitest'
import { METHODS } from './methods.ts'
import { guard, load, type Optimizer, type RealArray, type StepInput, type Tensors } from '../../src-ts/optim/index.ts'
import { random, type Random } from '../reference/solve/random.ts'
import { chooseSeed } from '../reference/solve/systems.ts'
import { bytes } from './arrays.ts'
import { drawGradients, drawParameters } from './tensors.ts'

const seed = chooseSeed()
const FAULTS = 10_000
const BAD = [NaN, Infinity, -Infinity]

const arrays = (tensors: Tensors): RealArray[] =>
  Object.values(tensors).map((tensor) => (ArrayBuffer.isView(tensor) ? tensor : tensor.data))
const image = (tensors: Tensors): Buffer => Buffer.concat(arrays(tensors).map(bytes))
const clone = (tensors: Tensors): Tensors => structuredClone(tensors)

/** Gradients and loss of a step, a function of its number alone. */
function input(key: number, step: number, params: Tensors): { grads: Tensors; loss: number } {
  const numbers = random(seed + step, key)
  return { grads: drawGradients(numbers, params), loss: 1 + 0.1 * numbers.uniform() }
}

/** Spoils one thing about a step; says how to mend what is not thrown away. */
function spoil(numbers: Random, params: Tensors, grads: Tensors): { input: StepInput; mend: () => void } {
  const bad = numbers.pick(BAD)
  const place = (tensors: Tensors): [RealArray, number] => {
    const array = numbers.pick(arrays(tensors))
    return [array, numbers.integer(array.length)]
  }
  const nothing = (): void => {}
  switch (numbers.integer(4)) {
    case 0:
      return { input: { loss: bad }, mend: nothing }
    case 1: {
      const [array, at] = place(grads)
      array[at] = bad
      return { input: { loss: 1 }, mend: nothing }
    }
    case 2: {
      const [array, at] = place(params)
      const was = array[at]!
      array[at] = bad
      return { input: { loss: 1 }, mend: () => void (array[at] = was) }
    }
    default:
      return { input: { loss: 1, solves: [{ converged: false, reason: 'maxIterations' }] }, mend: nothing }
  }
}

describe.each(METHODS)('$name', ({ make, hvp }) => {
  const share = FAULTS / METHODS.length

  test('what was spoilt leaves no trace', () => {
    let faults = 0
    for (let key = 0; faults < share; key++) {
      const numbers = random(seed, 1000 + key)
      const params = drawParameters(numbers)
      const [clean, spoilt] = [clone(params), clone(params)]
      const [one, other] = [make(), make()]
      for (let step = 0; step < 25; step++) {
        while (numbers.chance(0.7)) {
          const { grads, loss } = input(key, step, params)
          const before = image(spoilt)
          const { input: told, mend } = spoil(numbers, spoilt, grads)
          const report = other.step(spoilt, grads, { hvp, ...told })
          mend()
          faults++
          expect([report.committed, image(spoilt).equals(before)], `seed ${seed}, key ${key}, step ${step}`).toEqual([false, true]) // prettier-ignore
          expect(loss).toBeLessThan(2)
        }
        const { grads, loss } = input(key, step, params)
        one.step(clean, grads, { loss, hvp })
        other.step(spoilt, grads, { loss, hvp })
      }
      expect(image(spoilt).equals(image(clean)), `seed ${seed}, key ${key}`).toBe(true)
      expect(Buffer.from(other.save()).equals(Buffer.from(one.save())), `seed ${seed}, key ${key}`).toBe(true)
    }
  })

  test('a guarded run never shows a number that is not finite', () => {
    for (let key = 0; key < 5; key++) {
      const numbers = random(seed, 2000 + key)
      const params = drawParameters(numbers)
      const optimizer = guard(make(), { snapshotEvery: 5, recovery: 20, rollbacks: 1000 })
      for (let step = 0; step < 120; step++) {
        const { grads, loss } = input(key, step, params)
        const bad = numbers.chance(0.4)
        const { input: told, mend } = bad ? spoil(numbers, params, grads) : { input: { loss }, mend: () => {} }
        const report = optimizer.tryStep(params, grads, { hvp, ...told }, -1)
        // A parameter that the caller spoilt before there was a snapshot is still there.
        if (!report.restored) mend()
        expect(arrays(params).every((array) => array.every(Number.isFinite)), `seed ${seed}, key ${key}, step ${step}`).toBe(true) // prettier-ignore
        if (report.action === 'halt') break
      }
    }
  })

  test('a run that was stopped and goes on gives the same bytes, in every state of the guard', () => {
    for (let key = 0; key < 4; key++) {
      const numbers = random(seed, 3000 + key)
      const params = drawParameters(numbers)
      const settings = { snapshotEvery: 5, recovery: 20, rollbacks: 1000 }
      const [whole, cut] = [clone(params), clone(params)]
      const one = guard(make(), settings)
      let other: Optimizer = guard(make(), settings)
      for (let step = 0; step < 60; step++) {
        const bad = numbers.chance(0.3)
        const halts = [whole, cut].map((mine, at) => {
          const { grads, loss } = input(key, step, params)
          const told = bad ? spoil(random(seed + step, key), mine, grads).input : { loss }
          return (at === 0 ? one : other).tryStep(mine, grads, { hvp, ...told }, -1).action
        })
        expect(halts[1], `seed ${seed}, key ${key}, step ${step}`).toBe(halts[0])
        if (halts[0] === 'halt') break
        const saved = other.save()
        other = load(saved)
        expect(Buffer.from(other.save()).equals(Buffer.from(saved))).toBe(true)
        expect(image(cut).equals(image(whole)), `seed ${seed}, key ${key}, step ${step}`).toBe(true)
      }
    }
  })
})
