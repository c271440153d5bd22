/** Q and certificate of every start; the status is told by shape and colour. */
import type { StartReport, Status } from '../../pmf/types.ts'
import {
  ALERT,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  legend,
  line,
  marker,
  MUTED,
  text,
  verticalAxis,
  verticalTitle,
  WIDTH,
  type ChartBase,
  type Shape,
} from '../drawing.ts'
import { count, number, objective } from '../format.ts'
import { element } from '../markup.ts'
import { exact, linear, logarithmic } from '../scale.ts'

/** Numbers of the chart. */
export interface StartsChart extends ChartBase {
  starts: readonly StartReport[]
  /** Number of the start that is reported. */
  chosen: number
  /** What the three gaps must stay below for `converged`. */
  limit: number
}

/** How each status looks. */
export const STATUS_MARKS: Readonly<Record<Status, { shape: Shape; colour: string }>> = {
  converged: { shape: 'circle', colour: '#0072b2' },
  saddle: { shape: 'diamond', colour: '#cc79a7' },
  boundary: { shape: 'square', colour: '#009e73' },
  stalled: { shape: 'triangle', colour: '#d55e00' },
  budget: { shape: 'down', colour: '#e69f00' },
  aborted: { shape: 'cross', colour: '#5b5b5b' },
}

const GAPS = [
  { label: 'coordinate gap', of: (start: StartReport) => start.coordinateGap, shape: 'plus', colour: '#0072b2' },
  { label: 'block gap', of: (start: StartReport) => start.blockGap, shape: 'square', colour: '#e69f00' },
  {
    label: 'Newton decrement',
    of: (start: StartReport) => start.newtonDecrement,
    shape: 'triangle',
    colour: '#009e73',
  },
] as const

const LEFT = 84
const RIGHT = WIDTH - 20
/** Gaps below this, zero among them, are drawn here. */
const FLOOR = 1e-30

/** Draws the starts. */
export function startsChart(chart: StartsChart): string {
  const { starts, chosen, limit } = chart
  const drawn = starts.filter(({ q }) => Number.isFinite(q))
  const qs = drawn.map(({ q }) => q)
  const [low, high] = [Math.min(...qs), Math.max(...qs)]
  const numbers = starts.map(({ start }) => start)
  const x = exact(Math.min(...numbers) - 0.5, Math.max(...numbers) + 0.5, LEFT, RIGHT, 12)
  x.ticks = x.ticks.filter(({ value }) => Number.isInteger(value))
  const radius = starts.length > 200 ? 2.6 : starts.length > 60 ? 3.4 : 4.6
  // Starts that all ended at one Q must not be drawn apart by its rounding.
  const margin = Math.max(0, 2e-3 * Math.abs(low) - (high - low)) / 2
  // A few starts that ended far above must not press all others into one line.
  const wide = low > 0 && high > 4 * low
  const top = 52
  const bottom = top + 190
  const y = wide ? logarithmic(low, high, bottom, top, 6) : linear(low - margin, high + margin, bottom, top, 5)
  const points = drawn.map((start) => {
    const { shape, colour } = STATUS_MARKS[start.status]
    return marker(
      shape,
      x.at(start.start),
      y.at(start.q),
      radius,
      colour,
      `start ${start.start}: ${start.status}, Q ${objective(start.q)}`,
    )
  })
  const reported = drawn.find(({ start }) => start === chosen)
  const ring =
    reported === undefined
      ? ''
      : element('circle', {
          cx: x.at(chosen),
          cy: y.at(reported.q),
          r: radius + 4,
          fill: 'none',
          stroke: INK,
          'stroke-width': 1.6,
        })
  const gaps = starts.flatMap((start) =>
    GAPS.map((gap) => ({ start, gap, value: gap.of(start) })).filter(
      (one): one is typeof one & { value: number } => one.value !== undefined && Number.isFinite(one.value),
    ),
  )
  const sizes = gaps.map(({ value }) => Math.max(value, FLOOR))
  const gapTop = bottom + 82
  const gapBottom = gapTop + 170
  const scale = logarithmic(Math.min(1e-9, limit, ...sizes), Math.max(1, limit, ...sizes), gapBottom, gapTop, 7)
  const gapPoints = gaps.map(({ start, gap, value }) =>
    marker(
      gap.shape,
      x.at(start.start),
      scale.at(Math.max(value, FLOOR)),
      radius * 0.85,
      gap.colour,
      `start ${start.start}: ${gap.label} ${number(value)}`,
    ),
  )
  const present = (Object.keys(STATUS_MARKS) as Status[]).filter((status) =>
    starts.some((one) => one.status === status),
  )
  const key = legend(LEFT, 14, [
    ...present.map((status) => ({
      mark: (mx: number, my: number) => marker(STATUS_MARKS[status].shape, mx, my, 4.6, STATUS_MARKS[status].colour),
      label: `${status} (${starts.filter((one) => one.status === status).length})`,
    })),
    {
      mark: (mx: number, my: number) =>
        element('circle', { cx: mx, cy: my, r: 6, fill: 'none', stroke: INK, 'stroke-width': 1.6 }),
      label: `reported: start ${chosen}`,
    },
  ])
  const gapKey = legend(
    LEFT,
    gapTop - 12,
    GAPS.map(({ shape, colour, label }) => ({
      mark: (mx: number, my: number) => marker(shape, mx, my, 4.4, colour),
      label,
    })),
  )
  const middle = (LEFT + RIGHT) / 2
  return figure({
    id: 'starts',
    title: 'Q and certificate of every start',
    description:
      `${count(starts.length, 'start')}, Q from ${objective(low)} to ${objective(high)}; shape and colour tell the status. ` +
      `Below: three estimates of how much lower Q could still get from where each start ended, on a logarithmic axis.`,
    height: gapBottom + 46,
    doubts: chart.doubts,
    body: [
      key,
      verticalAxis(y, LEFT, RIGHT),
      horizontalAxis(x, top, bottom, { grid: false }),
      line(LEFT, bottom, RIGHT, bottom, MUTED),
      verticalTitle(16, (top + bottom) / 2, wide ? 'Q (logarithmic)' : 'Q'),
      ...points,
      ring,
      gapKey,
      verticalAxis(scale, LEFT, RIGHT),
      horizontalAxis(x, gapTop, gapBottom, { grid: false }),
      line(LEFT, gapBottom, RIGHT, gapBottom, MUTED),
      verticalTitle(16, (gapTop + gapBottom) / 2, 'Possible decrease'),
      verticalTitle(32, (gapTop + gapBottom) / 2, '(units of Q)'),
      line(LEFT, scale.at(limit), RIGHT, scale.at(limit), ALERT, { 'stroke-dasharray': '6 4' }),
      text(RIGHT - 6, scale.at(limit) - 5, 'converged starts are below this line', {
        'text-anchor': 'end',
        'font-size': 11,
        fill: ALERT,
      }),
      ...gapPoints,
      horizontalTitle(middle, gapBottom + 38, 'Number of the start'),
      starts.length === 0 ? text(middle, top + 40, 'no start', { 'text-anchor': 'middle' }) : '',
    ].join(''),
  })
}
