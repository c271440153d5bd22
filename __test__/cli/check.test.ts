import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkDataset, Dataset } from '../../index.ts'
import { root } from '../native/problem.ts'
import { folder, headwater, ST_LOUIS, START, twoSources } from './cli.ts'

const baltimore = ['Dataset-Baltimore_con.txt', 'Dataset-Baltimore_unc.txt'].map((name) =>
  join(root, 'examples/data', name),
)

test('check shows how the files were read, the species, and what is suspicious', () => {
  const run = headwater(['check', ...baltimore])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expect(run.stdout).toMatch(/^630 samples × 26 species, 0 missing cells of 16380\n/)
  expect(run.stdout).toMatch(/fields separated by tabs, decimal point, 27 blank lines skipped/)
  expect(run.stdout).toMatch(/\n {2}species .*S\/N +category\n/)
  expect(run.stdout).toMatch(/OM\b.*Organic Carbon|Organic Carbon.*\bOM\b/)
  expect(run.stdout).toMatch(/name it\s+with\s+--total/)
})

test('check --json is the check of the API with the record of the treatment', async () => {
  const { code, stdout, stderr } = headwater(['check', ...ST_LOUIS, '--json', '--weak', 'Zn'])
  expect([code, stderr]).toEqual([0, ''])
  const data = await Dataset.read(ST_LOUIS[0]!, ST_LOUIS[1]!, { categories: { Zn: 'weak' } })
  const { sha256, treatment, ...check } = JSON.parse(stdout)
  expect(check).toEqual(JSON.parse(JSON.stringify(checkDataset(data))))
  expect(sha256).toEqual(data.sha256())
  expect(treatment).toEqual(JSON.parse(JSON.stringify(data.treatment)))
})

test('npm start with files: names are meant where the user is', () => {
  const [con, unc] = twoSources() as [string, string]
  const run = spawnSync(process.execPath, [START, 'check', basename(con), basename(unc), '--json'], {
    cwd: root,
    env: { ...process.env, INIT_CWD: dirname(con) },
    encoding: 'utf8',
  })
  expect(run).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(run.stdout)).toMatchObject({ rows: 30, columns: 6 })
})

test('npm start without files reaches both known optima and writes two reports', async () => {
  const { demo } = await import('../../src-ts/cli/demo.ts')
  const out = join(folder, 'demo')
  mkdirSync(out)
  const written: string[] = []
  const { write } = process.stdout
  process.stdout.write = ((text: string) => written.push(text) > 0) as typeof write
  try {
    expect(await demo(join(root, 'examples/data'), out)).toBe(0)
  } finally {
    process.stdout.write = write
  }
  const text = written.join('')
  expect(text.match(/known optimum [\d.]+: reached, relative distance -?\d\.\de-1\d/g)).toHaveLength(2)
  for (const name of ['st-louis', 'baltimore']) {
    for (const part of ['model.json', 'report.html', 'tables']) expect(existsSync(join(out, name, part))).toBe(true)
  }
})
