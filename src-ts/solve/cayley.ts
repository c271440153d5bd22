/** Unitary propagation iψ' = Hψ by Cayley steps, and gradients through them. */
import type { NativeCayley, NativeStates } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { CallbackOperator } from './callbacks.ts'
import { gradientOf, runOf, type Run } from './cayley-results.ts'
import { finish, finishSync } from './free-products.ts'
import { freeRun, freeVjpSteps, type FreeRun, type FreeSettings } from './free-steps.ts'
import { Graph, nativeGraph } from './graph.ts'
import { LinearOperator, nativeOf } from './operators.ts'
import { callPacked, unpackRun } from './packing.ts'
import { present, readSteps } from './plan.ts'
import type { CayleyGradient, CayleyOptions, CayleySolver, CayleyStatistics, CayleyVjpOptions, Cotangent, EvolveResult, PropagationJob, PropagationReport, StepOptions, StepResult } from './propagation.ts' // prettier-ignore
import type { Reason, VectorLike } from './types.ts'
import { checkVector } from './vectors.ts'

type Vector = Float64Array<ArrayBuffer>

/** What a run is about. `columns` is 0 for one state, `every` for the last state only. */
interface Task {
  psi: Vector
  columns: number
  steps: number
  every: number
  fourth: boolean
}

interface Request {
  task: Task
  out: Vector | undefined
  job: JobOptions
}

/** H as a function: no propagator of the addon, but its statistics. */
interface Free {
  H: CallbackOperator
  settings: FreeSettings
  total: Omit<CayleyStatistics, 'solver'>
}

/** Steps by another rule, for `evolve`. */
export let padeSteps: (cayley: Cayley, psi: Vector, steps: number) => StepResult
type StepJob = (cayley: Cayley, psi: Vector, steps: number, job: JobOptions) => Promise<StepResult>
/** The same as a job. */
export let padeJob: StepJob
/** Steps of its own as a job, with options that were read already. */
export let stepJob: StepJob

/**
 * A propagator ψ⁺ = (I + iaH)⁻¹(I − iaH)ψ, a = dt/2: computed as 2y − ψ with (I + iaH)y = ψ, unitary for every dt,
 * reversible, of order 2: after a time T, ‖ψ − e^{−iHT}ψ₀‖ ≈ (dt²T/12)‖H³ψ₀‖.
 *
 * Norm and energy are conserved even by a y that is far off (`galerkin`): the residuals are what certifies a run. States
 * are complex and interleaved. Calls of one propagator run one after the other.
 *
 * Sources: J. Crank, P. Nicolson (1947), "A practical method for numerical evaluation of solutions of partial differential
 * equations of the heat-conduction type"; A. Cayley (1846) for the transform.
 * @example
 * ```ts
 * const walk = new Cayley(graph.ring(100), { dt: 0.1 })
 * const { psi, worstResidual } = walk.stepSync(start, { steps: 50 })
 * ```
 */
export class Cayley {
  readonly #native: NativeCayley | undefined
  readonly #free: Free | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #running = 0
  /** Elements of a state. */
  readonly size: number
  /** Time step. */
  readonly dt: number
  /** The solver in use. */
  readonly solver: CayleySolver

  static {
    const task = (psi: Vector, steps: number, fourth: boolean): Task => ({ psi, columns: 0, steps, every: 0, fourth })
    padeSteps = (cayley, psi, steps) => cayley.#last(cayley.#here(task(psi, steps, true)))
    padeJob = async (cayley, psi, steps, job) => cayley.#last(await cayley.#away(task(psi, steps, true), job))
    stepJob = async (cayley, psi, steps, job) => cayley.#last(await cayley.#away(task(psi, steps, false), job))
  }

