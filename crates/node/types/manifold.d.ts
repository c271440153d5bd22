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
  warnings: NativeWarning[]
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

export interface NativeDictionaryFit {
  status: NativeSolution['status']
  value: number
  kept: number[]
  topologies: string[]
  sizes: number[]
  rounds: number
  moved: number
  missed: number
  open: number
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
