/** The pieces of a dictionary against an independent, slow statement of their definitions. */
import { expect, test } from 'vitest'
import { dictionaryProblem, type AtomShape, type DictionaryProblemOptions } from '../../src-ts/manifold/index.ts'
import { gradient, hessian, hessianVector, solve } from '../reference/manifold/derivatives.ts'
import { coActivations, count, dimension, value, type Case, type Shape } from '../reference/manifold/model.ts'

/** Numbers in (0, 1) from a seed (a multiplicative congruential generator). */
function generator(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48271) % 2147483647) / 2147483647
}

interface Posed {
  data: Case
  options: DictionaryProblemOptions
}

function pose(data: Omit<Case, 'pairs' | 'values'>, seed: number, incoherence: number): Posed {
  const random = generator(seed)
  const numbers = (length: number, scale = 1, shift = -0.5): number[] =>
    Array.from({ length }, () => scale * (random() + shift))
  const softmax = data.gate.kind === 'softmax'
  const perRow = data.supports.map((support) => (softmax ? data.atoms.length - 1 : support.length))
  const coordinates = data.supports.map((support) =>
    support.map((k) => dimension(data.atoms[k]!)).reduce((a, b) => a + b, 0),
  )
  const total = (x: number[]): number => x.reduce((a, b) => a + b, 0)
  const start = {
    gates: numbers(total(perRow), 1, softmax ? -0.5 : 0.3),
    coordinates: numbers(total(coordinates)),
    decoders: numbers(total(data.atoms.map(count)) * data.cols, 2),
  }
  const values = numbers(data.rows * data.cols, 2)
  values[3] = NaN
  const theta: number[] = []
  let [g, t] = [0, 0]
  for (let n = 0; n < data.rows; n++) {
    theta.push(...start.gates.slice(g, (g += perRow[n]!)), ...start.coordinates.slice(t, (t += coordinates[n]!)))
  }
  const full: Case = { ...data, values, pairs: [] }
  full.pairs = coActivations(full, theta).map(([j, k, w]) => [j, k, incoherence * w])
  const { gate, strengths } = data
  const options: DictionaryProblemOptions = {
    values: { rows: data.rows, cols: data.cols, data: values },
    cellWeights: { rows: data.rows, cols: data.cols, data: data.cellWeights },
    rowWeights: data.rowWeights,
    weighting: data.sampling ? 'sampling' : 'precision',
    atoms: data.atoms.map((shape) => (shape.topology === 'constant' || shape.topology === 'linear' ? shape.topology : shape)) as AtomShape[], // prettier-ignore
    gate:
      gate.kind === 'softmax' ? gate : { kind: 'amplitude', prior: gate.exponential ? 'exponential' : 'half-normal' },
    supports: data.supports,
    start,
    strengths,
    incoherence,
  }
  return { data: full, options }
}

const atoms: Shape[] = [
  { topology: 'circle', harmonics: 2 },
  { topology: 'linear' },
  { topology: 'torus', harmonics: 1 },
  { topology: 'patch', dimension: 2 },
  { topology: 'constant' },
]
const weights = (length: number): number[] => Array.from({ length }, (_, i) => 0.6 + 0.13 * ((i * 7) % 5))

const cases: Record<string, Posed> = {
  softmax: pose(
    {
      rows: 6,
      cols: 3,
      cellWeights: weights(18),
      rowWeights: weights(6),
      sampling: true,
      atoms: [{ topology: 'circle', harmonics: 1 }, { topology: 'linear' }, { topology: 'circle', harmonics: 2 }],
      gate: { kind: 'softmax', temperature: 0.7, ridge: 0.2 },
      supports: Array.from({ length: 6 }, () => [0, 1, 2]),
      strengths: { noise: 0.6, entropy: 0.4, amplitude: [0, 0, 0], roughness: [1, 1, 0.3], ridge: [0.5, 0.7, 0.9], ard: [3, 1, 0.5] }, // prettier-ignore
    },
    11,
    0.8,
  ),
  ...Object.fromEntries(
    [false, true].map((exponential) => [
      exponential ? 'exponential amplitudes' : 'half-normal amplitudes',
      pose(
        {
          rows: 5,
          cols: 2,
          cellWeights: weights(10),
          rowWeights: weights(5),
          sampling: exponential,
          atoms,
          gate: { kind: 'amplitude', exponential },
          supports: [[0, 1], [2, 3], [0, 4], [], [1, 2, 3]],
          strengths: { noise: 0.4, entropy: 0, amplitude: [0.3, 0.5, 0.7, 0.9, 1.1], roughness: [0.02, 0, 0.04, 0.06, 0], ridge: [0.5, 0.6, 0.7, 0.8, 0.9], ard: [2, 0.7, 0, 0, 0.6, 1.2] }, // prettier-ignore
        },
        12,
        0.5,
      ),
    ]),
  ),
}

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))
const distance = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  norm(Array.from(x, (v, i) => v - y[i]!)) / norm(y)

/** A v. */
const multiply = (a: Float64Array, v: Float64Array): Float64Array =>
  v.map((_, i) => v.reduce((sum, x, j) => sum + a[i * v.length + j]! * x, 0))

