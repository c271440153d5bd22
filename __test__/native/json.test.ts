import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { factorize, Factorization, Matrix, type FactorizationFields } from '../../index.ts'
import { noise } from './problem.ts'

// -0 is the one double that JSON text does not keep; the engine's bounds make it of no consequence.
const double = fc.double({ noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value))
const finite = fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => (value === 0 ? 0 : value))

test('a model comes back from its JSON text with the same bits, NaN included', async () => {
  const base = { ...(await factorize(noise(4, 3), { factors: 2, starts: 2, maxIterations: 20 })) }
  const numbers = (length: number): fc.Arbitrary<number[]> => fc.array(double, { minLength: length, maxLength: length })
  fc.assert(
    fc.property(numbers(6), numbers(8), finite, (profiles, contributions, q) => {
      const fields: FactorizationFields = {
        ...base,
        q,
        profiles: new Matrix(2, 3, Float64Array.from(profiles), base.profiles),
        contributions: new Matrix(4, 2, Float64Array.from(contributions), base.contributions),
      }
      const model = new Factorization(fields)
      const text = JSON.stringify(model)
      const again = Factorization.fromJSON(text)
      expect(again).toEqual(model)
      expect(JSON.stringify(again)).toBe(text)
      expect(Factorization.fromJSON(model.toJSON())).toEqual(model)
    }),
    { numRuns: 200 },
  )
})

test('the document has the shape that the command line promises', async () => {
  const samples = Array.from({ length: 30 }, (_, i) => new Date(Date.UTC(2020, 0, 1 + i)))
  const species = Array.from({ length: 10 }, (_, j) => `s${j}`)
  const data = noise(30, 10)
  data.values.data[3] = NaN
  const model = await factorize({ ...data, samples, species }, { factors: 3, starts: 2, seed: 9 })
  const document = model.toJSON()
  expect(document).toMatchObject({
    headwater: '0.1.0',
    data: { rows: 30, columns: 10, missing: 1, species, samplesAre: 'times' },
    factors: 3,
    seed: 9,
    options: { starts: 2 },
    best: { status: model.status, q: model.q, iterations: model.iterations, certificate: model.certificate },
  })
  expect(Object.keys(document.timing)).toEqual(['seconds', 'cpuSeconds'])
  expect(document.starts.map(({ start }) => start)).toEqual([0, 1])
  expect(document.profiles).toHaveLength(3)
  expect(document.contributions).toHaveLength(30)
  expect(Factorization.fromJSON(JSON.stringify(model)).data.samples).toEqual(samples)
})

test('the digests are those of the little-endian bytes, with one pattern for every NaN', async () => {
  const { values, uncertainties } = noise(5, 4)
  const bits = new BigUint64Array(values.data.buffer as ArrayBuffer)
  bits[2] = 0x7ff8_dead_beef_0001n
  const model = await factorize({ values, uncertainties }, { factors: 2, starts: 1 })
  const expected = Buffer.alloc(8 * 20)
  for (const [at, value] of values.data.entries()) expected.writeDoubleLE(value, 8 * at)
  expected.writeBigUInt64LE(0x7ff8_0000_0000_0000n, 16)
  expect(model.data.sha256.values).toBe(createHash('sha256').update(expected).digest('hex'))
})

test.each([
  ['text that is not JSON', '{'],
  ['another document', '{"a":1}'],
  ['null', 'null'],
])('%s is refused', (_, text) => {
  expect(() => Factorization.fromJSON(text)).toThrow(expect.objectContaining({ code: 'json-not-valid' }))
})

test('a document with a row too few, or with text for a number, is refused', async () => {
  const document = (await factorize(noise(6, 4), { factors: 2, starts: 1 })).toJSON()
  const short = { ...document, contributions: document.contributions.slice(1) }
  expect(() => Factorization.fromJSON(short)).toThrow('contributions must have 6 rows')
  const text = {
    ...document,
    profiles: [
      ['x', 1, 1, 1],
      [1, 1, 1, 1],
    ],
  } as never
  expect(() => Factorization.fromJSON(text)).toThrow('profiles, row 0, column 0: not a number')
})
