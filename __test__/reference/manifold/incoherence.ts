/**
 * The overlap of decoders as a sum of squares, ½ Σ r²: one residual r = √(w W_jk) ⟨row a of B_j, row b of B_k⟩ for each pair of
 * atoms and of their rows. Jacobian, Gauss–Newton matrix JᵀJ and Hessian JᵀJ + Σ r ∇²r are formed as they are defined.
 */

export interface Overlapping {
  /** Rows of each decoder. */
  functions: number[]
  columns: number
  /** K × K, symmetric or not: W_jk = (w_jk + w_kj)/2. */
  weights: number[][]
  /** w. */
  strength: number
}

interface Residual {
  scale: number
  /** Places of the first elements of the two rows. */
  rows: [number, number]
}

function residuals({ functions, columns, weights, strength }: Overlapping): Residual[] {
  const begin = functions.map((_, k) => functions.slice(0, k).reduce((sum, m) => sum + m, 0))
  const out: Residual[] = []
  for (let j = 0; j < functions.length; j++) {
    for (let k = j + 1; k < functions.length; k++) {
      const scale = Math.sqrt((strength * (weights[j]![k]! + weights[k]![j]!)) / 2)
      for (let a = 0; a < functions[j]!; a++) {
        for (let b = 0; b < functions[k]!; b++) {
          out.push({ scale, rows: [(begin[j]! + a) * columns, (begin[k]! + b) * columns] })
        }
      }
    }
  }
  return out
}

const residual = (columns: number, { scale, rows: [x, y] }: Residual, target: ArrayLike<number>): number => {
  let sum = 0
  for (let o = 0; o < columns; o++) sum += target[x + o]! * target[y + o]!
  return scale * sum
}

/** P. */
export function value(data: Overlapping, target: ArrayLike<number>): number {
  return residuals(data).reduce((sum, r) => sum + 0.5 * residual(data.columns, r, target) ** 2, 0)
}

/** JᵀJ, or with `exact` the Hessian; row-major. */
export function matrix(data: Overlapping, target: ArrayLike<number>, exact: boolean): Float64Array {
  const n = target.length
  const out = new Float64Array(n * n)
  for (const one of residuals(data)) {
    const [x, y] = one.rows
    const slope = new Float64Array(n)
    for (let o = 0; o < data.columns; o++) {
      slope[x + o] = one.scale * target[y + o]!
      slope[y + o] = one.scale * target[x + o]!
    }
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) out[i * n + j]! += slope[i]! * slope[j]!
    const r = exact ? residual(data.columns, one, target) : 0
    for (let o = 0; o < data.columns; o++) {
      out[(x + o) * n + y + o]! += r * one.scale
      out[(y + o) * n + x + o]! += r * one.scale
    }
  }
  return out
}

/** s_jk = ‖B_j B_kᵀ‖²/(‖B_j‖²‖B_k‖²) of the pairs with a weight and without a decoder of zeros. */
export function overlaps({ functions, columns, weights }: Overlapping, target: ArrayLike<number>): number[] {
  let at = 0
  const blocks = functions.map((m) =>
    Array.from({ length: m }, () => Array.from({ length: columns }, () => target[at++]!)),
  )
  const inner = (x: number[], y: number[]): number => x.reduce((sum, v, o) => sum + v * y[o]!, 0)
  const square = (block: number[][]): number => block.reduce((sum, row) => sum + inner(row, row), 0)
  const out: number[] = []
  for (let j = 0; j < blocks.length; j++) {
    for (let k = j + 1; k < blocks.length; k++) {
      const [x, y] = [blocks[j]!, blocks[k]!]
      if (weights[j]![k]! + weights[k]![j]! === 0 || square(x) * square(y) === 0) continue
      const sum = x.flatMap((row) => y.map((other) => inner(row, other) ** 2)).reduce((a, b) => a + b, 0)
      out.push(sum / (square(x) * square(y)))
    }
  }
  return out
}
