/** Systems of the class that each method is for, drawn from a key, and what is true of any result. */
import { expect } from 'vitest'
import {
  cg,
  cgnr,
  cgnrSync,
  cgSync,
  cgw,
  cgwSync,
  cocg,
  cocgSync,
  cr,
  crSync,
  direct,
  directSync,
  lsqr,
  lsqrSync,
  minres,
  minresSync,
  operator,
  REASONS,
  shiftedHermitian,
  shiftedHermitianSync,
  type Method as Iterative,
  type Operator,
  type SolveOptions,
  type SolveResult,
} from '../../src-ts/solve/index.ts'
import {
  adjoint,
  apply,
  at,
  combine,
  complex,
  diagonal,
  identity,
  matrixFrom,
  minus,
  multiply,
  norm,
  scaled,
  type Matrix,
  type Vector,
} from '../reference/solve/dense.ts'
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { CONVERGED } from '../reference/solve/judge.ts'
import { random, type Random } from '../reference/solve/random.ts'
import { asCsr, asDense, vectorOf } from './pose.ts'

export type Method = Iterative | 'direct'
type Run = (A: Operator, b: Float64Array, options: SolveOptions) => SolveResult
export const METHODS: Record<Method, { sync: Run; async: (...args: Parameters<Run>) => Promise<SolveResult> }> = {
  cg: { sync: cgSync, async: cg },
  cr: { sync: crSync, async: cr },
  minres: { sync: minresSync, async: minres },
  cocg: { sync: cocgSync, async: cocg },
  cgw: { sync: cgwSync, async: cgw },
  cgnr: { sync: cgnrSync, async: cgnr },
  lsqr: { sync: lsqrSync, async: lsqr },
  shiftedHermitian: { sync: shiftedHermitianSync as Run, async: shiftedHermitian as never },
  direct: { sync: directSync as never, async: direct as never },
}

export interface Posed {
  /** What the method is given: H for `shiftedHermitian`. */
  a: Matrix
  /** The matrix of the system. */
  whole: Matrix
  b: Vector
  isComplex: boolean
  options: SolveOptions & { a?: number; sigma?: number }
  /** Smallest singular value of `whole`: ‖x − x⋆‖ ≤ ‖r‖ / σ. */
  sigma: number
}

export const draw = (next: Random, rows: number, cols: number, isComplex: boolean): Matrix =>
  matrixFrom(rows, cols, () => complex(next.normal(), isComplex ? next.normal() : 0))

/** A random system of the class that the method is for. */
export function pose(method: Method, key: number): Posed {
  const next = random(key)
  const isComplex = method === 'shiftedHermitian' || next.chance(0.5)
  const n = 1 + next.integer(18)
  const g = draw(next, n, n, isComplex)
  const hermitian = combine(g, 1, adjoint(g))
  const posed = (a: Matrix, whole: Matrix = a, options: Posed['options'] = {}): Posed => {
    const b = draw(next, whole.rows, 1, isComplex)
    const square = hermitianEigen(multiply(adjoint(whole), whole), false).values[0]!
    return { a, whole, b, isComplex, options, sigma: Math.sqrt(Math.max(square, 0)) }
  }
  switch (method) {
    case 'cg':
    case 'cr':
      return posed(combine(multiply(g, adjoint(g)), 0.5, identity(n)))
    case 'minres': {
      const { vectors } = hermitianEigen(hermitian)
      const values = Array.from({ length: n }, () => (next.chance(0.5) ? 1 : -1) * (0.3 + 2 * next.uniform()))
      const a = multiply(multiply(vectors, diagonal(values)), adjoint(vectors))
      return posed({ ...a, ...scaled(0.5, combine(a, 1, adjoint(a))) })
    }
    case 'cocg':
      // Symmetric, not Hermitian; its numerical range is off 0.
      return posed(combine(matrixFrom(n, n, (i, j) => at(g, Math.min(i, j), Math.max(i, j))), 4 * Math.sqrt(n), identity(n))) // prettier-ignore
    case 'cgw':
      return posed(combine(identity(n), 0.7, combine(g, -1, adjoint(g))))
    case 'shiftedHermitian': {
      const [a, sigma] = [next.normal(), 0.5 + next.uniform()]
      const whole = combine(
        matrixFrom(n, n, (i, j) => (i === j ? sigma : 0)),
        complex(0, a),
        hermitian,
      )
      return posed(hermitian, whole, { a, sigma })
    }
    case 'cgnr':
    case 'lsqr':
    case 'direct':
      return posed(combine(g, 3 * Math.sqrt(n), identity(n)))
  }
}

export const make = ({ a, isComplex }: Posed, sparse: boolean): Operator => (sparse ? asCsr : asDense)(a, isComplex)
/** The same as a function. */
export const asked = ({ a, isComplex }: Posed): Operator => {
  const A = asDense(a, isComplex)
  return operator({
    rows: a.rows,
    cols: a.cols,
    dtype: A.dtype,
    apply: (x, y) => void A.apply(x, y),
    applyAdjoint: (x, y) => void A.applyAdjoint(x, y),
  })
}
export const bits = ({ x, reason, iterations, residual }: SolveResult): unknown => ({ x: [...x], reason, iterations, residual }) // prettier-ignore

/** What is true of any result: a closed list, plain finite data, the residual that was said. */
export function isSound({ whole, b, isComplex }: Posed, result: SolveResult): void {
  expect(Object.keys(REASONS)).toContain(result.reason)
  expect(result.converged).toBe((CONVERGED as readonly string[]).includes(result.reason))
  expect(structuredClone(result)).toEqual(result)
  // Zeros of either sign are one in JSON.
  const plain = JSON.stringify(result, (_, value: unknown) => (ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value)) // prettier-ignore
  expect(plain).not.toContain('null')
  expect(JSON.parse(plain)).toMatchObject({ reason: result.reason, iterations: result.iterations, residual: result.residual, timing: result.timing }) // prettier-ignore
  expect(result.x.every(Number.isFinite)).toBe(true)
  const x = vectorOf(result.x, isComplex)
  const rho = norm(minus(b, apply(whole, x)))
  const rounding = 1e-14 * (norm(whole) * norm(x) + norm(b))
  if (Number.isNaN(rho) || result.residual.true === undefined) return
  expect(Math.abs(result.residual.true - rho)).toBeLessThanOrEqual(rounding)
  if (result.reason === 'rtol' && whole.rows === whole.cols && result.normalResidual === undefined)
    expect(rho).toBeLessThanOrEqual(result.tolerance.value! + rounding)
}
