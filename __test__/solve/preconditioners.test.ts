import { expect, test } from 'vitest'
import {
  arrow,
  blockJacobi,
  cgSync,
  Csr,
  dense,
  incompleteCholesky,
  jacobi,
  kroneckerSum,
  preconditioner,
} from '../../src-ts/solve/index.ts'
import { matrixFrom, type Vector } from '../reference/solve/dense.ts'
import * as reference from '../reference/solve/precondition.ts'
import { chain, diagonalOf, distance, ones, poisson, thrownBy } from './model.ts'

const n = 12
const A = poisson(n)
const full = matrixFrom(n * n, n * n, (i, j) => A.apply(ones(n * n).map((_, k) => (k === j ? 1 : 0)))[i]!)
const r = Float64Array.from({ length: n * n }, (_, k) => Math.sin(k + 1))
const column: Vector = { re: r, im: new Float64Array(n * n) }

test('Jacobi and IC(0) are those of the reference', () => {
  expect(distance(jacobi(A).apply(r), reference.jacobi(full)(column).re)).toBeLessThan(1e-15)
  const [mine, theirs] = [incompleteCholesky(A), reference.incompleteCholesky(full)]
  expect([mine.shift, mine.nnz]).toEqual([theirs.shift, n * n + 2 * n * (n - 1)])
  expect(distance(mine.apply(r), theirs.precondition(column).re)).toBeLessThan(1e-12)
})

test('block Jacobi solves with the diagonal blocks, given by one size or by each', () => {
  const blocks = Csr.fromTriplets({ rows: 3, cols: 3, entries: [[0, 0, 2], [0, 1, 1], [1, 0, 1], [1, 1, 2], [1, 2, 9], [2, 1, 9], [2, 2, 4]] }) // prettier-ignore
  for (const given of [{ size: 2 }, { blocks: [2, 1] }]) {
    expect(distance(blockJacobi(blocks, given).apply([3, 3, 8]), [1, 1, 2])).toBeLessThan(1e-15)
  }
})

test('the better the factor, the fewer the iterations; ICT with enough fill is Cholesky', () => {
  const iterations =
    [undefined, incompleteCholesky(A), incompleteCholesky(A, { fill: 4, drop: 1e-3 }), incompleteCholesky(A, { fill: 1e6, drop: 0 })] // prettier-ignore
      .map((M) => cgSync(A, r, { M }))
      .map(({ iterations, converged }) => (expect(converged).toBe(true), iterations))
  expect([...iterations].sort((a, b) => b - a)).toEqual(iterations)
  expect(iterations.at(-1)).toBe(1)
})

test('a pivot that breaks down is shifted, and the shift is reported', () => {
  // Positive definite, but IC(0) has a negative pivot (Kershaw's matrix).
  const rows = [[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3]] // prettier-ignore
  const entries = rows.flatMap((row, i) =>
    row.flatMap((v, j): [number, number, number][] => (v === 0 ? [] : [[i, j, v]])),
  )
  const K = Csr.fromTriplets({ rows: 4, cols: 4, entries })
  const M = incompleteCholesky(K)
  expect(M.shift).toBeGreaterThan(0)
  expect(cgSync(K, [1, 2, 3, 4], { M }).converged).toBe(true)
  expect(incompleteCholesky(K, { shift: 1 }).shift).toBe(1)
})

test('an arrow is its own exact preconditioner', () => {
  const border: [number, number, number][] = [[0, 0, 1], [1, 0, -1], [2, 0, 2]] // prettier-ignore
  const parts = {
    blocks: [dense([[4, 1], [1, 3]]), dense([[5]])], // prettier-ignore
    border: Csr.fromTriplets({ rows: 3, cols: 1, entries: border }),
    corner: dense([[6]]),
  }
  const whole = dense([[4, 1, 0, 1], [1, 3, 0, -1], [0, 0, 5, 2], [1, -1, 2, 6]]) // prettier-ignore
  const M = arrow(parts)
  expect(distance(M.apply(whole.apply([1, -2, 3, -4])), [1, -2, 3, -4])).toBeLessThan(1e-14)
  expect(cgSync(whole, [1, 2, 3, 4], { M })).toMatchObject({ converged: true, iterations: 1 })
  const error = thrownBy(() => arrow({ ...parts, corner: dense([[0.1]]) }))
  expect([error.code, error.row]).toEqual(['not-positive-definite', 3])
  expect(thrownBy(() => arrow({ ...parts, corner: dense([[6, 0], [0, 6]]) })).code).toBe('matrix-not-valid') // prettier-ignore
})

test('complex matrices have preconditioners too', () => {
  const H = Csr.fromTriplets({ rows: 2, cols: 2, dtype: 'complex128', entries: [[0, 0, 2], [0, 1, [0, 1]], [1, 0, [0, -1]], [1, 1, 2]] }) // prettier-ignore
  for (const M of [jacobi(H), blockJacobi(H, { size: 2 }), incompleteCholesky(H)]) {
    const { x, converged } = cgSync(H, [[2, 1], [2, -1]], { M }) // prettier-ignore
    expect([converged, distance(x, [1, 0, 1, 0]) < 1e-7]).toEqual([true, true])
  }
})

test('what cannot be a preconditioner is said where it is made', () => {
  const indefinite = diagonalOf([1, 2, -3])
  for (const make of [
    () => jacobi(indefinite),
    () => incompleteCholesky(indefinite),
    () => blockJacobi(indefinite, { size: 1 }),
  ]) {
    // prettier-ignore
    const error = thrownBy(make)
    expect([error.name, error.code, error.row]).toEqual(['InvalidInputError', 'not-positive-definite', 2])
  }
  expect(thrownBy(() => jacobi(kroneckerSum(chain(2), chain(2)))).code).toBe('matrix-needed')
  expect(thrownBy(() => incompleteCholesky(dense([[1]]) as Csr)).code).toBe('matrix-needed')
  expect(thrownBy(() => jacobi(dense([[1, 2]]))).code).toBe('shape-mismatch')
  expect(thrownBy(() => blockJacobi(chain(3), { blocks: [2] })).code).toBe('option-not-valid')
  expect(thrownBy(() => blockJacobi(chain(3), {} as { size: number })).code).toBe('option-missing')
  expect(thrownBy(() => incompleteCholesky(chain(3), { fil: 2 } as object)).message).toContain("did you mean 'fill'?")
  expect(thrownBy(() => preconditioner({ size: 3 } as never)).code).toBe('option-missing')
  expect(thrownBy(() => jacobi({} as Csr)).code).toBe('operator-not-valid')
  expect(thrownBy(() => jacobi(chain(2)).apply([1, 2, 3])).code).toBe('shape-mismatch')
})
