/** Options of the command line about resamples, levels and elements, and what commander makes of them. */
import { InvalidArgumentError, Option } from 'commander'
import type { ElementChoice } from '../pmf/displacement-options.ts'
import { list, wholeNumber } from './data-options.ts'

/** What commander makes of the options about elements. */
export interface ElementFlags {
  species?: string[]
  elements?: ElementChoice[]
}

/** What commander makes of the options about resamples. */
export interface ResamplingFlags {
  runs?: number
  block?: number
  coldStarts?: number
  threshold?: number
}

/** What commander makes of the options about levels. */
export interface LevelFlags {
  levels?: number[]
  levelScale?: 'none' | 'Q/nu'
}

/** Smallest values of the options about resamples. */
export const LEAST_RESAMPLING = { runs: 1, block: 1, coldStarts: 0 }

/**
 * The options about elements.
 * @param what what `--species` does, and which ones are meant without it
 */
export function elementOptions(what: string): Option[] {
  const single = 'single elements instead, such as 0:Fe,2:Zn; factors count from 0'
  return [
    new Option('--species <names>', what).argParser(list),
    new Option('--elements <list>', single).argParser(toChoices),
  ]
}

/** The options about resamples. */
export function resamplingOptions(): Option[] {
  return [
    new Option('--runs <n>', 'resamples (default: 100)').argParser(wholeNumber),
    new Option(
      '--block <samples>',
      "consecutive samples that are drawn together (default: by Politis and White's rule)",
    ).argParser(wholeNumber),
    new Option(
      '--cold-starts <n>',
      'random starts of each resample beside the one from the base (default: 1)',
    ).argParser(wholeNumber),
    new Option('--threshold <r>', 'correlation below which a factor is unmapped (default: 0.6)').argParser(wholeNumber),
  ]
}

/** The options about levels. */
export function levelOptions(usual: readonly number[]): Option[] {
  return [
    new Option('--levels <rises>', `rises of Q to find, ascending (default: ${usual.join()})`).argParser(toLevels),
    new Option(
      '--level-scale <scale>',
      'Q/nu multiplies the levels by Q over the degrees of freedom (default: none)',
    ).choices(['none', 'Q/nu']),
  ]
}

/** The scale as the programming interface spells it. */
export function toScale({ levelScale }: LevelFlags): 'none' | 'Q/ν' {
  return levelScale === 'Q/nu' ? 'Q/ν' : 'none'
}

function toLevels(text: string, before: number[] = []): number[] {
  const levels = text.split(',').map((word) => (word.trim() === '' ? NaN : Number(word)))
  if (levels.some(Number.isNaN)) throw new InvalidArgumentError('Expected numbers separated by commas, such as 4,8.')
  return [...before, ...levels]
}

function toChoices(text: string, before: ElementChoice[] = []): ElementChoice[] {
  const choices = list(text).map((word): ElementChoice => {
    const [, factor, species] = /^(\d+)\s*:\s*(.+)$/.exec(word) ?? []
    if (factor === undefined || species === undefined) {
      throw new InvalidArgumentError('Expected factors (from 0) and species, such as 0:Fe,2:Zn.')
    }
    return { factor: Number(factor), species }
  })
  return [...before, ...choices]
}
