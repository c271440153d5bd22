/** Uncertainties from limits and fractions, values below detection, extra uncertainty, categories by signal-to-noise. */
import { expect, test } from 'vitest'
import { checkDataset, Dataset, type PerSpecies, type TreatmentOptions } from '../../src-ts/data/index.ts'
import { file, pair, problemsOf } from './files.ts'

const CON = 'date,As,Se\n2020-01-01,0.5,2\n2020-01-02,1,\n2020-01-03,4,8\n'
const equation = (text: string): Promise<Dataset> => pair(CON, text).then(([con, unc]) => Dataset.read(con, unc))
/** MDL 1 and 2, error fractions 10 % and 20 %. */
const EXPECTED = [5 / 6, 10 / 6, 5 / 6, NaN, Math.hypot(0.4, 0.5), Math.hypot(1.6, 1)]
const rounded = (u: number): number => Number(u.toPrecision(12))

test.each([
  ['labels in front, as EPA PMF 5 writes it', 'name,As,Se\nMDL,1,2\nEF,10,20\n'],
  ['no labels', 'As,Se\n1,2\n10,20\n'],
  ['species in another order and a blank line at the end', 'name,Se,As\nMDL,2,1\nEF (%),20,10\n,,\n'],
  ['tabs and decimal commas', 'name\tAs\tSe\nMDL\t1,0\t2,0\nEF\t10,0\t20,0\n'],
])('an equation file gives the uncertainties of PMF 5: %s', async (_, text) => {
  const data = await equation(text)
  expect([...data.uncertainties.data].map(rounded)).toEqual(EXPECTED.map(rounded))
  expect(data.treatment.equation).toMatchObject({
    detectionLimits: { As: 1, Se: 2 },
    errorFractions: { As: 0.1, Se: 0.2 },
  })
  expect(data.treatment.missingCells).toBe(1)
})

test('limits and fractions in code give the same: one for all, a list, or by name', () => {
  const from = (detectionLimits: PerSpecies, errorFractions: PerSpecies): number[] => [
    ...Dataset.from({
      values: [[0.5, 2], [1, NaN], [4, 8]], // prettier-ignore
      uncertainties: { detectionLimits, errorFractions },
      species: ['As', 'Se'],
    }).uncertainties.data,
  ]
  expect(from([1, 2], { As: 0.1, Se: 0.2 }).map(rounded)).toEqual(EXPECTED.map(rounded))
  expect(from(1, 0.1)).toEqual(from({ As: 1, Se: 1 }, [0.1, 0.1]))
})

test('two lines of uncertainties for three samples are samples, not an equation', async () => {
  for (const [first, second] of [
    ['2020-01-01', '2020-01-02'],
    ['2021-01-01', '2021-01-02'],
  ]) {
    // prettier-ignore
    const problems = await problemsOf(equation(`date,As,Se\n${first},1,2\n${second},10,20\n`))
    expect(problems[0]!.code).toBe('samples-do-not-match')
  }
})

test('what is wrong with an equation comes back at once, with file and line', async () => {
  expect(await problemsOf(equation('name,As,Cd\nMDL,-1,2\nEF,ten,20\n'))).toMatchObject([
    { code: 'equation-not-valid', line: 2, column: 2, header: 'As', value: '-1' },
    { code: 'species-do-not-match', header: 'Se' },
    { code: 'equation-not-valid', line: 3, value: 'ten' },
    { code: 'species-do-not-match', header: 'Cd' },
  ])
  const shares = await problemsOf(equation('name,As,Se\nMDL,1,2\nEF,0.1,0.2\n'))
  expect(shares).toMatchObject([{ code: 'equation-not-valid', hint: 'write 10 for 10 %' }])
  const given = { detectionLimits: [1], errorFractions: { As: 10, Zn: 0.1 } }
  const problems = await problemsOf(() =>
    Dataset.from({ values: [[1, 2]], uncertainties: given, species: ['As', 'Se'] }),
  )
  expect(problems.map(({ message }) => message)).toEqual([
    'uncertainties.detectionLimits has 1 numbers for 2 species',
    'uncertainties.errorFractions must be a share from 0 to 1 (0.1 is 10 %), got 10',
    'uncertainties.errorFractions must be a share from 0 to 1 (0.1 is 10 %), got undefined',
  ])
})

