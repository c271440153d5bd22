/** Displacement from the command line. */
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

test('--json prints the base, the intervals of the API, swaps and the error code', async () => {
  const run = headwater(['displace', ...FIT, '--levels', '4,8', '--species', 'A,C', '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const model = await factorize(await Dataset.read(con, unc), { factors: 2, starts: 5 })
  const found = await model.displacement({ levels: [4, 8], species: ['A', 'C'] })
  expect(document.best).toMatchObject({ q: model.q, status: 'converged' })
  expect(document.profiles).toEqual(model.profiles.toJSON())
  expect(document.elements).toEqual(JSON.parse(JSON.stringify(found.elements)))
  const element = document.elements.find(({ base }: { base: number }) => base > 0)
  expect(element).toEqual({
    factor: element.factor,
    species: expect.stringMatching(/^[AC]$/),
    column: element.species === 'A' ? 0 : 2,
    base: expect.any(Number),
    standardError: expect.any(Number),
    levels: [4, 8].map((level) => expect.objectContaining({ level, lowerBranch: false, upperDeltaQ: expect.closeTo(level, 3) })), // prettier-ignore
  })
  expect(document).toMatchObject({
    swaps: [
      { level: 4, counts: [0, 0] },
      { level: 8, counts: [0, 0] },
    ],
    largestDecrease: 0,
    errorCode: 0,
    status: 'converged',
    restarts: 0,
  })
  expect(document.warnings.map(({ code }: { code: string }) => code)).toEqual(['levels-off-scale'])
})

test('a saved model is displaced with its data, and tables go beside it', () => {
  expect(headwater(['fit', ...FIT, '--robust', '--save', 'saved.json']).code).toBe(0)
  const args = ['displace', con, unc, '--model', 'saved.json', '--elements', '1:B,0:A', '--levels', '4']
  const run = headwater([...args, '--out', 'displaced'])
  expect(run.code).toBe(0)
  expect(run.stderr).toMatch(/displacing elements of 2 factors/)
  expect(run.stdout).toMatch(/Huber loss/)
  expect(run.stdout).toMatch(/Displacement: 2 elements/)
  expect(run.stdout).toMatch(/factor +species +base +± error +ΔQ 4\n +factor 2 +B +[\d.]+ +[\d.]+ +[\d.]+ to [\d.]+/)
  expect(run.stdout).toMatch(/error code 0: in order; largest decrease of Q 0/)
  const [header, first] = read('displaced/tables/displacement.csv').split('\r\n')
  expect(header).toMatch(/^factor,species,base,standard_error,level,lower,upper,lower_delta_q,/)
  expect(first).toMatch(/^factor 2,B,[\d.]+,[\d.]+,4,/)
  expect(read('displaced/tables/displacement_swaps.csv')).toBe('level,factor 1,factor 2\r\n4,0,0\r\n')
  const kept = JSON.parse(read('displaced/displacement.json'))
  expect(kept.elements).toEqual(JSON.parse(headwater([...args, '--json']).stdout).elements)
  expect(JSON.parse(read('displaced/model.json')).options.robust).toEqual({ alpha: 4 })
  // Another study is not overwritten.
  expect(headwater(['displace', ...FIT, '--out', 'displaced'])).toMatchObject({ code: 2, stdout: '' })
})

test('--level-scale multiplies the levels', () => {
  const run = headwater(['displace', ...FIT, '--species', 'A', '--levels', '4', '--level-scale', 'Q/nu', '--no-check'])
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/levels times Q\/ν = \d/)
})

test('what is wrong is refused before the fit', () => {
  const refuse = (args: string[], reason: RegExp, code: number = 2): void => {
    const run = headwater(['displace', ...args])
    expect(run.stderr).toMatch(reason)
    expect(run).toMatchObject({ code, stdout: '' })
  }
  refuse([con, unc], /displace needs --factors, or --model/)
  refuse([con, unc, '-p', '2', '--model', 'x', '-n', '4'], /--model holds a fit: --factors, --starts cannot/)
  refuse([...FIT, '--species', 'A,Q1'], /species\[1\] must be one of the fitted species/)
  refuse([...FIT, '--species', 'A', '--elements', '0:A'], /exclude each other/)
  refuse([...FIT, '--elements', '2:A,0:B'], /elements\[0\]\.factor must be a whole number from 0 to 1, got 2/)
  refuse([...FIT, '--elements', 'A'], /Expected factors \(from 0\) and species/)
  refuse([...FIT, '--levels', '8,4'], /levels must ascend/)
  refuse([...FIT, '--levels', '0'], /levels\[0\] must be a positive/)
  refuse([...FIT, '--levels', 'x'], /Expected numbers separated by commas/)
  refuse([con, unc, '-p', '7'], /factors/)
  refuse([con, unc, '-p', '4000000000'], /factors/)
  headwater(['fit', ...FIT, '--save', 'two.json'])
  refuse([...ST_LOUIS, '--model', 'two.json'], /fitted to other data/, 65)
})

test.runIf(process.platform !== 'win32')('a signal keeps what is done', async () => {
  expect(headwater(['fit', ...ST_LOUIS, '-p', '6', '-n', '6', '--quiet', '--save', 'six.json']).code).toBe(0)
  const args = ['displace', ...ST_LOUIS, '--model', 'six.json', '--threads', '1', '--json']
  const { child, ended, until } = start(args)
  await until('stderr', /displacing elements/)
  await new Promise((resolve) => setTimeout(resolve, 300))
  child.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(run.stderr).toMatch(/stopped when \d+ elements? had been displaced/)
  const document = JSON.parse(run.stdout)
  expect(document).toMatchObject({ errorCode: 6, status: 'aborted' })
  expect(document.elements.length).toBeLessThan(78)
})

test.runIf(process.platform !== 'win32')('a signal during the fit keeps the fit', async () => {
  const { child, ended, until } = start(['displace', ...ST_LOUIS, ...ENDLESS, '--starts', '2', '--json'])
  await until('stderr', /fitting 6 factors/)
  await new Promise((resolve) => setTimeout(resolve, 500))
  child.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(run.stderr).toMatch(/stopped when 0 elements had been displaced/)
  expect(JSON.parse(run.stdout)).toMatchObject({ best: { status: 'aborted' }, elements: [], errorCode: 6 })
})
