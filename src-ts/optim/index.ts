/**
 * Optimisers whose every step is a transaction, samplers, and guards that decide whether a step is committed.
 *
 * @packageDocumentation
 */
export { guard } from './guard.ts'
export { KronPsgd } from './kron-psgd.ts'
export type { Geometry, KronPsgdOptions } from './kron-psgd.ts'
export { lbfgs, lbfgsSync } from './lbfgs.ts'
export type {
  LbfgsIteration,
  LbfgsJobOptions,
  LbfgsOptions,
  LbfgsReason,
  LbfgsResult,
  LossAndGradient,
} from './lbfgs.ts'
export { LEAST_SQUARES_REASONS, leastSquares, leastSquaresSync } from './least-squares.ts'
export type * from './least-squares-types.ts'
export { load } from './load.ts'
export type { LoadOptions } from './load.ts'
export { Adafactor, Muon } from './matrix-methods.ts'
export type { AdafactorOptions, MuonOptions } from './matrix-methods.ts'
export { AdamW, Lion, Sgd } from './methods.ts'
export type { AdamWOptions, LionOptions, SgdOptions } from './methods.ts'
export { GuardError, Optimizer } from './optimizer.ts'
export { cosine, exponential, inverseSquareRoot } from './schedules.ts'
export type { CosineOptions } from './schedules.ts'
export type * from './types.ts'
export { BackendUnavailableError, HeadwaterError, InternalError, InvalidInputError } from '../errors.ts'
