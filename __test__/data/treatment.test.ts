import { expect, test } from 'vitest'
import { Matrix } from '../../src-ts/matrix.ts'
import { Dataset, type DatasetInput, type TreatmentOptions } from '../../src-ts/data/index.ts'
import { file, problemsOf, read } from './files.ts'

const NONE = NaN
const from = (values: number[][], uncertainties: number[][], options?: TreatmentOptions): Dataset =>
  Dataset.from({ values, uncertainties, species: ['A', 'B', 'C'].slice(0, values[0]!.length) }, options)
const fitted = (data: Dataset): [number[], number[]] => [[...data.values.data], [...data.uncertainties.data]]

test('a missing value, a missing and an infinite uncertainty have weight 0, and the sample stays', () => {
  const data = from([[NONE, 2, 3], [NONE, NONE, NONE]], [[1, NONE, Infinity], [1, 1, 1]]) // prettier-ignore
  expect(data.rows).toBe(2)
  expect([...data.weights.data]).toEqual([0, 0, 0, 0, 0, 0])
  expect(data.treatment.missingCells).toBe(6)
})

test('weights are 1/U² elsewhere', () => {
  expect([...from([[1, 2]], [[0.5, 4]]).weights.data]).toEqual([4, 1 / 16])
})

test('infinite values and uncertainties of zero or less are refused with 0-based row and column', async () => {
  const problems = await problemsOf(() => from([[1, Infinity], [-Infinity, 1]], [[1, 1], [-1, 0]])) // prettier-ignore
  expect(problems).toMatchObject([
    { code: 'value-not-finite', row: 0, col: 1 },
    { code: 'value-not-finite', row: 1, col: 0 },
    { code: 'uncertainty-not-positive', row: 1, col: 0 },
    { code: 'uncertainty-not-positive', row: 1, col: 1 },
  ])
})

test('an uncertainty of zero is refused even where the value is missing', async () => {
  expect((await problemsOf(() => from([[NONE, 1]], [[0, 1]])))[0]).toMatchObject({ row: 0, col: 0 })
})

test('the policy drop-sample leaves out the samples that have a missing cell, or an uncertainty <= 0', () => {
  const values = [[1, 2], [NONE, 4], [5, 6]] // prettier-ignore
  const uncertainties = [[1, 1], [1, 1], [0, 1]] // prettier-ignore
  const data = from(values, uncertainties, { missingPolicy: 'drop-sample', uncertaintyPolicy: 'drop-sample' })
  expect(data.samples).toEqual(['sample 1'])
  expect(data.treatment.droppedSamples).toEqual([
    { index: 1, sample: 'sample 2', reason: 'missing' },
    { index: 2, sample: 'sample 3', reason: 'uncertainty-not-positive' },
  ])
  expect(from(values, uncertainties, { uncertaintyPolicy: 'drop-sample' }).samples).toEqual(['sample 1', 'sample 2'])
})

test('the policy median puts the median of the known values with 4 times its size as uncertainty', () => {
  // Known with a proper uncertainty in A: 1, 3, 8, 9, so the median is 5.5. The 100 has uncertainty 0 and does not count.
  const values = [[1], [3], [8], [9], [NONE], [100], [7]] // prettier-ignore
  const uncertainties = [[1], [1], [1], [1], [1], [0], [NONE]] // prettier-ignore
  const data = from(values, uncertainties, { missingPolicy: 'median', uncertaintyPolicy: 'median' })
  expect(fitted(data)).toEqual([[1, 3, 8, 9, 5.5, 5.5, 5.5], [1, 1, 1, 1, 22, 22, 22]]) // prettier-ignore
  expect(data.treatment.replacedCells[1]).toEqual({
    row: 5,
    col: 0,
    reason: 'uncertainty-not-positive',
    policy: 'median',
    value: 5.5,
    uncertainty: 22,
  })
  expect(data.treatment.missingCells).toBe(0)
})

