/** Contributions over time, one panel per factor. */
import type { Matrix } from '../../matrix.ts'
import { colour, figure, line, MUTED, text, verticalAxis, verticalTitle, WIDTH, type ChartBase } from '../drawing.ts'
import { count, shorten } from '../format.ts'
import { element } from '../markup.ts'
import { linear } from '../scale.ts'
import { sampleAxis, sampleScale, seriesPath, type SampleAxis } from './series.ts'

/** Numbers of the chart. */
export interface ContributionsChart extends ChartBase {
  factors: readonly string[]
  /** samples × factors; NaN: not known. */
  contributions: Matrix
  axis: SampleAxis
}

const LEFT = 66
const RIGHT = WIDTH - 20
const PANEL = 84
const STEP = PANEL + 48

/** Draws the contributions. */
export function contributionsChart(chart: ContributionsChart): string {
  const { factors, contributions, axis } = chart
  const x = sampleScale(axis, LEFT, RIGHT)
  const panels = factors.map((factor, k) => {
    const top = 24 + k * STEP
    const bottom = top + PANEL
    const values = Array.from({ length: contributions.rows }, (_, i) => contributions.get(i, k))
    const finite = values.filter(Number.isFinite)
    const high = finite.reduce((a, b) => Math.max(a, b), 0) || 1
    const low = finite.reduce((a, b) => Math.min(a, b), 0)
    const y = linear(low, high, bottom, top, 3)
    return element(
      'g',
      { id: `contributions-factor-${k + 1}` },
      text(LEFT, top - 7, shorten(factor, 60), { 'font-size': 13, 'font-weight': 'bold' }),
      verticalAxis(y, LEFT, RIGHT),
      sampleAxis(axis, x, top, bottom, k === factors.length - 1),
      line(LEFT, y.at(1), RIGHT, y.at(1), MUTED, { 'stroke-dasharray': '5 4' }),
      line(LEFT, y.at(0), RIGHT, y.at(0), MUTED),
      element('path', {
        d: seriesPath(axis, values, x, y) || undefined,
        fill: 'none',
        stroke: colour(k),
        'stroke-width': 1.3,
        'stroke-linejoin': 'round',
        'stroke-linecap': 'round',
      }),
      verticalTitle(16, (top + bottom) / 2, 'Contribution'),
      verticalTitle(30, (top + bottom) / 2, '(mean = 1)'),
    )
  })
  return figure({
    id: 'contributions',
    title: `Contributions ${axis.times ? 'over time' : 'by sample'}`,
    description:
      `One panel for each of ${count(factors.length, 'factor')} (${factors.join(', ')}) with its contribution to ` +
      `${contributions.rows} samples, scaled to a mean of 1 (dashed line).`,
    height: 24 + factors.length * STEP + 18,
    doubts: chart.doubts,
    body: panels.join(''),
  })
}
