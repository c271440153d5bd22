/** From what a caller has to what charts, tables and the page need: names, units, positions, doubts. */
import { isDeepStrictEqual } from 'node:util'
import type { DataCheck } from '../data/check.ts'
import type { Dataset } from '../data/dataset.ts'
import { InvalidInputError } from '../errors.ts'
import type { Analysis } from '../pmf/analyze.ts'
import type { DownweightedCells } from '../pmf/cell-weights.ts'
import type { Factorization } from '../pmf/factorization.ts'
import type { Bootstrap } from '../pmf/bootstrap.ts'
import type { Displacement } from '../pmf/displacement.ts'
import type { BootstrapDisplacement } from '../pmf/bootstrap-displacement.ts'
import { summarizeErrors } from '../pmf/error-summary.ts'
import type { StandardErrors } from '../pmf/standard-errors.ts'
import { factorNames } from '../pmf/solution.ts'
import type { SampleAxis } from './charts/series.ts'
import type { Estimation } from './error-estimation.ts'
import { count, objective } from './format.ts'
import { histogramOf } from './histogram.ts'
import type { Histogram } from './charts/residuals.ts'

/** What a report is made of. */
export interface ReportInput {
  /** The data that were fitted. */
  data: Dataset
  /** Their factorisation. */
  model: Factorization
  /** What `analyze(data, model)` found. */
  analysis: Analysis
  /** What `model.standardErrors()` found; left out: no error bars. */
  standardErrors?: StandardErrors | undefined
  /** What `model.bootstrap()` found. Without it and the next two there is no section on error estimation. */
  bootstrap?: Bootstrap | undefined
  /** What `model.displacement()` found. */
  displacement?: Displacement | undefined
  /** What `model.bootstrapDisplacement()` found. */
  bootstrapDisplacement?: BootstrapDisplacement | undefined
  /** What `model.downweightedCells()` found; left out: no section about them. */
  downweighted?: DownweightedCells | undefined
  /** @default the number of factors and of samples */
  title?: string | undefined
  /** What `checkDataset(data)` found; left out: no section about it. */
  check?: DataCheck | undefined
  /** The command that makes this report again. */
  command?: string | undefined
  /** One name per factor, in the order of the model. @default `factor 1`, `factor 2`, … */
  factorNames?: readonly string[] | undefined
}

/** The input, checked and completed. */
export interface Content {
  data: Dataset
  model: Factorization
  analysis: Analysis
  standardErrors: StandardErrors | undefined
  /** Absent without refits. */
  estimation: Estimation | undefined
  downweighted: DownweightedCells | undefined
  check: DataCheck | undefined
  command: string | undefined
  title: string
  factors: readonly string[]
  species: readonly string[]
  units: readonly (string | undefined)[]
  /** What concentrations are in, for an axis. */
  unit: string
  samples: readonly string[]
  axis: SampleAxis
  histogram: Histogram
  /** Reasons not to trust the result. */
  doubts: string[]
  /** The same for single factors. */
  factorDoubts: (string | undefined)[]
}

/**
 * Checks that data, model and analysis belong together.
 * @throws InvalidInputError `shape-mismatch`, `names-mismatch`
 */
