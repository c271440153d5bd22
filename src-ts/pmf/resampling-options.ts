/** How samples are drawn anew: the options that bootstrap and BS-DISP share. */
import type { NativeBootstrapSettings } from '#native'
import type { Checker } from '../validate.ts'
import { dropAbsent } from './solution.ts'

/** How resamples are drawn, fitted and mapped. */
export interface ResamplingOptions {
  /** Resamples. @default 100, as EPA PMF 5 advises */
  runs?: number | undefined
  /**
   * Consecutive samples that are drawn together, for samples that depend on their neighbours.
   * @default by Politis and White's rule, the mean over the species
   */
  block?: number | undefined
  /** Random starts of each resample beside the one from the base: they can find another minimum. @default 1 */
  coldStarts?: number | undefined
  /** Correlation of contributions below which a factor is unmapped, 0 to 1. @default 0.6, as EPA PMF 5 has it */
  threshold?: number | undefined
  /**
   * Key of all random numbers.
   * @default the fit's
   */
  seed?: number | undefined
}

/** The same, checked. */
export interface Resampling {
  runs: number
  block: number | undefined
  coldStarts: number | undefined
  threshold: number
  seed: number
}

/**
 * Reads them.
 * @param model number of samples, and the seed of the fit
 */
export function readResampling(check: Checker, model: { rows: number; seed: number }): Resampling {
  return {
    runs: check.integer('runs', { min: 1, max: 2 ** 32 - 1 }) ?? 100,
    block: check.integer('block', { min: 1, max: model.rows }),
    coldStarts: check.integer('coldStarts', { min: 0, max: 1000 }),
    threshold: check.number('threshold', { min: 0, max: 1 }) ?? 0.6,
    seed: check.integer('seed') ?? model.seed,
  }
}

/** What the addon takes. */
export function toNativeResampling({ runs, block, coldStarts, threshold, seed }: Resampling): NativeBootstrapSettings {
  return dropAbsent<NativeBootstrapSettings>({ runs, block, coldStarts, threshold, seed })
}
