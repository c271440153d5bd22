/** Minimal residuals for Hermitian A of any inertia, from the definition. */
import { complex, copy, dot, minus, modulus, norm, over, plus, scaled, times, conj, zeros, type Apply, type Complex, type Vector } from './dense.ts' // prettier-ignore
import type { Options, Run } from './run.ts'

/**
 * The iterate k minimises ‖b − Ax‖ in the M⁻¹ norm over the Krylov space of dimension k (Paige, Saunders 1975). Here from
 * that definition, not by short recurrences: Lanczos vectors v_j, M⁻¹-orthonormal by full reorthogonalisation, with
 * A M⁻¹ V_k = V_{k+1} T; then the least-squares problem ‖β e₁ − T y‖ anew in each iteration, x = M⁻¹ V y.
 */
export function minres(apply: Apply, b: Vector, options: Options = {}): Run {
  const { rtol = 1e-10, maxIterations = b.re.length, precondition = copy, observe } = options
  const n = b.re.length
  let x = zeros(n)
  const residuals = [norm(b)]
  let matvecs = 0
  const end = (iterations: number, stopped: Run['stopped']): Run => ({ x, iterations, matvecs, stopped, residuals })
  const first = precondition(b)
  const beta = Math.sqrt(dot(b, first).re)
  if (beta === 0) return end(0, 'tolerance')
  const v = [scaled(1 / beta, b)]
  const z = [scaled(1 / beta, first)]
  const columns: Complex[][] = []
  for (let k = 0; ; k++) {
    if (residuals[k]! <= rtol * residuals[0]!) return end(k, 'tolerance')
    if (k === maxIterations) return end(k, 'maxIterations')
    let w = apply(z[k]!)
    matvecs++
    const size = norm(w)
    const column = v.map(() => complex(0))
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j <= k; j++) {
        const h = dot(z[j]!, w)
        column[j] = { re: column[j]!.re + h.re, im: column[j]!.im + h.im }
        w = plus(w, { re: -h.re, im: -h.im }, v[j]!)
      }
    }
    const image = precondition(w)
    // Rounding of what was subtracted; a smaller remainder means that the space is invariant.
    const next = norm(w) <= 1e-14 * size ? 0 : Math.sqrt(dot(w, image).re)
    column.push(complex(next))
    columns.push(column)
    const y = leastSquares(columns, beta)
    if (y === undefined) return end(k, 'breakdown')
    x = y.reduce((sum, coefficient, j) => plus(sum, coefficient, z[j]!), zeros(n))
    // By definition, since the estimate of the recurrence is in the M⁻¹ norm.
    residuals.push(norm(minus(b, apply(x))))
    if (observe?.(x, k + 1)) return end(k + 1, 'observer')
    if (next === 0) return end(k + 1, residuals[k + 1]! <= rtol * residuals[0]! ? 'tolerance' : 'breakdown')
    v.push(scaled(1 / next, w))
    z.push(scaled(1 / next, image))
  }
}

/** y minimising ‖β e₁ − H y‖, H upper Hessenberg by columns, by rotations; `undefined` where R is singular. */
function leastSquares(columns: readonly (readonly Complex[])[], beta: number): Complex[] | undefined {
  const size = columns.length
  const r = columns.map((column) => [...column])
  const right = [complex(beta), ...columns.map(() => complex(0))]
  for (let k = 0; k < size; k++) {
    const [a, b] = [r[k]![k]!, r[k]![k + 1]!]
    const hypotenuse = Math.hypot(modulus(a), modulus(b))
    if (hypotenuse === 0) return undefined
    const [c, s] = [scale(a, 1 / hypotenuse), scale(b, 1 / hypotenuse)]
    const rotate = (list: Complex[]): void => {
      const [p, q] = [list[k]!, list[k + 1]!]
      list[k] = sum(times(conj(c), p), times(conj(s), q))
      list[k + 1] = sum(times(c, q), scale(times(s, p), -1))
    }
    for (let j = k; j < size; j++) rotate(r[j]!)
    rotate(right)
  }
  const y: Complex[] = []
  for (let i = size - 1; i >= 0; i--) {
    let value = right[i]!
    for (let j = i + 1; j < size; j++) value = sum(value, scale(times(r[j]![i]!, y[j]!), -1))
    if (modulus(r[i]![i]!) <= 1e-15 * Math.max(...r.map((column) => modulus(column[0]!)))) return undefined
    y[i] = over(value, r[i]![i]!)
  }
  return y
}
const scale = (a: Complex, by: number): Complex => ({ re: a.re * by, im: a.im * by })
const sum = (a: Complex, b: Complex): Complex => ({ re: a.re + b.re, im: a.im + b.im })
