import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { factorize, writeReport } from '../../index.ts'
import type { ReportInput } from '../../index.ts'
import { prepareContent } from '../../src-ts/report/content.ts'
import { csvLines } from '../../src-ts/report/csv.ts'
import { makeTables } from '../../src-ts/report/tables.ts'
import { HOSTILE, smallEstimation, smallReport, type Changes } from './model.ts'
import { everything, readXml, type Read } from './xml.ts'

const folders: string[] = []
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

async function write(changes: Changes = {}, more: object = {}): Promise<{ folder: string; files: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-report-'))
  folders.push(folder)
  const files = await writeReport({ directory: join(folder, 'out'), ...(await smallReport(changes)), ...more })
  return { folder: join(folder, 'out'), files: files.map((file) => relative(join(folder, 'out'), file)) }
}

/** The page below its doctype; the style sheet is no markup and is taken out. */
function readPage(folder: string): { html: string; root: Read; all: Read[] } {
  const html = readFileSync(join(folder, 'report.html'), 'utf8')
  const root = readXml(html.replace(/<style>[^]*?<\/style>/, '<style></style>'))
  return { html, root, all: everything(root) }
}

/** A reader of RFC 4180 that shares nothing with the writer. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  let at = 0
  while (at < text.length) {
    let cell = ''
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (at >= text.length) throw new Error('an open quote')
        if (text[at] === '"') at++
        cell += text[at]
      }
      at++
    } else while (at < text.length && !',\r\n'.includes(text[at]!)) cell += text[at++]
    rows.at(-1)!.push(cell)
    if (text[at] === ',') {
      at++
      if (text.startsWith('\r\n', at) || at === text.length) rows.at(-1)!.push('')
      else continue
    }
    if (!text.startsWith('\r\n', at)) throw new Error(`expected the end of a line at ${at}`)
    at += 2
    if (at < text.length) rows.push([])
  }
  return rows
}

describe('tables', () => {
  test('every number comes back with the same bits, NaN as nothing', () => {
    const numbers = [0.1, 1 / 3, -0, 5e-324, 1.7976931348623157e308, -123456789.12345678, 1e21, 1e-7, NaN]
    const lines = [
      ...csvLines({
        name: 'starts',
        columns: ['a', ...HOSTILE],
        length: 1,
        rows: () => [['x', ...numbers, undefined]],
      }),
    ]
    const [header, row] = readCsv(lines.join(''))
    expect(header).toEqual(['a', ...HOSTILE])
    row!.slice(1, 9).forEach((text, at) => expect(Number(text)).toBe(numbers[at]))
    expect(row!.slice(9)).toEqual(['', ''])
  })

  test('quotes, commas and line ends in names survive', () => {
    const names = ['plain', 'a,b', 'say "x"', 'two\r\nlines', ' spaced ', '', '"']
    const lines = [...csvLines({ name: 'starts', columns: names, length: 0, rows: () => [] })]
    expect(readCsv(lines.join(''))).toEqual([names])
  })

  test('hold what the analysis and the model hold', async () => {
    const input = await smallReport({ species: ['a', 'b "c"', 'd,e', 'f'] })
    const tables = makeTables(prepareContent({ ...input, factorNames: ['salt', 'soil'] }))
    const read = (name: Parameters<typeof tables.get>[0]): string[][] =>
      readCsv([...csvLines(tables.get(name)!)].join(''))
    expect([...tables.keys()]).toHaveLength(11)
    for (const [name, table] of tables) {
      const rows = read(name)
      expect(rows, name).toHaveLength(table.length + 1)
      expect(new Set(rows.map((row) => row.length)).size, name).toBe(1)
    }
    const { model, analysis } = input
    const body = (name: Parameters<typeof tables.get>[0]): number[] =>
      read(name)
        .slice(1)
        .flatMap((row) => row.slice(1).map((cell) => (cell === '' ? NaN : Number(cell))))
    expect(read('profiles')[0]).toEqual(['factor', 'a', 'b "c"', 'd,e', 'f'])
    expect(read('profiles').map((row) => row[0])).toEqual(['factor', 'salt', 'soil'])
    expect(body('profiles')).toEqual([...model.profiles.data])
    expect(body('contributions')).toEqual([...model.contributions.data])
    expect(body('residuals')).toEqual([...analysis.residuals.data])
    expect(body('residuals').filter(Number.isNaN)).toHaveLength(1)
    expect(body('scaled_residuals')).toEqual([...analysis.scaledResiduals.data])
    expect(body('profiles_percent')).toEqual([...analysis.percentOfSpecies.data])
    expect(body('explained_variation')).toEqual([...analysis.explainedVariation.data, ...analysis.unexplainedVariation])
    const [header, first] = read('species_fit')
    const at = (name: string): number => Number(first![header!.indexOf(name)])
    const { regression, normality } = analysis.species[0]!
    expect([at('slope_standard_error'), at('ks_p_value'), at('q')]).toEqual([
      ...[regression!.slopeStandardError, normality!.pValue, analysis.species[0]!.q],
    ])
    expect(read('starts')[3]!.slice(0, 6)).toEqual(['2', 'random', '', 'stalled', '61', '100'])
    expect(read('basins').slice(1)).toEqual([
      ['0', '50.25', '2', '0 4'],
      ['1', '55.5', '1', '1'],
    ])
    expect(read('large_residuals')).toHaveLength(analysis.largeResiduals.length + 1)
  })
})

describe('page', () => {
  let written: Awaited<ReturnType<typeof write>>
  beforeAll(async () => {
    written = await write({}, { command: 'headwater fit con.csv unc.csv --factors 2', factorNames: ['salt', 'soil'] })
  })

  test('all files are written and linked to, and the same input gives the same bytes', async () => {
    const { folder, files } = written
    expect(files).toHaveLength(1 + 10 + 11)
    expect(files[0]).toBe('report.html')
    const { all } = readPage(folder)
    const links = all.filter(({ name }) => name === 'a').map(({ attributes }) => attributes.href!)
    const ids = new Set(all.map(({ attributes }) => attributes.id))
    for (const to of links)
      expect(to.startsWith('#') ? ids.has(to.slice(1)) : existsSync(join(folder, to)), to).toBe(true)
    for (const file of files.slice(1)) expect(links).toContain(file.replaceAll('\\', '/'))
    const again = await write(
      {},
      { command: 'headwater fit con.csv unc.csv --factors 2', factorNames: ['salt', 'soil'] },
    )
    for (const file of files) {
      expect(readFileSync(join(again.folder, file)), file).toEqual(readFileSync(join(folder, file)))
    }
  })

  test('charts on the page are those of the files, with unique ids', () => {
    const { html, all } = readPage(written.folder)
    const charts = readdirSync(join(written.folder, 'charts'))
    expect(charts).toHaveLength(10)
    for (const chart of charts) {
      const svg = readFileSync(join(written.folder, 'charts', chart), 'utf8')
      readXml(svg)
      expect(html.includes(svg.split('\n')[1]!)).toBe(true)
    }
    const ids = all.map(({ attributes }) => attributes.id).filter((id) => id !== undefined)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('nothing can be loaded or run: policy, no script, no address', () => {
    const { html, all } = readPage(written.folder)
    const policy = all.find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy')!.attributes
      .content!
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^' ]+'; /)
    const style = /<style>([^]*)<\/style>/.exec(html)![1]!
    expect(policy).toContain(createHash('sha256').update(style).digest('base64'))
    expect(policy).not.toContain('unsafe')
    expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|\/\/[a-z]|url\(|@import/i)
    const active = ['script', 'iframe', 'object', 'embed', 'link', 'img', 'form', 'foreignObject', 'use', 'image']
    expect(all.filter(({ name }) => active.includes(name))).toEqual([])
    expect(
      all.flatMap(({ attributes }) => Object.keys(attributes)).filter((key) => /^on|^style$|^src$/.test(key)),
    ).toEqual([])
  })

  test('verdict, numbers, provenance and names are there', () => {
    const { all, html } = readPage(written.folder)
    const text = all.map((one) => one.text).join('\n')
    for (const expected of [
      'Converged: a minimum, proven',
      'They ended in 2 different minima; the reported one is the lowest (Q 50.250, reached by 2 starts).',
      'Newton decrement λ²',
      '3 × 10⁻¹¹',
      'salt',
      '1 cell of 24 is missing',
      'headwater fit con.csv unc.csv --factors 2',
      '{"starts":4}',
    ]) {
      expect(text).toContain(expected)
    }
    expect(html).toContain('class="verdict good"')
    expect(text).toMatch(/[0-9a-f]{64}/)
  })

  test('names from the data stay text, wherever they appear', async () => {
    const warnings = [{ code: 'dead-factor', index: 0, message: '<b>zero</b>' }]
    const names = ['<img src=x onerror=alert(1)>', '"quoted" & \'more\'']
    const { folder } = await write(
      { species: HOSTILE, model: { warnings } },
      { title: '<h1>&amp;</h1>', command: 'headwater "a b" <x> & y', factorNames: names },
    )
    const { all, html } = readPage(folder)
    expect(all.filter(({ name }) => name === 'script' || name === 'img' || name === 'b')).toEqual([])
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    const cells = all.map(({ text }) => text)
    expect(cells).toContain('<h1>&amp;</h1>')
    expect(cells).toContain('headwater "a b" <x> & y')
    expect(cells).toContain(names[0])
    expect(cells).toContain(HOSTILE[1])
  })

  test('a doubtful result is said first', async () => {
    const { folder } = await write({ model: { status: 'stalled', q: 60, start: 2 } })
    const { html, all } = readPage(folder)
    expect(html).not.toContain('verdict good')
    const doubts = all.find(({ attributes }) => attributes.class === 'doubts')!
    expect(doubts.children.map(({ text }) => text)).toEqual([
      'Not converged: the fit stalled before a minimum was proven',
      'Not the lowest minimum found: start 0 ended at Q 50.250',
    ])
  })

  test('other data than those fitted are noticed', async () => {
    const input = await smallReport()
    const { folder } = await write({
      model: { data: { ...input.model.data, sha256: { values: 'x', uncertainties: 'y' } } },
    })
    expect(readPage(folder).html).toContain('These are not the data that the model was fitted to')
  })

  test('what does not belong together is refused before anything is written', async () => {
    const input = await smallReport()
    const directory = join(mkdtempSync(join(tmpdir(), 'headwater-report-')), 'none')
    folders.push(join(directory, '..'))
    await expect(writeReport({ ...input, directory, factorNames: ['one'] })).rejects.toMatchObject({
      code: 'names-mismatch',
    })
    const { analysis } = await smallReport()
    const other = { ...analysis, percentOfSpecies: { ...analysis.percentOfSpecies, rows: 3 } as never }
    await expect(writeReport({ ...input, analysis: other, directory })).rejects.toMatchObject({
      code: 'shape-mismatch',
    })
    expect(existsSync(directory)).toBe(false)
  })
})

describe('errors and outliers', () => {
  /** A robust model, with what is known of it. */
  async function robustReport(): Promise<Pick<ReportInput, 'model' | 'standardErrors' | 'downweighted'>> {
    const { data } = await smallReport()
    const model = await factorize(data, { factors: 2, robust: true, starts: 5 })
    return { model, standardErrors: await model.standardErrors(), downweighted: await model.downweightedCells() }
  }

  test('the page has error bars, a section about both, and the numbers as tables', async () => {
    const more = await robustReport()
    const { folder, files } = await write({}, more)
    const { html } = readPage(folder)
    expect(html).toContain('± one standard error')
    expect(html).toMatch(/Huber loss with α = 4/)
    expect(html).toMatch(/weakly active/)
    expect(html).toMatch(/\d+ cells? keep/)
    for (const name of ['profile_errors', 'contribution_errors', 'factor_totals', 'downweighted_cells']) {
      expect(files).toContain(join('tables', `${name}.csv`))
    }
    const rows = readCsv(readFileSync(join(folder, 'tables/profile_errors.csv'), 'utf8'))
    expect(rows).toHaveLength(1 + 2 * 4)
    rows.slice(1).forEach((cells, at) => {
      const error = more.standardErrors!.profiles.data[at]!
      expect(cells[3]).toBe(Number.isNaN(error) ? '' : String(error))
    })
    expect(readCsv(readFileSync(join(folder, 'tables/downweighted_cells.csv'), 'utf8'))).toHaveLength(
      1 + more.downweighted!.cells.length,
    )
  })

  test('without them there is neither section nor table', async () => {
    const { folder, files } = await write()
    expect(readPage(folder).html).not.toContain('Errors and outliers')
    expect(files.filter((file) => /errors|downweighted|pmf5/.test(file))).toEqual([])
  })

  test('standard errors of another model are refused', async () => {
    const { data } = await smallReport()
    const standardErrors = await (await factorize(data, { factors: 3, starts: 2 })).standardErrors()
    await expect(write({}, { standardErrors })).rejects.toThrow(/expected 2 factors of the standard errors, found 3/)
  })
})

