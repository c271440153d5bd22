/**
 * Muon (K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): momentum whose direction is made (nearly)
 * orthogonal by five steps of a Newton-Schulz iteration.
 *
 * b ← μb + g, u = g + μb (Nesterov) or b; O = NS(u); θ ← (1 − ηλ)θ − η·scale·O.
 * NS: X = u/(‖u‖_F + 10⁻⁷), as wide as high or wider (else transposed); five times A = XXᴴ, X ← aX + (bA + cA²)X with
 * (a, b, c) = (3.4445, −4.7750, 2.0315), which takes each singular value σ to aσ + bσ³ + cσ⁵.
 * scale: `aspect` √max(1, rows/cols) (Jordan), or `rms` 0.2 √max(rows, cols) (J. Liu et al., arXiv 2502.16982).
 */
import { adjoint, combine, modulus, multiply, norm, at, matrixFrom, scaled, type Matrix } from '../solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../solve/eigen.ts'

export const COEFFICIENTS: readonly [number, number, number] = [3.4445, -4.775, 2.0315]

export interface MuonSettings {
  lr: number
  momentum: number
  nesterov: boolean
  weightDecay: number
  scale: 'aspect' | 'rms'
  steps?: number
}

export function newtonSchulz(u: Matrix, steps: number = 5): Matrix {
  if (u.rows > u.cols) return adjoint(newtonSchulz(adjoint(u), steps))
  const [a, b, c] = COEFFICIENTS
  let x = times(1 / (norm(u) + 1e-7), u)
  for (let k = 0; k < steps; k++) {
    const gram = multiply(x, adjoint(x))
    const inner = combine(times(b, gram), c, multiply(gram, gram))
    x = combine(times(a, x), 1, multiply(inner, x))
  }
  return x
}

/** What the iteration makes of a singular value. */
export function quintic(sigma: number, steps: number = 5): number {
  const [a, b, c] = COEFFICIENTS
  let x = sigma
  for (let k = 0; k < steps; k++) x = a * x + b * x ** 3 + c * x ** 5
  return x
}

/** U f(Σ) Vᴴ of a matrix of full rank from the eigenvalues of uᴴu or uuᴴ; f = 1 is the polar factor. */
export function spectral(u: Matrix, f: (sigma: number) => number): Matrix {
  if (u.rows > u.cols) return adjoint(spectral(adjoint(u), f))
  const { values, vectors } = hermitianEigen(multiply(u, adjoint(u)))
  const middle = matrixFrom(u.rows, u.rows, (i, j) => {
    const sigma = Math.sqrt(values[j]!)
    const { re, im } = at(vectors, i, j)
    return { re: (re * f(sigma)) / sigma, im: (im * f(sigma)) / sigma }
  })
  return multiply(multiply(middle, adjoint(vectors)), u)
}
export const polar = (u: Matrix): Matrix => spectral(u, () => 1)

export function muon(
  theta: Matrix,
  g: Matrix,
  buffer: Matrix,
  { lr, momentum, nesterov, weightDecay, scale, steps = 5 }: MuonSettings,
): { theta: Matrix; buffer: Matrix } {
  const next = combine(g, momentum, buffer)
  const o = newtonSchulz(nesterov ? combine(g, momentum, next) : next, steps)
  const { rows, cols } = theta
  const size = scale === 'aspect' ? Math.sqrt(Math.max(1, rows / cols)) : 0.2 * Math.sqrt(Math.max(rows, cols))
  return { theta: combine(times(1 - lr * weightDecay, theta), -lr * size, o), buffer: next }
}

const times = (by: number, a: Matrix): Matrix => ({ rows: a.rows, cols: a.cols, ...scaled(by, a) })
/** Largest modulus. */
export const largestElement = (a: Matrix): number => Math.max(...Array.from(a.re, (re, k) => modulus({ re, im: a.im[k]! }))) // prettier-ignore