  /**
   * @param H a Hermitian operator; a {@link Graph}, which stands for its Laplacian and gives gradients for its edges; or a
   * function ({@link operator} with dtype 'complex128'), whose symmetry each run probes (reason `notHermitian`)
   * @throws InvalidInputError what is wrong with the options, all at once; `not-hermitian`, `operator-not-finite`,
   * `matrix-not-valid` for H
   */
  constructor(H: LinearOperator | Graph | CallbackOperator, options: CayleyOptions) {
    const check = new Checker(options, 'Cayley: options')
    const free = H instanceof CallbackOperator
    if (!(H instanceof LinearOperator || H instanceof Graph || free)) {
      const message = 'H must be a matrix (Csr, dense(), kroneckerSum()), a graph or a function (operator())'
      check.add({ code: 'operator-not-valid', message, name: 'H', value: H })
    }
    check.required('dt', 'the time step')
    const settings = {
      dt: check.number('dt') ?? 0,
      solver: check.oneOf('solver', ['auto', 'direct', 'eigen', 'galerkin', 'cocg', 'cgw', 'cgnr']),
      rtol: readTolerance(check, 'rtol'),
      adjointRtol: readTolerance(check, 'adjointRtol'),
      maxIterations: check.integer('maxIterations', { min: 1, max: 2 ** 32 - 1 }),
      allowInexact: check.boolean('allowInexact'),
      energy: check.boolean('energy'),
    }
    if (free) checkFree(check, H, settings.solver)
    check.finish()
    this.size = H instanceof Graph ? H.nodes : H.rows
    this.dt = settings.dt
    if (free) {
      const { dt, rtol = 1e-12, adjointRtol = rtol, maxIterations, allowInexact = false, energy = true } = settings
      const total = { steps: 0, matvecs: 0, converged: true, reason: 'rtol' as Reason, worstResidual: 0 }
      this.#free = { H, settings: { dt, rtol, adjointRtol, maxIterations, allowInexact, energy }, total }
      this.solver = 'galerkin'
      return
    }
    const given = present<Parameters<ReturnType<typeof native>['cayleyPropagator']>[2]>(settings)
    const [operator, edges] = H instanceof Graph ? [null, nativeGraph(H)] : [nativeOf(H), null]
    this.#native = call((addon) => addon.cayleyPropagator(operator, edges, given)).value
    this.solver = this.#native.solver as CayleySolver
  }

