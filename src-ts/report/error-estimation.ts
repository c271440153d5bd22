/** What bootstrap and displacement found, for the report: tables, and how factors kept their identity in words. */
import type { Bootstrap } from '../pmf/bootstrap.ts'
import type { Displacement } from '../pmf/displacement.ts'
import type { BootstrapDisplacement } from '../pmf/bootstrap-displacement.ts'
import type { ErrorSummary } from '../pmf/error-summary.ts'
import { count, number, objective } from './format.ts'
import type { Cell, Table } from './tables.ts'

/** Names of the tables. */
export type EstimationTableName = 'error_summary' | 'bootstrap_mapping' | 'displacement_swaps' | 'bs_disp_swaps'

/** Results whose names and order are those of a model. */
export interface Estimation {
  summary: ErrorSummary
  bootstrap?: Bootstrap | undefined
  displacement?: Displacement | undefined
  bootstrapDisplacement?: BootstrapDisplacement | undefined
}

/** Those that there are numbers for. */
export function makeEstimationTables(estimation: Estimation): Table[] {
  const { summary, bootstrap, displacement, bootstrapDisplacement } = estimation
  const names = summary.factors.map(({ factorName }) => factorName)
  return [
    summaryTable(summary),
    ...(bootstrap ? [mappingTable(names, bootstrap)] : []),
    ...(displacement ? [swapTable('displacement_swaps', names, displacement.swaps)] : []),
    ...(bootstrapDisplacement ? [swapTable('bs_disp_swaps', names, bootstrapDisplacement.swaps)] : []),
  ]
}

/** One line per element, the columns of a method only where it was run. */
export function summaryTable(summary: ErrorSummary): Table {
  const { elements, displacementLevels, bootstrapDisplacementLevels } = summary
  const some = (has: keyof ErrorSummary['elements'][number]): boolean => elements.some((one) => one[has] !== undefined)
  const [laplace, bootstrap] = [some('laplace'), some('bootstrap')]
  const columns = [
    ...['factor', 'species', 'base'],
    ...(laplace ? ['standard_error', 'sandwich_error', 'laplace_lower', 'laplace_upper', 'weakly_active_zero'] : []),
    ...(bootstrap ? ['bs_count', 'bs_mean', 'bs_standard_deviation', 'bs_5', 'bs_25', 'bs_50', 'bs_75', 'bs_95'] : []),
    ...displacementLevels.flatMap((level) => [`disp_${level}_lower`, `disp_${level}_upper`, `disp_${level}_marks`]),
    ...bootstrapDisplacementLevels.flatMap((level) => [
      ...[`bs_disp_${level}_lower`, `bs_disp_${level}_upper`, `bs_disp_${level}_marks`, `bs_disp_${level}_count`],
    ]),
  ]
  return {
    name: 'error_summary',
    columns,
    length: elements.length,
    *rows() {
      for (const { factorName, species, base, ...found } of elements) {
        const { standardError, sandwichError, lower, upper, weakZero } = found.laplace ?? {}
        const bs = found.bootstrap
        yield [
          ...[factorName, species, base],
          ...(laplace ? [standardError, sandwichError, lower, upper, weakZero ? 'yes' : ''] : []),
          ...(bootstrap ? [bs?.count, bs?.mean, bs?.deviation, bs?.q5, bs?.q25, bs?.median, bs?.q75, bs?.q95] : []),
          ...displacementLevels.flatMap((_, at): Cell[] => {
            const one = found.displacement?.[at]
            return [one?.lower, one?.upper, one === undefined ? '' : marksOf(one)]
          }),
          ...bootstrapDisplacementLevels.flatMap((_, at): Cell[] => {
            const one = found.bootstrapDisplacement?.[at]
            return [one?.lower ?? undefined, one?.upper ?? undefined, one === undefined ? '' : marksOf(one), one?.count]
          }),
        ]
      }
    },
  }
}

/** Levels that are shown where there is room for one: about two standard errors, and what BS-DISP goes by. */
const SHOWN = { displacement: 4, bootstrapDisplacement: 0.5 } as const

/** The level of each method to show: the usual one, or the lowest that was computed; absent if there is none. */
export function shownLevels({ displacementLevels, bootstrapDisplacementLevels }: ErrorSummary): {
  displacement: number | undefined
  bootstrapDisplacement: number | undefined
} {
  const choose = (levels: readonly number[], usual: number): number | undefined =>
    levels.includes(usual) ? usual : levels[0]
  return {
    displacement: choose(displacementLevels, SHOWN.displacement),
    bootstrapDisplacement: choose(bootstrapDisplacementLevels, SHOWN.bootstrapDisplacement),
  }
}

const MARKS = [
  ['lowerAtZero', 'lower at zero'],
  ['lowerUnbounded', 'lower unbounded'],
  ['upperUnbounded', 'upper unbounded'],
  ['lowerBranch', 'other branch'],
  ['swapped', 'factors exchanged'],
  ['failed', 'not settled'],
] as const

/** What is to be known about an interval, in words. */
export function marksOf(interval: Partial<Record<(typeof MARKS)[number][0], boolean>>): string {
  return MARKS.flatMap(([key, words]) => (interval[key] === true ? [words] : [])).join('; ')
}

/** Both mappings of resamples: one to one, by which statistics go, and to the nearest as EPA PMF 5 counts. */
export function mappingTable(names: readonly string[], { mapping, nearest }: Bootstrap): Table {
  return {
    name: 'bootstrap_mapping',
    columns: ['mapping', 'base_factor', ...names.map((_, l) => `resample_factor_${l + 1}`), 'unmapped'],
    length: mapping.length + nearest.length,
    rows: (): Cell[][] => [
      ...mapping.map(({ factors, unmapped }, k) => ['one to one', names[k], ...factors, unmapped]),
      ...nearest.map((counts, k) => ['nearest', names[k] ?? 'unmapped', ...counts, undefined]),
    ],
  }
}

