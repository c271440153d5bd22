/** Factor profiles: concentration as logarithmic bars, share of the species as dots, one panel per factor. */
import type { Matrix } from '../../matrix.ts'
import {
  ALERT,
  colour,
  figure,
  horizontalTitle,
  INK,
  legend,
  line,
  marker,
  MUTED,
  shape,
  slanted,
  text,
  textWidth,
  tooltip,
  verticalAxis,
  verticalTitle,
  WIDTH,
  type ChartBase,
} from '../drawing.ts'
import { count, number, shorten } from '../format.ts'
import { element } from '../markup.ts'
import { linear, logarithmic } from '../scale.ts'

/** Numbers of the chart. */
export interface ProfilesChart extends ChartBase {
  /** Names. */
  factors: readonly string[]
  species: readonly string[]
  /** What the concentrations are in, for the axis. */
  unit: string
  /** factors × species. */
  profiles: Matrix
  /** factors × species, percentage of the species in the factor. */
  percent: Matrix
  /** factors × species, standard errors of the profiles; NaN where there is none. */
  errors?: Matrix | undefined
  /** What is doubtful about single factors, by factor. */
  factorDoubts: readonly (string | undefined)[]
}

/** Decades that the axis spans at most: what lies lower is marked at the bottom. */
const DECADES = 6
const LEFT = 78
const RIGHT = WIDTH - 62
const PANEL = 120
const NAME = 18

/** Draws the profiles. */
export function profilesChart(chart: ProfilesChart): string {
  const { factors, species, profiles, percent } = chart
  const positive = Array.from(profiles.data).filter((value) => value > 0)
  const high = positive.reduce((a, b) => Math.max(a, b), 0) || 1
  const low = positive.reduce((a, b) => Math.min(a, b), high)
  const names = Math.max(...species.map((name) => textWidth(shorten(name, NAME), 11)))
  const labels = 14 + names * Math.SQRT1_2
  const step = 24 + PANEL + labels + 12
  const band = (RIGHT - LEFT) / species.length
  const bar = Math.min(26, band * 0.62)
  const panels = factors.map((factor, k) => {
    const top = 26 + k * step + 24
    const bottom = top + PANEL
    const scale = logarithmic(Math.max(low, high * 10 ** -DECADES), high, bottom, top, 5)
    const shares = linear(0, 100, bottom, top, 4)
    const middle = (j: number): number => LEFT + (j + 0.5) * band
    const bars = species.map((name, j) => {
      const value = profiles.get(k, j)
      const error = chart.errors?.get(k, j) ?? NaN
      const spread = Number.isNaN(error) ? '' : ` ± ${number(error, 2)}`
      const tip = tooltip(`${name} in ${factor}: ${number(value)}${spread} (${number(percent.get(k, j), 3)} %)`)
      if (!(value > 0)) return ''
      const x = middle(j) - bar / 2
      if (value < scale.low) {
        return element('path', { d: shape('down', middle(j), bottom - 5, 4), fill: colour(k) }, tip)
      }
      const y = scale.at(value)
      const drawn = element(
        'rect',
        { x, y, width: bar, height: bottom - y, fill: colour(k), 'fill-opacity': 0.82 },
        tip,
      )
      if (!(error > 0)) return drawn
      // Cut off where the axis ends: the lower end of a large error may be negative.
      const high = Math.max(scale.at(value + error), top)
      const low = value - error > scale.low ? scale.at(value - error) : bottom
      return drawn + line(middle(j), high, middle(j), low, INK, { 'stroke-width': 1.4 })
    })
    const dots = species.map((name, j) => {
      const share = percent.get(k, j)
      if (Number.isNaN(share)) return ''
      return marker('circle', middle(j), shares.at(share), 4, INK, `${name}: ${number(share, 3)} % in ${factor}`)
    })
    const doubt = chart.factorDoubts[k]
    return element(
      'g',
      { id: `profiles-factor-${k + 1}` },
      text(LEFT, top - 8, shorten(factor, 60), { 'font-size': 13, 'font-weight': 'bold' }),
      doubt === undefined
        ? ''
        : text(RIGHT, top - 8, `⚠ ${shorten(doubt, 70)}`, { 'text-anchor': 'end', 'font-size': 11, fill: ALERT }),
      verticalAxis(scale, LEFT, RIGHT),
      verticalAxis(shares, LEFT, RIGHT, { side: 'right', grid: false }),
      line(LEFT, bottom, RIGHT, bottom, MUTED),
      verticalTitle(18, (top + bottom) / 2, 'Concentration'),
      verticalTitle(34, (top + bottom) / 2, `(${shorten(chart.unit, 22)})`),
      verticalTitle(WIDTH - 10, (top + bottom) / 2, 'Share of species (%)'),
      ...bars,
      ...dots,
      ...species.map((name, j) => slanted(middle(j) + 4, bottom + 13, name, NAME)),
    )
  })
  const key = legend(LEFT, 14, [
    {
      mark: (x, y) =>
        element('rect', { x: x - 5, y: y - 5, width: 10, height: 10, fill: colour(0), 'fill-opacity': 0.82 }),
      label: 'bar: concentration, logarithmic, left axis',
    },
    { mark: (x, y) => marker('circle', x, y, 4, INK), label: 'dot: share of the species, right axis' },
    ...(chart.errors
      ? [{ mark: (x: number, y: number) => line(x, y - 6, x, y + 6, INK), label: 'line: ± one standard error' }]
      : []),
  ])
  const description =
    `One panel for each of ${count(factors.length, 'factor')} (${factors.join(', ')}) with ${species.length} species. ` +
    `Bars: concentration on a logarithmic axis; zero has no bar, a small triangle stands for less than ` +
    `${number(10 ** Math.floor(Math.log10(Math.max(low, high * 10 ** -DECADES)) + 1e-9))}. Dots: percentage of the species.`
  return figure({
    id: 'profiles',
    title: 'Factor profiles',
    description,
    height: 26 + factors.length * step + 20,
    doubts: chart.doubts,
    body: key + panels.join('') + horizontalTitle((LEFT + RIGHT) / 2, 26 + factors.length * step + 8, 'Species'),
  })
}
