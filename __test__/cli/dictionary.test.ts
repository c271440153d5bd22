/** Dictionaries from the command line. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Dictionary, dictionaryAgreement, fitDictionary, openArray, writeNpy } from '../../src-ts/manifold/index.ts'
import { npy, npyHeader, zip } from '../manifold/files.ts'
import { planted } from '../reference/manifold/planted.ts'
import { folder, headwater, start } from './cli.ts'

const { rows, p: cols, values, train, ceiling } = planted('T1b')
const at = (name: string): string => join(folder, name)
writeNpy(at('rows.npy'), { rows, cols, data: values })
writeNpy(at('train.npy'), { rows: train, cols, data: values.slice(0, train * cols) })
writeNpy(at('test.npy'), { rows: rows - train, cols, data: values.slice(train * cols) })
const FIT = ['dictionary', 'fit', 'rows.npy', '--atoms', '6', '--train-rows', String(train), '--seed', '1', '--quiet']
const FILES = [
  'certificate.json',
  'cfg.json',
  'coords.safetensors',
  'report.html',
  'report.json',
  'weights.safetensors',
]

test('--json prints status, certificate, facts of each atom and figures of held-out rows, as the API has them', async () => {
  const run = headwater([...FIT, '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  expect(document).toMatchObject({ status: 'converged', asked: 6, data: { file: 'rows.npy', rows, columns: cols } })
  expect(document.heldOut.ev).toBeGreaterThanOrEqual(ceiling.ev - 0.002)
  expect(document.certificate.decrement).toBeLessThan(1e-6)
  expect(document.certificate.checks.every(({ status }: { status: string }) => status === 'passed')).toBe(true)
  const same = await fitDictionary({ rows, cols, data: values }, { atoms: 6, trainRows: train, seed: 1 })
  expect(document.value).toBe(same.value)
  expect(document.atoms).toHaveLength(6)
  expect(document.atoms[3]).toMatchObject({ claim: 'holds', shape: { topology: 'circle', harmonics: 1 } })
  expect(document.atoms[3].decoder.flat()).toEqual([...same.atoms[3]!.decoder.data])
  expect(document.codes).toBeUndefined()
})

test('a value that is infinite is named with its file', () => {
  const broken = values.slice()
  broken[(train + 3) * cols + 2] = -Infinity
  writeNpy(at('broken.npy'), { rows, cols, data: broken })
  const run = headwater(['dictionary', 'fit', 'broken.npy', ...FIT.slice(3)])
  const place = `broken.npy, row ${train + 3}, column 2, counted from 0`
  expect(run).toMatchObject({ code: 65, stdout: '', stderr: expect.stringContaining(place) })
})

test('in words: what converged, figures, a line an atom; --controls are compared', () => {
  const run = headwater([...FIT, '--controls'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expect(run.stdout).toMatch(/^rows\.npy: 1500 rows × 24, 6 atoms of 6 asked for/)
  expect(run.stdout).toMatch(/status +converged/)
  expect(run.stdout).toMatch(/held out +EV 0\.94/)
  expect(run.stdout.match(/^ +\d +circle .* holds$/gm)).toHaveLength(6)
  expect(run.stdout).toMatch(/principal components, as many numbers a row +0\.\d+/)
  expect(run.stdout).toMatch(/this fit, columns shuffled/)
})

test('--out writes the model and its report, and nothing is overwritten without --force', () => {
  expect(headwater([...FIT, '--out', 'model'])).toMatchObject({ code: 0, stderr: '' })
  expect(readdirSync(at('model')).sort()).toEqual(FILES)
  const page = readFileSync(at('model/report.html'), 'utf8')
  expect(page).toContain('Dictionary of rows.npy')
  expect(Dictionary.load(at('model')).atoms).toHaveLength(6)
  const before = readFileSync(at('model/cfg.json'))
  const refused = headwater([...FIT, '--atoms', '5', '--out', 'model'])
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toMatch(/already holds .*cfg\.json.*force/s)
  expect(readFileSync(at('model/cfg.json')).equals(before)).toBe(true)
  expect(headwater([...FIT, '--atoms', '5', '--out', 'model', '--force']).code).toBe(0)
  expect(Dictionary.load(at('model')).asked).toBe(5)
  // A report of something else is not overwritten either.
  writeFileSync(at('report.html'), 'of something else')
  expect(headwater([...FIT, '--out', '.'])).toMatchObject({ code: 2, stdout: '' })
  expect(readFileSync(at('report.html'), 'utf8')).toBe('of something else')
})

test('a saved model codes further rows, to the bits of the API, and is drawn again', async () => {
  expect(headwater([...FIT, '--out', 'saved']).code).toBe(0)
  const run = headwater(['dictionary', 'encode', 'saved', 'test.npy', '--out', 'codes.safetensors', '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const dictionary = Dictionary.load(at('saved'))
  const { score, ...codes } = await dictionary.encode({ rows: 300, cols, data: values.slice(train * cols) })
  expect(document).toEqual({ rows: 300, score: JSON.parse(JSON.stringify(score)) })
  expect(score.ev).toBe(dictionary.heldOut!.ev)
  for (const name of ['sizes', 'atoms', 'amounts', 'coordinates'] as const) {
    using array = openArray(at('codes.safetensors'), { name })
    expect([...array.readRows(0, array.rows)]).toEqual([...codes[name]])
  }
  const again = headwater(['dictionary', 'encode', 'saved', 'test.npy', '--out', 'codes.safetensors'])
  expect(again).toMatchObject({ code: 2, stdout: '' })
  expect(again.stderr).toMatch(/codes\.safetensors exists/)
  expect(headwater(['dictionary', 'encode', 'saved', 'test.npy', '--out', 'codes.safetensors', '--force']).stdout).toMatch(/^ +rows +EV 0\.94/) // prettier-ignore

  const drawn = headwater(['dictionary', 'report', 'saved', '--out', 'elsewhere', '--json'])
  expect(drawn).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(drawn.stdout)).toEqual({ files: [join('elsewhere', 'report.html')] })
  expect(readFileSync(at('elsewhere/report.html'), 'utf8')).toContain('id="atom-6"')
  expect(headwater(['dictionary', 'report', 'saved', '--out', 'elsewhere']).code).toBe(2)
  expect(headwater(['dictionary', 'report', 'saved']).code).toBe(0)
})

test('two saved models are compared: which atom is which, and how nearly', async () => {
  for (const seed of ['1', '2']) {
    const args = [...FIT.slice(0, -3), '--seed', seed, '--quiet']
    expect(headwater([...args, '--out', `seed-${seed}`, '--force']).code).toBe(0)
  }
  const run = headwater(['dictionary', 'compare', 'seed-1', 'seed-2', '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const document = JSON.parse(run.stdout)
  const [a, b] = [Dictionary.load(at('seed-1')), Dictionary.load(at('seed-2'))]
  expect(document).toEqual(JSON.parse(JSON.stringify(await dictionaryAgreement(a, b))))
  expect(document).toMatchObject({ matched: 1, rows: train })
  const words = headwater(['dictionary', 'compare', 'seed-1', 'seed-2', '--rows', 'test.npy'])
  expect(words.stdout).toMatch(/^6 and 6 atoms: 6 of 6 are the same \(100 %\), mean cosine (1|0\.9999\d*), mean phase agreement (1|0\.9999\d*)\n +codes of 300 rows compared/) // prettier-ignore
  expect(words.stdout.match(/^ +\d circle +\d circle .*the same$/gm)).toHaveLength(6)
  expect(headwater(['dictionary', 'compare', 'seed-1', 'none'])).toMatchObject({ code: 66, stdout: '' })
  expect(headwater(['dictionary', 'compare', 'seed-1'])).toMatchObject({ code: 2, stdout: '' })
})

test('rows are held out by a file, too, with the same figures; arrays of a .npz are chosen by name', () => {
  const own = JSON.parse(headwater([...FIT, '--json']).stdout)
  const args = ['dictionary', 'fit', 'train.npy', '--held-out', 'test.npy', '--atoms', '6', '--seed', '1', '--json']
  const run = headwater([...args, '--quiet'])
  expect(run.code).toBe(0)
  expect(JSON.parse(run.stdout).heldOut).toEqual(own.heldOut)
  writeFileSync(at('rows.npz'), zip('activations.npy', readFileSync(at('rows.npy'))))
  const named = headwater(FIT.with(2, 'rows.npz').concat('--array', 'activations', '--json'))
  expect(JSON.parse(named.stdout).value).toBe(own.value)
  const wrong = headwater(FIT.with(2, 'rows.npz').concat('--array', 'weights'))
  expect(wrong).toMatchObject({ code: 65, stdout: '' })
  expect(wrong.stderr).toMatch(/rows\.npz.*weights.*activations/s)
})

test('wrong options are told all at once, in the words of the command line, with exit code 2', () => {
  const run = headwater([...FIT, '--beam', '0', '--restarts', '-1', '--seed', '1.5', '--out', 'never'])
  expect(run).toMatchObject({ code: 2, stdout: '' })
  for (const flag of ['--beam', '--restarts', '--seed']) expect(run.stderr).toContain(flag)
  expect(existsSync(at('never'))).toBe(false)
  const both = headwater([...FIT, '--held-out', 'test.npy'])
  expect(both.code).toBe(2)
  expect(both.stderr).toMatch(/--held-out and --train-rows both say which rows are held out/)
  expect(headwater([...FIT, '--topology', 'knot'])).toMatchObject({ code: 2, stdout: '' })
  expect(headwater([...FIT, '--topology', 'linear', '--harmonics', '2'])).toMatchObject({ code: 2, stdout: '' })
  expect(headwater(['dictionary', 'fit', 'rows.npy'])).toMatchObject({ code: 2, stdout: '' })
  const json = headwater([...FIT, '--active', '7', '--json'])
  expect(json.code).toBe(2)
  expect(JSON.parse(json.stderr).error.problems).toMatchObject([{ code: 'option-out-of-range' }])
})

test('a broken array is exit code 65, a missing file 66', () => {
  writeFileSync(at('cut.npy'), readFileSync(at('rows.npy')).subarray(0, 5000))
  writeFileSync(at('text.npy'), 'samples, species\n')
  writeFileSync(at('nan.npy'), npy(npyHeader('<f8', [1, 2]), Buffer.from(Float64Array.of(1, Infinity).buffer)))
  for (const name of ['cut.npy', 'text.npy']) {
    const run = headwater(FIT.with(2, name))
    expect(run).toMatchObject({ code: 65, stdout: '' })
    expect(run.stderr).toContain(name)
  }
  expect(headwater(['dictionary', 'fit', 'nan.npy', '--atoms', '1'])).toMatchObject({ code: 65, stdout: '' })
  const missing = headwater(FIT.with(2, 'none.npy').concat('--out', 'never'))
  expect(missing).toMatchObject({ code: 66, stdout: '' })
  expect(missing.stderr).toMatch(/none\.npy/)
  expect(existsSync(at('never'))).toBe(false)
  expect(headwater(['dictionary', 'encode', 'none', 'rows.npy'])).toMatchObject({ code: 66, stdout: '' })
  expect(headwater(['dictionary', 'report', 'none'])).toMatchObject({ code: 66, stdout: '' })
})

test('a fit that is not proven is exit code 70, and is saved with its true status', () => {
  const run = headwater([...FIT, '--max-iterations', '1', '--out', 'unproven'])
  expect(run.code).toBe(70)
  expect(run.stdout).toMatch(/status +(budget|stalled)/)
  expect(Dictionary.load(at('unproven')).status).toMatch(/budget|stalled/)
  expect(readFileSync(at('unproven/report.html'), 'utf8')).toContain('Not converged')
})

const unix = process.platform !== 'win32'
const long = planted('T2a')
writeNpy(at('long.npy'), { rows: long.rows, cols: long.p, data: long.values })

test.runIf(unix)('Ctrl-C before there is anything to save is exit code 130, and leaves nothing', async () => {
  // Thousands of draws of seeds come before the first decoders.
  const args = ['dictionary', 'fit', 'long.npy', '-k', '20', '-a', '3', '--harmonics', '3', '--restarts', '4000']
  const { child, ended } = start([...args, '--out', 'early'])
  while (!existsSync(at('early'))) await sleep(20)
  await sleep(500)
  child.kill('SIGINT')
  const run = await ended
  expect(run).toMatchObject({ code: 130, stdout: '' })
  expect(run.stderr).toMatch(/stopped by SIGINT before anything was done: there is nothing to save/)
  expect(readdirSync(at('early'))).toEqual([])
})

test.runIf(unix)('Ctrl-C saves what is done and exits with 130', async () => {
  // Its seeds take a second, and its smoothing, with four harmonics each, minutes.
  const args = [
    'dictionary',
    'fit',
    'long.npy',
    '-k',
    '6',
    '-a',
    '2',
    '--harmonics',
    '4',
    '--out',
    'stopped',
    '--force',
  ]
  for (const seconds of [4, 8, 16, 32]) {
    const { child, ended } = start(args)
    await sleep(1000 * seconds)
    child.kill('SIGINT')
    const run = await ended
    expect(run.code).toBe(130)
    if (run.stdout === '') continue
    expect(run.stdout).toMatch(/status +aborted/)
    expect(run.stderr).toMatch(/stopped before the fit had ended; what was done is saved in stopped/)
    expect(readdirSync(at('stopped')).sort()).toEqual(FILES)
    const saved = Dictionary.load(at('stopped'))
    expect(saved.status).toBe('aborted')
    expect(saved.atoms.length).toBeGreaterThan(0)
    expect(readFileSync(at('stopped/report.html'), 'utf8')).toContain('Not converged: stopped')
    return
  }
  throw new Error('there was nothing to save after 32 seconds')
})
