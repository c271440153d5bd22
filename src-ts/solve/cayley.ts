/** Unitary propagation iψ' = Hψ by Cayley steps, and gradients through them. */
import type { NativeCayley, NativeCotangents, NativeStates } from '#native'
import { InvalidInputError } from '../errors.ts'
import { runJob, type JobOptions } from '../job.ts'
import { native } from '../native.ts'
import { Checker } from '../validate.ts'
import { call } from './backend.ts'
import { Graph, nativeGraph } from './graph.ts'
import { LinearOperator, nativeOf } from './operators.ts'
import { callPacked, unpackRun } from './packing.ts'
import { present, readSteps } from './plan.ts'
import type { Reason, SolveJobOptions, StepProgress, VectorLike } from './types.ts'
import { checkVector } from './vectors.ts'

/** How the system of a step is solved; see {@link CayleyOptions.solver}. */
export type CayleySolver = 'direct' | 'galerkin' | 'cocg' | 'cgw' | 'cgnr'

/** Options of {@link Cayley}. */
export interface CayleyOptions {
  /** Time step, of either sign: −dt undoes dt. The phase error of a step is (λ dt)³/12 for the eigenvalue λ. */
  dt: number
  /**
   * `direct`: the transform as a dense matrix, set up once, by the first step (some hundred to thousand steps' worth), then 2n² (real H) or
   * 4n² multiply-adds a step. `galerkin`: `shiftedHermitian` specialised; a product with H an iteration, their number
   * growing like √(1 + λ_max dt/2). `cocg`: the same for real H. `cgw`, `cgnr`: more products.
   * @default 'auto': `direct` up to 512 nodes, else `galerkin`
   */
  solver?: 'auto' | CayleySolver | undefined
  /** Tolerance of each step's true residual relative to ‖ψ‖: a bound of the relative error of y. @default 1e-12 */
  rtol?: number | undefined
  /** The same for the adjoint solves of gradients. @default rtol */
  adjointRtol?: number | undefined
  /** Iterations of a step. @default the larger of 10 n and 1000 */
  maxIterations?: number | undefined
  /** Go on, and return gradients, although a solve has not converged; the report says so all the same. @default false */
  allowInexact?: boolean | undefined
  /** Report the energy ⟨ψ, Hψ⟩: two products a run. @default true */
  energy?: boolean | undefined
}

/** What a run of steps was worth. */
export interface PropagationReport {
  /** Steps made. A step that fails ends the run, with ψ as before it, unless `allowInexact`. */
  steps: number
  /** Whether every solve met its tolerance. */
  converged: boolean
  /** Why the first solve that did not converge ended, else `rtol`. */
  reason: Reason
  /** True relative residual of every solve: what certifies the result, as norm and energy do not. */
  residuals: Float64Array<ArrayBuffer>
  /** The largest of them. */
  worstResidual: number
  /** ‖ψ‖ after / before − 1. */
  normDefect: number
  /** ⟨ψ, Hψ⟩ after minus before; absent with `energy: false`. */
  energyDefect?: number
  /** Products of H with one complex vector, those of residuals included. */
  matvecs: number
}

/** A state after steps. */
export interface StepResult extends PropagationReport {
  /** ψ, interleaved: `out` where that was given. */
  psi: Float64Array<ArrayBuffer>
}

/** States along a run. */
export interface EvolveResult extends PropagationReport {
  /** ψ after 0, every, 2·every … steps and at the end. */
  states: Float64Array<ArrayBuffer>[]
  /** The time of each. */
  times: number[]
}

/** What a gradient through steps holds, in the convention dL = Re⟨x̄, dx⟩, x̄ = ∂L/∂Re x + i ∂L/∂Im x. */
export interface CayleyGradient {
  /** ψ after the steps. */
  psiPlus: Float64Array<ArrayBuffer>
  /** With respect to the ψ before them. */
  psi: Float64Array<ArrayBuffer>
  /** With respect to dt. */
  dt: number
  /** With respect to the weights of the edges, for a propagator of a {@link Graph}. */
  weights?: Float64Array<ArrayBuffer>
  /** With respect to their fluxes, where the graph has them. */
  fluxes?: Float64Array<ArrayBuffer>
  /** λ of the first step: (I − iaH)λ = 2ψ̄. */
  lambda: Float64Array<ArrayBuffer>
  /** The forward solves. */
  forward: PropagationReport
  /** The adjoint solves, last step first. */
  adjoint: PropagationReport
}

