/** What all iterative references share: their options and their result. They judge nothing: a test looks at `x`. */
import type { Apply, Vector } from './dense.ts'

export interface Options {
  /** Stop when the recurrence's residual norm is at most `rtol` ‖b‖. Default 1e-10. */
  rtol?: number
  maxIterations?: number
  /** z = M⁻¹ r */
  precondition?: Apply
  x0?: Vector
  /** Called after each iteration with the iterate; `true` ends the run. */
  observe?: (x: Vector, iteration: number) => boolean
}

export interface Run {
  x: Vector
  /** Completed iterations. */
  iterations: number
  /** Applications of the operator and of its adjoint. */
  matvecs: number
  stopped: 'tolerance' | 'observer' | 'maxIterations' | 'curvature' | 'breakdown'
  /** Norm of the recurrence's residual at the start and after each iteration. */
  residuals: number[]
}
