/** Counting scaled residuals into bins, so that the chart only draws. */
import type { Histogram } from './charts/residuals.ts'

const LOW = -6
const WIDTH = 0.5
const BINS = 24

/** Counts values into bins from -6 to 6; the outermost bins hold all that lies beyond. NaN is left out. */
export function histogramOf(values: ArrayLike<number>): Histogram {
  const counts = new Array<number>(BINS).fill(0)
  let total = 0
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!
    if (Number.isNaN(value)) continue
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - LOW) / WIDTH)))
    counts[bin]! += 1
    total++
  }
  return { low: LOW, width: WIDTH, counts, total }
}
