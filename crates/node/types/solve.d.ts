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
