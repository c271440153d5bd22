/** Numbers and systems of any size without random numbers, the same in every language; `fixtures/solvers/scipy` says more. */
import type { Vector } from './dense.ts'

/** The fractional parts of k (k + 1000 key) φ, k = 1 … n, φ the golden ratio, less a half. */
export const noise = (n: number, key: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => (((i + 1) * (i + 1 + 1000 * key) * 0.6180339887498949) % 1) - 0.5)

/** κ^(k/(n−1)): from 1 to κ, evenly in the logarithm. */
export const geometric = (n: number, kappa: number): Float64Array =>
  Float64Array.from({ length: n }, (_, k) => kappa ** (k / (n - 1)))

/** Q diag(values) Qᴴ, Q = P₃P₂P₁ of reflections P = I − 2vvᴴ/‖v‖²; never formed, so that n may be large. */
export class Reflected {
  readonly values: Float64Array
  readonly #directions: Vector[]

  constructor(values: Float64Array, complex: boolean) {
    const n = values.length
    this.values = values
    this.#directions = [1, 2, 3].map((key) => {
      const v = { re: noise(n, key), im: complex ? noise(n, key + 10) : new Float64Array(n) }
      let square = 0
      for (let k = 0; k < n; k++) square += v.re[k]! ** 2 + v.im[k]! ** 2
      const size = Math.sqrt(square)
      return { re: v.re.map((x) => x / size), im: v.im.map((x) => x / size) }
    })
  }

  /** f(A) x, by f of the eigenvalues. */
  map(x: Vector, f: (eigenvalue: number) => number = (value) => value): Vector {
    const out = { re: x.re.slice(), im: x.im.slice() }
    for (const v of [...this.#directions].reverse()) reflect(v, out)
    for (let k = 0; k < this.values.length; k++) {
      const value = f(this.values[k]!)
      out.re[k]! *= value
      out.im[k]! *= value
    }
    for (const v of this.#directions) reflect(v, out)
    return out
  }
}

/** x −= 2 v (vᴴx) */
function reflect(v: Vector, x: Vector): void {
  let [re, im] = [0, 0]
  const n = v.re.length
  for (let k = 0; k < n; k++) {
    re += v.re[k]! * x.re[k]! + v.im[k]! * x.im[k]!
    im += v.re[k]! * x.im[k]! - v.im[k]! * x.re[k]!
  }
  for (let k = 0; k < n; k++) {
    x.re[k]! -= 2 * (v.re[k]! * re - v.im[k]! * im)
    x.im[k]! -= 2 * (v.re[k]! * im + v.im[k]! * re)
  }
}
