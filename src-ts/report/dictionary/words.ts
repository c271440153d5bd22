/** What the numbers of a dictionary mean, for its page and for the terminal. */
import type { DictionaryAtom, DictionaryCheck, DictionaryControl } from '../../manifold/dictionary-types.ts'
import type { Dictionary } from '../../manifold/dictionary.ts'
import type { AtomClaim } from '../../manifold/dictionary-types.ts'
import type { Status } from '../../pmf/types.ts'
import { count, number } from '../format.ts'

/** Each status in a headline and a sentence. */
export const VERDICTS: Readonly<Record<Status, { headline: string; meaning: string }>> = {
  converged: {
    headline: 'Converged: a minimum, proven',
    meaning:
      'No small change of decoders and codes together lowers the objective, and no row has a better code than the one it has. That is about the computation; what may be said about the data is in the claims.',
  },
  saddle: {
    headline: 'Not a minimum: a saddle point',
    meaning: 'The point is stationary, but the objective falls along a direction of negative curvature.',
  },
  boundary: {
    headline: 'A minimum, with a hyperparameter at its limit',
    meaning:
      'Decoders and codes are at a proven minimum, but a strength of a prior ended at the edge of the range that was searched.',
  },
  stalled: {
    headline: 'Not converged: stalled',
    meaning: 'No further decrease could be made, and a minimum could not be proven. The checks say what is missing.',
  },
  budget: {
    headline: 'Not converged: out of iterations',
    meaning: 'The limit of rounds or iterations was reached before a minimum was proven. Allow more of them.',
  },
  aborted: {
    headline: 'Not converged: stopped',
    meaning: 'The call was stopped before it was done. This is the best point so far.',
  },
}

/** What each check is about. */
export const CHECKS: Readonly<Record<DictionaryCheck['name'], string>> = {
  decrement: 'How much lower the objective could still get by one step of second order over all unknowns together.',
  curvature:
    'Positive: the point is a minimum in every direction except rotations of phases and the like, which change nothing.',
  'better-codes': 'Codes and decoders belong together: after the last minimum no row wanted other atoms.',
  'codes-equal-a-fresh-encode': 'The codes that are stored are those that encode() gives for the same rows.',
  'hyperparameters-inside': 'Strengths of priors that were chosen by evidence have a best value, not just a limit.',
  places:
    'On surfaces a row is placed at the best of several descents; on curves it is proved that no place is better.',
  worth: 'Above 0: every atom saves more than it costs to write down.',
  spread:
    'An atom whose coordinates all have the same value is a point by another name: explained variance cannot see that.',
  controls: 'A claim that rows without structure support as strongly says nothing about the data.',
}

/** What each claim says, shortly. */
export const CLAIM_WORDS: Readonly<Record<AtomClaim, string>> = {
  holds: 'holds',
  'not-worth-its-length': 'not worth its length',
  collapsed: 'collapsed: a point',
  filled: 'filled: two directions',
  undecided: 'undecided',
}

/** What each control is. */
export const CONTROL_WORDS: Readonly<Record<DictionaryControl['kind'], string>> = {
  'components-at-equal-codes': 'principal components, as many numbers a row',
  'components-at-equal-parameters': 'principal components, as many parameters',
  directions: 'directions, as many of both',
  'shuffled-columns': 'this fit, columns shuffled',
  'matched-covariance': 'this fit, normal rows of the same covariance',
}

/** `circle`, `circle with 3 harmonics`, `torus`, `patch in 2 coordinates`, `line`, `point`. */
export function shapeInWords({ shape }: DictionaryAtom): string {
  if (shape === 'constant') return 'point'
  if (shape === 'linear') return 'line'
  if (shape.topology === 'patch') return `patch in ${count(shape.dimension, 'coordinate')}`
  const harmonics = shape.harmonics ?? 1
  return harmonics === 1 ? shape.topology : `${shape.topology} with ${harmonics} harmonics`
}

/** What may be said of an atom, in a sentence or two. */
export function claimInWords(atom: DictionaryAtom): string {
  const shape = shapeInWords(atom)
  const circle = typeof atom.shape === 'object' && atom.shape.topology === 'circle'
  const ring =
    atom.kurtosis === undefined || !circle ? '' : ` (kurtosis ${withError(atom)}; 1 is a ring, 4/3 a filled disc)`
  const beside =
    atom.survivesControls === undefined
      ? ' No controls were made: fits of rows without structure may claim as much.'
      : atom.survivesControls
        ? ' It is worth more nats a row than anything that the controls claim.'
        : ' But rows without structure support claims of the same strength: do not rely on it.'
  switch (atom.claim) {
    case 'holds':
      return `Claim: a ${shape}${ring}. Nothing in the rows speaks against it.${beside}`
    case 'not-worth-its-length':
      return 'No claim: the dictionary is shorter to write down without this atom.'
    case 'collapsed':
      return `No claim: the coordinates do not spread. This ${shape} is a point by another name.`
    case 'filled':
      return `No claim of a ring: the amounts fill the disc${ring}. Two directions would say the same.`
    case 'undecided':
      return `No claim: too few rows, or too much noise, to tell a ring from a disc${ring}.`
  }
}

/** Reasons not to trust a dictionary, one by one; its status is another. */
export function doubtsOf({ certificate, atoms }: Dictionary): string[] {
  const failed = certificate.checks.filter((check) => check.status === 'failed').map(({ message }) => message)
  const unknown = certificate.checks.filter((check) => check.status === 'unknown').map(({ message }) => message)
  const without = atoms.filter(({ claim }) => claim !== 'holds').length
  return [
    ...(failed.length > 0 ? [`Failed: ${failed.join('; ')}`] : []),
    ...(unknown.length > 0 ? [`Not known: ${unknown.join('; ')}`] : []),
    ...(without > 0 ? [`${count(without, 'atom')} of ${atoms.length} without a claim about the shape`] : []),
  ]
}

/** Reasons not to trust the picture of one atom, short enough to be written on it. */
export function atomDoubts({ status }: Dictionary, { claim, survivesControls }: DictionaryAtom): string[] {
  return [
    ...(status === 'converged' || status === 'boundary' ? [] : [`not converged: ${status}`]),
    ...(claim === 'holds' ? [] : [CLAIM_WORDS[claim]]),
    ...(survivesControls === false && claim === 'holds' ? ['no stronger than the controls'] : []),
  ]
}

function withError({ kurtosis, kurtosisError }: DictionaryAtom): string {
  return kurtosisError === undefined ? number(kurtosis, 4) : `${number(kurtosis, 4)} ± ${number(kurtosisError, 2)}`
}
