/** A curve or surface in a plane, with the points that codes put on it. */
import {
  COLOURS,
  figure,
  GRID,
  horizontalAxis,
  horizontalTitle,
  INK,
  line,
  marker,
  MUTED,
  text,
  textWidth,
  verticalAxis,
  verticalTitle,
  type ChartBase,
} from '../../drawing.ts'
import { coordinate, element } from '../../markup.ts'
import { exact } from '../../scale.ts'

/** A point of the plane, in units of the data. */
export type Point = readonly [x: number, y: number]

/** Numbers of the chart. The plane's origin is where the amount is 0. */
export interface PlaneChart extends ChartBase {
  /** Prefix of all ids. */
  id: string
  title: string
  description: string
  /** The curve, or the lines of a grid on the surface; lines of each family have a colour of their own. */
  lines: readonly { family: 0 | 1; points: readonly Point[] }[]
  /** Places of known coordinates. */
  marks: readonly { at: Point; label: string }[]
  /** Points of the codes. */
  codes: readonly Point[]
  /** Titles of the axes. */
  axes: readonly [horizontal: string, vertical: string]
}

/** Width and height of a picture of an atom. */
export const PICTURE = { width: 320, height: 316 } as const

const LEFT = 50
const SIDE = 256
const TOP = 12
const FAMILIES = [COLOURS[0]!, COLOURS[1]!] as const

/** Draws them, both axes on the same scale. */
export function planeChart(chart: PlaneChart): string {
  const { id, title, description, doubts, lines, marks, codes, axes } = chart
  const all: Point[] = [[0, 0], ...lines.flatMap(({ points }) => points), ...codes]
  const [left, right, low, high] = bounds(all)
  // A little more than half of the longer side, so that marks and their labels stay inside.
  const half = 0.6 * Math.max(right - left, high - low) || 1
  const [middle, centre] = [(left + right) / 2, (low + high) / 2]
  const x = exact(middle - half, middle + half, LEFT, LEFT + SIDE, 4)
  const y = exact(centre - half, centre + half, TOP + SIDE, TOP, 4)
  const at = ([a, b]: Point): string => `${coordinate(x.at(a))} ${coordinate(y.at(b))}`
  const dots = codes.map((point) => `M${at(point)}h0`).join('')
  const drawn = lines
    .filter(({ points }) => points.length > 0)
    .map(({ family, points }) =>
      element('path', {
        d: `M${points.map(at).join('L')}`,
        fill: 'none',
        stroke: FAMILIES[family],
        'stroke-width': lines.length === 1 ? 2 : 1,
        'stroke-linejoin': 'round',
      }),
    )
  const labels = marks.map(({ at: [a, b], label }) => {
    const [px, py] = [x.at(a), y.at(b)]
    const [dx, dy] = [px - x.at(middle), py - y.at(centre)]
    const far = Math.hypot(dx, dy) || 1
    // Numbers stand outside of their curve, longer texts above their place, both inside the frame.
    const long = label.length > 4
    const room = textWidth(label, 11) / 2 + 2
    const tx = Math.min(LEFT + SIDE - room, Math.max(LEFT + room, px + (long ? 0 : (21 * dx) / far)))
    const ty = py + (long ? -9 : 4 + (13 * dy) / far)
    const look = { 'text-anchor': 'middle', 'font-size': 11, 'font-weight': 'bold' }
    return marker('circle', px, py, 4, COLOURS[0]!) + text(tx, ty, label, look)
  })
  const [ox, oy] = [x.at(0), y.at(0)]
  return figure({
    ...{ id, title, description, doubts, ...PICTURE },
    body: [
      verticalAxis(y, LEFT, LEFT + SIDE),
      horizontalAxis(x, TOP, TOP + SIDE, { width: PICTURE.width }),
      element('rect', { x: LEFT, y: TOP, width: SIDE, height: SIDE, fill: 'none', stroke: GRID }),
      line(ox - 6, oy, ox + 6, oy, INK) + line(ox, oy - 6, ox, oy + 6, INK),
      dots === ''
        ? ''
        : element('path', {
            d: dots,
            fill: 'none',
            stroke: MUTED,
            'stroke-width': 3,
            'stroke-linecap': 'round',
            'stroke-opacity': '0.45',
          }),
      ...drawn,
      ...labels,
      horizontalTitle(LEFT + SIDE / 2, PICTURE.height - 10, axes[0]),
      verticalTitle(11, TOP + SIDE / 2, axes[1]),
    ].join(''),
  })
}

function bounds(points: readonly Point[]): [left: number, right: number, low: number, high: number] {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const [x, y] of points) {
    ;[left, right] = [Math.min(left, x), Math.max(right, x)]
    ;[low, high] = [Math.min(low, y), Math.max(high, y)]
  }
  return [left, right, low, high]
}
