import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Matrix } from '../../index.ts'

const rowsOfNumbers = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .chain(([m, n]) => fc.array(fc.array(fc.double(), { minLength: n, maxLength: n }), { minLength: m, maxLength: m }))

test('element (i, j) is data[i * cols + j], in rows and back', () => {
  fc.assert(
    fc.property(rowsOfNumbers, (rows) => {
      const matrix = Matrix.from(rows)
      expect(matrix.toArray()).toEqual(rows)
      for (let i = 0; i < matrix.rows; i++) {
        for (let j = 0; j < matrix.cols; j++) expect(matrix.get(i, j)).toBe(rows[i]![j])
      }
    }),
  )
})

test('a clone becomes a Matrix again, with its names and without a copy', () => {
  const matrix = new Matrix(1, 2, Float64Array.of(1, NaN), { rowNames: ['a'], colNames: ['b', 'c'] })
  const clone = structuredClone(matrix)
  expect(clone).not.toBeInstanceOf(Matrix)
  const again = Matrix.from(clone)
  expect(again).toEqual(matrix)
  expect(again.data).toBe(clone.data)
  expect(Matrix.from(again)).toBe(again)
})

test('JSON has null for NaN', () => {
  expect(JSON.stringify(new Matrix(1, 2, Float64Array.of(1, NaN)))).toBe('[[1,null]]')
})

test('an index outside is an error, not an element of the next row', () => {
  const matrix = new Matrix(2, 2, Float64Array.of(1, 2, 3, 4))
  for (const [i, j] of [
    [0, 2],
    [2, 0],
    [-1, 0],
    [0.5, 0],
    [0, NaN],
  ]) {
    expect(() => matrix.get(i!, j!)).toThrow(RangeError)
  }
  expect(() => matrix.row(2)).toThrow(RangeError)
})

test.each([
  ['ragged rows', [[1, 2], [3]], 'matrix-not-valid'],
  ['text among numbers', [[1, 'x']], 'matrix-not-valid'],
  ['null for a missing value', [[1, null]], 'matrix-not-valid'],
  ['no rows at all', 'x', 'matrix-not-valid'],
  ['null', null, 'matrix-not-valid'],
  ['a shape that does not fit', { rows: 2, cols: 2, data: new Float64Array(3) }, 'matrix-not-valid'],
  ['a fractional shape', { rows: 1.5, cols: 2, data: new Float64Array(3) }, 'matrix-not-valid'],
  ['a negative shape', { rows: -1, cols: -3, data: new Float64Array(3) }, 'matrix-not-valid'],
  ['too few names', { rows: 1, cols: 2, data: [1, 2], colNames: ['a'] }, 'names-mismatch'],
])('%s are refused', (_, source, code) => {
  expect(() => Matrix.from(source as never)).toThrow(expect.objectContaining({ name: 'InvalidInputError', code }))
})

test('a transferred array is refused, not taken for an empty one', () => {
  const data = new Float64Array(0)
  structuredClone(data, { transfer: [data.buffer] })
  expect(() => new Matrix(0, 0, data)).toThrow(expect.objectContaining({ code: 'array-detached' }))
  expect(() => Matrix.from([data])).toThrow(expect.objectContaining({ code: 'array-detached' }))
})
