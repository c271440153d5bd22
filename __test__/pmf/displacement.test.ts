/** Displacement through the API, against the fixtures of an independent program. */
import { beforeAll, expect, test } from 'vitest'
import { factorize, Factorization, Matrix, type DataLike, type Displacement } from '../../index.ts'
import { inOrder } from '../../src-ts/pmf/displacement-restart.ts'
import { noise } from '../native/problem.ts'
import { fixture } from '../reference/load.ts'
import { epaData, spoilt } from './sources.ts'

interface Golden {
  problems: {
    set: string
    p: number
    elements: {
      factor: number
      species: number
      base: number
      se_exact: number | null
      lower_branch?: boolean
      levels: Record<string, { lo: number; hi: number; lo_dQ: number; hi_dQ: number }>
    }[]
  }[]
}

const golden = fixture<Golden>('disp.json').problems.find(({ set }) => set === 'stlouis')!
const LEVELS = [4, 8, 15, 25]
let stLouis: Factorization
let small: Factorization

beforeAll(async () => {
  stLouis = await factorize(epaData('stlouis'), { factors: 6, seed: 1, starts: 12 })
  small = await factorize({ ...spoilt(), species: [...'ABCDEF'] }, { factors: 2, seed: 1, starts: 5 })
})

test('intervals are the golden ones', async () => {
  const chosen = golden.elements.filter((_, at) => at % 6 === 0)
  const found = await stLouis.displacement({ elements: chosen.map(({ factor, species }) => ({ factor, species })) })
  expect(found).toMatchObject({ status: 'converged', errorCode: 0, largestDecrease: 0, restarts: 0, levels: LEVELS })
  expect(found.elements).toHaveLength(chosen.length)
  for (const [at, expected] of chosen.entries()) {
    const element = found.elements[at]!
    expect(element).toMatchObject({ factor: expected.factor, column: expected.species })
    expect(Math.abs(element.base - expected.base)).toBeLessThan(1e-6 * (expected.base + 1e-9))
    if (expected.se_exact === null) expect(element.standardError).toBeNaN()
    else expect(Math.abs(element.standardError / expected.se_exact - 1)).toBeLessThan(1e-4)
    for (const [l, level] of LEVELS.entries()) {
      const { lo, hi, lo_dQ } = expected.levels[level]!
      const interval = element.levels[l]!
      const zero = lo_dQ < level - 1e-2
      expect(interval.level).toBe(level)
      expect(Math.abs(interval.lower - lo)).toBeLessThan(1e-4 * (hi - lo))
      expect(Math.abs(interval.upper - hi)).toBeLessThan(1e-4 * (hi - lo))
      expect(Math.abs(interval.upperDeltaQ - level)).toBeLessThan(1e-3)
      // At zero there is no level to meet, and sometimes two minima that differ by 1e-3.
      expect(Math.abs(interval.lowerDeltaQ - (zero ? lo_dQ : level))).toBeLessThan(zero ? 1e-4 * level : 1e-3)
      expect(interval.lowerAtZero).toBe(zero ? true : undefined)
      expect(interval).not.toHaveProperty('failed')
    }
  }
})

test('the result is plain data, does not depend on threads, and is repeated by its seed', async () => {
  const elements = [
    { factor: 0, species: 'A' },
    { factor: 1, species: 1 },
    { factor: 1, species: 'B' },
  ]
  const one = await small.displacement({ elements, threads: 1 })
  const two = await small.displacement({ elements, threads: 2, seed: small.seed })
  const rest = ({ timing: _, ...numbers }: Displacement): object => numbers
  expect(rest(one)).toEqual(rest(two))
  expect(structuredClone(one)).toEqual(one)
  // B and column 1 are one element.
  expect(one.elements.map(({ factor, species, column }) => [factor, species, column])).toEqual([
    [0, 'A', 0],
    [1, 'B', 1],
  ])
  expect(JSON.parse(JSON.stringify(one)).elements[0].levels[0]).toMatchObject({ level: 4, lowerBranch: false })
})

