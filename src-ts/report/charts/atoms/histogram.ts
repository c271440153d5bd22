/** How often a code takes which value: coordinates and amounts. */
import {
  COLOURS,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  line,
  MUTED,
  tooltip,
  verticalAxis,
  verticalTitle,
  type ChartBase,
} from '../../drawing.ts'
import { number } from '../../format.ts'
import { element } from '../../markup.ts'
import { exact, linear } from '../../scale.ts'
import { PICTURE } from './plane.ts'

/** Counted codes: bin k holds those from `low + k·width` on, below the next bin's start. */
export interface CodeHistogram {
  low: number
  width: number
  counts: readonly number[]
}

/** Numbers of the chart. */
export interface HistogramChart extends ChartBase {
  /** Prefix of all ids. */
  id: string
  title: string
  description: string
  histogram: CodeHistogram
  /** Title of the horizontal axis. */
  axis: string
  /** Codes a bin that an even spread would give. */
  even?: number
}

const LEFT = 50
const RIGHT = PICTURE.width - 14
const TOP = 12
const BOTTOM = PICTURE.height - 48

/** Draws the bars. */
export function histogramChart(chart: HistogramChart): string {
  const { id, title, description, doubts, histogram, axis, even } = chart
  const { low, width, counts } = histogram
  const high = low + counts.length * width
  const x = exact(low, high, LEFT, RIGHT, 4)
  const y = linear(0, Math.max(1, even ?? 0, ...counts), BOTTOM, TOP, 4)
  y.ticks = y.ticks.filter(({ value }) => Number.isInteger(value))
  const bars = counts.map((found, k) => {
    if (found === 0) return ''
    const [from, to] = [low + k * width, low + (k + 1) * width]
    const look = { fill: COLOURS[5]!, stroke: '#ffffff', 'stroke-width': 0.6 }
    const place = { x: x.at(from), y: y.at(found), width: x.at(to) - x.at(from), height: BOTTOM - y.at(found) }
    return element('rect', { ...place, ...look }, tooltip(`${number(from, 3)} to ${number(to, 3)}: ${found}`))
  })
  return figure({
    ...{ id, title, description, doubts, ...PICTURE },
    body: [
      verticalAxis(y, LEFT, RIGHT),
      ...bars,
      even === undefined ? '' : line(LEFT, y.at(even), RIGHT, y.at(even), INK, { 'stroke-dasharray': '5 4' }),
      horizontalAxis(x, TOP, BOTTOM, { grid: false, width: PICTURE.width }),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, MUTED),
      verticalTitle(11, (TOP + BOTTOM) / 2, 'rows'),
      horizontalTitle((LEFT + RIGHT) / 2, PICTURE.height - 10, axis),
    ].join(''),
  })
}