/** ψ̄ as a vector, or computed from the ψ after the steps. */
export type Cotangent = VectorLike | ((psi: Float64Array<ArrayBuffer>) => VectorLike)

/** What watches and stops an asynchronous run; also the set-up of `direct`, which its first step makes. */
export interface PropagationJob extends Pick<SolveJobOptions, 'signal' | 'onAbort'> {
  /** Called at most ten times a second on the JavaScript thread; if it throws, the call rejects with that error. */
  onProgress?: ((progress: StepProgress) => unknown) | undefined
}

/** Everything since a propagator was made. */
export interface CayleyStatistics {
  /** The solver in use. */
  solver: CayleySolver
  /** Steps made. */
  steps: number
  /** Products made. */
  matvecs: number
  /** Whether every solve met its tolerance. */
  converged: boolean
  /** The first reason that was no convergence, else `rtol`. */
  reason: Reason
  /** The largest residual. */
  worstResidual: number
}

interface Request {
  psi: Float64Array<ArrayBuffer>
  steps: number
  every: number
  out: Float64Array<ArrayBuffer> | undefined
  job: JobOptions
}

/** Steps by another rule, for `evolve`. */
export let padeSteps: (cayley: Cayley, psi: Float64Array<ArrayBuffer>, steps: number) => StepResult
type StepJob = (cayley: Cayley, psi: Float64Array<ArrayBuffer>, steps: number, job: JobOptions) => Promise<StepResult>
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
  readonly #native: NativeCayley
  #queue: Promise<unknown> = Promise.resolve()
  #running = 0
  /** Elements of a state. */
  readonly size: number
  /** Time step. */
  readonly dt: number
  /** The solver in use. */
  readonly solver: CayleySolver

  static {
    padeSteps = (cayley, psi, steps) => cayley.#last(cayley.#here(psi, steps, 0, true), undefined)
    padeJob = async (cayley, psi, steps, job) => cayley.#last(await cayley.#away(psi, steps, 0, true, job), undefined)
    stepJob = async (cayley, psi, steps, job) => cayley.#last(await cayley.#away(psi, steps, 0, false, job), undefined)
  }

  /**
   * @param H a Hermitian operator or a {@link Graph}, which stands for its Laplacian and gives gradients for its edges
   * @throws InvalidInputError what is wrong with the options, all at once; `not-hermitian`, `operator-not-finite`,
   * `matrix-not-valid` for H
   */
  constructor(H: LinearOperator | Graph, options: CayleyOptions) {
    const check = new Checker(options, 'Cayley: options')
    if (!(H instanceof LinearOperator || H instanceof Graph)) {
      const message = 'H must be a matrix (Csr, dense(), kroneckerSum()) or a graph'
      check.add({ code: 'operator-not-valid', message, name: 'H', value: H })
    }
    check.required('dt', 'the time step')
    const settings = {
      dt: check.number('dt') ?? 0,
      solver: check.oneOf('solver', ['auto', 'direct', 'galerkin', 'cocg', 'cgw', 'cgnr']),
      rtol: readTolerance(check, 'rtol'),
      adjointRtol: readTolerance(check, 'adjointRtol'),
      maxIterations: check.integer('maxIterations', { min: 1, max: 2 ** 32 - 1 }),
      allowInexact: check.boolean('allowInexact'),
      energy: check.boolean('energy'),
    }
    check.finish()
    const given = present<Parameters<ReturnType<typeof native>['cayleyPropagator']>[2]>(settings)
    const [operator, edges] = H instanceof Graph ? [null, nativeGraph(H)] : [nativeOf(H), null]
    this.#native = call((addon) => addon.cayleyPropagator(operator, edges, given)).value
    this.size = H instanceof Graph ? H.nodes : H.rows
    this.dt = settings.dt
    this.solver = this.#native.solver as CayleySolver
  }

  /** Everything since the propagator was made. Waits for a call that is running. */
  get stats(): CayleyStatistics {
    const { report } = unpackRun(native().cayleyStatistics(this.#native))
    const { steps, matvecs, converged, reason, worstResidual } = report
    return { solver: this.solver, steps, matvecs, converged, reason, worstResidual }
  }

  /**
   * Makes steps on the calling thread.
   * @param options `steps`: default 1; `out`: where to write ψ, which may be `psi` itself; a new array if left out
   * @throws InvalidInputError `shape-mismatch` and the like; `propagator-busy`. A solve that fails is a reason.
   */
  stepSync(
    psi: VectorLike,
    options: { steps?: number | undefined; out?: Float64Array<ArrayBuffer> | undefined } = {},
  ): StepResult {
    const { psi: from, steps, out } = this.#read(psi, options, 'stepSync', ['out'])
    return this.#last(this.#here(from, steps, 0, false), out)
  }

  /** {@link Cayley.stepSync} off the JavaScript thread. `out` is written when it is done. */
  async step(
    psi: VectorLike,
    options: { steps?: number | undefined; out?: Float64Array<ArrayBuffer> | undefined } & PropagationJob = {},
  ): Promise<StepResult> {
    const { psi: from, steps, out, job } = this.#read(psi, options, 'step', ['out', 'job'])
    return this.#last(await this.#away(from, steps, 0, false, job), out)
  }

  /**
   * The states along a run, off the JavaScript thread. Memory: 16 n bytes a state.
   * @param options `steps`: default 1; `every`: steps between states, default 1
   * @throws InvalidInputError what is wrong with the arguments
   */
  async evolve(
    psi: VectorLike,
    options: { steps?: number | undefined; every?: number | undefined } & PropagationJob = {},
  ): Promise<EvolveResult> {
    const { psi: from, steps, every, job } = this.#read(psi, options, 'evolve', ['every', 'job'])
    return this.#states(await this.#away(from, steps, every, false, job), every)
  }

  /** {@link Cayley.evolve} on the calling thread. */
  evolveSync(psi: VectorLike, options: { steps?: number | undefined; every?: number | undefined } = {}): EvolveResult {
    const { psi: from, steps, every } = this.#read(psi, options, 'evolveSync', ['every'])
    return this.#states(this.#here(from, steps, every, false), every)
  }

  /**
   * The gradient of a loss through steps. Backwards, for each step: (I − iaH)λ = 2ψ̄⁺, ψ̄ = λ − ψ̄⁺, d̄t = −½Re⟨λ, iHy⟩, and
   * for an edge w̄_ij = −Re(conj(λ_i − λ_j) ia (y_i − y_j)).
   *
   * 2N solves and N products for N steps, N vectors of memory. With `cotangent` as a function the N forward steps are made
   * once more, to give it ψ.
   *
   * Source: M. B. Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
   * differentiation".
   * @throws InvalidInputError what is wrong with the arguments; `unconverged-gradient` if a solve did not converge, unless
   * `allowInexact`
   */
  async vjp(
    psi: VectorLike,
    cotangent: Cotangent,
    options: { steps?: number | undefined } & PropagationJob = {},
  ): Promise<CayleyGradient> {
    const { psi: from, steps, job } = this.#read(psi, options, 'vjp', ['job'])
    // A copy: the caller's array may change before the second run.
    const start = from.slice()
    const bar = this.#cotangent(
      typeof cotangent === 'function' ? cotangent((await this.step(start, { steps, ...pick(job) })).psi) : cotangent,
    )
    return this.#queued(job, (token, progress) =>
      native().cayleyVjp(this.#native, start, bar, steps, token, progress),
    ).then(gradientOf)
  }

  /** {@link Cayley.vjp} on the calling thread. */
  vjpSync(psi: VectorLike, cotangent: Cotangent, options: { steps?: number | undefined } = {}): CayleyGradient {
    const { psi: from, steps } = this.#read(psi, options, 'vjpSync', [])
    const bar = this.#cotangent(
      typeof cotangent === 'function' ? cotangent(this.stepSync(from, { steps }).psi) : cotangent,
    )
    this.#free()
    return gradientOf(call((addon) => addon.cayleyVjpSync(this.#native, from, bar, steps)))
  }

  #cotangent(value: unknown): Float64Array<ArrayBuffer> {
    const found = checkVector(value, this.size, 'complex128', 'cotangent')
    if (!(found instanceof Float64Array)) throw InvalidInputError.ofAll([found])
    return found as Float64Array<ArrayBuffer>
  }

  #read(psi: unknown, options: unknown, name: string, taken: readonly ('out' | 'every' | 'job')[]): Request {
    const check = new Checker(options, `Cayley.${name}: options`)
    const from = checkVector(psi, this.size, 'complex128', 'psi')
    if (!(from instanceof Float64Array)) check.add(from)
    const steps = check.integer('steps') ?? 1
    const every = taken.includes('every') ? (check.integer('every', { min: 1 }) ?? 1) : 0
    let out: unknown
    if (taken.includes('out')) {
      out = check.take('out')
      const wrong = out === undefined ? out : checkVector(out, this.size, 'complex128', 'out')
      if (wrong !== undefined && !(wrong instanceof Float64Array)) check.add(wrong)
      else if (out !== undefined && !(out instanceof Float64Array)) {
        check.problem('vector-not-valid', 'out', 'out must be a Float64Array')
      }
    }
    const job = taken.includes('job') ? readSteps(check) : {}
    check.finish()
    return { psi: from as Float64Array<ArrayBuffer>, steps, every, out: out as Request['out'], job }
  }

  /** A synchronous call would hold the JavaScript thread until the job is done. */
  #free(): void {
    if (this.#running === 0) return
    const message = 'an asynchronous call of this propagator is running: await it first, or make another propagator'
    throw new InvalidInputError('propagator-busy', message)
  }

  #here(psi: Float64Array<ArrayBuffer>, steps: number, every: number, fourth: boolean): Run {
    this.#free()
    const packed = callPacked((addon) => addon.cayleyStepsSync(this.#native, psi, steps, every, fourth))
    const { report, end } = unpackRun(packed)
    return { report, states: packed.subarray(end) }
  }

  async #away(
    psi: Float64Array<ArrayBuffer>,
    steps: number,
    every: number,
    fourth: boolean,
    job: JobOptions,
  ): Promise<Run> {
    const from = psi.slice()
    const run = await this.#queued(job, (token, progress) =>
      native().cayleySteps(this.#native, from, steps, every, fourth, token, progress),
    )
    return runOf(run)
  }

  /** One job after the other: a job that waits for another would hold a thread. */
  async #queued<T>(job: JobOptions, start: Parameters<typeof runJob<T>>[0]): Promise<T> {
    this.#running++
    const turn = this.#queue.then(() => runJob(start, job))
    this.#queue = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#running--
    }
  }

  #last({ report, states }: Run, out: Float64Array<ArrayBuffer> | undefined): StepResult {
    if (out !== undefined) {
      const gone = checkVector(out, this.size, 'complex128', 'out')
      if (!(gone instanceof Float64Array)) throw InvalidInputError.ofAll([gone])
      out.set(states)
    }
    // A copy where the states are part of a larger array: a result is plain data, and a clone takes the whole buffer along.
    return { psi: out ?? states.slice(), ...report }
  }

  #states({ report, states }: Run, every: number): EvolveResult {
    const width = 2 * this.size
    const count = width === 0 ? 0 : states.length / width
    const list = Array.from({ length: count }, (_, k) => states.slice(k * width, (k + 1) * width))
    return { states: list, times: list.map((_, k) => Math.min(k * every, report.steps) * this.dt), ...report }
  }
}

interface Run {
  report: PropagationReport
  states: Float64Array<ArrayBuffer>
}

const runOf = ({ report, states }: NativeStates): Run => ({ report: unpackRun(report).report, states })

function gradientOf(from: NativeCotangents): CayleyGradient {
  const { psiPlus, psi, dt, weights, fluxes, lambda, forward, adjoint } = from
  return {
    psiPlus,
    psi,
    dt,
    ...(weights === undefined ? {} : { weights }),
    ...(fluxes === undefined ? {} : { fluxes }),
    lambda,
    forward: unpackRun(forward).report,
    adjoint: unpackRun(adjoint).report,
  }
}

const pick = ({ signal, onAbort }: JobOptions): PropagationJob => ({ signal, onAbort })

function readTolerance(check: Checker, name: string): number | undefined {
  const value = check.take(name)
  if (value === undefined || (typeof value === 'number' && value > 0 && value < 1)) return value
  check.problem('option-out-of-range', name, `${name} must be a number between 0 and 1, got ${String(value)}`)
  return undefined
}
