/** Explained variation: which share of each species' variation every factor explains, as a heat map. */
import type { Matrix } from '../../matrix.ts'
import { figure, INK, line, MUTED, text, tooltip, WIDTH, type ChartBase } from '../drawing.ts'
import { count, fixed, shorten } from '../format.ts'
import { element } from '../markup.ts'

/** Numbers of the chart. */
export interface ExplainedVariationChart extends ChartBase {
  factors: readonly string[]
  species: readonly string[]
  /** factors × species, 0 to 1; NaN: not known. */
  explained: Matrix
  /** One per species, 0 to 1. */
  unexplained: ArrayLike<number>
}

const LEFT = 190
const RIGHT = WIDTH - 20
const ROW = 20
const TOP = 62

/** Draws the heat map. */
export function explainedVariationChart(chart: ExplainedVariationChart): string {
  const { factors, species, explained, unexplained } = chart
  const columns = [...factors, 'not explained']
  const width = (RIGHT - LEFT) / columns.length
  const fits = Math.max(4, Math.floor(width / 7.2))
  const cells = species.flatMap((name, j) =>
    columns.map((column, k) => {
      const share = k < factors.length ? explained.get(k, j) : unexplained[j]!
      const x = LEFT + k * width + (k === factors.length ? 6 : 0)
      const y = TOP + j * ROW
      const known = Number.isFinite(share)
      const fill = known ? (k < factors.length ? shade(share, BLUE) : shade(share, GREY)) : '#ffffff'
      return element(
        'g',
        {},
        tooltip(`${name}, ${column}: ${known ? `${fixed(100 * share, 1)} %` : 'not known'}`),
        element('rect', { x, y, width: width - (k === factors.length ? 6 : 1), height: ROW - 1, fill }),
        text(x + (width - 1) / 2, y + 14, known ? fixed(100 * share, 0) : '–', {
          'text-anchor': 'middle',
          'font-size': 11,
          fill: known && share > 0.5 ? '#ffffff' : INK,
        }),
      )
    }),
  )
  const bottom = TOP + species.length * ROW
  const steps = Array.from({ length: 6 }, (_, k) => k / 5)
  return figure({
    id: 'explained-variation',
    title: 'Explained variation',
    description:
      `Percentage of the weighted variation of each of ${species.length} species that each of ${count(factors.length, 'factor')} ` +
      `explains, and the percentage that no factor explains. Each row adds up to 100.`,
    height: bottom + 14,
    doubts: chart.doubts,
    body: [
      text(LEFT, 16, 'Share of the variation of the species (%)', { fill: MUTED }),
      ...steps.map((share, k) => {
        const x = LEFT + 262 + k * 34
        const label = text(x + 16, 17, String(100 * share), {
          'text-anchor': 'middle',
          'font-size': 10,
          fill: share > 0.5 ? '#ffffff' : INK,
        })
        return element('rect', { x, y: 4, width: 33, height: 18, fill: shade(share, BLUE) }) + label
      }),
      ...columns.map((column, k) =>
        element(
          'g',
          {},
          tooltip(column),
          text(LEFT + k * width + width / 2, TOP - 10, shorten(column, fits), {
            'text-anchor': 'middle',
            'font-weight': 'bold',
            'font-size': 11,
          }),
        ),
      ),
      ...species.map((name, j) => text(LEFT - 9, TOP + j * ROW + 14, shorten(name, 26), { 'text-anchor': 'end' })),
      ...cells,
      line(LEFT, TOP - 3, RIGHT, TOP - 3, MUTED),
    ].join(''),
  })
}

const BLUE = [0, 76, 128] as const
const GREY = [82, 82, 91] as const

/** From white to the colour given. */
function shade(share: number, to: readonly number[]): string {
  const part = Math.min(1, Math.max(0, share))
  const hex = to.map((end) =>
    Math.round(247 + (end - 247) * part)
      .toString(16)
      .padStart(2, '0'),
  )
  return `#${hex.join('')}`
}
