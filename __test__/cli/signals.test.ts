import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Factorization } from '../../index.ts'
import { LOG_INTERVAL, ProgressLine } from '../../src-ts/cli/progress.ts'
import { ENDLESS, folder, headwater, ST_LOUIS, start } from './cli.ts'

const unix = process.platform !== 'win32'
const running = /fitting 6 factors/

test.runIf(unix).each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s saves what is done and exits with %i', async (signal, code) => {
  const saved = join(folder, `${signal}.json`)
  const { child, ended, until } = start(['fit', ...ST_LOUIS, ...ENDLESS, '--starts', '3', '--save', saved])
  await until('stderr', running)
  await sleep(500)
  child.kill(signal)
  const run = await ended
  expect(run.code).toBe(code)
  expect(run.stderr).toMatch(/stopping and saving what is done/)
  expect(run.stderr).toMatch(/stopped when 0 of 3 starts had ended/)
  expect(run.stdout).toMatch(/status +aborted: stopped before it ended/)
  const model = Factorization.fromJSON(readFileSync(saved, 'utf8'))
  expect(model.status).toBe('aborted')
  expect(model.contributions.data.every(Number.isFinite)).toBe(true)
})

test.runIf(unix)('--json prints the document of what is done; without any file, one is written', async () => {
  const first = start(['fit', ...ST_LOUIS, ...ENDLESS, '--starts', '2', '--json'])
  await first.until('stderr', running)
  await sleep(500)
  first.child.kill('SIGINT')
  const json = await first.ended
  expect(json.code).toBe(130)
  expect(JSON.parse(json.stdout)).toMatchObject({ best: { status: 'aborted' } })
  expect(readdirSync(folder)).not.toContain('headwater-stopped.json')

  const second = start(['fit', ...ST_LOUIS, ...ENDLESS, '--starts', '2'])
  await second.until('stderr', running)
  await sleep(500)
  second.child.kill('SIGINT')
  const plain = await second.ended
  expect(plain.stderr).toMatch(/what was done is saved in headwater-stopped\.json/)
  expect(Factorization.fromJSON(readFileSync(join(folder, 'headwater-stopped.json'), 'utf8')).factors).toBe(6)
})

test.runIf(unix)('two signals at once are one: npm passes on a copy of what the terminal sent', async () => {
  const { child, ended, until } = start(['fit', ...ST_LOUIS, ...ENDLESS, '--starts', '2', '--json'])
  await until('stderr', running)
  await sleep(500)
  child.kill('SIGINT')
  child.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(JSON.parse(run.stdout).best.status).toBe('aborted')
})

test.runIf(unix)('stopped by a signal while data are read: nothing to save, and it says so', async () => {
  // A named pipe that nobody writes to would block for ever; a signal before the fit begins is the same to the program.
  const run = headwater(['fit', ...ST_LOUIS, '-p', '2'], {
    NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent("process.on('newListener', (name, on) => { if (name === 'SIGINT') setImmediate(() => on('SIGINT')) })")}"`,
  })
  expect(run).toMatchObject({ code: 130, stdout: '' })
  expect(run.stderr).toMatch(/stopped by SIGINT before anything was done: there is nothing to save/)
})

test('progress on a terminal is one line that is redrawn and then removed', async () => {
  const written: string[] = []
  const line = new ProgressLine({ isTTY: true, columns: 60, write: (text) => written.push(text) }, false)
  line.update({ done: 5, total: 20, best: 13991.64266, basins: 2 })
  line.finish()
  expect(written[0]).toMatch(/^\r\x1b\[2K5 of 20 starts, best Q 13991\.6427, 2 minima, 0\.\d s, /)
  expect(written[0]!.length).toBeLessThanOrEqual(60 + '\r\x1b[2K'.length)
  expect(written.at(-1)).toBe('\r\x1b[2K')
})

test('progress elsewhere is a line per interval, without escape sequences', async () => {
  expect(LOG_INTERVAL).toBe(10_000)
  const written: string[] = []
  const line = new ProgressLine({ write: (text) => written.push(text) }, true, 20)
  line.update({ done: 0, total: 400 })
  line.update({ done: 10, total: 400, best: 1, basins: 1 })
  expect(written).toEqual([])
  while (written.length === 0) await sleep(5)
  line.finish()
  expect(written[0]).toMatch(
    /^headwater: 10 of at most 400 starts, best Q 1\.0000, 1 minimum, \d\.\d s, at most \d+(\.\d)? s left\n$/,
  )
  const count = written.length
  await sleep(60)
  expect(written).toHaveLength(count)
})
