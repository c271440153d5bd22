/** What all charts share: colours, markers, axes, and the frame with its title, description and marks of doubt. */
import { coordinate, element, escape, type Attributes } from './markup.ts'
import { shorten } from './format.ts'
import type { Scale } from './scale.ts'

/** What every chart is given besides its numbers. */
export interface ChartBase {
  /** Reasons not to trust the result; each is written on the chart. */
  doubts: readonly string[]
}

/** Eight colours that people with any colour vision tell apart (after Okabe and Ito), dark enough for white paper. */
export const COLOURS: readonly string[] = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#5b5b5b',
  '#9a8c00',
]

/** Ink, pale lines, and the colour of what deserves attention. */
export const INK = '#1f2933'
export const MUTED = '#52606d'
export const GRID = '#e4e7eb'
export const ALERT = '#b00020'

/** Width of all charts in pixels. */
export const WIDTH = 960

/** Colour of series k; colours repeat after eight, and so shapes do not. */
export function colour(k: number): string {
  return COLOURS[k % COLOURS.length]!
}

/** Shapes of markers. */
export type Shape = 'circle' | 'square' | 'triangle' | 'diamond' | 'down' | 'plus' | 'cross' | 'star'

/** Path of a marker around (x, y). */
export function shape(kind: Shape, x: number, y: number, r: number): string {
  const at = (dx: number, dy: number): string => `${coordinate(x + dx * r)} ${coordinate(y + dy * r)}`
  const closed = (...points: [number, number][]): string => `M${points.map(([dx, dy]) => at(dx, dy)).join('L')}Z`
  switch (kind) {
    case 'circle':
      return `M${at(-1, 0)}a${coordinate(r)} ${coordinate(r)} 0 1 0 ${coordinate(2 * r)} 0a${coordinate(r)} ${coordinate(r)} 0 1 0 ${coordinate(-2 * r)} 0Z`
    case 'square':
      return closed([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9])
    case 'triangle':
      return closed([0, -1.15], [1, 0.8], [-1, 0.8])
    case 'down':
      return closed([0, 1.15], [1, -0.8], [-1, -0.8])
    case 'diamond':
      return closed([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0])
    case 'plus':
      return `M${at(-1.1, 0)}L${at(1.1, 0)}M${at(0, -1.1)}L${at(0, 1.1)}`
    case 'cross':
      return `M${at(-0.9, -0.9)}L${at(0.9, 0.9)}M${at(0.9, -0.9)}L${at(-0.9, 0.9)}`
    case 'star':
      return `M${at(-1.1, 0)}L${at(1.1, 0)}M${at(-0.55, -0.95)}L${at(0.55, 0.95)}M${at(0.55, -0.95)}L${at(-0.55, 0.95)}`
  }
}

/** A marker with an outline; `plus`, `cross` and `star` are lines only. */
export function marker(kind: Shape, x: number, y: number, r: number, fill: string, tip?: string): string {
  const open = kind === 'plus' || kind === 'cross' || kind === 'star'
  const look = open
    ? { fill: 'none', stroke: fill, 'stroke-width': 1.6 }
    : { fill, stroke: '#ffffff', 'stroke-width': 0.8 }
  return element('path', { d: shape(kind, x, y, r), ...look }, tip === undefined ? '' : tooltip(tip))
}

/** Shown when the mouse rests on the parent element, and read by screen readers. */
export function tooltip(text: string): string {
  return element('title', {}, escape(text))
}

/** Text at a place. */
export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, fill: INK, ...attributes }, escape(content))
}

/** A straight line. */
export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string = GRID,
  more: Attributes = {},
): string {
  return element('line', { x1, y1, x2, y2, stroke, ...more })
}

/** Width that a text takes, estimated: no browser is asked. */
export function textWidth(content: string, size = 12): number {
  return [...content].length * size * 0.58
}

/** A vertical axis on the left (or right) of a panel, with grid lines across it. */
export function verticalAxis(
  scale: Scale,
  left: number,
  right: number,
  options: { side?: 'left' | 'right'; grid?: boolean } = {},
): string {
  const isLeft = options.side !== 'right'
  const x = isLeft ? left : right
  return scale.ticks
    .map(({ value, label }) => {
      const y = scale.at(value)
      const rule = options.grid === false ? line(x, y, isLeft ? x - 4 : x + 4, y, MUTED) : line(left, y, right, y)
      return (
        rule +
        text(isLeft ? x - 7 : x + 7, y + 4, label, {
          'text-anchor': isLeft ? 'end' : 'start',
          'font-size': 11,
          fill: MUTED,
        })
      )
    })
    .join('')
}

