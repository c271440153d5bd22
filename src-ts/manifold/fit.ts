/** The main call: rows in, a proved dictionary out. */
import type { NativeFitSettings, NativeRows } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { dropAbsent, stopwatch } from '../pmf/solution.ts'
import { readVector } from '../solve/vectors.ts'
import { Checker } from '../validate.ts'
import { ArrayFile } from './arrays.ts'
import { Dictionary } from './dictionary.ts'
import { fromFit } from './from-fit.ts'
import type { AtomShape, GateOptions, Numbers } from './problem.ts'
import { readGate, readShape, type NamedShape } from './shapes.ts'

/** Options of {@link fitDictionary}. */
export interface FitDictionaryOptions extends JobOptions {
  /** How many atoms, all of `topology`; or one shape an atom. */
  atoms: number | readonly AtomShape[]
  /** The shape of all atoms, where `atoms` is a number. @default 'circle' */
  topology?: 'constant' | 'linear' | 'circle' | 'torus' | 'patch' | undefined
  /** Harmonics of circles and tori, where `atoms` is a number. @default 1, an ellipse */
  harmonics?: number | undefined
  /** Coordinates of patches, where `atoms` is a number. @default 2 */
  dimension?: number | undefined
  /** Most atoms of a row (top-s). @default 1 */
  active?: number | undefined
  /** @default { kind: 'amplitude', prior: 'normal' } */
  gate?: GateOptions | undefined
  /** Decoders are not negative; the mean then stays. @default false */
  nonNegative?: boolean | undefined
  /**
   * The mean of the rows is taken off first and added again. @default true, unless decoders are not negative or all atoms are
   * points: sums of directions with amounts ≥ 0 begin at the origin
   */
  centre?: boolean | undefined
  /**
   * Atoms that are not worth what they cost to write down are taken out, so that `atoms` is the most that there may be.
   * @default true
   */
  prune?: boolean | undefined
  /** Key of all random numbers. @default 0 */
  seed?: number | undefined
  /** Draws of seeds one after the other; used unless circles are found by cumulants. @default 4 */
  restarts?: number | undefined
  /** Supports that the coder follows at once. With `active: 2` and at least as many as atoms, all pairs are tried. @default 8 */
  beam?: number | undefined
  /**
   * Strengths of the priors: `size` from what is fitted, `evidence` by Laplace's criterion, `none` for points only (plain
   * weighted least squares).
   * @default 'evidence' where an atom can be rough (harmonics from 2, tori, patches), else 'size'
   */
  smoothing?: 'size' | 'evidence' | 'none' | undefined
  /** λ of the shares' entropy (softmax). @default 0 */
  entropy?: number | undefined
  /** Strength of the decoder incoherence. @default 0 */
  incoherence?: number | undefined
  /** Strength of the repulsion of nearly equal decoders. @default 0 */
  repulsion?: number | undefined
  /** N × p, weights of cells (1/σ²); 0 is missing. @default 1 */
  cellWeights?: MatrixLike | undefined
  /** N, above 0. @default 1 */
  rowWeights?: Numbers | undefined
  /** What row weights are: see {@link DictionaryProblemOptions}. @default 'precision' */
  weighting?: 'precision' | 'sampling' | undefined
  /** Rows from the first on that are fitted; the others are held out. Not together with `heldOut`. @default all */
  trainRows?: number | undefined
  /** Rows that are held out: the dictionary is judged on them. */
  heldOut?: MatrixLike | ArrayFile | undefined
  /**
   * Compares with what the rows give without curves, and curves without structure: principal components, directions with
   * equal codes and parameters, shuffled columns, normal rows of the same covariance. Needs held-out rows, and costs three
   * more fits.
   * @default false
   */
  controls?: boolean | undefined
  /**
   * Shapes against which every atom is raced once the fit stands: the rows that it codes, less what the others say there, are
   * fitted by one atom of each shape; it changes to the one by which held-out rows become shortest to write down (their
   * errors, codes and decoders, see `heldOut.length`). Needs held-out rows; costs a small fit for every atom and shape, and
   * one whole fit where a shape has changed. Names stand for one harmonic and two coordinates.
   * @default none
   */
  race?: readonly (AtomShape | 'circle' | 'torus' | 'patch')[] | undefined
  /** Minimum and coding in turns, at most. @default 12 */
  maxRounds?: number | undefined
  /** Iterations of each minimisation, at most. @default 200 */
  maxIterations?: number | undefined
}

/** Largest value of an unsigned 32-bit counter in the engine. */
const MOST = 2 ** 32 - 1