  /** Everything since the propagator was made. Waits for a call that is running. */
  get stats(): CayleyStatistics {
    if (this.#free) return { solver: this.solver, ...this.#free.total }
    const { report } = unpackRun(native().cayleyStatistics(this.#native!))
    const { steps, matvecs, converged, reason, worstResidual } = report
    return { solver: this.solver, steps, matvecs, converged, reason, worstResidual }
  }

  /**
   * Makes steps on the calling thread.
   * @param options `steps`, `columns`: see {@link StepOptions}; `out`: where to write ψ, which may be `psi` itself; a new
   * array if left out
   * @throws InvalidInputError `shape-mismatch` and the like; `propagator-busy`. A solve that fails is a reason.
   */
  stepSync(psi: VectorLike, options: StepOptions & { out?: Vector | undefined } = {}): StepResult {
    const { task, out } = this.#read(psi, options, 'stepSync', ['out', 'columns'])
    return this.#last(this.#here(task), out)
  }

  /** {@link Cayley.stepSync} off the JavaScript thread. `out` is written when it is done. */
  async step(
    psi: VectorLike,
    options: StepOptions & { out?: Vector | undefined } & PropagationJob = {},
  ): Promise<StepResult> {
    const { task, out, job } = this.#read(psi, options, 'step', ['out', 'columns', 'job'])
    return this.#last(await this.#away(task, job), out)
  }

  /**
   * The states along a run, off the JavaScript thread. Memory: 16 n bytes a state.
   * @param options `steps`, `columns`: see {@link StepOptions}; `every`: steps between states, default 1
   * @throws InvalidInputError what is wrong with the arguments
   */
  async evolve(
    psi: VectorLike,
    options: StepOptions & { every?: number | undefined } & PropagationJob = {},
  ): Promise<EvolveResult> {
    const { task, job } = this.#read(psi, options, 'evolve', ['every', 'columns', 'job'])
    return this.#states(await this.#away(task, job), task)
  }

  /** {@link Cayley.evolve} on the calling thread. */
  evolveSync(psi: VectorLike, options: StepOptions & { every?: number | undefined } = {}): EvolveResult {
    const { task } = this.#read(psi, options, 'evolveSync', ['every', 'columns'])
    return this.#states(this.#here(task), task)
  }

  /**
   * The gradient of a loss through steps. Backwards, for each step: (I − iaH)λ = 2ψ̄⁺, ψ̄ = λ − ψ̄⁺, d̄t = −½Re⟨λ, iHy⟩, and
   * for an edge w̄_ij = −Re(conj(λ_i − λ_j) ia (y_i − y_j)); for other parameters see `parameterVjp`.
   *
   * 2N solves and N products for N steps, N vectors of memory. With `cotangent` as a function the N forward steps are made
   * once more, to give it ψ, unless H is a function.
   *
   * Source: M. B. Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
   * differentiation".
   * @throws InvalidInputError what is wrong with the arguments; `unconverged-gradient` if a solve did not converge, unless
   * `allowInexact`
   */
  async vjp<P = unknown>(
    psi: VectorLike,
    cotangent: Cotangent,
    options: CayleyVjpOptions<P> & PropagationJob = {},
  ): Promise<CayleyGradient<P>> {
    const { task, job } = this.#read(psi, options, 'vjp', ['job', 'hook'])
    const { parameterVjp } = options
    // A copy: the caller's array may change before the second run.
    const start = task.psi.slice()
    if (this.#free) {
      const { H, settings } = this.#free
      const steps = freeVjpSteps(H, start, task.steps, settings, job, (end) => this.#bar(cotangent, end), parameterVjp)
      return this.#enter(await this.#turn(() => finish(steps, job.signal)))
    }
    const bar = this.#bar(cotangent, async () => (await this.step(start, { steps: task.steps, ...pick(job) })).psi)
    const given = await bar
    const run = await this.#queued(job, (token, progress) =>
      native().cayleyVjp(this.#native!, start, given, task.steps, parameterVjp !== undefined, token, progress),
    )
    return gradientOf(run, parameterVjp)
  }

  /** {@link Cayley.vjp} on the calling thread. */
  vjpSync<P = unknown>(psi: VectorLike, cotangent: Cotangent, options: CayleyVjpOptions<P> = {}): CayleyGradient<P> {
    const { task } = this.#read(psi, options, 'vjpSync', ['hook'])
    const { parameterVjp } = options
    if (this.#free) {
      this.#idle()
      const { H, settings } = this.#free
      const from = task.psi.slice()
      const steps = freeVjpSteps(H, from, task.steps, settings, {}, (end) => this.#bar(cotangent, end), parameterVjp)
      return this.#enter(finishSync(steps))
    }
    const end = typeof cotangent === 'function' ? this.stepSync(task.psi, { steps: task.steps }).psi : undefined
    const bar = this.#bar(cotangent, end)
    this.#idle()
    const keep = parameterVjp !== undefined
    return gradientOf(
      call((addon) => addon.cayleyVjpSync(this.#native!, task.psi, bar, task.steps, keep)),
      parameterVjp,
    )
  }

  #bar(cotangent: Cotangent, end: Vector | undefined): Vector
  #bar(cotangent: Cotangent, end: () => Promise<Vector>): Vector | Promise<Vector>
  #bar(cotangent: Cotangent, end: Vector | undefined | (() => Promise<Vector>)): Vector | Promise<Vector> {
    const checked = (value: unknown): Vector => {
      const found = checkVector(value, this.size, 'complex128', 'cotangent')
      if (!(found instanceof Float64Array)) throw InvalidInputError.ofAll([found])
      return found as Vector
    }
    if (typeof cotangent !== 'function') return checked(cotangent)
    return typeof end === 'function' ? end().then((psi) => checked(cotangent(psi))) : checked(cotangent(end!))
  }

  #read(
    psi: unknown,
    options: unknown,
    name: string,
    taken: readonly ('out' | 'every' | 'columns' | 'job' | 'hook')[],
  ): Request {
    const check = new Checker(options, `Cayley.${name}: options`)
    const columns = taken.includes('columns') ? (check.integer('columns', { min: 1, max: 2 ** 32 - 1 }) ?? 0) : 0
    if (columns > 0 && this.#free) {
      check.problem('option-not-valid', 'columns', 'blocks of states need an H whose data are in the addon')
    }
    const length = this.size * Math.max(columns, 1)
    const from = checkVector(psi, length, 'complex128', 'psi')
    if (!(from instanceof Float64Array)) check.add(from)
    const steps = check.integer('steps') ?? 1
    const every = taken.includes('every') ? (check.integer('every', { min: 1 }) ?? 1) : 0
    let out: unknown
    if (taken.includes('out')) {
      out = check.take('out')
      const wrong = out === undefined ? out : checkVector(out, length, 'complex128', 'out')
      if (wrong !== undefined && !(wrong instanceof Float64Array)) check.add(wrong)
      else if (out !== undefined && !(out instanceof Float64Array)) {
        check.problem('vector-not-valid', 'out', 'out must be a Float64Array')
      }
    }
    if (taken.includes('hook')) check.function('parameterVjp')
    const job = taken.includes('job') ? readSteps(check) : {}
    check.finish()
    return { task: { psi: from as Vector, columns, steps, every, fourth: false }, out: out as Request['out'], job }
  }

  /** A synchronous call would hold the JavaScript thread until the job is done. */
  #idle(): void {
    if (this.#running === 0) return
    const message = 'an asynchronous call of this propagator is running: await it first, or make another propagator'
    throw new InvalidInputError('propagator-busy', message)
  }

  #here(task: Task): Run {
    this.#idle()
    const { psi, columns, steps, every, fourth } = task
    if (this.#free) {
      const kept: Vector[] = []
      return this.#kept(
        finishSync(freeRun(this.#free.H, psi, steps, this.#free.settings, {}, keeper(task, kept))),
        kept,
        task,
      )
    }
    return runOf(
      callPacked((addon) => addon.cayleyStepsSync(this.#native!, psi, columns, steps, every, fourth)),
      columns,
    )
  }

  async #away(task: Task, job: JobOptions): Promise<Run> {
    const { columns, steps, every, fourth } = task
    const from = task.psi.slice()
    if (this.#free) {
      const kept: Vector[] = []
      const { H, settings } = this.#free
      const run = freeRun(H, from, steps, settings, job, keeper(task, kept))
      return this.#kept(await this.#turn(() => finish(run, job.signal)), kept, { ...task, psi: from })
    }
    const { report, states }: NativeStates = await this.#queued(job, (token, progress) =>
      native().cayleySteps(this.#native!, from, columns, steps, every, fourth, token, progress),
    )
    return { ...runOf(report, columns), states }
  }

  /** The run of a function, in the form of the addon's. */
  #kept({ psi, report }: FreeRun, kept: readonly Vector[], { psi: from, every }: Task): Run {
    this.#count(report)
    if (every === 0) return { report, states: psi }
    const states = new Float64Array(from.length * (kept.length + 1))
    for (const [k, state] of [from, ...kept].entries()) states.set(state, k * from.length)
    return { report, states }
  }

  #count({ steps, matvecs, converged, reason, worstResidual }: PropagationReport): void {
    const { total } = this.#free!
    total.steps += steps
    total.matvecs += matvecs
    if (!converged && total.converged) [total.converged, total.reason] = [false, reason]
    if (!(worstResidual <= total.worstResidual)) total.worstResidual = worstResidual
  }

  #enter<P>(found: CayleyGradient<P>): CayleyGradient<P> {
    this.#count(found.forward)
    return found
  }

  #queued<T>(job: JobOptions, start: Parameters<typeof runJob<T>>[0]): Promise<T> {
    return this.#turn(() => runJob(start, job))
  }

  /** One call after the other: a job that waits for another would hold a thread. */
  async #turn<T>(run: () => Promise<T>): Promise<T> {
    this.#running++
    const turn = this.#queue.then(run)
    this.#queue = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#running--
    }
  }

