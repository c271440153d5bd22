export interface NativeCertificate {
  unit: number
  coordinateGap: number
  blockGap: number
  blockGapContributions: number
  blockGapProfiles: number
  newtonDecrement?: number
  newtonDecrementGaussNewton?: number
  lastStepRatio?: number
  minCurvature?: number | { bound: number; confidence: number; products: number; smallestSeen: number }
  freeElements: number
  nullDirections: number
  weaklyActiveZeros: number
  deadFactors: number
  flatDirections: number
}

export interface NativeWarning {
  code: string
  index?: number
  message: string
}

export interface NativeSolution {
  status: 'converged' | 'saddle' | 'boundary' | 'stalled' | 'budget' | 'aborted'
  q: number
  qTrue: number
  qRobust: number
  outliers: number
  nearThreshold: number
  qExpected: number
  degreesOfFreedom: number
  iterations: number
  certificate: NativeCertificate
  warnings: NativeWarning[]
  contributions: Float64Array<ArrayBuffer>
  profiles: Float64Array<ArrayBuffer>
}

export interface NativeStart {
  start: number
  origin: 'random' | 'nndsvd' | 'given' | 'perturbed'
  chain?: number
  status: NativeSolution['status']
  q: number
  iterations: number
  basin?: number
  coordinateGap: number
  blockGap: number
  newtonDecrement?: number
}

export interface NativeBasin {
  q: number
  hits: number
  members: number[]
}

export interface NativeFactorization {
  chosen: number
  solution: NativeSolution
  starts: NativeStart[]
  basins: NativeBasin[]
  unseenBasinProbability?: number
  chainsRun: number
  chainsAtBest: number
}

export interface NativeVerdict {
  solution: NativeSolution
  localMinimum: NativeSolution
  excess: number
}

/** What came of rows that were learnt from. */
export interface NativeLearnt {
  rows: number
  leftOut: number
  q: number
  cells: number
  rollbacks: number
  halted: boolean
}

export interface NativePass {
  proof: boolean
  q: number
  accepted: boolean
  promised?: number
}

export interface NativeStreamed {
  status: NativeSolution['status']
  rows: number
  cells: number
  q?: number
  qRobust?: number
  outliers?: number
  qExpected: number
  degreesOfFreedom?: number
  certificate?: NativeCertificate
  warnings: NativeWarning[]
  passes: NativePass[]
  profiles: Float64Array<ArrayBuffer>
}

export interface NativeFit {
  cells: number
  q: number
  qOverExpected?: number
}

export interface NativeRegression {
  cells: number
  rSquared?: number
  slope: number
  slopeStandardError: number
  intercept: number
  interceptStandardError: number
  residualStandardError: number
}

export interface NativeNormality {
  mean: number
  standardDeviation?: number
  statistic: number
  pValue: number
}

export interface NativeSpeciesFit extends NativeFit {
  regression?: NativeRegression
  normality?: NativeNormality
}

export interface NativeLargeResidual {
  sample: number
  species: number
  scaled: number
}

export interface NativeMassRegression {
  samples: number
  intercept: number
  interceptStandardError: number
  slopes: Float64Array<ArrayBuffer>
  slopeStandardErrors: Float64Array<ArrayBuffer>
  rSquared: number
  residualStandardError: number
}

export interface NativeCellWeights {
  shares: Float64Array<ArrayBuffer>
  count: number
  downweighted: { sample: number; species: number; share: number; scaled: number }[]
}

export interface NativeEstimated {
  value: Float64Array<ArrayBuffer>
  error: Float64Array<ArrayBuffer>
}

export interface NativeStandardErrors {
  profiles: Float64Array<ArrayBuffer>
  contributions: Float64Array<ArrayBuffer>
  profilesSandwich: Float64Array<ArrayBuffer>
  shareOfSpecies: NativeEstimated
  shareOfFactor: NativeEstimated
  totals: NativeEstimated
  weakZeros: Uint8Array<ArrayBuffer>
  sandwichRatio: number
  reducedQ: number
  warnings: NativeWarning[]
}