/**
 * Fits a sparse dictionary whose atoms are points, lines, circles, tori or patches:
 * row n ≈ offset + Σ_{k in S_n} a_nk B_kᵀΦ_k(t_nk), |S_n| ≤ active.
 *
 * Decoders B begin as planes from fourth cumulants (circles) or as subspaces one after the other; codes and decoders then
 * take turns; atoms that are not worth their length go; all unknowns together are brought to a proved minimum, and rows are
 * coded anew until none has a better code. `status` is `converged` only if both hold.
 *
 * Runs off the JavaScript thread; arrays are copied at the call. The same input, seed and version give the same bits, whatever
 * the number of threads. Cost: rows × atoms × active × beam searches of about a microsecond a turn, and one Newton step with
 * (functions × columns)² numbers an iteration.
 *
 * @param data N × p; NaN is missing. An {@link ArrayFile} is read as a whole.
 * @throws InvalidInputError all wrong options at once, or what is wrong with the data; the signal's reason after an abort
 * @example
 * ```ts
 * const dictionary = await fitDictionary(activations, { atoms: 6, topology: 'circle', trainRows: 1200, seed: 1 })
 * console.log(dictionary.status, dictionary.heldOut?.ev, dictionary.atoms.map((atom) => atom.claim))
 * ```
 */
export async function fitDictionary(data: MatrixLike | ArrayFile, options: FitDictionaryOptions): Promise<Dictionary> {
  const time = stopwatch()
  const { settings, train, heldOut, controls, job, chosen } = readOptions(data, options)
  const { fitDictionary: start, version } = native()
  const found = await runJob((token, progress) => start(train, heldOut, settings, controls, token, progress), job)
  return new Dictionary(fromFit(found, settings.topologies.length, settings, chosen, version(), time()))
}

/** The options of the call that change the result, as far as they were given. */
export type ChosenDictionaryOptions = Omit<
  FitDictionaryOptions,
  'atoms' | 'cellWeights' | 'rowWeights' | 'heldOut' | 'signal' | 'onProgress' | 'onAbort' | 'threads'
>

interface Read {
  settings: NativeFitSettings
  train: NativeRows
  heldOut: NativeRows | undefined
  controls: boolean
  job: JobOptions
  chosen: ChosenDictionaryOptions
}

function readOptions(source: MatrixLike | ArrayFile, options: FitDictionaryOptions): Read {
  const check = new Checker(options, 'fitDictionary(): options')
  check.required('atoms', 'how many, or one shape an atom')
  const shapes = readAtoms(check)
  const rough = shapes.some(([name, size]) => name === 'torus' || name === 'patch' || (name === 'circle' && size > 1))
  const nonNegative = check.boolean('nonNegative') ?? false
  const settings: NativeFitSettings = dropAbsent({
    topologies: shapes.map(([name]) => name),
    sizes: shapes.map(([, size]) => size),
    ...readGate(check, 'normal'),
    active: check.integer('active', { min: 1, max: Math.max(1, shapes.length) }) ?? 1,
    nonNegative,
    centre: check.boolean('centre') ?? !(nonNegative || shapes.every(([name]) => name === 'constant')),
    prune: check.boolean('prune') ?? true,
    seed: check.integer('seed') ?? 0,
    restarts: check.integer('restarts', { min: 1, max: MOST }) ?? 4,
    beam: check.integer('beam', { min: 1, max: MOST }) ?? 8,
    smoothing: check.oneOf('smoothing', ['size', 'evidence', 'none']) ?? (rough ? 'evidence' : 'size'),
    entropy: check.number('entropy', { min: 0 }) ?? 0,
    incoherence: check.number('incoherence', { min: 0 }) ?? 0,
    repulsion: check.number('repulsion', { min: 0 }) ?? 0,
    maxRounds: check.integer('maxRounds', { min: 1, max: MOST }) ?? 12,
    maxIterations: check.integer('maxIterations', { min: 1, max: MOST }),
    ...readRace(check),
    threads: undefined as number | undefined,
  })
  const trainRows = check.integer('trainRows', { min: 1, max: MOST })
  const given = check.take('heldOut') as MatrixLike | ArrayFile | undefined
  if (given !== undefined && trainRows !== undefined) {
    check.problem('options-conflict', 'heldOut', 'heldOut and trainRows both say which rows are held out')
  }
  const controls = check.boolean('controls') ?? false
  if (controls && given === undefined && trainRows === undefined) {
    check.problem('options-conflict', 'controls', 'controls are compared on held-out rows: give heldOut or trainRows')
  }
  if (settings.raceTopologies.length > 0) {
    if (given === undefined && trainRows === undefined) {
      check.problem('options-conflict', 'race', 'shapes are raced on held-out rows: give heldOut or trainRows')
    }
    if (settings.gate === 'softmax') {
      check.problem('options-conflict', 'race', 'atoms with softmax gates share every row and cannot change shape')
    }
  }
  const weighting = check.oneOf('weighting', ['precision', 'sampling']) ?? 'precision'
  const [cells, rows] = [check.take('cellWeights'), check.take('rowWeights')]
  const job = check.job()
  check.finish()
  if (job.threads !== undefined) settings.threads = job.threads
  const data = rowsOf(source, 'data')
  const cellWeights = cells === undefined ? undefined : Matrix.from(cells as MatrixLike, 'cellWeights')
  if (cellWeights && (cellWeights.rows !== data.rows || cellWeights.cols !== data.cols)) {
    const message = `cellWeights are ${cellWeights.rows} × ${cellWeights.cols}, the data ${data.rows} × ${data.cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'cellWeights' })
  }
  const rowWeights = rows === undefined ? undefined : readVector(rows as Numbers, data.rows, 'float64', 'rowWeights')
  const count = trainRows ?? data.rows
  if (trainRows !== undefined && trainRows >= data.rows) {
    const message = `trainRows is ${trainRows}, but there are ${data.rows} rows: at least one must be left to be held out`
    throw new InvalidInputError('option-out-of-range', message, { name: 'trainRows', limit: data.rows - 1 })
  }
  const part = (from: number, to: number): NativeRows => ({
    rows: to - from,
    cols: data.cols,
    values: data.data.slice(from * data.cols, to * data.cols),
    ...(cellWeights ? { cellWeights: cellWeights.data.slice(from * data.cols, to * data.cols) } : {}),
    ...(rowWeights ? { rowWeights: rowWeights.slice(from, to) } : {}),
    sampling: weighting === 'sampling',
  })
  const { atoms: _, cellWeights: __, rowWeights: ___, heldOut: ____, ...rest } = options
  const { signal: _____, onProgress: ______, onAbort: _______, threads: ________, ...chosen } = rest
  return {
    settings,
    train: part(0, count),
    heldOut: trainRows === undefined ? heldOutRows(given, data.cols) : part(count, data.rows),
    controls,
    job,
    chosen,
  }
}

function heldOutRows(given: MatrixLike | ArrayFile | undefined, cols: number): NativeRows | undefined {
  if (given === undefined) return undefined
  const rows = rowsOf(given, 'heldOut')
  if (rows.cols !== cols) {
    const message = `heldOut has ${rows.cols} columns, the data ${cols}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'heldOut' })
  }
  return { rows: rows.rows, cols, values: rows.data, sampling: false }
}

