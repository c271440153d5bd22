/** The result of `fitDictionary`. */
import type { NativeModel, NativeRows } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import type { Status, Timing } from '../pmf/types.ts'
import { call } from '../solve/backend.ts'
import { readVector } from '../solve/vectors.ts'
import { Checker } from '../validate.ts'
import type { ArrayFile } from './arrays.ts'
import type {
  DictionaryAtom,
  DictionaryCertificate,
  DictionaryCodes,
  DictionaryControl,
  DictionaryFields,
  DictionaryScore,
  DictionaryStrengths,
} from './dictionary-types.ts'
import { rowsOf, type ChosenDictionaryOptions } from './fit.ts'
import { toCodes } from './from-fit.ts'
import { loadDictionary, saveDictionary } from './model-folder.ts'
import type { GateOptions, Numbers } from './problem.ts'
import { exportSaeLens } from './sae-lens.ts'
import { dimensionOf, readShape } from './shapes.ts'

/** Options of {@link Dictionary.encode}. */
export interface EncodeOptions extends JobOptions {
  /** N × p, weights of cells (1/σ²); 0 is missing. @default 1 */
  cellWeights?: MatrixLike | undefined
  /** N, above 0. @default 1 */
  rowWeights?: Numbers | undefined
  /** What row weights are. @default 'precision' */
  weighting?: 'precision' | 'sampling' | undefined
}

/** A linear encoder of a dictionary; see {@link Dictionary.amortise}. */
export interface AmortisedEncoder {
  /**
   * outputs × p. Outputs atom by atom: the amount a; then a cos 2πt, a sin 2πt for a phase t, or a t for any other coordinate.
   */
  weights: Matrix
  /** One an output. */
  bias: Float64Array<ArrayBuffer>
  /** How its codes compare with exact ones. */
  gap: {
    /** Explained variance with exact and with amortised codes. */
    evExact?: number
    evAmortised?: number
    /** Share of the exact codes' active atoms that are active in the amortised ones. */
    agreement: number
    /** Quantiles .5, .9, 1 of the distance of coordinates (around the circle where periodic). */
    coordinateErrors?: number[]
  }
}

/** One active atom of a row. */
export interface ActiveAtom {
  /** Number in `Dictionary.atoms`. */
  atom: number
  /** a. */
  amount: number
  /** t: as many coordinates as its shape has. */
  coordinates: number[]
}

/**
 * A fitted dictionary with its proof: row ≈ offset + Σ a BᵀΦ(t) over the active atoms. Its fields are plain data and typed arrays, so
 * it passes through `structuredClone`, workers and Electron IPC; `new Dictionary(clone)` gives the other side its methods back.
 */
export class Dictionary implements DictionaryFields {
  /** Version of headwater that computed it. */
  readonly headwater: string
  /**
   * `converged`: the minimum is proved and no row has a better code. `boundary`: a hyperparameter ended on a face of its box.
   * Else what stopped it.
   */
  readonly status: Status
  /** What proves it, or what is missing. */
  readonly certificate: DictionaryCertificate
  /** L at the end: Σω(f − z)²/2φ and all priors. NaN where the fit was stopped before it was known. */
  readonly value: number
  /** Minima and codings that were taken in turns. */
  readonly rounds: number
  /** Where the decoders came from. */
  readonly seed: { from: 'cumulants' | 'greedy'; trial?: number }
  /** Laplace's criterion at the end, where hyperparameters were chosen by it. */
  declare readonly criterion?: { value: number; laplaceGap?: number; boundary: string[] }
  /** p. */
  readonly columns: number
  /** What is added to every row, p numbers. */
  readonly offset: Float64Array<ArrayBuffer>
  /** How many atoms were asked for. */
  readonly asked: number
  /** Those that were kept. None: nothing stands out of the noise. */
  readonly atoms: DictionaryAtom[]
  /** How rows are gated. */
  readonly gate: GateOptions
  /** Most atoms of a row. */
  readonly active: number
  /** Width of the coder's beam. */
  readonly beam: number
  /** Decoders are not negative. */
  readonly nonNegative: boolean
  /** φ: noise variance of a cell of weight 1, in squared units of the data. */
  readonly noise: number
  /** Numbers that were fitted: decoders and codes. */
  readonly degrees: number
  /** Strengths of the priors. */
  readonly strengths: DictionaryStrengths
  /** Codes of the rows that were fitted. */
  readonly codes: DictionaryCodes
  /** Figures on these rows. */
  readonly train: DictionaryScore
  /** Figures on held-out rows, where there were any. */
  declare readonly heldOut?: DictionaryScore
  /** Comparisons, if asked for. */
  declare readonly controls?: DictionaryControl[]
  /** The call's options. */
  readonly options: ChosenDictionaryOptions
  /** What it took. */
  readonly timing: Timing

