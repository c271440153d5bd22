/** Derivatives by differences of the value, extrapolated; and dense linear algebra by elimination. */

/** To step length 0, from even functions of the lengths h, h/2, h/4. */
const extrapolated = (a: number, b: number, c: number): number => (16 * ((4 * c - b) / 3) - (4 * b - a) / 3) / 15

/** ∇f by central differences, three step lengths extrapolated to 0: the error is O(h⁶). */
export function gradient(f: (x: Float64Array) => number, x: Float64Array, h = 4e-3): Float64Array {
  return Float64Array.from(x, (_, i) => {
    const central = (step: number): number => {
      const [up, down] = [x.slice(), x.slice()]
      up[i]! += step
      down[i]! -= step
      return (f(up) - f(down)) / (2 * step)
    }
    const [a, b, c] = [central(h), central(h / 2), central(h / 4)]
    return extrapolated(a, b, c)
  })
}

/** ∇²f, row-major, by second differences of the value, three step lengths extrapolated. */
export function hessian(f: (x: Float64Array) => number, x: Float64Array, h = 2e-2): Float64Array {
  const n = x.length
  const out = new Float64Array(n * n)
  const at = (i: number, di: number, j: number, dj: number): number => {
    const y = x.slice()
    y[i]! += di
    y[j]! += dj
    return f(y)
  }
  const centre = f(x)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const second = (s: number): number =>
        i === j
          ? (at(i, s, i, 0) - 2 * centre + at(i, -s, i, 0)) / (s * s)
          : (at(i, s, j, s) - at(i, s, j, -s) - at(i, -s, j, s) + at(i, -s, j, -s)) / (4 * s * s)
      const [a, b, c] = [second(h), second(h / 2), second(h / 4)]
      out[i * n + j] = out[j * n + i] = extrapolated(a, b, c)
    }
  }
  return out
}

/** ∇²f v by differences of differences, for when the dense matrix takes too long. */
export function hessianVector(
  f: (x: Float64Array) => number,
  x: Float64Array,
  v: Float64Array,
  h = 1e-2,
): Float64Array {
  const central = (step: number): Float64Array => {
    const along = (by: number): Float64Array =>
      gradient(
        f,
        x.map((y, i) => y + by * v[i]!),
      )
    const [up, down] = [along(step), along(-step)]
    return up.map((y, i) => (y - down[i]!) / (2 * step))
  }
  const [a, b, c] = [central(h), central(h / 2), central(h / 4)]
  return a.map((x, i) => extrapolated(x, b[i]!, c[i]!))
}

/** The solution of Ax = b by elimination with partial pivoting. */
export function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const [m, x] = [a.slice(), b.slice()]
  for (let k = 0; k < n; k++) {
    let pivot = k
    for (let i = k + 1; i < n; i++) if (Math.abs(m[i * n + k]!) > Math.abs(m[pivot * n + k]!)) pivot = i
    for (let j = 0; j < n; j++) [m[k * n + j], m[pivot * n + j]] = [m[pivot * n + j]!, m[k * n + j]!]
    ;[x[k], x[pivot]] = [x[pivot]!, x[k]!]
    for (let i = k + 1; i < n; i++) {
      const factor = m[i * n + k]! / m[k * n + k]!
      for (let j = k; j < n; j++) m[i * n + j]! -= factor * m[k * n + j]!
      x[i]! -= factor * x[k]!
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) x[k]! -= m[k * n + j]! * x[j]!
    x[k]! /= m[k * n + k]!
  }
  return x
}
