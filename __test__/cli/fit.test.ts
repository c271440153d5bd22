import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, factorize, Factorization } from '../../index.ts'
import { root } from '../native/problem.ts'
import { file, folder, headwater, ST_LOUIS, twoSources } from './cli.ts'

const [con, unc] = twoSources() as [string, string]

test('fit --json prints one document in the documented shape, with the numbers of the API', async () => {
  const run = headwater(['fit', ...ST_LOUIS, '--factors', '6', '--starts', '10', '--seed', '1', '--json'])
  expect(run.code).toBe(0)
  expect(run.stdout.endsWith('\n')).toBe(true)
  expect(run.stdout.trimEnd()).not.toContain('\n')
  const document = JSON.parse(run.stdout)
  expect(document).toMatchObject({
    headwater: '0.1.0',
    data: { rows: 418, columns: 13, missing: 0 },
    factors: 6,
    seed: 1,
    timing: { seconds: expect.any(Number), cpuSeconds: expect.any(Number) },
    best: {
      start: expect.any(Number),
      status: 'converged',
      qExpected: 418 * 13 - 6 * (418 + 13),
      iterations: expect.any(Number),
      certificate: {
        coordinateGap: expect.any(Number),
        blockGap: expect.any(Number),
        newtonDecrement: expect.any(Number),
        minCurvature: expect.any(Number),
      },
      warnings: [],
    },
  })
  expect(Math.abs(document.best.q / 6527.50031416 - 1)).toBeLessThan(1e-9)
  expect(document.starts).toHaveLength(10)
  expect(document.starts[0]).toMatchObject({ start: 0, status: 'converged', iterations: expect.any(Number) })
  expect(document.basins[0]).toMatchObject({ q: expect.any(Number), hits: expect.any(Number) })
  expect([document.profiles.length, document.profiles[0].length]).toEqual([6, 13])
  expect([document.contributions.length, document.contributions[0].length]).toEqual([418, 6])
  const data = await Dataset.read(ST_LOUIS[0]!, ST_LOUIS[1]!)
  expect(document.data.sha256).toEqual(data.sha256())
  const model = await factorize(data, { factors: 6, starts: 10, seed: 1 })
  expect(document.best.q).toBe(model.q)
  expect(document.profiles).toEqual(model.profiles.toJSON())
})

test('the result is on stdout, everything else on stderr, and --quiet leaves only the result', () => {
  const loud = headwater(['fit', con, unc, '-p', '2', '-n', '5'])
  expect(loud.code).toBe(0)
  expect(loud.stdout).toMatch(/30 samples × 6 species, 0 missing cells of 180/)
  expect(loud.stdout).toMatch(/status +converged: .*here is the proof/)
  expect(loud.stdout).toMatch(/1 minimum found\n +1 +\d+\.\d+ +lowest +5 hits/)
  expect(loud.stderr).toBe('headwater: 30 samples × 6 species read; fitting 2 factors\n')
  const quiet = headwater(['fit', con, unc, '-p', '2', '-n', '5', '--quiet'])
  expect(quiet).toMatchObject({ code: 0, stderr: '' })
  expect(quiet.stdout).toMatch(/^\n2 factors, 5 starts/)
  // No escape sequences where nobody looks at a terminal.
  expect(loud.stdout + loud.stderr).not.toContain('\x1b')
})

test('the same bits for any number of threads; --start chooses another start', () => {
  const run = (...more: string[]): any => {
    const { contributions, profiles, best } = JSON.parse(
      headwater(['fit', ...ST_LOUIS, '-p', '6', '-n', '6', '--json', ...more]).stdout,
    )
    return { contributions, profiles, best }
  }
  const one = run('--threads', '1')
  expect(run('--threads', '2')).toEqual(one)
  const other = run('--start', '0')
  expect(other.best.start).toBe(0)
  expect(other.best.q).toBeGreaterThanOrEqual(one.best.q)
})

test('data options reach the data, from flags and from a file', () => {
  const flags = headwater([
    ...['fit', con, unc, '-p', '2', '-n', '2', '--json'],
    ...[
      '--weak',
      'A, B',
      '--bad',
      'C',
      '--total',
      'D',
      '--exclude',
      '2020-01-03',
      '--exclude',
      '2020-01-05..2020-01-07',
    ],
  ])
  expect(flags.code).toBe(0)
  const options = file(
    JSON.stringify({
      categories: { A: 'weak', B: 'weak', C: 'bad' },
      total: 'D',
      exclude: ['2020-01-03', { from: '2020-01-05', to: '2020-01-07' }],
    }),
    'options.json',
  )
  const fromFile = headwater(['fit', con, unc, '-p', '2', '-n', '2', '--json', '--options', options])
  const document = JSON.parse(flags.stdout)
  expect(document.data).toMatchObject({ rows: 26, columns: 5, species: ['A', 'B', 'D', 'E', 'F'] })
  expect(JSON.parse(fromFile.stdout).data).toEqual(document.data)
})

