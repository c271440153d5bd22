/** What every job resolves with. */
export type NativeOutcome<T> = ({ ok: true } & T) | NativeFailure

/** A job that gave no result. `row` and `col` are 0-based. */
export interface NativeFailure {
  ok: false
  code: string
  message: string
  row?: number
  col?: number
  limit?: number
  hint?: string
}

/** Called with units done, units planned, best objective and distinct minima so far. */
export type NativeProgress = (done: number, total: number, best?: number | null, basins?: number | null) => void

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

export interface NativeBounds {
  min: number
  max: number
  lower: number
  upper: number
  steps: number
}

/** A running solve; known to the session functions only. */
export interface NativeSession {
  readonly opaque: never
}

export interface NativeEdges {
  ends: Uint32Array<ArrayBuffer>
  weights: Float64Array<ArrayBuffer>
  fluxes?: Float64Array<ArrayBuffer>
}

/** Steps: `report` is laid out as the addon's layout says, `states` are one behind the other. */
export interface NativeStates {
  report: Float64Array<ArrayBuffer>
  states: Float64Array<ArrayBuffer>
}

export interface NativeCotangents {
  psiPlus: Float64Array<ArrayBuffer>
  psi: Float64Array<ArrayBuffer>
  dt: number
  weights?: Float64Array<ArrayBuffer>
  fluxes?: Float64Array<ArrayBuffer>
  lambda: Float64Array<ArrayBuffer>
  pairs?: Float64Array<ArrayBuffer>
  forward: Float64Array<ArrayBuffer>
  adjoint: Float64Array<ArrayBuffer>
}

export interface NativeSeries {
  psi: Float64Array<ArrayBuffer>
  converged: boolean
  reason: string
  terms: number
  truncation: number
  rounding: number
  normDefect: number
  min: number
  max: number
}

export interface NativeGradient {
  x: Float64Array<ArrayBuffer>
  rhs: Float64Array<ArrayBuffer>
  matrix?: Float64Array<ArrayBuffer>
  sigma?: number
  a?: number
  damp?: number
  forward: Float64Array<ArrayBuffer>
  adjoint: Float64Array<ArrayBuffer>
}

export interface NativeTangent {
  x: Float64Array<ArrayBuffer>
  dx: Float64Array<ArrayBuffer>
  forward: Float64Array<ArrayBuffer>
  tangent: Float64Array<ArrayBuffer>
}

/** A running minimisation; known to its functions only. */
export interface NativeDescent {
  readonly opaque: never
}

/** A running least-squares fit; known to its functions only. */
export interface NativeLeastSquares {
  readonly opaque: never
}

export interface NativeLeastSquaresResult {
  reason: string
  parameters: Float64Array<ArrayBuffer>
  residuals: Float64Array<ArrayBuffer>
  gradient: Float64Array<ArrayBuffer>
  cost: number
  gradientNorm: number
  offset: number
  relativeStep: number
  /** −1 at the lower bound, 1 at the upper one, 0 free. */
  held: number[]
  iterations: number
  evaluations: number
  jacobians: number
  nonFinite: number
  estimates?: {
    covariance: Float64Array<ArrayBuffer>
    standardErrors: Float64Array<ArrayBuffer>
    correlation: Float64Array<ArrayBuffer>
    unidentified: number[]
    rank: number
    condition: number
    degreesOfFreedom: number
    reduced: number
  }
}

export interface NativeDictionaryFacts {
  theta: Float64Array<ArrayBuffer>
  parameters: string[]
  rho: Float64Array<ArrayBuffer>
}

export interface NativeCodesOut {
  sizes: Uint32Array<ArrayBuffer>
  atoms: Uint32Array<ArrayBuffer>
  gates: Float64Array<ArrayBuffer>
  coordinates: Float64Array<ArrayBuffer>
  amounts?: Float64Array<ArrayBuffer>
}

export interface NativeScore {
  rows: number
  cells: number
  ev?: number
  evCentred?: number
  fvu?: number
  fvuCentred?: number
  mse?: number
  cosine?: number
  lengthRatio?: number
  relativeBias?: number
  l0: number
  l0Quantiles: number[]
  scalarsPerRow: number
  dead: number
  density: { from: number; atoms: number }[]
  maxCoActiveCosine: number
  meanCoActiveCosine: number
  coActivePairs: number
  decoderParameters: number
  emptyRows: number
  length: number
}

export interface NativeEncoded extends NativeCodesOut {
  score: NativeScore
}