test('by default every strong species of every factor is displaced, weak ones if they are named', async () => {
  const data: DataLike = { ...spoilt(), species: [...'ABCDEF'], categories: ['strong', 'weak', 'strong', 'weak', 'weak', 'weak'] } // prettier-ignore
  const model = await factorize(data, { factors: 2, seed: 1, starts: 5 })
  const names = ({ elements }: Displacement): string[] => elements.map(({ factor, species }) => `${factor}${species}`)
  expect(names(await model.displacement({ levels: [4] }))).toEqual(['0A', '0C', '1A', '1C'])
  expect(names(await model.displacement({ levels: [4], species: ['B'] }))).toEqual(['0B', '1B'])
  const back = Factorization.fromJSON(JSON.stringify(model)).withData(data)
  expect(names(await back.displacement({ levels: [4] }))).toEqual(['0A', '0C', '1A', '1C'])
  expect(model.robust).toBeUndefined()
})

test('levels are multiplied by Q/ν if asked, and a warning asks for it', async () => {
  const elements = [{ factor: 0, species: 'A' }]
  const ratio = small.q / small.degreesOfFreedom
  expect(ratio).toBeGreaterThan(2)
  const plain = await small.displacement({ elements, levels: [4 * ratio] })
  expect(plain.warnings.map(({ code }) => code)).toContain('levels-off-scale')
  const scaled = await small.displacement({ elements, levels: [4], levelScale: 'Q/ν' })
  expect(scaled.warnings.map(({ code }) => code)).not.toContain('levels-off-scale')
  expect(scaled).toMatchObject({ levelScale: 'Q/ν', levelFactor: ratio, levels: [4] })
  const [a, b] = [plain.elements[0]!.levels[0]!, scaled.elements[0]!.levels[0]!]
  expect(b).toEqual({ ...a, level: 4 })
  expect(Math.abs(b.upperDeltaQ / (4 * ratio) - 1)).toBeLessThan(1e-4)
})

test('robust fits are displaced by their own objective', async () => {
  const elements = [{ factor: 0, species: 'A' }]
  const robust = await factorize({ ...spoilt(), species: [...'ABCDEF'] }, { factors: 2, seed: 1, starts: 5, robust: 4 })
  const found = await robust.displacement({ elements, levels: [4] })
  expect(found).toMatchObject({ errorCode: 0, largestDecrease: 0 })
  const plain = await small.displacement({ elements, levels: [4] })
  expect(found.elements[0]!.levels[0]!.upper).not.toBeCloseTo(plain.elements[0]!.levels[0]!.upper, 4)
  expect(Math.abs(found.elements[0]!.levels[0]!.upperDeltaQ - 4)).toBeLessThan(1e-3)
})

test('what is wrong comes back at once', async () => {
  const wrong = small.displacement({
    levels: [8, 4, 0],
    elements: [{ factor: 2, species: 'A' }, { factor: 0, species: 'b1' }, { factor: 0, species: 6 }, 3 as never],
    levelScale: 'Q' as never,
    check: 1 as never,
    speces: [],
  } as never)
  await expect(wrong).rejects.toThrow(
    /levels\[2\] must be a positive[^]*levels must ascend, and 4 comes after 8[^]*elements\[0\]\.factor must be a whole number from 0 to 1[^]*elements\[1\]\.species must be one of the fitted species[^]*elements\[2\]\.species must be the name of a species or a column from 0 to 5[^]*elements\[3\] must be[^]*levelScale[^]*check must be[^]*'speces'/,
  )
  const code = (options: object): Promise<unknown> =>
    small.displacement(options).catch((error: { code: string }) => error.code)
  expect(await code({ species: ['Fe'] })).toBe('species-unknown')
  expect(await code({ species: [] })).toBe('option-not-valid')
  expect(await code({ levels: [] })).toBe('option-not-valid')
  expect(await code({ levels: [-4] })).toBe('option-out-of-range')
  expect(await code({ species: ['A'], elements: [{ factor: 0, species: 0 }] })).toBe('options-conflict')
  const alone = Factorization.fromJSON(JSON.stringify(small))
  await expect(alone.displacement()).rejects.toMatchObject({ code: 'data-needed' })
})

