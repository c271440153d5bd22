/** The reference against the fixtures of gradients, and adjoints against differences. */
import { describe, expect, test } from 'vitest'
import { affine, cayleyVjp, centralDifferences, solveJvp, solveVjp } from './adjoint.ts'
import { apply, dot, largest, matrixFrom, minus, norm, plus, scaled, vector, zeros, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { laplacian } from './graph.ts'
import { array, cases, pairs, vectorOf, type Ref } from './load.ts'
import { cayleyStep } from './propagate.ts'
import { random } from './random.ts'

interface Loss {
  value: number
  cotangent: Ref
  lambda_: Ref
  grad_weights: Ref
  grad_dt: number
  grad_psi: Ref
  zeroth_neumann_cosine: number
}
interface Case {
  name: string
  n: number
  dt: number
  edges: Ref
  weights: Ref
  psi: Ref
  target: Ref
  observable: Ref
  losses: Record<'squared_distance' | 'observable' | 'linear', Loss>
}
interface Spd {
  A0: Ref
  Ak: Ref
  theta: number[]
  b0: Ref
  bk: Ref
  t: Ref
  x: Ref
  lambda_: Ref
  grad: number[]
  loss: number
}
const all = cases<{ cases: Case[]; spd_parameters: Spd }>('implicit')
const file = (ref: Ref): Vector => vectorOf('implicit', ref)
/** Largest difference over the largest element, as the README compares. */
const deviation = (x: Vector, y: Vector): number => largest(minus(x, y)) / largest(y)

for (const entry of all.cases) {
  const [psi, target, c] = [file(entry.psi), file(entry.target), array('implicit', entry.observable).data]
  const graph = { n: entry.n, edges: pairs('implicit', entry.edges), weights: array('implicit', entry.weights).data }
  const losses: Record<keyof Case['losses'], { value: (x: Vector) => number; cotangent: (x: Vector) => Vector }> = {
    squared_distance: { value: (x) => norm(minus(x, target)) ** 2, cotangent: (x) => scaled(2, minus(x, target)) },
    observable: {
      value: (x) => c.reduce((sum, weight, k) => sum + weight * (x.re[k]! ** 2 + x.im[k]! ** 2), 0),
      cotangent: (x) => ({
        re: x.re.map((value, k) => 2 * c[k]! * value),
        im: x.im.map((value, k) => 2 * c[k]! * value),
      }),
    },
    linear: { value: (x) => dot(target, x).re, cotangent: () => target },
  }
  for (const [name, { value, cotangent }] of Object.entries(losses)) {
    const stored = entry.losses[name as keyof Case['losses']]
    describe(`${entry.name}, ${name}`, () => {
      const found = cayleyVjp(graph, entry.dt, psi, cotangent)

      test('value, cotangent, λ and all gradients are the stored ones', () => {
        expect(Math.abs(value(found.plus) / stored.value - 1)).toBeLessThan(1e-12)
        expect(deviation(cotangent(found.plus), file(stored.cotangent))).toBeLessThan(1e-12)
        expect(deviation(found.lambda, file(stored.lambda_))).toBeLessThan(1e-12)
        expect(deviation(vector(found.weights), file(stored.grad_weights))).toBeLessThan(1e-9)
        expect(Math.abs(found.dt / stored.grad_dt - 1)).toBeLessThan(1e-9)
        expect(deviation(found.psi, file(stored.grad_psi))).toBeLessThan(1e-9)
      })

      test('ten weights, dt and ten numbers of ψ agree with central differences', () => {
        const which = Array.from({ length: 10 }, (_, k) => (7 * k) % graph.edges.length)
        const step = (weights: ArrayLike<number>, dt: number, start: Vector): number =>
          value(cayleyStep(laplacian({ ...graph, weights }), dt, start))
        const byWeights = centralDifferences((theta) => step(theta, entry.dt, psi), graph.weights, 1e-6, which)
        const size = largest(vector(found.weights))
        which.forEach((k, at) => expect(Math.abs(found.weights[k]! - byWeights[at]!) / size).toBeLessThan(1e-6))
        const byTime = centralDifferences(([dt]) => step(graph.weights, dt!, psi), [entry.dt])
        expect(Math.abs(found.dt - byTime[0]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(found.dt)))
        const byState = centralDifferences(
          (theta) => step(graph.weights, entry.dt, { re: theta.subarray(0, entry.n), im: theta.subarray(entry.n) }),
          [...psi.re, ...psi.im],
          1e-6,
          which,
        )
        const all = [...found.psi.re, ...found.psi.im]
        which.forEach((k, at) => expect(Math.abs(all[k]! - byState[at]!)).toBeLessThan(1e-6 * largest(found.psi)))
      })

      test('what λ = right-hand side gives is the stored cosine away', () => {
        const right = scaled(2, cotangent(found.plus))
        const y = scaled(0.5, plus(found.plus, 1, psi))
        const wrong = Float64Array.from(graph.edges, ([i, j]) => {
          const [lr, li] = [right.re[i]! - right.re[j]!, right.im[i]! - right.im[j]!]
          const [yr, yi] = [y.re[i]! - y.re[j]!, y.im[i]! - y.im[j]!]
          return (entry.dt / 2) * (lr * yi - li * yr)
        })
        const cosine =
          dot(vector(wrong), vector(found.weights)).re / (norm(vector(wrong)) * norm(vector(found.weights)))
        expect(Math.abs(cosine - stored.zeroth_neumann_cosine)).toBeLessThan(1e-9)
      })
    })
  }
}

test('spd_parameters: solution, adjoint and gradient are the stored ones', () => {
  const { A0, Ak, theta, b0, bk, t, grad, loss, ...stored } = all.spd_parameters
  const n = A0.shape[0]!
  const slices = (ref: Ref, size: number): Vector[] => {
    const { data } = array('implicit', ref)
    return theta.map((_, k) => vector(data.subarray(k * size, (k + 1) * size)))
  }
  const [parts, rights] = [slices(Ak, n * n), slices(bk, n)]
  const matrixAt = (at: ArrayLike<number>): Matrix => ({ rows: n, cols: n, ...affine(file(A0), parts, at) })
  const rightAt = (at: ArrayLike<number>): Vector => affine(file(b0), rights, at)
  const found = solveVjp(matrixAt(theta), rightAt(theta), (x) => minus(x, file(t)))
  expect(deviation(found.x, file(stored.x))).toBeLessThan(1e-14)
  expect(deviation(found.lambda, file(stored.lambda_))).toBeLessThan(1e-13)
  expect(Math.abs(norm(minus(found.x, file(t))) ** 2 / 2 / loss - 1)).toBeLessThan(1e-13)
  // θ̄ = ⟨Ā, A_k⟩ + ⟨λ, b_k⟩
  const gradient = theta.map((_, k) => dot(found.matrix, parts[k]!).re + dot(found.lambda, rights[k]!).re)
  expect(deviation(vector(gradient), vector(grad))).toBeLessThan(1e-12)
  const byDifferences = (h: number): Float64Array => centralDifferences((at) => norm(minus(solveVjp(matrixAt(at), rightAt(at), (x) => x).x, file(t))) ** 2 / 2, theta, h) // prettier-ignore
  expect(deviation(vector(byDifferences(1e-6)), vector(grad))).toBeLessThan(1e-6)
  // Order two: the error falls to a quarter where h is halved and rounding is far away.
  const [coarse, fine] = [2e-3, 1e-3].map((h) => norm(minus(vector(byDifferences(h)), vector(grad))))
  expect(Math.abs(coarse! / fine! - 4)).toBeLessThan(0.2)
})

test('forward and adjoint derivatives of a complex solve agree, and the forward one with differences', () => {
  const next = random(5)
  const draw = (n: number): Vector => ({ re: Float64Array.from({ length: n }, next.normal), im: Float64Array.from({ length: n }, next.normal) }) // prettier-ignore
  const n = 9
  const square = (shift: number): Matrix => ({ rows: n, cols: n, ...plus(draw(n * n), shift, matrixFrom(n, n, (i, j) => (i === j ? 1 : 0))) }) // prettier-ignore
  const [a, da, b, db, bar] = [square(6), square(0), draw(n), draw(n), draw(n)]
  const tangent = solveJvp(a, b, da, db)
  const gradient = solveVjp(a, b, () => bar)
  const forward = dot(bar, tangent).re
  const backward = dot(gradient.matrix, da).re + dot(gradient.lambda, db).re
  expect(Math.abs(forward - backward)).toBeLessThan(1e-13 * norm(bar) * norm(tangent))
  const moved = (h: number): Vector => solveVjp({ ...a, ...plus(a, h, da) }, plus(b, h, db), () => zeros(n)).x
  expect(norm(minus(scaled(0.5e6, minus(moved(1e-6), moved(-1e-6))), tangent)) / norm(tangent)).toBeLessThan(1e-8)
  expect(norm(minus(apply(a, gradient.x), b))).toBeLessThan(1e-13)
})