test('a median that is not positive cannot become an uncertainty, and says so', async () => {
  const problems = await problemsOf(() => from([[0], [0], [NONE]], [[1], [1], [1]], { missingPolicy: 'median' }))
  expect(problems).toMatchObject([{ code: 'median-not-known', header: 'A' }])
})

test('the floor is the smallest positive uncertainty, or a number, or a number per species', async () => {
  const values = [[1, 2], [3, 4], [5, 6]] // prettier-ignore
  const uncertainties = [[0, 0.5], [0.2, -3], [0.3, 0.4]] // prettier-ignore
  const u = (policy: TreatmentOptions['uncertaintyPolicy']): number[] =>
    fitted(from(values, uncertainties, { uncertaintyPolicy: policy! }))[1]
  expect(u('floor')).toEqual([0.2, 0.5, 0.2, 0.4, 0.3, 0.4])
  expect(u({ floor: 0.01 })).toEqual([0.01, 0.5, 0.2, 0.01, 0.3, 0.4])
  expect(u({ floor: { A: 0.1, B: 0.7 } })).toEqual([0.1, 0.5, 0.2, 0.7, 0.3, 0.4])
  expect(u('weight-zero')).toEqual([NONE, 0.5, 0.2, NONE, 0.3, 0.4])
  expect(await problemsOf(() => u({ floor: { A: 0.1 } }))).toMatchObject([{ code: 'floor-missing', header: 'B' }])
  expect((await problemsOf(() => from([[1]], [[0]], { uncertaintyPolicy: 'floor' })))[0]!.code).toBe('floor-missing')
})

test('weak species count with 3 times their uncertainty, bad ones are left out, the total is weak', () => {
  const data = from([[1, 2, 3]], [[0.1, 0.2, 0.3]], { categories: { B: 'bad' }, total: 'C' })
  expect(data.species).toEqual(['A', 'C'])
  expect(fitted(data)).toEqual([[1, 3], [0.1, 0.3 * 3]]) // prettier-ignore
  expect(data.categories).toEqual(['strong', 'weak'])
  expect(data.treatment).toMatchObject({ leftOut: ['B'], total: 'C' })
  expect(from([[1]], [[1]], { categories: { A: 'strong' }, total: 'A' }).categories).toEqual(['strong'])
})

test('mistakes in bad species and excluded samples do not matter', () => {
  const data = from([[1, Infinity], [Infinity, 1]], [[1, 0], [0, 0]], { categories: { B: 'bad' }, exclude: ['sample 2'] }) // prettier-ignore
  expect(fitted(data)).toEqual([[1], [1]]) // prettier-ignore
})

test('samples are excluded by label, by day, and by ranges that include both ends', async () => {
  const hours = ['2002-07-05 23:00', '2002-07-06 00:00', '2002-07-06 23:00', '2002-07-07 00:00', '2002-07-08 10:00']
  const con = `d,A\n${hours.map((label, i) => `${label},${i}`).join('\n')}\n`
  const unc = con.replace(/,\d$/gm, ',1')
  const kept = async (options: TreatmentOptions): Promise<number[]> => [...(await read(con, unc, options)).values.data]
  expect(await kept({ exclude: ['2002-07-06 00:00'] })).toEqual([0, 2, 3, 4])
  expect(await kept({ exclude: ['2002-07-06'] })).toEqual([0, 3, 4])
  expect(await kept({ exclude: [{ from: '2002-07-06', to: '2002-07-07' }] })).toEqual([0, 4])
  expect(await kept({ exclude: [{ from: '2002-07-06 23:00' }] })).toEqual([0, 1])
  expect(await kept({ exclude: [{ to: '2002-07-06T00:00' }] })).toEqual([2, 3, 4])
  const data = await read(con, unc, { exclude: ['2002-07-08'] })
  expect(data.treatment.droppedSamples).toEqual([{ index: 4, sample: '2002-07-08 10:00', reason: 'excluded', line: 6 }])
})

