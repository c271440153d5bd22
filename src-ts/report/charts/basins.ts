/** The distinct minima that converged starts reached: Q, and how many starts ended there. */
import type { Basin } from '../../pmf/types.ts'
import {
  COLOURS,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  legend,
  line,
  MUTED,
  text,
  tooltip,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { count, fixed, objective } from '../format.ts'
import { element } from '../markup.ts'
import { linear } from '../scale.ts'

/** Numbers of the chart. */
export interface BasinsChart extends ChartBase {
  /** By Q, ascending. */
  basins: readonly Basin[]
  /** Number of the start that is reported. */
  chosen: number
}

/** Minima shown; the table has all. */
const MOST = 20
const LEFT = 210
const RIGHT = WIDTH - 190
const ROW = 24

/** Draws the basins. */
export function basinsChart(chart: BasinsChart): string {
  const { basins, chosen } = chart
  const shown = basins.slice(0, MOST)
  const best = basins[0]?.q ?? 0
  const top = 32
  const bottom = top + Math.max(1, shown.length) * ROW
  const x = linear(0, Math.max(1, ...shown.map(({ hits }) => hits)), LEFT, RIGHT, 6)
  x.ticks = x.ticks.filter(({ value }) => Number.isInteger(value))
  const rows = shown.map((basin, k) => {
    const y = top + k * ROW
    const here = basin.members.includes(chosen)
    const above = best > 0 && k > 0 ? ` (+${fixed(100 * (basin.q / best - 1), 3)} %)` : ''
    const label = `Q ${objective(basin.q)}${above}`
    const bar = {
      x: LEFT,
      y: y + 4,
      width: x.at(basin.hits) - LEFT,
      height: ROW - 8,
      fill: here ? COLOURS[0]! : '#9fb3c8',
    }
    return (
      text(LEFT - 8, y + 16, label, { 'text-anchor': 'end', 'font-weight': here ? 'bold' : undefined }) +
      element('rect', bar, tooltip(`${label}: ${count(basin.hits, 'start')}`)) +
      text(x.at(basin.hits) + 7, y + 16, `${count(basin.hits, 'start')}${here ? ', reported' : ''}`)
    )
  })
  const square = (fill: string) => (mx: number, my: number) =>
    element('rect', { x: mx - 5, y: my - 5, width: 10, height: 10, fill })
  const rest =
    basins.length > shown.length
      ? `; ${count(basins.length - shown.length, 'higher minimum', 'higher minima')} not drawn`
      : ''
  return figure({
    id: 'basins',
    title: 'Minima found',
    description: `${count(basins.length, 'distinct minimum', 'distinct minima')}, by Q, with the number of starts that ended in each${rest}.`,
    height: bottom + 46,
    doubts: chart.doubts,
    body: [
      legend(LEFT, 16, [
        { mark: square(COLOURS[0]!), label: 'reported minimum' },
        { mark: square('#9fb3c8'), label: `other minima${rest}` },
      ]),
      horizontalAxis(x, top, bottom),
      line(LEFT, top, LEFT, bottom, MUTED),
      ...rows,
      basins.length === 0 ? text(LEFT + 12, top + 16, 'no start converged', { fill: INK }) : '',
      horizontalTitle((LEFT + RIGHT) / 2, bottom + 38, 'Converged starts that ended there (count)'),
    ].join(''),
  })
}
