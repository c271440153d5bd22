/** Fits of tables that do not fit in memory, or that arrive as a stream. */
import type { NativeOutcome, NativeSettings, NativeStream, NativeStreamed } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, toError, type JobOptions, type Start } from '../job.ts'
import { Matrix } from '../matrix.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { inBatch, Reader, type BatchSource, type Rows } from './batches.ts'
import { dropAbsent, factorNames, stopwatch } from './solution.ts'
import type { Certificate, Status, Timing, Warning } from './types.ts'

/** Options of {@link factorizeStream}. */
export interface FactorizeStreamOptions extends JobOptions {
  /** Number of factors p, 1 ≤ p ≤ min(rows of the sample, species); species × p at most 4000. */
  factors: number
  /**
   * Rows that are held in memory to find the starting point: drawn from all rows with equal chance where the source can be
   * read again, the first ones where it cannot.
   * @default 1000: enough for the fit of the sample to be in the basin of the whole, few enough for it to take seconds
   */
  sample?: number | undefined
  /**
   * Starts of the sample's fit, as in `factorize`.
   * @default 'auto'
   */
  starts?: number | 'auto' | undefined
  /**
   * Passes over the rows after the starting point, the one with the certificate included; at least 2.
   * @default 40; 5 to 10 are usual for long tables, 15 to 40 for some hundred rows
   */
  maxPasses?: number | undefined
  /**
   * Key of all random numbers.
   * @default 0
   */
  seed?: number | undefined
}

/** One pass. */
export interface StreamPass {
  /** Whether it gathered the certificate. */
  proof: boolean
  /** Q at the profiles of this pass, over all rows, with the best contributions. */
  q: number
  /** Whether that was the lowest so far. A step that was not accepted is tried again, shorter. */
  accepted: boolean
  /** Decrease of Q that had been predicted for it. */
  promised?: number
}

/** What was learnt from rows as they went by. */
export interface Learnt {
  /** Rows learnt from, the sample aside. */
  rows: number
  /** Rows of batches that stood out so much that they were left out. */
  leftOut: number
  /** Numbers of these batches, the first 1000. */
  leftOutBatches: number[]
  /** Q per cell with weight, each batch judged by the profiles before it was learnt from. */
  qPerCell: number
  /** Times that the guard went back to an earlier state. */
  rollbacks: number
  /** Whether the guard gave up: nothing was learnt from later rows. */
  halted: boolean
}

/** The result of {@link factorizeStream}. Plain data: passes through `structuredClone`. */
export interface StreamedFit {
  /** Version that made it. */
  headwater: string
  /**
   * - `converged`: a local minimum over all rows, proven by the certificate
   * - `budget`: `maxPasses` was reached first; or the rows can be read only once, which proves nothing
   * - `saddle`, `stalled`: as in `factorize`
   * - `aborted`: with `onAbort: 'partial'`
   */
  status: Status
  factors: number
  seed: number
  species: string[]
  /** Rows of a pass; where no pass was made, rows learnt from and the sample. */
  rows: number
  /** Cells with weight among them. */
  cells: number
  /** Rows of the sample. */
  sample: number
  /** Σ ((V - W H)/U)² over all rows; absent where no pass over them was made. */
  q?: number
  /** Σ min(t², 4t), t = |V - W H|/U; with the certificate. */
  qRobust?: number
  /** Cells with t > 4; with the certificate. */
  outliers?: number
  /** Cells with weight − p (rows + species). */
  qExpected: number
  /** Cells with weight − free elements + null directions; with the certificate. */
  degreesOfFreedom?: number
  /** Absent before the last pass. */
  certificate?: Certificate
  /** Rows are counted from the beginning of the stream. */
  warnings: Warning[]
  /**
   * factors × species in the data's units, mean contribution of every factor 1 (over the rows learnt from, where there was
   * no last pass), by mass; NaN where a species has no data.
   */
  profiles: Matrix
  passes: StreamPass[]
  /** Absent where all rows are in the sample. */
  learnt?: Learnt
  timing: Timing
}

