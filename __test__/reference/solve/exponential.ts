/** e^A of a dense matrix without its eigenvalues: Taylor's series of A/2^s, squared s times. (Higham 2008, ch. 10.) */
import { combine, complex, identity, matrix, multiply, norm, scaled, type Matrix } from './dense.ts'

/** For anti-Hermitian A the error is about 2^s units of rounding: nothing grows. */
export function expm(a: Matrix): Matrix {
  // ‖A‖/2^s below a half: 20 terms leave less than 1e-24.
  const squarings = Math.max(0, Math.ceil(Math.log2(norm(a))) + 1)
  const small: Matrix = { ...matrix(a.rows, a.cols), ...scaled(2 ** -squarings, a) }
  let term = identity(a.rows)
  let sum = identity(a.rows)
  for (let k = 1; k <= 20; k++) {
    term = { ...term, ...scaled(1 / k, multiply(term, small)) }
    sum = combine(sum, 1, term)
  }
  for (let k = 0; k < squarings; k++) sum = multiply(sum, sum)
  return sum
}

/** e^{−iHt} */
export const propagator = (h: Matrix, t: number): Matrix => expm({ ...h, ...scaled(complex(0, -t), h) })
