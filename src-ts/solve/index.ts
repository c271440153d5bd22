/**
 * Linear solves that say what their answer is worth: Krylov methods with a closed list of stop reasons, confirmed by the
 * true residual, for real and complex systems, sparse, dense or given as functions.
 *
 * @packageDocumentation
 */
export { assertConverged, SolverError } from './assert.ts'
export { bounds } from './bounds.ts'
export type { Interval, LanczosBounds } from './bounds.ts'
export { operator } from './callbacks.ts'
export type { CallbackOperator, OperatorInput, Product } from './callbacks.ts'
export { Cayley } from './cayley.ts'
export type { CayleyGradient, CayleyOptions, CayleySolver, CayleyStatistics, Cotangent, EvolveResult, PropagationJob, PropagationReport, StepResult } from './cayley.ts' // prettier-ignore
export { direct, directSync } from './direct.ts'
export { evolve, evolveSync } from './evolution.ts'
export type { EvolveOptions, Evolution, Phase } from './evolution.ts'
export { exactHessian, exactHessianSync } from './exact-hessian.ts'
export type { ExactHessianInput } from './exact-hessian.ts'
export { solveJvp, solveJvpSync, solveVjp, solveVjpSync } from './gradients.ts'
export type { GradientInput, JvpInput, SolveGradient, SolveTangent, VjpInput } from './gradients.ts'
export { heat, heatSync } from './heat.ts'
export type { HeatOptions, HeatResult } from './heat.ts'
export { graph, Graph } from './graph.ts'
export type { Edge } from './graph.ts'
export { iterate } from './iterate.ts'
export type { Iteration } from './iterate.ts'
export { solveMany, solveManySync } from './many.ts'
export type { ManyOptions, ManyResult } from './many.ts'
export { neumann, neumannSync } from './neumann.ts'
export type { NeumannOptions } from './neumann.ts'
export { Csr, dense, kroneckerSum } from './operators.ts'
export type { ComplexDense, CsrArrays, DenseFlags, LinearOperator, Triplets } from './operators.ts'
export { arrow, blockJacobi, incompleteCholesky, jacobi, preconditioner } from './preconditioners.ts'
export type { ArrowInput, CallbackInverse, IncompleteCholeskyOptions, NativeInverse, Preconditioner, PreconditionerInput } from './preconditioners.ts' // prettier-ignore
export * from './solvers.ts'
export { REASONS } from './types.ts'
export type * from './types.ts'
export { fromParts, toParts } from './vectors.ts'
export { BackendUnavailableError, HeadwaterError, InternalError, InvalidInputError } from '../errors.ts'
export { Matrix } from '../matrix.ts'
export type { MatrixLike } from '../matrix.ts'
export { configure } from '../native.ts'
