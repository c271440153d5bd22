/** From a dictionary to the numbers of an atom's pictures. */
import { Dictionary } from '../../manifold/dictionary.ts'
import type { DictionaryAtom } from '../../manifold/dictionary-types.ts'
import type { CodeHistogram } from '../charts/atoms/histogram.ts'
import type { Point } from '../charts/atoms/plane.ts'
import { planesOf, project } from './plane.ts'

/** Points of codes in a picture, most. */
export const SHOWN_CODES = 300
/** Pieces of a closed curve. */
const PIECES = 96
/** Lines of a surface's grid in each direction, and pieces of each. */
const GRID_LINES = 12
const GRID_PIECES = 36
/** Bins of a histogram, most. */
const MOST_BINS = 48

/** Codes of one atom, row by row. */
export interface AtomCodes {
  amounts: Float64Array
  /** Values of each coordinate. */
  coordinates: Float64Array[]
}

/** What is drawn of an atom in its plane. */
export interface AtomPlane {
  /** Share of the variance of the curve's functions that lies in the plane. */
  share: number
  lines: { family: 0 | 1; points: Point[] }[]
  marks: { at: Point; label: string }[]
  codes: Point[]
}

/** Codes of all atoms. */
export function codesByAtom({ atoms, codes }: Dictionary): AtomCodes[] {
  const counts = atoms.map(() => 0)
  for (const k of codes.atoms) counts[k]!++
  const out = atoms.map(({ spread }, k) => ({
    amounts: new Float64Array(counts[k]!),
    coordinates: Array.from({ length: spread.length }, () => new Float64Array(counts[k]!)),
  }))
  const next = atoms.map(() => 0)
  let at = 0
  codes.atoms.forEach((k, slot) => {
    const place = next[k]!++
    out[k]!.amounts[place] = codes.amounts[slot]!
    for (const values of out[k]!.coordinates) values[place] = codes.coordinates[at++]!
  })
  return out
}

/** Whether its coordinates are phases. */
export function isPeriodic({ shape }: DictionaryAtom): boolean {
  return typeof shape === 'object' && (shape.topology === 'circle' || shape.topology === 'torus')
}

/** The curve or surface of atom k in its planes; the engine itself says where its points are. */
export function drawPlanes(dictionary: Dictionary, k: number, codes: AtomCodes): AtomPlane[] {
  const place = placer(dictionary, k)
  const atom = dictionary.atoms[k]!
  return planesOf(atom.decoder).map((plane) => {
    const points = (places: number[][], amounts: number[] = places.map(() => 1)): Point[] =>
      place(places, amounts).map((row) => project(plane, row))
    return { share: plane.share, ...drawn(isPeriodic(atom), points, codes) }
  })
}

function drawn(
  periodic: boolean,
  points: (places: number[][], amounts?: number[]) => Point[],
  { amounts, coordinates }: AtomCodes,
): Omit<AtomPlane, 'share'> {
  const axes = coordinates.map((values): [from: number, to: number] => {
    if (periodic) return [0, 1]
    const { mean, sd } = moments(values)
    return sd > 0 ? [mean - 2 * sd, mean + 2 * sd] : [mean - 1, mean + 1]
  })
  const along = (axis: number, pieces: number, at: number[]): number[][] => {
    const [from, to] = axes[axis]!
    return Array.from({ length: pieces + 1 }, (_, i) => at.with(axis, from + ((to - from) * i) / pieces))
  }
  const rest = axes.map(([from, to]) => (periodic ? 0 : (from + to) / 2))
  const lines: AtomPlane['lines'] = []
  const marks: AtomPlane['marks'] = []
  if (axes.length === 1) {
    lines.push({ family: 0, points: points(along(0, PIECES, rest)) })
    const [from, to] = axes[0]!
    const named = periodic
      ? [0, 0.25, 0.5, 0.75].map((t) => [t, String(t)] as const)
      : ([
          [from, '−2 sd'],
          [to, '+2 sd'],
        ] as const)
    points(named.map(([t]) => [t])).forEach((at, i) => marks.push({ at, label: named[i]![1] }))
  } else {
    for (const family of [0, 1] as const) {
      const starts = along(1 - family, GRID_LINES, rest).slice(0, periodic ? GRID_LINES : undefined)
      for (const start of starts) lines.push({ family, points: points(along(family, GRID_PIECES, start)) })
    }
  }
  const shown = evenly(amounts.length, SHOWN_CODES)
  const places = shown.map((i) => coordinates.map((values) => values[i]!))
  const codes = points(
    places,
    shown.map((i) => amounts[i]!),
  )
  return { lines, marks, codes }
}

/**
 * a·m(t) of atom k. Amounts are free here, whatever the gate of the fit, so that a curve can be drawn at amount 1.
 */
function placer(dictionary: Dictionary, k: number): (places: number[][], amounts: number[]) => Float64Array[] {
  const { strengths, columns } = dictionary
  const free = new Dictionary({
    ...dictionary,
    offset: new Float64Array(columns),
    gate: { kind: 'amplitude', prior: 'normal' },
    strengths: { ...strengths, entropy: 0, amplitude: dictionary.atoms.map(() => 1) },
  })
  return (places, amounts) => {
    const rows = places.length
    if (rows === 0) return []
    const said = free.decode({
      rows,
      sizes: new Uint32Array(rows).fill(1),
      atoms: new Uint32Array(rows).fill(k),
      amounts: Float64Array.from(amounts),
      coordinates: Float64Array.from(places.flat()),
    })
    return Array.from({ length: rows }, (_, n) => said.data.subarray(n * columns, (n + 1) * columns))
  }
}

/** Whole numbers below `count`, all of them or `most`, evenly spread. */
export function evenly(count: number, most: number): number[] {
  const shown = Math.min(count, most)
  return Array.from({ length: shown }, (_, i) => Math.floor((i * count) / shown))
}

/** √N bins. Phases lie in [0, 1); other values between the least and the most of them. */
export function countCodes(values: Float64Array, range?: readonly [low: number, high: number]): CodeHistogram {
  const bins = Math.max(1, Math.min(MOST_BINS, Math.round(Math.sqrt(values.length))))
  const low = range?.[0] ?? values.reduce((least, x) => Math.min(least, x), Infinity)
  const high = range?.[1] ?? values.reduce((most, x) => Math.max(most, x), -Infinity)
  if (!(high > low)) {
    const middle = Number.isFinite(low) ? low : 0
    return { low: middle - 0.5, width: 1, counts: [values.length] }
  }
  const width = (high - low) / bins
  const counts = new Array<number>(bins).fill(0)
  for (const x of values) counts[Math.max(0, Math.min(bins - 1, Math.floor(((x - low) / (high - low)) * bins)))]!++
  return { low, width, counts }
}

function moments(values: Float64Array): { mean: number; sd: number } {
  const count = Math.max(1, values.length)
  const mean = values.reduce((sum, x) => sum + x, 0) / count
  return { mean, sd: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count) }
}
