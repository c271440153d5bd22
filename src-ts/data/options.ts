/**
 * Everything a caller can say about the treatment of data, in code or in a JSON file with the same names:
 *
 * ```json
 * {
 *   "dateOrder": "mdy",
 *   "missing": { "words": ["invalid"], "sentinels": [-999] },
 *   "missingPolicy": "weight-zero",
 *   "uncertaintyPolicy": { "floor": 0.001 },
 *   "categories": { "*": "suggest", "Zn": "weak", "Na": "bad" },
 *   "total": "PM2.5",
 *   "detectionLimits": { "As": 0.0012, "Se": 0.0009 },
 *   "belowDetection": "censored",
 *   "extraUncertainty": 0.05,
 *   "exclude": ["7/4/2003", { "from": "2002-07-06", "to": "2002-07-09" }, { "species": "K", "above": 10 }]
 * }
 * ```
 */
import { DELIMITER_NAMES } from './dialect.ts'
import { nearest } from '../validate.ts'
import { problemsError, throwProblems, type DataProblem } from './problems.ts'
import { readBytes } from './text.ts'
import type { TableOptions } from './table.ts'
import type { DateOrder } from './dates.ts'

/**
 * How much a species counts: `strong` as its uncertainties say; `weak` with three times the uncertainty; `bad` not at all (the
 * column is left out). The words and the factor 3 are those of EPA PMF 5.
 */
export type Category = 'strong' | 'weak' | 'bad'

/** A category, or `suggest`: what the species' signal-to-noise says (below 0.5 `bad`, below 1 `weak`, else `strong`). */
export type CategoryOption = Category | 'suggest'

/** Factor on the uncertainties of weak species. */
export const WEAK_FACTOR = 3

/**
 * What becomes of a cell without a value or without an uncertainty.
 * - `weight-zero` (default): it has no influence on the fit. This is exact and loses nothing.
 * - `drop-sample`: the whole sample is left out, as EPA PMF 5 can do.
 * - `median`: value = median of the species, uncertainty = 4 times that median, as EPA PMF 5 can do. For comparison with it.
 */
export type MissingPolicy = 'weight-zero' | 'drop-sample' | 'median'

/**
 * What becomes of an uncertainty that is zero or negative.
 * - `error` (default): the cells are named and nothing is read. An uncertainty of zero would be an infinite weight.
 * - `weight-zero`: the cell counts as missing.
 * - `drop-sample`: the whole sample is left out.
 * - `median`: value and uncertainty are replaced as in {@link MissingPolicy}.
 * - `floor`: the uncertainty becomes the smallest positive one of the species.
 * - `{ floor: number }`: it becomes this number, in the data's units; `{ floor: { Zn: 0.001 } }` gives one per species.
 */
export type UncertaintyPolicy =
  'error' | 'weight-zero' | 'drop-sample' | 'median' | 'floor' | { floor: number | Readonly<Record<string, number>> }

/**
 * What becomes of a value at or below the detection limit of its species.
 * - `keep` (default): nothing.
 * - `substitute`: value = half the limit, uncertainty = 5/6 of the limit, as users of EPA PMF 5 do.
 * - `censored`: the value is known only to be below the limit. Such a cell costs nothing while the model is below the
 *   limit, and counts as any other above it.
 */
export type BelowDetection = 'keep' | 'substitute' | 'censored'

/**
 * Samples to leave out: one label; all dates from … to … (both included; a day without a time means all of it); or all
 * samples in which a species is above or below a value, in the units of the data.
 */
export type Exclusion = string | { from?: string; to?: string } | { species: string; above?: number; below?: number }

/** A choice of defaults for all options that are left out. */
export type Preset = 'pmf5'

