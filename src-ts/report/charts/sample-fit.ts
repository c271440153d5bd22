/** Q over its expectation, by sample. */
import {
  ALERT,
  COLOURS,
  figure,
  INK,
  line,
  marker,
  MUTED,
  verticalAxis,
  verticalTitle,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { number } from '../format.ts'
import { element } from '../markup.ts'
import { linear } from '../scale.ts'
import { sampleAxis, sampleScale, seriesPath, type SampleAxis } from './series.ts'

/** Numbers of the chart. */
export interface SampleFitChart extends ChartBase {
  /** Names of the samples. */
  samples: readonly string[]
  /** One per sample; NaN where it has no meaning. */
  ratios: ArrayLike<number>
  axis: SampleAxis
}

/** Samples that stick out and get a marker and a tip. */
const MARKED = 10
const SUSPICIOUS = 2
const LEFT = 66
const RIGHT = WIDTH - 20
const TOP = 14
const BOTTOM = TOP + 180

/** Draws the ratios. */
export function sampleFitChart(chart: SampleFitChart): string {
  const { ratios, axis, samples } = chart
  const known = Array.from(ratios).filter(Number.isFinite)
  const x = sampleScale(axis, LEFT, RIGHT)
  const y = linear(
    0,
    known.reduce((a, b) => Math.max(a, b), SUSPICIOUS),
    BOTTOM,
    TOP,
    5,
  )
  const largest = Array.from(ratios, (ratio, i) => ({ ratio, i }))
    .filter(({ ratio }) => ratio > SUSPICIOUS)
    .sort((a, b) => b.ratio - a.ratio || a.i - b.i)
    .slice(0, MARKED)
  return figure({
    id: 'sample-fit',
    title: `Q over expected Q, by sample`,
    description:
      `Sum of squared scaled residuals of each of ${samples.length} samples over its expectation; 1 is right. ` +
      `The ${largest.length} largest above ${SUSPICIOUS} are marked by triangles.`,
    height: BOTTOM + 46,
    doubts: chart.doubts,
    body: [
      verticalAxis(y, LEFT, RIGHT),
      sampleAxis(axis, x, TOP, BOTTOM, true),
      line(LEFT, y.at(1), RIGHT, y.at(1), INK, { 'stroke-dasharray': '5 3' }),
      element('path', {
        d: seriesPath(axis, ratios, x, y) || undefined,
        fill: 'none',
        stroke: COLOURS[0],
        'stroke-width': 1.2,
        'stroke-linejoin': 'round',
        'stroke-linecap': 'round',
      }),
      ...largest.map(({ ratio, i }) =>
        marker('triangle', x.at(axis.positions[i]!), y.at(ratio), 4.5, ALERT, `${samples[i]}: ${number(ratio)}`),
      ),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, MUTED),
      verticalTitle(16, (TOP + BOTTOM) / 2, 'Q / expected Q'),
      verticalTitle(30, (TOP + BOTTOM) / 2, '(dimensionless)'),
    ].join(''),
  })
}
