/** Dictionaries of many more atoms than columns: the streaming lane. */
import type { NativeLaneSettings } from '#native'
import { readDevice, type DeviceName } from '../device.ts'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { dropAbsent, stopwatch } from '../pmf/solution.ts'
import type { Status, Timing, Warning } from '../pmf/types.ts'
import { Checker } from '../validate.ts'
import { ArrayFile } from './arrays.ts'
import { exportSaeLens } from './sae-lens.ts'

/** Rows: a matrix, an array file (float32 stays so), or float32 numbers with their shape. */
export type WideRows = MatrixLike | ArrayFile | { rows: number; cols: number; data: Float32Array }

/** Options of {@link fitDictionaryStream}. */
export interface FitDictionaryStreamOptions extends JobOptions {
  /** K, up to the number of rows. */
  atoms: number
  /** s: most atoms of a row, up to 64. */
  active: number
  /** A direction with one number a code, or a circle in a plane with amplitude and phase. @default 'direction' */
  topology?: 'direction' | 'circle' | undefined
  /** Codes of directions are not negative. @default true, as activations of features are */
  nonNegative?: boolean | undefined
  /** An offset is fitted. @default true */
  centre?: boolean | undefined
  /** λ, relative to ‖d‖² = 1. @default 1e-6: it bounds codes of nearly parallel atoms */
  ridge?: number | undefined
  /** Key of all random numbers. @default 0 */
  seed?: number | undefined
  /** Most passes over the rows. @default 40 */
  passes?: number | undefined
  /** Most early passes, in which decoders are refitted several times a pass and unused atoms begin again. @default 20 */
  earlyPasses?: number | undefined
  /**
   * Where the products of rows with all atoms run, which only propose atoms; everything else is the CPU's. With `'auto'` a GPU is
   * used from 10000 directions on.
   * @default 'cpu', which gives the same bits with and without a GPU
   */
  device?: DeviceName | undefined
}

/** Options of {@link WideDictionary.encode}. */
export interface EncodeWideOptions extends JobOptions {
  /** As of {@link fitDictionaryStream}. @default 'cpu' */
  device?: DeviceName | undefined
}

/** One pass. */
export interface WidePass {
  /** ½Σ‖x − x̂‖² + ½λΣc². */
  objective: number
  /** Explained variance, but for λ. */
  ev?: number
  /** Share of rows whose support changed. */
  changed: number
  /** Scaled gradient over decoders and offset for these codes. */
  gradient: number
  /** Atoms that no row used, that gave their rows to a twin, that explained next to nothing; how many began again. */
  unused: number
  joined: number
  idle: number
  reborn: number
}

/** Codes of rows: active atoms ascending within a row; `phases` (turns, in [0, 1)) for circles. */
export interface WideCodes {
  sizes: Uint32Array<ArrayBuffer>
  atoms: Uint32Array<ArrayBuffer>
  amounts: Float64Array<ArrayBuffer>
  phases: Float64Array<ArrayBuffer>
}

/** What {@link WideDictionary.encode} returns. */
export interface EncodedWide extends WideCodes {
  /** `device-gave-up`, where `device: 'auto'` met a GPU that did. */
  warnings: Warning[]
}

/** The fields of a {@link WideDictionary}. */
export interface WideFields {
  status: Status
  topology: 'direction' | 'circle'
  atoms: number
  active: number
  nonNegative: boolean
  ridge: number
  seed: number
  offset: Float64Array<ArrayBuffer>
  decoders: Matrix
  codes: WideCodes
  objective?: number
  passes: WidePass[]
  seeding: WidePass[]
  warnings: Warning[]
  timing: Timing
}

