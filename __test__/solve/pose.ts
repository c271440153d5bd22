/** Systems of the reference as the API takes them, and its answers as the judge takes them. */
import {
  cgnrSync,
  cgSync,
  cgwSync,
  cocgSync,
  crSync,
  Csr,
  dense,
  directSync,
  fromParts,
  lsqrSync,
  minresSync,
  preconditioner,
  shiftedHermitianSync,
  toParts,
  type Dtype,
  type LinearOperator,
  type SolveResult,
} from '../../src-ts/solve/index.ts'
import { vector, type Matrix, type Vector } from '../reference/solve/dense.ts'
import type { Result } from '../reference/solve/judge.ts'
import type { Method, System } from '../reference/solve/systems.ts'

/** The numbers of a vector. */
export const numbers = (x: Vector, complex: boolean): Float64Array<ArrayBuffer> =>
  complex ? fromParts(x.re, x.im) : Float64Array.from(x.re)

/** The vector of the numbers. */
export const vectorOf = (x: Float64Array, complex: boolean): Vector => {
  if (!complex) return vector(x)
  const { re, im } = toParts(x)
  return vector(re, im)
}

const dtypeOf = (complex: boolean): Dtype => (complex ? 'complex128' : 'float64')

/** A dense matrix. */
export const asDense = ({ rows, cols, ...data }: Matrix, complex: boolean): LinearOperator =>
  dense({ rows, cols, data: numbers(data, complex), dtype: dtypeOf(complex) } as Parameters<typeof dense>[0])

/** The same as a sparse matrix with all its elements that are not zero. */
export function asCsr({ rows, cols, re, im }: Matrix, complex: boolean): Csr {
  const entries: [number, number, number | [number, number]][] = []
  for (let k = 0; k < re.length; k++) {
    const value: number | [number, number] = complex ? [re[k]!, im[k]!] : re[k]!
    if (re[k] !== 0 || im[k] !== 0) entries.push([Math.floor(k / cols), k % cols, value])
  }
  return Csr.fromTriplets({ rows, cols, entries, dtype: dtypeOf(complex) })
}

/** The methods that a system is a test of: its own, and for systems of no special form all that need none. */
export function methodsFor(system: System): Method[] {
  if (system.shift !== undefined) {
    const real = system.shift.h.im.every((value) => value === 0)
    return ['shiftedHermitian', 'cgw', 'cgnr', ...(real ? (['cocg'] as const) : [])]
  }
  if (system.inverse !== undefined) return ['cg', 'minres', 'cr']
  const all: Method[] = ['cg', 'minres', 'cr', 'cgnr', 'lsqr', 'direct']
  // A direct solve has no guess.
  return system.planted?.where === 'x0' ? all.slice(0, -1) : all
}

/** The answer of the API. */
export function answer(system: System, method: Method): Result {
  const { complex, rtol, atol, maxIterations } = system
  const make = system.index % 2 === 0 ? asDense : asCsr
  const b = numbers(system.b, complex)
  const shift = method === 'shiftedHermitian' ? system.shift : undefined
  const A = shift === undefined ? make(system.a, complex) : make(shift.h, complex)
  const options = { rtol, atol, maxIterations, ...(system.x0 ? { x0: numbers(system.x0, complex) } : {}) }
  const inverse = system.inverse && asDense(system.inverse, complex)
  const M = inverse && {
    M: preconditioner({ size: system.n, dtype: inverse.dtype, apply: (r, z) => void inverse.apply(r, z) }),
  }
  const run: Record<Method, () => SolveResult> = {
    cg: () => cgSync(A, b, { ...options, ...M }),
    minres: () => minresSync(A, b, { ...options, ...M }),
    cr: () => crSync(A, b, { ...options, ...M }),
    cgnr: () => cgnrSync(A, b, options),
    lsqr: () => lsqrSync(A, b, options),
    direct: () => directSync(A, b, { rtol, atol }),
    shiftedHermitian: () => shiftedHermitianSync(A, b, { ...options, a: shift!.a }),
    cocg: () => cocgSync(A, b, options),
    cgw: () => cgwSync(A, b, options),
  }
  return toJudge(run[method](), complex)
}

/** A result as the judge takes it. */
export function toJudge(
  { x, converged, reason, iterations, residual, location }: SolveResult,
  complex: boolean,
): Result {
  const { true: trueNorm = NaN, recurrence } = residual
  const place = location === 'solution' ? 'recurrence' : location
  return {
    x: vectorOf(x, complex),
    converged,
    reason,
    iterations,
    residual: { true: trueNorm, ...(recurrence === undefined ? {} : { recurrence }) },
    ...(place === undefined ? {} : { location: place }),
  }
}