/** A horizontal axis at the bottom of a panel; labels that would touch their neighbour are left out. */
export function horizontalAxis(
  scale: Scale,
  top: number,
  bottom: number,
  options: { grid?: boolean; width?: number } = {},
): string {
  const { width = WIDTH } = options
  let end = -Infinity
  return scale.ticks
    .map(({ value, label }) => {
      const x = scale.at(value)
      const rule = options.grid === false ? line(x, bottom, x, bottom + 4, MUTED) : line(x, top, x, bottom + 4)
      const half = textWidth(label, 11) / 2 + 2
      // A label at the edge of the drawing moves inwards.
      const middle = Math.min(x, width - half - 2)
      if (middle - half < end + 4) return rule
      end = middle + half
      return rule + text(middle, bottom + 17, label, { 'text-anchor': 'middle', 'font-size': 11, fill: MUTED })
    })
    .join('')
}

/** Title of a vertical axis, read from below. */
export function verticalTitle(x: number, y: number, content: string): string {
  return text(x, y, content, {
    'text-anchor': 'middle',
    'font-size': 12,
    fill: MUTED,
    transform: `rotate(-90 ${coordinate(x)} ${coordinate(y)})`,
  })
}

/** Title of a horizontal axis. */
export function horizontalTitle(x: number, y: number, content: string): string {
  return text(x, y, content, { 'text-anchor': 'middle', 'font-size': 12, fill: MUTED })
}

/** A slanted label under a column. */
export function slanted(x: number, y: number, content: string, length: number): string {
  const label = shorten(content, length)
  const tip = label === content ? '' : tooltip(content)
  const attributes = {
    x,
    y,
    fill: INK,
    'font-size': 11,
    'text-anchor': 'end',
    transform: `rotate(-45 ${coordinate(x)} ${coordinate(y)})`,
  }
  return element('text', attributes, escape(label) + tip)
}

/** Rows that a {@link legend} of these labels takes. */
export function legendRows(x: number, labels: readonly string[]): number {
  let at = x
  let rows = 1
  for (const label of labels) {
    const width = itemWidth(label)
    if (at + width > WIDTH && at > x) [at, rows] = [x, rows + 1]
    at += width
  }
  return rows
}

function itemWidth(label: string): number {
  return 36 + textWidth(label, 12)
}

/** Markers with their meaning, in a row; wraps at the width. */
export function legend(
  x: number,
  y: number,
  items: readonly { mark: (x: number, y: number) => string; label: string }[],
): string {
  let at = x
  let row = y
  return items
    .map(({ mark, label }) => {
      const width = itemWidth(label)
      if (at + width > WIDTH && at > x) [at, row] = [x, row + 18]
      const drawn = mark(at + 6, row - 4) + text(at + 17, row, label, { 'font-size': 12 })
      at += width
      return drawn
    })
    .join('')
}

/** The whole chart: size, title and description for those who cannot see it, and marks of doubt above the drawing. */
export function figure(options: {
  /** Prefix of all ids: charts of one page must differ in it. */
  id: string
  title: string
  description: string
  /** @default WIDTH, that of the page */
  width?: number
  height: number
  doubts: readonly string[]
  body: string
}): string {
  const { id, title, description, doubts, width = WIDTH } = options
  const banner = doubts.length === 0 ? 0 : 14 + 18 * doubts.length
  const height = options.height + banner
  const said = doubts.length === 0 ? '' : ` Doubtful: ${doubts.join('; ')}.`
  const lines = doubts.map((doubt, k) =>
    text(34, 19 + 18 * k, shorten(doubt, Math.floor((width - 40) / 6.57)), {
      'font-size': 12,
      'font-weight': 'bold',
      fill: ALERT,
    }),
  )
  const sign =
    element('path', {
      d: 'M18 8L27 23L9 23Z',
      fill: 'none',
      stroke: ALERT,
      'stroke-width': 1.8,
      'stroke-linejoin': 'round',
    }) + element('path', { d: 'M18 13V17.5M18 19.5V20.8', stroke: ALERT, 'stroke-width': 1.8 })
  const marks = element('rect', {
    x: 1,
    y: 1,
    width: width - 2,
    height: banner - 6,
    rx: 4,
    fill: '#fdecee',
    stroke: ALERT,
  })
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${coordinate(height)}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
      'font-family': 'system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif',
      'font-size': 12,
    },
    element('title', { id: `${id}-title` }, escape(title)),
    element('desc', { id: `${id}-desc` }, escape(description + said)),
    element('rect', { width, height, fill: '#ffffff' }),
    doubts.length === 0 ? '' : element('g', { id: `${id}-doubts` }, marks, sign, ...lines),
    element('g', { id: `${id}-body`, transform: `translate(0 ${coordinate(banner)})` }, options.body),
  )
}
