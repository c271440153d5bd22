/** What a fitted dictionary consists of. */
import type { Status, Timing } from '../pmf/types.ts'
import type { Matrix } from '../matrix.ts'
import type { ChosenDictionaryOptions } from './fit.ts'
import type { AtomShape, GateOptions, MinimumEvidence } from './problem.ts'

/** What may be said of an atom's shape. */
export type AtomClaim =
  /** Nothing speaks against it. */
  | 'holds'
  /** The dictionary is shorter to write down without it. */
  | 'not-worth-its-length'
  /** Its coordinates do not spread: a point by another name. */
  | 'collapsed'
  /** A circle whose amplitudes fill the disc: two directions would say the same. */
  | 'filled'
  /** Too few rows, or too much noise, to tell a ring from a disc. */
  | 'undecided'

/** An atom of a fitted dictionary. */
export interface DictionaryAtom {
  /** Which of the atoms asked for it is, from 0. */
  index: number
  /** Its shape. */
  shape: AtomShape
  /** B, functions × columns, in units of the data: its curve or surface is BᵀΦ(t). */
  decoder: Matrix
  /** Rows in which it is on. */
  rows: number
  /** Σ of its amounts. */
  mass: number
  /** Share of the rows' (weighted) squares that its own points make up. */
  share: number
  /** (Σa)²/Σa²: rows that count. */
  effectiveRows: number
  /** Mean over its rows of ω‖a m(t)‖²/φ: the energy of its points in units of the noise's variance. */
  signalToNoise: number
  /** Nats by which the dictionary is longer without it. Absent if atoms were not pruned. */
  worth?: number
  /** Per coordinate: circular variance (0 to 1) of a phase, else the variance. */
  spread: number[]
  /** Share of √rows equal parts of each coordinate that are occupied, the least over coordinates. */
  coverage: number
  /** σ_min/σ_max of its tangents over the rows; 1 for curves. */
  tangentCondition: number
  /** tangentCondition × coverage⁴. */
  trust: number
  /** E a⁴/(E a²)² of its amplitudes without their noise: 1 on a ring, 4/3 in a filled disc, 2 for two normal directions. */
  kurtosis?: number
  /** Its standard error. */
  kurtosisError?: number
  /** What may be claimed. */
  claim: AtomClaim
  /** Whether the claim holds and is worth more nats a row than any claim of the controls. Present if there were controls. */
  survivesControls?: boolean
}

/** Codes of rows: which atoms are on, how much of them, where. */
export interface DictionaryCodes {
  /** N. */
  rows: number
  /** Active atoms of each row. */
  sizes: Uint32Array<ArrayBuffer>
  /** Which, row after row, ascending within a row; numbers of `Dictionary.atoms`. */
  atoms: Uint32Array<ArrayBuffer>
  /** How much of each. */
  amounts: Float64Array<ArrayBuffer>
  /** Coordinates of each, one after another: as many as the atom's shape has. Phases are in [0, 1) turns. */
  coordinates: Float64Array<ArrayBuffer>
  /** Softmax gates: the logits of each row, the last one (0) left out. */
  logits?: Float64Array<ArrayBuffer>
}