/** One species with values 0.2, 1, 3 and uncertainties 0.1, 0, 0.3; detection limit 1. */
const detect = (options: TreatmentOptions): Dataset =>
  Dataset.from(
    { values: [[0.2], [1], [3]], uncertainties: [[0.1], [0], [0.3]], species: ['As'] },
    { detectionLimits: { As: 1 }, ...options },
  )

test('substitute puts half the limit and 5/6 of it at and below the limit', () => {
  const data = detect({ belowDetection: 'substitute' })
  expect([...data.values.data]).toEqual([0.5, 0.5, 3])
  expect([...data.uncertainties.data]).toEqual([5 / 6, 5 / 6, 0.3])
  expect(data.censored).toBeUndefined()
  expect(data.treatment).toMatchObject({ belowDetection: 'substitute', detectionLimits: { As: 1 }, censoredCells: 0 })
  expect(data.treatment.replacedCells).toMatchObject([
    { row: 0, col: 0, reason: 'below-detection', policy: 'substitute', value: 0.5 },
    { row: 1, col: 0 },
  ])
})

test('censored keeps the uncertainty where it is one, and marks the cells', () => {
  const data = detect({ belowDetection: 'censored' })
  expect([...data.values.data]).toEqual([1, 1, 3])
  expect([...data.uncertainties.data]).toEqual([0.1, 5 / 6, 0.3])
  expect([...data.censored!.data]).toEqual([1, 1, 0])
  expect(data.treatment.censoredCells).toBe(2)
  expect(data.sha256()).toHaveProperty('censored')
  expect(data.sha256()).not.toEqual(detect({ uncertaintyPolicy: 'weight-zero' }).sha256())
})

test('a policy for values below detection names every species without a limit', async () => {
  const call = (): Dataset =>
    Dataset.from(
      { values: [[1, 2, 3]], uncertainties: [[1, 1, 1]], species: ['As', 'Se', 'Zn'] },
      { belowDetection: 'censored', detectionLimits: { Se: 0 } },
    )
  const problems = await problemsOf(call)
  expect(problems.map(({ code, header }) => [code, header])).toEqual([
    ['detection-limit-missing', 'As'],
    ['detection-limit-missing', 'Zn'],
  ])
})

test('extra uncertainty is added in quadrature, before the factor of weak species', () => {
  const data = Dataset.from(
    { values: [[3, 3]], uncertainties: [[0.4, 0.4]], species: ['A', 'B'] },
    { extraUncertainty: 0.1, categories: { B: 'weak' } },
  )
  expect([...data.uncertainties.data]).toEqual([0.5, 1.5])
  expect(data.treatment.extraUncertainty).toBe(0.1)
})

/** Signal-to-noise 0.4, 0.6 and 5. */
const three = (categories: TreatmentOptions['categories'], more: TreatmentOptions = {}): Dataset =>
  Dataset.from(
    { values: [[1.4, 1.6, 6], [1.4, 1.6, 6]], uncertainties: [[1, 1, 1], [1, 1, 1]], species: ['A', 'B', 'C'] }, // prettier-ignore
    { ...(categories === undefined ? {} : { categories }), ...more },
  )

test('categories by signal-to-noise are applied only when asked, and a name goes over them', () => {
  expect(three(undefined).treatment.categories).toEqual({ A: 'strong', B: 'strong', C: 'strong' })
  expect(three(undefined).treatment.suggestions).toMatchObject({
    A: { suggested: 'bad', applied: false },
    B: { suggested: 'weak', applied: false },
  })
  const all = three('suggest')
  expect(all.species).toEqual(['B', 'C'])
  expect(all.categories).toEqual(['weak', 'strong'])
  expect(all.treatment.suggestions.A).toMatchObject({ applied: true })
  expect(three({ '*': 'suggest', A: 'strong' }).treatment.categories).toEqual({ A: 'strong', B: 'weak', C: 'strong' })
  expect(three({ B: 'suggest' }).treatment.categories).toEqual({ A: 'strong', B: 'weak', C: 'strong' })
  expect(three({ '*': 'weak' }, { total: 'C' }).categories).toEqual(['weak', 'weak', 'weak'])
  expect(three('suggest', { total: 'C' }).categories).toEqual(['weak', 'weak'])
  expect(three({ '*': 'suggest', C: 'strong' }, { total: 'C' }).categories).toEqual(['weak', 'strong'])
})

