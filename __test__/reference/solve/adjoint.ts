/** Gradients through x = A⁻¹b. Convention: dL = Re⟨x̄, dx⟩, x̄ = ∂L/∂Re x + i ∂L/∂Im x. */
import { adjoint, apply, conj, dot, matrixFrom, minus, plus, scaled, times, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { solve } from './factor.ts'
import { laplacian, type Graph } from './graph.ts'
import { cayleyMatrix } from './propagate.ts'

export interface SolveGradient {
  x: Vector
  /** λ with Aᴴλ = x̄; also the gradient of b. */
  lambda: Vector
  /** −λxᴴ, every element of A a free parameter. */
  matrix: Matrix
}

export function solveVjp(a: Matrix, b: Vector, cotangent: (x: Vector) => Vector): SolveGradient {
  const x = solve(a, b)!
  const lambda = solve(adjoint(a), cotangent(x))!
  const gradient = matrixFrom(a.rows, a.cols, (i, j) => {
    const product = times(element(lambda, i), conj(element(x, j)))
    return { re: -product.re, im: -product.im }
  })
  return { x, lambda, matrix: gradient }
}

/** ẋ = A⁻¹(ḃ − Ȧx). */
export const solveJvp = (a: Matrix, b: Vector, da: Matrix, db: Vector): Vector =>
  solve(a, minus(db, apply(da, solve(a, b)!)))!

const element = (x: Vector, k: number): Complex => ({ re: x.re[k]!, im: x.im[k]! })

export interface CayleyGradient {
  plus: Vector
  lambda: Vector
  weights: Float64Array
  dt: number
  psi: Vector
}

/**
 * ψ₊ = 2y − ψ, (I + iaH)y = ψ, a = dt/2, H a graph's Laplacian without flux, given ψ̄₊: (I − iaH)λ = 2ψ̄₊,
 * w̄_ij = −Re(conj(λ_i − λ_j) ia (y_i − y_j)), dt̄ = −½ Re⟨λ, iHy⟩, ψ̄ = λ − ψ̄₊.
 */
export function cayleyVjp(
  graph: Graph,
  dt: number,
  psi: Vector,
  cotangent: (psiPlus: Vector) => Vector,
): CayleyGradient {
  const h = laplacian(graph)
  const y = solve(cayleyMatrix(h, dt / 2), psi)!
  const psiPlus = minus(scaled(2, y), psi)
  const bar = cotangent(psiPlus)
  const lambda = solve(cayleyMatrix(h, -dt / 2), scaled(2, bar))!
  const weights = Float64Array.from(graph.edges, ([i, j]) => {
    const [l, d] = [difference(lambda, i, j), difference(y, i, j)]
    return -times(conj(l), times({ re: 0, im: dt / 2 }, d)).re
  })
  const hy = apply(h, y)
  return {
    plus: psiPlus,
    lambda,
    weights,
    dt: -dot(lambda, scaled({ re: 0, im: 1 }, hy)).re / 2,
    psi: minus(lambda, bar),
  }
}
const difference = (x: Vector, i: number, j: number): Complex => ({ re: x.re[i]! - x.re[j]!, im: x.im[i]! - x.im[j]! })

/** (f(θ + h e_k) − f(θ − h e_k)) / 2h for every k (or those asked for); error O(h²) beside rounding ε|f|/h. */
export function centralDifferences(
  f: (theta: Float64Array) => number,
  theta: ArrayLike<number>,
  h: number = 1e-6,
  which: readonly number[] = Array.from({ length: theta.length }, (_, k) => k),
): Float64Array {
  return Float64Array.from(which, (k) => {
    const moved = (by: number): number => {
      const point = Float64Array.from(theta)
      point[k]! += by
      return f(point)
    }
    return (moved(h) - moved(-h)) / (2 * h)
  })
}

/** A(θ) = A₀ + Σ θ_k A_k. */
export const affine = (base: Vector, parts: readonly Vector[], theta: ArrayLike<number>): Vector =>
  parts.reduce((sum, part, k) => plus(sum, theta[k]!, part), base)
