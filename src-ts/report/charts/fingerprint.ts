/** Fingerprint: how every species is shared out to the factors, as stacked bars. */
import type { Matrix } from '../../matrix.ts'
import {
  colour,
  figure,
  horizontalAxis,
  horizontalTitle,
  INK,
  legend,
  legendRows,
  text,
  tooltip,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { count, number, shorten } from '../format.ts'
import { element } from '../markup.ts'
import { linear } from '../scale.ts'

/** Numbers of the chart. */
export interface FingerprintChart extends ChartBase {
  factors: readonly string[]
  species: readonly string[]
  /** factors × species, percentage of the species in the factor. */
  percent: Matrix
}

const LEFT = 190
const RIGHT = WIDTH - 20
const ROW = 19

/** Draws the stacks. */
export function fingerprintChart(chart: FingerprintChart): string {
  const { factors, species, percent } = chart
  const labels = factors.map((factor, k) => (factor === `factor ${k + 1}` ? factor : `${k + 1} ${shorten(factor, 22)}`))
  const top = 4 + 18 * legendRows(LEFT, labels) + 8
  const bottom = top + species.length * ROW + 4
  const x = linear(0, 100, LEFT, RIGHT, 5)
  const swatch = (k: number, left: number, y: number, width: number, height: number, tip = ''): string =>
    element('rect', { x: left, y, width, height, fill: colour(k), stroke: '#ffffff', 'stroke-width': 1 }, tip)
  const rows = species.map((name, j) => {
    const y = top + 3 + j * ROW
    let sum = 0
    const parts = factors.map((factor, k) => {
      const share = percent.get(k, j)
      // Shares below zero, of factors without bounds, cannot be stacked.
      if (!(share > 0)) return ''
      const from = x.at(sum)
      const to = x.at((sum += share))
      const label =
        k < 8 && to - from > 22
          ? text((from + to) / 2, y + 12, String(k + 1), { ...NUMBER, fill: DARK.includes(k) ? '#ffffff' : INK })
          : ''
      return swatch(k, from, y, to - from, ROW - 3, tooltip(`${name}: ${number(share, 3)} % in ${factor}`)) + label
    })
    return text(LEFT - 9, y + 12, shorten(name, 26), { 'text-anchor': 'end' }) + parts.join('')
  })
  return figure({
    id: 'fingerprint',
    title: 'Fingerprint',
    description:
      `Stacked bars for ${species.length} species: the percentage of each that lies in each of ${count(factors.length, 'factor')} ` +
      `(${factors.join(', ')}). Numbers in the bars are those of the factors.`,
    height: bottom + 46,
    doubts: chart.doubts,
    body: [
      legend(
        LEFT,
        14,
        factors.map((_, k) => ({
          mark: (mx: number, my: number) => swatch(k, mx - 6, my - 6, 12, 12),
          label: labels[k]!,
        })),
      ),
      horizontalAxis(x, top, bottom),
      ...rows,
      horizontalTitle((LEFT + RIGHT) / 2, bottom + 38, 'Share of the species (%)'),
    ].join(''),
  })
}

const NUMBER = { 'text-anchor': 'middle', 'font-size': 11, 'font-weight': 'bold' } as const

/** Factors whose colour is too dark for black numbers. */
const DARK: readonly number[] = [0, 6]