  #last({ report, states }: Run, out?: Vector): StepResult {
    if (out !== undefined) {
      const gone = checkVector(out, states.length / 2, 'complex128', 'out')
      if (!(gone instanceof Float64Array)) throw InvalidInputError.ofAll([gone])
      out.set(states)
    }
    // A copy where the states are part of a larger array: a result is plain data, and a clone takes the whole buffer along.
    return { psi: out ?? states.slice(), ...report }
  }

  #states({ report, states }: Run, { every, columns }: Task): EvolveResult {
    const width = 2 * this.size * Math.max(columns, 1)
    const count = width === 0 ? 0 : states.length / width
    // Of a block, the state that went farthest.
    const made = Math.max(report.steps, ...(report.columns ?? []).map(({ steps }) => steps))
    const list = Array.from({ length: count }, (_, k) => states.slice(k * width, (k + 1) * width))
    return { states: list, times: list.map((_, k) => Math.min(k * every, made) * this.dt), ...report }
  }
}

/** Keeps every so manieth state, and the last. */
const keeper =
  ({ every, steps }: Task, kept: Vector[]) =>
  (made: number, _: Vector, psi: Vector): void => {
    if (every > 0 && (made % every === 0 || made === steps)) kept.push(psi.slice())
  }

function checkFree(check: Checker, { rows, cols, dtype }: CallbackOperator, solver: string | undefined): void {
  const wrong = (code: string, message: string): void => check.add({ code, message, name: 'H' })
  if (rows !== cols || rows === 0) wrong('matrix-not-valid', `H is ${rows} × ${cols}; it must be square, not empty`)
  if (dtype !== 'complex128')
    wrong('dtype-mismatch', "H is applied to complex vectors: the function needs dtype 'complex128'")
  if (solver !== undefined && solver !== 'auto' && solver !== 'galerkin') {
    check.problem('option-not-valid', 'solver', `a function as H goes by 'galerkin', not by '${solver}'`)
  }
}

const pick = ({ signal, onAbort }: JobOptions): PropagationJob => ({ signal, onAbort })

function readTolerance(check: Checker, name: string): number | undefined {
  const value = check.take(name)
  if (value === undefined || (typeof value === 'number' && value > 0 && value < 1)) return value
  check.problem('option-out-of-range', name, `${name} must be a number between 0 and 1, got ${String(value)}`)
  return undefined
}
