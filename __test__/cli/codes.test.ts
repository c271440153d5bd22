import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { csv, file, folder, headwater, ST_LOUIS, twoSources, type Run } from './cli.ts'

const [con, unc] = twoSources() as [string, string]

/** A run that must fail: nothing on stdout, the code, and the reason in words. */
function fails(run: Run, code: number, reason: RegExp): void {
  expect(run.stderr).toMatch(reason)
  expect(run).toMatchObject({ code, stdout: '' })
  // Reasons, not stack traces.
  if (code !== 1) expect(run.stderr).not.toMatch(/\n {4}at /)
}

test('0: help and version go to stdout', () => {
  expect(headwater(['--version'])).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' })
  const help = headwater(['--help'])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  for (const word of [
    'fit',
    'certify',
    'bootstrap',
    'displace',
    'bs-disp',
    'check',
    'report',
    'Exit codes',
    'Examples',
  ])
    expect(help.stdout).toContain(word)
  for (const command of ['fit', 'certify', 'bootstrap', 'displace', 'bs-disp', 'check', 'report']) {
    const { code, stdout } = headwater([command, '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain(`headwater ${command} [options] <con> <unc>`)
    expect(stdout).toContain('--date-order')
  }
})

test('1: a defect is told as one, with a request to report it', () => {
  const broken = "data:text/javascript,Float64Array.from = () => { throw new RangeError('planted defect') }"
  const run = headwater(['check', con, unc], { NODE_OPTIONS: `--import "${broken.replaceAll(' ', '%20')}"` })
  fails(run, 1, /this is a defect of headwater, not of your data\. Please report it.*\nRangeError: planted defect/)
})

test('2: wrong usage, with what was probably meant', () => {
  fails(headwater([]), 2, /Usage: headwater/)
  fails(headwater(['chekc', con, unc]), 2, /no command or file "chekc" \(did you mean "headwater check"\?\)/)
  fails(headwater(['fit', con, unc, '--factrs', '3']), 2, /unknown option '--factrs'\n\(Did you mean --factors\?\)/)
  fails(headwater(['fit', con]), 2, /missing required argument 'unc'/)
  fails(headwater(['fit', con, unc, unc, '-p', '2']), 2, /too many arguments/)
  fails(headwater(['fit', con, unc, '-p', '2', '--method', 'als']), 2, /Allowed choices are auto, anls, hals, mu/)
  fails(headwater(['fit', con, unc, '-p', '7']), 2, /7 factors asked for, but 30 samples × 6 species allow at most 6/)
  fails(headwater(['fit', con, unc, '-p', '2', '--name-factor', 'soil']), 2, /such as 1=traffic, got "soil"/)
  fails(headwater(['fit', con, unc, '-p', '2', '--name-factor', '3=soil']), 2, /there are 2 factors, numbered from 1/)
  fails(headwater(['fit', con, unc, '-p', '2', '--weak', 'Zn']), 2, /--weak or --bad names the species "Zn"/)
  fails(headwater(['fit', con, unc, '-p', '2', '--weak', 'A', '--bad', 'A']), 2, /"A" cannot be both --weak and --bad/)
  fails(headwater(['check', con, unc, '--zero-uncertainty', 'meadian']), 2, /got "meadian" \(did you mean median\?\)/)
  fails(headwater(['check', con, unc, '--exclude', '2021-05-05']), 2, /no sample "2021-05-05", which is to be excluded/)
})

test('2: all wrong numbers at once, by the names of the flags', () => {
  fails(
    headwater(['fit', con, unc, '-p', 'six', '--starts', '2.5', '--max-iterations', '0']),
    2,
    /3 problems:\n {2}--factors must be .* got six\n {2}--starts must be .*, or auto, got 2\.5\n {2}--max-iterations must be .* at least 1, got 0\n/,
  )
})

const header = ['date', 'A', 'B']
const good = file(csv([header, ['2020-01-01', 1, 2], ['2020-01-02', 2, 1], ['2020-01-03', 2, 3]]))

test.each<[string, string | Uint8Array, RegExp]>([
  [
    'a word',
    csv([header, ['2020-01-01', 1, 'x7'], ['2020-01-02', 2, 1], ['2020-01-03', 2, 3]]),
    /line 2, column 3, "B": .*x7/,
  ],
  [
    'a short line',
    'date,A,B\n2020-01-01,1\n2020-01-02,2,1\n',
    /line 2, column 2: expected 3 fields as in the header, found 2/,
  ],
  ['two columns of one name', 'date,A,A\n2020-01-01,1,2\n2020-01-02,2,1\n', /line 1, column 3, "A": /],
  ['nothing', '', /the file is empty/],
  ['a header only', 'date,A,B\n', /no samples/],
  [
    'an infinite value',
    csv([header, ['2020-01-01', 1, 'inf'], ['2020-01-02', 2, 1], ['2020-01-03', 2, 3]]),
    /line 2, column 3, "B": expected a finite value, found Infinity/,
  ],
  ['another number of samples', csv([header, ['2020-01-01', 1, 2], ['2020-01-02', 2, 1]]), /samples/],
  ['a workbook', 'PK\x03\x04…', /Excel workbook .*save the sheet as CSV/],
  ['day or month', 'date,A,B\n1/2/2020,1,2\n3/4/2020,2,1\n5/6/2020,2,3\n', /set --date-order to "mdy" or "dmy"/],
])('65: %s in the concentrations', (_, text, reason) => {
  const bad = file(text as string)
  const run = headwater(['check', bad, good])
  fails(run, 65, reason)
  expect(run.stderr).toContain(bad)
})

test('65: an uncertainty of zero names its cell and the option that deals with it', () => {
  const zero = file(csv([header, ['2020-01-01', 1, 2], ['2020-01-02', 0, 1], ['2020-01-03', 2, 3]]))
  fails(headwater(['check', good, zero]), 65, /line 3, column 2, "A": .*--zero-uncertainty/)
  expect(headwater(['check', good, zero, '--zero-uncertainty', '0.1']).code).toBe(0)
})

test('65: at most 20 problems in words, all of them with --json', () => {
  const rows = Array.from({ length: 30 }, (_, i) => [`s${i}`, 'x7', i])
  const bad = file(csv([header, ['s', 1, 1], ...rows, ...rows.map((_, i) => [`t${i}`, i, i])]))
  const words = headwater(['check', bad, bad])
  fails(words, 65, /… and \d+ more \(--json lists all\)\n$/)
  expect(words.stderr.trimEnd().split('\n')).toHaveLength(22)
  const { code, stdout, stderr } = headwater(['check', bad, bad, '--json'])
  expect([code, stdout]).toEqual([65, ''])
  const { error } = JSON.parse(stderr)
  expect(error).toMatchObject({ code: 'not-a-number', message: expect.any(String) })
  expect(error.problems.length).toBeGreaterThanOrEqual(30)
  expect(error.problems[0]).toMatchObject({ file: bad, line: 3, column: 2, header: 'A', value: 'x7' })
})

test('65: a model that is none', () => {
  const text = file('{"headwater":', 'broken.json')
  fails(
    headwater(['report', con, unc, '--model', text, '--out', 'r']),
    65,
    /broken\.json: this is not a model written by headwater: it is not JSON/,
  )
})

test('66: a file that is missing, and a folder', () => {
  fails(headwater(['check', 'none.csv', unc]), 66, /none\.csv: there is no such file/)
  fails(headwater(['fit', con, folder, '-p', '2']), 66, /this is a folder, not a file/)
  fails(headwater(['report', con, unc, '--model', 'none.json', '--out', 'r']), 66, /none\.json: there is no such file/)
})

test('69: the native addon cannot be loaded; reading and checking works all the same', () => {
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: join(folder, 'no-addon.node') }
  fails(headwater(['fit', con, unc, '-p', '2'], env), 69, /native addon could not be loaded/)
  expect(headwater(['check', con, unc], env).code).toBe(0)
  expect(headwater(['--version'], env).code).toBe(0)
})

test('70: nothing converged; the result is printed and says so', () => {
  const run = headwater(['fit', ...ST_LOUIS, '-p', '6', '-n', '3', '--max-iterations', '3'])
  expect(run.code).toBe(70)
  expect(run.stdout).toMatch(/status +budget: the iteration limit came before a minimum was proven/)
  expect(run.stdout).toMatch(/0 of 3 converged; 3 budget/)
})

test('75: the report cannot be written; the model is saved, and the message says how to go on', () => {
  const out = join(folder, 'blocked')
  mkdirSync(join(out, 'report.html'), { recursive: true })
  const run = headwater(['fit', con, unc, '-p', '2', '-n', '2', '--out', out, '--force'])
  expect(run.code).toBe(75)
  expect(run.stdout).toMatch(/status +converged/)
  const [, command] = /same data options: headwater (.*)\n$/.exec(run.stderr) ?? []
  // The command that is printed works once the obstacle is away.
  const args = [...command!.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
  fails(headwater(args), 75, /report could not be written/)
  args[args.indexOf(out)] = join(folder, 'elsewhere')
  expect(headwater(args).code).toBe(0)
})
