/** First aid: what a look at the data shows before any fit. Judges nothing, changes nothing. */
import type { Dataset } from './dataset.ts'
import { medianOf } from './treatment.ts'
import type { Category } from './options.ts'

/** Numbers of one species. Statistics are over cells with a value and an uncertainty; NaN (`null` in JSON) if there is none. */
export interface SpeciesCheck {
  species: string
  unit: string | undefined
  /** Cells with weight. */
  count: number
  /** Cells of weight 0. */
  missing: number
  zeros: number
  negative: number
  /** Least, middle and greatest value, in the species' unit. */
  minimum: number
  median: number
  maximum: number
  /**
   * Signal-to-noise of EPA PMF 5: mean over cells of (x - u)/u where x > u, else 0, of the numbers before any replacement,
   * extra uncertainty and factor of weak species.
   */
  signalToNoise: number
  /** What the PMF 5 guide suggests by signal-to-noise: below 0.5 `bad`, below 1 `weak`, else `strong`. */
  suggested: Category
  category: Category
}

/** Something that deserves a look. */
export interface Finding {
  /**
   * `constant-column`, `duplicate-column`, `multiple-of-column`, `total-column`, `low-signal`, `uncertainty-large`,
   * `repeated-value`, `negative-values`, `sentinel-mixture`, `species-without-data`, `sample-without-data`, `duplicate-samples`.
   */
  code: string
  /** Names of the species it is about. */
  species: string[]
  /** The finding in words, with numbers. */
  message: string
  /** How many cells or samples, where it is a count. */
  count?: number
  /** The number found, where it is one: a ratio, a share. */
  value?: number
}

/** Result of {@link checkDataset}. */
export interface DataCheck {
  rows: number
  columns: number
  /** Cells of weight 0, of all cells. */
  missing: number
  species: SpeciesCheck[]
  findings: Finding[]
}

/** Two columns are multiples of each other if their ratio varies by less than this (relative standard deviation). */
const RATIO_SPREAD = 1e-3
/** Fewer common cells than this prove nothing. */
const ENOUGH = 5
const TOTAL_NAME =
  /^(pm[\s_]*(2[.,_]?5|10|1)?([\s_-]*(mass|fine|total))?|tsp|.*\bmass|total(\s*(mass|pm|voc|vocs))?|tnmoc|tvoc|sum)$/i

/** Looks at a dataset: counts, signal-to-noise, and columns and cells that often turn out to be mistakes. */
export function checkDataset(data: Dataset): DataCheck {
  const { rows, cols } = data
  const x = data.values.data
  const weakFactor = data.categories.map((category) => (category === 'weak' ? 3 : 1))
  const u = data.uncertainties.data.map((value, k) => value / weakFactor[k % cols]!)
  const used = u.map((value, k) => (value < Infinity && !Number.isNaN(x[k]!) ? 1 : 0))
  const findings: Finding[] = []
  const species = data.species.map((name, j): SpeciesCheck => {
    const cells: number[] = []
    for (let i = 0; i < rows; i++) if (used[i * cols + j] === 1) cells.push(i * cols + j)
    const values = cells.map((k) => x[k]!)
    const { signalToNoise, suggested } = data.treatment.suggestions[name]!
    return {
      species: name,
      unit: data.units[j],
      count: cells.length,
      missing: rows - cells.length,
      zeros: values.filter((value) => value === 0).length,
      negative: values.filter((value) => value < 0).length,
      minimum: values.length === 0 ? NaN : values.reduce((a, b) => Math.min(a, b)),
      median: medianOf(values),
      maximum: values.length === 0 ? NaN : values.reduce((a, b) => Math.max(a, b)),
      signalToNoise,
      suggested,
      category: data.categories[j]!,
    }
  })
  for (const s of species) {
    if (s.count === 0) {
      findings.push({
        code: 'species-without-data',
        species: [s.species],
        message: `${s.species} has no cell with a value and an uncertainty`,
      })
      continue
    }
    if (s.count > 1 && s.minimum === s.maximum) {
      findings.push({
        code: 'constant-column',
        species: [s.species],
        value: s.minimum,
        message: `${s.species} has the same value, ${s.minimum}, in all samples`,
      })
    }
    if (s.suggested === 'bad' || (s.suggested === 'weak' && s.category === 'strong')) {
      findings.push({
        code: 'low-signal',
        species: [s.species],
        value: s.signalToNoise,
        message: `${s.species} has a signal-to-noise of ${Number(s.signalToNoise.toPrecision(3))}: the PMF 5 guide suggests to make it "${s.suggested}"`,
      })
    }
    if (s.negative > 0) {
      findings.push({
        code: 'negative-values',
        species: [s.species],
        count: s.negative,
        message: `${s.species} has ${s.negative} negative values, which non-negative factors cannot reproduce`,
      })
    }
  }
  findCellProblems(data, x, u, used, findings)
  findRelations(data, x, used, species, findings)
  findSamples(data, used, findings)
  findSentinels(data, findings)
  return { rows, columns: cols, missing: used.reduce((count, one) => count + 1 - one, 0), species, findings }
}

