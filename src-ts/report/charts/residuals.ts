/** Histogram of scaled residuals, with the normal distribution that they follow if the uncertainties are right. */
import {
  ALERT,
  COLOURS,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  legend,
  line,
  MUTED,
  tooltip,
  verticalAxis,
  verticalTitle,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { coordinate, element } from '../markup.ts'
import { exact, linear } from '../scale.ts'

/** Counted residuals: bin k holds those from `low + k * width` to `low + (k + 1) * width`; the outermost also all beyond. */
export interface Histogram {
  low: number
  width: number
  counts: readonly number[]
  /** Sum of the counts. */
  total: number
}

/** Numbers of the chart. */
export interface ResidualsChart extends ChartBase {
  histogram: Histogram
}

const LEFT = 78
const RIGHT = WIDTH - 20
const TOP = 34
const BOTTOM = TOP + 260

/** Draws the histogram. */
export function residualsChart(chart: ResidualsChart): string {
  const { low, width, counts, total } = chart.histogram
  const high = low + counts.length * width
  const x = exact(low, high, LEFT, RIGHT, 12)
  const peak = (total * width) / Math.sqrt(2 * Math.PI)
  const y = linear(0, Math.max(1, peak, ...counts), BOTTOM, TOP, 5)
  const bars = counts.map((found, k) => {
    const from = low + k * width
    const left = x.at(from)
    const beyond = from + width <= -3 || from >= 3
    const edge = k === 0 ? 'below ' : k === counts.length - 1 ? 'above ' : ''
    const range = edge === 'below ' ? `${from + width}` : edge === 'above ' ? `${from}` : `${from} to ${from + width}`
    const look = { fill: beyond ? ALERT : COLOURS[5]!, stroke: '#ffffff', 'stroke-width': 1 }
    const place = { x: left, y: y.at(found), width: x.at(from + width) - left, height: BOTTOM - y.at(found) }
    return found === 0 ? '' : element('rect', { ...place, ...look }, tooltip(`${edge}${range}: ${found}`))
  })
  const curve = Array.from({ length: 161 }, (_, k) => {
    const z = low + ((high - low) * k) / 160
    return `${coordinate(x.at(z))} ${coordinate(y.at(peak * Math.exp((-z * z) / 2)))}`
  })
  const square = (fill: string) => (mx: number, my: number) =>
    element('rect', { x: mx - 5, y: my - 5, width: 10, height: 10, fill })
  return figure({
    id: 'residuals',
    title: 'Scaled residuals',
    description:
      `Histogram of ${total} scaled residuals in bins of ${width}, with the standard normal curve. ` +
      `The outermost bins hold everything beyond ${low + width} and ${high - width}.`,
    height: BOTTOM + 46,
    doubts: chart.doubts,
    body: [
      legend(LEFT, 16, [
        { mark: square(COLOURS[5]!), label: 'residuals up to 3 uncertainties' },
        { mark: square(ALERT), label: 'beyond 3 (outermost bins: all that lies further out)' },
        { mark: (mx, my) => line(mx - 7, my, mx + 7, my, INK, { 'stroke-width': 2 }), label: 'standard normal' },
      ]),
      verticalAxis(y, LEFT, RIGHT),
      ...bars,
      element('path', { d: `M${curve.join('L')}`, fill: 'none', stroke: INK, 'stroke-width': 2 }),
      horizontalAxis(x, TOP, BOTTOM, { grid: false }),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, MUTED),
      verticalTitle(16, (TOP + BOTTOM) / 2, 'Cells (count)'),
      horizontalTitle((LEFT + RIGHT) / 2, BOTTOM + 38, '(value − prediction) / uncertainty'),
    ].join(''),
  })
}
