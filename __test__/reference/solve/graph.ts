/** Graphs as edge lists and their Laplacians. */
import { at, complex, matrix, matrixFrom, times, type Matrix } from './dense.ts'

export interface Graph {
  n: number
  edges: readonly (readonly [number, number])[]
  weights: ArrayLike<number>
  /** An angle per edge: the magnetic flux seen on the way from its first to its second node. */
  flux?: ArrayLike<number>
}

/** H = degree − adjacency; with flux H_ij = −w e^{iφ}, H_ji its conjugate. Parallel edges add up. */
export function laplacian({ n, edges, weights, flux }: Graph): Matrix {
  const h = matrix(n, n)
  for (const [k, [i, j]] of edges.entries()) {
    const [w, angle] = [weights[k]!, flux?.[k] ?? 0]
    h.re[i * n + i]! += w
    h.re[j * n + j]! += w
    h.re[i * n + j]! -= w * Math.cos(angle)
    h.re[j * n + i]! -= w * Math.cos(angle)
    h.im[i * n + j]! -= w * Math.sin(angle)
    h.im[j * n + i]! += w * Math.sin(angle)
  }
  return h
}

/** Each node joined with the next, the last with the first; weight 1. Eigenvalues 2 − 2 cos(2πk/n) for n > 2. */
export function ring(n: number): Graph {
  return { n, edges: Array.from({ length: n }, (_, k) => [k, (k + 1) % n] as const), weights: Array(n).fill(1) }
}

/** rows × cols nodes, row-major, joined with their right and lower neighbours; weight 1. */
export function grid(rows: number, cols: number): Graph {
  const edges: [number, number][] = []
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      if (j + 1 < cols) edges.push([i * cols + j, i * cols + j + 1])
      if (i + 1 < rows) edges.push([i * cols + j, (i + 1) * cols + j])
    }
  }
  return { n: rows * cols, edges, weights: Array<number>(edges.length).fill(1) }
}

/** The five-point matrix of −Δ on a square of m × m inner points with zero boundary, times the square of the step. */
export function poisson(m: number): Matrix {
  const line = matrixFrom(m, m, (i, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0))
  return kroneckerSum(line, line)
}

/** A ⊗ B: block (i, j) is A_ij B. */
export const kronecker = (a: Matrix, b: Matrix): Matrix =>
  matrixFrom(a.rows * b.rows, a.cols * b.cols, (i, j) =>
    times(at(a, Math.floor(i / b.rows), Math.floor(j / b.cols)), at(b, i % b.rows, j % b.cols)),
  )

/** A ⊗ I + I ⊗ B. */
export const kroneckerSum = (a: Matrix, b: Matrix): Matrix => {
  const m = b.rows
  return matrixFrom(a.rows * m, a.rows * m, (i, j) => {
    const [p, q, r, s] = [Math.floor(i / m), Math.floor(j / m), i % m, j % m]
    const first = r === s ? at(a, p, q) : complex(0)
    const second = p === q ? at(b, r, s) : complex(0)
    return { re: first.re + second.re, im: first.im + second.im }
  })
}
