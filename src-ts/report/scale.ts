/** From values to pixels, and where ticks go. */
import { number, power } from './format.ts'

/** A tick of an axis. */
export interface Tick {
  value: number
  label: string
}

/** An axis: its range, its ticks, and where a value lies on it. */
export interface Scale {
  low: number
  high: number
  ticks: Tick[]
  /** Pixel of a value; values outside the range are moved to its end. */
  at: (value: number) => number
  /** Pixels from where to where the axis is interrupted. */
  breaks?: readonly (readonly [number, number])[]
}

/** A linear axis from `low` to `high`, widened to round numbers, drawn from pixel `from` to pixel `to`. */
export function linear(low: number, high: number, from: number, to: number, count = 5): Scale {
  const [bottom, top] = widen(low, high)
  const step = niceStep((top - bottom) / count)
  const first = Math.floor(bottom / step + 1e-9)
  const last = Math.ceil(top / step - 1e-9)
  const ticks = Array.from({ length: last - first + 1 }, (_, k) => {
    // Not (first + k) * step: 3 * 0.1 is not 0.3.
    const value = Number(((first + k) * step).toPrecision(12))
    return { value, label: number(value, 12) }
  })
  return between(first * step, last * step, ticks, from, to)
}

/** A linear axis that ends at the values given. */
export function exact(low: number, high: number, from: number, to: number, count = 5): Scale {
  const [bottom, top] = widen(low, high)
  const inside = linear(bottom, top, 0, 1, count).ticks.filter(({ value }) => value >= bottom && value <= top)
  return between(bottom, top, inside, from, to)
}

function widen(low: number, high: number): [number, number] {
  if (high > low) return [low, high]
  const margin = low === 0 ? 1 : Math.abs(low) * 0.1
  return [low - margin, low + margin]
}

function niceStep(rough: number): number {
  const exponent = Math.floor(Math.log10(rough))
  const mantissa = rough / 10 ** exponent
  return (mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 2.5 ? 2.5 : mantissa <= 5 ? 5 : 10) * 10 ** exponent
}

/** A logarithmic axis over whole decades; `low` and `high` must be positive. At most `count` labels. */
export function logarithmic(low: number, high: number, from: number, to: number, count = 8): Scale {
  const bottom = Math.floor(Math.log10(low) + 1e-9)
  const top = Math.max(bottom + 1, Math.ceil(Math.log10(high) - 1e-9))
  const every = Math.ceil((top - bottom) / count)
  // Numbers where all of them are short, powers of ten elsewhere.
  const plain = bottom >= -3 && top <= 4
  const ticks: Tick[] = []
  for (let exponent = bottom; exponent <= top; exponent += every) {
    const value = 10 ** exponent
    ticks.push({ value, label: plain || exponent === 0 ? number(value, 6) : power(exponent) })
  }
  const inner = between(bottom, top, [], from, to)
  return {
    low: 10 ** bottom,
    high: 10 ** top,
    ticks,
    at: (value) => inner.at(value > 0 ? Math.log10(value) : bottom),
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 365.2425 * DAY
const STEPS = [
  MINUTE,
  5 * MINUTE,
  15 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  4 * DAY,
  7 * DAY,
  14 * DAY,
]
const MONTHS = [1, 2, 3, 6]
const YEARS = [1, 2, 5, 10, 20, 50, 100]

/** A time axis in UTC that ends at the times given, in milliseconds since 1970. */
export function time(low: number, high: number, from: number, to: number, count = 8): Scale {
  const [start, end] = high > low ? [low, high] : [low - DAY / 2, low + DAY / 2]
  return between(start, end, timeTicks(start, end, count), from, to)
}

/** Pixels of an interruption. */
const BREAK = 22

/**
 * A time axis for samples of separate campaigns: every stretch of time has the same scale (but a least width), what
 * lies between them is cut out.
 */
export function brokenTime(stretches: readonly (readonly [number, number])[], from: number, to: number): Scale {
  const least = 24
  const free = to - from - BREAK * (stretches.length - 1) - least * stretches.length
  const total = stretches.reduce((sum, [start, end]) => sum + end - start, 0)
  let x = from
  const parts = stretches.map(([start, end]) => {
    const width = least + (total > 0 ? ((end - start) / total) * free : free / stretches.length)
    const inside = end > start ? [start, end] : [start - 1, end + 1]
    const ticks = timeTicks(start, end, Math.max(1, Math.floor(width / 76)))
    const first = new Date(start).toISOString().slice(0, 10)
    const part = between(
      inside[0]!,
      inside[1]!,
      ticks.length > 0 ? ticks : [{ value: start, label: first }],
      x,
      x + width,
    )
    const right = x + width
    x = right + BREAK
    return { ...part, right }
  })
  const place = (value: number): number => {
    const part = parts.find(({ high }) => value <= high) ?? parts.at(-1)!
    return part.at(value)
  }
  return {
    low: stretches[0]![0],
    high: stretches.at(-1)![1],
    ticks: parts.flatMap(({ ticks }) => ticks),
    at: place,
    breaks: parts.slice(0, -1).map(({ right }) => [right, right + BREAK] as const),
  }
}

function timeTicks(start: number, end: number, count: number): Tick[] {
  const rough = (end - start) / count
  const step = STEPS.find((one) => one >= rough)
  if (step !== undefined) {
    const ticks: Tick[] = []
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
      const text = new Date(at).toISOString()
      ticks.push({ value: at, label: step >= DAY ? text.slice(0, 10) : `${text.slice(5, 10)} ${text.slice(11, 16)}` })
    }
    return ticks
  }
  const months =
    MONTHS.find((one) => (one * YEAR) / 12 >= rough) ?? 12 * (YEARS.find((one) => one * YEAR >= rough) ?? 500)
  const ticks: Tick[] = []
  const first = new Date(start)
  let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months
  for (; ; month += months) {
    const date = new Date(Date.UTC(2000, month - 24000, 1))
    if (date.getTime() > end) return ticks
    const text = date.toISOString()
    if (date.getTime() >= start)
      ticks.push({ value: date.getTime(), label: months >= 12 ? text.slice(0, -20) : text.slice(0, -17) })
  }
}

function between(low: number, high: number, ticks: Tick[], from: number, to: number): Scale {
  const at = (value: number): number => {
    const inside = Math.min(high, Math.max(low, value))
    return from + ((inside - low) / (high - low)) * (to - from)
  }
  return { low, high, ticks, at }
}
