/** The result of a displacement as text and as comma-separated tables. */
import type { Displacement, DisplacementInterval } from '../pmf/displacement.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { csvLines } from '../report/csv.ts'
import { swapTable as toSwapTable } from '../report/error-estimation.ts'
import type { Cell } from '../report/tables.ts'
import { describeSolution, describeWarnings, heading } from './describe.ts'
import { brief, count, table, wrap } from './words.ts'

/** What the marks behind an interval mean. */
const MARKS: readonly [keyof DisplacementInterval, string, string][] = [
  ['lowerBranch', '^', 'an end lies on another branch than the one that leads there from the base'],
  ['swapped', '!', 'factors have exchanged their identities at an end'],
  ['failed', '?', 'refits did not settle'],
]

/** Intervals, swaps, error code and warnings. */
export function describeDisplacement(model: Factorization, found: Displacement): string {
  const { elements, levels, swaps, base } = found
  let text = ''
  if (base)
    text += `\n${heading('New base, from the lowest refit')}${describeSolution({ ...base, robust: model.robust })}`
  const seconds = `${found.timing.seconds.toFixed(1)} s`
  text += `\n${heading(`Displacement: ${count(elements.length, 'element')}, ${seconds}${scaleInWords(found)}`)}`
  const names = factorNamesOf(model)
  const header = ['factor', 'species', 'base', '± error', ...levels.map((level) => `ΔQ ${level}`)]
  const rows = elements.map((one) => [
    names[one.factor]!,
    one.species,
    brief(one.base),
    brief(one.standardError),
    ...one.levels.map(intervalInWords),
  ])
  if (elements.length > 0) text += table([header, ...rows], [2, 3])
  for (const [key, mark, meaning] of MARKS) {
    if (elements.some((one) => one.levels.some((interval) => interval[key] === true))) text += `  ${mark} ${meaning}\n`
  }
  text += describeSwaps(names, swaps)
  const { errorCode, largestDecrease, restarts, warnings } = found
  const meaning = {
    0: 'in order',
    6: 'stopped before the end',
    9: 'a refit found a lower Q: the fit was not the minimum',
  }
  const again = restarts > 0 ? `, ${count(restarts, 'restart')}` : ''
  text += wrap(`error code ${errorCode}: ${meaning[errorCode]}; largest decrease of Q ${brief(largestDecrease)}${again}`, '  ') // prettier-ignore
  return text + describeWarnings({ ...model, warnings })
}

/** What the levels were multiplied by, for a heading. */
export function scaleInWords({ levelScale, levelFactor }: Pick<Displacement, 'levelScale' | 'levelFactor'>): string {
  return levelScale === 'none' ? '' : `, levels times Q/ν = ${brief(levelFactor, 4)}`
}

/** Which factors exchange their identities, level by level. */
export function describeSwaps(names: readonly string[], swaps: Displacement['swaps']): string {
  const exchanged = swaps.filter(({ counts }) => counts.some((times) => times > 0))
  if (exchanged.length === 0) return '  no factors exchange their identities\n'
  return exchanged
    .map(({ level, counts }) => {
      const list = counts.flatMap((times, k) => (times > 0 ? [`${names[k]} ${times}`] : []))
      return wrap(`ends with exchanged factors at ΔQ ${level}: ${list.join(', ')}`, '  ')
    })
    .join('')
}

function intervalInWords(interval: DisplacementInterval): string {
  const lower = interval.lowerUnbounded ? '−∞' : brief(interval.lower)
  const upper = interval.upperUnbounded ? '∞' : brief(interval.upper)
  const marks = MARKS.flatMap(([key, mark]) => (interval[key] === true ? [mark] : []))
  return `${lower} to ${upper}${marks.length > 0 ? ` ${marks.join('')}` : ''}`
}

/** Names of the factors, for people. */
export function factorNamesOf({ profiles, factors }: Factorization): string[] {
  return Array.from({ length: factors }, (_, k) => profiles.rowNames?.[k] ?? `factor ${k + 1}`)
}

/** One line per element and level. */
export function displacementTable(model: Factorization, { elements }: Displacement): string {
  const names = factorNamesOf(model)
  const columns = [
    ...['factor', 'species', 'base', 'standard_error', 'level', 'lower', 'upper', 'lower_delta_q', 'upper_delta_q'],
    ...['lower_at_zero', 'upper_unbounded', 'lower_branch', 'swapped', 'failed'],
  ]
  const yes = (flag: boolean | undefined): string => (flag ? 'yes' : '')
  const rows = elements.flatMap((one) =>
    one.levels.map((interval): Cell[] => [
      ...[names[one.factor], one.species, one.base, one.standardError, interval.level],
      ...[interval.lower, interval.upper, interval.lowerDeltaQ, interval.upperDeltaQ],
      ...[yes(interval.lowerAtZero), yes(interval.upperUnbounded), yes(interval.lowerBranch)],
      ...[yes(interval.swapped), yes(interval.failed)],
    ]),
  )
  return [...csvLines({ columns, rows: () => rows })].join('')
}

/** One line per level, one column per factor. */
export function swapTable(model: Factorization, { swaps }: Pick<Displacement, 'swaps'>): string {
  return [...csvLines(toSwapTable('displacement_swaps', factorNamesOf(model), swaps))].join('')
}