/** A dictionary of many directions or circles. Plain data; `new WideDictionary(clone)` gives a clone its methods back. */
export class WideDictionary implements WideFields {
  /**
   * `converged`: no row has an exchange of atoms (among its candidates) that lowers the objective, and the gradient over
   * decoders is zero. `stalled`: a pass gained next to nothing without that. `budget`: the passes were used up.
   */
  readonly status: Status
  readonly topology: 'direction' | 'circle'
  readonly atoms: number
  readonly active: number
  readonly nonNegative: boolean
  readonly ridge: number
  readonly seed: number
  /** p numbers. */
  readonly offset: Float64Array<ArrayBuffer>
  /** K × p, rows of length 1; for circles 2K × p, two orthonormal rows an atom: x̂ = offset + Σ a(cos 2πt u + sin 2πt v). */
  readonly decoders: Matrix
  /** Codes of the rows that were fitted. */
  readonly codes: WideCodes
  /** Of the last whole pass. */
  declare readonly objective?: number
  readonly passes: WidePass[]
  /** Passes in which the directions that circles begin as were learnt. */
  readonly seeding: WidePass[]
  /** `device-gave-up`, where `device: 'auto'` met a GPU that did. */
  readonly warnings: Warning[]
  readonly timing: Timing

  constructor(fields: WideFields) {
    this.status = fields.status
    this.topology = fields.topology
    this.atoms = fields.atoms
    this.active = fields.active
    this.nonNegative = fields.nonNegative
    this.ridge = fields.ridge
    this.seed = fields.seed
    this.offset = fields.offset
    this.decoders = Matrix.from(fields.decoders)
    this.codes = fields.codes
    if (fields.objective !== undefined) this.objective = fields.objective
    this.passes = fields.passes
    this.seeding = fields.seeding
    this.warnings = fields.warnings
    this.timing = fields.timing
  }

  /**
   * Codes rows from nothing: greedy picks over all atoms, least squares on the support, exchanges.
   * @throws InvalidInputError `shape-mismatch`, `value-missing`, `value-not-finite`; the signal's reason
   * @throws BackendUnavailableError if the device that was asked for cannot be had or gives up
   */
  async encode(data: WideRows, options: EncodeWideOptions = {}): Promise<EncodedWide> {
    const check = new Checker(options, 'encode(): options')
    const device = readDevice(check, 'device', ['cpu', 'auto', 'cuda'])
    const job = check.job()
    check.finish()
    const rows = readRows(data)
    if (rows.cols !== this.offset.length) {
      const message = `the rows have ${rows.cols} columns, the dictionary ${this.offset.length}`
      throw new InvalidInputError('shape-mismatch', message, { name: 'data' })
    }
    const settings = dropAbsent<NativeLaneSettings>({
      ...{ atoms: this.atoms, active: this.active, circles: this.topology === 'circle', offset: true },
      ...{ nonNegative: this.nonNegative, ridge: this.ridge, seed: this.seed, threads: job.threads, device },
      ...{ passes: undefined, early: undefined, searches: undefined, candidates: undefined },
    })
    const directions = new Float64Array(this.decoders.data)
    const found = await runJob(
      (token, progress) => native().encodeLane(this.offset, directions, rows.data, settings, token, progress),
      job,
    )
    const { sizes, atoms, amounts, phases, warnings } = found
    return { sizes, atoms, amounts, phases, warnings }
  }

  /**
   * Writes directions whose codes are not negative for SAELens; see {@link exportSaeLens} for what its encoder is not.
   * @throws InvalidInputError `topology-not-supported`
   */
  exportSaeLens(folder: string, metadata?: Readonly<Record<string, unknown>>): void {
    if (this.topology !== 'direction' || !this.nonNegative) {
      const message = 'SAELens knows directions whose codes are not negative only'
      throw new InvalidInputError('topology-not-supported', message, { name: 'folder' })
    }
    const { decoders: decoder, offset, active } = this
    exportSaeLens(folder, { decoder, offset, active, ...(metadata ? { metadata } : {}) })
  }
}

