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

/** 20 × 6: two sources, each missing in some samples, with noise of 5 %. */
export function planted(): { values: Matrix; uncertainties: Matrix } {
  const draw = random(11)
  const [rows, cols] = [20, 6]
  const h = [4, 2, 0.5, 0, 1, 0.2, 0, 0.3, 2, 5, 0.2, 1.5]
  const u = new Float64Array(rows * cols)
  const values = Float64Array.from({ length: rows * cols }, () => 0)
  for (let i = 0; i < rows; i++) {
    const w = [draw() < 0.3 ? 0 : 2 * draw(), draw() < 0.3 ? 0 : 2 * draw()]
    for (let j = 0; j < cols; j++) {
      const x = w[0]! * h[j]! + w[1]! * h[cols + j]!
      const at = i * cols + j
      u[at] = 0.05 * x + 0.03
      // Three uniform numbers: near enough to normal, with a variance of 1.
      values[at] = x + u[at]! * 2 * (draw() + draw() + draw() - 1.5)
    }
  }
  return { values: new Matrix(rows, cols, values), uncertainties: new Matrix(rows, cols, u) }
}
