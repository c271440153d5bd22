/** The result of a bootstrap as text and as comma-separated tables. */
import type { Bootstrap, BootstrapStatistics } from '../pmf/bootstrap.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { csvLines } from '../report/csv.ts'
import { mappingTable } from '../report/error-estimation.ts'
import type { Cell } from '../report/tables.ts'
import { describeWarnings, heading } from './describe.ts'
import { factorNamesOf } from './describe-displacement.ts'
import { brief, count, formatQ, percent, table, wrap } from './words.ts'

/** Share of mapped resamples below which a factor is not stable, by the guide of EPA PMF 5. */
const STABLE = 0.8
const SHARES = ['2.5', '5', '25', '50', '75', '95', '97.5'] as const

/** Statistics of one element over the resamples in which its factor is mapped. */
export interface ElementQuantiles {
  /** 0-based. */
  factor: number
  species: string
  /** 0-based column of the species. */
  column: number
  /** Value in the base. */
  base: number
  /** Resamples that count. */
  count: number
  mean: number
  deviation: number
  /** Quantiles by share in per cent. */
  percent: Record<keyof BootstrapStatistics['quantiles'], number>
}

/** Those of the elements that were asked for and have data, factor by factor. */
export function quantilesOf({ profiles, data }: Factorization, { statistics }: Bootstrap): ElementQuantiles[] {
  const { count: counts, mean, deviation, quantiles } = statistics
  const out: ElementQuantiles[] = []
  for (let factor = 0; factor < profiles.rows; factor++) {
    for (let column = 0; column < profiles.cols; column++) {
      const at = [factor, column] as const
      if (Number.isNaN(profiles.get(...at)) || Number.isNaN(counts.get(...at))) continue
      out.push({
        factor,
        species: data.species[column]!,
        column,
        base: profiles.get(...at),
        count: counts.get(...at),
        mean: mean.get(...at),
        deviation: deviation.get(...at),
        percent: Object.fromEntries(
          SHARES.map((share) => [share, quantiles[share].get(...at)]),
        ) as ElementQuantiles['percent'],
      })
    }
  }
  return out
}

/** The document of `--json`: quantiles by element instead of statistics as matrices. */
export function bootstrapDocument(model: Factorization, found: Bootstrap): object {
  const { statistics: _, ...rest } = found
  return { ...rest, quantiles: quantilesOf(model, found) }
}

/** Both mappings, quartiles of Q, quantiles and warnings. */
export function describeBootstrap(model: Factorization, found: Bootstrap): string {
  const { resamples, block, timing } = found
  const made = count(resamples.length, 'resample')
  const blocks = `blocks of ${count(block, 'sample')}`
  let text = `\n${heading(`Bootstrap: ${made}, ${blocks}, seed ${found.seed}, ${timing.seconds.toFixed(1)} s`)}`
  text += describeMapping(model, found)
  const names = factorNamesOf(model)
  const header = ['factor', 'species', 'base', 'mean', '± sd', '5 %', '25 %', '50 %', '75 %', '95 %']
  const rows = quantilesOf(model, found).map(({ factor, species, base, mean, deviation, percent: at }) => [
    ...[names[factor]!, species, brief(base), brief(mean), brief(deviation)],
    ...[brief(at['5']), brief(at['25']), brief(at['50']), brief(at['75'])],
    `${brief(at['95'])}${base < at['5'] || base > at['95'] ? ' !' : ''}`,
  ])
  text += `\n${heading('Profiles over the resamples in which the factor is mapped')}`
  text += table([header, ...rows], [2, 3, 4, 5, 6, 7, 8])
  if (rows.some((row) => row.at(-1)!.endsWith('!'))) text += '  ! the base lies outside of 5 to 95 %\n'
  return text + describeWarnings({ ...model, warnings: found.warnings })
}

/** The mapping one to one, PMF5's beside it, and quartiles of Q. */
export function describeMapping(model: Factorization, found: Bootstrap): string {
  const { mapping, nearest, resamples, swaps, q, threshold } = found
  if (resamples.length === 0) return ''
  const names = factorNamesOf(model)
  const numbers = names.map((_, l) => String(l + 1))
  const rows = mapping.map(({ factors, unmapped }, k) => [
    ...[names[k]!, ...factors.map(String), String(unmapped), '|', ...nearest[k]!.map(String)],
  ])
  const last = ['none', ...numbers.map(() => ''), '', '|', ...nearest.at(-1)!.map(String)]
  const right = Array.from({ length: 2 * numbers.length + 3 }, (_, at) => at).slice(1)
  let text = table([['', ...numbers, 'none', '|', ...numbers], ...rows, last], right)
  text += wrap(
    `base factors by factors of the resamples (those that a random start fitted best have another order): left one to one, ` +
      `by which statistics go; right each to its nearest, as EPA PMF 5 counts. None: correlation below ${threshold}`,
    '  ',
  )
  const weak = mapping.flatMap(({ mapped }, k) =>
    mapped < STABLE * resamples.length ? [`${names[k]} (${percent(mapped / resamples.length)})`] : [],
  )
  if (weak.length > 0) {
    text += wrap(`mapped in fewer than 80 %: ${weak.join(', ')}: too many factors, or unstable ones`, '  ')
  }
  text += wrap(`${count(swaps, 'resample')} in which two factors have the same nearest one, or one has none`, '  ')
  const quartiles = [q.min, q.q25, q.median, q.q75, q.max].map((value) => formatQ(value))
  return text + wrap(`Q of the resamples: ${quartiles.join(', ')} (minimum, quartiles, maximum)`, '  ')
}

/** Quantiles by element, both mappings, and the resamples. */
export function bootstrapTables(model: Factorization, found: Bootstrap): Record<string, string> {
  const names = factorNamesOf(model)
  return {
    'bootstrap.csv': csv(
      ['factor', 'species', 'base', 'resamples', 'mean', 'standard_deviation', ...SHARES.map((share) => `q${share}`)],
      quantilesOf(model, found).map(({ factor, species, base, count: times, mean, deviation, percent: at }) => [
        ...[names[factor], species, base, times, mean, deviation, ...SHARES.map((share) => at[share])],
      ]),
    ),
    'bootstrap_mapping.csv': [...csvLines(mappingTable(names, found))].join(''),
    'bootstrap_resamples.csv': csv(
      ['run', 'status', 'q', 'best_from_random_start', 'mapped_factors'],
      found.resamples.map(({ run, status, q, cold, factors }) => [
        ...[run, status, q, cold ? 'yes' : '', factors.filter((factor) => factor !== null).length],
      ]),
    ),
  }
}

/** A table as comma-separated text. */
export function csv(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [...csvLines({ columns, rows: () => rows })].join('')
}