/** Treatment of values, common to files and arrays. */
export interface TreatmentOptions {
  /**
   * `pmf5` takes the defaults of EPA PMF 5, to reproduce an older study: `missingPolicy: 'median'`, and, where
   * `detectionLimits` are given, `belowDetection: 'substitute'`. Default: none.
   */
  preset?: Preset
  /** Cells without value or uncertainty. Default `weight-zero`. */
  missingPolicy?: MissingPolicy
  /** Uncertainties that are zero or negative. Default `error`. */
  uncertaintyPolicy?: UncertaintyPolicy
  /**
   * Category by species name. `"*"` stands for all species that are not named; `suggest` takes what signal-to-noise
   * suggests, and `categories: 'suggest'` does so for all. Default: all strong, the total weak.
   */
  categories?: 'suggest' | Readonly<Record<string, CategoryOption>>
  /**
   * Species that is the total of the others (such as PM2.5 mass). It is `weak` unless `categories` says otherwise, so that it
   * does not count twice, and shares of the total refer to it. Default: none.
   */
  total?: string
  /** Detection limits by species, in the units of the values. They go over those of an equation file. Default: none. */
  detectionLimits?: Readonly<Record<string, number>>
  /** Values at or below the detection limit. Default `keep`. */
  belowDetection?: BelowDetection
  /**
   * Extra modelling uncertainty c, a share from 0 to 1 of each value x: u becomes √(u² + (c·x)²). PMF 5 offers up to
   * 0.25. It comes before the factor of weak species. Default 0.
   */
  extraUncertainty?: number
  /** Samples to leave out. Default none. Dates are written in ISO form (2002-07-06, 2002-07-06T14:00) or as in the file. */
  exclude?: readonly Exclusion[]
  /** Order of day, month and year in the sample labels, where they do not tell by themselves. */
  dateOrder?: DateOrder
}

/** Options of `Dataset.read`: how the two tables are written, and the treatment of values. */
export interface ReadOptions extends TableOptions, TreatmentOptions {
  /** Name of a JSON file with any of these options. What is given beside it takes precedence. Default none. */
  optionsFile?: string
}

type Check = (value: unknown) => string | undefined

const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && allowed.includes(value)
      ? undefined
      : `one of ${allowed.map((a) => JSON.stringify(a)).join(', ')}`
const isText: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a text')
const isTexts: Check = (value) =>
  Array.isArray(value) && value.every((v) => isText(v) === undefined) ? undefined : 'a list of texts'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const positive = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value > 0

const CATEGORIES: readonly string[] = ['strong', 'weak', 'bad', 'suggest']

const CHECKS: Record<string, Check> = {
  encoding: oneOf('utf-8', 'utf-16le', 'utf-16be', 'latin1'),
  delimiter: oneOf(...Object.keys(DELIMITER_NAMES)),
  decimal: oneOf('.', ','),
  preamble: (v) => (Number.isInteger(v) && (v as number) >= 0 ? undefined : 'a number of lines, 0 or more'),
  units: oneOf('auto', 'row', 'none'),
  ignore: isTexts,
  missing: (v) =>
    isObject(v) &&
    Object.keys(v).every((key) => key === 'words' || key === 'sentinels') &&
    (v.words === undefined || isTexts(v.words) === undefined) &&
    (v.sentinels === undefined ||
      (Array.isArray(v.sentinels) && v.sentinels.every((n) => typeof n === 'number' && Number.isFinite(n))))
      ? undefined
      : '{ words: a list of texts, sentinels: a list of numbers }',
  missingPolicy: oneOf('weight-zero', 'drop-sample', 'median'),
  uncertaintyPolicy: (v) => {
    if (isObject(v)) {
      const floor = v.floor
      const fine =
        Object.keys(v).length === 1 && (positive(floor) || (isObject(floor) && Object.values(floor).every(positive)))
      return fine ? undefined : '{ floor: a positive number, or one per species }'
    }
    return oneOf('error', 'weight-zero', 'drop-sample', 'median', 'floor')(v)
  },
  preset: oneOf('pmf5'),
  categories: (v) =>
    v === 'suggest' || (isObject(v) && Object.values(v).every((c) => CATEGORIES.includes(c as string)))
      ? undefined
      : '"suggest", or an object with "strong", "weak", "bad" or "suggest" for each species named ("*": all others)',
  detectionLimits: (v) =>
    isObject(v) && Object.values(v).every((limit) => limit === 0 || positive(limit))
      ? undefined
      : 'an object with a number of 0 or more for each species named',
  belowDetection: oneOf('keep', 'substitute', 'censored'),
  extraUncertainty: (v) =>
    typeof v === 'number' && v >= 0 && v <= 1 ? undefined : 'a share from 0 to 1 (0.05 is 5 %)',
  total: isText,
  exclude: (v) =>
    Array.isArray(v) && v.every((e) => isText(e) === undefined || isRange(e) || isRule(e))
      ? undefined
      : 'a list of sample labels, of { from, to } with two dates and of { species, above, below } with numbers',
  dateOrder: oneOf('mdy', 'dmy', 'ymd'),
  optionsFile: isText,
}

