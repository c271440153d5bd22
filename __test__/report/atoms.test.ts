/** Pictures of atoms: each chart by itself, and the planes in which curves are drawn. */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Matrix } from '../../index.ts'
import { densityChart } from '../../src-ts/report/charts/atoms/density.ts'
import { histogramChart } from '../../src-ts/report/charts/atoms/histogram.ts'
import { planeChart, type Point } from '../../src-ts/report/charts/atoms/plane.ts'
import { pointChart } from '../../src-ts/report/charts/atoms/point.ts'
import { planesOf, project } from '../../src-ts/report/dictionary/plane.ts'
import { countCodes, evenly } from '../../src-ts/report/dictionary/sample.ts'
import { everything, readXml } from './xml.ts'

const turn = (count: number, size = 1): Point[] =>
  Array.from({ length: count + 1 }, (_, i) => {
    const t = (2 * Math.PI * i) / count
    return [0.3 + size * Math.cos(t), size * 0.8 * Math.sin(t)]
  })
const about = (id: string, doubts: readonly string[]) => ({
  id,
  doubts,
  title: `Picture of ${id}`,
  description: `What is drawn of ${id}, in words, for those who cannot see it.`,
})
const DRAW: Record<string, (doubts?: readonly string[]) => string> = {
  plane: (doubts = []) =>
    planeChart({
      ...about('atom-1-plane', doubts),
      axes: ['first direction', 'second direction'],
      lines: [{ family: 0, points: turn(24) }],
      marks: [0, 6, 12, 18].map((i) => ({ at: turn(24)[i]!, label: String(i / 24) })),
      codes: turn(17, 1.05),
    }),
  histogram: (doubts = []) =>
    histogramChart({
      ...about('atom-1-histogram', doubts),
      histogram: countCodes(
        Float64Array.from({ length: 40 }, (_, i) => (i * i * 0.017) % 1),
        [0, 1],
      ),
      axis: 't (turns)',
      even: 40 / 6,
    }),
  point: (doubts = []) =>
    pointChart({ ...about('atom-1-point', doubts), decoder: Float64Array.from([1, -0.25, 0, 0.5, 2, -1]) }),
  density: (doubts = []) =>
    densityChart({
      doubts,
      rows: [
        { label: 'fitted rows', bins: [{ from: -3, atoms: 1 }, { from: -0.5, atoms: 4 }] }, // prettier-ignore
        { label: 'held-out rows', bins: [{ from: -1, atoms: 5 }] },
      ],
    }),
}

test('every file of charts/atoms/ is drawn here', () => {
  const files = readdirSync(new URL('../../src-ts/report/charts/atoms', import.meta.url))
  expect(files.map((file) => file.replace('.ts', '')).sort()).toEqual(Object.keys(DRAW).sort())
})

describe.each(Object.keys(DRAW))('%s', (name) => {
  const draw = DRAW[name]!

  test('looks as it did, and the same numbers give the same bytes', async () => {
    await expect(draw()).toMatchFileSnapshot(`snapshots/atoms-${name}.svg`)
    expect(draw()).toBe(draw())
  })

  test('is a well-formed picture with title, description and unique ids; its numbers are rounded', () => {
    const svg = readXml(draw())
    const all = everything(svg)
    const ids = all.map(({ attributes }) => attributes.id).filter((id) => id !== undefined)
    expect(new Set(ids).size).toBe(ids.length)
    const said = svg.attributes['aria-labelledby']!.split(' ')
    expect(said.map((id) => all.find(({ attributes }) => attributes.id === id)!.name)).toEqual(['title', 'desc'])
    expect(draw()).not.toMatch(/NaN|undefined|Infinity|null/)
    const numbers = all.flatMap(({ attributes: { d = '', x = '', y = '', width = '' } }) => [d, x, y, width])
    expect(numbers.filter((text) => /\.\d{3}|\de-?\d/.test(text))).toEqual([])
  })

  test('writes doubts on itself', () => {
    expect(draw()).not.toContain('-doubts')
    const marks = everything(readXml(draw(['not converged: stalled'])))
    expect(marks.map(({ text }) => text)).toContain('not converged: stalled')
  })
})

test('nothing but one point, no codes, and constant numbers are drawn too', () => {
  const axes = ['a', 'b'] as const
  const one = [[0, 0]] as const
  readXml(planeChart({ ...about('x', []), axes, lines: [{ family: 0, points: one }], marks: [], codes: [] }))
  readXml(histogramChart({ ...about('x', []), histogram: countCodes(new Float64Array(0)), axis: 't' }))
  readXml(histogramChart({ ...about('x', []), histogram: countCodes(new Float64Array(9).fill(1)), axis: 't' }))
  readXml(pointChart({ ...about('x', []), decoder: new Float64Array(3) }))
  readXml(densityChart({ doubts: [], rows: [{ label: 'fitted rows', bins: [] }] }))
})

