/** What is true of a system, found densely. */
import { adjoint, apply, at, hermitianDefect, largest, multiply, norm, type Matrix, type Vector } from './dense.ts'
import { hermitianEigen, inertia } from './eigen.ts'
import { solve } from './factor.ts'
import { spectral } from './propagate.ts'
import type { System } from './systems.ts'

export interface Truth {
  hermitian: boolean
  /** Inertia of the Hermitian part; within 8nε of the largest modulus counts as zero. */
  negative: number
  zero: number
  positive: number
  /** Positive definite beyond doubt. */
  definite: boolean
  /** Largest singular value; rank; condition over the singular values that are not zero. */
  norm: number
  rank: number
  kappa: number
  /** Whether b is in the range; the part of it that is not, relative to ‖b‖. */
  consistent: boolean
  inconsistency: number
  /** The solution, of minimal norm and least residual where there is a choice; of the system before scaling and planting. */
  x: Vector
  /** Smallest eigenvalue of M⁻¹ is positive; `undefined` without M. */
  preconditionerDefinite: boolean | undefined
}

const EPSILON = 2 ** -52
const cache = new WeakMap<System['plain'], Truth>()

/** The truth of a system; kept while its `plain` part is. */
export function truth(system: Pick<System, 'plain' | 'inverse' | 'planted'>): Truth {
  const known = cache.get(system.plain)
  if (known !== undefined) return known
  const found = compute(system)
  cache.set(system.plain, found)
  return found
}

function compute({ plain: { a, b }, inverse, planted }: Pick<System, 'plain' | 'inverse' | 'planted'>): Truth {
  const n = a.rows
  const hermitian = largest(a) === 0 || hermitianDefect(a) <= 4 * EPSILON
  const part = hermitian ? a : hermitianPart(a)
  const eigen = hermitianEigen(part, false)
  const size = Math.max(Math.abs(eigen.values[0]!), Math.abs(eigen.values[n - 1]!))
  const tolerance = 8 * n * EPSILON * (hermitian ? size : largest(a) * n)
  const counts = inertia(eigen.values, tolerance)
  // The squares of the singular values, through which those below 1e-7 of the largest cannot be seen: the generator makes
  // its matrices that are not Hermitian either better conditioned than that or singular.
  const gram = hermitian ? a : multiply(adjoint(a), a)
  const squares = hermitian ? eigen : hermitianEigen(gram, false)
  const singular = hermitian ? eigen.values.map(Math.abs) : squares.values.map((value) => Math.sqrt(Math.max(0, value)))
  const most = Math.max(...singular)
  const zero = hermitian ? tolerance : 3e-7 * most
  const nonzero = singular.filter((value) => value > zero)
  const rank = nonzero.length
  // A⁺ = V f(Λ) Vᴴ, or (AᴴA)⁺Aᴴ.
  const invert = (value: number): { re: number; im: number } => ({ re: Math.abs(value) > (hermitian ? zero : zero * zero) ? 1 / value : 0, im: 0 }) // prettier-ignore
  const pseudo = (right: Vector): Vector =>
    spectral(hermitianEigen(gram), invert, hermitian ? right : apply(adjoint(a), right))
  const full = rank === n ? solve(a, b) : undefined
  const x = full ?? pseudo(b)
  const length = norm(b)
  // b − A x is the part of b off the range where x is the pseudo-inverse's.
  const residual = norm(subtract(b, apply(a, x)))
  const inconsistency = length === 0 || rank === n ? 0 : residual / length
  return {
    hermitian,
    ...counts,
    definite: hermitian && counts.positive === n,
    norm: most,
    rank,
    kappa: rank === 0 ? 1 : most / Math.min(...nonzero),
    consistent: inconsistency < 1e-9,
    inconsistency,
    x,
    preconditionerDefinite:
      inverse === undefined || planted?.where === 'preconditioner'
        ? undefined
        : hermitianEigen(inverse, false).values[0]! > 0,
  }
}

const subtract = (x: Vector, y: Vector): Vector => ({ re: x.re.map((value, k) => value - y.re[k]!), im: x.im.map((value, k) => value - y.im[k]!) }) // prettier-ignore

/** (A + Aᴴ)/2 */
function hermitianPart(a: Matrix): Matrix {
  const n = a.rows
  const half: Matrix = { rows: n, cols: n, re: new Float64Array(n * n), im: new Float64Array(n * n) }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [p, q] = [at(a, i, j), at(a, j, i)]
      half.re[i * n + j] = (p.re + q.re) / 2
      half.im[i * n + j] = (p.im - q.im) / 2
    }
  }
  return half
}