/**
 * Factorises rows that come in batches: minimises the same Q as `factorize`, without the table in memory, and proves the
 * same where the batches can be read again.
 *
 * 1. A sample of the rows is fitted in memory from many starts.
 * 2. The profiles learn from each batch once, by a projected stochastic Newton method under a guard that leaves out batches
 *    which stand out.
 * 3. If the source can be read again (a function or an array), each further pass is one Newton step on the profiles with
 *    all contributions minimised out exactly, and a last one gathers the certificate. If not, the result is honestly
 *    `budget`: as close to the minimum as one look at every row allows, but without proof.
 *
 * Memory: the sample, a batch, and up to 100 (species × factors)² bytes. Time: a pass costs about what a second-order step of
 * `factorize` costs for that many rows. The same batches, seed and version give the same bits for any number of threads.
 * Contributions are not kept: `score(batch, fit.profiles)` gives those of any rows.
 *
 * @param source batches of some hundred rows or more: an array, a function that returns an (async) iterable, or an (async)
 * iterable that can be read once
 * @throws InvalidInputError wrong options; `batch-not-valid`; the first bad cell with its batch; `source-changed` where the
 * source gave other rows than before; `weights-too-uneven`; `too-many-unknowns`
 * @throws the signal's reason after an abort, unless `onAbort: 'partial'`; what the source throws
 * @example
 * ```ts
 * const fit = await factorizeStream(() => readBatches('hourly.parquet'), { factors: 7, seed: 1 })
 * console.log(fit.status, fit.q, fit.passes.length)
 * ```
 */
export async function factorizeStream(source: BatchSource, options: FactorizeStreamOptions): Promise<StreamedFit> {
  const time = stopwatch()
  const check = new Checker(options, 'factorizeStream: options')
  check.required('factors', 'the number of factors')
  const most = 2 ** 32 - 1
  const factors = check.integer('factors', { min: 1, max: most }) ?? 0
  const sample = check.integer('sample', { min: 1, max: most }) ?? 1000
  const starts = check.take('starts') === 'auto' ? undefined : check.integer('starts', { min: 1, max: most })
  const maxPasses = check.integer('maxPasses', { min: 2, max: most }) ?? 40
  const seed = check.integer('seed') ?? 0
  const job = check.job()
  check.finish()
  const reader = new Reader(source, 'factorizeStream')
  const settings = dropAbsent<NativeSettings>({ factors, starts, seed, threads: job.threads })
  const run = new Run(reader, { sample, maxPasses, settings, job })
  let stopped = false
  try {
    await run.go()
  } catch (error) {
    const aborted = job.signal?.aborted === true && error === job.signal.reason
    if (!aborted || job.onAbort !== 'partial' || !run.begun) throw error
    stopped = true
  }
  const { status, rows, cells, q, qRobust, outliers, qExpected, degreesOfFreedom, certificate, warnings, ...found } =
    await run.result(stopped)
  const species = reader.species?.slice() ?? Array.from({ length: reader.columns! }, (_, j) => `species ${j + 1}`)
  return {
    headwater: native().version(),
    status,
    factors,
    seed,
    species,
    rows,
    cells,
    sample: run.sampled,
    qExpected,
    ...dropAbsent<Optional>({ q, qRobust, outliers, degreesOfFreedom, certificate }),
    warnings,
    profiles: new Matrix(factors, species.length, found.profiles, {
      rowNames: factorNames(factors),
      colNames: species,
    }),
    passes: found.passes,
    ...(run.learnt ? { learnt: run.learnt } : {}),
    timing: time(),
  }
}

/** What is there after a pass. */
type Optional = Pick<StreamedFit, 'q' | 'qRobust' | 'outliers' | 'degreesOfFreedom' | 'certificate'>

/** Batch numbers that a result names one by one. */
const NAMED = 1000

interface RunOptions {
  sample: number
  maxPasses: number
  settings: NativeSettings
  job: JobOptions
}

/** A fit between its first batch and its result. */
class Run {
  readonly #reader: Reader
  readonly #options: RunOptions
  #stream: NativeStream | undefined
  #passesDone = 0
  /** Whether the starting point is found. */
  begun = false
  /** Rows of the sample. */
  sampled = 0
  learnt: Learnt | undefined

  constructor(reader: Reader, options: RunOptions) {
    this.#reader = reader
    this.#options = options
  }

