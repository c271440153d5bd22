import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Dataset } from '../../src-ts/data/index.ts'
import { fileProblem } from '../../src-ts/data/text.ts'
import { EXAMPLES, file, pair, problemsOf, read, utf16 } from './files.ts'

const CON = 'Date,Cd,Zn\n2001-06-22,0.5,1.25\n2001-06-23,0.75,2\n'
const UNC = 'Date,Cd,Zn\n2001-06-22,0.1,0.25\n2001-06-23,0.1,0.5\n'
const VALUES = [0.5, 1.25, 0.75, 2]

interface Golden {
  data: Record<
    string,
    {
      files: [string, string]
      m: number
      n: number
      rows_dropped: number
      sha256_V: string
      sha256_U: string
      species: string[]
      first_label: string
      last_label: string
    }
  >
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/pmf/golden.json', import.meta.url), 'utf8')) as Golden

describe('the EPA sets', () => {
  for (const [name, expected] of Object.entries(golden.data)) {
    test(`${name} reads to exactly the numbers of the fixtures`, async () => {
      const [con, unc] = expected.files.map((each) => fileURLToPath(new URL(each, EXAMPLES))) as [string, string]
      const data = await Dataset.read(con, unc)
      expect(data.sha256()).toEqual({ values: expected.sha256_V, uncertainties: expected.sha256_U })
      expect([data.rows, data.cols]).toEqual([expected.m, expected.n])
      expect(data.species).toEqual(expected.species)
      expect([data.samples[0], data.samples.at(-1)]).toEqual([expected.first_label, expected.last_label])
      expect(data.treatment.concentrations!.blankLines).toHaveLength(expected.rows_dropped)
      expect(data.treatment.uncertainties!.blankLines).toHaveLength(expected.rows_dropped)
      expect(data.treatment.missingCells).toBe(0)
      expect(data.dates).toHaveLength(expected.m)
    })
  }

  test('the blank lines of Baltimore are named by their numbers', async () => {
    const [con, unc] = golden.data.baltimore!.files.map((each) => fileURLToPath(new URL(each, EXAMPLES))) as [
      string,
      string,
    ]
    const lines = (await Dataset.read(con, unc)).treatment.concentrations!.blankLines
    expect([lines[0], lines.at(-1)]).toEqual([632, 658])
  })
})

describe('how a file is written', () => {
  const writings: [string, string | Uint8Array, string | Uint8Array][] = [
    ['UTF-8 with a byte order mark', '\ufeff' + CON, '\ufeff' + UNC],
    ['UTF-16 little endian with a byte order mark', utf16(CON), utf16(UNC)],
    ['UTF-16 big endian with a byte order mark', utf16(CON, true), utf16(UNC, true)],
    ['UTF-16 without a byte order mark', utf16(CON, false, false), utf16(UNC, true, false)],
    ['Windows line ends', CON.replaceAll('\n', '\r\n'), UNC.replaceAll('\n', '\r\n')],
    ['old Macintosh line ends', CON.replaceAll('\n', '\r'), UNC.replaceAll('\n', '\r')],
    ['no line end after the last line', CON.trimEnd(), UNC.trimEnd()],
    ['tabs', CON.replaceAll(',', '\t'), UNC.replaceAll(',', '\t')],
    [
      'semicolons and decimal commas',
      CON.replaceAll(',', ';').replaceAll('.', ','),
      UNC.replaceAll(',', ';').replaceAll('.', ','),
    ],
    ['tabs and decimal commas', CON.replaceAll(',', '\t').replaceAll('.', ','), UNC],
    ['vertical bars', CON.replaceAll(',', '|'), UNC],
    ['quoted fields', 'Date,"Cd","Zn"\n"2001-06-22","0.5",1.25\n2001-06-23, "0.75" ,2\n', UNC],
    ['trailing delimiters that a spreadsheet left', CON.replaceAll('\n', ',,\n'), UNC],
    ['spaces around the fields', CON.replaceAll(',', ' , '), UNC],
    ['blank lines between and after samples', CON.replace('\n2001-06-23', '\n\n,,\n2001-06-23') + ',,\n\n', UNC],
  ]
  for (const [name, con, unc] of writings) {
    test(`${name} give the same data`, async () => {
      const data = await read(con, unc)
      expect(data.species).toEqual(['Cd', 'Zn'])
      expect([...data.values.data]).toEqual(VALUES)
      expect([...data.uncertainties.data]).toEqual([0.1, 0.25, 0.1, 0.5])
    })
  }

  test('Windows line ends count once: no blank lines appear, and errors name the right line', async () => {
    const data = await read(CON.replaceAll('\n', '\r\n'), UNC)
    expect(data.treatment.concentrations!.blankLines).toEqual([])
    expect((await problemsOf(read(CON.replace('0.75', 'x').replaceAll('\n', '\r\n'), UNC)))[0]).toMatchObject({
      line: 3,
    })
  })

  test('what was decided about the file is in the treatment', async () => {
    const data = await read(utf16(CON.replaceAll(',', ';').replaceAll('.', ',')), UNC)
    expect(data.treatment.concentrations).toMatchObject({
      encoding: 'utf-16le',
      delimiter: ';',
      decimal: ',',
      decimalSeen: true,
      unitsRow: false,
    })
    expect(data.treatment.uncertainties).toMatchObject({ encoding: 'utf-8', delimiter: ',', decimal: '.' })
  })

  test('Latin-1 names and units are read as they were meant, also the Windows characters', async () => {
    const latin = Buffer.from('Date,S\u00e9l\u00e9nium,Zn\nunits,\u00b5g/m\u00b3,\u0080\na,0.5,1\nb,0.75,2\n', 'latin1')
    const data = await read(latin, latin)
    expect(data.species[0]).toBe('Sélénium')
    expect(data.units).toEqual(['µg/m³', '€'])
    expect(data.treatment.concentrations!.encoding).toBe('latin1')
  })

  test('a quoted field may hold the delimiter, a quote and a line end, and later lines keep their numbers', async () => {
    const con = 'Date,"PM2,5","say ""Zn""\nor so"\na,1.5,2\nb,x,3\n'
    const [problem] = await problemsOf(read(con, con))
    expect(problem).toMatchObject({ line: 4, column: 2, header: 'PM2,5', value: 'x' })
    const data = await read(con.replace('x', '7'), con.replace('x', '7'))
    expect(data.species).toEqual(['PM2,5', 'say "Zn"\nor so'])
  })

  test('a units line is recognised, and only where it cannot be a sample', async () => {
    const unit = (text: string): string => CON.replace('\n', `\n${text}\n`)
    expect((await read(unit('Unit,ng/m3,'), UNC)).units).toEqual(['ng/m3', undefined])
    expect((await problemsOf(read(unit('2001-06-21,abc,def'), UNC))).map((p) => p.code)).toEqual([
      'not-a-number',
      'not-a-number',
    ])
    expect((await problemsOf(read(unit('Unit,ng/m3,'), UNC, { units: 'none' })))[0]).toMatchObject({
      code: 'not-a-number',
      value: 'ng/m3',
    })
  })

  test('units of the uncertainty file serve where the concentrations have none, in the right order', async () => {
    const data = await read(CON, 'Date,Zn,Cd\n,ug,ng\n2001-06-22,0.25,0.1\n2001-06-23,0.5,0.1\n')
    expect(data.units).toEqual(['ng', 'ug'])
  })

  test('title lines are asked about, and skipped on request', async () => {
    const titled = 'Station 7\nHourly means\n' + CON
    const [problem] = await problemsOf(read(titled, UNC))
    expect(problem!.code).toBe('delimiter-not-found')
    expect(problem!.hint).toContain('preamble to 2')
    const data = await read(titled, 'a\nb\n' + UNC, { preamble: 2 })
    expect([...data.values.data]).toEqual(VALUES)
    expect((await problemsOf(read(titled.replace('0.75', 'q'), 'a\nb\n' + UNC, { preamble: 2 })))[0]).toMatchObject({
      line: 5,
    })
  })

  test('a column that is no species is left out on request, and a wrong name is answered with the right one', async () => {
    const con = 'Date,Site,Cd,Zn\n2001-06-22,A,0.5,1.25\n2001-06-23,B,0.75,2\n'
    const [problem, ...others] = await problemsOf(read(con, UNC))
    expect(others).toEqual([])
    expect(problem).toMatchObject({ code: 'column-not-numeric', header: 'Site', value: 'A', line: 2, column: 2 })
    expect(problem!.hint).toContain('ignore')
    const both = con.replace('A,0.5', 'A,0.1')
    expect((await read(con, both, { ignore: ['Site'] })).species).toEqual(['Cd', 'Zn'])
    expect((await problemsOf(read(con, both, { ignore: ['Sit'] })))[0]).toMatchObject({
      code: 'column-unknown',
      hint: 'did you mean "Site"?',
    })
  })
})

describe('missing cells', () => {
  test('every way to write a missing cell is counted under its name and has weight 0', async () => {
    const con = 'Date,A,B\n1,,NA\n2,NaN,BDL\n3,<0.001,-999\n4,-999.0,< 2\n5,1,-99\n6,2,nd\n7,3,4\n'
    const unc = `Date,A,B\n${[1, 2, 3, 4, 5, 6, 7].map((i) => `${i},1,1`).join('\n')}\n`
    const data = await read(con, unc)
    expect(data.treatment.concentrations!.missing).toEqual({
      '(blank)': 1,
      NA: 1,
      NaN: 1,
      BDL: 1,
      '<x': 2,
      '-999': 2,
      '-99': 1,
      nd: 1,
    })
    expect(data.treatment.droppedSamples.map((d) => [d.sample, d.reason, d.line])).toEqual([['1', 'no-data', 2], ['2', 'no-data', 3], ['3', 'no-data', 4], ['4', 'no-data', 5]]) // prettier-ignore
    expect([...data.weights.data]).toEqual([1, 0, 1, 0, 1, 1])
    expect(data.treatment.missingCells).toBe(2)
  })

  test('a sample is dropped if all its uncertainties are missing, and an infinite uncertainty is missing', async () => {
    const data = await read('d,A,B\na,1,2\nb,3,4\nc,5,6\n', 'd,A,B\na,-999,\nb,inf,1\nc,inf,Infinity\n')
    expect(data.samples).toEqual(['b'])
    expect([...data.weights.data]).toEqual([0, 1])
  })

  test('own words and sentinels can be named, and then -999 is a number', async () => {
    const con = 'd,A\na,-999\nb,Invalid\nc,-1\n'
    const unc = 'd,A\na,1\nb,1\nc,1\n'
    const data = await read(con, unc, { missing: { words: ['invalid'], sentinels: [-1] } })
    expect([...data.values.data]).toEqual([-999])
    expect(data.treatment.concentrations!.missing).toEqual({ Invalid: 1, '-1': 1 })
  })
})

describe('broken files', () => {
  test('.xlsx and .xls are recognised by their bytes and answered with "save as CSV"', async () => {
    for (const magic of [
      [0x50, 0x4b, 3, 4],
      [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1],
    ]) {
      const [problem] = await problemsOf(
        Dataset.read(await file(Uint8Array.from([...magic, 0, 1, 2])), await file(UNC)),
      )
      expect(problem!.code).toBe('spreadsheet-file')
      expect(problem!.hint).toMatch(/save the sheet as CSV/)
    }
  })

  test('bytes that are no text, an empty file, a missing one and a folder are told apart', async () => {
    const unc = await file(UNC)
    const code = async (name: string): Promise<string> => (await problemsOf(Dataset.read(name, unc)))[0]!.code
    expect(await code(await file(Uint8Array.from([1, 0, 0, 0, 7, 9, 0, 3])))).toBe('binary-file')
    expect(await code(await file(' \n'))).toBe('file-empty')
    expect(await code('no such file.csv')).toBe('file-not-found')
    expect(await code(fileURLToPath(new URL('.', EXAMPLES)))).toBe('file-not-readable')
  })

  test('a file whose encoding is named wrongly is refused', async () => {
    const latin = Buffer.from('Date,\u00e9\na,1\n', 'latin1')
    expect((await problemsOf(read(latin, latin, { encoding: 'utf-8' })))[0]!.code).toBe('encoding-mismatch')
  })

  test('ragged rows are named with line, expected and found number of fields', async () => {
    const problems = await problemsOf(read('d,A,B\na,1,2\nb,3\nc,4,5,6\n', 'd,A,B\na,1,1\nb,1,1\nc,1,1\n'))
    expect(problems.map((p) => [p.code, p.line])).toEqual([['row-length', 3], ['row-length', 4]]) // prettier-ignore
    expect(problems[0]!.message).toBe('expected 3 fields as in the header, found 2')
  })

  test('a header without a name for the label column is recognised', async () => {
    const [problem] = await problemsOf(read('A,B\na,1,2\nb,3,4\n', UNC))
    expect(problem!.hint).toContain('give the label column a name')
  })

  test('duplicate and nameless headers are named with their columns', async () => {
    const problems = await problemsOf(read('d,A,A,\na,1,2,3\n', 'd,A,B,C\na,1,2,3\n'))
    expect(problems.map((p) => [p.code, p.line, p.column])).toEqual([['header-duplicate', 1, 3], ['header-missing', 1, 4]]) // prettier-ignore
  })

  test('a sample without a label is named by its line', async () => {
    expect((await problemsOf(read('d,A\na,1\n,2\n', 'd,A\na,1\nb,1\n')))[0]).toMatchObject({
      code: 'label-missing',
      line: 3,
    })
  })

  const texts: [string, RegExp][] = [
    ['1 234.5', /thousands/],
    ['2.5*', /flags/],
    ['>40', /measuring range/],
    ['\u22125', /typographic/],
    ['1.5D-3', /exponent/],
    ['1.2.3', /missing\.words/],
  ]
  for (const [text, hint] of texts) {
    test(`"${text}" is no number, and the hint says what to do`, async () => {
      const [problem] = await problemsOf(read(`d,A,B\na,1,2\nb,3.5,${text}\n`, 'd,A,B\na,1,1\nb,1,1\n'))
      expect(problem).toMatchObject({ code: 'not-a-number', line: 3, column: 3, header: 'B', value: text })
      expect(problem!.hint).toMatch(hint)
    })
  }

  test('a decimal comma among decimal points is a mistake that the hint explains', async () => {
    const [problem] = await problemsOf(read('d;A;B\na;1.5;2.5\nb;3.5;4,5\n', 'd;A;B\na;1;1\nb;1;1\n'))
    expect(problem).toMatchObject({ code: 'not-a-number', line: 3, column: 3, value: '4,5' })
    expect(problem!.hint).toContain('decimal mark of this file is "."')
  })

  test('numbers that are all like 1,234 are asked about: a factor of a thousand is never guessed', async () => {
    const con = 'd\tA\tB\na\t1,234\t5,678\nb\t2,345\t6,789\n'
    const unc = 'd\tA\tB\na\t1\t1\nb\t1\t1\n'
    expect((await problemsOf(read(con, unc)))[0]).toMatchObject({ code: 'decimal-mark-ambiguous', value: '1,234' })
    expect([...(await read(con, unc, { decimal: ',' })).values.data]).toEqual([1.234, 5.678, 2.345, 6.789])
    expect([...(await read(con.replace('1,234', '0,234'), unc)).values.data][0]).toBe(0.234)
  })

  test('a table that two delimiters read equally well is asked about', async () => {
    const con = 'd;A,B\nx;1,2\ny;3,4\n'
    expect((await problemsOf(read(con, con)))[0]!.code).toBe('delimiter-ambiguous')
    // One line that fits only one of them decides.
    expect((await read(con + 'z;\n', con + 'z;\n')).treatment.concentrations!.delimiter).toBe(';')
    expect([...(await read(con, con, { delimiter: ';' })).values.data]).toEqual([1.2, 3.4])
    expect([...(await read(con, con, { delimiter: ',' })).values.data]).toEqual([2, 4])
  })

  test('unbalanced quotation marks are named where they open', async () => {
    expect((await problemsOf(read('d,A\na,1\nb,"2\nc,3\n', UNC)))[0]).toMatchObject({
      code: 'quote-not-closed',
      line: 3,
      column: 2,
    })
    expect((await problemsOf(read('d,A\na,1\nb,"2"x\n', UNC)))[0]).toMatchObject({
      code: 'text-after-quote',
      line: 3,
      column: 2,
    })
  })

  test('a header without samples, and one without species, are refused', async () => {
    expect((await problemsOf(read('d,A\n', UNC)))[0]!.code).toBe('no-samples')
    expect((await problemsOf(read('d\na\n', UNC)))[0]!.code).toBe('delimiter-not-found')
    expect((await problemsOf(read(CON, UNC, { ignore: ['Cd', 'Zn'] })))[0]!.code).toBe('no-species')
  })

  test('a file that Excel holds open is answered with what to do', () => {
    const busy = Object.assign(new Error('EBUSY: resource busy or locked'), { code: 'EBUSY' })
    expect(fileProblem('con.csv', busy)).toMatchObject({
      code: 'file-locked',
      file: 'con.csv',
      hint: expect.stringContaining('close it in Excel') as string,
    })
  })

  test('the mistakes of both files come back at once, 20 are shown with the total, and all are in problems', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => i)
    const con = `d,A,B\n${rows.map((i) => `s${i},1,x${i}`).join('\n')}\nlast,1,2\n`
    const unc = `d,A,B\n${rows.map((i) => `s${i},y,1`).join('\n')}\nlast,1,2\n`
    const outcome = await read(con, unc).catch((error: unknown) => error as Error & { problems: unknown[] })
    const error = outcome as Error & { problems: unknown[] }
    expect(error.problems).toHaveLength(60)
    expect(error.message).toMatch(/^60 problems/)
    expect(error.message.split('\n')).toHaveLength(22)
    expect(error.message).toContain('… and 40 more')
  })

  test('an infinite value and an uncertainty of zero are named by file, line and column', async () => {
    const [con, unc] = await pair('d,A,B\na,1,2\nb,inf,3\n', 'd,B,A\nb,1,1\na,0,-2\n')
    const problems = await problemsOf(Dataset.read(con, unc))
    expect(problems).toMatchObject([
      { code: 'uncertainty-not-positive', file: unc, line: 3, column: 3, header: 'A', value: '-2' },
      { code: 'uncertainty-not-positive', file: unc, line: 3, column: 2, header: 'B', value: '0' },
      { code: 'value-not-finite', file: con, line: 3, column: 2, header: 'A' },
    ])
  })
})
