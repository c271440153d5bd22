/** Q over its expectation, by species. */
import {
  ALERT,
  COLOURS,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  legend,
  line,
  marker,
  MUTED,
  text,
  tooltip,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { number, shorten } from '../format.ts'
import { element } from '../markup.ts'
import { linear } from '../scale.ts'

/** Numbers of the chart. */
export interface SpeciesFitChart extends ChartBase {
  /** One per species; `qOverExpected` is absent where it has no meaning. */
  species: readonly { species: string; qOverExpected?: number }[]
}

/** Above this a species deserves a look. */
const SUSPICIOUS = 2
const LEFT = 190
const RIGHT = WIDTH - 70
const ROW = 19
const TOP = 32

/** Readable across lines. */
const HALO = { 'font-size': 11, fill: MUTED, stroke: '#ffffff', 'stroke-width': 4, 'paint-order': 'stroke' } as const

/** Draws the ratios. */
export function speciesFitChart(chart: SpeciesFitChart): string {
  const { species } = chart
  const bottom = TOP + species.length * ROW + 6
  const known = species.map(({ qOverExpected }) => qOverExpected).filter((ratio) => ratio !== undefined)
  const x = linear(0, Math.max(SUSPICIOUS, ...known) * 1.02, LEFT, RIGHT, 8)
  const rows = species.map(({ species: name, qOverExpected: ratio }, j) => {
    const y = TOP + j * ROW + ROW / 2 + 3
    const label = text(LEFT - 9, y + 4, shorten(name, 26), { 'text-anchor': 'end' })
    if (ratio === undefined) return label + text(LEFT + 8, y + 4, 'not known', { 'font-size': 11, fill: MUTED })
    const high = ratio > SUSPICIOUS
    const fill = high ? ALERT : COLOURS[0]!
    return element(
      'g',
      {},
      tooltip(`${name}: ${number(ratio)}`),
      label,
      line(x.at(0), y, x.at(ratio), y, fill, { 'stroke-width': 3 }),
      marker(high ? 'triangle' : 'circle', x.at(ratio), y, 5, fill),
      text(x.at(ratio) + 10, y + 4, number(ratio, 3), HALO),
    )
  })
  return figure({
    id: 'species-fit',
    title: 'Q over expected Q, by species',
    description:
      `Sum of squared scaled residuals of each of ${species.length} species over its expectation. ` +
      `1 is right; above ${SUSPICIOUS} the species is not well explained, or its uncertainties are too small.`,
    height: bottom + 46,
    doubts: chart.doubts,
    body: [
      legend(LEFT, 16, [
        { mark: (mx, my) => marker('circle', mx, my, 5, COLOURS[0]!), label: `up to ${SUSPICIOUS}` },
        { mark: (mx, my) => marker('triangle', mx, my, 5, ALERT), label: `above ${SUSPICIOUS}: look at it` },
        { mark: (mx, my) => line(mx, my - 6, mx, my + 6, INK, { 'stroke-dasharray': '5 3' }), label: '1: as expected' },
      ]),
      horizontalAxis(x, TOP, bottom),
      line(x.at(1), TOP, x.at(1), bottom, INK, { 'stroke-dasharray': '5 3' }),
      ...rows,
      line(LEFT, TOP, LEFT, bottom, MUTED),
      horizontalTitle((LEFT + RIGHT) / 2, bottom + 38, 'Q / expected Q (dimensionless)'),
    ].join(''),
  })
}