  /** @param fields of a dictionary, for example a structured clone of one */
  constructor(fields: DictionaryFields) {
    const { criterion, heldOut, controls, atoms } = fields
    this.headwater = fields.headwater
    this.status = fields.status
    this.certificate = fields.certificate
    this.value = fields.value
    this.rounds = fields.rounds
    this.seed = fields.seed
    if (criterion !== undefined) this.criterion = criterion
    this.columns = fields.columns
    this.offset = fields.offset
    this.asked = fields.asked
    this.atoms = atoms.map((atom) => ({ ...atom, decoder: Matrix.from(atom.decoder) }))
    this.gate = fields.gate
    this.active = fields.active
    this.beam = fields.beam
    this.nonNegative = fields.nonNegative
    this.noise = fields.noise
    this.degrees = fields.degrees
    this.strengths = fields.strengths
    this.codes = fields.codes
    this.train = fields.train
    if (heldOut !== undefined) this.heldOut = heldOut
    if (controls !== undefined) this.controls = controls
    this.options = fields.options
    this.timing = fields.timing
  }

  /**
   * Codes rows: the least energy of each with these decoders. A row's codes do not depend on the other rows, and the rows of the
   * fit get the codes that the fit gave them.
   * @param data N × p; NaN is missing
   * @returns codes, with figures of how well they say the rows
   * @throws InvalidInputError `shape-mismatch`, `value-not-finite`, …; the signal's reason
   */
  async encode(
    data: MatrixLike | ArrayFile,
    options: EncodeOptions = {},
  ): Promise<DictionaryCodes & { score: DictionaryScore }> {
    const check = new Checker(options, 'encode(): options')
    const weighting = check.oneOf('weighting', ['precision', 'sampling']) ?? 'precision'
    const [cells, weights] = [check.take('cellWeights'), check.take('rowWeights')]
    const job = check.job()
    check.finish()
    const rows = this.#rows(data, 'data')
    const cellWeights = cells === undefined ? undefined : Matrix.from(cells as MatrixLike, 'cellWeights')
    const rowWeights =
      weights === undefined ? undefined : readVector(weights as Numbers, rows.rows, 'float64', 'rowWeights')
    const source: NativeRows = {
      ...rows,
      ...(cellWeights ? { cellWeights: cellWeights.data } : {}),
      ...(rowWeights ? { rowWeights } : {}),
      sampling: weighting === 'sampling',
    }
    const model = this.#model()
    const found = await runJob(
      (token, progress) => native().encodeDictionary(model, source, job.threads, token, progress),
      job,
    )
    return { ...toCodes(found, model.gate), score: found.score }
  }

  /**
   * A linear encoder, fitted to the exact codes of rows by ridge regression whose strength evidence chooses: codes by one
   * product with a matrix, for streams and for hardware that has nothing else. How much worse they are comes with it.
   * @param data N × p without missing cells, for example the rows that were fitted
   * @param options `heldOut`: rows that the gap is measured on. @default the same rows
   * @throws InvalidInputError `option-not-valid` for softmax gates and missing cells; `too-few-atoms`; `shape-mismatch`
   */
  async amortise(
    data: MatrixLike | ArrayFile,
    options: JobOptions & { heldOut?: MatrixLike | ArrayFile | undefined } = {},
  ): Promise<AmortisedEncoder> {
    const check = new Checker(options, 'amortise(): options')
    const held = check.take('heldOut') as MatrixLike | ArrayFile | undefined
    const job = check.job()
    check.finish()
    const rows = this.#rows(data, 'data')
    const heldOut = held === undefined ? undefined : this.#rows(held, 'heldOut')
    const model = this.#model()
    const found = await runJob(
      (token, progress) => native().amortiseDictionary(model, rows, heldOut, job.threads, token, progress),
      job,
    )
    const { weights, bias, evExact, evAmortised, agreement, coordinateErrors } = found
    return {
      weights: new Matrix(bias.length, this.columns, weights),
      bias,
      gap: {
        ...(evExact === undefined ? {} : { evExact }),
        ...(evAmortised === undefined ? {} : { evAmortised }),
        agreement,
        ...(coordinateErrors === undefined ? {} : { coordinateErrors }),
      },
    }
  }

  /**
   * Codes of rows by a linear encoder of this dictionary, on the calling thread.
   * @throws InvalidInputError `shape-mismatch`
   */
  encodeAmortised(encoder: AmortisedEncoder, data: MatrixLike | ArrayFile): DictionaryCodes {
    const rows = this.#rows(data, 'data')
    const model = this.#model()
    const weights = new Float64Array(encoder.weights.data)
    const { value } = call((addon) => addon.encodeAmortised(model, weights, encoder.bias, rows))
    return toCodes(value, model.gate)
  }

  /**
   * What codes say: offset + Σ a BᵀΦ(t), N × p.
   * @param codes of this dictionary. @default those of the rows that were fitted
   * @throws InvalidInputError for codes that are not of this dictionary
   */
  decode(codes: DictionaryCodes = this.codes): Matrix {
    const { sizes, atoms, coordinates, amounts, logits } = codes
    const model = this.#model()
    const gates = model.gate === 'softmax' ? (logits ?? amounts) : model.gate === 'unit' ? new Float64Array(0) : amounts
    const { value } = call((addon) => addon.decodeDictionary(model, { sizes, atoms, gates, coordinates }))
    return new Matrix(sizes.length, this.columns, value)
  }