test('dates of the own layout can be excluded too, and what excludes nothing is a mistake', async () => {
  const con = 'd,A\n6/22/2001,1\n6/23/2001,2\n'
  expect((await read(con, con, { exclude: ['6/23/2001'] })).samples).toEqual(['6/22/2001'])
  expect((await read(con, con, { exclude: ['2001-06-23'] })).samples).toEqual(['6/22/2001'])
  const problems = await problemsOf(
    read(con, con, { exclude: ['6/24/2001', { from: '2003-01-01' }, { from: 'soon' }] }),
  )
  expect(problems.map((p) => p.code)).toEqual(
    ['sample-unknown', 'date-not-read', 'sample-unknown'].sort((a, b) => b.localeCompare(a)),
  )
  expect((await problemsOf(() => from([[1]], [[1]], { exclude: [{ from: '2001-01-01' }] })))[0]!.code).toBe(
    'range-needs-dates',
  )
})

test('nothing left to fit is an error', async () => {
  expect((await problemsOf(() => from([[1]], [[1]], { exclude: ['sample 1'] })))[0]!.code).toBe('no-data')
  expect((await problemsOf(() => from([[1]], [[1]], { categories: { A: 'bad' } })))[0]!.code).toBe('no-data')
})

test('a species that the data do not have is named, with the likely spelling', async () => {
  const problems = await problemsOf(() =>
    Dataset.from(
      { values: [[1]], uncertainties: [[1]], species: ['Zinc'] },
      { categories: { zink: 'weak' }, total: 'PM2.5' },
    ),
  )
  expect(problems).toMatchObject([{ code: 'species-unknown', value: 'PM2.5' }, { code: 'species-unknown', hint: 'did you mean "Zinc"?' }]) // prettier-ignore
})

test('all wrong options come back at once, unknown ones with a suggestion', async () => {
  const options = {
    catagories: {},
    total: 3,
    uncertaintyPolicy: { floor: -1 },
    exclude: [{}],
  } as unknown as TreatmentOptions
  const problems = await problemsOf(() => from([[1]], [[1]], options))
  expect(problems.map((p) => p.code)).toEqual([
    'option-unknown',
    'option-not-valid',
    'option-not-valid',
    'option-not-valid',
  ])
  expect(problems[0]!.hint).toBe('did you mean "categories"?')
  expect((await problemsOf(() => from([[1]], [[1]], { delimiter: ',' } as TreatmentOptions)))[0]!.code).toBe(
    'option-unknown',
  )
})

test('an options file says the same as options in code, which take precedence species by species', async () => {
  const con = 'd,A,B,C\nx,1,2,3\ny,4,5,6\n'
  const optionsFile = await file(JSON.stringify({ categories: { A: 'weak', B: 'weak' }, exclude: ['y'] }), 'json')
  const data = await read(con, con, { optionsFile, categories: { B: 'bad' } })
  expect(fitted(data)).toEqual([[1, 3], [3, 3]]) // prettier-ignore
  expect((await read(con, con, { optionsFile, exclude: [] })).rows).toBe(2)
})

test('a broken options file is named with what is wrong in it', async () => {
  const con = 'd,A\nx,1\n'
  const code = async (text: string): Promise<unknown> => {
    const optionsFile = await file(text, 'json')
    const [problem] = await problemsOf(read(con, con, { optionsFile }))
    expect(problem!.file).toBe(optionsFile)
    return problem!.code
  }
  expect(await code('{ "total": }')).toBe('options-not-json')
  expect(await code('{ "totl": "A" }')).toBe('option-unknown')
  expect(await code('{ "dateOrder": "ydm" }')).toBe('option-not-valid')
})

test('Matrix, rows of numbers and row-major data give the same dataset, and the input is copied', () => {
  const data = Float64Array.of(1, 2, 3, 4, 5, 6)
  const rows = [[1, 2, 3], [4, 5, 6]] // prettier-ignore
  const inputs: DatasetInput['values'][] = [rows, { rows: 2, cols: 3, data }, { rows: 2, cols: 3, data: [...data] }, new Matrix(2, 3, data), rows.map((row) => Float64Array.from(row))] // prettier-ignore
  for (const values of inputs) {
    const dataset = Dataset.from({ values, uncertainties: values })
    expect(fitted(dataset)).toEqual([[...data], [...data]])
    expect(dataset.species).toEqual(['species 1', 'species 2', 'species 3'])
    expect(dataset.values.data).not.toBe(data)
  }
})

