import { expect, test } from 'vitest'
import { bounds, Csr, dense, fromParts, kroneckerSum, Matrix, toParts } from '../../src-ts/solve/index.ts'
import { adjoint, apply, matrixFrom, type Matrix as Dense, type Vector } from '../reference/solve/dense.ts'
import { hermitianEigen } from '../reference/solve/eigen.ts'
import { random } from '../reference/solve/random.ts'
import { asCsr, asDense, numbers, vectorOf } from './pose.ts'
import { chain, distance, ring, thrownBy } from './model.ts'

function draw(seed: number, rows: number, cols: number, complex: boolean): Dense {
  const next = random(seed, 0)
  return matrixFrom(rows, cols, () =>
    next.chance(0.4) ? { re: 0, im: 0 } : { re: next.normal(), im: complex ? next.normal() : 0 },
  )
}

test.each([false, true])('products and adjoint products are those of the reference (complex: %s)', (complex) => {
  for (let seed = 0; seed < 20; seed++) {
    const [rows, cols] = [1 + (seed % 7), 1 + ((3 * seed) % 11)]
    const a = draw(seed, rows, cols, complex)
    const [x, y]: [Vector, Vector] = [draw(100 + seed, cols, 1, complex), draw(200 + seed, rows, 1, complex)]
    for (const A of [asCsr(a, complex), asDense(a, complex)]) {
      expect([A.rows, A.cols, A.dtype]).toEqual([rows, cols, complex ? 'complex128' : 'float64'])
      expect(distance(A.apply(numbers(x, complex)), numbers(apply(a, x), complex))).toBeLessThan(1e-13)
      expect(distance(A.applyAdjoint(numbers(y, complex)), numbers(apply(adjoint(a), y), complex))).toBeLessThan(1e-13)
    }
  }
})

test('triplets at one place are summed, in any order, and arrays make the same matrix', () => {
  const A = Csr.fromTriplets({ rows: 2, cols: 3, entries: [[1, 2, 5], [0, 1, 1], [0, 1, 2], [0, 0, -1]] }) // prettier-ignore
  expect(A.nnz).toBe(3)
  expect([...A.apply([1, 10, 100])]).toEqual([29, 500])
  const B = Csr.fromArrays({ rows: 2, cols: 3, rowPointers: [0, 2, 3], columns: [0, 1, 2], values: [-1, 3, 5] })
  expect([...B.apply([1, 10, 100])]).toEqual([29, 500])
  const out = new Float64Array(2)
  expect(B.apply([1, 10, 100], out)).toBe(out)
})

test('a matrix is copied when it is made: later changes of the arrays do not reach it', () => {
  const values = Float64Array.of(1, 2)
  const A = Csr.fromArrays({ rows: 2, cols: 2, rowPointers: [0, 1, 2], columns: [0, 1], values })
  const B = dense({ rows: 1, cols: 2, data: values })
  values.fill(9)
  expect([...A.apply([1, 1]), ...B.apply([1, 1])]).toEqual([1, 2, 3])
})

test('dense takes whatever a matrix may be, and complex elements as pairs', () => {
  const rows = [[1, 2], [3, 4]] // prettier-ignore
  for (const source of [rows, Matrix.from(rows), { rows: 2, cols: 2, data: [1, 2, 3, 4] }]) {
    expect([...dense(source).apply([1, 10])]).toEqual([21, 43])
  }
  const I = dense({ rows: 1, cols: 1, data: [[0, 1]], dtype: 'complex128' })
  expect([...I.apply([[2, 3]])]).toEqual([-3, 2])
  expect([...I.applyAdjoint([[2, 3]])]).toEqual([3, -2])
})

