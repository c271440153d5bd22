/** Robust fits, standard errors and the treatment of data from the command line. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, factorize, Factorization } from '../../index.ts'
import { spoilt as spoiltData } from '../pmf/sources.ts'
import { csv, file, folder, headwater, twoSources } from './cli.ts'

const [con, unc] = twoSources() as [string, string]
/** Two sources that the data tell apart, with two outliers or none. */
function determined(outliers: boolean): string[] {
  const { values, uncertainties } = spoiltData()
  const plain = values.toArray()
  if (!outliers) {
    plain[3]![1]! -= 4
    plain[7]![0]! -= 2
  }
  const table = (rows: number[][]): string =>
    file(csv([['sample', ...'ABCDEF'], ...rows.map((row, i) => [`s${i}`, ...row])]))
  return [table(plain), table(uncertainties.toArray())]
}
const CLEAR = determined(false) as [string, string]
const SPOILT = determined(true)
const FIT = ['fit', con, unc, '-p', '2', '-n', '5', '--quiet']
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')

/** The same data with one cell 100 uncertainties off. */
function spoilt(): string {
  const rows = readFileSync(con, 'utf8').trimEnd().split('\n').map((line) => line.split(',')) // prettier-ignore
  rows[5]![2] = String(Number(rows[5]![2]) + 10)
  return file(csv(rows))
}