  /**
   * The active atoms of a row, one by one.
   * @param row from 0
   */
  activeAtoms(row: number, codes: DictionaryCodes = this.codes): ActiveAtom[] {
    if (!Number.isInteger(row) || row < 0 || row >= codes.rows) {
      const message = `row must be a whole number from 0 to ${codes.rows - 1}, got ${row}`
      throw new InvalidInputError('option-out-of-range', message, { name: 'row' })
    }
    let [slot, at] = [0, 0]
    for (let n = 0; n < row; n++) {
      for (let end = slot + codes.sizes[n]!; slot < end; slot++) at += this.#dimension(codes.atoms[slot]!)
    }
    return Array.from({ length: codes.sizes[row]! }, () => {
      const atom = codes.atoms[slot]!
      const coordinates = [...codes.coordinates.subarray(at, at + this.#dimension(atom))]
      at += coordinates.length
      return { atom, amount: codes.amounts[slot++]!, coordinates }
    })
  }

  /**
   * Writes the folder `{ cfg.json, weights.safetensors, coords.safetensors, report.json, certificate.json }`; what is loaded
   * from it is the same to the last bit.
   * @param options `force`: overwrite a dictionary that is there
   * @throws InvalidInputError `output-not-empty`, `output-not-writable`
   */
  save(folder: string, options: { force?: boolean | undefined } = {}): void {
    const check = new Checker(options, 'save(): options')
    const force = check.boolean('force') ?? false
    check.finish()
    saveDictionary(this, folder, force)
  }

  /**
   * Reads what {@link Dictionary.save} wrote.
   * @throws InvalidInputError with `file`: `file-not-found`, `json-not-valid`, or what is wrong with the arrays
   */
  static load(folder: string): Dictionary {
    return new Dictionary(loadDictionary(folder))
  }

  /**
   * Writes points with amplitudes as a linear dictionary for SAELens ({@link exportSaeLens}: what its encoder is, and is not).
   * @throws InvalidInputError `topology-not-supported` for curves and surfaces, and for gates without amplitudes
   */
  exportSaeLens(folder: string, metadata?: Readonly<Record<string, unknown>>): void {
    const curved = this.atoms.findIndex((atom) => atom.shape !== 'constant')
    if (curved >= 0 || this.gate.kind !== 'amplitude' || this.atoms.length === 0) {
      const what = curved >= 0 ? `atom ${curved} is no point` : 'the gate has no amplitudes'
      const message = `SAELens knows points with amplitudes only: ${this.atoms.length === 0 ? 'there are no atoms' : what}`
      throw new InvalidInputError('topology-not-supported', message, { name: 'folder' })
    }
    const rows = this.atoms.map((atom) => atom.decoder.data)
    exportSaeLens(folder, {
      decoder: rows,
      offset: this.offset,
      active: this.active,
      ...(metadata ? { metadata } : {}),
    })
  }

  #rows(data: MatrixLike | ArrayFile, name: string): NativeRows {
    const rows = rowsOf(data, name)
    if (rows.cols !== this.columns) {
      const message = `${name} has ${rows.cols} columns, the dictionary ${this.columns}`
      throw new InvalidInputError('shape-mismatch', message, { name })
    }
    return { rows: rows.rows, cols: rows.cols, values: rows.data, sampling: false }
  }

  #dimension(atom: number): number {
    const found = this.atoms[atom]
    if (found === undefined) {
      throw new InvalidInputError('support-not-valid', `the dictionary has no atom ${atom}`, { name: 'codes' })
    }
    return dimensionOf(named(found))
  }

  #model(): NativeModel {
    const { gate, strengths } = this
    const shapes = this.atoms.map(named)
    const all = this.atoms.map((atom) => atom.decoder.data)
    const decoders = new Float64Array(all.reduce((sum, decoder) => sum + decoder.length, 0))
    let at = 0
    for (const decoder of all) {
      decoders.set(decoder, at)
      at += decoder.length
    }
    return {
      cols: this.columns,
      offset: this.offset,
      topologies: shapes.map(([name]) => name),
      sizes: shapes.map(([, size]) => size),
      gate: gate.kind === 'amplitude' ? (gate.prior ?? 'normal') : gate.kind,
      ...(gate.kind === 'softmax' ? { temperature: gate.temperature ?? 1, logitRidge: gate.ridge ?? 0.1 } : {}),
      nonNegative: this.nonNegative,
      active: this.active,
      beam: this.beam,
      decoders,
      noise: this.noise,
      entropy: strengths.entropy,
      amplitude: Float64Array.from(strengths.amplitude),
      roughness: Float64Array.from(strengths.roughness),
      ridge: Float64Array.from(strengths.ridge),
      ard: Float64Array.from(strengths.ard),
    }
  }
}

function named(atom: DictionaryAtom): [string, number] {
  return readShape(atom.shape, atom.index, new Checker({}, 'dictionary'))
}
