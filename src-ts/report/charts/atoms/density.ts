/** How many atoms are on in which share of the rows, by half decades; fitted and held-out rows side by side. */
import {
  COLOURS,
  figure,
  horizontalTitle,
  legend,
  line,
  MUTED,
  text,
  tooltip,
  verticalAxis,
  verticalTitle,
  WIDTH,
  type ChartBase,
} from '../../drawing.ts'
import { count, number } from '../../format.ts'
import { element } from '../../markup.ts'
import { linear } from '../../scale.ts'

/** Numbers of the chart: for each kind of rows the atoms in each bin that begins at `from` = log10 of the share of rows. */
export interface DensityChart extends ChartBase {
  rows: readonly { label: string; bins: readonly { from: number; atoms: number }[] }[]
}

const LEFT = 70
const RIGHT = WIDTH - 20
const TOP = 30
const BOTTOM = TOP + 150
/** Bins a decade. */
const BINS = 2

/** Draws the bars. */
export function densityChart({ rows, doubts }: DensityChart): string {
  const starts = rows.flatMap(({ bins }) => bins.map(({ from }) => Math.round(from * BINS)))
  const [first, last] = [Math.min(-2 * BINS, ...starts), Math.max(-1, ...starts)]
  const columns = last - first + 1
  const step = (RIGHT - LEFT) / columns
  const most = Math.max(1, ...rows.flatMap(({ bins }) => bins.map(({ atoms }) => atoms)))
  const y = linear(0, most, BOTTOM, TOP, 4)
  y.ticks = y.ticks.filter(({ value }) => Number.isInteger(value))
  const share = (bin: number): string => number(10 ** (bin / BINS), 2)
  const bars = rows.flatMap(({ label, bins }, series) =>
    bins.map(({ from, atoms }) => {
      const bin = Math.round(from * BINS)
      const width = (0.8 * step) / rows.length
      const x = LEFT + (bin - first + 0.1) * step + series * width
      const tip = `${label}: ${count(atoms, 'atom')} on in ${share(bin)} to ${share(bin + 1)} of the rows`
      const place = { x, y: y.at(atoms), width, height: BOTTOM - y.at(atoms) }
      return element('rect', { ...place, fill: COLOURS[series]! }, tooltip(tip))
    }),
  )
  const ticks = Array.from({ length: columns + 1 }, (_, k) => {
    const x = LEFT + k * step
    const place = { 'text-anchor': k === columns ? 'end' : 'middle', 'font-size': 11, fill: MUTED }
    return line(x, BOTTOM, x, BOTTOM + 4, MUTED) + text(x, BOTTOM + 17, share(first + k), place)
  })
  const square = (fill: string) => (mx: number, my: number) =>
    element('rect', { x: mx - 5, y: my - 5, width: 10, height: 10, fill })
  return figure({
    id: 'density',
    title: 'Density of the atoms',
    description: `Number of atoms by the share of rows in which they are on, in bins of half a decade: ${rows
      .map(({ label, bins }) => `${label} ${bins.reduce((sum, { atoms }) => sum + atoms, 0)} atoms`)
      .join(', ')}.`,
    height: BOTTOM + 46,
    doubts,
    body: [
      legend(
        LEFT,
        16,
        rows.map(({ label }, k) => ({ mark: square(COLOURS[k]!), label })),
      ),
      verticalAxis(y, LEFT, RIGHT),
      ...bars,
      ...ticks,
      line(LEFT, BOTTOM, RIGHT, BOTTOM, MUTED),
      verticalTitle(16, (TOP + BOTTOM) / 2, 'atoms'),
      horizontalTitle((LEFT + RIGHT) / 2, BOTTOM + 38, 'share of the rows in which an atom is on'),
    ].join(''),
  })
}
