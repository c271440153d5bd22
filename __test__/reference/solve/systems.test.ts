/** The stream of systems is what it says it is. */
import { expect, test } from 'vitest'
import { adjoint, apply, distance, isFinite, isReal, largest, minus, norm, scaled } from './dense.ts'
import { chooseSeed, describe, KINDS, system, systems, type Kind, type System } from './systems.ts'
import { truth, type Truth } from './truth.ts'

const COUNT = 400
const all = [...systems(1, COUNT)]

test('a system depends on its seed and its number alone', () => {
  const again = system(1, 77)
  expect(again).toEqual(all[77])
  expect(describe(again)).toMatch(/^seed 1, system 77: [a-z-]+, [A-Za-z]+, n = \d+, (real|complex)$/)
  expect(largest(system(2, 77).a)).not.toBe(largest(again.a))
})

test('the seed is said, and can be given', () => {
  const said: string[] = []
  const before = process.env.HEADWATER_SEED
  try {
    process.env.HEADWATER_SEED = '12'
    expect(chooseSeed((text) => said.push(text))).toBe(12)
    process.env.HEADWATER_SEED = 'x'
    expect(() => chooseSeed((text) => said.push(text))).toThrow(RangeError)
  } finally {
    if (before === undefined) delete process.env.HEADWATER_SEED
    else process.env.HEADWATER_SEED = before
  }
  expect(said).toEqual(['systems of seed 12 (HEADWATER_SEED=12 makes them again)'])
})

/** What must be true of each kind. */
const EXPECTED: Record<Kind, (known: Truth, given: System) => boolean> = {
  definite: (known) => known.definite && known.kappa < 1.001e8,
  preconditioned: (known) => known.definite && known.kappa < 1.001e6 && known.preconditionerDefinite !== false,
  'ill-conditioned': (known, { n }) => known.definite && (n === 1 || (known.kappa > 0.9e9 && known.kappa < 1.1e12)),
  tight: (known) => known.definite && known.kappa > 0.9e5,
  indefinite: (known) => known.hermitian && known.negative > 0 && known.zero === 0,
  'singular-consistent': (known, { n }) => known.hermitian && known.rank < n && known.consistent && known.zero > 0,
  'singular-inconsistent': (known, { n }) => known.hermitian && known.rank < n && known.inconsistency > 1e-3,
  'non-hermitian': (known, { n, complex }) => !known.hermitian || (n === 1 && !complex),
  skew: (known, { n, complex }) => (n === 1 && !complex ? known.norm === 0 : !known.hermitian),
  shifted: (known, { n }) => known.rank === n && known.kappa < 1e5,
  scaled: (known) => known.definite && known.kappa < 1.001e5,
  unrepresentable: (known) => known.definite,
  planted: (known) => known.definite,
  'zero-rhs': (known) => known.definite && known.kappa < 1.001e3 && norm(known.x) === 0,
  'exact-guess': (known, { x0 }) => known.definite && known.kappa < 1e8 && distance(known.x, x0!) < 1e-12,
  'indefinite-preconditioner': (known) => known.definite && known.preconditionerDefinite === false,
}

test(`every kind occurs in ${COUNT} systems, and the dense truth of each is that of its kind`, () => {
  const seen = new Map<Kind, number>()
  for (const given of all) {
    seen.set(given.kind, (seen.get(given.kind) ?? 0) + 1)
    expect(EXPECTED[given.kind](truth(given), given), describe(given)).toBe(true)
  }
  for (const kind of KINDS) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(2)
  for (const where of ['operator', 'b', 'x0', 'preconditioner'])
    expect(all.some(({ planted }) => planted?.where === where)).toBe(true)
})

test('real systems are real, complex ones are not all real, Hermitian ones exactly Hermitian', () => {
  for (const given of all) {
    const { a, b } = given.plain
    if (!given.complex) expect(isReal(a) && isReal(b), describe(given)).toBe(true)
    if (!truth(given).hermitian) continue
    expect(largest(minus(a, adjoint(a))), describe(given)).toBe(0)
  }
  expect(all.filter(({ complex, plain }) => complex && !isReal(plain.b)).length).toBeGreaterThan(80)
})

test('scaling is by powers of two, hence exact, and reaches 1e±199', () => {
  for (const given of all.filter(({ kind }) => kind === 'scaled' || kind === 'unrepresentable')) {
    const { plain, scale } = given
    expect(largest(minus(scaled(2 ** -scale.a, given.a), plain.a))).toBe(0)
    expect(largest(minus(scaled(2 ** -scale.b, given.b), plain.b))).toBe(0)
    expect(Math.max(Math.abs(scale.a), Math.abs(scale.b))).toBe(664)
  }
})

test('one number that is not finite is planted, where it is said to be', () => {
  for (const given of all.filter(({ kind }) => kind === 'planted')) {
    const places = { operator: given.a, b: given.b, x0: given.x0, preconditioner: given.inverse }
    for (const [where, data] of Object.entries(places)) {
      if (where !== given.planted!.where) expect(data === undefined || isFinite(data)).toBe(true)
      else expect([...data!.re, ...data!.im].filter((value) => !Number.isFinite(value))).toEqual([given.planted!.value])
    }
  }
})

test('the true solution solves, or leaves a residual that is orthogonal to the range', () => {
  for (const given of all) {
    const { a, b } = given.plain
    const known = truth(given)
    const residual = minus(b, apply(a, known.x))
    const size = 1e-12 * (known.norm * norm(known.x) + norm(b))
    if (known.consistent) expect(norm(residual), describe(given)).toBeLessThanOrEqual(size)
    expect(norm(apply(adjoint(a), residual)), describe(given)).toBeLessThanOrEqual(known.norm * size)
  }
})
