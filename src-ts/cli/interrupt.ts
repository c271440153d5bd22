/** Ctrl-C: the first one asks the running work to stop and be saved, the second ends the program. */
import { Stopped } from './exit.ts'

/**
 * A second signal within this time is the same one: a terminal sends it to the whole group, and npm passes on its own
 * copy. In milliseconds; a person needs longer to press the keys twice on purpose.
 */
const SAME = 250

/** Watches for SIGINT and SIGTERM until it is disposed of. */
export class Interrupt {
  readonly #controller = new AbortController()
  #first: { stopped: Stopped; at: number } | undefined
  readonly #onSignal = (name: NodeJS.Signals): void => this.#receive(name as 'SIGINT' | 'SIGTERM')

  constructor() {
    process.on('SIGINT', this.#onSignal).on('SIGTERM', this.#onSignal)
  }

  /** Aborted by the first signal, with a {@link Stopped} as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The first signal, if there was one. */
  get stopped(): Stopped | undefined {
    return this.#first?.stopped
  }

  /** Gives the signals back. */
  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onSignal).off('SIGTERM', this.#onSignal)
  }

  #receive(name: 'SIGINT' | 'SIGTERM'): void {
    const now = performance.now()
    if (this.#first === undefined) {
      const stopped = new Stopped(name)
      this.#first = { stopped, at: now }
      process.stderr.write('\nheadwater: stopping and saving what is done; once more stops at once.\n')
      this.#controller.abort(stopped)
    } else if (now - this.#first.at > SAME) {
      process.stderr.write('headwater: stopped at once, nothing more was saved.\n')
      process.exit(this.#first.stopped.exitCode)
    }
  }
}