test('--save writes a model that the API reads back, factor names included', () => {
  const saved = join(folder, 'model.json')
  const run = headwater(['fit', con, unc, '-p', '2', '-n', '3', '--save', saved, '--name-factor', '1=road dust'])
  expect(run.code).toBe(0)
  expect(run.stdout).toContain('road dust')
  const model = Factorization.fromJSON(readFileSync(saved, 'utf8'))
  expect(model.profiles.rowNames).toEqual(['road dust', 'factor 2'])
  expect(model.contributions.colNames).toEqual(['road dust', 'factor 2'])
  expect(`${JSON.stringify(model)}\n`).toBe(readFileSync(saved, 'utf8'))
  // The same study may be saved again; another one may not.
  expect(headwater(['fit', con, unc, '-p', '2', '-n', '3', '--save', saved]).code).toBe(0)
  const before = readFileSync(saved, 'utf8')
  const other = headwater(['fit', con, unc, '-p', '2', '-n', '4', '--save', saved])
  expect(other).toMatchObject({ code: 2, stdout: '' })
  expect(other.stderr).toMatch(/model\.json exists and holds something else \(.*--force/)
  expect(readFileSync(saved, 'utf8')).toBe(before)
})

test('without --factors: a hint', () => {
  const run = headwater([con, unc])
  expect(run).toMatchObject({ code: 2, stdout: '' })
  expect(run.stderr).toMatch(/^headwater: --factors is needed.*\(for example: headwater .* --factors 6\)\n$/)
})

test('the whole study writes model, report and tables into out/', () => {
  const cwd = join(folder, 'study')
  mkdirSync(cwd)
  const run = headwater([con, unc, '--factors', '2', '--starts', '4'], {}, cwd)
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/to look at|Nothing suspicious/)
  expect(run.stderr).toMatch(/report and tables in out \(\d+ files\)/)
  expect(readdirSync(join(cwd, 'out'))).toEqual(expect.arrayContaining(['model.json', 'report.html', 'tables']))
  expect(statSync(join(cwd, 'out', 'report.html')).size).toBeGreaterThan(1000)
  for (const name of ['profiles', 'contributions', 'residuals', 'scaled_residuals', 'starts']) {
    expect(readdirSync(join(cwd, 'out', 'tables'))).toContain(`${name}.csv`)
  }

  // Again: the same study. With other settings: another one.
  expect(headwater([con, unc, '--factors', '2', '--starts', '4'], {}, cwd).code).toBe(0)
  const other = headwater([con, unc, '--factors', '3', '--starts', '4'], {}, cwd)
  expect(other).toMatchObject({ code: 2, stdout: '' })
  expect(other.stderr).toMatch(/out holds another study, of the same data with other settings .*--force/)
  expect(headwater([con, unc, '--factors', '3', '--starts', '4', '--force'], {}, cwd).code).toBe(0)
  expect(Factorization.fromJSON(readFileSync(join(cwd, 'out', 'model.json'), 'utf8')).factors).toBe(3)
})

test('a folder with files of somebody else is left alone', () => {
  const out = join(folder, 'theirs')
  mkdirSync(out)
  writeFileSync(join(out, 'thesis.txt'), 'years of work')
  const run = headwater(['fit', con, unc, '-p', '2', '--out', out])
  expect(run).toMatchObject({ code: 2, stdout: '' })
  expect(run.stderr).toMatch(/is not empty, and what is in it is no study of headwater/)
  expect(readdirSync(out)).toEqual(['thesis.txt'])
})

test('report rebuilds from a saved model, and only with the data that it was fitted to', () => {
  const saved = join(folder, 'saved.json')
  headwater(['fit', con, unc, '-p', '2', '-n', '2', '--save', saved, '--weak', 'A'])
  const out = join(folder, 'rebuilt')
  const wrong = headwater(['report', con, unc, '--model', saved, '--out', out])
  expect(wrong).toMatchObject({ code: 65, stdout: '' })
  expect(wrong.stderr).toMatch(/other data than these: the uncertainties differ \(.*--weak/)
  expect(existsSync(out)).toBe(false)
  const right = headwater(['report', con, unc, '--model', saved, '--out', out, '--weak', 'A'])
  expect(right).toMatchObject({ code: 0, stderr: '' })
  expect(right.stdout).toMatch(/report and tables in /)
  expect(existsSync(join(out, 'report.html'))).toBe(true)
})

test('a minimum that is not unique is not told as if it were', () => {
  const planted = (name: string): string => {
    const text = readFileSync(join(root, '__test__/fixtures/pmf/planted', `duplicate_columns.${name}.csv`), 'utf8')
    const lines = text.trimEnd().split('\n')
    const header = ['sample', ...lines[0]!.split(',').keys()].map((j) => `c${j}`)
    return file(`${header.join(',')}\n${lines.map((line, i) => `s${i},${line}\n`).join('')}`)
  }
  const run = headwater(['fit', planted('V'), planted('U'), '-p', '3', '-n', '3'])
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/status +converged: .*but other solutions fit equally well/)
  expect(run.stdout).toMatch(/Q is flat along \d+ directions/)
  expect(run.stdout).toMatch(/\[not-unique\]/)
})
