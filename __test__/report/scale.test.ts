import { expect, test } from 'vitest'
import { brokenTime, exact, linear, logarithmic, time } from '../../src-ts/report/scale.ts'
import { fixed, number, objective } from '../../src-ts/report/format.ts'

const labels = (scale: { ticks: { label: string }[] }): string[] => scale.ticks.map(({ label }) => label)

test('linear axes end at round numbers and hold all values', () => {
  expect(labels(linear(0, 0.87, 0, 100))).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1'])
  expect(linear(0, 0.87, 0, 100).at(0.25)).toBeCloseTo(25, 12)
  expect(labels(linear(5, 5, 0, 1))).toContain('5')
  expect(exact(0.5, 36.5, 0, 1, 10).low).toBe(0.5)
})

test('logarithmic axes have whole decades', () => {
  expect(labels(logarithmic(0.02, 30, 0, 1))).toEqual(['0.01', '0.1', '1', '10', '100'])
  expect(labels(logarithmic(1e-6, 1, 0, 1))).toEqual(['10⁻⁶', '10⁻⁵', '10⁻⁴', '10⁻³', '10⁻²', '10⁻¹', '1'])
  const scale = logarithmic(1e-3, 1, 0, 90)
  expect([scale.at(0.01), scale.at(1), scale.at(0)].map((x) => Math.round(x))).toEqual([30, 90, 0])
})

test('time axes have calendar ticks', () => {
  const at = (text: string): number => Date.parse(`${text}Z`)
  expect(labels(time(at('2000-12-14'), at('2007-07-07'), 0, 1))).toEqual([
    ...['2001', '2002', '2003', '2004', '2005', '2006', '2007'],
  ])
  expect(labels(time(at('2001-01-20'), at('2001-07-07'), 0, 1, 6))).toEqual([
    ...['2001-02', '2001-03', '2001-04', '2001-05', '2001-06', '2001-07'],
  ])
  expect(labels(time(at('2001-06-29T22:00'), at('2001-06-30T09:00'), 0, 1, 4))).toEqual([
    ...['06-30 00:00', '06-30 03:00', '06-30 06:00', '06-30 09:00'],
  ])
  expect(time(at('2001-06-29'), at('2001-06-29'), 0, 100).at(at('2001-06-29'))).toBe(50)
})

test('a broken time axis keeps order and leaves the gaps out', () => {
  const scale = brokenTime(
    [
      [0, 1e9],
      [5e10, 5.2e10],
    ],
    0,
    900,
  )
  const places = [0, 5e8, 1e9, 5e10, 5.1e10, 5.2e10].map((value) => scale.at(value))
  expect(places).toEqual([...places].sort((a, b) => a - b))
  expect(places[5]! - places[3]!).toBeGreaterThan(1.9 * (places[2]! - places[0]! - 24))
  expect(scale.breaks).toEqual([[places[2], places[3]]])
})

test('numbers are written for people', () => {
  expect([0, 1234.5678, 0.012345, 1.2e-9, -5, 123456, NaN, undefined, 1e300, 9.9999e-5].map((x) => number(x))).toEqual([
    ...['0', '1235', '0.01235', '1.2 × 10⁻⁹', '−5', '123456', '–', '–', '1 × 10³⁰⁰', '0.0001'],
  ])
  expect([fixed(-0.001, 1), fixed(2.25, 1), objective(13991.642665), objective(1.5e12)]).toEqual([
    ...['0.0', '2.3', '13991.643', '1.5 × 10¹²'],
  ])
})
