// Two problems with a known answer: loss, gradient and products with the Hessian.

/** Numbers in, numbers out; arrays by name. */
export interface Problem {
  /** Where to begin. */
  start: () => Record<string, { data: Float64Array; shape: number[] }>
  evaluate: (x: Record<string, Float64Array>) => { loss: number; grads: Record<string, Float64Array> }
  hessianProduct: (x: Record<string, Float64Array>, v: Record<string, Float64Array>) => Record<string, Float64Array>
}

/** Σ 100 (x_{k+1} − x_k²)² + (1 − x_k)²: a bent valley, 0 at (1, …, 1), from 0. */
export function rosenbrock(n: number): Problem {
  return {
    start: () => ({ x: { data: new Float64Array(n), shape: [n] } }),
    evaluate: ({ x }) => {
      const gradient = new Float64Array(n)
      let loss = 0
      for (let k = 0; k + 1 < n; k++) {
        const [bend, rest] = [x![k + 1]! - x![k]! ** 2, 1 - x![k]!]
        loss += 100 * bend ** 2 + rest ** 2
        gradient[k]! += -400 * x![k]! * bend - 2 * rest
        gradient[k + 1]! += 200 * bend
      }
      return { loss, grads: { x: gradient } }
    },
    hessianProduct: ({ x }, { x: v }) => {
      const out = new Float64Array(n)
      for (let k = 0; k + 1 < n; k++) {
        out[k]! += (1200 * x![k]! ** 2 - 400 * x![k + 1]! + 2) * v![k]! - 400 * x![k]! * v![k + 1]!
        out[k + 1]! += 200 * v![k + 1]! - 400 * x![k]! * v![k]!
      }
      return { x: out }
    },
  }
}

/**
 * ‖UVᵀ − M‖²: M is rows × cols of rank r with singular values from 1 down to 0.1, evenly in the logarithm; 0 at the best.
 * The singular vectors are cosines (discrete cosine transform), so that M needs no random numbers; U and V start from
 * small ones by formula.
 */
export function factorisation(rows: number, cols: number, r: number): Problem {
  const cosine = (n: number, i: number, k: number): number =>
    Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (i + 0.5) * k) / n)
  const m = Float64Array.from({ length: rows * cols }, (_, at) => {
    let sum = 0
    for (let k = 0; k < r; k++) sum += 10 ** (-k / Math.max(1, r - 1)) * cosine(rows, Math.floor(at / cols), k) * cosine(cols, at % cols, k) // prettier-ignore
    return sum
  })
  const small = (count: number, key: number): Float64Array =>
    Float64Array.from({ length: count }, (_, i) => 0.3 * ((((i + 1 + 1000 * key) * 0.6180339887498949) % 1) - 0.5))
  /** A Bᵀ, A: p × q, B: s × q. */
  const outer = (a: Float64Array, b: Float64Array): Float64Array =>
    Float64Array.from({ length: rows * cols }, (_, at) => {
      let sum = 0
      for (let k = 0; k < r; k++) sum += a[Math.floor(at / cols) * r + k]! * b[(at % cols) * r + k]!
      return sum
    })
  const right = (residual: Float64Array, v: Float64Array): Float64Array =>
    Float64Array.from({ length: rows * r }, (_, at) => {
      let sum = 0
      for (let j = 0; j < cols; j++) sum += residual[Math.floor(at / r) * cols + j]! * v[j * r + (at % r)]!
      return 2 * sum
    })
  const left = (residual: Float64Array, u: Float64Array): Float64Array =>
    Float64Array.from({ length: cols * r }, (_, at) => {
      let sum = 0
      for (let i = 0; i < rows; i++) sum += residual[i * cols + Math.floor(at / r)]! * u[i * r + (at % r)]!
      return 2 * sum
    })
  const plus = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, k) => value + b[k]!)
  const residual = (u: Float64Array, v: Float64Array): Float64Array => outer(u, v).map((value, k) => value - m[k]!)
  return {
    start: () => ({
      u: { data: small(rows * r, 1), shape: [rows, r] },
      v: { data: small(cols * r, 2), shape: [cols, r] },
    }),
    evaluate: ({ u, v }) => {
      const gap = residual(u!, v!)
      return {
        loss: gap.reduce((sum, value) => sum + value * value, 0),
        grads: { u: right(gap, v!), v: left(gap, u!) },
      }
    },
    hessianProduct: ({ u, v }, { u: du, v: dv }) => {
      const [gap, change] = [residual(u!, v!), plus(outer(du!, v!), outer(u!, dv!))]
      return { u: plus(right(change, v!), right(gap, dv!)), v: plus(left(change, u!), left(gap, du!)) }
    },
  }
}
