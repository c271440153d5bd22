/** From raw values and uncertainties to those that are fitted, with a record of every step. */
import { throwProblems, type DataProblem } from './problems.ts'
import { categoriesOf, checkNames, signalToNoise, type Suggestion } from './categories.ts'
import { DataProblemList } from './collect.ts'
import { belowDetection, detectionLimits } from './detection.ts'
import { excludedSamples, type ExclusionRecord } from './exclude.ts'
import {
  WEAK_FACTOR,
  type BelowDetection,
  type Category,
  type Preset,
  type TreatmentOptions,
  type UncertaintyPolicy,
  type MissingPolicy,
} from './options.ts'

/** Values and uncertainties before treatment; NaN is missing. */
export interface RawData {
  rows: number
  cols: number
  values: Float64Array
  uncertainties: Float64Array
  species: readonly string[]
  samples: readonly string[]
  /** Milliseconds since 1970 (UTC) of each sample, where samples are dates. */
  times: Float64Array | undefined
  /** Detection limit of each species, where an equation file or the caller's arrays have them. */
  limits?: readonly number[] | undefined
  /** Position of a cell in words a person can find it by: file, line and column, or row and column of the array. */
  place: (matrix: 'values' | 'uncertainties', row: number, col: number) => Partial<DataProblem>
}

/** A sample that was left out, and why. */
export interface DroppedSample {
  /** 0-based position in the input. */
  index: number
  sample: string
  /** `no-data`: all its values or all its uncertainties are missing. Others: asked for, or a policy `drop-sample`. */
  reason: 'no-data' | 'excluded' | 'missing' | 'uncertainty-not-positive'
  /** 1-based line of the concentration file. */
  line?: number
}

/** A cell whose numbers were replaced by a policy. Row and column are 0-based, of the dataset as it is fitted. */
export interface ReplacedCell {
  row: number
  col: number
  reason: 'missing' | 'uncertainty-not-positive' | 'below-detection'
  policy: 'median' | 'floor' | 'weight-zero' | 'substitute' | 'censored'
  /** What stands there now, before extra uncertainty and a weak species' factor (NaN: weight 0). */
  value: number
  uncertainty: number
}

/** What was done to values and uncertainties. */
export interface ValueTreatment {
  /** Defaults that were taken; absent: headwater's own. */
  preset?: Preset
  missingPolicy: MissingPolicy
  uncertaintyPolicy: UncertaintyPolicy
  belowDetection: BelowDetection
  /** By species, where they are known. */
  detectionLimits?: Record<string, number>
  /** Share of each value that was added to its uncertainty. */
  extraUncertainty: number
  /** What was asked to be left out, and how many samples each is about. */
  exclusions: ExclusionRecord[]
  droppedSamples: DroppedSample[]
  /** Species left out because their category is `bad`. */
  leftOut: string[]
  /** Category of every species of the input. */
  categories: Record<string, Category>
  /** Signal-to-noise of every species of the input, what it suggests, and whether that was applied. */
  suggestions: Record<string, Suggestion>
  total: string | undefined
  replacedCells: ReplacedCell[]
  /** Cells of weight 0 in what is fitted. */
  missingCells: number
  /** Cells known only to lie below their value. */
  censoredCells: number
}

/** Treated data and the record. */
export interface Treated {
  rows: number
  cols: number
  values: Float64Array
  uncertainties: Float64Array
  /** 1 where a cell is known only to lie below its value; absent if none is. */
  censored: Float64Array | undefined
  /** 0-based input rows and columns that were kept. */
  keptRows: number[]
  keptCols: number[]
  treatment: ValueTreatment
}

