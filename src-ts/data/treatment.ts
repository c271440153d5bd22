/** From raw values and uncertainties to those that are fitted, with a record of every step. */
import { nearest } from '../validate.ts'
import { throwProblems, type DataProblem } from './problems.ts'
import { excludedSamples } from './exclude.ts'
import {
  WEAK_FACTOR,
  type Category,
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
  reason: 'missing' | 'uncertainty-not-positive'
  policy: 'median' | 'floor' | 'weight-zero'
  /** What stands there now, before a weak species' factor (NaN: weight 0). */
  value: number
  uncertainty: number
}

/** What was done to values and uncertainties. */
export interface ValueTreatment {
  missingPolicy: MissingPolicy
  uncertaintyPolicy: UncertaintyPolicy
  droppedSamples: DroppedSample[]
  /** Species left out because their category is `bad`. */
  leftOut: string[]
  /** Category of every species of the input. */
  categories: Record<string, Category>
  total: string | undefined
  replacedCells: ReplacedCell[]
  /** Cells of weight 0 in what is fitted. */
  missingCells: number
}

/** Treated data and the record. */
export interface Treated {
  rows: number
  cols: number
  values: Float64Array
  uncertainties: Float64Array
  /** 0-based input rows and columns that were kept. */
  keptRows: number[]
  keptCols: number[]
  treatment: ValueTreatment
}

/**
 * Applies categories, exclusions and policies, in this order: bad species and excluded samples go first, so that nothing wrong
 * in them matters; samples without data go (if `dropEmpty`); then uncertainties <= 0, then missing cells, then weak × 3.
 * Medians are taken over the values that are then left and known.
 *
 * @throws InvalidInputError `species-unknown`, `sample-unknown`, `value-not-finite`, `uncertainty-not-positive`,
 *   `median-not-known`, `floor-missing`, `no-data`.
 */
export function treat(raw: RawData, options: TreatmentOptions, dropEmpty: boolean): Treated {
  const missingPolicy = options.missingPolicy ?? 'weight-zero'
  const uncertaintyPolicy = options.uncertaintyPolicy ?? 'error'
  const categories = categoriesOf(raw.species, options)
  const keptCols = raw.species.flatMap((name, col) => (categories[name] === 'bad' ? [] : [col]))
  const dropped: DroppedSample[] = []
  const drop = (index: number, reason: DroppedSample['reason']): void => {
    const line = raw.place('values', index, 0).line
    dropped.push({ index, sample: raw.samples[index]!, reason, ...(line === undefined ? {} : { line }) })
  }
  const excluded = excludedSamples(raw.samples, raw.times, options.exclude ?? [], options.dateOrder)
  const at = (row: number, col: number): number => row * raw.cols + col
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
      values[i * cols + j] = value
      uncertainties[i * cols + j] = uncertainty * factor
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
    keptRows,
    keptCols,
    treatment: {
      missingPolicy,
      uncertaintyPolicy,
      droppedSamples: dropped,
      leftOut: raw.species.filter((name) => categories[name] === 'bad'),
      categories,
      total: options.total,
      replacedCells,
      missingCells,
    },
  }
}

function categoriesOf(species: readonly string[], options: TreatmentOptions): Record<string, Category> {
  const problems: DataProblem[] = []
  const categories: Record<string, Category> = Object.create(null) as Record<string, Category>
  for (const name of species) categories[name] = 'strong'
  const known = (name: string, option: string): boolean => {
    if (name in categories) return true
    const close = nearest(name, species)
    problems.push({
      code: 'species-unknown',
      value: name,
      message: `the option ${option} names the species "${name}", which the data do not have`,
      hint:
        close === undefined
          ? `species are ${species.slice(0, 10).join(', ')}${species.length > 10 ? ', …' : ''}`
          : `did you mean "${close}"?`,
    })
    return false
  }
  if (options.total !== undefined && known(options.total, 'total')) categories[options.total] = 'weak'
  for (const [name, category] of Object.entries(options.categories ?? {})) {
    if (known(name, 'categories')) categories[name] = category
  }
  const policy = options.uncertaintyPolicy
  if (typeof policy === 'object' && typeof policy.floor === 'object') {
    for (const name of Object.keys(policy.floor)) known(name, 'uncertaintyPolicy.floor')
  }
  throwProblems(problems)
  return { ...categories }
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
