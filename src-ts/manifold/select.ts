/** How many atoms, of which shape: fits side by side, judged on held-out rows. */
import { InvalidInputError } from '../errors.ts'
import type { JobOptions } from '../job.ts'
import type { MatrixLike } from '../matrix.ts'
import { Checker } from '../validate.ts'
import type { ArrayFile } from './arrays.ts'
import type { Dictionary } from './dictionary.ts'
import { fitDictionary, type FitDictionaryOptions } from './fit.ts'
import type { AtomShape } from './problem.ts'

/** Shapes that can be compared. */
export type Topology = NonNullable<FitDictionaryOptions['topology']>

/** Options of {@link selectDictionary}. */
export interface SelectDictionaryOptions extends Omit<
  FitDictionaryOptions,
  'atoms' | 'topology' | 'controls' | 'race'
> {
  /** Numbers of atoms, ascending. */
  atoms: readonly number[]
  /** Shapes. @default ['linear', 'circle'] */
  topologies?: readonly Topology[] | undefined
}

/** One fit of a selection. */
export interface DictionaryCandidate {
  topology: Topology
  /** Asked for, and kept. */
  atoms: number
  kept: number
  status: Dictionary['status']
  /** Explained variance on the held-out rows. */
  ev: number
  /** Numbers a row, and in decoders. */
  scalarsPerRow: number
  decoderParameters: number
  /** Nats to write down the held-out rows: `heldOut.length`. The lowest is chosen. */
  length: number
}

/** The outcome of {@link selectDictionary}. */
export interface DictionarySelection {
  /** The shortest one, compared with its controls. */
  chosen: Dictionary
  /** Why the choice stands or falls: claims that its controls do not make as well. */
  survivesControls: boolean
  /** Every fit, in the order in which they were made. */
  candidates: DictionaryCandidate[]
  /**
   * `knee`: more atoms do not shorten the length. `largest`: the longest dictionary was the best, more might be better.
   * `none`: nothing is worth its length.
   */
  verdict: 'knee' | 'largest' | 'none'
}

/**
 * Fits every number of atoms in every shape, and chooses by the length of held-out rows: what the errors, the codes and the
 * decoders cost together to write down. Every atom of the chosen one is then raced against the other shapes, so that they may
 * end up different, and the result is compared with principal components, directions at equal codes
 * and parameters, and with the same fit of rows without structure; a claim that does not survive these is no claim.
 * @param data N × p
 * @param options `trainRows` or `heldOut` are needed
 * @throws InvalidInputError wrong options; what {@link fitDictionary} throws
 * @example
 * ```ts
 * const { chosen, verdict, candidates } = await selectDictionary(rows, { atoms: [2, 4, 6, 8], trainRows: 1200, seed: 1 })
 * ```
 */
export async function selectDictionary(
  data: MatrixLike | ArrayFile,
  options: SelectDictionaryOptions,
): Promise<DictionarySelection> {
  const { atoms: ladder, topologies = ['linear', 'circle'], signal, onProgress, ...rest } = checked(options)
  const candidates: DictionaryCandidate[] = []
  let best: { candidate: DictionaryCandidate; options: FitDictionaryOptions; dictionary: Dictionary } | undefined
  const total = ladder.length * topologies.length + 1
  const job: JobOptions = { signal }
  for (const topology of topologies) {
    for (const atoms of ladder) {
      const { harmonics, dimension, active = 1, ...others } = rest
      const periodic = topology === 'circle' || topology === 'torus'
      const own: FitDictionaryOptions = {
        ...others,
        ...{ atoms, topology, active: Math.min(active, atoms) },
        ...(periodic && harmonics !== undefined ? { harmonics } : {}),
        ...(topology === 'patch' && dimension !== undefined ? { dimension } : {}),
      }
      const dictionary = await fitDictionary(data, { ...own, ...job })
      const candidate = judge(topology, atoms, dictionary)
      candidates.push(candidate)
      if (best === undefined || candidate.length < best.candidate.length) best = { candidate, options: own, dictionary }
      onProgress?.({ done: candidates.length, total, best: best.candidate.length })
    }
  }
  const found = best!
  const race = topologies.map((topology) => shapeOf(topology, rest))
  const softmax = rest.gate?.kind === 'softmax'
  const chosen = await fitDictionary(data, { ...found.options, ...(softmax ? {} : { race }), controls: true, ...job })
  onProgress?.({ done: total, total, best: found.candidate.length })
  const largest = found.candidate.kept === Math.max(...ladder)
  return {
    chosen,
    survivesControls: chosen.atoms.length > 0 && chosen.atoms.every((atom) => atom.survivesControls ?? false),
    candidates,
    verdict: found.candidate.kept === 0 ? 'none' : largest ? 'largest' : 'knee',
  }
}

function checked(options: SelectDictionaryOptions): SelectDictionaryOptions {
  const check = new Checker({ atoms: options?.atoms, topologies: options?.topologies }, 'selectDictionary(): options')
  const ladder = check.take('atoms')
  const count = (k: unknown): boolean => typeof k === 'number' && Number.isInteger(k) && k >= 1
  if (!Array.isArray(ladder) || ladder.length === 0 || !ladder.every(count)) {
    check.problem('option-not-valid', 'atoms', 'atoms must be an array of whole numbers from 1')
  }
  const shapes = check.take('topologies')
  const known = ['constant', 'linear', 'circle', 'torus', 'patch']
  if (shapes !== undefined && !(Array.isArray(shapes) && shapes.length > 0 && shapes.every((s) => known.includes(s)))) {
    check.problem('option-not-valid', 'topologies', `topologies must be an array of ${known.join(', ')}`)
  }
  check.finish()
  if (options.heldOut === undefined && options.trainRows === undefined) {
    const message = 'a choice is made on held-out rows: give trainRows or heldOut'
    throw new InvalidInputError('option-missing', message, { name: 'trainRows' })
  }
  return options
}

function shapeOf(topology: Topology, { harmonics = 1, dimension = 2 }: Partial<SelectDictionaryOptions>): AtomShape {
  if (topology === 'constant' || topology === 'linear') return topology
  return topology === 'patch' ? { topology, dimension } : { topology, harmonics }
}

function judge(topology: Topology, atoms: number, dictionary: Dictionary): DictionaryCandidate {
  const { heldOut, status } = dictionary
  const { ev = 0, scalarsPerRow, decoderParameters, length } = heldOut!
  return { topology, atoms, kept: dictionary.atoms.length, status, ev, scalarsPerRow, decoderParameters, length }
}
