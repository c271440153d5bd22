import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { analyze, Matrix } from '../../index.ts'
import { drawCharts } from '../../src-ts/report/charts.ts'
import { contributionsChart } from '../../src-ts/report/charts/contributions.ts'
import { prepareContent } from '../../src-ts/report/content.ts'
import { histogramOf } from '../../src-ts/report/histogram.ts'
import { HOSTILE, smallEstimation, smallReport, type Changes } from './model.ts'
import { everything, readXml } from './xml.ts'

const draw = async (changes: Changes = {}) => {
  const input = await smallReport(changes)
  return drawCharts(prepareContent({ ...input, ...smallEstimation(input), standardErrors: undefined }))
}
const files = readdirSync(new URL('../../src-ts/report/charts', import.meta.url))
// The folder atoms/ has its own tests.
const NAMES = files
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((name) => name !== 'series')

test('every file of charts/ is drawn, and nothing else', async () => {
  expect((await draw()).map(({ name }) => name).sort()).toEqual(NAMES.sort())
})

describe.each(NAMES)('%s', (name) => {
  const one = async (changes: Changes = {}) => (await draw(changes)).find((chart) => chart.name === name)!.svg

  test('looks as it did', async () => {
    await expect(await one()).toMatchFileSnapshot(`snapshots/${name}.svg`)
  })

  test('is a well-formed picture with title, description and unique ids', async () => {
    for (const changes of [{}, { dates: false }, { species: HOSTILE }]) {
      const svg = readXml(await one(changes))
      const all = everything(svg)
      expect(svg.attributes.role).toBe('img')
      const ids = all.map(({ attributes }) => attributes.id).filter((id) => id !== undefined)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.every((id) => id.startsWith(name))).toBe(true)
      const [title, description] = svg.attributes['aria-labelledby']!.split(' ').map((id) =>
        all.find(({ attributes }) => attributes.id === id)!,
      )
      expect([title!.name, description!.name]).toEqual(['title', 'desc'])
      expect(title!.text.length).toBeGreaterThan(5)
      expect(description!.text.length).toBeGreaterThan(40)
    }
  })

  test('holds finite numbers only, each rounded to a hundredth', async () => {
    const svg = (await one()) + (await one({ dates: false }))
    expect(svg).not.toMatch(/NaN|undefined|Infinity|null/)
    const drawn = everything(readXml(`<all>${svg}</all>`)).flatMap(({ attributes }) =>
      ['d', 'x', 'y', 'width', 'height', 'x1', 'y1', 'transform'].map((key) => attributes[key] ?? ''),
    )
    expect(drawn.join(' ').match(/\d/g)!.length).toBeGreaterThan(20)
    expect(drawn.filter((text) => /\.\d{3}|e-?\d/.test(text))).toEqual([])
  })

  test('marks a doubtful result on the picture, and a proven one not', async () => {
    expect(await one()).not.toContain('-doubts')
    const warnings = [{ code: 'not-unique', message: 'a continuum of minima' }]
    const svg = await one({ model: { status: 'stalled', warnings } })
    const marks = everything(readXml(svg)).find(({ attributes }) => attributes.id === `${name}-doubts`)!
    const said = everything(marks).map(({ text }) => text)
    expect(said).toContain('Not converged: the fit stalled before a minimum was proven')
    expect(said).toContain('Not unique: a continuum of minima')
  })
})

test('a factor and a species without numbers leave gaps, not nonsense', async () => {
  const input = await smallReport()
  const profiles = new Matrix(2, 4, Float64Array.from([0, NaN, 0, 0, 0, NaN, 0, 0]))
  const contributions = new Matrix(6, 2, new Float64Array(12).fill(NaN))
  Object.assign(input.model, { profiles, contributions, starts: [], basins: [] })
  const analysis = await analyze(input.data, input.model)
  const estimation = smallEstimation(input)
  for (const { name, svg } of drawCharts(prepareContent({ ...input, ...estimation, analysis }))) {
    expect(svg, name).not.toMatch(/NaN|undefined|Infinity/)
    readXml(svg)
  }
})

test('a long series stays a small picture with its extremes', () => {
  const rows = 100_000
  const values = Float64Array.from({ length: rows }, (_, i) => (i === 54_321 ? 7.5 : 1 + Math.sin(i)))
  const svg = contributionsChart({
    factors: ['one'],
    contributions: new Matrix(rows, 1, values),
    axis: { positions: Array.from({ length: rows }, (_, i) => i + 1), times: false, gap: Infinity },
    doubts: [],
  })
  expect(svg.length).toBeLessThan(60_000)
  // The axis ends at 7.5, at pixel 24: the one high value is there.
  expect(/L\d+(\.\d+)? 24L/.test(svg)).toBe(true)
})

test('the histogram counts every residual once', () => {
  const histogram = histogramOf([-100, -6, -0.1, 0, 0.49, 0.5, 5.9, 6, 1e300, NaN])
  expect(histogram.total).toBe(9)
  expect(histogram.counts.reduce((a, b) => a + b)).toBe(9)
  expect([histogram.counts[0], histogram.counts[11], histogram.counts[12], histogram.counts[13]]).toEqual([2, 1, 2, 1])
  expect(histogram.counts.at(-1)).toBe(3)
})

test('profiles with standard errors look as they did', async () => {
  // Lower ends below zero, and below the end of the axis.
  const input = await smallReport()
  const errors = new Matrix(2, 4, Float64Array.from([0.3, 0.02, NaN, 0.9, 0.6, 0.2999999, 1e-8, NaN]))
  const standardErrors = { ...(await input.model.withData(input.data).standardErrors()), profiles: errors }
  const svg = drawCharts(prepareContent({ ...input, standardErrors })).find(({ name }) => name === 'profiles')!.svg
  expect(svg).not.toMatch(/NaN|Infinity/)
  await expect(svg).toMatchFileSnapshot('snapshots/profiles-errors.svg')
})

test('the comparison shows every method, ends at zero and without a bound', async () => {
  const input = await smallReport()
  const content = prepareContent({ ...input, ...smallEstimation(input) })
  const svg = drawCharts(content).find(({ name }) => name === 'error-comparison')!.svg
  await expect(svg).toMatchFileSnapshot('snapshots/error-comparison-all.svg')
  const tips = everything(readXml(svg)).flatMap(({ name, text }) => (name === 'title' ? [text] : []))
  expect(tips).toContain(
    'sulfate in factor 1: 2; base ± 1.96 standard errors: 0.432 to 3.57; bootstrap, 5 to 95 %, box 25 to 75 %: 0.8 to 3.8; ' +
      'displacement, ΔQ = 4: 1 to 4; bootstrap with displacement, ΔQ = 0.5: 0.9 to 2.5',
  )
  expect(tips.find((tip) => tip.startsWith('organic carbon in factor 2'))).toContain('ΔQ = 4: 0.5 to ∞')
})
