/** Agreement of two dictionaries of circles with one harmonic, the slow way: projections, all permutations, sums of cosines. */

/** An atom: rows of its decoder that span its plane (or line). */
export type Span = number[][]

const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0)

/** P = Σ q qᵀ of an orthonormal basis, p × p. */
export function projection(rows: Span): { matrix: number[][]; rank: number } {
  const basis: number[][] = []
  for (const row of rows) {
    let left = [...row]
    for (let twice = 0; twice < 2; twice++) {
      for (const q of basis) {
        const along = dot(q, left)
        left = left.map((x, o) => x - along * q[o]!)
      }
    }
    const size = Math.sqrt(dot(left, left))
    if (size > 1e-8 * Math.sqrt(dot(row, row))) basis.push(left.map((x) => x / size))
  }
  const p = rows[0]!.length
  const matrix = Array.from({ length: p }, (_, i) =>
    Array.from({ length: p }, (_, j) => basis.reduce((sum, q) => sum + q[i]! * q[j]!, 0)),
  )
  return { matrix, rank: basis.length }
}

/** √(tr PQ / larger rank): the root mean square of the cosines of the principal angles. */
export function spanCosine(a: Span, b: Span): number {
  const [P, Q] = [projection(a), projection(b)]
  const trace = P.matrix.reduce((sum, row, i) => sum + dot(row, Q.matrix[i]!), 0)
  return Math.sqrt(trace / Math.max(P.rank, Q.rank))
}

/** Of two planes or lines the cosine of the largest principal angle: the root of the least eigenvalue above 0 of PQP, by 2 × 2. */
export function leastCosine(a: Span, b: Span): number {
  const [P, Q] = [projection(a), projection(b)]
  const product = (x: number[][], y: number[][]): number[][] =>
    x.map((row) => y[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * y[k]![j]!, 0)))
  const M = product(product(P.matrix, Q.matrix), P.matrix)
  const [first, square] = [M, product(M, M)].map((m) => m.reduce((sum, row, i) => sum + row[i]!, 0))
  if (Math.min(P.rank, Q.rank) === 1) return Math.sqrt(first!)
  // λ₁ + λ₂ and λ₁² + λ₂².
  return Math.sqrt(Math.max(0, (first! - Math.sqrt(Math.max(0, 2 * square! - first! ** 2))) / 2))
}

/** Of each row its column, the sum of scores over all permutations being largest. As many rows as columns, few. */
export function bestAssignment(score: readonly (readonly number[])[]): number[] {
  let best: { sum: number; of: number[] } = { sum: -Infinity, of: [] }
  const visit = (of: number[], sum: number): void => {
    if (of.length === score.length) {
      if (sum > best.sum) best = { sum, of }
      return
    }
    score.forEach((_, k) => {
      if (!of.includes(k)) visit([...of, k], sum + score[of.length]![k]!)
    })
  }
  visit([], 0)
  return best.of
}

/** max over ± of |mean exp 2πi(t ∓ t′)|. */
export function phaseLock(pairs: readonly (readonly [number, number])[]): number {
  return Math.max(
    ...[-1, 1].map((sign) => {
      const angles = pairs.map(([t, u]) => 2 * Math.PI * (t + sign * u))
      const mean = (f: (x: number) => number): number => angles.reduce((sum, x) => sum + f(x), 0) / angles.length
      return Math.hypot(mean(Math.cos), mean(Math.sin))
    }),
  )
}
