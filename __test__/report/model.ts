/** A small report's input with fixed numbers: no fit is needed to draw it. */
import { analyze, Factorization, Matrix } from '../../index.ts'
import type { Bootstrap, BootstrapDisplacement, Displacement, StandardErrors } from '../../index.ts'
import { Dataset } from '../../src-ts/data/dataset.ts'
import type { ReportInput } from '../../src-ts/report/content.ts'
import type { FactorizationFields, StartReport } from '../../index.ts'

/** Names that break whatever forgets to escape, quote or shorten them. */
export const HOSTILE: readonly string[] = [
  '<script>alert(1)</script>',
  'Na & "Cl", \'x\'',
  'a name that is much too long for any label on any of these charts ]]> <!--',
  'Ω\u0000\ud800 =1+1',
]

/** What a test may change. */
export interface Changes {
  species?: readonly string[]
  dates?: boolean
  model?: Partial<FactorizationFields>
}

const CONTRIBUTIONS = [1.6, 0.2, 0.4, 1.8, 1, 1.1, 0, 2.9, 2.2, 0, 0.8, 0]
const PROFILES = [2, 0.01, 0, 1, 0.5, 0.3, 4e-9, 1]

/** Six samples, four species, two factors; a cell is missing and two residuals are large. */
export async function smallReport(changes: Changes = {}): Promise<ReportInput> {
  const noise = [0.3, -1, 0.7, 0.1, -0.2, 5, 0.4, -0.6, 1, -0.3, 0.2, 0, 0.8, -0.5, -0.9, 0.2, -4, 0.6, 0.1, 1.2]
  const values = Array.from({ length: 24 }, (_, at) => {
    const [i, j] = [Math.floor(at / 4), at % 4]
    const exact = CONTRIBUTIONS[2 * i]! * PROFILES[j]! + CONTRIBUTIONS[2 * i + 1]! * PROFILES[4 + j]!
    return at === 9 ? NaN : exact + noise[at % 20]! * uncertainty(j)
  })
  const day = 86_400_000
  const data = Dataset.from({
    values: { rows: 6, cols: 4, data: values },
    uncertainties: { rows: 6, cols: 4, data: values.map((_, at) => uncertainty(at % 4)) },
    species: changes.species ?? ['sulfate', 'zinc', 'selenium', 'organic carbon'],
    units: ['µg/m³', 'µg/m³', 'µg/m³', 'µg/m³'],
    ...(changes.dates === false
      ? {}
      : { samples: [0, 1, 2, 3, 60, 61].map((at) => new Date(Date.UTC(2001, 5, 29) + at * day)) }),
  })
  const start = (number: number, fields: Partial<StartReport>): StartReport => ({
    start: number,
    origin: 'random',
    status: 'converged',
    q: 50.25,
    iterations: 100,
    coordinateGap: 1e-12,
    blockGap: 2e-12,
    newtonDecrement: 3e-11,
    ...fields,
  })
  const names = ['factor 1', 'factor 2']
  const model = new Factorization({
    headwater: '0.1.0',
    data: {
      rows: 6,
      columns: 4,
      missing: 1,
      species: [...data.species],
      samples: [...data.samples],
      sha256: data.sha256(),
    },
    factors: 2,
    seed: 1,
    options: { starts: 4 },
    start: 0,
    status: 'converged',
    q: 50.25,
    qTrue: 50.25,
    qRobust: 48.5,
    outliers: 2,
    nearThreshold: 0,
    qExpected: 3,
    degreesOfFreedom: 5,
    iterations: 100,
    certificate: {
      unit: 1,
      coordinateGap: 1e-12,
      blockGap: 2e-12,
      blockGapContributions: 2e-12,
      blockGapProfiles: 0,
      newtonDecrement: 3e-11,
      minCurvature: 0.0125,
      freeElements: 16,
      nullDirections: 2,
      weaklyActiveZeros: 3,
      deadFactors: 0,
      flatDirections: 0,
    },
    warnings: [],
    profiles: new Matrix(2, 4, Float64Array.from(PROFILES), { rowNames: names, colNames: data.species }),
    contributions: new Matrix(6, 2, Float64Array.from(CONTRIBUTIONS), { rowNames: data.samples, colNames: names }),
    starts: [
      start(0, { basin: 0 }),
      start(1, { basin: 1, q: 55.5, coordinateGap: 0 }),
      start(2, { status: 'stalled', q: 61, coordinateGap: 0.3, blockGap: 0.2 }),
      start(3, { status: 'budget', q: 70, coordinateGap: 12, blockGap: 4 }),
      start(4, { basin: 0, origin: 'perturbed', chain: 0 }),
    ],
    basins: [
      { q: 50.25, hits: 2, members: [0, 4] },
      { q: 55.5, hits: 1, members: [1] },
    ],
    chains: { run: 1, atBest: 1 },
    unseenBasinProbability: 0.5,
    timing: { seconds: 1, cpuSeconds: 1 },
    ...changes.model,
  })
  return { data, model, analysis: await analyze(data, model), title: 'Small report' }
}

