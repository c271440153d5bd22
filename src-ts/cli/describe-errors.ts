/** What a fit says about its own reliability, in words: outliers, standard errors, the measured mass. */
import type { Analysis } from '../pmf/analyze.ts'
import type { DownweightedCells } from '../pmf/cell-weights.ts'
import type { Factorization } from '../pmf/factorization.ts'
import type { StandardErrors } from '../pmf/standard-errors.ts'
import { brief, count, formatQ, percent, wrap } from './words.ts'

/** Cells that are named. */
const SHOWN = 5
/** Sandwich over Laplace errors beyond which it is said what that may mean. */
const UNLIKE = 1.5

/** The cells that a robust fit trusts least. */
export function describeDownweighted(model: Factorization, { count: total, cells }: DownweightedCells): string {
  if (total === 0) return ''
  const { rowNames, colNames } = { rowNames: model.contributions.rowNames, colNames: model.profiles.colNames }
  const named = cells
    .slice(0, SHOWN)
    .map(({ sample, species, share }) => `${rowNames?.[sample]} ${colNames?.[species]} (${percent(share)})`)
  const more = total > named.length ? ', …' : ''
  return wrap(`${count(total, 'cell')} keep less than their whole weight, least: ${named.join(', ')}${more}`, '  ')
}

/** Typical size of the standard errors, and what limits them. */
export function describeErrors(errors: StandardErrors): string {
  const { totals, weakZeros, sandwichRatio, warnings, scale, reducedQ, total } = errors
  let text = ''
  for (const { message } of warnings) text += wrap(`standard errors: ${message}`, '  ')
  const lines = Array.from(totals.value.data, (value, k) => {
    const error = totals.error.data[k]!
    return Number.isNaN(error) ? '' : `${totals.value.rowNames?.[k]} ${brief(value)} ± ${brief(error)}`
  }).filter((line) => line !== '')
  if (lines.length > 0) {
    const scaled = scale === 'none' ? '' : `, times √(Q/ν) = ${brief(Math.sqrt(reducedQ ?? NaN))}`
    text += wrap(`mean ${total ?? 'sum of all species'} (± standard error${scaled}): ${lines.join(', ')}`, '  ')
  }
  if (weakZeros.length > 0 && warnings.length === 0) {
    const zeros = `${count(weakZeros.length, 'zero')} of the profiles ${weakZeros.length === 1 ? 'is' : 'are'} weakly active`
    text += wrap(`${zeros} (noise could lift them off): standard errors that depend on them are too small`, '  ')
  }
  if (sandwichRatio !== undefined && (sandwichRatio > UNLIKE || sandwichRatio < 1 / UNLIKE)) {
    const meaning =
      sandwichRatio > 1
        ? 'uncertainties are too small, or samples depend on each other (--error-block)'
        : 'uncertainties are too large'
    text += wrap(`sandwich errors are ${brief(sandwichRatio)} times the standard errors: ${meaning}`, '  ')
  }
  return text
}

/** Q as EPA PMF 5 prints it, where its preset was asked for. */
export function describePmf5({ options, qRobust, qTrue }: Factorization, { qExpectedStrong }: Analysis): string {
  if (options.preset !== 'pmf5') return ''
  const ratio = (q: number): string => (qExpectedStrong > 0 ? ` (${brief(q / qExpectedStrong, 4)} × expected)` : '')
  const parts = [`Q(robust) ${formatQ(qRobust)}${ratio(qRobust)}`, `Q(true) ${formatQ(qTrue)}${ratio(qTrue)}`]
  return wrap(`as EPA PMF 5 prints it: ${parts.join(', ')}, Q(expected) of strong species ${qExpectedStrong}`, '  ')
}

/** The measured mass as a sum of factors. */
export function describeMass(model: Factorization, { massRegression: mass }: Analysis): string {
  if (mass === undefined) return ''
  const parts = Array.from(mass.slopes, (slope, k) => {
    const name = model.profiles.rowNames?.[k]
    return `${brief(slope)} ± ${brief(mass.slopeStandardErrors[k])} ${name}`
  })
  const rest = `${brief(mass.intercept)} ± ${brief(mass.interceptStandardError)} unexplained`
  const fit = `r² ${brief(mass.rSquared)}, ${mass.samples} samples`
  return wrap(`measured ${mass.species} regressed on contributions: ${[...parts, rest].join(', ')} (${fit})`, '  ')
}