export function prepareContent(input: ReportInput): Content {
  const { data, model, analysis } = input
  const shapes: [string, number, number][] = [
    ['samples of the model', model.contributions.rows, data.rows],
    ['species of the model', model.profiles.cols, data.cols],
    ['samples of the analysis', analysis.residuals.rows, data.rows],
    ['species of the analysis', analysis.residuals.cols, data.cols],
    ['factors of the analysis', analysis.percentOfSpecies.rows, model.factors],
    ['factors of the standard errors', input.standardErrors?.profiles.rows ?? model.factors, model.factors],
    ['species of the standard errors', input.standardErrors?.profiles.cols ?? data.cols, data.cols],
  ]
  for (const [what, found, expected] of shapes) {
    if (found === expected) continue
    throw new InvalidInputError('shape-mismatch', `expected ${expected} ${what}, found ${found}`, { name: 'model' })
  }
  const factors = input.factorNames ?? factorNames(model.factors)
  if (factors.length !== model.factors) {
    const message = `expected ${model.factors} factor names, found ${factors.length}`
    throw new InvalidInputError('names-mismatch', message, { name: 'factorNames' })
  }
  const { units, species, samples } = data
  const known = new Set(units)
  return {
    data,
    model,
    analysis,
    standardErrors: input.standardErrors,
    estimation: estimationOf(input, factors),
    downweighted: input.downweighted,
    check: input.check,
    command: input.command,
    title: input.title ?? `${count(model.factors, 'factor')} of ${count(data.rows, 'sample')}`,
    factors,
    species,
    units,
    unit: known.size === 1 ? (units[0] ?? 'units of the data') : 'unit of the species',
    samples,
    axis: sampleAxisOf(data),
    histogram: histogramOf(analysis.scaledResiduals.data),
    doubts: doubtsOf(input),
    factorDoubts: factors.map((_, k) => {
      const about = model.warnings.filter(({ code, index }) => code === 'dead-factor' && index === k)
      return about[0]?.message
    }),
  }
}

function estimationOf(input: ReportInput, factors: readonly string[]): Estimation | undefined {
  const { standardErrors, bootstrap, displacement, bootstrapDisplacement } = input
  if (bootstrap === undefined && displacement === undefined && bootstrapDisplacement === undefined) return undefined
  const estimates = { standardErrors, bootstrap, displacement, bootstrapDisplacement }
  return { ...estimates, summary: summarizeErrors(input.model.withFactorNames(factors), estimates) }
}

/** Statuses in words. */
const STATUS_DOUBTS: Record<string, string> = {
  saddle: 'Not a minimum: a direction is known in which Q still falls (saddle point)',
  boundary: 'Not an inner optimum: the fit ended at the edge of its region',
  stalled: 'Not converged: the fit stalled before a minimum was proven',
  budget: 'Not converged: the limit of iterations was reached',
  aborted: 'Not converged: the fit was stopped early',
}

/** Warnings that are about the whole result. Others are listed in the report. */
const GENERAL = ['not-unique', 'curvature-unknown', 'lower-unconverged-start']

function doubtsOf({ data, model }: ReportInput): string[] {
  const doubts: string[] = []
  const status = STATUS_DOUBTS[model.status]
  if (status !== undefined) doubts.push(status)
  const best = model.basins[0]
  if (best !== undefined && model.q > best.q * (1 + 1e-6)) {
    doubts.push(`Not the lowest minimum found: start ${best.members[0]} ended at Q ${objective(best.q)}`)
  }
  for (const { code, message } of model.warnings) {
    if (GENERAL.includes(code)) doubts.push(code === 'not-unique' ? `Not unique: ${message}` : capital(message))
  }
  const others = model.warnings.filter(({ code }) => !GENERAL.includes(code)).length
  if (others > 0) doubts.push(`${count(others, 'warning')}, listed in the report`)
  const digests = data.sha256()
  if (!isDeepStrictEqual(digests, model.data.sha256)) {
    doubts.push('These are not the data that the model was fitted to: their SHA-256 differ')
  }
  return doubts
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1)
}

/** A line is interrupted at gaps of more than this many usual distances. */
const USUAL_DISTANCES = 8

function sampleAxisOf(data: Dataset): SampleAxis {
  const { dates } = data
  if (dates === undefined) {
    return { positions: Array.from({ length: data.rows }, (_, i) => i + 1), times: false, gap: Infinity }
  }
  const positions = dates.map((date) => date.getTime())
  const sorted = [...positions].sort((a, b) => a - b)
  const distances = sorted.slice(1).map((time, i) => time - sorted[i]!)
  const usual = distances.filter((distance) => distance > 0).sort((a, b) => a - b)
  const middle = usual[usual.length >> 1]
  return { positions, times: true, gap: middle === undefined ? Infinity : USUAL_DISTANCES * middle }
}
