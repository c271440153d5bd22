/** Small problems made to mislead a solver, each kind named by the property built into it. Same seed, same problem. */

/** Data of one problem; NaN is a missing cell. */
export interface Case {
  kind: string
  m: number
  n: number
  p: number
  values: Float64Array
  uncertainties: Float64Array
}

/** Mulberry32: uniform numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const KINDS = [
  'plain',
  'collinear profiles',
  'exact',
  'exact with zeros',
  'rank below p',
  'sparse',
  'columns scaled by 1e±6',
  'uncertainties spread by 1e±3',
  'duplicate rows and columns',
  'missing cells, a missing row and a missing column',
  'zero row and zero column',
  'negative values',
  'tiny',
  'wide',
  'mostly noise',
] as const

/** Problem number `seed`; its kind goes round. */
export function problem(seed: number): Case {
  const next = random(seed * 2654435761 + 1)
  const kind = KINDS[seed % KINDS.length]!
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  let [m, n] = [whole(6, 14), whole(4, 7)]
  if (kind === 'tiny') [m, n] = [whole(1, 3), whole(1, 3)]
  if (kind === 'wide') [m, n] = [n, m]
  const p = Math.min(whole(1, 3), m, n)
  const rank = kind === 'rank below p' ? Math.max(1, p - 1) : p
  const gauss = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const zeros = kind === 'sparse' ? 0.7 : kind === 'exact with zeros' ? 0.4 : 0.2
  const element = (): number => (kind !== 'exact' && next() < zeros ? 0 : next() + 0.05)
  const w = Array.from({ length: m * rank }, element)
  const h = Array.from({ length: rank * n }, element)
  if (kind === 'collinear profiles') {
    for (let k = 1; k < rank; k++) for (let j = 0; j < n; j++) h[k * n + j] = h[j]! * (1 + 0.02 * next())
  }
  const values = new Float64Array(m * n)
  const uncertainties = new Float64Array(m * n)
  const noise = kind.startsWith('exact') || kind === 'rank below p' ? 0 : kind === 'mostly noise' ? 5 : 1
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let fit = 0
      for (let k = 0; k < rank; k++) fit += w[i * rank + k]! * h[k * n + j]!
      const spread = kind === 'uncertainties spread by 1e±3' ? 10 ** (6 * next() - 3) : 1
      const u = (0.03 + 0.1 * fit) * spread
      values[i * n + j] = fit + noise * u * gauss() - (kind === 'negative values' && next() < 0.3 ? 2 * fit : 0)
      uncertainties[i * n + j] = u
    }
  }
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = i * n + j
      if (kind === 'columns scaled by 1e±6') {
        const factor = 10 ** (((12 * j) / n - 6) | 0)
        values[at]! *= factor
        uncertainties[at]! *= factor
      } else if (kind === 'duplicate rows and columns') {
        if (i === m - 1) [values[at], uncertainties[at]] = [values[j]!, uncertainties[j]!]
        if (j === n - 1) [values[at], uncertainties[at]] = [values[i * n]!, uncertainties[i * n]!]
      } else if (kind.startsWith('missing')) {
        if (next() < 0.15 || i === 1 || j === 2) values[at] = NaN
      } else if (kind === 'zero row and zero column') {
        if (i === 0 || j === 0) values[at] = 0
      }
    }
  }
  return { kind, m, n, p, values, uncertainties }
}