export interface NativeBootstrap {
  status: NativeSolution['status']
  block: number
  swaps: number
  q: Float64Array<ArrayBuffer>
  mapped: Float64Array<ArrayBuffer>
  nearest: Float64Array<ArrayBuffer>
  elements: Float64Array<ArrayBuffer>
  shares: Float64Array<ArrayBuffer>
  resamples: NativeResample[]
}

export interface NativeResample {
  run: number
  status: NativeSolution['status']
  q: number
  cold: boolean
  counts: Float64Array<ArrayBuffer>
  factors: Float64Array<ArrayBuffer>
  nearest: Float64Array<ArrayBuffer>
  profiles: Float64Array<ArrayBuffer>
}

/** Ends by element, level and side (lower, upper); swaps by level and factor. */
export interface NativeDisplacement {
  factors: Float64Array<ArrayBuffer>
  species: Float64Array<ArrayBuffer>
  bases: Float64Array<ArrayBuffer>
  values: Float64Array<ArrayBuffer>
  deltaQ: Float64Array<ArrayBuffer>
  /** 0 reached, 1 at zero, 2 unbounded, 3 failed. */
  kinds: Uint8Array<ArrayBuffer>
  lowerBranch: Uint8Array<ArrayBuffer>
  swapped: Uint8Array<ArrayBuffer>
  swaps: Float64Array<ArrayBuffer>
  baseQ: number
  largestDecrease: number
  status: NativeSolution['status']
  lowerContributions?: Float64Array<ArrayBuffer>
  lowerProfiles?: Float64Array<ArrayBuffer>
}

export interface NativeBootstrapDisplacement {
  status: NativeSolution['status']
  bootstrap: NativeBootstrap
  largestDecrease: number
  resamples: NativeDisplacedResample[]
  /** Levels: lower end, upper end and count of each, in turn. */
  elements: { factor: number; species: number; levels: Float64Array<ArrayBuffer> }[]
}

export interface NativeDisplacedResample {
  run: number
  accepted: boolean
  drop: boolean
  swappedInFit: boolean
  swappedInDisplacement: boolean
  /** Absent where the fit does not map, or is not certified. */
  displacement?: NativeDisplacement
}

/** Of elements, factors × species each; quantiles one probability after the other; draws chain by chain. */
export interface NativePosterior {
  status: NativeSolution['status']
  mean: Float64Array<ArrayBuffer>
  meanError: Float64Array<ArrayBuffer>
  deviation: Float64Array<ArrayBuffer>
  deviationError: Float64Array<ArrayBuffer>
  ess: Float64Array<ArrayBuffer>
  rHat: Float64Array<ArrayBuffer>
  quantiles: Float64Array<ArrayBuffer>
  quantileErrors: Float64Array<ArrayBuffer>
  standardErrors: Float64Array<ArrayBuffer>
  draws: Float64Array<ArrayBuffer>
  drawsOfEach: number
  stepsOfADraw: number
  acceptance: Float64Array<ArrayBuffer>
  steps: Float64Array<ArrayBuffer>
  swapped: Float64Array<ArrayBuffer>
  warnings: NativeWarning[]
}

export interface NativeAnalysis {
  residuals: Float64Array<ArrayBuffer>
  scaledResiduals: Float64Array<ArrayBuffer>
  q: number
  cells: number
  qExpected: number
  qExpectedStrong: number
  massRegression?: NativeMassRegression
  species: NativeSpeciesFit[]
  samples: NativeFit[]
  largeResiduals: NativeLargeResidual[]
  explainedVariation: Float64Array<ArrayBuffer>
  unexplainedVariation: Float64Array<ArrayBuffer>
  percentOfSpecies: Float64Array<ArrayBuffer>
  mass: Float64Array<ArrayBuffer>
}