test('wrong shapes, things that are no numbers and detached arrays are refused', async () => {
  const code = async (input: unknown): Promise<unknown> =>
    (await problemsOf(() => Dataset.from(input as DatasetInput)))[0]!.code
  expect(await code({ values: [[1, 2], [3]], uncertainties: [[1, 2]] })).toBe('matrix-not-valid')
  expect(await code({ values: [['1']], uncertainties: [[1]] })).toBe('matrix-not-valid')
  expect(await code({ values: [[null]], uncertainties: [[1]] })).toBe('matrix-not-valid')
  expect(await code({ values: 7, uncertainties: [[1]] })).toBe('matrix-not-valid')
  expect(await code({ values: { rows: 2, cols: 2, data: [1, 2, 3] }, uncertainties: [[1]] })).toBe('matrix-not-valid')
  expect(await code({ values: [[1, 2]], uncertainties: [[1], [2]] })).toBe('shape-mismatch')
  expect(await code({ values: [[1, 2]], uncertainties: [[1, 2]], species: ['A'] })).toBe('names-mismatch')
  expect(await code({ values: [[1]], uncertainties: [[1]], samples: ['a', 'b'] })).toBe('names-mismatch')
  expect(await code({ values: [[1, 2]], uncertainties: [[1, 2]], species: ['A', 'A'] })).toBe('species-duplicate')
  expect(await code({ values: [], uncertainties: [] })).toBe('empty-data')
  const detached = Float64Array.of(1, 2)
  structuredClone(detached, { transfer: [detached.buffer] })
  const problems = await problemsOf(() =>
    Dataset.from({ values: { rows: 1, cols: 2, data: detached }, uncertainties: [[1, 2]] }),
  )
  expect(problems[0]!.code).toBe('array-detached')
})

test('names that go with a matrix are those of the dataset', () => {
  const values = new Matrix(1, 2, Float64Array.of(1, 2), { rowNames: ['2001-06-22'], colNames: ['A', 'B'] })
  const data = Dataset.from({ values, uncertainties: [[1, 1]] })
  expect([data.species, data.samples, data.dates]).toEqual([['A', 'B'], ['2001-06-22'], [new Date('2001-06-22')]])
})

test('samples may be Date objects', async () => {
  const dates = [new Date('2001-06-22T01:00:00Z'), new Date('2001-06-23T01:00:00Z')]
  const data = Dataset.from(
    { values: [[1], [2]], uncertainties: [[1], [1]], samples: dates },
    { exclude: ['2001-06-22'] },
  )
  expect(data.dates).toEqual([dates[1]])
  expect(data.samples).toEqual(['2001-06-23T01:00:00.000Z'])
  expect(
    (await problemsOf(() => Dataset.from({ values: [[1]], uncertainties: [[1]], samples: [new Date(NaN)] })))[0]!.code,
  ).toBe('date-not-read')
})

test('the hash does not depend on the kind of NaN', () => {
  const odd = new Float64Array(new BigUint64Array([0xfff8000000000001n]).buffer)
  const hash = (data: Float64Array): string =>
    Dataset.from({ values: { rows: 1, cols: 1, data }, uncertainties: [[1]] }).sha256().values
  expect(hash(odd)).toBe(hash(Float64Array.of(NaN)))
  expect(hash(odd)).not.toBe(hash(Float64Array.of(0)))
})

test('the treatment is plain data that survives JSON', async () => {
  const { treatment } = await read('d,A,B\nx,1,\ny,3,4\n', 'd,A,B\nx,1,1\ny,1,1\n')
  expect(JSON.parse(JSON.stringify(treatment))).toEqual(JSON.parse(JSON.stringify(structuredClone(treatment))))
  expect(treatment.concentrations!.missing).toEqual({ '(blank)': 1 })
})