test('a point with more columns than pixels keeps its extremes', () => {
  const decoder = Float64Array.from({ length: 50_000 }, (_, j) => (j === 31_415 ? 10 : j === 27_182 ? -5 : 0.01))
  const svg = pointChart({ ...about('x', []), decoder })
  expect(svg.length).toBeLessThan(20_000)
  // The axis goes from -5 to 10: one bar reaches its upper end, at pixel 12, another its lower one.
  expect(svg).toMatch(/V12H/)
  expect(svg).toMatch(/M[\d.]+ 268H/)
})

describe('histograms of codes', () => {
  test('count every code once, in √N bins', () => {
    const values = Float64Array.from({ length: 400 }, (_, i) => i / 400)
    const { counts, width } = countCodes(values, [0, 1])
    expect(counts).toEqual(new Array(20).fill(20))
    expect(width).toBe(0.05)
    const few = countCodes(Float64Array.from([-1, 3, 3, 0, 1]))
    expect(few).toEqual({ low: -1, width: 2, counts: [2, 3] })
  })

  test('show codes evenly chosen', () => {
    expect(evenly(3, 5)).toEqual([0, 1, 2])
    expect(evenly(10, 5)).toEqual([0, 2, 4, 6, 8])
    expect(evenly(0, 5)).toEqual([])
  })
})

describe('planes', () => {
  /** Rows of a decoder from numbers. */
  const decoder = (...rows: number[][]): Matrix => Matrix.from(rows)
  const length = ([x, y]: Point): number => Math.hypot(x, y)

  test('of a circle are its own: lengths and angles stay as they are', () => {
    const [u, v] = [
      [0.6, 0, 0.8, 0],
      [0, 1, 0, 0],
    ] as const
    const [plane, ...others] = planesOf(decoder([9, 9, 9, 9], [...u], [...v]))
    expect(others).toEqual([])
    expect(plane!.share).toBeCloseTo(1, 14)
    for (const t of [0, 0.1, 0.37]) {
      const [c, s] = [Math.cos(t), Math.sin(t)]
      expect(
        length(
          project(
            plane!,
            Float64Array.from(u, (x, j) => c * x + s * v[j]!),
          ),
        ),
      ).toBeCloseTo(1, 14)
    }
    expect(length(project(plane!, Float64Array.from([0.8, 0, -0.6, 5])))).toBeCloseTo(0, 14)
  })

  test('lie along the largest directions, and the next two follow where they show something', () => {
    const [top, next] = planesOf(decoder([0, 0, 0, 0], [0, 0, 0, 1], [0, 3, 0, 0], [2, 0, 0, 0], [0, 0, 0.5, 0]))
    const total = 1 + 9 + 4 + 0.25
    expect(top!.share).toBeCloseTo(13 / total, 14)
    expect(next!.share).toBeCloseTo(1.25 / total, 14)
    const [x, y] = project(top!, Float64Array.from([1, 1, 0, 0]))
    expect([Math.abs(x), Math.abs(y)]).toEqual([1, 1])
    expect(length(project(top!, Float64Array.from([0, 0, 1, 1])))).toBe(0)
    const small = planesOf(decoder([0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 0.2]))
    expect(small).toHaveLength(1)
  })

  test('agree with a decoder that is turned: the share is the same', () => {
    const [a, b, c] = [
      [3, 1, -2, 0.5],
      [1, -1, 0.5, 2],
      [0.2, 0.7, 1, 1],
    ] as const
    const mixed = [a, b, c].map((_, i) => a.map((x, j) => [x + b[j]!, x - b[j]!, Math.SQRT2 * c[j]!][i]! / Math.SQRT2))
    const of = (rows: readonly (readonly number[])[]) => planesOf(decoder([0, 0, 0, 0], ...rows.map((row) => [...row])))
    expect(of(mixed)[0]!.share).toBeCloseTo(of([a, b, c])[0]!.share, 13)
  })

  test('of a line are its direction and what is left of its middle', () => {
    const [plane] = planesOf(decoder([1, 2, 0], [2, 0, 0]))
    expect(plane!.share).toBe(1)
    expect(project(plane!, Float64Array.from([3, 2, 7]))).toEqual([3, 2])
    expect(planesOf(decoder([3, 0, 0], [2, 0, 0]))[0]!.directions[1]).toEqual(new Float64Array(3))
    expect(planesOf(decoder([0, 0, 0], [0, 0, 0]))[0]!.directions[0]).toEqual(new Float64Array(3))
  })
})
