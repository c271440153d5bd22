/** Conjugate gradients with a space taken out. (Saad, Yeung, Erhel, Guyomarc'h 2000, SIAM J. Sci. Comput. 21, algorithm 3.5.) */
import { adjoint, apply, copy, dot, minus, multiply, norm, plus, zeros, type Apply, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { solve } from './factor.ts'
import type { Options, Run } from './run.ts'

/**
 * W has the vectors of the space as columns. x₀ = W(WᴴAW)⁻¹Wᴴb, so that Wᴴr₀ = 0, and each direction is
 * p = z − W(WᴴAW)⁻¹(AW)ᴴz + βp, which keeps it so. The inverse is by LU in every step: nothing is kept.
 */
export function deflatedCg(a: Matrix, w: Matrix, b: Vector, options: Options = {}): Run {
  const { rtol = 1e-10, maxIterations = 10 * b.re.length, precondition = copy } = options
  const aw = multiply(a, w)
  const [star, small] = [adjoint(w), multiply(adjoint(w), aw)]
  const inSpace = (x: Vector): Vector => apply(w, solve(small, x)!)
  const turned: Apply = (z) => minus(z, inSpace(apply(adjoint(aw), z)))
  let x = plus(zeros(b.re.length), 1, inSpace(apply(star, b)))
  let r = minus(b, apply(a, x))
  let z = precondition(r)
  let p = turned(z)
  let gamma = dot(r, z).re
  const residuals = [norm(r)]
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs: w.cols + 1 + iterations, stopped, residuals }) // prettier-ignore
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * norm(b)) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    const q = apply(a, p)
    const alpha = gamma / dot(p, q).re
    x = plus(x, alpha, p)
    r = plus(r, -alpha, q)
    z = precondition(r)
    const next = dot(r, z).re
    p = plus(turned(z), next / gamma, p)
    gamma = next
    residuals.push(norm(r))
  }
}
