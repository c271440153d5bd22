/** Bootstrap, and bootstrap with displacement, from the command line. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, factorize } from '../../index.ts'
import { csv, ENDLESS, file, folder, headwater, ST_LOUIS, start } from './cli.ts'
import { spoilt } from '../pmf/sources.ts'

const { values, uncertainties } = spoilt()
const [con, unc] = [values, uncertainties].map((matrix) =>
  file(csv([['sample', ...'ABCDEF'], ...matrix.toArray().map((row, i) => [`s${i}`, ...row])])),
) as [string, string]
const FIT = [con, unc, '-p', '2', '-n', '5', '--quiet']
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const api = async () => factorize(await Dataset.read(con, unc), { factors: 2, starts: 5 })
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const codes = (document: { warnings: { code: string }[] }): string[] => document.warnings.map(({ code }) => code)

test('bootstrap --json prints the base, both mappings, quantiles and quartiles of Q as the API has them', async () => {
  const run = headwater(['bootstrap', ...FIT, '--runs', '6', '--block', '2', '--elements', '0:A,1:D', '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const model = await api()
  const found = await model.bootstrap({ runs: 6, block: 2 })
  expect(document.best).toMatchObject({ q: model.q, status: 'converged' })
  expect(document.profiles).toEqual(model.profiles.toJSON())
  expect(document.mapping).toEqual(found.mapping)
  expect(document.nearest).toEqual(found.nearest)
  expect(document.q).toEqual(found.q)
  expect(document.resamples).toEqual(plain(found.resamples))
  expect(document).toMatchObject({ status: 'converged', runs: 6, block: 2, threshold: 0.6, seed: 0, bootstrapSeed: 0 })
  expect(document.timing.seconds).toBeGreaterThan(0)
  expect(document.bootstrapTiming.seconds).toBeGreaterThan(0)
  const { count, mean, deviation, quantiles } = found.statistics
  const places = [
    [0, 0, 'A'],
    [1, 3, 'D'],
  ] as const
  expect(document.quantiles).toEqual(
    places.map(([factor, column, species]) => ({
      ...{ factor, species, column, base: model.profiles.get(factor, column), count: count.get(factor, column) },
      ...{ mean: mean.get(factor, column), deviation: deviation.get(factor, column) },
      percent: Object.fromEntries(Object.entries(quantiles).map(([share, of]) => [share, of.get(factor, column)])),
    })),
  )
})

test('bs-disp --json prints the base, the summary and the resamples as the API has them', async () => {
  const own = ['--runs', '4', '--seed', '3', '--levels', '0.5,2', '--species', 'A,C', '--level-scale', 'Q/nu']
  const run = headwater(['bs-disp', ...FIT, ...own, '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const model = await factorize(await Dataset.read(con, unc), { factors: 2, starts: 5, seed: 3 })
  const found = await model.bootstrapDisplacement({
    ...{ runs: 4, seed: 3, levels: [0.5, 2], species: ['A', 'C'], levelScale: 'Q/ν' },
  })
  expect(document.best).toMatchObject({ q: model.q, status: 'converged' })
  for (const key of ['elements', 'resamples', 'swaps', 'accepted', 'largestDecrease', 'levelFactor', 'block'] as const)
    expect(document[key]).toEqual(plain(found[key]))
  expect(document).toMatchObject({ status: 'converged', seed: 3, bootstrapDisplacementSeed: 3, levelScale: 'Q/ν' })
  expect(document.bootstrap.mapping).toEqual(found.bootstrap.mapping)
  expect(document.elements).toHaveLength(4)
  expect(document.elements[0]).toEqual({
    ...{
      factor: 0,
      species: 'A',
      column: 0,
      base: expect.any(Number),
      standardError: document.elements[0].standardError,
    },
    levels: [0.5, 2].map((level) => expect.objectContaining({ level, count: found.accepted })),
  })
  expect(codes(document)).toEqual(['few-resamples-accepted'])
})

test('a saved model is resampled with its data, and tables go beside it', () => {
  expect(headwater(['fit', ...FIT, '--robust', '--save', 'saved.json']).code).toBe(0)
  const args = ['bootstrap', con, unc, '--model', 'saved.json', '--species', 'B', '--runs', '5']
  const run = headwater([...args, '--out', 'resampled'])
  expect(run.code).toBe(0)
  expect(run.stderr).toMatch(/resampling a model of 2 factors/)
  expect(run.stdout).toMatch(/Huber loss/)
  expect(run.stdout).toMatch(/Bootstrap: 5 resamples, blocks of \d+ samples?, seed 0/)
  expect(run.stdout).toMatch(/ +1 +2 +none +\| +1 +2\n +factor 1 +5 +0 +0 +\| +5 +0\n +factor 2 +0 +5 +0 +\| +0 +5\n/)
  expect(run.stdout).toMatch(/0 resamples in which two factors have the same nearest one/)
  expect(run.stdout).toMatch(/factor +species +base +mean +± sd +5 % +25 % +50 % +75 % +95 %\n +factor 1 +B +[\d.]+ /)
  expect(run.stdout).not.toMatch(/factor 1 +A/)
  const [header, first] = read('resampled/tables/bootstrap.csv').split('\r\n')
  expect(header).toBe('factor,species,base,resamples,mean,standard_deviation,q2.5,q5,q25,q50,q75,q95,q97.5')
  expect(first).toMatch(/^factor 1,B,[\d.e-]+,5,[\d.e-]+,/)
  expect(read('resampled/tables/bootstrap_mapping.csv').split('\r\n')[1]).toBe('one to one,factor 1,5,0,0')
  expect(read('resampled/tables/bootstrap_resamples.csv').split('\r\n')).toHaveLength(7)
  const kept = JSON.parse(read('resampled/bootstrap.json'))
  const printed = JSON.parse(headwater([...args, '--json']).stdout)
  expect(kept.mapping).toEqual(printed.mapping)
  expect(kept.statistics.quantiles['5'][0][1]).toBe(printed.quantiles[0].percent['5'])
  expect(JSON.parse(read('resampled/model.json')).options.robust).toEqual({ alpha: 4 })

  const more = ['bs-disp', con, unc, '--model', 'saved.json', '--elements', '1:B,0:A', '--levels', '1', '--runs', '5']
  const displaced = headwater([...more, '--out', 'displaced-resamples'])
  expect(displaced.code).toBe(0)
  expect(displaced.stderr).toMatch(/displacing elements in resamples of 2 factors/)
  expect(displaced.stdout).toMatch(/BS-DISP: 5 resamples, blocks of \d+ samples?, seed 0, 2 elements/)
  expect(displaced.stdout).toMatch(/accepted +[345]\n +a refit found a lower Q +\d\n +factors swapped in the fit +\d\n/)
  expect(displaced.stdout).toMatch(/accepted are those whose fit is converged, [^]*no factors exchanged at ΔQ\s+1;/)
  expect(displaced.stdout).toMatch(/largest decrease of Q /)
  expect(displaced.stdout).toMatch(
    /factor +species +base +± error +ΔQ 1\n +factor 2 +B +[\d.]+ +[\d.]+ +[\d.]+ to [\d.]+/,
  )
  expect(read('displaced-resamples/tables/bs_disp.csv').split('\r\n')[1]).toMatch(/^factor 2,B,[\d.]+,[\d.]+,1,[\d.]+,/)
  expect(read('displaced-resamples/tables/bs_disp_resamples.csv').split('\r\n')).toHaveLength(7)
  expect(read('displaced-resamples/tables/bs_disp_swaps.csv')).toMatch(/^level,factor 1,factor 2\r\n1,\d+,\d+\r\n$/)
  expect(read('displaced-resamples/tables/bootstrap_mapping.csv')).toMatch(/^mapping,/)
  expect(JSON.parse(read('displaced-resamples/bootstrap-displacement.json')).elements).toHaveLength(2)
  // Another study is not overwritten.
  expect(headwater(['bootstrap', ...FIT, '--out', 'resampled'])).toMatchObject({ code: 2, stdout: '' })
})

test('what is wrong is refused before the fit', () => {
  const refuse = (args: string[], reason: RegExp, code: number = 2): void => {
    const run = headwater(args)
    expect(run.stderr).toMatch(reason)
    expect(run).toMatchObject({ code, stdout: '' })
  }
  for (const command of ['bootstrap', 'bs-disp']) {
    refuse([command, con, unc], new RegExp(`${command} needs --factors, or --model`))
    refuse([command, con, unc, '--model', 'x', '-n', '4'], /--model holds a fit: --starts cannot/)
    refuse([command, ...FIT, '--runs', '0'], /--runs must be a whole number of at least 1, got 0/)
    refuse([command, ...FIT, '--block', '41'], /block must be a whole number from 1 to 40, got 41/)
    refuse([command, ...FIT, '--threshold', '2'], /threshold must be a finite number from 0 to 1, got 2/)
    refuse([command, ...FIT, '--species', 'A,Q1'], /species\[1\] must be one of the fitted species/)
    // Before the fit indeed: this one would not end.
    refuse(
      [command, ...ST_LOUIS, ...ENDLESS, '--species', 'Q1', '--block', '419'],
      /2 problems:[^]*block must[^]*species/,
    )
    refuse([command, ...FIT, '--elements', '2:A'], /elements\[0\]\.factor must be a whole number from 0 to 1, got 2/)
    refuse([command, con, unc, '-p', '7', '--runs', '2'], /factors/)
    refuse([command, con, unc, '--model', 'none.json'], /there is no such file/, 66)
  }
  refuse(['bs-disp', ...FIT, '--levels', '-1,2'], /levels\[0\] must be a positive/)
  refuse(['bs-disp', ...FIT, '--levels', '2,1'], /levels must ascend/)
  refuse(['bootstrap', ...FIT, '--levels', '1'], /unknown option '--levels'/)
  headwater(['fit', ...FIT, '--save', 'two.json'])
  refuse(['bootstrap', ...ST_LOUIS, '--model', 'two.json'], /fitted to other data/, 65)
})

test('a base that is not converged is estimated all the same, with a warning', () => {
  const early = [con, unc, '-p', '2', '-n', '1', '--method', 'mu', '--stop', '30,1', '--quiet']
  for (const command of ['bootstrap', 'bs-disp']) {
    const run = headwater([command, ...early, '--runs', '2', '--species', 'A', '--json'])
    // Nothing converged: the exit code of the fit.
    expect(run.code).toBe(70)
    expect(codes(JSON.parse(run.stdout))).toContain('base-not-converged')
  }
})

test.runIf(process.platform !== 'win32')('a signal keeps the resamples that are done', async () => {
  expect(headwater(['fit', ...ST_LOUIS, '-p', '4', '-n', '6', '--quiet', '--save', 'four.json']).code).toBe(0)
  for (const [command, announced] of [
    ['bootstrap', /resampling/],
    ['bs-disp', /displacing/],
  ] as const) {
    // prettier-ignore
    const args = [command, ...ST_LOUIS, '--model', 'four.json', '--runs', '100000', '--species', 'Fe', '--threads', '1']
    const { child, ended, until } = start([...args, '--json'])
    await until('stderr', announced)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    child.kill('SIGINT')
    const run = await ended
    expect(run.code).toBe(130)
    expect(run.stderr).toMatch(/stopped when \d+ resamples had been (fitted|displaced)/)
    const document = JSON.parse(run.stdout)
    expect(document.status).toBe('aborted')
    expect(document.resamples.length).toBeGreaterThan(0)
    expect(document.resamples.length).toBeLessThan(100000)
    expect(codes(document)).toContain('bootstrap-incomplete')
  }
})

test.runIf(process.platform !== 'win32')('a signal during the fit keeps the fit', async () => {
  const { child, ended, until } = start(['bootstrap', ...ST_LOUIS, ...ENDLESS, '--starts', '2', '--json'])
  await until('stderr', /fitting 6 factors/)
  await new Promise((resolve) => setTimeout(resolve, 500))
  child.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(run.stderr).toMatch(/stopped when 0 resamples had been fitted/)
  expect(JSON.parse(run.stdout)).toMatchObject({ best: { status: 'aborted' }, status: 'aborted', quantiles: [] })
})
