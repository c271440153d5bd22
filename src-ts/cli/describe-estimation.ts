/** What bootstrap and displacement found, as text. */
import type { ElementErrors } from '../pmf/error-summary.ts'
import { estimationInWords, shownLevels, type Estimation } from '../report/error-estimation.ts'
import { heading } from './describe.ts'
import { brief, table, wrap } from './words.ts'

/**
 * Sentences about each method, and the intervals of every element that has some.
 * @param whole whether the intervals are printed: a report has them anyway
 */
export function describeEstimation(estimation: Estimation, whole: boolean): string {
  const sentences = estimationInWords(estimation).map((sentence) => wrap(sentence, '  '))
  return `\n${heading('Error estimation')}${sentences.join('')}${whole ? intervals(estimation) : ''}`
}

function intervals({ summary }: Estimation): string {
  const shown = shownLevels(summary)
  const columns: [string, (one: ElementErrors) => string | undefined][] = [
    ['± error', ({ laplace }) => laplace && brief(laplace.standardError)],
    ['BS 5 to 95 %', ({ bootstrap: bs }) => bs && between(bs.q5, bs.q95)],
    [
      `DISP ΔQ ${shown.displacement}`,
      ({ displacement }) => {
        const one = displacement?.find(({ level }) => level === shown.displacement)
        return one && between(one.lowerUnbounded ? -Infinity : one.lower, one.upperUnbounded ? Infinity : one.upper)
      },
    ],
    [
      `BS-DISP ΔQ ${shown.bootstrapDisplacement}`,
      ({ bootstrapDisplacement }) => {
        const one = bootstrapDisplacement?.find(({ level }) => level === shown.bootstrapDisplacement)
        const lower = one?.lowerUnbounded ? -Infinity : (one?.lower ?? NaN)
        return one && between(lower, one.upperUnbounded ? Infinity : (one.upper ?? NaN))
      },
    ],
  ]
  const used = columns.filter(([, of]) => summary.elements.some((one) => of(one) !== undefined))
  const rows = summary.elements
    .filter(({ bootstrap, displacement, bootstrapDisplacement }) => bootstrap ?? displacement ?? bootstrapDisplacement)
    .map((one) => [one.factorName, one.species, brief(one.base), ...used.map(([, of]) => of(one) ?? '')])
  return table([['factor', 'species', 'base', ...used.map(([name]) => name)], ...rows], [2])
}

function between(lower: number, upper: number): string {
  const end = (value: number): string =>
    Number.isFinite(value) ? brief(value) : value > 0 ? '∞' : value < 0 ? '−∞' : '–'
  return `${end(lower)} to ${end(upper)}`
}
