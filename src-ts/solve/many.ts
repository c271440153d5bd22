/** Many right-hand sides. */
import { InvalidInputError } from '../errors.ts'
import { Matrix, type MatrixLike } from '../matrix.ts'
import { planDirect } from './direct.ts'
import { needsSession, plan, type Plan } from './plan.ts'
import { many, manySync, runAsync, runSync } from './run.ts'
import type { DirectOptions, Method, MethodOptions, Operator, SolveJobOptions, SolveResult } from './types.ts'
import { widthOf } from './vectors.ts'

/** One result for each column of B. */
export interface ManyResult {
  /** Whether all columns converged. */
  converged: boolean
  /** Results by column: each has its own reason. */
  columns: SolveResult[]
}

/** The options of a method, or of `direct`. */
export type ManyOptions<M extends Method | 'direct'> = M extends Method ? MethodOptions[M] : DirectOptions

/**
 * AX = B for the columns of B at once. Each column is a solve of its own, with its own scalars, stopping test and reason,
 * and drops out when it ends; the products of all columns are one pass over A. `x0` is used for every column.
 *
 * With functions as operator, `M` or `stop` the columns are solved one after another.
 * @param B n × k; for `complex128` n × 2k, column j being (re, im) at 2j and 2j + 1
 * @throws InvalidInputError as the method
 */
export async function solveMany<M extends Method | 'direct'>(
  method: M,
  A: Operator,
  B: MatrixLike,
  options?: ManyOptions<M> & SolveJobOptions,
): Promise<ManyResult> {
  const { ready, k } = prepare(method, A, B, options, true)
  if (!needsSession(ready)) return collect(k === 0 ? [] : await many(ready, k))
  const columns: SolveResult[] = []
  for (let j = 0; j < k; j++) columns.push(await runAsync(column(ready, j, k)))
  return collect(columns)
}

/** {@link solveMany} on the calling thread. */
export function solveManySync<M extends Method | 'direct'>(
  method: M,
  A: Operator,
  B: MatrixLike,
  options?: ManyOptions<M>,
): ManyResult {
  const { ready, k } = prepare(method, A, B, options, false)
  if (!needsSession(ready)) return collect(k === 0 ? [] : manySync(ready, k))
  return collect(Array.from({ length: k }, (_, j) => runSync(column(ready, j, k))))
}

function prepare(
  method: Method | 'direct',
  A: Operator,
  B: MatrixLike,
  options: unknown,
  asynchronous: boolean,
): { ready: Plan; k: number } {
  const { rows: height, cols, data } = Matrix.from(B, 'B')
  const complex = method === 'shiftedHermitian' || (A as Operator | undefined)?.dtype === 'complex128'
  const k = complex ? cols / 2 : cols
  if (!Number.isInteger(k)) {
    throw new InvalidInputError('shape-mismatch', `a complex B has (re, im) columns; ${cols} is odd`, { name: 'B' })
  }
  const rows = (A as Operator | undefined)?.rows
  if (typeof rows === 'number' && height !== rows) {
    throw new InvalidInputError('shape-mismatch', `B has ${height} rows, A has ${rows}`, { name: 'B' })
  }
  const name = asynchronous ? 'solveMany' : 'solveManySync'
  const ready =
    method === 'direct'
      ? planDirect(A, data, options, asynchronous, k)
      : plan(checkMethod(method, ['direct']), A, data, options, { name, asynchronous, columns: k })
  return { ready, k }
}

const METHODS: readonly Method[] = ['cg', 'minres', 'cr', 'shiftedHermitian', 'cocg', 'cgw', 'cgnr', 'lsqr']

/** @throws InvalidInputError `option-not-valid` */
export function checkMethod(method: unknown, more: readonly string[] = []): Method {
  if ((METHODS as readonly unknown[]).includes(method)) return method as Method
  const message = `there is no method '${String(method)}'; methods: ${[...METHODS, ...more].join(', ')}`
  throw new InvalidInputError('option-not-valid', message, { name: 'method', value: method })
}

/** The plan for one column. */
function column(ready: Plan, j: number, k: number): Plan {
  const width = widthOf(ready.dtype)
  const b = new Float64Array(ready.b.length / k)
  for (let at = 0; at < b.length; at++) {
    const row = Math.floor(at / width)
    b[at] = ready.b[(row * k + j) * width + (at % width)]!
  }
  return { ...ready, b }
}

function collect(columns: SolveResult[]): ManyResult {
  return { converged: columns.every(({ converged }) => converged), columns }
}