/** One line per level, one column per factor: ends with exchanged identities. */
export function swapTable(
  name: 'displacement_swaps' | 'bs_disp_swaps',
  names: readonly string[],
  swaps: Displacement['swaps'],
): Table {
  return {
    name,
    columns: ['level', ...names],
    length: swaps.length,
    rows: () => swaps.map(({ level, counts }): Cell[] => [level, ...counts]),
  }
}

/** Share of resamples below which a factor is not stable, as EPA PMF 5 advises. */
const STABLE = 0.8

/** How factors kept their identity, and what limits the intervals: a few sentences a method. */
export function estimationInWords(estimation: Estimation): string[] {
  return [
    ...bootstrapInWords(estimation),
    ...displacementInWords(estimation),
    ...bootstrapDisplacementInWords(estimation),
  ]
}

function bootstrapInWords({ summary: { factors }, bootstrap }: Estimation): string[] {
  if (bootstrap === undefined) return []
  const { status, runs, block, resamples, mapping, swaps, warnings, threshold } = bootstrap
  const made = resamples.length
  const stopped = status === 'aborted' ? ` (stopped; ${runs} were asked for)` : ''
  const sentences = [
    `Bootstrap: ${count(made, 'resample')}${stopped} of blocks of ${count(block, 'sample')}, factors assigned one to one by ` +
      `correlation of contributions (at least ${threshold}).`,
  ]
  if (made === 0) return sentences
  const lost = mapping.flatMap(({ unmapped }, k) =>
    unmapped > 0 ? [`${factors[k]!.factorName} not in ${unmapped}`] : [],
  )
  sentences.push(
    lost.length === 0
      ? 'Bootstrap: every factor was found again in every resample.'
      : `Bootstrap: all factors were found again in all resamples except ${lost.join(', ')}.`,
  )
  const unstable = mapping.flatMap(({ mapped }, k) => (mapped < STABLE * made ? [factors[k]!.factorName] : []))
  if (unstable.length > 0) {
    sentences.push(
      `Bootstrap: ${unstable.join(', ')} found in less than ${100 * STABLE} % of the resamples: not stable; perhaps there are too many factors.`,
    )
  }
  if (swaps > 0) {
    sentences.push(
      `Bootstrap: in ${count(swaps, 'resample')} two factors resemble the same base factor most, or one resembles none (swaps as EPA PMF 5 counts them).`,
    )
  }
  return [...sentences, ...warnings.map(({ message }) => `Bootstrap: ${message}.`)]
}

function displacementInWords({ summary: { factors }, displacement }: Estimation): string[] {
  if (displacement === undefined) return []
  const { elements, levels, levelScale, levelFactor, swaps, errorCode, largestDecrease, warnings, base } = displacement
  const scaled = levelScale === 'none' ? '' : `, times Q/ν = ${number(levelFactor)}`
  const sentences = [
    `Displacement: ${count(elements.length, 'element')} held at other values, everything else refitted, until Q had risen by ${levels.join(', ')}${scaled}.`,
  ]
  if (elements.length > 0) sentences.push(...swapsInWords('Displacement', factors, swaps))
  sentences.push(`Displacement: error code ${errorCode}, largest decrease of Q ${number(largestDecrease)}.`)
  if (base !== undefined) {
    sentences.push(
      `Displacement: its intervals are those around the lower Q ${objective(base.q)}, not around the base shown.`,
    )
  }
  return [...sentences, ...warnings.map(({ message }) => `Displacement: ${message}.`)]
}

function bootstrapDisplacementInWords({ summary: { factors }, bootstrapDisplacement: found }: Estimation): string[] {
  if (found === undefined) return []
  const { status, runs, resamples, accepted, dropped, swappedInFit, swappedInDisplacement, unconverged } = found
  const stopped = status === 'aborted' ? ` (stopped; ${runs} were asked for)` : ''
  const reasons: [number, string][] = [
    [dropped, 'a refit found a lower Q'],
    [swappedInFit, 'a factor has none of theirs'],
    [swappedInDisplacement, `factors were exchanged at ΔQ = ${found.levels[0]}`],
    [unconverged, 'the fit is not converged'],
  ]
  const why = reasons.flatMap(([times, words]) => (times > 0 ? [`${words} in ${times}`] : []))
  return [
    `BS-DISP: ${accepted} of ${count(resamples.length, 'resample')}${stopped} accepted${why.length > 0 ? ` (of all, ${why.join(', ')})` : ''}; intervals are from the 5 % quantile of the lower to the 95 % quantile of the upper ends over these.`,
    ...(resamples.length > 0 ? swapsInWords('BS-DISP', factors, found.swaps) : []),
    ...found.warnings.map(({ message }) => `BS-DISP: ${message}.`),
  ]
}

function swapsInWords(method: string, factors: ErrorSummary['factors'], swaps: Displacement['swaps']): string[] {
  const exchanged = swaps.filter(({ counts }) => counts.some((times) => times > 0))
  if (exchanged.length === 0) return [`${method}: no factors exchange their identities.`]
  return exchanged.map(({ level, counts }) => {
    const list = counts.flatMap((times, k) => (times > 0 ? [`${factors[k]!.factorName} ${times}`] : []))
    return `${method}: ends with exchanged factors at ΔQ = ${level}: ${list.join(', ')}.`
  })
}