/** Rows of a matrix or a file, none of them infinite: only here it is known where they came from. */
export function rowsOf(source: MatrixLike | ArrayFile, name: string): Matrix {
  const rows = source instanceof ArrayFile ? source.read() : Matrix.from(source, name)
  const at = rows.data.findIndex((value) => value === Infinity || value === -Infinity)
  if (at >= 0) {
    const from = source instanceof ArrayFile ? { file: source.path } : { name }
    const place = { ...from, row: Math.floor(at / rows.cols), col: at % rows.cols }
    throw new InvalidInputError('value-not-finite', 'a value is infinite; missing values are NaN', place)
  }
  return rows
}

function readRace(check: Checker): Pick<NativeFitSettings, 'raceTopologies' | 'raceSizes'> {
  const given = check.take('race')
  if (given !== undefined && !Array.isArray(given)) {
    check.problem('option-not-valid', 'race', "race must be an array of shapes, such as ['linear', 'circle']")
  }
  const whole: Record<string, unknown> = {
    circle: { topology: 'circle' },
    torus: { topology: 'torus' },
    patch: { topology: 'patch', dimension: 2 },
  }
  const shapes = Array.isArray(given)
    ? given.map((shape, at) => readShape(whole[shape] ?? shape, at, check, 'race'))
    : []
  return { raceTopologies: shapes.map(([name]) => name), raceSizes: shapes.map(([, size]) => size) }
}

function readAtoms(check: Checker): NamedShape[] {
  const topology = check.oneOf('topology', ['constant', 'linear', 'circle', 'torus', 'patch'])
  const harmonics = check.integer('harmonics', { min: 1, max: 64 })
  const dimension = check.integer('dimension', { min: 1, max: 4 })
  const atoms = check.take('atoms')
  if (Array.isArray(atoms)) {
    for (const [name, value] of Object.entries({ topology, harmonics, dimension })) {
      if (value !== undefined) {
        check.problem(
          'options-conflict',
          name,
          `${name} goes with a number of atoms; here every atom has its own shape`,
        )
      }
    }
    return atoms.map((shape, at) => readShape(shape, at, check))
  }
  const count = check.integer('atoms', { min: 1, max: 65535 }) ?? 1
  const name = topology ?? 'circle'
  const periodic = name === 'circle' || name === 'torus'
  if (harmonics !== undefined && !periodic) {
    check.problem('options-conflict', 'harmonics', `harmonics are of circles and tori, not of topology '${name}'`)
  }
  if (dimension !== undefined && name !== 'patch') {
    check.problem('options-conflict', 'dimension', `dimension is of patches, not of topology '${name}'`)
  }
  const size = periodic ? (harmonics ?? 1) : name === 'patch' ? (dimension ?? 2) : 0
  return Array.from({ length: count }, (): NamedShape => [name, size])
}