/**
 * Learns a dictionary of K directions (or circles) of which at most `active` are on in a row, for K far above the number of
 * columns: the decoders are never squared, and memory is the rows, three times the decoders, and 24 bytes a code.
 *
 * Rows are coded over all atoms by products in float32 that propose, and decided in float64; decoders are refitted together by
 * conjugate gradients on the sparse codes. A row's code is left only for one with a lower objective. For few atoms, curves with
 * more harmonics, weights, missing cells and second-order proof use {@link fitDictionary}.
 *
 * @param data N × p, all finite
 * @throws InvalidInputError all wrong options at once; `value-missing`, `value-not-finite`, `too-many-atoms`; the signal's reason
 * @throws BackendUnavailableError if the device that was asked for cannot be had or gives up
 * @example
 * ```ts
 * using file = openArray('activations.safetensors')
 * const dictionary = await fitDictionaryStream(file, { atoms: 4096, active: 8, seed: 1 })
 * dictionary.exportSaeLens('sae', { model_name: 'gpt2' })
 * ```
 */
export async function fitDictionaryStream(
  data: WideRows,
  options: FitDictionaryStreamOptions,
): Promise<WideDictionary> {
  const time = stopwatch()
  const check = new Checker(options, 'fitDictionaryStream(): options')
  check.required('atoms', 'how many')
  check.required('active', 'most atoms of a row')
  const most = 2 ** 32 - 1
  const topology = check.oneOf('topology', ['direction', 'circle']) ?? 'direction'
  const nonNegative = check.boolean('nonNegative') ?? true
  const ridge = check.number('ridge', { min: 0, max: 1 }) ?? 1e-6
  const settings = dropAbsent<NativeLaneSettings>({
    atoms: check.integer('atoms', { min: 1, max: most }) ?? 1,
    active: check.integer('active', { min: 1, max: 64 }) ?? 1,
    circles: topology === 'circle',
    ...{ nonNegative, ridge },
    offset: check.boolean('centre') ?? true,
    seed: check.integer('seed') ?? 0,
    passes: check.integer('passes', { min: 1, max: most }),
    early: check.integer('earlyPasses', { max: most }),
    device: readDevice(check, 'device', ['cpu', 'auto', 'cuda']),
    ...{ searches: undefined, candidates: undefined, threads: undefined as number | undefined },
  })
  const job = check.job()
  check.finish()
  if (job.threads !== undefined) settings.threads = job.threads
  const rows = readRows(data)
  const found = await runJob(
    (token, progress) => native().fitLane(rows.data, rows.cols, settings, token, progress),
    job,
  )
  const { status, offset, directions, sizes, atoms, amounts, phases, objective, passes, seeding, warnings } = found
  return new WideDictionary({
    ...{ status, topology, nonNegative, ridge, offset, passes, seeding, warnings },
    ...{ atoms: settings.atoms, active: settings.active, seed: settings.seed },
    decoders: new Matrix(directions.length / rows.cols, rows.cols, directions),
    codes: { sizes, atoms, amounts, phases },
    ...(objective === undefined ? {} : { objective }),
    timing: time(),
  })
}

function readRows(data: WideRows): { cols: number; data: Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> } {
  if (data instanceof ArrayFile) {
    const single = data.dtype === 'float32' || data.dtype === 'float16' || data.dtype === 'bfloat16'
    const rows = single ? data.readRows(0, data.rows, { as: 'float32' }) : data.readRows(0, data.rows)
    return { cols: data.cols, data: rows }
  }
  const own = data as { rows?: unknown; cols?: unknown; data?: unknown }
  if (own.data instanceof Float32Array && typeof own.rows === 'number' && typeof own.cols === 'number') {
    if (own.data.length !== own.rows * own.cols) {
      const message = `${own.rows} × ${own.cols} rows need ${own.rows * own.cols} numbers, got ${own.data.length}`
      throw new InvalidInputError('matrix-not-valid', message, { name: 'data' })
    }
    return { cols: own.cols, data: own.data as Float32Array<ArrayBuffer> }
  }
  const matrix = Matrix.from(data as MatrixLike, 'data')
  return { cols: matrix.cols, data: matrix.data as Float64Array<ArrayBuffer> }
}
