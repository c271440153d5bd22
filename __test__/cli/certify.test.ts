import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../native/problem.ts'
import { csv, file, headwater, ST_LOUIS } from './cli.ts'

interface StopPoint {
  set: string
  p: number
  W: number[][]
  H: number[][]
  expected: { Q: number; excess: number }
}

const { points } = JSON.parse(readFileSync(join(root, '__test__/fixtures/pmf/stop_points.json'), 'utf8')) as {
  points: StopPoint[]
}
const data: Record<string, string[]> = {
  stlouis: ST_LOUIS,
  baltimore: ['Dataset-Baltimore_con.txt', 'Dataset-Baltimore_unc.txt'].map((name) =>
    join(root, 'examples/data', name),
  ),
  batonrouge: ['Dataset-BatonRouge-con.csv', 'Dataset-BatonRouge-unc.csv'].map((name) =>
    join(root, 'examples/data', name),
  ),
}
const transpose = (rows: readonly (readonly number[])[]): number[][] =>
  rows[0]!.map((_, j) => rows.map((row) => row[j]!))

/** `certify` on two texts. */
function certify(
  set: string,
  contributions: string,
  profiles: string,
  ...more: string[]
): ReturnType<typeof headwater> {
  const files = ['--contributions', file(contributions), '--profiles', file(profiles)]
  return headwater(['certify', ...data[set]!, ...files, ...more])
}

test.each(points.map((point, k) => [k, point] as const))(
  'stop point %i is judged rightly from text files',
  (_, point) => {
    const run = certify(point.set, csv(point.W), csv(point.H), '--json')
    expect(run.code).toBe(0)
    const verdict = JSON.parse(run.stdout)
    expect(Math.abs(verdict.q / point.expected.Q - 1)).toBeLessThan(1e-9)
    expect(verdict.localMinimum).toMatchObject({ q: expect.any(Number), excess: expect.any(Number) })
    const { excess } = point.expected
    expect(Math.abs(verdict.localMinimum.excess - excess)).toBeLessThan(1e-6 * point.expected.Q * 1e-2 + 1e-3 * excess)
    if (excess > 1e-3) expect(['stalled', 'saddle']).toContain(verdict.status)
    expect(verdict.certificate.coordinateGap).toBeGreaterThanOrEqual(0)
  },
)

const point = points.find(({ set }) => set === 'stlouis')!

test('header row, label column, transposition, scale, delimiter and decimal mark do not matter', () => {
  const plain = JSON.parse(certify('stlouis', csv(point.W), csv(point.H), '--json').stdout)
  const names = Array.from({ length: point.p }, (_, k) => `factor ${k + 1}`)
  const species = point.H[0]!.map((_, j) => `s${j}`)
  const scaled = {
    W: point.W.map((row) => row.map((value, k) => value * 10 ** (k - 3))),
    H: point.H.map((row, k) => row.map((value) => value / 10 ** (k - 3))),
  }
  const comma = (rows: readonly (readonly number[])[]): string =>
    rows.map((row) => `${row.join(';').replaceAll('.', ',')}\n`).join('')
  const forms: [string, string, RegExp?][] = [
    [csv([names, ...point.W]), csv([species, ...point.H])],
    [
      csv([['day', ...names], ...point.W.map((row, i) => [i + 1, ...row])]),
      csv(point.H.map((row, k) => [names[k]!, ...row])),
    ],
    // Header and labels that are numbers themselves, as data frames are often written.
    [
      csv([['', ...names.keys()], ...point.W.map((row, i) => [i, ...row])]),
      csv([species.map((_, j) => j), ...point.H]),
    ],
    [
      csv(transpose(point.W)),
      csv(transpose(point.H)),
      /holds factors × samples: transposed[^]*holds species × factors: transposed/,
    ],
    [csv(scaled.W), csv(scaled.H)],
    [comma(point.W), comma(point.H)],
    [csv(point.W).replaceAll(',', '   '), csv(point.H).replaceAll(',', '\t')],
  ]
  for (const [k, [contributions, profiles, note]] of forms.entries()) {
    const run = certify('stlouis', contributions, profiles, '--json')
    expect(run, `form ${k}`).toMatchObject({ code: 0 })
    const verdict = JSON.parse(run.stdout)
    expect(verdict.status).toBe(plain.status)
    expect(Math.abs(verdict.q / plain.q - 1)).toBeLessThan(1e-12)
    if (note) expect(run.stderr).toMatch(note)
    else expect(run.stderr).toBe('')
  }
})

test('the verdict in words names status and excess', () => {
  const run = certify('stlouis', csv(point.W), csv(point.H))
  expect(run.code).toBe(0)
  expect(run.stdout).toMatch(/status +stalled: .*do not call it converged/)
  expect(run.stdout).toMatch(/below it +a proven minimum at Q \d+\.\d+: the solution lies [\d.]+ above it/)
})

test('files that do not fit say what was found and what to do', () => {
  const swapped = certify('stlouis', csv(point.H), csv(point.W))
  expect(swapped).toMatchObject({ code: 65, stdout: '' })
  expect(swapped.stderr).toMatch(/the two files are swapped/)
  const short = certify('stlouis', csv(point.W.slice(1)), csv(point.H))
  expect(short.code).toBe(65)
  expect(short.stderr).toMatch(/417 × 7 numbers.*7 × 13.*do not fit 418 samples × 13 species/)
  const word = certify(
    'stlouis',
    csv(point.W.map((row, i) => row.map((x, k) => (i === 4 && k === 2 ? 'x7' : x)))),
    csv(point.H),
  )
  expect(word.code).toBe(65)
  expect(word.stderr).toMatch(/line 5, column 3.*expected a number, found "x7"/)
  expect(headwater(['certify', ...ST_LOUIS, '--contributions', 'none.csv', '--profiles', 'none.csv']).code).toBe(66)
  expect(headwater(['certify', ...ST_LOUIS]).code).toBe(2)
})

test('a small file with header and labels has more words than numbers, and is read all the same', () => {
  const species = [...'ABCDEF']
  const table = (corner: string, names: string[], rows: number[][]): string =>
    csv([[corner, ...names], ...rows.map((row, i) => [`${corner} ${i}`, ...row])])
  const samples = Array.from({ length: 8 }, (_, i) => species.map((_, j) => (i === j ? 3 : 1 + i / 10)))
  const files = [table('sample', species, samples), table('sample', species, samples.map((row) => row.map(() => 1)))] // prettier-ignore
  const point = [table('sample', ['x', 'y'], samples.map((row) => row.slice(0, 2))), table('factor', species, samples.slice(0, 2))] // prettier-ignore
  const run = headwater(['certify', ...files.map((text) => file(text)), '--contributions', file(point[0]!), '--profiles', file(point[1]!), '--json']) // prettier-ignore
  expect(run.stderr).toBe('')
  expect(JSON.parse(run.stdout)).toMatchObject({ factors: 2, data: { rows: 8, columns: 6 } })
})