  /** From the first batch to the last pass. */
  async go(): Promise<void> {
    const { repeatable } = this.#reader
    const rows = this.#reader.open()
    try {
      // What is read once is kept until the sample is full: if that is all, it can be read as often as one likes.
      const held: Rows[] = []
      let seen = 0
      for (let next = await rows.next(); next.done !== true; next = await rows.next()) {
        this.#sample(next.value)
        seen += next.value.values.rows
        if (!repeatable) held.push(next.value)
        if (!repeatable && seen >= this.#options.sample) break
      }
      await this.#begin()
      const inMemory = seen <= this.sampled
      if (repeatable) {
        if (!inMemory) await this.#learn(this.#reader.open())
        await this.#passes(() => this.#reader.open())
      } else if (!(await this.#learn(rows))) {
        await this.#passes(() => held)
      }
    } finally {
      await rows.return()
    }
  }

  /** The result, or where the fit stands. */
  async result(aborted: boolean): Promise<NativeStreamed> {
    return this.#call((token) => this.#open.result(aborted, token), {})
  }

  get #open(): NativeStream {
    if (this.#stream === undefined) {
      throw new InvalidInputError('no-data', 'factorizeStream: the source has no batches', { name: 'source' })
    }
    return this.#stream
  }

  #call<T>(start: Start<T>, { signal }: Pick<JobOptions, 'signal'> = this.#options.job): Promise<T> {
    return runJob(start, { signal })
  }

  #sample({ number, values, uncertainties }: Rows): void {
    this.#options.job.signal?.throwIfAborted()
    const { sample, maxPasses, settings } = this.#options
    // Of what is read once, whole batches are kept.
    const most = this.#reader.repeatable ? sample : 2 ** 32 - 1
    this.#stream ??= valueOf(native().stream(values.cols, most, maxPasses, settings))
    this.sampled = valueOf(this.#stream.sample(values.data, uncertainties.data), number)
  }

  async #begin(): Promise<void> {
    await this.#call((token) => this.#open.begin(token, undefined))
    this.begun = true
    this.#report()
  }

  /** One look at the batches; false if there are none. */
  async #learn(batches: AsyncIterable<Rows>): Promise<boolean> {
    let [cells, q, any] = [0, 0, false]
    const learnt: Learnt = { rows: 0, leftOut: 0, leftOutBatches: [], qPerCell: NaN, rollbacks: 0, halted: false }
    for await (const { number, values, uncertainties } of batches) {
      any = true
      this.learnt = learnt
      const found = await this.#inBatch(number, (token) => this.#open.learn(values.data, uncertainties.data, token))
      learnt.rows += found.rows
      learnt.leftOut += found.leftOut
      if (found.leftOut > 0 && learnt.leftOutBatches.length < NAMED) learnt.leftOutBatches.push(number)
      learnt.rollbacks += found.rollbacks
      learnt.halted ||= found.halted
      cells += found.cells
      q += found.q
      learnt.qPerCell = q / cells
    }
    if (any) this.#report()
    return any
  }

  /** Passes until the certificate is there. */
  async #passes(open: () => Iterable<Rows> | AsyncIterable<Rows>): Promise<void> {
    let done = false
    while (!done) {
      for await (const { number, values, uncertainties } of open()) {
        await this.#inBatch(number, (token) => this.#open.add(values.data, uncertainties.data, token))
      }
      const ended = await this.#call((token) => this.#open.endPass(token))
      done = ended.done
      this.#report(ended.q)
    }
  }

  async #inBatch<T>(number: number, start: Start<T>): Promise<T> {
    try {
      return await this.#call(start)
    } catch (error) {
      throw inBatch(error, number)
    }
  }

  /** Another pass is over. */
  #report(q?: number): void {
    const { job, maxPasses } = this.#options
    // Beside those that are counted in maxPasses, the sample and the one that is learnt from.
    const progress = { done: ++this.#passesDone, total: maxPasses + 2, ...(q === undefined ? {} : { best: q }) }
    job.onProgress?.(progress)
    // Before the next batch is fetched, which may take long.
    job.signal?.throwIfAborted()
  }
}

/** The value of a call that does not wait, or its failure as an error. */
function valueOf<T>(outcome: NativeOutcome<{ value: T }>, number?: number): T {
  if (outcome.ok) return outcome.value
  const error = toError(outcome)
  throw number === undefined ? error : inBatch(error, number)
}
