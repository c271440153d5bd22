/** The result of a bootstrap with displacement as text and as comma-separated tables. */
import type { BootstrapDisplacement, BootstrapDisplacementInterval } from '../pmf/bootstrap-displacement.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { describeWarnings, heading } from './describe.ts'
import { bootstrapTables, csv, describeMapping } from './describe-bootstrap.ts'
import { describeSwaps, factorNamesOf, scaleInWords, swapTable } from './describe-displacement.ts'
import { brief, count, table, wrap } from './words.ts'

/** Which resamples count, mapping, intervals, swaps and warnings. */
export function describeBsDisp(model: Factorization, found: BootstrapDisplacement): string {
  const { resamples, accepted, dropped, swappedInFit, swappedInDisplacement, unconverged, elements, levels } = found
  const parts = [
    `BS-DISP: ${count(resamples.length, 'resample')}`,
    `blocks of ${count(found.block, 'sample')}`,
    `seed ${found.seed}`,
    `${count(elements.length, 'element')}`,
    `${found.timing.seconds.toFixed(1)} s${scaleInWords(found)}`,
  ]
  let text = `\n${heading(parts.join(', '))}`
  text += table(
    [
      ['accepted', String(accepted)],
      ['a refit found a lower Q', String(dropped)],
      ['factors swapped in the fit', String(swappedInFit)],
      [`factors swapped at ΔQ ${levels[0]}`, String(swappedInDisplacement)],
      ['fit not converged', String(unconverged)],
    ],
    [1],
  )
  text += wrap(
    `accepted are those whose fit is converged, with a factor for each of the base (r ≥ ${found.threshold}, one to one), no ` +
      `refit below its Q, and no factors exchanged at ΔQ ${levels[0]}; one can miss it for several reasons`,
    '  ',
  )
  text += `  largest decrease of Q ${brief(found.largestDecrease)}\n`
  text += describeMapping(model, found.bootstrap)
  const names = factorNamesOf(model)
  const header = ['factor', 'species', 'base', '± error', ...levels.map((level) => `ΔQ ${level}`)]
  const rows = elements.map((one) => [
    ...[names[one.factor]!, one.species, brief(one.base), brief(one.standardError)],
    ...one.levels.map((interval) => intervalInWords(interval, accepted)),
  ])
  text += `\n${heading('5 % of the lower to 95 % of the upper ends, over the accepted resamples')}`
  text += table([header, ...rows], [2, 3])
  if (elements.some((one) => one.levels.some((interval) => interval.count < accepted))) {
    text += '  ? refits did not settle in some of the accepted resamples, which do not count there\n'
  }
  text += describeSwaps(names, found.swaps)
  return text + describeWarnings({ ...model, warnings: found.warnings })
}

function intervalInWords(interval: BootstrapDisplacementInterval, accepted: number): string {
  const { lower, upper, count: times } = interval
  if (times === 0) return '–'
  const low = interval.lowerUnbounded ? '−∞' : brief(lower ?? NaN)
  const high = interval.upperUnbounded ? '∞' : brief(upper ?? NaN)
  return `${low} to ${high}${times < accepted ? ' ?' : ''}`
}

/** Intervals, resamples and swaps; the bootstrap's own tables too. */
export function bsDispTables(model: Factorization, found: BootstrapDisplacement): Record<string, string> {
  const names = factorNamesOf(model)
  const yes = (flag: boolean | undefined): string => (flag ? 'yes' : '')
  const columns = [
    ...['factor', 'species', 'base', 'standard_error', 'level', 'lower', 'upper', 'resamples'],
    ...['lower_at_zero', 'upper_unbounded'],
  ]
  return {
    'bs_disp.csv': csv(
      columns,
      found.elements.flatMap(({ factor, species, base, standardError, levels }) =>
        levels.map(({ level, lower, upper, count: times, lowerAtZero, upperUnbounded }) => [
          ...[names[factor], species, base, standardError, level, lower ?? undefined, upper ?? undefined, times],
          ...[yes(lowerAtZero), yes(upperUnbounded)],
        ]),
      ),
    ),
    'bs_disp_resamples.csv': csv(
      ['run', 'status', 'q', 'accepted', 'drop', 'swapped_in_fit', 'swapped_in_displacement', 'largest_decrease'],
      found.resamples.map((one) => [
        ...[one.run, one.status, one.q, yes(one.accepted), yes(one.drop), yes(one.swappedInFit)],
        ...[yes(one.swappedInDisplacement), one.largestDecrease],
      ]),
    ),
    'bs_disp_swaps.csv': swapTable(model, found),
    ...bootstrapTables(model, found.bootstrap),
  }
}
