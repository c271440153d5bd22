import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDate, readDates } from '../../src-ts/data/dates.ts'
import { problemsOf, read } from './files.ts'

const day = (text: string): number => Date.parse(text + 'T00:00:00Z')

test('one day after the 12th tells the order for the whole column', () => {
  expect(readDates(['1/2/2001', '1/13/2001'])).toMatchObject({
    order: 'mdy',
    times: Float64Array.of(day('2001-01-02'), day('2001-01-13')),
  })
  expect(readDates(['1/2/2001', '13/1/2001'])).toMatchObject({
    order: 'dmy',
    times: Float64Array.of(day('2001-02-01'), day('2001-01-13')),
  })
})

test('a column in which no day tells is an error that asks, and dateOrder answers it', async () => {
  const con = 'd,A\n1/2/2001,1\n3/4/2001,2\n'
  const [problem] = await problemsOf(read(con, con))
  expect(problem).toMatchObject({ code: 'date-ambiguous', line: 2, column: 1, value: '1/2/2001' })
  expect(problem!.message).toContain('2001-01-02 or 2001-02-01')
  expect(problem!.hint).toContain('dateOrder')
  expect((await read(con, con, { dateOrder: 'dmy' })).dates![0]).toEqual(new Date('2001-02-01T00:00:00Z'))
  expect((await read(con, con, { dateOrder: 'mdy' })).dates![0]).toEqual(new Date('2001-01-02T00:00:00Z'))
})

test('dates that both orders read alike are not ambiguous', () => {
  expect(readDates(['1/1/2001', '2/2/2001'])!.times).toEqual(Float64Array.of(day('2001-01-01'), day('2001-02-02')))
})

test('dates with dots are day.month.year, and not ambiguous', () => {
  expect(readDates(['1.2.2001', '3.4.2001'])).toMatchObject({ order: 'dmy' })
})

test('an order that does not fit names the labels it cannot read', async () => {
  const con = 'd,A\n1/2/2001,1\n13/2/2001,2\n'
  expect((await problemsOf(read(con, con, { dateOrder: 'mdy' })))[0]).toMatchObject({
    code: 'date-not-read',
    line: 3,
    value: '13/2/2001',
  })
})

test('one mistyped label among dates is a mistake, and labels that are names are none', async () => {
  expect((await problemsOf(() => readDates(['2001-01-01', '2001-01-02', '2001-02-30'])))[0]).toMatchObject({
    code: 'date-not-read',
    row: 2,
  })
  expect(readDates(['sample 1', 'sample 2', '2001-01-01'])).toBeUndefined()
  expect(readDates(['1', '2', '3'])).toBeUndefined()
})

test('layouts with names of months, dots, no separators, time and half-days are read', () => {
  const noon = day('2001-06-22') + 12 * 3600_000
  for (const text of ['22-Jun-2001 12:00', '22.06.2001 12:00:00', '22/6/01 12:00 PM', '22 June 2001T12:00']) {
    expect(parseDate(text, 'dmy'), text).toBe(noon)
  }
  expect(parseDate('20010622 1200', 'ymd')).toBe(noon)
  expect(parseDate('2001-06-22T12:00:00Z', 'ymd')).toBe(noon)
  expect(parseDate('6/22/2001 12:00 AM', 'mdy')).toBe(day('2001-06-22'))
  expect(parseDate('6/22/2001 24:00', 'mdy')).toBe(day('2001-06-23'))
})

test('impossible dates and times are no dates', () => {
  for (const text of [
    '2001-02-29',
    '2001-13-01',
    '2001-00-10',
    '2001-01-01 25:00',
    '2001-01-01 12:60',
    '2001-01-01 13:00 PM',
    '2001/01-01',
  ]) {
    expect(parseDate(text, 'ymd'), text).toBeNaN()
  }
})

test('every date written in an order is read back in that order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: day('1970-01-01') / 864e5, max: day('2069-12-31') / 864e5 }),
      fc.boolean(),
      (days, short) => {
        const date = new Date(days * 864e5)
        const [y, m, d] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
        const year = short ? String(y % 100).padStart(2, '0') : String(y)
        expect(parseDate(`${m}/${d}/${year}`, 'mdy')).toBe(date.getTime())
        expect(parseDate(`${d}.${m}.${year}`, 'dmy')).toBe(date.getTime())
        expect(parseDate(`${year}-${m}-${d}`, 'ymd')).toBe(date.getTime())
      },
    ),
  )
})
