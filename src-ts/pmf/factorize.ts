/** The main call: data in, certified factorisation out. */
import type { NativeSettings } from '#native'
import { readDevice } from '../device.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { keep, own, prepare } from './data.ts'
import { Factorization, type ChosenOptions } from './factorization.ts'
import { readRobust, toObjective, USUAL_ALPHA, type Loss } from './loss.ts'
import { dropAbsent, stopwatch, toSolution } from './solution.ts'
import type { DataLike, FactorizeOptions, Factors, Nonnegative } from './types.ts'

/** Largest value of an unsigned 32-bit counter in the engine. */
const MOST = 2 ** 32 - 1

/**
 * Factorises data with known uncertainties: minimises Q = Σ ((V - W H) / U)², or a robust loss of the same misfits, over contributions W ≥ 0 (samples ×
 * factors) and profiles H ≥ 0 (factors × species), from many starts, and proves what the best one is.
 *
 * Runs off the JavaScript thread. Matrices are copied at the call, so the caller may change them at once. The same
 * input, seed and version give the same bits, whatever the number of threads.
 *
 * @param data a `Dataset` or `{ values, uncertainties, species?, samples? }`
 * @returns the best solution found (or the one of `options.start`), with every start's report
 * @throws InvalidInputError all wrong options at once, or the first bad cell of the data (codes: {@link ERROR_CODES})
 * @throws the signal's reason after an abort, unless `onAbort: 'partial'`
 * @throws BackendUnavailableError if the addon cannot be loaded, or the device that was asked for cannot be had or gives up
 * @example
 * ```ts
 * const model = await factorize(data, { factors: 7, starts: 20, seed: 1 })
 * console.log(model.status, model.q)
 * ```
 */
export async function factorize(data: DataLike, options: FactorizeOptions): Promise<Factorization> {
  const time = stopwatch()
  const { settings, job, device, initial, robust, chosen } = readOptions(options)
  const prepared = prepare(data)
  const { values, uncertainties, censored, summary } = prepared
  // The call is asynchronous: what the model keeps of the data is what they are now.
  const source = keep(prepared)
  const objective = toObjective(robust, censored)
  if (initial) {
    settings.initialContributions = copyable(initial.contributions, 'initial.contributions')
    settings.initialProfiles = copyable(initial.profiles, 'initial.profiles')
  }
  const { rows, cols } = values
  const { factorize: start, version } = native()
  const result = await runJob(
    (token, progress) =>
      start(values.data, uncertainties.data, rows, cols, objective, settings, device, token, progress),
    job,
  )
  const { factors } = settings
  const fields = {
    headwater: version(),
    data: summary,
    factors,
    seed: settings.seed ?? 0,
    options: chosen,
    start: result.starts[result.chosen]?.start ?? result.chosen,
    ...toSolution(result.solution, summary, factors),
    starts: result.starts,
    basins: result.basins,
    chains: { run: result.chainsRun, atBest: result.chainsAtBest },
    ...(result.unseenBasinProbability === undefined ? {} : { unseenBasinProbability: result.unseenBasinProbability }),
    timing: time(),
  }
  return new Factorization(fields, source)
}

interface ReadOptions {
  settings: NativeSettings
  job: JobOptions
  device: string
  initial: Factors | undefined
  robust: Loss | undefined
  chosen: ChosenOptions
}

/** Base runs and α of EPA PMF 5. */
const PMF5 = { robust: USUAL_ALPHA, starts: 20 } as const

/** The options with those of the preset where nothing is given. */
function withPreset(options: FactorizeOptions): FactorizeOptions {
  if (typeof options !== 'object' || options === null || options.preset !== 'pmf5') return options
  const { robust = PMF5.robust, starts = options.initial === undefined ? PMF5.starts : undefined } = options
  return { ...options, robust, starts }
}

function readOptions(given: FactorizeOptions): ReadOptions {
  const options = withPreset(given)
  const check = new Checker(options, 'factorize: options')
  check.oneOf('preset', ['pmf5'])
  check.required('factors', 'the number of factors')
  const factors = check.integer('factors', { min: 1, max: MOST })
  const auto = check.take('starts') === 'auto'
  const starts = auto ? undefined : check.integer('starts', { min: 1, max: MOST })
  const initial = check.nested('initial', readFactors)
  if (initial && starts !== undefined && starts !== 1) {
    check.problem('options-conflict', 'initial', 'initial gives one starting point: starts must be 1 or left out')
  }
  const stop = check.nested('stop', (inner) => {
    inner.required('decrease', 'a decrease of Q')
    inner.required('over', 'a number of sweeps')
    return { decrease: inner.positive('decrease'), over: inner.integer('over', { min: 1, max: MOST }) }
  })
  const robust = readRobust(check) || undefined
  const method = check.oneOf('method', ['auto', 'anls', 'hals', 'mu'])
  if (robust && (method === 'mu' || method === 'hals')) {
    const message = `method '${method}' minimises a plain sum of squares: a robust fit needs 'anls' or 'auto'`
    check.problem('options-conflict', 'method', message)
  }
  const settings: NativeSettings = dropAbsent({
    factors: factors ?? 0,
    starts: initial ? 1 : starts,
    maxStarts: check.integer('maxStarts', { min: 1, max: MOST }),
    firstStart: check.integer('firstStart', { max: MOST }),
    choose: check.integer('start', { max: MOST }),
    seed: check.integer('seed'),
    method,
    initialization: check.oneOf('initialization', ['random', 'nndsvd']),
    ...readNonnegative(check),
    maxIterations: check.integer('maxIterations', { min: 1, max: MOST }),
    stopDecrease: stop?.decrease,
    stopOver: stop?.over,
  })
  const device = readDevice(check, 'device', ['cpu', 'auto', 'cuda']) ?? 'cpu'
  const job = check.job()
  check.finish()
  if (job.threads !== undefined) settings.threads = job.threads
  return { settings, job, device, initial, robust, chosen: remember(options, robust) }
}

/** The bounds, for every call that has them. */
export function readNonnegative(check: Checker): {
  nonnegativeContributions: boolean | undefined
  nonnegativeProfiles: boolean | undefined
} {
  const bounds: Nonnegative | undefined = check.nested('nonnegative', (inner) => ({
    contributions: inner.boolean('contributions'),
    profiles: inner.boolean('profiles'),
  }))
  return { nonnegativeContributions: bounds?.contributions, nonnegativeProfiles: bounds?.profiles }
}

function readFactors(inner: Checker): Factors {
  inner.required('contributions', 'samples × factors')
  inner.required('profiles', 'factors × species')
  // Their shapes are checked where they become matrices.
  return { contributions: inner.take('contributions'), profiles: inner.take('profiles') } as Factors
}

/** A row-major array that the addon may read during the call. */
export function copyable(source: Factors['profiles'], name: string): Float64Array<ArrayBuffer> {
  return own(source, name).data as Float64Array<ArrayBuffer>
}

/** What the result repeats of the options: all that can be written as JSON and changes the result. */
function remember(options: FactorizeOptions, robust: Loss | undefined): ChosenOptions {
  const {
    factors: _,
    seed: __,
    initial,
    robust: _______,
    signal: ___,
    onProgress: ____,
    onAbort: _____,
    threads: ______,
    device,
    ...rest
  } = options
  // The CPU is where every fit ends: naming it changes nothing.
  const elsewhere = device === 'cpu' ? undefined : device
  return structuredClone(
    dropAbsent<ChosenOptions>({ ...rest, device: elsewhere, robust, initial: initial ? 'given' : undefined }),
  )
}