test('signal-to-noise is that of the numbers before replacement, extra uncertainty and factor', () => {
  const data = three({ B: 'weak' }, { extraUncertainty: 0.5, detectionLimits: { A: 2, B: 0, C: 0 }, belowDetection: 'substitute' }) // prettier-ignore
  expect(checkDataset(data).species.map(({ signalToNoise }) => Number(signalToNoise.toFixed(10)))).toEqual([0.4, 0.6, 5]) // prettier-ignore
})

test('samples are left out by value, and a missing value is neither above nor below', () => {
  const data = Dataset.from(
    { values: [[1], [20], [NaN], [-5]], uncertainties: [[1], [1], [1], [1]], species: ['K'], samples: [...'abcd'] },
    { exclude: [{ species: 'K', above: 10, below: 0 }, 'a', { species: 'K', above: 1e9 }] },
  )
  expect(data.samples).toEqual(['c'])
  expect(data.treatment.exclusions).toEqual([
    { rule: 'K above 10 or below 0', samples: 2 },
    { rule: 'a', samples: 1 },
    { rule: 'K above 1000000000', samples: 0 },
  ])
})

test('every option that names a species is checked, all at once', async () => {
  const problems = await problemsOf(() =>
    three({ D: 'weak' }, { total: 'X', detectionLimits: { Y: 1 }, exclude: [{ species: 'Z', above: 1 }, 'nobody'] }),
  )
  const found = problems.map(({ code, value }) => `${code} ${value}`)
  expect(found).toEqual([...'XDYZ'].map((name) => `species-unknown ${name}`).concat('sample-unknown nobody'))
})

test('wrong values of these options come back at once', async () => {
  const problems = await problemsOf(() =>
    three(
      { A: 'feeble' as never },
      {
        detectionLimits: { A: -1 },
        belowDetection: 'censor' as never,
        extraUncertainty: 25,
        exclude: [{ species: 'A' } as never],
        preset: 'pmf' as never,
      },
    ),
  )
  expect(problems.map(({ code }) => code)).toEqual(Array(6).fill('option-not-valid'))
  expect(problems.find(({ value }) => value === '25')!.message).toMatch(/a share from 0 to 1 \(0\.05 is 5 %\)/)
})

test('the preset pmf5 takes medians for missing cells and substitutes below given limits, unless told otherwise', () => {
  const input = { values: [[4], [NaN], [0.5]], uncertainties: [[1], [1], [1]], species: ['A'] }
  const plain = Dataset.from(input, { preset: 'pmf5' })
  expect([...plain.values.data]).toEqual([4, 2.25, 0.5])
  expect([...plain.uncertainties.data]).toEqual([1, 9, 1])
  const limits = Dataset.from(input, { preset: 'pmf5', detectionLimits: { A: 1 }, missingPolicy: 'weight-zero' })
  expect([...limits.values.data]).toEqual([4, NaN, 0.5])
  expect(limits.treatment).toMatchObject({ preset: 'pmf5', belowDetection: 'substitute', missingPolicy: 'weight-zero' })
})

test('an options file may say all of this, and code adds to it species by species', async () => {
  const options = await file('{ "categories": "suggest", "detectionLimits": { "As": 1 } }', 'json')
  const [con, unc] = await pair(CON, 'date,As,Se\n2020-01-01,1,1\n2020-01-02,1,1\n2020-01-03,1,1\n')
  const data = await Dataset.read(con, unc, {
    optionsFile: options,
    categories: { As: 'strong' },
    detectionLimits: { Se: 3 },
  })
  expect(data.treatment.categories).toEqual({ As: 'strong', Se: 'strong' })
  expect(data.treatment.suggestions).toMatchObject({ As: { applied: false }, Se: { applied: true } })
  expect(data.treatment.detectionLimits).toEqual({ As: 1, Se: 3 })
})
