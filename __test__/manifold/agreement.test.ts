import {
  Dictionary,
  dictionaryAgreement,
  fitDictionary,
  fitDictionaryStream,
  type DictionaryCodes,
} from 'headwater/manifold'
import { expect, test } from 'vitest'
import { bestAssignment, leastCosine, phaseLock, spanCosine, type Span } from '../reference/manifold/agreement.ts'
import { planted, SplitMix } from '../reference/manifold/planted.ts'

const of = planted('T1b')
const train = { rows: 900, cols: of.p, data: of.values.slice(0, 900 * of.p) }
const further = { rows: 300, cols: of.p, data: of.values.slice(1200 * of.p) }
const first = await fitDictionary(train, { atoms: 6, seed: 1 })
const second = await fitDictionary(train, { atoms: 6, seed: 2 })
const noise = await fitDictionary(
  { rows: 300, cols: of.p, data: new SplitMix(9).normals(300 * of.p) },
  { atoms: 6, prune: false, maxRounds: 2, maxIterations: 20 },
)

/** The plane of each circle. */
const planes = (from: Dictionary): Span[] =>
  from.atoms.map(({ decoder }) => [1, 2].map((m) => [...decoder.data.subarray(m * of.p, (m + 1) * of.p)]))

/** Phases of one atom by row. */
function phases(codes: DictionaryCodes, atom: number): Map<number, number> {
  const out = new Map<number, number>()
  let slot = 0
  codes.sizes.forEach((size, row) => {
    for (const end = slot + size; slot < end; slot++) {
      if (codes.atoms[slot] === atom) out.set(row, codes.coordinates[slot]!)
    }
  })
  return out
}

/** The same dictionary with every circle's phase t written as t′ = origin ± t. */
function turned(from: Dictionary, origin: number, sign: 1 | -1): Dictionary {
  const copy = new Dictionary(structuredClone({ ...from }))
  const [s, c] = [Math.sin(2 * Math.PI * origin), Math.cos(2 * Math.PI * origin)]
  for (const { decoder } of copy.atoms) {
    for (let o = 0; o < of.p; o++) {
      // t = ±(t′ − origin): sin 2πt = ±(sin t′ c − cos t′ s), cos 2πt = cos t′ c + sin t′ s.
      const [sine, cosine] = [decoder.data[of.p + o]!, decoder.data[2 * of.p + o]!]
      decoder.data[of.p + o] = sign * sine * c + cosine * s
      decoder.data[2 * of.p + o] = cosine * c - sign * sine * s
    }
  }
  copy.codes.coordinates.forEach((t, i) => (copy.codes.coordinates[i] = (((origin + sign * t) % 1) + 1) % 1))
  return copy
}

test('two seeds of a planted case have the same circles, rows and phases', async () => {
  const found = await dictionaryAgreement(first, second)
  expect(found.matched).toBe(1)
  expect(found.cosine).toBeGreaterThan(0.9999)
  expect(found.phase).toBeGreaterThan(0.9999)
  expect(found.rows).toBe(900)
  expect(found.matches.map((match) => match.first)).toEqual([0, 1, 2, 3, 4, 5])
  expect([...found.matches.map((match) => match.second)].sort()).toEqual([0, 1, 2, 3, 4, 5])
  for (const match of found.matches) expect(match.rows! / match.rowsOfEither!).toBeGreaterThan(0.99)
})

test('the numbers are those of projections, of all permutations, and of sums over rows', async () => {
  for (const [a, b] of [
    [first, second],
    [first, noise],
  ] as const) {
    const [own, other] = [planes(a), planes(b)]
    const score = own.map((x) => other.map((y) => spanCosine(x, y)))
    const expected = bestAssignment(score)
    const [codesOfA, codesOfB] = [await a.encode(further), await b.encode(further)]
    const found = await dictionaryAgreement(a, b, { rows: further })
    expect(found.matches.map((match) => match.second)).toEqual(expected)
    found.matches.forEach((match, k) => {
      const j = expected[k]!
      expect(match.cosine).toBeCloseTo(score[k]![j]!, 10)
      expect(match.principalCosines).toHaveLength(2)
      expect(match.principalCosines[1]).toBeCloseTo(leastCosine(own[k]!, other[j]!), 6)
      const [left, right] = [phases(codesOfA, k), phases(codesOfB, j)]
      const pairs = [...left].flatMap(([row, t]) => (right.has(row) ? [[t, right.get(row)!] as const] : []))
      expect(match.rows).toBe(pairs.length)
      expect(match.rowsOfEither).toBe(new Set([...left.keys(), ...right.keys()]).size)
      if (pairs.length >= 2) expect(match.phase).toBeCloseTo(phaseLock(pairs), 10)
      else expect(match.phase).toBeUndefined()
    })
    const mean = found.matches.reduce((sum, match) => sum + match.cosine, 0) / 6
    expect(found.cosine).toBeCloseTo(mean, 12)
  }
})

