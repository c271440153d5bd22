/** Observed against predicted values, one small panel per species. */
import type { Matrix } from '../../matrix.ts'
import {
  COLOURS,
  figure,
  GRID,
  horizontalTitle,
  legend,
  line,
  MUTED,
  shape,
  text,
  tooltip,
  verticalTitle,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { fixed, number, shorten } from '../format.ts'
import { coordinate, element } from '../markup.ts'
import { linear } from '../scale.ts'

/** Numbers of the chart. */
export interface ObservedPredictedChart extends ChartBase {
  /** Name, unit and fitted line (absent where there is none) of each species. */
  species: readonly {
    species: string
    unit: string | undefined
    regression?: { slope: number; intercept: number; rSquared?: number }
  }[]
  /** samples × species. */
  observed: Matrix
  /** samples × species, value less prediction; NaN where a cell is not used. */
  residuals: Matrix
}

const COLUMNS = 5
const LEFT = 44
const CELL = (WIDTH - LEFT - 8) / COLUMNS
const PANEL = 122
const ROW = PANEL + 62
const INSET = 40
/** Readable across dots and lines. */
const HALO = { 'font-size': 10, fill: MUTED, stroke: '#ffffff', 'stroke-width': 3, 'paint-order': 'stroke' } as const

/** Draws the panels. */
export function observedPredictedChart(chart: ObservedPredictedChart): string {
  const { species, observed, residuals } = chart
  const rows = Math.ceil(species.length / COLUMNS)
  const panels = species.map((one, j) => {
    const left = LEFT + (j % COLUMNS) * CELL + INSET
    const top = 24 + Math.floor(j / COLUMNS) * ROW + 26
    const pairs: [number, number][] = []
    for (let i = 0; i < observed.rows; i++) {
      const [value, residual] = [observed.get(i, j), residuals.get(i, j)]
      if (!Number.isNaN(residual)) pairs.push([value, value - residual])
    }
    const all = pairs.flat()
    const low = all.reduce((a, b) => Math.min(a, b), 0)
    const high = all.reduce((a, b) => Math.max(a, b), 0) || 1
    const x = linear(low, high, left, left + PANEL, 5)
    const y = linear(low, high, top + PANEL, top, 5)
    // One dot per pixel at most: more would look the same.
    const dots = new Set(pairs.map(([a, b]) => `M${Math.round(x.at(a) * 2) / 2} ${Math.round(y.at(b) * 2) / 2}h0`))
    const { regression } = one
    const fit = regression === undefined ? '' : fitLine(regression, x, y)
    const r2 = regression?.rSquared === undefined ? 'r² –' : `r² ${fixed(regression.rSquared, 2)}`
    const name = one.unit === undefined ? one.species : `${one.species} (${one.unit})`
    const tips = `${one.species}: ${r2}, slope ${number(regression?.slope, 3)}, ${pairs.length} cells`
    const outer = [x.ticks[0]!, x.ticks.at(-1)!]
    return element(
      'g',
      { id: `observed-predicted-species-${j + 1}` },
      tooltip(tips),
      text(left, top - 7, shorten(name, 16), { 'font-size': 11, 'font-weight': 'bold' }),
      element('rect', { x: left, y: top, width: PANEL, height: PANEL, fill: 'none', stroke: GRID }),
      line(x.at(x.low), y.at(x.low), x.at(x.high), y.at(x.high), MUTED, { 'stroke-dasharray': '4 3' }),
      element('path', {
        d: [...dots].join('') || undefined,
        fill: 'none',
        stroke: COLOURS[0],
        'stroke-opacity': 0.55,
        'stroke-width': 3,
        'stroke-linecap': 'round',
      }),
      fit,
      text(left + 5, top + 14, r2, HALO),
      ...outer.flatMap(({ value, label }, k) => [
        text(x.at(value), top + PANEL + 13, label, {
          'font-size': 10,
          'text-anchor': k === 0 ? 'start' : 'end',
          fill: MUTED,
        }),
        text(left - 4, y.at(value) + (k === 0 ? 0 : 8), label, { 'font-size': 10, 'text-anchor': 'end', fill: MUTED }),
      ]),
    )
  })
  const height = 24 + rows * ROW
  const units = species.some(({ unit }) => unit !== undefined) ? 'unit of the species' : 'units of the data'
  return figure({
    id: 'observed-predicted',
    title: 'Observed against predicted',
    description:
      `One panel for each of ${species.length} species, observed values to the right and predicted values upwards on equal ` +
      `axes. Dashed: equality. Solid: the fitted line, whose numbers are in the table.`,
    height: height + 28,
    doubts: chart.doubts,
    body: [
      legend(LEFT + INSET, 14, [
        { mark: (mx, my) => element('path', { d: shape('circle', mx, my, 3), fill: COLOURS[0] }), label: 'sample' },
        { mark: (mx, my) => line(mx - 6, my, mx + 6, my, MUTED, { 'stroke-dasharray': '4 3' }), label: 'equality' },
        { mark: (mx, my) => line(mx - 6, my, mx + 6, my, COLOURS[1], { 'stroke-width': 2 }), label: 'fitted line' },
      ]),
      ...panels,
      verticalTitle(18, height / 2 + 12, `Predicted (${units})`),
      horizontalTitle(WIDTH / 2, height + 14, `Observed (${units})`),
    ].join(''),
  })
}

/** The line, cut where it leaves the panel. */
function fitLine(
  { slope, intercept }: { slope: number; intercept: number },
  x: ReturnType<typeof linear>,
  y: ReturnType<typeof linear>,
): string {
  const ends = [x.low, x.high]
  if (slope !== 0) ends.push((y.low - intercept) / slope, (y.high - intercept) / slope)
  const slack = 1e-9 * (y.high - y.low)
  const inside = ends
    .filter((at) => at >= x.low && at <= x.high)
    .filter((at) => intercept + slope * at >= y.low - slack && intercept + slope * at <= y.high + slack)
    .sort((a, b) => a - b)
  if (inside.length < 2) return ''
  const [from, to] = [inside[0]!, inside.at(-1)!]
  const point = (at: number): string => `${coordinate(x.at(at))} ${coordinate(y.at(intercept + slope * at))}`
  return element('path', { d: `M${point(from)}L${point(to)}`, stroke: COLOURS[1], 'stroke-width': 1.8, fill: 'none' })
}