function isRange(value: unknown): boolean {
  return (
    isObject(value) &&
    Object.keys(value).length > 0 &&
    Object.entries(value).every(([key, v]) => (key === 'from' || key === 'to') && typeof v === 'string')
  )
}

function isRule(value: unknown): boolean {
  if (!isObject(value) || isText(value.species) !== undefined) return false
  const bounds = Object.entries(value).filter(([key]) => key !== 'species')
  return (
    bounds.length > 0 &&
    bounds.every(([key, bound]) => (key === 'above' || key === 'below') && Number.isFinite(bound as number))
  )
}

const TABLE_KEYS: readonly string[] = [
  'encoding',
  'delimiter',
  'decimal',
  'preamble',
  'units',
  'ignore',
  'missing',
  'optionsFile',
]

/**
 * Checks options of unknown origin; all wrong ones come back at once.
 *
 * @param kind - `read` allows all keys, `from` only those of {@link TreatmentOptions}.
 * @throws InvalidInputError `option-unknown` (with a suggestion), `option-not-valid`.
 */
export function checkOptions(options: unknown, kind: 'read' | 'from', file?: string): void {
  const where = file === undefined ? {} : { file }
  if (!isObject(options)) {
    throw problemsError([
      {
        code: 'option-not-valid',
        ...where,
        message: `expected an object of options, found ${JSON.stringify(options)}`,
      },
    ])
  }
  const allowed = Object.keys(CHECKS).filter((key) => kind === 'read' || !TABLE_KEYS.includes(key))
  const problems: DataProblem[] = []
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (key === '$schema' && file !== undefined) continue
    if (!allowed.includes(key)) {
      const close = nearest(key, allowed)
      problems.push({
        code: 'option-unknown',
        ...where,
        value: key,
        message: `there is no option "${key}" here`,
        hint: close === undefined ? `options are ${allowed.join(', ')}` : `did you mean "${close}"?`,
      })
      continue
    }
    const expected = CHECKS[key]!(value)
    if (expected !== undefined) {
      problems.push({
        code: 'option-not-valid',
        ...where,
        value: JSON.stringify(value),
        message: `the option "${key}" must be ${expected}, found ${JSON.stringify(value)}`,
      })
    }
  }
  throwProblems(problems)
}

/**
 * Reads an options file.
 *
 * @throws InvalidInputError `options-not-json`, `option-unknown`, `option-not-valid`, and the codes of an unreadable file.
 */
export async function readOptionsFile(file: string): Promise<ReadOptions> {
  const text = new TextDecoder().decode(await readBytes(file))
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw problemsError([
      {
        code: 'options-not-json',
        file,
        message: `expected JSON: ${(cause as Error).message}`,
        hint: 'names and texts need double quotes, and no comma follows the last entry',
      },
    ])
  }
  checkOptions(parsed, 'read', file)
  return parsed as ReadOptions
}

/** Options given in code over those of a file: `categories` and `detectionLimits` are merged by species, everything else is replaced. */
export function mergeOptions(file: ReadOptions, given: ReadOptions): ReadOptions {
  const merged: ReadOptions = { ...file }
  for (const [key, value] of Object.entries(given)) if (value !== undefined) Object.assign(merged, { [key]: value })
  const named = (one: TreatmentOptions['categories']): Readonly<Record<string, CategoryOption>> =>
    one === 'suggest' ? { '*': 'suggest' } : (one ?? {})
  if (file.categories !== undefined && given.categories !== undefined) {
    merged.categories = { ...named(file.categories), ...named(given.categories) }
  }
  if (file.detectionLimits !== undefined && given.detectionLimits !== undefined) {
    merged.detectionLimits = { ...file.detectionLimits, ...given.detectionLimits }
  }
  return merged
}
