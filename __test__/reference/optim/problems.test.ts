/** The gradients and Hessian products that the examples bring along, by differences. */
import { describe, expect, test } from 'vitest'
import { evaluate, hessianProduct, loadDigits, network, type Arrays, type Name } from '../../../examples/optim/digits-network.ts' // prettier-ignore
import { factorisation, rosenbrock } from '../../../examples/optim/problems.ts'
import { random } from '../solve/random.ts'
import { adamw, adamwStart } from './adamw.ts'
import { lbfgs } from './lbfgs.ts'
import { vector } from '../solve/dense.ts'

type Named = Record<string, Float64Array>
/** Along random v: dL = ⟨g, v⟩ and dg = Hv by central differences; relative errors. */
function check(
  x: Named,
  f: (x: Named) => { loss: number; grads: Named },
  product: (x: Named, v: Named) => Named,
  seed: number,
): [number, number] {
  // prettier-ignore
  const next = random(seed)
  const v = Object.fromEntries(Object.entries(x).map(([name, data]) => [name, data.map(() => next.normal())]))
  const at = (h: number): ReturnType<typeof f> =>
    f(Object.fromEntries(Object.entries(x).map(([name, data]) => [name, data.map((value, k) => value + h * v[name]![k]!)]))) // prettier-ignore
  const h = 1e-5
  const [up, down] = [at(h), at(-h)]
  const sum = (a: Named, b: Named): number => Object.keys(a).reduce((total, name) => total + a[name]!.reduce((part, value, k) => part + value * b[name]![k]!, 0), 0) // prettier-ignore
  const slope = sum(f(x).grads, v)
  const hv = product(x, v)
  const gap = Object.fromEntries(Object.entries(hv).map(([name, data]) => [name, data.map((value, k) => value - (up.grads[name]![k]! - down.grads[name]![k]!) / (2 * h))])) // prettier-ignore
  return [Math.abs((up.loss - down.loss) / (2 * h) / slope - 1), Math.sqrt(sum(gap, gap) / sum(hv, hv))]
}

describe('problems of the examples', () => {
  test('Rosenbrock and the factorisation', () => {
    const next = random(1)
    for (const problem of [rosenbrock(7), factorisation(6, 5, 2)]) {
      const x = Object.fromEntries(Object.entries(problem.start()).map(([name, { data }]) => [name, data.map((value) => value + 0.3 * next.normal())])) // prettier-ignore
      const [gradient, hessian] = check(x, problem.evaluate, problem.hessianProduct, 2)
      expect(gradient).toBeLessThan(1e-7)
      expect(hessian).toBeLessThan(1e-7)
    }
    expect(rosenbrock(5).evaluate({ x: new Float64Array(5).fill(1) })).toEqual({ loss: 0, grads: { x: new Float64Array(5) } }) // prettier-ignore
  })

  test('the factorisation has loss 0 at its best', () => {
    const problem = factorisation(20, 15, 4)
    const start = problem.start()
    const split = (x: Float64Array): Named => ({ u: x.slice(0, 80), v: x.slice(80) })
    const found = lbfgs(
      (x) => {
        const { loss, grads } = problem.evaluate(split(x))
        return { f: loss, g: Float64Array.from([...grads.u!, ...grads.v!]) }
      },
      Float64Array.from([...start.u!.data, ...start.v!.data]),
      { gradientTolerance: 1e-9 },
    )
    expect(found.f).toBeLessThan(1e-14)
  })

  const { train, test: held } = loadDigits()
  test('the digits are all there', () => {
    expect([train.labels.length, held.labels.length, train.images.length]).toEqual([1437, 360, 1437 * 64])
    expect(Math.max(...train.images)).toBe(1)
    expect([...held.labels].filter((label) => label > 9)).toEqual([])
  })

  test('the network: gradient and Hessian product', () => {
    const net = network(6, 3, 'float64')
    const names = Object.keys(net) as Name[]
    const batch = [0, 5, 17, 300]
    const next = random(4)
    const x = Object.fromEntries(names.map((name) => [name, Float64Array.from(net[name].data, (value) => value + 0.1 * next.normal())])) // prettier-ignore
    const at = (values: Named): typeof net => Object.fromEntries(names.map((name) => [name, { data: values[name]!, shape: net[name].shape }])) as typeof net // prettier-ignore
    const [gradient, hessian] = check(
      x,
      (values) => evaluate(at(values), train, batch) as { loss: number; grads: Named },
      (values, v) => hessianProduct(at(values), train, batch, v as Arrays) as Named,
      5,
    )
    expect(gradient).toBeLessThan(1e-7)
    expect(hessian).toBeLessThan(1e-7)
  })

  test('and it learns', () => {
    const net = network(16, 1)
    const states = new Map(Object.entries(net).map(([name, { data }]) => [name, adamwStart(data.length)]))
    const next = random(6)
    for (let k = 0; k < 150; k++) {
      const { grads } = evaluate(
        net,
        train,
        Array.from({ length: 64 }, () => next.integer(train.labels.length)),
      )
      for (const name of Object.keys(net) as Name[]) {
        const one = adamw(vector(net[name].data), vector(grads[name]), states.get(name)!, { lr: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, secondMoment: 'modulus', complex: false }) // prettier-ignore
        net[name].data.set(one.theta.re)
        states.set(name, one.state)
      }
    }
    expect(evaluate(net, held).accuracy).toBeGreaterThan(0.9)
  })
})