test('another origin and the other sense of rotation are the same circle; a collapsed one says nothing', async () => {
  for (const sign of [1, -1] as const) {
    const other = turned(first, 0.37, sign)
    // It says the same rows.
    const [before, after] = [first.decode(), other.decode()]
    before.data.forEach((x, at) => expect(after.data[at]).toBeCloseTo(x, 9))
    const found = await dictionaryAgreement(first, other)
    expect(found.cosine).toBeCloseTo(1, 12)
    expect(found.phase).toBeCloseTo(1, 12)
    expect(found.matches.map((match) => match.second)).toEqual([0, 1, 2, 3, 4, 5])
  }
  const collapsed = turned(first, 0, 1)
  collapsed.codes.coordinates.fill(0.3)
  for (const pair of [
    [first, collapsed],
    [collapsed, collapsed],
  ] as const) {
    const found = await dictionaryAgreement(...pair)
    expect(found.matched).toBe(1)
    expect(found.phase).toBeUndefined()
    for (const match of found.matches) expect(match).not.toHaveProperty('phase')
  }
})

test('a dictionary of noise does not agree, and surplus atoms count as not found', async () => {
  const found = await dictionaryAgreement(first, noise)
  expect(found.matched).toBe(0)
  expect(found.cosine).toBeLessThan(0.7)
  expect(found).not.toHaveProperty('phase')
  const { entropy, amplitude, roughness, ridge, ard } = first.strengths
  const [strengths, atoms] = [
    [amplitude, roughness, ridge, ard].map((list) => list.slice(0, 3)),
    first.atoms.slice(0, 3),
  ]
  const half = new Dictionary({
    ...structuredClone({ ...first }),
    ...{ atoms, active: 1 },
    strengths: {
      entropy,
      amplitude: strengths[0]!,
      roughness: strengths[1]!,
      ridge: strengths[2]!,
      ard: strengths[3]!,
    },
  })
  for (const pair of [
    [first, half],
    [half, first],
  ] as const) {
    const less = await dictionaryAgreement(...pair, { rows: further })
    expect(less.matched).toBe(0.5)
    expect(less.matches).toHaveLength(3)
    expect(less.cosine).toBeCloseTo(1, 12)
  }
  expect((await dictionaryAgreement(first, noise, { threshold: 0 })).matched).toBe(1)
})

test('codes of fits to different rows are not compared unless rows are given', async () => {
  const other = await fitDictionary(
    { rows: 900, cols: of.p, data: of.values.slice(300 * of.p, 1200 * of.p) },
    { atoms: 6 },
  )
  const apart = await dictionaryAgreement(first, other)
  expect(apart.matched).toBe(1)
  expect(apart.rows).toBe(0)
  expect(apart).not.toHaveProperty('phase')
  expect(apart.matches[0]).not.toHaveProperty('rows')
  const together = await dictionaryAgreement(first, other, { rows: further })
  expect(together.rows).toBe(300)
  expect(together.phase).toBeGreaterThan(0.999)
})

test('dictionaries of the streaming lane are compared in the same way', async () => {
  const options = { atoms: 6, active: 1, topology: 'circle' } as const
  const [a, b] = [
    await fitDictionaryStream(train, { ...options, seed: 1 }),
    await fitDictionaryStream(train, { ...options, seed: 2 }),
  ]
  const found = await dictionaryAgreement(a, b)
  expect(found.rows).toBe(900)
  expect(found.matched).toBe(1)
  expect(found.phase).toBeGreaterThan(0.999)
  const mixed = await dictionaryAgreement(first, a, { rows: further })
  expect(mixed.matched).toBe(1)
  expect(mixed.phase).toBeGreaterThan(0.99)
})

test('what cannot be compared is refused, with what is wrong', async () => {
  const narrow = await fitDictionary(
    { rows: 60, cols: 3, data: new SplitMix(4).normals(180) },
    { atoms: 1, prune: false },
  )
  await expect(dictionaryAgreement(first, narrow)).rejects.toMatchObject({
    code: 'shape-mismatch',
    message: 'the first dictionary is for 24 columns, the second for 3',
  })
  const none = new Dictionary({ ...structuredClone({ ...first }), atoms: [] })
  none.codes.sizes.fill(0)
  Object.assign(none.codes, { atoms: new Uint32Array(), amounts: new Float64Array(), coordinates: new Float64Array() })
  await expect(dictionaryAgreement(first, none)).rejects.toMatchObject({ code: 'too-few-atoms' })
  await expect(dictionaryAgreement(first, second, { treshold: 1, threads: 0 } as never)).rejects.toMatchObject({
    problems: [{ name: 'threads' }, { code: 'option-unknown', hint: "did you mean 'threshold'?" }],
  })
  const controller = new AbortController()
  controller.abort(new Error('enough'))
  await expect(dictionaryAgreement(first, second, { signal: controller.signal })).rejects.toThrow('enough')
})
