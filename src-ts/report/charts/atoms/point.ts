/** A point: the numbers of its decoder, column by column. */
import {
  COLOURS,
  figure,
  horizontalAxis,
  horizontalTitle,
  line,
  MUTED,
  verticalAxis,
  verticalTitle,
  type ChartBase,
} from '../../drawing.ts'
import { coordinate, element } from '../../markup.ts'
import { exact, linear } from '../../scale.ts'
import { PICTURE } from './plane.ts'

/** Numbers of the chart. */
export interface PointChart extends ChartBase {
  /** Prefix of all ids. */
  id: string
  title: string
  description: string
  /** p. */
  decoder: ArrayLike<number>
}

const LEFT = 50
const RIGHT = PICTURE.width - 14
const TOP = 12
const BOTTOM = PICTURE.height - 48

/** Draws a bar a column; where columns are more than pixels, a bar reaches over those that it stands for. */
export function pointChart(chart: PointChart): string {
  const { id, title, description, doubts, decoder } = chart
  const values = Array.from(decoder)
  const bars = Math.min(values.length, RIGHT - LEFT)
  const ranges = Array.from({ length: bars }, (_, k) => {
    const first = Math.floor((k * values.length) / bars)
    const last = Math.floor(((k + 1) * values.length) / bars)
    let [low, high] = [0, 0]
    for (let j = first; j < last; j++) [low, high] = [Math.min(low, values[j]!), Math.max(high, values[j]!)]
    return [low, high] as const
  })
  const x = exact(0, Math.max(1, values.length), LEFT, RIGHT, 4)
  x.ticks = x.ticks.filter(({ value }) => Number.isInteger(value))
  const y = linear(
    ranges.reduce((least, [low]) => Math.min(least, low), 0),
    ranges.reduce((most, [, high]) => Math.max(most, high), 0),
    BOTTOM,
    TOP,
    5,
  )
  const step = (RIGHT - LEFT) / Math.max(1, bars)
  const gap = step > 4 ? 0.8 : 0
  const drawn = ranges
    .map(([low, high], k) => {
      const [from, to] = [LEFT + k * step + gap, LEFT + (k + 1) * step - gap].map(coordinate)
      return `M${from} ${coordinate(y.at(low))}H${to}V${coordinate(y.at(high))}H${from}Z`
    })
    .join('')
  return figure({
    ...{ id, title, description, doubts, ...PICTURE },
    body: [
      verticalAxis(y, LEFT, RIGHT),
      element('path', { d: drawn, fill: COLOURS[0]! }),
      line(LEFT, y.at(0), RIGHT, y.at(0), MUTED),
      horizontalAxis(x, TOP, BOTTOM, { grid: false, width: PICTURE.width }),
      horizontalTitle((LEFT + RIGHT) / 2, PICTURE.height - 10, 'column of the data'),
      verticalTitle(11, (TOP + BOTTOM) / 2, 'decoder'),
    ].join(''),
  })
}
