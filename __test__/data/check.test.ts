import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { checkDataset, Dataset, type DataCheck } from '../../src-ts/data/index.ts'
import { EXAMPLES, read } from './files.ts'

const column = (check: DataCheck, code: string): string[] =>
  check.findings.filter((f) => f.code === code).flatMap((f) => f.species)
/** Columns to a dataset with uncertainty 1. */
function dataset(columns: Record<string, number[]>, uncertainty: number = 1): Dataset {
  const species = Object.keys(columns)
  const values = columns[species[0]!]!.map((_, i) => species.map((name) => columns[name]![i]!))
  return Dataset.from({ values, uncertainties: values.map((row) => row.map(() => uncertainty)), species })
}

test('signal-to-noise is the mean of (x - u)/u over cells, 0 where x <= u, and missing cells do not count', () => {
  const data = Dataset.from({ values: [[3], [1], [0.5], [NaN], [9]], uncertainties: [[1], [1], [1], [1], [2]] })
  expect(checkDataset(data).species[0]).toMatchObject({
    count: 4,
    missing: 1,
    minimum: 0.5,
    median: 2,
    maximum: 9,
    signalToNoise: (2 + 0 + 0 + 3.5) / 4,
    suggested: 'strong',
  })
})

test('signal-to-noise and counts of a weak species are those before the factor 3', () => {
  const input = { values: [[3], [12]], uncertainties: [[1], [1]], species: ['A'] }
  const strong = checkDataset(Dataset.from(input)).species[0]!
  const weak = checkDataset(Dataset.from(input, { categories: { A: 'weak' } })).species[0]!
  expect(weak).toEqual({ ...strong, category: 'weak' })
})

test('suggested categories change at 0.5 and 1', () => {
  const check = checkDataset(dataset({ A: [1.49, 1.49], B: [1.5, 1.5], C: [2, 2], D: [1.99, 1.99] }))
  expect(check.species.map((s) => s.suggested)).toEqual(['bad', 'weak', 'strong', 'weak'])
})

test('OM of Baltimore is found to be 1.4 times OC, PM2.5 a total, and nothing else related', async () => {
  const file = (name: string): string => fileURLToPath(new URL(name, EXAMPLES))
  const check = checkDataset(await Dataset.read(file('Dataset-Baltimore_con.txt'), file('Dataset-Baltimore_unc.txt')))
  expect(check.findings.filter((f) => f.code === 'multiple-of-column')).toMatchObject([
    { species: ['OM', 'Organic Carbon'] },
  ])
  expect(check.findings.find((f) => f.code === 'multiple-of-column')!.value).toBeCloseTo(1.4, 3)
  expect(column(check, 'total-column')).toEqual(['PM2.5'])
  expect([check.rows, check.columns, check.missing]).toEqual([630, 26, 0])
})

test('constant and duplicate columns are found, and nearly proportional ones are not', () => {
  const base = [1, 2, 3, 5, 8, 13, 21]
  const check = checkDataset(
    dataset({
      A: base,
      Same: base,
      Flat: base.map(() => 4),
      Near: base.map((x, i) => 2 * x * (1 + 0.01 * (i % 2))),
      Twice: base.map((x) => 2 * x),
    }),
  )
  expect(column(check, 'duplicate-column')).toEqual(['Same', 'A'])
  expect(column(check, 'constant-column')).toEqual(['Flat'])
  expect(check.findings.filter((f) => f.code === 'multiple-of-column').map((f) => f.species.join())).toEqual([
    'Twice,A',
    'Twice,Same',
  ])
})

test('a column above the sum of all others is called a total, unless it is declared', () => {
  const columns = { A: [1, 2, 3, 4, 5], B: [2, 1, 2, 1, 2], C: [1, 1, 3, 1, 1], D: [9, 9, 9, 9, 9.5] }
  expect(column(checkDataset(dataset(columns)), 'total-column')).toEqual(['D'])
  const values = columns.A.map((_, i) => [columns.A[i]!, columns.B[i]!, columns.C[i]!, columns.D[i]!])
  const declared = Dataset.from({ values, uncertainties: values, species: ['A', 'B', 'C', 'D'] }, { total: 'D' })
  expect(column(checkDataset(declared), 'total-column')).toEqual([])
})

test('uncertainties above 10 times the value, repeated values and negative values are counted', () => {
  const check = checkDataset(dataset({ A: [0.05, 0.1, 0.2, 5, 6, 7], B: [1, 1, 1, 1, 1, 9], C: [-1, -2, 3, 4, 5, 6] }))
  expect(check.findings.find((f) => f.code === 'uncertainty-large')).toMatchObject({ species: ['A'], count: 1 })
  expect(check.findings.find((f) => f.code === 'repeated-value')).toMatchObject({ species: ['B'], count: 5, value: 1 })
  expect(check.findings.find((f) => f.code === 'negative-values')).toMatchObject({ species: ['C'], count: 2 })
})

test('species and samples without data, and labels that repeat, are found', () => {
  const data = Dataset.from({ values: [[1, NaN], [NaN, NaN], [2, NaN]], uncertainties: [[1, 1], [1, 1], [1, 1]], samples: ['x', 'y', 'x'] }) // prettier-ignore
  const check = checkDataset(data)
  expect(column(check, 'species-without-data')).toEqual(['species 2'])
  expect(check.findings.find((f) => f.code === 'sample-without-data')).toMatchObject({ count: 1 })
  expect(check.findings.find((f) => f.code === 'duplicate-samples')!.message).toContain('x')
  expect(check.species[1]!.median).toBeNaN()
})

test('a mixture of ways to mark missing cells is reported with counts', async () => {
  const data = await read('d,A,B\nx,-999,1\ny,,2\nz,3,3\n', 'd,A,B\nx,1,1\ny,1,1\nz,1,1\n')
  expect(checkDataset(data).findings.find((f) => f.code === 'sentinel-mixture')).toMatchObject({ count: 2 })
})
