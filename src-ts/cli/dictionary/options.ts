/** Options of `headwater dictionary fit`. */
import { Option, type Command } from 'commander'
import type { FitDictionaryOptions } from '../../manifold/fit.ts'
import { checkNumbers, wholeNumber } from '../data-options.ts'

/** What commander makes of them. */
export interface DictionaryFitFlags {
  atoms: number
  topology?: FitDictionaryOptions['topology']
  harmonics?: number
  dimension?: number
  active?: number
  gate?: 'amplitude' | 'unit' | 'softmax'
  prior?: 'normal' | 'half-normal' | 'exponential'
  nonNegative?: boolean
  centre: boolean
  prune: boolean
  seed?: number
  restarts?: number
  beam?: number
  smoothing?: FitDictionaryOptions['smoothing']
  array?: string
  trainRows?: number
  heldOut?: string
  controls?: boolean
  race?: NonNullable<FitDictionaryOptions['topology']>[]
  maxIterations?: number
  threads?: number
  out?: string
  force?: boolean
  json?: boolean
  quiet?: boolean
}

/** Adds them. */
export function addDictionaryFitOptions(command: Command): Command {
  const of = (group: string, flags: string, description: string): Option =>
    new Option(flags, description).helpGroup(`${group}:`)
  const whole = (flags: string, description: string): Option => of('Fit', flags, description).argParser(wholeNumber)
  return command
    .argument('<rows>', '.npy, .npz or .safetensors: N × p, a row a sample; leading axes are rows')
    .addOption(of('Data', '--array <name>', 'which array of the file, where it holds several'))
    .addOption(of('Data', '--train-rows <n>', 'fit the first n rows, judge on the others').argParser(wholeNumber))
    .addOption(of('Data', '--held-out <file>', 'judge on the rows of this file'))
    .addOption(whole('-k, --atoms <k>', 'how many atoms, at most').makeOptionMandatory())
    .addOption(
      of('Fit', '-t, --topology <shape>', 'shape of the atoms (default: circle)').choices([
        'constant',
        'linear',
        'circle',
        'torus',
        'patch',
      ]),
    )
    .addOption(whole('--harmonics <n>', 'harmonics of circles and tori (default: 1, an ellipse)'))
    .addOption(whole('--dimension <n>', 'coordinates of patches (default: 2)'))
    .addOption(whole('-a, --active <s>', 'most atoms of a row (default: 1)'))
    .addOption(
      of(
        'Fit',
        '--gate <kind>',
        'amplitude: how much of each atom is free; unit: an atom is on or off; softmax: shares (default: amplitude)',
      ).choices(['amplitude', 'unit', 'softmax']),
    )
    .addOption(
      of('Fit', '--prior <name>', 'of amplitudes (default: normal, around 1)').choices([
        'normal',
        'half-normal',
        'exponential',
      ]),
    )
    .addOption(of('Fit', '--non-negative', 'decoders are not negative, and the mean stays'))
    .addOption(of('Fit', '--no-centre', 'do not take the mean off'))
    .addOption(of('Fit', '--no-prune', 'keep atoms that are not worth their length'))
    .addOption(
      of(
        'Fit',
        '--smoothing <how>',
        'strengths of the priors: size (from what is fitted), evidence, none (points only)',
      ).choices(['size', 'evidence', 'none']),
    )
    .addOption(whole('-s, --seed <n>', 'key of all random numbers (default: 0)'))
    .addOption(whole('--restarts <n>', 'draws of seeds (default: 4)'))
    .addOption(whole('--beam <n>', 'supports that the coder follows at once (default: 8)'))
    .addOption(whole('--max-iterations <n>', 'most iterations of a minimisation (default: 200)'))
    .addOption(
      of(
        'Fit',
        '--race <shapes...>',
        'let every atom change to one of these shapes if held-out rows ask for it',
      ).choices(['constant', 'linear', 'circle', 'torus', 'patch']),
    )
    .addOption(
      of('Fit', '--controls', 'compare with principal components, directions, and rows without structure (slower)'),
    )
    .addOption(whole('--threads <n>', 'most threads; the result does not depend on it'))
    .addOption(of('Output', '-o, --out <folder>', 'write model and report'))
    .addOption(of('Output', '--force', 'overwrite what is in the way'))
    .addOption(of('Output', '--json', 'print one JSON document'))
    .addOption(of('Output', '-q, --quiet', 'no progress, no notes'))
}

/** The options of the call; `heldOut` is added by whoever opens the files. */
export function toFitOptions(flags: DictionaryFitFlags): FitDictionaryOptions {
  checkNumbers(flags, {
    ...{ atoms: 1, harmonics: 1, dimension: 1, active: 1, seed: 0, restarts: 1, beam: 1 },
    ...{ trainRows: 1, maxIterations: 1, threads: 1 },
  })
  const { atoms, topology, harmonics, dimension, active, nonNegative, centre, prune, seed, restarts, beam } = flags
  const { smoothing, trainRows, controls, race, maxIterations, threads, gate, prior } = flags
  const chosen =
    gate === undefined && prior === undefined
      ? undefined
      : gate === 'unit' || gate === 'softmax'
        ? { kind: gate, ...(prior === undefined ? {} : { prior }) }
        : { kind: 'amplitude' as const, prior }
  return {
    ...{ atoms, topology, harmonics, dimension, active, nonNegative, seed, restarts, beam, smoothing },
    ...{ trainRows, controls, race, maxIterations, threads, gate: chosen as FitDictionaryOptions['gate'] },
    ...(centre ? {} : { centre }),
    ...(prune ? {} : { prune }),
  }
}
