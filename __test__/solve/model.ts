/** Small systems with known answers. */
import { Csr } from '../../src-ts/solve/index.ts'
import type { InvalidInputError } from '../../index.ts'

/** −u″ = 1 on n inner points with step 1: x_i = (i + 1)(n − i)/2. */
export function chain(n: number): Csr {
  const entries: [number, number, number][] = []
  for (let i = 0; i < n; i++) {
    entries.push([i, i, 2])
    if (i > 0) entries.push([i, i - 1, -1])
    if (i < n - 1) entries.push([i, i + 1, -1])
  }
  return Csr.fromTriplets({ rows: n, cols: n, entries })
}

export const chainSolution = (n: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => ((i + 1) * (n - i)) / 2)

/** The five-point Laplacian on an n × n grid. */
export function poisson(n: number): Csr {
  const entries: [number, number, number][] = []
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const k = i * n + j
      entries.push([k, k, 4])
      for (const [to, inside] of [
        [k - n, i > 0],
        [k + n, i < n - 1],
        [k - 1, j > 0],
        [k + 1, j < n - 1],
      ] as const) {
        // prettier-ignore
        if (inside) entries.push([k, to, -1])
      }
    }
  }
  return Csr.fromTriplets({ rows: n * n, cols: n * n, entries })
}

/** A ring of n nodes: singular, with the constant vector as null space. */
export const ring = (n: number): Csr =>
  Csr.fromTriplets({
    rows: n,
    cols: n,
    entries: Array.from({ length: n }, (_, i) => i).flatMap((i): [number, number, number][] => [
      [i, i, 2],
      [i, (i + 1) % n, -1],
      [i, (i + n - 1) % n, -1],
    ]),
  })

export const ones = (n: number): Float64Array => new Float64Array(n).fill(1)

/** Largest difference. */
export const distance = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Math.max(...Array.from(x, (value, k) => Math.abs(value - y[k]!)))

export const diagonalOf = (values: readonly number[]): Csr =>
  Csr.fromTriplets({ rows: values.length, cols: values.length, entries: values.map((v, i) => [i, i, v] as const) })

/** The error that a call throws. */
export function thrownBy(call: () => unknown): InvalidInputError {
  try {
    call()
  } catch (error) {
    return error as InvalidInputError
  }
  throw new Error('nothing was thrown')
}
