/** Values over time or over the sample number: the axis, and a path that stays small however long the series is. */
import { horizontalAxis, horizontalTitle } from '../drawing.ts'
import { coordinate } from '../markup.ts'
import { exact, time, type Scale } from '../scale.ts'

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
  return axis.times ? time(low, high, from, to) : exact(low, high, from, to, 10)
}

/** Ticks and title of that axis. */
export function sampleAxis(axis: SampleAxis, scale: Scale, top: number, bottom: number, title: boolean): string {
  const middle = (scale.at(scale.low) + scale.at(scale.high)) / 2
  const name = axis.times ? 'Date (UTC)' : 'Sample number'
  return horizontalAxis(scale, top, bottom) + (title ? horizontalTitle(middle, bottom + 36, name) : '')
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
