/** The reference against closed forms. */
import { expect, test } from 'vitest'
import { gradient, hessian, hessianVector, solve } from './derivatives.ts'
import { coActivations, count, functions, roughness, value, type Case } from './model.ts'

const plain: Case = {
  rows: 2,
  cols: 1,
  values: [1, NaN],
  cellWeights: [2, 5],
  rowWeights: [3, 7],
  sampling: true,
  atoms: [{ topology: 'constant' }],
  gate: { kind: 'amplitude', exponential: false },
  supports: [[0], [0]],
  strengths: { noise: 0.5, entropy: 0, amplitude: [0.1], roughness: [1], ridge: [0.2], ard: [] },
  pairs: [],
}

test('a value by hand', () => {
  // s = 2, 4; b = 3.
  const data = (0.5 * 3 * 2 * (6 - 1) ** 2) / 0.5
  const priors = 0.5 * 0.1 * (3 * 4 + 7 * 16)
  expect(value(plain, [2, 4, 3])).toBeCloseTo(data + priors + 0.5 * 0.2 * 9, 12)
})

test('functions and their roughness', () => {
  expect(count({ topology: 'torus', harmonics: 2 })).toBe(25)
  expect(functions({ topology: 'patch', dimension: 2 }, [2, 3])).toEqual([1, 2, 3, 4, 6, 9])
  expect(roughness({ topology: 'circle', harmonics: 3 })).toEqual([0, 0, 0, 16, 16, 81, 81])
  // ∫ (φ″)² over a turn against the fundamental's, by the trapezoid rule.
  const bend = (i: number): number => {
    let total = 0
    for (let s = 0; s < 64; s++) {
      const at = (t: number): number => functions({ topology: 'circle', harmonics: 3 }, [t])[i]!
      total += ((at(s / 64 + 1e-3) - 2 * at(s / 64) + at(s / 64 - 1e-3)) / 1e-6) ** 2 / 64
    }
    return total
  }
  expect(bend(3) / bend(1)).toBeCloseTo(16, 2)
  expect(bend(6) / bend(2)).toBeCloseTo(81, 1)
})

test('co-activation and the overlap of decoders', () => {
  const pair: Case = { ...plain, atoms: [{ topology: 'constant' }, { topology: 'constant' }], supports: [[0, 1], [1]] }
  pair.strengths = { ...plain.strengths, amplitude: [0, 0], roughness: [0, 0], ridge: [0, 0] }
  const theta = [2, 3, 5, 0.5, 4]
  expect(coActivations(pair, theta)).toEqual([[0, 1, 3]])
  pair.pairs = [[0, 1, 3]]
  expect(value(pair, theta) - value({ ...pair, pairs: [] }, theta)).toBeCloseTo(0.5 * 3 * (0.5 * 4) ** 2, 12)
})

test('differences of a function with known derivatives', () => {
  const f = (x: Float64Array): number => Math.sin(x[0]!) * x[1]! ** 3 + Math.exp(x[1]!)
  const x = Float64Array.of(0.3, 0.8)
  const [sin, cos] = [Math.sin(0.3), Math.cos(0.3)]
  const expected = [cos * 0.512, 3 * sin * 0.64 + Math.exp(0.8)]
  gradient(f, x).forEach((g, i) => expect(g).toBeCloseTo(expected[i]!, 11))
  const second = [-sin * 0.512, 3 * cos * 0.64, 3 * cos * 0.64, 6 * sin * 0.8 + Math.exp(0.8)]
  hessian(f, x).forEach((h, i) => expect(h).toBeCloseTo(second[i]!, 8))
  const along = hessianVector(f, x, Float64Array.of(2, -1))
  along.forEach((h, i) => expect(h).toBeCloseTo(2 * second[2 * i]! - second[2 * i + 1]!, 8))
  const solved = solve(Float64Array.of(0, 2, 1, 1), Float64Array.of(4, 5))
  expect([...solved]).toEqual([3, 2])
})
