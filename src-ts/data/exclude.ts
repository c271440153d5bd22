/** Which samples are left out by name, by date or by a rule. */
import { parseDate, type DateOrder } from './dates.ts'
import { nearest } from '../validate.ts'
import { throwProblems, type DataProblem } from './problems.ts'
import type { Exclusion } from './options.ts'

const DAY = 86_400_000

/**
 * 1 for every sample that is excluded, 0 for the others, and how many each exclusion is about. A rule that no sample
 * meets is no mistake.
 *
 * A label that occurs several times excludes all of them. A date that is not a label as it stands matches the samples of that
 * day (or minute, if it has a time). Ranges include both ends, and a day without a time is meant as a whole.
 *
 * @throws InvalidInputError `sample-unknown` (a name that no sample has, or a range without samples: mostly a typing mistake),
 *   `range-needs-dates`, `date-not-read`.
 */
export function excludedSamples(
  samples: readonly string[],
  times: Float64Array | undefined,
  exclusions: readonly Exclusion[],
  order?: DateOrder,
  valueOf: (row: number, species: string) => number = () => NaN,
): { excluded: Uint8Array; record: ExclusionRecord[] } {
  const excluded = new Uint8Array(samples.length)
  const record: ExclusionRecord[] = []
  const problems: DataProblem[] = []
  const parse = (text: string): { from: number; to: number } | undefined => {
    let from = parseDate(text, 'ymd')
    if (Number.isNaN(from) && order !== undefined) from = parseDate(text, order)
    if (Number.isNaN(from)) from = times?.[samples.indexOf(text)] ?? NaN
    if (Number.isNaN(from)) return undefined
    return { from, to: text.includes(':') ? from : from + DAY - 1 }
  }
  for (const exclusion of exclusions) {
    let matches: (index: number) => boolean
    if (typeof exclusion === 'object' && 'species' in exclusion) {
      const { species, above = Infinity, below = -Infinity } = exclusion
      // A missing value is neither above nor below.
      matches = (i) => valueOf(i, species) > above || valueOf(i, species) < below
    } else if (typeof exclusion === 'string') {
      const named = samples.includes(exclusion)
      const day = named || times === undefined ? undefined : parse(exclusion)
      matches = (i) =>
        named ? samples[i] === exclusion : day !== undefined && times![i]! >= day.from && times![i]! <= day.to
    } else {
      if (times === undefined) {
        problems.push({
          code: 'range-needs-dates',
          message: `a range (${exclusion.from ?? '…'} to ${exclusion.to ?? '…'}) can be excluded only where samples are dates`,
          hint: 'name the samples one by one',
        })
        continue
      }
      const ends = (['from', 'to'] as const).map((key) => {
        const text = exclusion[key]
        if (text === undefined) return key === 'from' ? -Infinity : Infinity
        const parsed = parse(text)
        if (parsed === undefined) {
          problems.push({
            code: 'date-not-read',
            value: text,
            message: `"${text}" is not a date`,
            hint: 'write it as 2002-07-06 or 2002-07-06T14:00',
          })
          return NaN
        }
        return parsed[key]
      })
      if (ends.some(Number.isNaN)) continue
      matches = (i) => times[i]! >= ends[0]! && times[i]! <= ends[1]!
    }
    let count = 0
    for (let i = 0; i < samples.length; i++) {
      if (!matches(i)) continue
      excluded[i] = 1
      count++
    }
    record.push({ rule: inWords(exclusion), samples: count })
    if (count === 0 && !(typeof exclusion === 'object' && 'species' in exclusion)) {
      const text = typeof exclusion === 'string' ? `"${exclusion}"` : inWords(exclusion)
      const close = typeof exclusion === 'string' ? nearest(exclusion, samples) : undefined
      problems.push({
        code: 'sample-unknown',
        ...(typeof exclusion === 'string' ? { value: exclusion } : {}),
        message: `no sample ${text}, which is to be excluded`,
        ...(close === undefined ? {} : { hint: `did you mean "${close}"?` }),
      })
    }
  }
  throwProblems(problems)
  return { excluded, record }
}

/** How many samples one exclusion left out, those that another had left out already included. */
export interface ExclusionRecord {
  /** The exclusion in words, such as `K above 10`. */
  rule: string
  samples: number
}

function inWords(exclusion: Exclusion): string {
  if (typeof exclusion === 'string') return exclusion
  if (!('species' in exclusion)) return `from ${exclusion.from ?? 'the first'} to ${exclusion.to ?? 'the last'}`
  const { species, above, below } = exclusion
  const bounds = [
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ]
  return `${species} ${bounds.join(' or ')}`
}
