/** The verdict in words, and what the numbers of the certificate mean. */
import type { Factorization } from '../pmf/factorization.ts'
import type { Certificate, Status } from '../pmf/types.ts'
import { count, fixed, number, objective } from './format.ts'

/** Gaps must stay below this, in the certificate's unit, for the status `converged`. */
export const GAP = 1e-4

/** Each status in a headline and a sentence. */
const VERDICTS: Readonly<Record<Status, { headline: string; meaning: string }>> = {
  converged: {
    headline: 'Converged: a minimum, proven',
    meaning:
      'No small change of contributions and profiles, alone or together, lowers Q: the solution is a local minimum, and the certificate below shows by how little it could still improve.',
  },
  saddle: {
    headline: 'Not a minimum: a saddle point',
    meaning:
      'The solution is stationary, but Q falls along a direction that is known. Do not interpret these factors; run more starts.',
  },
  boundary: {
    headline: 'Optimum at the edge',
    meaning: 'The best point lies at the edge of the region that was searched; a better one may lie beyond it.',
  },
  stalled: {
    headline: 'Not converged: stalled',
    meaning:
      'No further decrease could be made, and a minimum could not be proven. The certificate shows how much lower Q may lie.',
  },
  budget: {
    headline: 'Not converged: out of iterations',
    meaning: 'The limit of iterations was reached before a minimum was proven. Allow more iterations.',
  },
  aborted: {
    headline: 'Not converged: stopped',
    meaning: 'The call was stopped before it was done. This is the best point so far.',
  },
}

/** Headline and meaning of a status; a curvature that is only bounded with a probability is no proof. */
export function verdict(status: Status, { minCurvature }: Certificate): { headline: string; meaning: string } {
  if (status === 'converged' && typeof minCurvature === 'object' && minCurvature.confidence < 1) {
    return {
      headline: `Converged: a minimum, with probability ${minCurvature.confidence}`,
      meaning:
        'No single change of contributions and profiles, and no second-order step, lowers Q. That no other direction does is not computed for data of this size: a search from a random start found none, with the probability stated.',
    }
  }
  return VERDICTS[status]
}

/** What the starts say about other minima, sentence by sentence. */
export function startsInWords(model: Factorization): string[] {
  const { starts, basins, unseenBasinProbability: unseen, chains } = model
  const converged = starts.filter(({ status }) => status === 'converged').length
  const sentences = [`${count(starts.length, 'start was', 'starts were')} made; ${converged} converged.`]
  const here = basins.findIndex(({ members }) => members.includes(model.start))
  if (here >= 0) {
    const { hits, q } = basins[here]!
    const which = here === 0 ? 'lowest' : `number ${here + 1} by Q`
    sentences.push(
      `${basins.length === 1 ? (converged === 1 ? 'It ended in one minimum' : 'All of these ended in one minimum') : `They ended in ${basins.length} different minima`}` +
        `${basins.length === 1 ? '' : `; the reported one is the ${which}`} (Q ${objective(q)}, reached by ${count(hits, 'start')}).`,
    )
  }
  if (chains.run > 0) {
    sentences.push(
      `Of ${count(chains.run, 'chain')} of small perturbations that search around good solutions, ${chains.atBest} ended at the lowest Q.`,
    )
  }
  if (unseen !== undefined) {
    sentences.push(
      unseen === 0
        ? 'No minimum was reached by one random start alone, so one more is unlikely to find a new one (after Good and Turing).'
        : `The estimated chance that one more random start ends in a minimum not seen yet is ${fixed(100 * unseen, 0)} % (after Good and Turing).`,
    )
  }
  return sentences
}

/** A number of the certificate, explained. */
export interface Explained {
  name: string
  value: string
  /** What `converged` asks for; empty where it asks nothing. */
  wanted: string
  meaning: string
}

/** The certificate, number by number. */
export function explainCertificate(certificate: Certificate): Explained[] {
  const limit = `≤ ${number(GAP * certificate.unit, 2)}`
  const gap = (value: number): string => number(Math.max(0, value), 2)
  const { minCurvature } = certificate
  return [
    {
      name: 'Coordinate gap E',
      value: gap(certificate.coordinateGap),
      wanted: limit,
      meaning:
        'How much Q would fall in all if every single contribution and profile element were moved alone to its best value.',
    },
    {
      name: 'Block gap',
      value: gap(certificate.blockGap),
      wanted: limit,
      meaning:
        'How much Q would fall if all contributions (or all profiles) were refitted exactly with the other side held fixed.',
    },
    {
      name: 'Newton decrement λ²',
      value: certificate.newtonDecrement === undefined ? '–' : gap(certificate.newtonDecrement),
      wanted: limit,
      meaning:
        'How much Q would fall if contributions and profiles were moved together to the bottom of the valley as its exact curvature predicts it, with nothing below zero.',
    },
    {
      name: 'Smallest curvature',
      value:
        typeof minCurvature === 'object'
          ? `≥ ${number(minCurvature.bound, 2)} (probability ${minCurvature.confidence}, smallest seen ${number(minCurvature.smallestSeen, 3)})`
          : number(minCurvature, 3),
      wanted: typeof minCurvature === 'object' ? 'none below 0' : '> 0',
      meaning:
        'How steeply Q rises in its flattest direction, on a scale from 0 (flat: another solution fits as well) to about 1; near 0 the solution is poorly determined.',
    },
    {
      name: 'Flat directions',
      value: String(certificate.flatDirections),
      wanted: '0',
      meaning:
        'In how many independent ways the solution can be changed without any change of Q; 0 means that it is unique nearby.',
    },
    {
      name: 'Dead factors',
      value: String(certificate.deadFactors),
      wanted: '0',
      meaning: 'Factors that are entirely zero: the data do not support so many.',
    },
    {
      name: 'Weakly active zeros',
      value: String(certificate.weaklyActiveZeros),
      wanted: '',
      meaning:
        'Elements at zero that the noise of the data could as well have made positive: do not read meaning into them.',
    },
    {
      name: 'Free elements',
      value: String(certificate.freeElements),
      wanted: '',
      meaning: 'Contributions and profile elements above zero: the parameters that the data determine.',
    },
  ]
}