/**
 * Applies categories, exclusions and policies, in this order: excluded samples and bad species go first, so that nothing wrong
 * in them matters (what signal-to-noise suggests comes from the samples that are left); samples without data go (if
 * `dropEmpty`); then values below detection, uncertainties <= 0, missing cells, extra uncertainty, weak × 3. Medians are taken over the values that are then left and known.
 *
 * @throws InvalidInputError `species-unknown`, `sample-unknown`, `value-not-finite`, `uncertainty-not-positive`,
 *   `median-not-known`, `floor-missing`, `detection-limit-missing`, `no-data`.
 */
export function treat(raw: RawData, options: TreatmentOptions, dropEmpty: boolean): Treated {
  const { preset } = options
  const missingPolicy = options.missingPolicy ?? (preset === 'pmf5' ? 'median' : 'weight-zero')
  const uncertaintyPolicy = options.uncertaintyPolicy ?? 'error'
  const detection =
    options.belowDetection ?? (preset === 'pmf5' && options.detectionLimits !== undefined ? 'substitute' : 'keep')
  const extra = options.extraUncertainty ?? 0
  const at = (row: number, col: number): number => row * raw.cols + col
  const asked = new DataProblemList()
  asked.attemptNow(() => checkNames(raw.species, options))
  const exclusion = asked.attemptNow(() =>
    excludedSamples(
      raw.samples,
      raw.times,
      options.exclude ?? [],
      options.dateOrder,
      (row, species) => raw.values[at(row, raw.species.indexOf(species))] ?? NaN,
    ),
  )
  asked.throw()
  const { excluded, record: exclusions } = exclusion!
  const { categories, suggestions } = categoriesOf(raw.species, options, (col) =>
    signalToNoise(column(raw, col, excluded)),
  )
  const keptCols = raw.species.flatMap((name, col) => (categories[name] === 'bad' ? [] : [col]))
  const dropped: DroppedSample[] = []
  const drop = (index: number, reason: DroppedSample['reason']): void => {
    const line = raw.place('values', index, 0).line
    dropped.push({ index, sample: raw.samples[index]!, reason, ...(line === undefined ? {} : { line }) })
  }
  const limits = detectionLimits(raw.species, keptCols, raw.limits, options.detectionLimits, detection)
  const isMissing = (row: number, col: number): boolean => {
    const u = raw.uncertainties[at(row, col)]!
    return Number.isNaN(raw.values[at(row, col)]!) || Number.isNaN(u) || u === Infinity
  }
  const notPositive = (row: number, col: number): boolean => raw.uncertainties[at(row, col)]! <= 0

  let keptRows: number[] = []
  for (let row = 0; row < raw.rows; row++) {
    if (excluded[row] === 1) drop(row, 'excluded')
    else if (dropEmpty && keptCols.every((col) => isMissing(row, col))) drop(row, 'no-data')
    else keptRows.push(row)
  }
  const below = applyDetection(raw, keptRows, keptCols, limits, detection)
  raw = below.raw
  checkCells(raw, keptRows, keptCols, uncertaintyPolicy)
  keptRows = keptRows.filter((row) => {
    const reason =
      uncertaintyPolicy === 'drop-sample' && keptCols.some((col) => notPositive(row, col))
        ? 'uncertainty-not-positive'
        : missingPolicy === 'drop-sample' && keptCols.some((col) => isMissing(row, col))
          ? 'missing'
          : undefined
    if (reason !== undefined) drop(row, reason)
    return reason === undefined
  })
  const problems: DataProblem[] = []
  if (keptRows.length === 0)
    problems.push({
      code: 'no-data',
      message: 'no sample is left',
      hint: 'see which were excluded or dropped, and why',
    })
  if (keptCols.length === 0) problems.push({ code: 'no-data', message: 'no species is left: all are "bad"' })
  throwProblems(problems)

  const rows = keptRows.length
  const cols = keptCols.length
  const values = new Float64Array(rows * cols)
  const uncertainties = new Float64Array(rows * cols)
  const replacedCells: ReplacedCell[] = []
  const censored = new Float64Array(below.censored.size > 0 ? rows * cols : 0)
  let missingCells = 0
  keptCols.forEach((col, j) => {
    const column = keptRows.map((row) => at(row, col))
    const replacement = lazyReplacement(raw, column, raw.species[col]!, problems)
    const factor = categories[raw.species[col]!] === 'weak' ? WEAK_FACTOR : 1
    keptRows.forEach((row, i) => {
      let value = raw.values[at(row, col)]!
      let uncertainty = raw.uncertainties[at(row, col)]!
      const missing = isMissing(row, col)
      const reason = missing
        ? ('missing' as const)
        : notPositive(row, col)
          ? ('uncertainty-not-positive' as const)
          : undefined
      const policy = missing ? missingPolicy : uncertaintyPolicy
      if (reason !== undefined && policy === 'median') {
        value = replacement.median()
        uncertainty = 4 * value
        replacedCells.push({ row: i, col: j, reason, policy: 'median', value, uncertainty })
      } else if (reason === 'uncertainty-not-positive' && policy === 'weight-zero') {
        uncertainty = NaN
        replacedCells.push({ row: i, col: j, reason, policy, value, uncertainty })
      } else if (reason === 'uncertainty-not-positive') {
        uncertainty = replacement.floor(uncertaintyPolicy)
        replacedCells.push({ row: i, col: j, reason, policy: 'floor', value, uncertainty })
      }
      const how = below.replaced.get(at(row, col))
      if (how !== undefined) replacedCells.push({ row: i, col: j, reason: 'below-detection', ...how })
      if (below.censored.has(at(row, col))) censored[i * cols + j] = 1
      values[i * cols + j] = value
      uncertainties[i * cols + j] = (extra > 0 ? Math.hypot(uncertainty, extra * value) : uncertainty) * factor
      if (Number.isNaN(value) || Number.isNaN(uncertainty) || uncertainty === Infinity) missingCells++
    })
  })
  throwProblems(problems)
  dropped.sort((a, b) => a.index - b.index)
  return {
    rows,
    cols,
    values,
    uncertainties,
    censored: below.censored.size > 0 ? censored : undefined,
    keptRows,
    keptCols,
    treatment: {
      ...(preset === undefined ? {} : { preset }),
      missingPolicy,
      uncertaintyPolicy,
      belowDetection: detection,
      ...(limits.every((limit) => limit === undefined)
        ? {}
        : {
            detectionLimits: named(
              raw.species,
              limits.map((limit) => limit ?? NaN),
            ),
          }),
      extraUncertainty: extra,
      exclusions,
      droppedSamples: dropped,
      leftOut: raw.species.filter((name) => categories[name] === 'bad'),
      categories,
      suggestions,
      total: options.total,
      replacedCells,
      missingCells,
      censoredCells: below.censored.size,
    },
  }
}

