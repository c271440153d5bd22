/** How much two dictionaries agree, for example of fits from two seeds. */
import type { NativeAgreement, NativeCompared } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import type { MatrixLike } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import type { ArrayFile } from './arrays.ts'
import type { Dictionary } from './dictionary.ts'
import { WideDictionary, type WideRows } from './fit-stream.ts'
import { dimensionOf, functionsOf, readShape } from './shapes.ts'

/** Options of {@link dictionaryAgreement}. */
export interface DictionaryAgreementOptions extends Omit<JobOptions, 'onAbort'> {
  /**
   * Rows that both dictionaries code, to compare where atoms are on and at which phase. Without it the codes of the fitted rows
   * are compared, if both fits saw the same rows: as many, with the same sum of squares about their means.
   */
  rows?: MatrixLike | ArrayFile | undefined
  /**
   * From this `cosine` on two atoms count as the same one. @default 0.9: angles of 26° for directions, and for planes that share
   * one axis 38° between the others; unrelated directions of p columns have cosines of about 1/√p
   */
  threshold?: number | undefined
}

/** An atom of the first dictionary and the one of the second that it is assigned to. */
export interface AtomMatch {
  /** Number of the atom in the first dictionary, and in the second. */
  first: number
  second: number
  /**
   * √(Σ cos² θ_i / d): θ_i the principal angles between the spaces that the decoders span, d the dimension of the larger one.
   * |cos| of two directions. The row of a curve's constant function, which says where it lies, takes no part.
   */
  cosine: number
  /** cos θ_i, falling; as many as the smaller space has dimensions. */
  principalCosines: number[]
  /** Whether `cosine` reaches the threshold. */
  same: boolean
  /** Rows in which both are on, and in which at least one of them is. Present if rows were compared. */
  rows?: number
  rowsOfEither?: number
  /**
   * Two circles: |mean exp 2πi(t ∓ t′)| over the rows in which both are on, the larger one of both signs, so that neither the
   * origin nor the sense of rotation matters; 1 if all phases agree. Absent if there are fewer than two such rows, or if the
   * phases of one of them are all the same: a collapsed circle would agree with any other.
   */
  phase?: number
}

/** The answer of {@link dictionaryAgreement}. */
export interface DictionaryAgreement {
  /** As many as the smaller dictionary has atoms, by `first`, ascending. */
  matches: AtomMatch[]
  /** Mean `cosine` of the matches. */
  cosine: number
  /** Matches that are the same atom, as a share of the atoms of the larger dictionary. */
  matched: number
  /** Mean `phase` of the matches that are the same atom and have one; absent if none has. */
  phase?: number
  /** Rows whose codes were compared; 0: the fits saw different rows, and no `rows` were given. */
  rows: number
}

/**
 * Which atom of one dictionary is which of another, and how nearly they are the same: the one-to-one assignment with the largest
 * sum of cosines between what their decoders span (Kuhn 1955, "The Hungarian method for the assignment problem"; Björck and
 * Golub 1973, "Numerical methods for computing angles between linear subspaces"), then, on the same rows, where they are on and
 * at which phase. Two seeds that agree are the least that a claim about structure needs.
 *
 * Cost: (functions × functions × columns) products, and at most K³ operations for the assignment.
 *
 * @param first from {@link fitDictionary} or {@link fitDictionaryStream}
 * @param second of the same columns; another number of atoms, and other shapes, are no matter
 * @throws InvalidInputError `shape-mismatch` for other columns; `too-few-atoms` if one has none; `too-many-atoms` above 8192;
 * wrong options; what `encode` throws for `rows`; the signal's reason
 * @example
 * ```ts
 * const [a, b] = [await fitDictionary(rows, { atoms: 6, seed: 1 }), await fitDictionary(rows, { atoms: 6, seed: 2 })]
 * const { matched, phase } = await dictionaryAgreement(a, b) // 1 and 0.9999: the same circles, the same phases
 * ```
 */