test('whether a matrix is Hermitian is seen from its elements, whatever was claimed', () => {
  const claim = (entries: [number, number, number | [number, number]][], dtype: 'float64' | 'complex128') =>
    Csr.fromTriplets({ rows: 2, cols: 2, entries, dtype, hermitian: true }).hermitian
  expect(claim([[0, 1, 1], [1, 0, 1]], 'float64')).toBe(true) // prettier-ignore
  expect(claim([[0, 1, 1]], 'float64')).toBe(false)
  expect(claim([[0, 1, [0, 1]], [1, 0, [0, -1]]], 'complex128')).toBe(true) // prettier-ignore
  expect(claim([[0, 1, [0, 1]], [1, 0, [0, 1]]], 'complex128')).toBe(false) // prettier-ignore
})

test('a Kronecker sum is A ⊗ I + I ⊗ B', () => {
  const [a, b] = [draw(1, 3, 3, false), draw(2, 4, 4, false)]
  const sum = matrixFrom(12, 12, (i, j) => {
    const [ia, ib, ja, jb] = [Math.floor(i / 4), i % 4, Math.floor(j / 4), j % 4]
    return (ib === jb ? a.re[ia * 3 + ja]! : 0) + (ia === ja ? b.re[ib * 4 + jb]! : 0)
  })
  const x = draw(3, 12, 1, false)
  const K = kroneckerSum(asCsr(a, false), asDense(b, false))
  expect(distance(K.apply(x.re), apply(sum, x).re)).toBeLessThan(1e-13)
  expect(distance(K.applyAdjoint(x.re), apply(adjoint(sum), x).re)).toBeLessThan(1e-13)
  expect(thrownBy(() => kroneckerSum(chain(2), chain(2).toComplex())).code).toBe('dtype-mismatch')
  expect(thrownBy(() => kroneckerSum(chain(2), dense([[1, 2]]))).code).toBe('shape-mismatch')
  expect(thrownBy(() => kroneckerSum(chain(2), {} as Csr)).code).toBe('operator-not-valid')
})

test('a real operator lifted to complex vectors acts on both parts', () => {
  const a = draw(7, 5, 5, false)
  const x = draw(8, 5, 1, true)
  for (const A of [asCsr(a, false), asDense(a, false)]) {
    const C = A.toComplex()
    expect(C.dtype).toBe('complex128')
    expect(C.toComplex()).toBe(C)
    expect(distance(C.apply(numbers(x, true)), numbers(apply(a, x), true))).toBeLessThan(1e-13)
  }
})

test('parts and interleaved vectors are each other', () => {
  const x = fromParts([1, 2], [3, 4])
  expect([...x]).toEqual([1, 3, 2, 4])
  expect(toParts(x)).toEqual({ re: Float64Array.of(1, 2), im: Float64Array.of(3, 4) })
  expect(vectorOf(x, true).im).toEqual(Float64Array.of(3, 4))
  expect(thrownBy(() => fromParts([1], [])).code).toBe('shape-mismatch')
})

test('bounds hold the spectrum, Gershgorin for certain and Lanczos from inside', () => {
  const n = 24
  const A = ring(n)
  expect(bounds.gershgorin(A)).toEqual({ min: 0, max: 4 })
  const seen = bounds.lanczos(A, { steps: n })
  const { values } = hermitianEigen(
    matrixFrom(n, n, (i, j) => (i === j ? 2 : (i - j + n) % n === 1 || (j - i + n) % n === 1 ? -1 : 0)),
    false,
  )
  expect(Math.abs(seen.min - values[0]!)).toBeLessThan(1e-12)
  expect(Math.abs(seen.max - values[n - 1]!)).toBeLessThan(1e-12)
  expect(seen.lower).toBeLessThanOrEqual(seen.min)
  expect(seen.steps).toBeLessThan(n)
  const wild = Csr.fromTriplets({ rows: 1, cols: 1, entries: [[0, 0, NaN]] })
  expect(thrownBy(() => bounds.lanczos(wild)).code).toBe('operator-not-finite')
  expect(thrownBy(() => bounds.lanczos(A, { steps: 0 })).code).toBe('option-out-of-range')
  const skew = Csr.fromTriplets({ rows: 2, cols: 2, entries: [[0, 1, 5]] })
  expect(thrownBy(() => bounds.lanczos(skew)).code).toBe('not-hermitian')
  expect(thrownBy(() => bounds.gershgorin(skew)).code).toBe('not-hermitian')
  expect(thrownBy(() => bounds.gershgorin(kroneckerSum(A, A) as Csr)).code).toBe('matrix-needed')
})