function findCellProblems(
  data: Dataset,
  x: Float64Array,
  u: Float64Array,
  used: Float64Array,
  findings: Finding[],
): void {
  const { rows, cols } = data
  data.species.forEach((name, j) => {
    let large = 0
    let count = 0
    const times = new Map<number, number>()
    for (let i = 0; i < rows; i++) {
      const k = i * cols + j
      if (used[k] === 0) continue
      count++
      if (u[k]! > 10 * Math.abs(x[k]!)) large++
      times.set(x[k]!, (times.get(x[k]!) ?? 0) + 1)
    }
    if (large > 0) {
      findings.push({
        code: 'uncertainty-large',
        species: [name],
        count: large,
        message: `${name}: in ${large} of ${count} samples the uncertainty is more than 10 times the value (the units of the two files may differ, or the values are below detection)`,
      })
    }
    if (times.size < 2) return
    const [value, repeats] = [...times].reduce((a, b) => (b[1] > a[1] ? b : a))
    if (repeats >= Math.max(ENOUGH, 0.2 * count)) {
      findings.push({
        code: 'repeated-value',
        species: [name],
        count: repeats,
        value,
        message: `${name}: the value ${value} occurs in ${repeats} of ${count} samples (a substitute for values below detection?)`,
      })
    }
  })
}

function findRelations(
  data: Dataset,
  x: Float64Array,
  used: Float64Array,
  species: readonly SpeciesCheck[],
  findings: Finding[],
): void {
  const { rows, cols } = data
  for (let b = 1; b < cols; b++) {
    for (let a = 0; a < b; a++) {
      if (species[a]!.minimum === species[a]!.maximum || species[b]!.minimum === species[b]!.maximum) continue
      const ratio = ratioOf(x, used, rows, cols, a, b)
      if (ratio === undefined) continue
      const names = [data.species[b]!, data.species[a]!]
      if (ratio.mean === 1 && ratio.spread === 0) {
        findings.push({
          code: 'duplicate-column',
          species: names,
          value: 1,
          message: `${names[0]} has the same values as ${names[1]} in all samples`,
        })
      } else {
        findings.push({
          code: 'multiple-of-column',
          species: names,
          value: ratio.mean,
          message: `${names[0]} is ${Number(ratio.mean.toPrecision(4))} times ${names[1]} in ${ratio.count} samples: it says nothing new but counts a second time; consider to make one of them "bad"`,
        })
      }
    }
  }
  const declared = data.treatment.total
  data.species.forEach((name, j) => {
    if (name === declared) return
    const share = shareAboveOthers(x, used, rows, cols, j)
    const byName = TOTAL_NAME.test(name)
    if (!byName && !(cols > 3 && share.count >= ENOUGH && share.value >= 0.9)) return
    findings.push({
      code: 'total-column',
      species: [name],
      ...(share.count > 0 ? { value: share.value } : {}),
      message: `${name} seems to be a total of other species (${byName ? 'by its name' : `it exceeds the sum of all others in ${Math.round(100 * share.value)} % of the samples`}); name it with the option total, so that it does not count twice`,
    })
  })
}