export async function dictionaryAgreement(
  first: Dictionary | WideDictionary,
  second: Dictionary | WideDictionary,
  options: DictionaryAgreementOptions = {},
): Promise<DictionaryAgreement> {
  const check = new Checker(options, 'dictionaryAgreement(): options')
  const rows = check.take('rows') as MatrixLike | ArrayFile | undefined
  const threshold = check.number('threshold', { min: 0, max: 1 }) ?? 0.9
  const { signal, threads, onProgress } = check.job()
  check.finish()
  const job: JobOptions = { signal, threads, onProgress }
  const [cols, other] = [first.offset.length, second.offset.length]
  if (cols !== other) {
    const message = `the first dictionary is for ${cols} columns, the second for ${other}`
    throw new InvalidInputError('shape-mismatch', message, { name: 'second' })
  }
  const sides = [await compared(first, rows, job), await compared(second, rows, job)] as const
  if (rows === undefined && !sameRows(first, second)) for (const side of sides) delete side.sizes
  const found = await runJob(
    (token, progress) => native().dictionaryAgreement(...sides, cols, job.threads, token, progress),
    job,
  )
  const most = Math.max(...sides.map(({ functions }) => functions.length))
  return toAgreement(found, threshold, most, sides[0].sizes?.length ?? 0)
}

function toAgreement(found: NativeAgreement, threshold: number, atoms: number, rows: number): DictionaryAgreement {
  const { first, second, cosines, ranks, principal, both, either, phases } = found
  let at = 0
  const matches = Array.from(first, (atom, i): AtomMatch => {
    const principalCosines = [...principal.subarray(at, (at += ranks[i]!))]
    const [cosine, phase] = [cosines[i]!, phases?.[i]]
    return {
      ...{ first: atom, second: second[i]!, cosine, principalCosines, same: cosine >= threshold },
      ...(both && either ? { rows: both[i]!, rowsOfEither: either[i]! } : {}),
      ...(phase === undefined || Number.isNaN(phase) ? {} : { phase }),
    }
  })
  const same = matches.filter((match) => match.same)
  const locked = same.flatMap(({ phase }) => (phase === undefined ? [] : [phase]))
  return {
    ...{ matches, cosine: found.mean, matched: same.length / atoms },
    ...(locked.length > 0 ? { phase: locked.reduce((sum, phase) => sum + phase, 0) / locked.length } : {}),
    rows,
  }
}

/** What the engine compares of a dictionary, with codes of these rows, or of those that were fitted. */
async function compared(
  of: Dictionary | WideDictionary,
  rows: MatrixLike | ArrayFile | undefined,
  job: JobOptions,
): Promise<NativeCompared> {
  if (of instanceof WideDictionary) {
    const codes = rows === undefined ? of.codes : await of.encode(rows as WideRows, job)
    const circle = of.topology === 'circle'
    return {
      functions: new Uint32Array(of.atoms).fill(circle ? 2 : 1),
      decoders: new Float64Array(of.decoders.data),
      dimensions: new Uint32Array(of.atoms).fill(circle ? 1 : 0),
      circles: Array<boolean>(of.atoms).fill(circle),
      ...{ sizes: codes.sizes, atoms: codes.atoms, coordinates: codes.phases },
    }
  }
  const { sizes, atoms, coordinates } = rows === undefined ? of.codes : await of.encode(rows, job)
  const shapes = of.atoms.map(({ shape, index }) => readShape(shape, index, new Checker({}, 'dictionary')))
  // All functions of a curve but the first are what it consists of; that one is where it lies.
  const skipped = shapes.map(([name]) => Number(name !== 'constant'))
  return {
    functions: Uint32Array.from(shapes, (shape, k) => functionsOf(shape) - skipped[k]!),
    decoders: joined(of.atoms.map(({ decoder }, k) => decoder.data.subarray(skipped[k]! * of.columns))),
    dimensions: Uint32Array.from(shapes, dimensionOf),
    circles: shapes.map(([name]) => name === 'circle'),
    ...{ sizes, atoms, coordinates },
  }
}

function joined(parts: readonly Float64Array[]): Float64Array<ArrayBuffer> {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Whether both saw the same rows, as far as they remember. */
function sameRows(first: Dictionary | WideDictionary, second: Dictionary | WideDictionary): boolean {
  const [[rows, total], [others, sum]] = [remembered(first), remembered(second)]
  return rows === others && Math.abs(total - sum) <= 1e-9 * total
}

/** How many rows were fitted, and Σw(x − x̄)² of them: cells·MSE/(1 − EV), or 2F/(1 − EV). */
function remembered(of: Dictionary | WideDictionary): [rows: number, total: number] {
  if (of instanceof WideDictionary) {
    const { objective = Number.NaN, ev = Number.NaN } = of.passes.at(-1) ?? {}
    return [of.codes.sizes.length, (2 * objective) / (1 - ev)]
  }
  const { rows, cells, mse = Number.NaN, fvu = Number.NaN } = of.train
  return [rows, (cells * mse) / fvu]
}