for (const [name, { data, options }] of Object.entries(cases)) {
  test(`${name}: value, gradient and products are those of the definition`, async () => {
    const problem = dictionaryProblem(options)
    const reference = value(data, problem.theta)
    expect(Math.abs(problem.value() / reference - 1)).toBeLessThan(1e-13)

    const f = (theta: Float64Array): number => value(data, theta)
    expect(distance(problem.gradient(), gradient(f, problem.theta))).toBeLessThan(1e-9)

    const n = problem.size
    const random = generator(5)
    const v = Float64Array.from({ length: n }, () => random() - 0.5)
    const expected = n > 50 ? hessianVector(f, problem.theta, v) : multiply(hessian(f, problem.theta), v)
    const product = problem.hessianVector(v)
    expect(distance(product, expected)).toBeLessThan(1e-7)
    const [b, c] = [problem.surrogateVector(v), problem.correctionVector(v)]
    expect(distance(b.map((x, i) => x + c[i]!), product)).toBeLessThan(1e-13) // prettier-ignore
    expect(v.reduce((a, x, i) => a + x * b[i]!, 0)).toBeGreaterThan(0)
  })

  test(`${name}: the minimum has no gradient and a positive definite Hessian off the gauges; A x = b is solved`, async () => {
    const found = await dictionaryProblem(options).minimise({ maxIterations: 500 })
    expect(found.status).toBe('converged')
    expect(found.evidence.decrement!).toBeLessThan(1e-10 * (1 + Math.abs(found.value)))
    const problem = dictionaryProblem(options).at(found.theta)
    expect(Math.abs(problem.value() - value(data, found.theta))).toBeLessThan(1e-12 * (1 + Math.abs(found.value)))
    if (found.evidence.held > 0 || found.evidence.gauges > 0) return
    const f = (theta: Float64Array): number => value(data, theta)
    expect(norm(gradient(f, found.theta))).toBeLessThan(1e-8)
    const dense = hessian(f, found.theta)
    const random = generator(6)
    const right = Float64Array.from({ length: problem.size }, () => random() - 0.5)
    const { status, x, residual } = await problem.solveStationarity(right)
    expect(status).toBe('converged')
    expect(residual).toBeLessThan(1e-10)
    expect(distance(x, solve(dense, right))).toBeLessThan(1e-4)
  })
}

test("the criterion's gradient is that of its value", async () => {
  const { options } = cases['softmax']!
  const start = dictionaryProblem(options)
  const problem = start.at((await start.minimise({ maxIterations: 500 })).theta)
  const found = await problem.criterion()
  expect(found.minimum.status).toBe('converged')
  expect(problem.parameters).toContain('entropy')
  expect(found.gradient).toHaveLength(problem.parameters.length)
  const v = Float64Array.from(problem.rho, (_, i) => Math.cos(3 * i))
  const along = async (by: number): Promise<number> =>
    (await problem.criterion(problem.rho.map((x, i) => x + by * v[i]!))).criterion!
  const slope = async (h: number): Promise<number> => ((await along(h)) - (await along(-h))) / (2 * h)
  const expected = (4 * (await slope(5e-4)) - (await slope(1e-3))) / 3
  const exact = found.gradient!.reduce((a, g, i) => a + g * v[i]!, 0)
  expect(Math.abs(exact - expected)).toBeLessThan(1e-5 * norm(found.gradient!))
})

test('a saddle answers with its direction', async () => {
  // All phases 0, and no sine: the gradient of the phases vanishes, whatever the data are.
  const random = generator(9)
  const rows = 30
  const values = Array.from({ length: rows }, () => Array.from({ length: 3 }, () => random() - 0.5))
  const decoders = [0.1, 0, 0.2, 0, 0, 0, 0.3, 0.1, 0]
  const problem = dictionaryProblem({
    values,
    atoms: [{ topology: 'circle' }],
    start: { gates: Array(rows).fill(1), coordinates: Array(rows).fill(0), decoders },
    strengths: { ard: [0.01] },
  })
  const solved = await problem.solveStationarity(problem.theta.map((_, i) => Math.sin(i)))
  expect(solved.status).toBe('negativeCurvature')
  const image = problem.hessianVector(solved.direction!)
  const form = solved.direction!.reduce((a, x, i) => a + x * image[i]!, 0)
  expect(form).toBeLessThan(0)
  expect(Math.abs(form / solved.curvature! - 1)).toBeLessThan(1e-9)
})

test('threads do not change a bit', async () => {
  const { options } = cases['half-normal amplitudes']!
  const run = async (threads: number) => (await dictionaryProblem({ ...options, threads }).minimise()).theta
  expect(await run(1)).toEqual(await run(2))
})

test('wrong options come back together, and named', () => {
  const { options } = cases['softmax']!
  const code = (change: object): string[] => {
    try {
      dictionaryProblem({ ...options, ...change })
    } catch (error) {
      return (error as { problems: { code: string }[] }).problems.map((problem) => problem.code)
    }
    return []
  }
  expect(code({ gate: { kind: 'hard' }, incoherense: 1 })).toEqual(['option-not-valid', 'option-unknown'])
  expect(code({ atoms: [{ topology: 'circle', harmonics: 0.5 }] })).toEqual(['option-not-valid'])
  expect(code({ atoms: ['linear'] })).toEqual(['support-not-valid'])
  expect(code({ supports: undefined, atoms: Array(7).fill('constant') })).toEqual(['too-many-atoms'])
  expect(code({ start: { gates: [1], coordinates: [], decoders: [] } })).toEqual(['start-shape-mismatch'])
  expect(code({ strengths: { ridge: [1] } })).toEqual(['shape-mismatch'])
  expect(code({ strengths: { ard: [0, 0, 0] } })).toEqual(['prior-not-proper'])
  expect(code({ cellWeights: { rows: 1, cols: 1, data: [1] } })).toEqual(['shape-mismatch'])
  expect(code({ rowWeights: [1, 1, 1, -1, 1, 1] })).toEqual(['weight-not-valid'])
  const problem = dictionaryProblem(options)
  expect(() => problem.hessianVector([1])).toThrow(/numbers/)
  expect(() => problem.at(problem.theta.map(() => NaN))).toThrow(/finite/)
})
