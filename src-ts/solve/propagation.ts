/** What time evolution takes and gives: options, reports, results. */
import type { SolveJobOptions, Reason, StepProgress, VectorLike } from './types.ts'
import type { Graph } from './graph.ts'

/** How the system of a step is solved; see {@link CayleyOptions.solver}. */
export type CayleySolver = 'direct' | 'eigen' | 'galerkin' | 'cocg' | 'cgw' | 'cgnr'

/** Options of {@link Cayley}. */
export interface CayleyOptions {
  /** Time step, of either sign: −dt undoes dt. The phase error of a step is (λ dt)³/12 for the eigenvalue λ. */
  dt: number
  /**
   * `direct`: the transform as a dense matrix, set up once, by the first step (some hundred to thousand steps' worth), then 2n² (real H) or
   * 4n² multiply-adds a step. `eigen`: the same transform from the eigendecomposition of H; a longer set-up, as exact for any
   * dt. `galerkin`: `shiftedHermitian` specialised; a product with H an iteration, their number
   * growing like √(1 + λ_max dt/2). `cocg`: the same for real H. `cgw`, `cgnr`: more products. A function as H goes by
   * `galerkin`.
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
  /**
   * True relative residual of every solve: what certifies the result, as norm and energy do not. NaN where it could not be
   * computed (reason `nonFinite` or `aborted`), and so are then `worstResidual` and the defects.
   */
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

/** What one state of a block was worth. */
export type ColumnReport = Omit<PropagationReport, 'matvecs'> & {
  /** Products with this state. */
  matvecs: number
}

/** How many steps, and of how many states. */
export interface StepOptions {
  /** Steps. @default 1 */
  steps?: number | undefined
  /**
   * ψ is a block of so many states, n × columns numbers by rows (state c is every `columns`-th of them): one product for all of
   * them an iteration, while each has its own reason and residuals, as `columns` of the result. A state whose solve fails
   * stays as it was before that step, the others go on.
   * @default one state
   */
  columns?: number | undefined
}

/** What a report on a block of states holds besides: the numbers of the whole are those of the worst state. */
export interface BlockReport {
  /** One report a state, with the option `columns`. */
  columns?: ColumnReport[]
}

/** A state after steps. */
export interface StepResult extends PropagationReport, BlockReport {
  /** ψ, interleaved: `out` where that was given. */
  psi: Float64Array<ArrayBuffer>
}

/** States along a run. */
export interface EvolveResult extends PropagationReport, BlockReport {
  /** ψ after 0, every, 2·every … steps and at the end. */
  states: Float64Array<ArrayBuffer>[]
  /** The time of each. */
  times: number[]
}

/** What a gradient through steps holds, in the convention dL = Re⟨x̄, dx⟩, x̄ = ∂L/∂Re x + i ∂L/∂Im x. */
export interface CayleyGradient<P = unknown> {
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
  /** What `parameterVjp` returned for each step, the first step first. */
  parameters?: P[]
  /** The forward solves. */
  forward: PropagationReport
  /** The adjoint solves, last step first. */
  adjoint: PropagationReport
}

/** Options of a gradient. */
export interface CayleyVjpOptions<P = unknown> {
  /** Steps. @default 1 */
  steps?: number | undefined
  /**
   * Gradients of your own for parameters θ of H, from the y and λ of a step: θ̄ = −Re⟨λ, ia(∂H/∂θ)y⟩, a = dt/2, summed over the
   * steps. Called once a step, the last one first, with the step's number from 0. The only way to θ for an H that is a
   * function. Two vectors of memory a step.
   */
  parameterVjp?: ((y: Float64Array<ArrayBuffer>, lambda: Float64Array<ArrayBuffer>, step: number) => P) | undefined
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
