/** Values over time or over the sample number: the axis, and a path that stays small however long the series is. */
import { GRID, horizontalAxis, horizontalTitle, tooltip } from '../drawing.ts'
import { coordinate, element } from '../markup.ts'
import { brokenTime, exact, time, type Scale } from '../scale.ts'

/** Where samples lie along the horizontal axis. */
export interface SampleAxis {
  /** Position of each sample: milliseconds since 1970 (UTC), or the sample's number from 1. */
  positions: ArrayLike<number>
  /** Whether positions are times. */
  times: boolean
  /** A line is interrupted where two samples are farther apart than this. */
  gap: number
}

/** The horizontal axis of samples from pixel `from` to pixel `to`. */
export function sampleScale(axis: SampleAxis, from: number, to: number): Scale {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < axis.positions.length; i++) {
    low = Math.min(low, axis.positions[i]!)
    high = Math.max(high, axis.positions[i]!)
  }
  if (!axis.times) return exact(low, high, from, to, 10)
  const campaigns = stretches(axis, high - low)
  return campaigns.length > 1 ? brokenTime(campaigns, from, to) : time(low, high, from, to)
}

/** A gap is cut out of the axis if it takes this share of it, */
const WIDE = 0.04
/** and only if all such gaps together take this share. */
const MOSTLY_EMPTY = 0.3

/** First and last time of each campaign; one stretch where the axis is better left whole. */
function stretches(axis: SampleAxis, range: number): [number, number][] {
  const times = Array.from(axis.positions).sort((a, b) => a - b)
  const found: [number, number][] = []
  let empty = 0
  for (const time of times) {
    const last = found.at(-1)
    if (last !== undefined && time - last[1] <= Math.max(axis.gap, WIDE * range)) last[1] = time
    else {
      if (last !== undefined) empty += time - last[1]
      found.push([time, time])
    }
  }
  return empty >= MOSTLY_EMPTY * range ? found : [[times[0]!, times.at(-1)!]]
}

/** Ticks and title of that axis. */
export function sampleAxis(axis: SampleAxis, scale: Scale, top: number, bottom: number, title: boolean): string {
  const middle = (scale.at(scale.low) + scale.at(scale.high)) / 2
  const cut = scale.breaks === undefined ? '' : ', grey: time without samples, cut out'
  const name = axis.times ? `Date (UTC${cut})` : 'Sample number'
  const cuts = (scale.breaks ?? []).map(([left, right]) =>
    element(
      'rect',
      { x: left, y: top, width: right - left, height: bottom - top, fill: GRID },
      tooltip('time cut out'),
    ),
  )
  return cuts.join('') + horizontalAxis(scale, top, bottom) + (title ? horizontalTitle(middle, bottom + 36, name) : '')
}

/**
 * Path of the samples' values in order of position. Where several samples share a pixel column, only the first, the
 * lowest, the highest and the last are drawn: the picture is the same.
 */
export function seriesPath(axis: SampleAxis, values: ArrayLike<number>, x: Scale, y: Scale): string {
  const order = Array.from({ length: values.length }, (_, i) => i)
    .filter((i) => Number.isFinite(values[i]!))
    .sort((a, b) => axis.positions[a]! - axis.positions[b]! || a - b)
  const runs: number[][] = []
  let last = -Infinity
  for (const i of order) {
    const position = axis.positions[i]!
    if (runs.length === 0 || position - last > axis.gap) runs.push([])
    runs.at(-1)!.push(i)
    last = position
  }
  return runs
    .map((run) => {
      const points = decimate(run, (i) => Math.floor(x.at(axis.positions[i]!)), values).map(
        (i) => `${coordinate(x.at(axis.positions[i]!))} ${coordinate(y.at(values[i]!))}`,
      )
      // A single sample between two gaps is a dot: a line of no length with a round end.
      return points.length === 1 ? `M${points[0]}h0` : `M${points.join('L')}`
    })
    .join('')
}

function decimate(run: readonly number[], pixel: (i: number) => number, values: ArrayLike<number>): number[] {
  const kept: number[] = []
  for (let from = 0; from < run.length;) {
    let to = from + 1
    while (to < run.length && pixel(run[to]!) === pixel(run[from]!)) to++
    const column = run.slice(from, to)
    if (column.length <= 4) kept.push(...column)
    else {
      const lowest = column.reduce((a, b) => (values[b]! < values[a]! ? b : a))
      const highest = column.reduce((a, b) => (values[b]! > values[a]! ? b : a))
      const chosen = new Set([column[0]!, lowest, highest, column.at(-1)!])
      kept.push(...column.filter((i) => chosen.has(i)))
    }
    from = to
  }
  return kept
}
