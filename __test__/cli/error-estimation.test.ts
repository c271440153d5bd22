/** Error estimation within `fit` and the whole study. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Factorization } from '../../index.ts'
import { folder, headwater, ST_LOUIS, start } from './cli.ts'

const FIT = [...ST_LOUIS, '-p', '3', '-n', '4', '--seed', '1']
const QUICK = ['--runs', '5', '--species', 'Zn,SO4', '--levels', '4,8']

test('fit estimates what it is asked for, and --json has a key per method and the summary', () => {
  const run = headwater(['fit', ...FIT, '--error-estimation', 'disp,bs', ...QUICK, '--json', '-q'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const { bootstrap, displacement, errorSummary, standardErrors, profiles, data } = JSON.parse(run.stdout)
  expect(bootstrap).toMatchObject({ status: 'converged', runs: 5, seed: 1 })
  expect(bootstrap.resamples).toHaveLength(5)
  expect(displacement).toMatchObject({ status: 'converged', levels: [4, 8] })
  expect(displacement.elements).toHaveLength(6)
  expect(errorSummary.incomplete).toEqual([])
  for (const { factor, column, levels } of displacement.elements) {
    const one = errorSummary.elements[factor * data.species.length + column]
    expect(one.species).toBe(data.species[column])
    expect(one.base).toBe(profiles[factor][column])
    expect(one.displacement).toEqual(levels)
    expect(one.laplace.standardError).toBe(standardErrors.profiles[factor][column])
    const element = bootstrap.quantiles.find((of: { factor: number; column: number }) => of.factor === factor && of.column === column) // prettier-ignore
    expect(one.bootstrap.q95).toBe(element.percent['95'])
  }
})

test('bootstrap with displacement, beside the others or alone', () => {
  const some = ['--runs', '3', '--elements', '0:Zn,2:SO4']
  const run = headwater(['fit', ...FIT, '--error-estimation', 'bs-disp,disp', ...some, '--json', '-q'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const { bootstrap, displacement, bootstrapDisplacement, errorSummary } = JSON.parse(run.stdout)
  expect(bootstrap).toBe(undefined)
  expect(displacement.levels).toEqual([4, 8, 15, 25])
  expect(bootstrapDisplacement).toMatchObject({ runs: 3, levels: [0.5, 1, 2, 4] })
  const both = errorSummary.elements.filter((one: { bootstrapDisplacement?: object }) => one.bootstrapDisplacement)
  expect(both.map(({ factor, species }: { factor: number; species: string }) => [factor, species])).toEqual([
    [0, 'Zn'],
    [2, 'SO4'],
  ])
  expect(both[1].bootstrapDisplacement).toEqual(bootstrapDisplacement.elements[1].levels)
  expect(both[1].displacement).toEqual(displacement.elements[1].levels)
  const words = headwater(['fit', ...FIT, '--error-estimation', 'bs-disp', ...some])
  expect(words.stdout).toMatch(/BS-DISP: \d of 3 resamples accepted/)
  expect(words.stdout).toMatch(/base +± error +BS-DISP ΔQ 0.5\n/)
})

test('fit alone estimates nothing', () => {
  const document = JSON.parse(headwater(['fit', ...FIT, '--json', '-q']).stdout)
  for (const key of ['bootstrap', 'displacement', 'bootstrapDisplacement', 'errorSummary'])
    expect(document).not.toHaveProperty(key)
})

test('the whole study does bootstrap and displacement, into report, tables and files', () => {
  const out = join(folder, 'study')
  const run = headwater([...FIT, '--runs', '5', '--out', out])
  expect(run.code).toBe(0)
  expect(run.stderr).toMatch(/bootstrap \(5 resamples\), displacement; --error-estimation none leaves that out/)
  expect(run.stdout).toMatch(/Error estimation\n +Bootstrap: 5 resamples/)
  expect(run.stdout).toMatch(/Displacement: 39 elements held/)
  const read = (file: string) => JSON.parse(readFileSync(join(out, file), 'utf8'))
  expect(read('bootstrap.json').resamples[4].profiles).toHaveLength(3)
  expect(read('displacement.json').elements).toHaveLength(39)
  expect(read('error-summary.json').elements).toHaveLength(39)
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('section-error-comparison')
  expect(readFileSync(join(out, 'tables', 'error_summary.csv'), 'utf8').split('\r\n')).toHaveLength(41)
  // Another study in its place: what was estimated of the first one is not about it.
  const other = ['-p', '2', '-n', '4', '--error-estimation', 'none', '--out', out, '--force', '-q']
  expect(headwater([...ST_LOUIS, ...other]).code).toBe(0)
  expect(existsSync(join(out, 'displacement.json'))).toBe(false)
  expect(readFileSync(join(out, 'report.html'), 'utf8')).not.toContain('section-error-comparison')
})

test('the report of a saved model can be given the same estimates', () => {
  const [first, second] = [join(folder, 'estimated'), join(folder, 'again')]
  const estimation = ['--error-estimation', 'bs,disp', ...QUICK]
  expect(headwater(['fit', ...FIT, ...estimation, '--out', first, '-q']).code).toBe(0)
  const again = ['--model', join(first, 'model.json'), '--out', second]
  expect(headwater(['report', ...ST_LOUIS, ...again, ...estimation]).code).toBe(0)
  const summary = (out: string) => readFileSync(join(out, 'error-summary.json'), 'utf8')
  expect(summary(second)).toBe(summary(first))
  const table = (out: string) => readFileSync(join(out, 'tables', 'error_summary.csv'), 'utf8')
  expect(table(second)).toBe(table(first))
  expect(readFileSync(join(second, 'report.html'), 'utf8')).toContain('section-error-comparison')
})

test('without a folder the intervals are printed', () => {
  const run = headwater(['fit', ...FIT, '--error-estimation', 'bs,disp', ...QUICK])
  expect(run.stdout).toMatch(/factor +species +base +± error +BS 5 to 95 % +DISP ΔQ 4\n/)
  expect(run.stdout).toMatch(/factor 1 +SO4 +[\d.]+ +[\d.e-]+ +[\d.e-]+ to [\d.e-]+ +[\d.e-]+ to [\d.e-]+\n/)
})

test('a study without strong species leaves displacement out, unless it is asked for', () => {
  const weak = ['--weak', 'Cd,Cu,Fe,Mn,Ni,Pb,Se,Zn,SO4,NO3,OC,EC,Mass', '-q', '--out', join(folder, 'weak')]
  const run = headwater([...FIT, '--runs', '3', ...weak])
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/Bootstrap: 3 resamples/)
  expect(run.stdout).not.toMatch(/Displacement/)
  expect(headwater([...FIT, '--error-estimation', 'disp', ...weak, '--force']).stderr).toMatch(/no strong species/)
})

test.each([
  [['--error-estimation', 'bsdisp'], 2, /Expected any of bs, disp, bs-disp, or none, got "bsdisp".*bs-disp/],
  [['--error-estimation', 'none,bs'], 2, /"none" stands alone/],
  [['--runs', '5'], 2, /--runs is for error estimation: it needs --error-estimation/],
  [['--error-estimation', 'disp', '--levels', '4,0'], 2, /levels\[1\] must be a positive finite number/],
  [['--error-estimation', 'disp', '--species', 'Zm'], 2, /must be one of the fitted species.*did you mean "Zn"/],
  [['--error-estimation', 'bs', '--runs', '0'], 2, /--runs must be a whole number of at least 1/],
  [['--error-estimation', 'disp', '--elements', '7:Zn'], 2, /must be a whole number from 0 to 2/],
])('%j is refused before the fit', (args, code, message) => {
  const run = headwater(['fit', ...FIT, ...args])
  expect(run.code).toBe(code)
  expect(run.stderr).toMatch(message)
  expect(run.stderr).not.toMatch(/fitting/)
})

test.runIf(process.platform !== 'win32')('Ctrl-C keeps what was estimated and marks it', async () => {
  const out = join(folder, 'stopped')
  const endless = ['--error-estimation', 'bs,disp', '--runs', '1000000', '--json', '--out', out]
  const { child, ended, until } = start(['fit', ...FIT, ...endless])
  await until('stderr', /error estimation: bootstrap/)
  await sleep(3000)
  child.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(run.stderr).toMatch(/stopped during error estimation; the fit is whole/)
  const { best, bootstrap, displacement, errorSummary } = JSON.parse(run.stdout)
  expect(best.status).toBe('converged')
  expect(bootstrap.status).toBe('aborted')
  expect(bootstrap.resamples.length).toBeGreaterThan(0)
  expect(displacement).toBe(undefined)
  expect(errorSummary.incomplete).toEqual(['bootstrap'])
  expect(Factorization.fromJSON(readFileSync(join(out, 'model.json'), 'utf8')).status).toBe('converged')
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toMatch(/resamples? \(stopped; 1000000 were asked for\)/)
})
