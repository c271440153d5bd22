/** What is seen of a running fit: one line that is redrawn, or, in a log file, one line every ten seconds. */
import type { JobOptions, Progress } from '../job.ts'
import type { Interrupt } from './interrupt.ts'
import { duration, formatQ } from './words.ts'

/** As much of stderr as progress needs. */
export interface ProgressStream {
  isTTY?: boolean | undefined
  columns?: number | undefined
  write(text: string): unknown
}

/** Milliseconds between lines where the stream is no terminal. */
export const LOG_INTERVAL = 10_000

/** Shows how far a fit has come. */
export class ProgressLine {
  readonly #stream: ProgressStream
  readonly #upperBound: boolean
  readonly #unit: string
  readonly #objective: string
  readonly #began = performance.now()
  readonly #timer: NodeJS.Timeout | undefined
  #latest: Progress | undefined
  #drawn = false

  /**
   * @param upperBound whether the total is only the most that can come (automatic number of starts)
   * @param unit what is counted
   * @param objective what is minimised
   */
  constructor(
    stream: ProgressStream,
    upperBound: boolean,
    interval: number = LOG_INTERVAL,
    unit: string = 'start',
    objective: string = 'Q',
  ) {
    this.#objective = objective
    this.#stream = stream
    this.#upperBound = upperBound
    this.#unit = unit
    this.#timer = setInterval(() => (stream.isTTY ? this.#draw() : this.#log()), stream.isTTY ? 1000 : interval)
    this.#timer.unref()
  }

  /** Takes a report. */
  update(progress: Progress): void {
    this.#latest = progress
    if (this.#stream.isTTY) this.#draw()
  }

  /** Removes the line; call it however the work ended. */
  finish(): void {
    clearInterval(this.#timer)
    if (this.#drawn) this.#stream.write('\r\x1b[2K')
  }

  #draw(): void {
    const text = this.#text().slice(0, Math.max(20, (this.#stream.columns || 80) - 1))
    this.#stream.write(`\r\x1b[2K${text}`)
    this.#drawn = true
  }

  #log(): void {
    this.#stream.write(`headwater: ${this.#text()}\n`)
  }

  #text(): string {
    const elapsed = (performance.now() - this.#began) / 1000
    const { done = 0, total = 0, best, basins } = this.#latest ?? {}
    const parts = [
      total === 0
        ? `first ${this.#unit}s running`
        : `${done} of ${this.#upperBound ? 'at most ' : ''}${total} ${this.#unit}${total === 1 ? '' : 's'}`,
    ]
    if (best !== undefined) parts.push(`best ${this.#objective} ${formatQ(best)}`)
    if (basins !== undefined && basins > 0) parts.push(`${basins} ${basins === 1 ? 'minimum' : 'minima'}`)
    parts.push(duration(elapsed))
    if (done > 0 && done < total) {
      parts.push(`${this.#upperBound ? 'at most ' : ''}${duration((elapsed / done) * (total - done))} left`)
    }
    return parts.join(', ')
  }
}

/**
 * Runs work with a progress line until it is done, or until Ctrl-C, which keeps what is done.
 * @param unit what is counted
 * @returns `undefined` if the user stopped the program before anything of it was done
 */
export async function keepingDone<T>(
  unit: string,
  quiet: boolean,
  { signal }: Interrupt,
  work: (job: JobOptions) => Promise<T>,
): Promise<T | undefined> {
  const line = quiet ? undefined : new ProgressLine(process.stderr, false, undefined, unit)
  try {
    return await work({ signal, onAbort: 'partial', onProgress: line && ((progress) => line.update(progress)) })
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined
    throw error
  } finally {
    line?.finish()
  }
}