/** Arrays of one number a match; `principal` has `ranks` of them. NaN where phases say nothing. */
export type NativeAgreement = Record<'first' | 'second' | 'ranks', Uint32Array<ArrayBuffer>> &
  Record<'cosines' | 'principal', Float64Array<ArrayBuffer>> &
  Partial<Record<'both' | 'either', Uint32Array<ArrayBuffer>>> & { mean: number; phases?: Float64Array<ArrayBuffer> }

export interface NativeLanePass {
  objective: number
  ev?: number
  changed: number
  gradient: number
  unused: number
  joined: number
  idle: number
  reborn: number
}

/** Phases of circles only; codes of directions are signed where they may be. */
export interface NativeLaneCodes {
  sizes: Uint32Array<ArrayBuffer>
  atoms: Uint32Array<ArrayBuffer>
  amounts: Float64Array<ArrayBuffer>
  phases: Float64Array<ArrayBuffer>
}

export interface NativeLane extends NativeLaneCodes {
  status: NativeSolution['status']
  objective?: number
  offset: Float64Array<ArrayBuffer>
  directions: Float64Array<ArrayBuffer>
  passes: NativeLanePass[]
  seeding: NativeLanePass[]
}

export interface NativeAmortised {
  weights: Float64Array<ArrayBuffer>
  bias: Float64Array<ArrayBuffer>
  evExact?: number
  evAmortised?: number
  agreement: number
  coordinateErrors?: number[]
}

export interface NativeAtomFacts {
  rows: number
  mass: number
  share: number
  effectiveRows: number
  signalToNoise: number
  worth?: number
  spread: number[]
  coverage: number
  tangentCondition: number
  trust: number
  kurtosis?: number
  kurtosisError?: number
  claim: 'holds' | 'not-worth-its-length' | 'collapsed' | 'filled' | 'undecided'
}

export interface NativeControl {
  kind:
    | 'components-at-equal-codes'
    | 'components-at-equal-parameters'
    | 'directions'
    | 'shuffled-columns'
    | 'matched-covariance'
  ev?: number
  scalarsPerRow: number
  decoderParameters: number
  kept: number
  claims: number
  strongest: number
}

export interface NativeFit {
  status: NativeSolution['status']
  value: number
  kept: number[]
  topologies: string[]
  sizes: number[]
  rounds: number
  moved: number
  missed: number
  degrees: number
  boundary: string[]
  seed: 'cumulants' | 'greedy'
  trial?: number
  criterion?: number
  laplaceGap?: number
  evidence: NativeEvidence
  offset: Float64Array<ArrayBuffer>
  decoders: Float64Array<ArrayBuffer>
  noise: number
  amplitude: Float64Array<ArrayBuffer>
  roughness: Float64Array<ArrayBuffer>
  ridge: Float64Array<ArrayBuffer>
  ard: Float64Array<ArrayBuffer>
  active: number
  atoms: NativeAtomFacts[]
  codes: NativeCodesOut
  train: NativeScore
  heldOut?: NativeScore
  controls?: NativeControl[]
}

export interface NativeStationarity {
  x: Float64Array<ArrayBuffer>
  status: 'converged' | 'negativeCurvature' | 'stagnated' | 'aborted'
  iterations: number
  residual: number
  direction?: Float64Array<ArrayBuffer>
  curvature?: number
}

export interface NativeMinimum {
  status: 'converged' | 'saddle' | 'stalled' | 'budget' | 'aborted'
  value: number
  theta: Float64Array<ArrayBuffer>
  direction?: Float64Array<ArrayBuffer>
  evidence: NativeEvidence
}

export interface NativeEvidence {
  iterations: number
  newtonSteps: number
  dampedSteps: number
  surrogateSteps: number
  escapes: number
  decrement?: number
  gradientNorm: number
  minCurvature?: number
  flat: boolean
  held: number
  gauges: number
}

export interface NativeCriterion {
  minimum: NativeMinimum
  criterion?: number
  logDeterminant?: number
  gradient?: Float64Array<ArrayBuffer>
  degrees?: Float64Array<ArrayBuffer>
  laplaceGap?: number
  iterations?: number
}

export interface NativeArrayFacts {
  name?: string
  names: string[]
  shape: number[]
  rows: number
  cols: number
  dtype: string
}

/** Pairs of atoms, ascending, and their weights. */
export interface NativePairs {
  first: Uint32Array<ArrayBuffer>
  second: Uint32Array<ArrayBuffer>
  weight: Float64Array<ArrayBuffer>
}
