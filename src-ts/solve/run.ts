/** Running a plan: in the addon where all parts are there, else by a session. */
import type { NativePreconditioner } from '#native'
import { runJob, type JobOptions, type Progress } from '../job.ts'
import { native } from '../native.ts'
import { LinearOperator, nativeOf } from './operators.ts'
import { callPacked, packBriefly, unpackResults } from './packing.ts'
import { needsSession, plan, type Plan } from './plan.ts'
import { nativeInverse, NativeInverse } from './preconditioners.ts'
import { drive, driveSync } from './session.ts'
import type { Method, SolveResult } from './types.ts'

/** Solves on the calling thread. */
export function solveSync(method: Method, A: unknown, b: unknown, options: unknown): SolveResult {
  return runSync(plan(method, A, b, options, { name: `${method}Sync`, asynchronous: false }))
}

/** Solves off the JavaScript thread, or, with functions of the caller, on it piece by piece. */
export async function solve(method: Method, A: unknown, b: unknown, options: unknown): Promise<SolveResult> {
  return runAsync(plan(method, A, b, options, { name: method, asynchronous: true }))
}

/** Runs a plan on the calling thread. */
export function runSync(ready: Plan): SolveResult {
  if (needsSession(ready)) return driveSync(ready)
  return manySync(ready, 0)[0]!
}

/** Runs a plan as a job or as a session. */
export async function runAsync(ready: Plan): Promise<SolveResult> {
  if (needsSession(ready)) return drive(ready)
  const [result] = await many(ready, 0)
  return result!
}

/** Solves natively for `columns` right-hand sides (0: for one that is not a matrix). */
export function manySync(ready: Plan, columns: number): SolveResult[] {
  const { operator, M, b, settings } = ready
  const packed = packBriefly(settings)
  return unpackResults(
    callPacked((addon) => addon.solveSync(nativeOf(operator as LinearOperator), inverse(M), b, columns, packed)),
  )
}

/** The same as a job. */
export async function many(ready: Plan, columns: number): Promise<SolveResult[]> {
  const { operator, M, b, settings } = ready
  const A = nativeOf(operator as LinearOperator)
  const packed = packBriefly(settings)
  const outcome = await runJob(
    (token, progress) => native().solve(A, inverse(M), b, columns, packed, token, progress),
    jobOptions(ready),
  )
  return unpackResults(outcome.results)
}

const inverse = (M: Plan['M']): NativePreconditioner | null => (M instanceof NativeInverse ? nativeInverse(M) : null)

function jobOptions({ job, onProgress }: Plan): JobOptions {
  if (onProgress === undefined) return job
  const adapt = ({ done, total, best }: Progress): unknown =>
    onProgress({ iteration: done, maxIterations: total, ...(best === undefined ? {} : { residual: best }) })
  return { ...job, onProgress: adapt }
}
