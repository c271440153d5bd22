// Simulated studies whose truth is known: 80 samples of 12 species from 3 sources.
import { gauss } from '../common.ts'

export const ROWS = 80
export const COLS = 12
export const FACTORS = 3

/** How a study's sources look, and how noisy it is. */
export interface Design {
  name: string
  /** In a sentence. */
  about: string
  /** factors × species. */
  profiles: readonly (readonly number[])[]
  /** Standard deviation of the logarithm of contributions: how much they vary. */
  spread: number
  /** Share of the samples in which a source is off: its contribution is zero. */
  off: number
}

/** Noise of every cell, as laboratories state it: a share of the true value, and a share of the species' mean. */
const [RELATIVE, FLOOR] = [0.05, 0.05]

const DENSE = [
  [5.0, 3.0, 2.0, 0.8, 0.6, 0.5, 0.4, 0.7, 0.5, 1.0, 0.5, 2.0],
  [0.7, 0.5, 0.6, 0.6, 4.0, 2.5, 1.5, 0.6, 0.4, 0.4, 1.2, 1.0],
  [0.6, 0.4, 0.5, 0.4, 0.5, 0.8, 0.4, 3.0, 1.8, 0.9, 0.7, 0.5],
]

/** The species that each source of design B lacks. */
const LACKING = [10, 9, 11]

/** A and B are the benchmark; C is computed when it is asked for. */
export const DESIGNS: readonly Design[] = [
  {
    name: 'A',
    about: 'well determined: each source has species of its own and is off in a fifth of the samples',
    profiles: [
      [5.0, 3.0, 2.0, 0.8, 0, 0, 0, 0, 0, 1.0, 0.5, 2.0],
      [0, 0, 0, 0.6, 4.0, 2.5, 1.5, 0, 0, 0.4, 1.2, 1.0],
      [0, 0, 0, 0, 0, 0.8, 0, 3.0, 1.8, 0.9, 0.7, 0.5],
    ],
    spread: 0.7,
    off: 0.2,
  },
  {
    name: 'B',
    about:
      'weak rotational determination: every source lacks one species, and is off in a twentieth of the samples, four of 80',
    profiles: DENSE.map((row, k) => row.map((value, j) => (j === LACKING[k] ? 0 : value))),
    spread: 0.7,
    off: 0.05,
  },
  {
    name: 'C',
    about: 'no rotational determination: every source has every species and is never off',
    profiles: DENSE,
    spread: 0.7,
    off: 0,
  },
]

/** One study. */
export interface Simulated {
  values: number[][]
  uncertainties: number[][]
  /** factors × species: profile times the mean of the contributions that were drawn. */
  truth: number[][]
  /** factors × species: profile times the mean of all contributions that might have been drawn. */
  expected: number[][]
  /** samples × factors. */
  contributions: number[][]
  /** Mean over the cells of true value over uncertainty. */
  signalToNoise: number
}

/** Draws set number `set` of a design. */
export function simulate(design: Design, seed: number, set: number): Simulated {
  const { uniform, normal } = gauss(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(set + 1, 0x85ebca6b))
  const { profiles, spread, off } = design
  const contributions = Array.from({ length: ROWS }, () =>
    profiles.map(() => (uniform() < off ? 0 : Math.exp(spread * normal() - (spread * spread) / 2))),
  )
  const exact = contributions.map((row) =>
    Array.from({ length: COLS }, (_, j) => row.reduce((sum, w, k) => sum + w * profiles[k]![j]!, 0)),
  )
  const column = (j: number): number => exact.reduce((sum, row) => sum + row[j]!, 0) / ROWS
  const means = Array.from({ length: COLS }, (_, j) => column(j))
  // Of the true values: an uncertainty that grows with the noise itself would bias every weighted fit.
  const uncertainties = exact.map((row) => row.map((value, j) => Math.hypot(RELATIVE * value, FLOOR * means[j]!)))
  const values = exact.map((row, i) => row.map((value, j) => value + uncertainties[i]![j]! * normal()))
  const mean = profiles.map((_, k) => contributions.reduce((sum, row) => sum + row[k]!, 0) / ROWS)
  const ratios = exact.flatMap((row, i) => row.map((value, j) => value / uncertainties[i]![j]!))
  return {
    values,
    uncertainties,
    truth: profiles.map((row, k) => row.map((value) => value * mean[k]!)),
    expected: profiles.map((row) => row.map((value) => value * (1 - off))),
    contributions,
    signalToNoise: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
  }
}