test.each([
  [{ rows: 2, cols: 2, entries: [[0, 2, 1]] }, 'matrix-not-valid', 'entry 0 is at (0, 2), outside 2 × 2'],
  [{ rows: 2, cols: 2, entries: [[0, 0.5, 1]] }, 'matrix-not-valid', 'entry 0 is at (0, 0.5), outside 2 × 2'],
  [{ rows: 2, cols: 2, entries: [[0, 1]] }, 'matrix-not-valid', 'entry 0 is not [row, column, value]'],
  [{ rows: 2, cols: 2, entries: [[0, 1, [1, 2]]] }, 'dtype-mismatch', "entry 0 is complex, the matrix is 'float64'"],
  [{ rows: 2, cols: 2, entires: [] }, 'option-missing', 'entries'],
  [{ rows: -1, cols: 2, entries: [] }, 'option-out-of-range', 'rows must be a whole number'],
  [{ rows: 2, cols: 2, entries: 3 }, 'option-not-valid', 'entries must be an array'],
] as const)('triplets %o: %s', (given, code, message) => {
  const error = thrownBy(() => Csr.fromTriplets(given as never))
  expect([error.name, error.code]).toEqual(['InvalidInputError', code])
  expect(error.message).toContain(message)
})

test.each([
  [{ rowPointers: [0, 1], columns: [0], values: [1] }, 'matrix-not-valid', 'row pointers'],
  [{ rowPointers: [0, 2, 1], columns: [0], values: [1] }, 'matrix-not-valid', 'row'],
  [{ rowPointers: [0, 1, 2], columns: [0, 5], values: [1, 1] }, 'matrix-not-valid', 'columns of row 1'],
  [{ rowPointers: [0, 1, 2], columns: [0, -1], values: [1, 1] }, 'matrix-not-valid', 'columns[1]'],
  [{ rowPointers: [0, 1, 2], columns: [0, 1], values: [1] }, 'shape-mismatch', 'values must have 2 numbers'],
  [{ rowPointers: [0, 1, 2], columns: [0, 1], values: new Float32Array(2) }, 'dtype-mismatch', 'Float32Array'],
] as const)('arrays %o: %s', (given, code, message) => {
  const error = thrownBy(() => Csr.fromArrays({ rows: 2, cols: 2, ...given } as never))
  expect(error.code).toBe(code)
  expect(error.message).toContain(message)
})

test('an array that was transferred is an error, not an empty one', () => {
  const data = new Float64Array(4)
  structuredClone(data.buffer, { transfer: [data.buffer] })
  expect(thrownBy(() => dense({ rows: 2, cols: 2, data })).code).toBe('array-detached')
  expect(thrownBy(() => chain(2).apply(data)).code).toBe('array-detached')
})

test('matrices that nobody holds are freed: the garbage collector is told of their memory', async () => {
  const data = new Float64Array(1e6)
  const before = process.memoryUsage().rss
  for (let k = 0; k < 200; k++) {
    dense({ rows: 1000, cols: 1000, data })
    // Finalisers run between turns.
    await new Promise((resolve) => setImmediate(resolve))
  }
  // 1.6 GB were made.
  expect(process.memoryUsage().rss - before).toBeLessThan(8e8)
})

test('a product may be written over its own vector, or over a part of it', () => {
  const A = Csr.fromTriplets({ rows: 3, cols: 3, entries: [[0, 2, 1], [1, 0, 2], [2, 1, 3]] }) // prettier-ignore
  const x = Float64Array.of(1, 10, 100)
  expect([...A.apply(x, x)]).toEqual([100, 2, 30])
  const buffer = new ArrayBuffer(32)
  const [from, to] = [new Float64Array(buffer, 0, 3), new Float64Array(buffer, 8, 3)]
  from.set([1, 10, 100])
  expect([...A.apply(from, to)]).toEqual([100, 2, 30])
})
