/** Errors of the profiles by every method, side by side for each species, one panel per factor. */
import type { ElementErrors } from '../../pmf/error-summary.ts'
import {
  colour,
  figure,
  horizontalTitle,
  INK,
  legend,
  legendRows,
  line,
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
import { linear, logarithmic, type Scale } from '../scale.ts'

/** Numbers of the chart. */
export interface ErrorComparisonChart extends ChartBase {
  factors: readonly string[]
  species: readonly string[]
  /** What the concentrations are in, for the axis. */
  unit: string
  /** Every element, factor by factor. */
  elements: readonly ElementErrors[]
  /** Levels of which intervals are drawn; absent if there are none. */
  displacementLevel?: number | undefined
  bootstrapDisplacementLevel?: number | undefined
}

/** Decades that the axis spans at most: what lies lower is marked at the bottom. */
const DECADES = 5
const LEFT = 78
const RIGHT = WIDTH - 14
const PANEL = 170
const NAME = 18
/** Behind every other species, so that intervals are not taken for their neighbour's. */
const PALE = '#f5f7fa'
/** Room below the lowest tick, for what is zero or lower than the axis. */
const UNDER = 14

/** An interval as it is drawn: ends that are not known are open. */
interface Interval {
  lower: number
  upper: number
  /** 25 and 75 %. */
  box?: readonly [number, number]
  unbounded?: boolean | undefined
}

interface Method {
  label: string
  of: (one: ElementErrors) => Interval | undefined
  stroke: string
  width: number
}

/** Draws the comparison. */
export function errorComparisonChart(chart: ErrorComparisonChart): string {
  const { factors, species, elements } = chart
  const methods = methodsOf(chart)
  const [low, high, log] = rangeOf(elements, methods)
  const names = Math.max(...species.map((name) => textWidth(shorten(name, NAME), 11)))
  const labels = 14 + names * Math.SQRT1_2
  const key = [
    { label: 'base', mark: (x: number, y: number) => line(x - 6, y, x + 6, y, INK, { 'stroke-width': 1.8 }) },
    ...methods.map(({ label, stroke, width }) => ({
      label,
      mark: (x: number, y: number) => line(x, y - 6, x, y + 6, stroke, { 'stroke-width': width }),
    })),
  ]
  const head = 12 + 18 * legendRows(LEFT, key.map(({ label }) => label)) // prettier-ignore
  const step = 24 + PANEL + labels + 12
  const band = (RIGHT - LEFT) / species.length
  const panels = factors.map((factor, k) => {
    const top = head + k * step + 24
    const bottom = top + PANEL
    const scale = log
      ? logarithmic(low, high, bottom - UNDER, top, 6)
      : linear(low, high, bottom - (low < 0 ? 0 : UNDER), top, 5)
    const groups = species.map(
      (_, j) =>
      group(elements[k * species.length + j]!, methods, { middle: LEFT + (j + 0.5) * band, band, top, bottom, scale, log }), // prettier-ignore
    )
    return element(
      'g',
      { id: `error-comparison-factor-${k + 1}` },
      text(LEFT, top - 8, shorten(factor, 60), { 'font-size': 13, 'font-weight': 'bold' }),
      ...species.map((_, j) =>
        j % 2 === 0 ? element('rect', { x: LEFT + j * band, y: top, width: band, height: PANEL, fill: PALE }) : '',
      ),
      verticalAxis(scale, LEFT, RIGHT),
      line(LEFT, bottom, RIGHT, bottom, MUTED),
      verticalTitle(18, (top + bottom) / 2, 'Concentration'),
      verticalTitle(34, (top + bottom) / 2, `(${shorten(chart.unit, 22)})`),
      ...groups,
      ...species.map((name, j) => slanted(LEFT + (j + 0.5) * band + 4, bottom + 13, name, NAME)),
    )
  })
  const height = head + factors.length * step
  const axis = log ? 'logarithmic' : 'linear'
  return figure({
    id: 'error-comparison',
    title: 'Errors of the profiles by method',
    description:
      `One panel for each of ${count(factors.length, 'factor')} (${factors.join(', ')}) with ${species.length} species on a ` +
      `${axis} axis of concentration. A horizontal line marks the base; beside each other stand the intervals ` +
      `${methods.map(({ label }) => label).join('; ')}. A triangle that points down stands for an end ` +
      `${log ? `at zero or below ${number(low)}` : 'at zero'}, one that points up for an end without a bound.`,
    height: height + 20,
    doubts: chart.doubts,
    body: legend(LEFT, 14, key) + panels.join('') + horizontalTitle((LEFT + RIGHT) / 2, height + 8, 'Species'),
  })
}

function methodsOf({ elements, displacementLevel, bootstrapDisplacementLevel }: ErrorComparisonChart): Method[] {
  const methods: Method[] = [
    {
      label: 'base ± 1.96 standard errors',
      of: ({ laplace }) => laplace && known(laplace.lower, laplace.upper),
      stroke: colour(0),
      width: 1.6,
    },
    {
      label: 'bootstrap, 5 to 95 %, box 25 to 75 %',
      of: ({ bootstrap: bs }) => {
        const ends = bs && known(bs.q5, bs.q95)
        return ends && { ...ends, box: [bs.q25, bs.q75] }
      },
      stroke: colour(1),
      width: 1.6,
    },
    {
      label: `displacement, ΔQ = ${displacementLevel}`,
      of: ({ displacement }) => {
        const one = displacement?.find(({ level }) => level === displacementLevel)
        if (one === undefined || one.failed) return undefined
        return known(one.lowerUnbounded ? -Infinity : one.lower, one.upperUnbounded ? Infinity : one.upper)
      },
      stroke: colour(2),
      width: 3,
    },
    {
      label: `bootstrap with displacement, ΔQ = ${bootstrapDisplacementLevel}`,
      of: ({ bootstrapDisplacement }) => {
        const one = bootstrapDisplacement?.find(({ level }) => level === bootstrapDisplacementLevel)
        if (one === undefined) return undefined
        return known(
          one.lowerUnbounded ? -Infinity : (one.lower ?? NaN),
          one.upperUnbounded ? Infinity : (one.upper ?? NaN),
        )
      },
      stroke: colour(3),
      width: 3,
    },
  ]
  return methods.filter(({ of }) => elements.some((one) => of(one) !== undefined))
}

function known(lower: number, upper: number): Interval | undefined {
  return Number.isNaN(lower) || Number.isNaN(upper) ? undefined : { lower, upper }
}

/** The axis: logarithmic where the profiles span more than a decade and are nowhere negative. */
function rangeOf(elements: readonly ElementErrors[], methods: readonly Method[]): [number, number, boolean] {
  const ends = elements.flatMap((one) => methods.flatMap(({ of }) => (({ lower, upper } = {} as Interval) => [lower, upper])(of(one)))) // prettier-ignore
  const all = [...elements.map(({ base }) => base), ...ends].filter((value) => Number.isFinite(value))
  const bases = elements.map(({ base }) => base).filter((value) => value > 0)
  const high = all.reduce((a, b) => Math.max(a, b), 0) || 1
  const least = bases.reduce((a, b) => Math.min(a, b), high)
  if (elements.some(({ base }) => base < 0)) return [all.reduce((a, b) => Math.min(a, b), 0), high, false]
  if (bases.reduce((a, b) => Math.max(a, b), 0) / least < 10) return [0, high, false]
  const positive = all.filter((value) => value > 0).reduce((a, b) => Math.min(a, b), high)
  return [Math.max(positive, high * 10 ** -DECADES), high, true]
}

interface Place {
  middle: number
  band: number
  top: number
  bottom: number
  scale: Scale
  log: boolean
}

/** Base and intervals of one element. */
function group(one: ElementErrors, methods: readonly Method[], place: Place): string {
  const { middle, band, bottom, scale, log } = place
  const { base, species, factorName } = one
  const room = Math.min(44, band * 0.76)
  const gap = room / methods.length
  const at = (value: number): number => (isLow(value, scale, log) ? bottom : scale.at(value))
  const said: string[] = []
  const drawn = methods.map(({ of, stroke, width, label }, m) => {
    const interval = of(one)
    if (interval === undefined) return ''
    const { lower, upper, box } = interval
    said.push(`${label}: ${number(lower, 3)} to ${number(upper, 3)}`)
    const x = middle - room / 2 + (m + 0.5) * gap
    const [y1, y2] = [upper === Infinity ? place.top : at(upper), at(lower)]
    const mark = (kind: 'up' | 'down'): string =>
      element('path', { d: shape(kind === 'up' ? 'triangle' : 'down', x, kind === 'up' ? place.top : bottom - 3, 3.2), fill: stroke }) // prettier-ignore
    const half = Math.min(3.4, gap * 0.42)
    return [
      // An interval without width stays visible.
      line(x, Math.min(y1, y2 - 1), x, y2, stroke, { 'stroke-width': Math.min(width, gap * 0.7) }),
      box === undefined || !(box[1] > 0)
        ? ''
        : element('rect', {
            ...{ x: x - half, y: Math.min(at(box[1]), at(box[0]) - 1.5), width: 2 * half },
            ...{ height: Math.max(1.5, at(box[0]) - at(box[1])), fill: stroke },
          }),
      isLow(lower, scale, log) ? mark('down') : '',
      upper === Infinity ? mark('up') : '',
    ].join('')
  })
  if (Number.isNaN(base)) return ''
  const y = at(base)
  const tip = tooltip(`${species} in ${factorName}: ${number(base)}${said.map((words) => `; ${words}`).join('')}`)
  const level = line(middle - room / 2 - 1, y, middle + room / 2 + 1, y, INK, { 'stroke-width': 1.8 })
  return element('g', {}, tip, ...drawn, level)
}

/** Whether a value lies where the axis does not reach: at zero, or below its decades. */
function isLow(value: number, scale: Scale, log: boolean): boolean {
  return log ? value < scale.low : value <= 0 && scale.low >= 0
}
