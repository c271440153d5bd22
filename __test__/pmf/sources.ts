/** Data of known sources, and the example sets as the API takes them. */
import { Matrix, type DataLike } from '../../index.ts'
import { random } from '../native/problem.ts'
import { epa } from '../reference/load.ts'

/** One of the EPA sets. */
export function epaData(set: string): DataLike {
  const { m, n, v, omega } = epa(set)
  return {
    values: new Matrix(m, n, v),
    uncertainties: new Matrix(
      m,
      n,
      omega.map((one) => 1 / Math.sqrt(one)),
    ),
  }
}

/** Two sources, small noise, and cell (3, 1) off by 40 uncertainties, cell (7, 0) by 20. */
export function spoilt(): { values: Matrix; uncertainties: Matrix } {
  const draw = random(5)
  const [rows, cols] = [40, 6]
  const w = Array.from({ length: rows }, () => [draw() < 0.3 ? 0 : 2 * draw(), draw() < 0.3 ? 0 : 2 * draw()])
  const h = Array.from({ length: 2 }, (_, k) => Array.from({ length: cols }, (_, j) => (j % 2 === k ? 1 + draw() : 0)))
  const values = Float64Array.from({ length: rows * cols }, (_, at) => {
    const [i, j] = [Math.floor(at / cols), at % cols]
    return w[i]![0]! * h[0]![j]! + w[i]![1]! * h[1]![j]! + 0.1 * (draw() - 0.5)
  })
  values[3 * cols + 1]! += 4
  values[7 * cols]! += 2
  return {
    values: new Matrix(rows, cols, values),
    uncertainties: new Matrix(
      rows,
      cols,
      values.map(() => 0.1),
    ),
  }
}