/** Values by species name, where they are numbers. */
function named(species: readonly string[], numbers: readonly number[]): Record<string, number> {
  const known = species.map((name, col) => [name, numbers[col]!] as const)
  return Object.fromEntries(known.filter(([, number]) => !Number.isNaN(number)))
}

/** Value and uncertainty of a species in the samples that are not excluded. */
function* column(raw: RawData, col: number, excluded: Uint8Array): Generator<readonly [number, number]> {
  for (let row = 0; row < raw.rows; row++) {
    if (excluded[row] === 0) yield [raw.values[row * raw.cols + col]!, raw.uncertainties[row * raw.cols + col]!]
  }
}

type Replaced = Pick<ReplacedCell, 'policy' | 'value' | 'uncertainty'>

/** The data with what the policy makes of values below detection, and which cells that are (by position in the input). */
function applyDetection(
  raw: RawData,
  rows: readonly number[],
  cols: readonly number[],
  limits: readonly (number | undefined)[],
  policy: BelowDetection,
): { raw: RawData; replaced: Map<number, Replaced>; censored: Set<number> } {
  const replaced = new Map<number, Replaced>()
  const censored = new Set<number>()
  if (policy === 'keep') return { raw, replaced, censored }
  const [values, uncertainties] = [raw.values.slice(), raw.uncertainties.slice()]
  for (const row of rows) {
    for (const col of cols) {
      const k = row * raw.cols + col
      const cell = belowDetection(values[k]!, uncertainties[k]!, limits[col], policy)
      if (cell === undefined) continue
      ;[values[k], uncertainties[k]] = [cell.value, cell.uncertainty]
      replaced.set(k, { policy, value: cell.value, uncertainty: cell.uncertainty })
      if (cell.censored) censored.add(k)
    }
  }
  return { raw: { ...raw, values, uncertainties }, replaced, censored }
}