test('--robust minimises the Huber objective and says which cells it does not trust', async () => {
  const bad = spoilt()
  const run = headwater(['fit', bad, unc, '-p', '2', '-n', '5', '--robust', '--json', '--quiet'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const model = await factorize(await Dataset.read(bad, unc), { factors: 2, starts: 5, robust: 4 })
  expect(document.best).toMatchObject({ q: model.q, qTrue: model.qTrue, qRobust: model.qRobust, outliers: 1 })
  expect(document.best).toHaveProperty('nearThreshold', 0)
  expect(document.options.robust).toEqual({ alpha: 4 })
  expect(document.downweighted.cells[0]).toMatchObject({ sample: 4, species: 1 })
  const text = headwater(['fit', bad, unc, '-p', '2', '-n', '5', '--robust', '3', '--quiet']).stdout
  expect(text).toMatch(/Q +\d+\.\d+ \(.*Huber loss with α = 3; true Q/)
  expect(text).toMatch(/outliers +\d+ cells? more than 3 uncertainties off/)
  expect(text).toMatch(/1 cell keep.* least: 2020-01-05 B \(.*%\)|cells keep.* least: 2020-01-05 B \(/)
  const student = headwater(['fit', bad, unc, '-p', '2', '-n', '5', '--robust', 'student:4', '--quiet']).stdout
  expect(student).toMatch(/Student's\s+t\s+with\s+4\s+degrees\s+of\s+freedom/)
})

test('a saved robust model is judged and reported by its loss', () => {
  const bad = spoilt()
  const saved = headwater(['fit', bad, unc, '-p', '2', '-n', '5', '--robust', '--save', 'robust.json', '--quiet'])
  expect(saved.code).toBe(0)
  expect(Factorization.fromJSON(read('robust.json')).robust).toEqual({ alpha: 4 })
  const verdict = headwater(['certify', bad, unc, '--model', 'robust.json', '--json'])
  expect(JSON.parse(verdict.stdout)).toMatchObject({ status: 'converged', robust: { alpha: 4 } })
  const report = headwater(['report', bad, unc, '--model', 'robust.json', '--out', 'robust', '--json'])
  expect(report.code).toBe(0)
  expect(read('robust/report.html')).toMatch(/Huber loss with α = 4/)
  expect(read('robust/tables/downweighted_cells.csv')).toMatch(/^sample,species,share_of_weight,.*\r\n2020-01-05,B,/)
  const other = headwater(['certify', con, unc, '--model', 'robust.json'])
  expect(other.code).toBe(65)
  expect(other.stderr).toMatch(/fitted to other data than these: the values differ/)
})

test('certify --robust judges a point of another program by a robust objective', () => {
  expect(headwater(['fit', ...SPOILT, '-p', '2', '-n', '5', '--robust', '2', '--out', 'two']).code).toBe(0)
  const files = ['--contributions', 'two/tables/contributions.csv', '--profiles', 'two/tables/profiles.csv']
  const plain = JSON.parse(headwater(['certify', ...SPOILT, ...files, '--json']).stdout)
  const robust = JSON.parse(headwater(['certify', ...SPOILT, ...files, '--json', '--robust', '2']).stdout)
  expect(robust.status).toBe('converged')
  expect(robust.q).toBeLessThanOrEqual(plain.q)
  expect(plain).not.toHaveProperty('robust')
})

test('what contradicts a robust fit is refused in words', () => {
  const refuse = (args: string[], reason: RegExp): void => {
    const run = headwater(args)
    expect(run.stderr).toMatch(reason)
    expect(run).toMatchObject({ code: 2, stdout: '' })
  }
  refuse([...FIT, '--robust', '--method', 'mu'], /--method mu minimises a plain sum of squares: --robust needs anls/)
  refuse([...FIT, '--pmf5', '--method', 'hals'], /--pmf5 needs anls or auto/)
  refuse([...FIT, '--robust', '-1'], /Expected a positive number α, or student:4/)
  refuse([...FIT, '--robust', 'student:'], /Expected a positive number α/)
  refuse(['fit', '--robust', con, unc, '-p', '2'], /write --robust=4/)
  refuse([...FIT, '--error-block', '0'], /--error-block must be a whole number of at least 1, got 0/)
  refuse(['certify', con, unc], /certify needs --contributions and --profiles, or --model/)
  refuse(['certify', con, unc, '--model', 'm', '--profiles', 'f'], /cannot be given beside it/)
})

test('every fit prints standard errors, has them in its JSON, and writes them into its tables', async () => {
  const run = headwater(['fit', ...CLEAR, '-p', '2', '-n', '5', '--quiet', '--out', 'errors'])
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/mean sum of all species \(± standard error\): factor 1 [\d.]+ ± [\d.]+/)
  const model = await factorize(await Dataset.read(...CLEAR), { factors: 2, starts: 5 })
  const errors = await model.standardErrors()
  const [header, ...lines] = read('errors/tables/profile_errors.csv')
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','))
  expect(header!.slice(0, 5)).toEqual(['factor', 'species', 'profile', 'standard_error', 'sandwich_error'])
  expect(lines.map((cells) => (cells[3] === '' ? NaN : Number(cells[3])))).toEqual([...errors.profiles.data])
  expect(read('errors/tables/contribution_errors.csv').split('\r\n')).toHaveLength(42)
  expect(read('errors/report.html')).toContain('Errors and outliers')
  const json = JSON.parse(
    headwater(['fit', ...CLEAR, '-p', '2', '-n', '5', '--json', '--error-scale', 'Q/nu', '--error-block', '3']).stdout,
  )
  expect(json.standardErrors).toMatchObject({ scale: 'Q/ν', block: 3, warnings: [] })
  const zero = model.profiles.data.indexOf(0)
  expect(json.standardErrors.profiles.flat()[zero]).toBeNull()
  const at = errors.profiles.data.findIndex((error) => error > 0)
  const by = json.standardErrors.profiles.flat()[at] / errors.profiles.data[at]!
  expect(by).toBeCloseTo(Math.sqrt(model.q / model.degreesOfFreedom), 8)
})

test('data are treated as the flags say, and every result says how', () => {
  const treat = ['--suggest-categories', '--strong', 'F', '--total', 'A', '--extra-uncertainty', '0.05']
  const more = ['--detection-limits', 'A=0.1,B=0.1,C=0.1', '--detection-limits', 'D=0.1,E=0.3,F=0']
  const run = headwater([...FIT, '--json', ...treat, ...more, '--below-detection', 'censored', '--exclude', 'A>3.5'])
  expect(run.stderr).toBe('')
  const document = JSON.parse(run.stdout)
  expect(document.treatment).toMatchObject({
    total: 'A',
    extraUncertainty: 0.05,
    belowDetection: 'censored',
    detectionLimits: { E: 0.3, F: 0 },
    categories: { A: 'weak', F: 'strong' },
    exclusions: [{ rule: 'A above 3.5' }],
  })
  expect(document.treatment.censoredCells).toBeGreaterThan(0)
  expect(document.data.censored).toBe(document.treatment.censoredCells)
  expect(document.massRegression).toMatchObject({ species: 'A', slopes: [expect.any(Number), expect.any(Number)] })
  expect(document.standardErrors.total).toBe('A')
  const check = headwater(['check', con, unc, ...more, '--below-detection', 'substitute'])
  expect(check.stdout).toMatch(/\d+ cells? at or below the detection limit: replaced by half the limit/)
})

test('wrong treatment flags are refused, all at once', () => {
  const run = headwater(['check', con, unc, '--detection-limits', 'A,B=x', '--weak', 'A', '--strong', 'A'])
  expect(run.code).toBe(2)
  expect(run.stderr).toMatch(/3 problems:[^]*both --strong and --weak[^]*got "A"[^]*got "B=x"/)
  const missing = headwater(['check', con, unc, '--below-detection', 'censored', '--detection-limits', 'A=1'])
  expect(missing.code).toBe(65)
  expect(missing.stderr).toMatch(/5 problems:[^]*"B": .*needs the detection limit of this species/)
  const percent = headwater(['check', con, unc, '--extra-uncertainty', '25'])
  expect(percent.stderr).toMatch(/--extra-uncertainty.* must be a share from 0 to 1/)
})

test('--pmf5 fits as that program does, and adds its tables', () => {
  const args = ['fit', con, unc, '-p', '2', '--pmf5', '--weak', 'F', '--total', 'A', '--out', 'pmf5', '--quiet']
  const run = headwater(args)
  expect(run.code).toBe(0)
  // 30 samples × 4 strong species (F and the total are weak), two factors.
  expect(run.stdout).toMatch(/as EPA PMF 5 prints it:[^]*Q\(expected\)\s+of\s+strong\s+species\s+52/)
  expect(run.stdout).toMatch(/2 factors, 20 starts/)
  const model = Factorization.fromJSON(read('pmf5/model.json'))
  expect(model.options).toMatchObject({ preset: 'pmf5', robust: { alpha: 4 }, starts: 20 })
  expect(model.data.treatment).toMatchObject({ preset: 'pmf5', missingPolicy: 'median' })
  expect(read('pmf5/tables/pmf5_runs.csv').split('\r\n')).toHaveLength(22)
  expect(read('pmf5/tables/pmf5_q.csv')).toMatch(/Q \(expected, strong species\)"?,52\r\n/)
  expect(read('pmf5/tables/pmf5_profiles.csv')).toMatch(/percentage of total variable,A,100,100\r\n/)
  // The same study again is not in its own way.
  expect(headwater(args).code).toBe(0)
})