function uncertainty(j: number): number {
  return [0.1, 0.02, 0.01, 0.1][j]!
}

/** What was estimated of the model of {@link smallReport}, in fixed numbers; ends at zero, unbounded, unknown. */
export function smallEstimation({ data, model }: ReportInput): {
  standardErrors: StandardErrors
  bootstrap: Bootstrap
  displacement: Displacement
  bootstrapDisplacement: BootstrapDisplacement
} {
  const { species } = data
  const of = (change: (value: number, at: number) => number): Matrix =>
    new Matrix(2, 4, model.profiles.data.map(change), { colNames: species })
  const errors = of((value, at) => (value > 0 && at !== 1 ? 0.4 * value : NaN))
  const none = { value: errors, error: errors }
  const share = (by: number): Matrix => of((value) => by * value)
  const bootstrap: Bootstrap = {
    ...{
      status: 'converged',
      runs: 20,
      block: 3,
      threshold: 0.6,
      seed: 0,
      swaps: 2,
      timing: { seconds: 1, cpuSeconds: 1 },
    },
    mapping: [
      { mapped: 20, unmapped: 0, factors: [19, 1] },
      { mapped: 15, unmapped: 5, factors: [1, 14] },
    ],
    nearest: [
      [19, 2],
      [1, 13],
      [0, 5],
    ],
    statistics: {
      ...{ count: of((_, at) => (at < 4 ? 20 : 15)), mean: share(1.1), deviation: share(0.3) },
      quantiles: {
        ...{ '2.5': share(0.3), '5': share(0.4), '25': share(0.8), '50': share(1.05) },
        ...{ '75': share(1.3), '95': share(1.9), '97.5': share(2.2) },
      },
    },
    q: { min: 30, q25: 44, median: 50, q75: 58, max: 71 },
    resamples: Array.from({ length: 20 }, (_, run) => ({
      ...{ run, status: 'converged' as const, q: 50, cold: false, counts: [1, 1, 1, 1, 1, 1] },
      ...{ factors: [0, 1], nearest: [0, 1], profiles: model.profiles },
    })),
    warnings: [],
  }
  return {
    standardErrors: {
      ...{
        scale: 'none',
        block: 1,
        profiles: errors,
        profilesSandwich: share(0.5),
        contributions: model.contributions,
      },
      ...{ sandwichRatio: 1.2, shareOfSpecies: none, shareOfFactor: none, totals: none },
      ...{ weakZeros: [{ factor: 0, species: 2 }], reducedQ: 1.1, warnings: [] },
    },
    bootstrap,
    displacement: {
      elements: [0, 1, 4, 7].map((at) => {
        const [factor, column, base] = [Math.floor(at / 4), at % 4, model.profiles.data[at]!]
        return {
          ...{ factor, species: species[column]!, column, base, standardError: errors.data[at]! },
          levels: [4, 8].map((level, l) => ({
            ...{ level, lower: at === 1 ? 0 : (0.5 - 0.1 * l) * base, upper: at === 7 ? NaN : (2 + l) * base },
            ...{ lowerDeltaQ: at === 1 ? 1.5 : level, upperDeltaQ: level, lowerBranch: at === 4 },
            ...(at === 1 ? { lowerAtZero: true as const } : {}),
            ...(at === 7 ? { upperUnbounded: true as const } : {}),
          })),
        }
      }),
      swaps: [
        { level: 4, counts: [0, 0] },
        { level: 8, counts: [0, 3] },
      ],
      ...{ levels: [4, 8], levelScale: 'none', levelFactor: 1, largestDecrease: 0, errorCode: 0, status: 'converged' },
      ...{ restarts: 0, warnings: [], timing: { seconds: 1, cpuSeconds: 1 } },
    },
    bootstrapDisplacement: {
      ...{ status: 'converged', runs: 20, block: 3, seed: 0, threshold: 0.6, levels: [0.5, 1], levelScale: 'none' },
      ...{ levelFactor: 1, accepted: 12, dropped: 1, swappedInFit: 5, swappedInDisplacement: 3, unconverged: 0 },
      ...{ largestDecrease: 0.2, bootstrap, warnings: [], timing: { seconds: 1, cpuSeconds: 1 } },
      swaps: [
        { level: 0.5, counts: [0, 3] },
        { level: 1, counts: [1, 4] },
      ],
      elements: [0, 7].map((at) => ({
        ...{ factor: Math.floor(at / 4), species: species[at % 4]!, column: at % 4, base: model.profiles.data[at]! },
        standardError: errors.data[at]!,
        levels: [0.5, 1].map((level) => ({
          ...{ level, lower: 0.45 * model.profiles.data[at]!, upper: at === 7 ? null : 2.5, count: 12 },
          ...(at === 7 ? { upperUnbounded: true as const } : {}),
        })),
      })),
      resamples: Array.from({ length: 20 }, (_, run) => ({
        ...{ run, status: 'converged' as const, q: 50, accepted: run < 12, drop: run === 19 },
        ...{ swappedInFit: run > 14, swappedInDisplacement: run > 11 && run < 15, largestDecrease: 0, elements: [] },
      })),
    },
  }
}