function checkCells(raw: RawData, rows: readonly number[], cols: readonly number[], policy: UncertaintyPolicy): void {
  const problems: DataProblem[] = []
  for (const row of rows) {
    for (const col of cols) {
      const value = raw.values[row * raw.cols + col]!
      const uncertainty = raw.uncertainties[row * raw.cols + col]!
      if (value === Infinity || value === -Infinity) {
        problems.push({
          code: 'value-not-finite',
          ...raw.place('values', row, col),
          value: String(value),
          message: `expected a finite value, found ${value}`,
          hint: 'leave the cell blank (NaN in arrays) if nothing was measured',
        })
      }
      if (uncertainty <= 0 && policy === 'error') {
        problems.push({
          code: 'uncertainty-not-positive',
          ...raw.place('uncertainties', row, col),
          value: String(uncertainty),
          message: `expected an uncertainty greater than 0, found ${uncertainty}`,
          hint: 'correct it, leave it blank (weight 0), or choose an uncertaintyPolicy',
        })
      }
    }
  }
  throwProblems(problems)
}

/** Numbers that replace others, computed only for species that need them; what cannot be computed becomes a problem, once. */
function lazyReplacement(
  raw: RawData,
  column: readonly number[],
  name: string,
  problems: DataProblem[],
): { median: () => number; floor: (policy: UncertaintyPolicy) => number } {
  let median: number | undefined
  let floor: number | undefined
  const once = (code: string, message: string, hint: string): number => {
    problems.push({ code, header: name, message, hint })
    return NaN
  }
  return {
    median: () => {
      if (median !== undefined) return median
      const known = column
        .filter((k) => raw.uncertainties[k]! > 0 && raw.uncertainties[k]! < Infinity)
        .map((k) => raw.values[k]!)
      median = medianOf(known.filter((v) => !Number.isNaN(v)))
      if (!(median > 0)) {
        median = once(
          'median-not-known',
          `the median of this species is ${Number.isNaN(median) ? 'not known' : median}, so it cannot stand for a missing value with 4 times its size as uncertainty`,
          'choose another policy, or make the species "bad"',
        )
      }
      return median
    },
    floor: (policy) => {
      if (floor !== undefined) return floor
      if (typeof policy === 'object') {
        floor = typeof policy.floor === 'number' ? policy.floor : policy.floor[name]
        floor ??= once(
          'floor-missing',
          'this species has an uncertainty of zero or less and no floor is given for it',
          'add it to uncertaintyPolicy.floor',
        )
      } else {
        floor = column.reduce(
          (least, k) => (raw.uncertainties[k]! > 0 ? Math.min(least, raw.uncertainties[k]!) : least),
          Infinity,
        )
        if (floor === Infinity)
          floor = once(
            'floor-missing',
            'this species has no positive uncertainty that could serve as a floor',
            'give one with uncertaintyPolicy: { floor: … }',
          )
      }
      return floor
    },
  }
}

/** Median: the middle value, or the mean of the two middle ones; NaN of nothing. */
export function medianOf(numbers: readonly number[]): number {
  if (numbers.length === 0) return NaN
  const sorted = Float64Array.from(numbers).sort()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
