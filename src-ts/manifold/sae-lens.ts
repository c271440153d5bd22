/** Linear dictionaries for SAELens. */
import { readVector } from '../solve/vectors.ts'
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { Checker } from '../validate.ts'
import { inFile } from './arrays.ts'
import type { Numbers } from './problem.ts'

/** A linear dictionary of K atoms in p columns: x ≈ Σ_k a_k d_k + b. */
export interface SaeLensDictionary {
  /** d_k, K × p. */
  decoder: MatrixLike
  /** b, p. @default 0 */
  offset?: Numbers | undefined
  /** e_k, K × p, a row an atom like the decoder. @default d_k/‖d_k‖², an atom's amplitude as if it were alone */
  encoder?: MatrixLike | undefined
  /** c, K. @default 0 */
  encoderOffset?: Numbers | undefined
  /** Atoms that a row may have, 1 to K: the architecture `topk`. Exactly one of this and `threshold`. */
  active?: number | undefined
  /** K, from 0: an atom is on where its pre-activation exceeds it: the architecture `jumprelu`. */
  threshold?: Numbers | undefined
  /**
   * What SAELens should know of its origin, fit for JSON: `model_name`, `hook_name`, `dataset_path`, … Nothing is needed to load it.
   */
  metadata?: Readonly<Record<string, unknown>> | undefined
}

/** Version whose layout is written; one below 6 would make SAELens read the configuration as an old one. */
const SAE_LENS_VERSION = '6.54.12'

/**
 * Writes `cfg.json` and `sae_weights.safetensors` (float32) into a folder, which is made where it does not exist; SAELens
 * loads it with `SAE.load_from_disk(dir)`. Checked with SAELens 6.54.
 *
 * What is exported is an **amortised** encoder: one product with a matrix, a = top_k(relu(⟨e_k, x − b⟩ + c_k)) or the threshold's.
 * The codes of a fitted dictionary solve a small problem for each row instead, so SAELens' codes and reconstructions
 * **differ from exact ones**, the more so the more the decoders of atoms that are active together overlap. Only for orthonormal
 * atoms and non-negative codes the default encoder is exact. Report the gap, or encode here and decode there.
 * @throws InvalidInputError what is wrong with the options; `matrix-not-valid`, `shape-mismatch`; `value-not-finite` for
 * what is not finite or beyond float32; `options-conflict` for both `active` and `threshold`; `output-not-writable`
 * @example
 * ```ts
 * exportSaeLens('sae', { decoder, offset, active: 8, metadata: { model_name: 'gpt2', hook_name: 'blocks.6.hook_resid_post' } })
 * ```
 */
export function exportSaeLens(dir: string, dictionary: SaeLensDictionary): void {
  if (typeof dir !== 'string' || dir === '') {
    throw new InvalidInputError('option-not-valid', 'exportSaeLens(): the first argument must be a folder', {
      name: 'dir',
    })
  }
  const check = new Checker(dictionary, 'exportSaeLens(): dictionary')
  check.required('decoder', 'one row an atom')
  const given = check.take('decoder') as MatrixLike | undefined
  const decoder = given === undefined ? new Matrix(0, 0, new Float64Array(0)) : Matrix.from(given, 'decoder')
  const { rows: atoms, cols: columns } = decoder
  const vector = (name: string, length: number): Float64Array | undefined => {
    const value = check.take(name)
    return value === undefined ? undefined : readVector(value, length, 'float64', name)
  }
  const offset = vector('offset', columns) ?? new Float64Array(columns)
  const encoderGiven = check.take('encoder') as MatrixLike | undefined
  const encoder = encoderGiven === undefined ? undefined : Matrix.from(encoderGiven, 'encoder')
  if (encoder && (encoder.rows !== atoms || encoder.cols !== columns)) {
    const message = `encoder must be ${atoms} × ${columns} as the decoder, got ${encoder.rows} × ${encoder.cols}`
    check.problem('shape-mismatch', 'encoder', message)
  }
  const encoderOffset = vector('encoderOffset', atoms)
  const threshold = vector('threshold', atoms)
  if (threshold?.some((t) => t < 0))
    check.problem('option-out-of-range', 'threshold', 'thresholds must not be negative')
  const active = check.integer('active', { min: 1, max: Math.max(1, atoms) })
  const metadata = check.take('metadata') ?? {}
  if (typeof metadata !== 'object' || Array.isArray(metadata)) {
    check.problem('option-not-valid', 'metadata', 'metadata must be an object')
  }
  if (given !== undefined && atoms * columns === 0)
    check.problem('matrix-not-valid', 'decoder', 'decoder has no element')
  const gates = Number((dictionary as SaeLensDictionary)?.active !== undefined) + Number(threshold !== undefined)
  if (gates === 0)
    check.problem(
      'option-missing',
      'active',
      'active is needed: the number of atoms that a row may have (or threshold)',
    )
  if (gates === 2) check.problem('options-conflict', 'active', 'active and threshold exclude each other')
  check.finish()
  const config = {
    architecture: threshold === undefined ? 'topk' : 'jumprelu',
    d_in: columns,
    d_sae: atoms,
    ...(threshold === undefined ? { k: active, rescale_acts_by_decoder_norm: false } : {}),
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: true,
    normalize_activations: 'none',
    reshape_activations: 'none',
    metadata: { ...(metadata as object), sae_lens_version: SAE_LENS_VERSION },
  }
  const text = `${JSON.stringify(config, null, 2)}\n`
  inFile(dir, (addon) =>
    addon.exportSaeLens(dir, atoms, columns, decoder.data, offset, encoder?.data, encoderOffset, threshold, text),
  )
}