describe('error estimation', () => {
  test('section, picture with its description, words about identities, and the tables', async () => {
    const estimation = smallEstimation(await smallReport())
    const { folder, files } = await write({}, { ...estimation, factorNames: ['salt', 'soil'] })
    const { html } = readPage(folder)
    expect(html).toContain('id="section-error-comparison"')
    expect(html).toContain('aria-labelledby="error-comparison-title error-comparison-desc"')
    const [section] = /<section id="section-error-comparison">[^]*?<\/section>/.exec(html)!
    expect(section).not.toMatch(/NaN|undefined|Infinity|null/)
    for (const words of [
      'all factors were found again in all resamples except soil not in 5',
      'soil found in less than 80 % of the resamples',
      'ends with exchanged factors at ΔQ = 8: soil 3',
      'BS-DISP: 12 of 20 resamples accepted (of all, a refit found a lower Q in 1, a factor has none of theirs in 5, ',
      'BS-DISP: ends with exchanged factors at ΔQ = 1: salt 1, soil 4',
    ]) {
      expect(section).toContain(words)
    }
    expect(files).toContain(join('charts', 'error-comparison.svg'))
    const table = (name: string): string[][] => readCsv(readFileSync(join(folder, 'tables', `${name}.csv`), 'utf8'))
    const [head, ...rows] = table('error_summary')
    const column = (name: string): string[] => rows.map((row) => row[head!.indexOf(name)]!)
    const { bootstrap, displacement } = estimation
    expect(rows).toHaveLength(8)
    expect(column('bs_95')).toEqual(Array.from(bootstrap.statistics.quantiles['95'].data, String))
    expect(column('disp_4_lower')[4]).toBe(String(displacement.elements[2]!.levels[0]!.lower))
    expect(column('disp_8_upper').slice(6)).toEqual(['', ''])
    expect(column('disp_4_marks')).toEqual(['', 'lower at zero', '', '', 'other branch', '', '', 'upper unbounded'])
    expect(column('bs_disp_0.5_upper')[0]).toBe('2.5')
    expect(column('standard_error')[1]).toBe('')
    expect(table('bootstrap_mapping')).toEqual([
      ['mapping', 'base_factor', 'resample_factor_1', 'resample_factor_2', 'unmapped'],
      ['one to one', 'salt', '19', '1', '0'],
      ['one to one', 'soil', '1', '14', '5'],
      ['nearest', 'salt', '19', '2', ''],
      ['nearest', 'soil', '1', '13', ''],
      ['nearest', 'unmapped', '0', '5', ''],
    ])
    expect(table('bs_disp_swaps')[1]).toEqual(['0.5', '0', '3'])
    expect(table('displacement_swaps')).toEqual([
      ['level', 'salt', 'soil'],
      ['4', '0', '0'],
      ['8', '0', '3'],
    ])
  })

  test('columns and words of methods that were not run are absent', async () => {
    const { bootstrap } = smallEstimation(await smallReport())
    const { folder, files } = await write({}, { bootstrap })
    const [head] = readCsv(readFileSync(join(folder, 'tables', 'error_summary.csv'), 'utf8'))
    expect(head!.filter((name) => /disp|laplace/.test(name))).toEqual([])
    expect(files.some((file) => file.includes('displacement'))).toBe(false)
    expect(readPage(folder).html).not.toMatch(/<li>(Displacement|BS-DISP):/)
    expect((await write()).files.some((file) => /error|bootstrap|disp/.test(file))).toBe(false)
  })
})