/**
 * Ratio b/a over samples where both are used and not 0: its mean, its relative spread, the count. `undefined` if it varies, or if a
 * zero in one stands beside a value in the other. Rounding of the printed numbers is allowed for by {@link RATIO_SPREAD} on the
 * median deviation, so that a few coarsely rounded small values do not hide the relation.
 */
function ratioOf(
  x: Float64Array,
  used: Float64Array,
  rows: number,
  cols: number,
  a: number,
  b: number,
): { mean: number; spread: number; count: number } | undefined {
  const ratios: number[] = []
  // All but a twentieth lie within the spread of the median, so of disjoint pairs of samples at most that many can differ
  // by more than twice the spread: unrelated columns are told apart in a tenth of the samples, without a median.
  const outliers = 0.05 * rows + 1
  let unlike = 0
  let partner: number | undefined
  for (let i = 0; i < rows; i++) {
    const [ka, kb] = [i * cols + a, i * cols + b]
    if (used[ka] === 0 || used[kb] === 0) continue
    if (x[ka] === 0 && x[kb] === 0) continue
    if (x[ka] === 0 || x[kb] === 0) return undefined
    const ratio = x[kb]! / x[ka]!
    ratios.push(ratio)
    if (partner === undefined) partner = ratio
    else {
      if (!(Math.abs(ratio / partner - 1) <= 3 * RATIO_SPREAD) && ++unlike > outliers) return undefined
      partner = undefined
    }
  }
  if (ratios.length < ENOUGH) return undefined
  const mean = medianOf(ratios)
  const deviations = ratios.map((ratio) => Math.abs(ratio / mean - 1)).sort((p, q) => p - q)
  const spread = deviations[Math.floor(0.95 * (deviations.length - 1))]!
  return spread <= RATIO_SPREAD ? { mean, spread: deviations[deviations.length - 1]!, count: ratios.length } : undefined
}

/** Share of complete samples in which a species exceeds the sum of all others. */
function shareAboveOthers(
  x: Float64Array,
  used: Float64Array,
  rows: number,
  cols: number,
  j: number,
): { value: number; count: number } {
  let count = 0
  let above = 0
  for (let i = 0; i < rows; i++) {
    let sum = 0
    let complete = true
    for (let k = 0; k < cols; k++) {
      complete &&= used[i * cols + k] === 1
      if (k !== j) sum += x[i * cols + k]!
    }
    if (!complete) continue
    count++
    if (x[i * cols + j]! > sum) above++
  }
  return { value: count === 0 ? NaN : above / count, count }
}

function findSamples(data: Dataset, used: Float64Array, findings: Finding[]): void {
  const { rows, cols } = data
  const empty = data.samples.filter((_, i) => used.subarray(i * cols, (i + 1) * cols).every((one) => one === 0))
  if (empty.length > 0) {
    findings.push({
      code: 'sample-without-data',
      species: [],
      count: empty.length,
      message: `${empty.length} samples have no data: ${list(empty)}`,
    })
  }
  const twice = [...new Set(data.samples.filter((label, i) => data.samples.indexOf(label) < i))]
  if (twice.length > 0) {
    findings.push({
      code: 'duplicate-samples',
      species: [],
      count: twice.length,
      message: `${twice.length} of ${rows} labels occur more than once: ${list(twice)}`,
    })
  }
}

function findSentinels(data: Dataset, findings: Finding[]): void {
  for (const file of [data.treatment.concentrations, data.treatment.uncertainties]) {
    if (file === undefined) continue
    const tokens = Object.entries(file.missing)
    if (tokens.length < 2) continue
    findings.push({
      code: 'sentinel-mixture',
      species: [],
      count: tokens.reduce((sum, [, count]) => sum + count, 0),
      message: `${file.file} marks missing cells in ${tokens.length} ways: ${tokens.map(([token, count]) => `${token} (${count})`).join(', ')}; all are taken as missing`,
    })
  }
}

function list(names: readonly string[]): string {
  return names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '')
}