/** How well a dictionary says rows, and what it takes. Absent is what the rows do not define. */
export interface DictionaryScore {
  rows: number
  /** Cells with a weight above 0. */
  cells: number
  /** 1 − Σw(x − x̂)²/Σw(x − x̄)², x̄ the means of these rows. */
  ev?: number
  /** 1 − Σ var(x − x̂)/Σ var(x): an offset of x̂ is free. */
  evCentred?: number
  /** 1 − ev. */
  fvu?: number
  /** 1 − evCentred. */
  fvuCentred?: number
  /** Weighted mean of squared errors. */
  mse?: number
  /** Mean cosine of x and x̂. */
  cosine?: number
  /** Mean of ‖x̂‖/‖x‖. */
  lengthRatio?: number
  /** Σ‖x̂‖²/Σ⟨x, x̂⟩. */
  relativeBias?: number
  /** Active atoms a row, mean. */
  l0: number
  /** Quantiles 0, .05, .25, .5, .75, .95, 1 of it. */
  l0Quantiles: number[]
  /** Numbers a row, mean: dimensions of the active atoms, and their amounts where there are any. */
  scalarsPerRow: number
  /** Share of atoms that are never on. */
  dead: number
  /** Atoms by log10 of the share of rows in which they are on; bins are half a decade wide. */
  density: { from: number; atoms: number }[]
  /** Largest and mean ‖B_jB_kᵀ‖/(‖B_j‖‖B_k‖) over atoms that are on together; number of such pairs. */
  maxCoActiveCosine: number
  meanCoActiveCosine: number
  coActivePairs: number
  /** Numbers in all decoders. */
  decoderParameters: number
  /** Rows without a code. */
  emptyRows: number
  /**
   * Nats to write these rows down: ½n ln φ̂ of the n cells, φ̂ the variance that is left when the numbers told in codes are taken
   * off n; for every active atom ln K and ½ Σ ln(1 + r) of its numbers, r the signal-to-noise ratio of a coordinate, and for
   * an amount the variance of its prior over that of its error; ½ M p ln N_k for every decoder. The dictionary of the smallest length says the same rows best (J. Rissanen (1978), "Modeling by shortest data description").
   */
  length: number
}

/** A comparison with what has no curves or no structure. */
export interface DictionaryControl {
  /**
   * Principal components with as many numbers a row, or as many decoder parameters; directions with as many of both, by the
   * same coder; the same fit on rows with each column shuffled, or on normal rows of the same covariance.
   */
  kind:
    | 'components-at-equal-codes'
    | 'components-at-equal-parameters'
    | 'directions'
    | 'shuffled-columns'
    | 'matched-covariance'
  /** Explained variance on held-out rows (of the control's own data for the last two). */
  ev?: number
  scalarsPerRow: number
  decoderParameters: number
  /** Atoms that were kept (fits of controls). */
  kept: number
  /** Curves and surfaces among them whose claim holds. */
  claims: number
  /** Most nats a row that one of these is worth: a claim on the data that is worth less says nothing. */
  strongest: number
}

/** One thing that was checked. */
export interface DictionaryCheck {
  name:
    | 'decrement'
    | 'curvature'
    | 'better-codes'
    | 'codes-equal-a-fresh-encode'
    | 'places'
    | 'hyperparameters-inside'
    | 'worth'
    | 'spread'
    | 'controls'
  /** What was found. */
  value: number
  /** What it is compared with. */
  threshold: number
  status: 'passed' | 'failed' | 'unknown'
  /** In words. */
  message: string
}

/** What proves a dictionary, or says what is missing: the evidence of the last minimum, and all checks. */
export interface DictionaryCertificate extends MinimumEvidence {
  /** Rows that found a better support after the last minimum. */
  betterCodes: number
  /** Rows whose fresh code is worse than the one they have. */
  worseFreshCodes: number
  /** Everything that was checked, with what it was compared with. A failed one is said even if the status is `converged`. */
  checks: DictionaryCheck[]
}

/** Strengths of the priors; see {@link StrengthOptions}. */
export interface DictionaryStrengths {
  entropy: number
  amplitude: number[]
  roughness: number[]
  ridge: number[]
  ard: number[]
}

/** The fields of a {@link Dictionary}. */
export interface DictionaryFields {
  headwater: string
  status: Status
  certificate: DictionaryCertificate
  value: number
  rounds: number
  seed: { from: 'cumulants' | 'greedy'; trial?: number }
  criterion?: { value: number; laplaceGap?: number; boundary: string[] }
  columns: number
  offset: Float64Array<ArrayBuffer>
  asked: number
  atoms: DictionaryAtom[]
  gate: GateOptions
  active: number
  beam: number
  nonNegative: boolean
  noise: number
  degrees: number
  strengths: DictionaryStrengths
  codes: DictionaryCodes
  train: DictionaryScore
  heldOut?: DictionaryScore
  controls?: DictionaryControl[]
  options: ChosenDictionaryOptions
  timing: Timing
}