test('an aborted study keeps what is done if asked, and says so', async () => {
  const controller = new AbortController()
  let seen = 0
  const found = await stLouis.displacement({
    signal: controller.signal,
    onAbort: 'partial',
    threads: 1,
    onProgress: ({ done, total }) => {
      seen = total
      if (done >= 1) controller.abort()
    },
  })
  expect(seen).toBe(78)
  expect(found).toMatchObject({ status: 'aborted', errorCode: 6, restarts: 0 })
  expect(found.elements.length).toBeGreaterThan(0)
  expect(found.elements.length).toBeLessThan(78)
  expect(found.warnings.map(({ code }) => code)).toContain('displacement-incomplete')
  expect(found.elements[0]!.levels).toHaveLength(4)

  const reason = new Error('enough')
  const rejecting = new AbortController()
  const call = stLouis.displacement({ signal: rejecting.signal, onProgress: () => rejecting.abort(reason) })
  await expect(call).rejects.toBe(reason)
  await expect(stLouis.displacement({ signal: AbortSignal.abort(reason), onAbort: 'partial' })).rejects.toBe(reason)
})

test('a base that is no minimum is said, and a lower Q is where the study begins again', async () => {
  const data = { ...spoilt(), species: [...'ABCDEF'] }
  const early = await factorize(data, { factors: 2, seed: 1, starts: 1, stop: { decrease: 30, over: 1 }, method: 'mu' })
  expect(early.status).not.toBe('converged')
  expect(early.q - small.q).toBeGreaterThan(4)
  const found = await early.displacement({ levels: [4] })
  expect(found).toMatchObject({ errorCode: 9, status: 'converged' })
  expect(found.restarts).toBeGreaterThan(0)
  expect(found.largestDecrease).toBeGreaterThan(0)
  expect(found.warnings.map(({ code }) => code)).toContain('base-not-minimum')
  expect(found.base).toMatchObject({ status: 'converged' })
  expect(found.base!.q).toBeLessThan(early.q)
  expect(found.base!.q).toBeCloseTo(small.q, 6)
  // Numbers of factors are those of the model; the intervals those of the new base.
  const direct = await small.displacement({ levels: [4] })
  const order = [0, 1].map((k) => (early.profiles.get(k, 0) > early.profiles.get(1 - k, 0) ? 'A' : 'B'))
  const other = [0, 1].map((k) => (small.profiles.get(k, 0) > small.profiles.get(1 - k, 0) ? 'A' : 'B'))
  for (const { factor, column, base, levels } of found.elements) {
    const twin = direct.elements.find((one) => other[one.factor] === order[factor] && one.column === column)!
    expect(base).toBeCloseTo(twin.base, 6)
    expect(found.base!.profiles.get(factor, column)).toBeCloseTo(base, 8)
    expect(levels[0]!.upper).toBeCloseTo(twin.levels[0]!.upper, 4)
  }
})

test('factors of a new base keep the numbers of the old', () => {
  const { profiles, contributions } = small
  const turn = ({ rows, cols, data }: Matrix, byRow: boolean): Matrix =>
    new Matrix(rows, cols, Float64Array.from(data, (_, at) => (byRow ? data[(at + cols) % data.length]! : data[at ^ 1]!))) // prettier-ignore
  const warnings = [{ code: 'dead-factor', index: 0, message: '' }]
  const turned = { ...small, warnings, profiles: turn(profiles, true), contributions: turn(contributions, false) }
  expect(turned.profiles.get(0, 0)).toBe(profiles.get(1, 0))
  const back = inOrder(turned, { profiles, contributions })
  expect(back.warnings[0]!.index).toBe(1)
  expect(back.profiles).toEqual(profiles)
  expect(back.contributions).toEqual(contributions)
})

test('noise that determines nothing has ends at zero and unbounded ones, never wrong numbers', async () => {
  const model = await factorize(noise(12, 4), { factors: 3, seed: 1, starts: 5 })
  const { elements } = await model.displacement({ levels: [4] })
  for (const { base, levels } of elements) {
    const [interval] = levels
    if (!Number.isNaN(interval!.lower)) expect(interval!.lower).toBeLessThanOrEqual(base)
    if (!Number.isNaN(interval!.upper)) expect(interval!.upper).toBeGreaterThanOrEqual(base)
    expect(Number.isNaN(interval!.upper)).toBe(interval!.upperUnbounded === true || interval!.failed === true)
  }
})
