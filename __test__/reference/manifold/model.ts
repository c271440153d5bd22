/**
 * The objective of a sparse dictionary, from its definition, row by row and element by element:
 *
 * L = Σ w_n ω_no (f_no − z_no)²/2φ + gate priors + coordinate priors + ½Σ_k⟨B_k, (λ₁S_k + λ₂I)B_k⟩ + ½Σ_{j<k} W_jk‖B_j B_kᵀ‖².
 *
 * θ holds, row by row, gate parameters and coordinates of the active atoms, then all decoders (functions × p).
 */

export type Shape =
  | { topology: 'constant' | 'linear' }
  | { topology: 'circle' | 'torus'; harmonics: number }
  | { topology: 'patch'; dimension: number }

export interface Case {
  rows: number
  cols: number
  /** NaN is missing. */
  values: number[]
  cellWeights: number[]
  rowWeights: number[]
  /** Row weights multiply the rows' priors too. */
  sampling: boolean
  atoms: Shape[]
  gate: { kind: 'amplitude'; exponential: boolean } | { kind: 'softmax'; temperature: number; ridge: number }
  supports: number[][]
  strengths: {
    noise: number
    entropy: number
    amplitude: number[]
    roughness: number[]
    ridge: number[]
    ard: number[]
  }
  /** Fixed pair weights, the strength in them: [j, k, W]. */
  pairs: [number, number, number][]
}

const TAU = 2 * Math.PI

/** Functions of a circle. */
const circle = (t: number, harmonics: number): number[] => {
  const out = [1]
  for (let h = 1; h <= harmonics; h++) out.push(Math.sin(TAU * h * t), Math.cos(TAU * h * t))
  return out
}

export function dimension(shape: Shape): number {
  if (shape.topology === 'constant') return 0
  if (shape.topology === 'torus') return 2
  return shape.topology === 'patch' ? shape.dimension : 1
}

export function functions(shape: Shape, t: readonly number[]): number[] {
  switch (shape.topology) {
    case 'constant':
      return [1]
    case 'linear':
      return [1, t[0]!]
    case 'circle':
      return circle(t[0]!, shape.harmonics)
    case 'torus':
      return circle(t[0]!, shape.harmonics).flatMap((x) => circle(t[1]!, shape.harmonics).map((y) => x * y))
    case 'patch': {
      const out = [1, ...t]
      for (let i = 0; i < t.length; i++) for (let j = 0; j <= i; j++) out.push(t[i]! * t[j]!)
      return out
    }
    default:
      throw new Error('no such shape')
  }
}

export const count = (shape: Shape): number => functions(shape, [0, 0, 0, 0].slice(0, dimension(shape))).length

/** The diagonal of S. */
export function roughness(shape: Shape): number[] {
  if (shape.topology === 'circle') {
    return Array.from({ length: 2 * shape.harmonics + 1 }, (_, i) => (i < 3 ? 0 : Math.ceil(i / 2) ** 4))
  }
  if (shape.topology === 'torus') {
    const n = 2 * shape.harmonics + 1
    return Array.from({ length: n * n }, (_, i) => {
      const [h, g] = [Math.ceil(Math.floor(i / n) / 2), Math.ceil((i % n) / 2)]
      return h + g <= 1 ? 0 : (h * h + g * g) ** 2
    })
  }
  if (shape.topology === 'patch') {
    const out = Array.from({ length: 1 + shape.dimension }, () => 0)
    for (let i = 0; i < shape.dimension; i++) for (let j = 0; j <= i; j++) out.push(i === j ? 4 : 2)
    return out
  }
  return Array.from({ length: count(shape) }, () => 0)
}

const periodic = (shape: Shape): boolean => shape.topology === 'circle' || shape.topology === 'torus'

/** First function and first coordinate of each atom. */
export function places(atoms: Shape[]): { channel: number[]; coordinate: number[]; channels: number } {
  const channel = []
  const coordinate = []
  let [c, d] = [0, 0]
  for (const shape of atoms) {
    channel.push(c)
    coordinate.push(d)
    c += count(shape)
    d += dimension(shape)
  }
  return { channel, coordinate, channels: c }
}

const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0)

/** Amounts of the active atoms and the energy of the gate's prior. */
function gated(data: Case, n: number, g: readonly number[]): { amounts: number[]; energy: number } {
  const { gate, strengths } = data
  if (gate.kind === 'amplitude') {
    const one = (s: number, i: number): number => {
      const alpha = strengths.amplitude[data.supports[n]![i]!]!
      return gate.exponential ? alpha * s : 0.5 * alpha * s * s
    }
    return { amounts: [...g], energy: sum(g.map(one)) }
  }
  const powers = [...g, 0].map((l) => Math.exp(l / gate.temperature))
  const amounts = powers.map((x) => x / sum(powers))
  const entropy = -sum(amounts.map((a) => (a > 0 ? a * Math.log(a) : 0)))
  return { amounts, energy: strengths.entropy * entropy + 0.5 * gate.ridge * sum(g.map((l) => l * l)) }
}

/** L. */
export function value(data: Case, theta: ArrayLike<number>): number {
  const { rows, cols, atoms, strengths } = data
  const { channel, coordinate } = places(atoms)
  const locals = data.supports.map((support) => {
    const gates = data.gate.kind === 'softmax' ? atoms.length - 1 : support.length
    return { gates, length: gates + sum(support.map((k) => dimension(atoms[k]!))) }
  })
  const beta = sum(locals.map(({ length }) => length))
  const b = (i: number, o: number): number => theta[beta + i * cols + o]!
  let [total, at] = [0, 0]
  for (let n = 0; n < rows; n++) {
    const own = Array.from({ length: locals[n]!.length }, (_, i) => theta[at + i]!)
    at += own.length
    const { amounts, energy } = gated(data, n, own.slice(0, locals[n]!.gates))
    let [prior, next] = [energy, locals[n]!.gates]
    const fitted = Array.from({ length: cols }, () => 0)
    data.supports[n]!.forEach((k, slot) => {
      const shape = atoms[k]!
      const t = own.slice(next, next + dimension(shape))
      next += t.length
      t.forEach((x, axis) => {
        const alpha = strengths.ard[coordinate[k]! + axis]!
        prior += periodic(shape) ? (alpha / TAU ** 2) * (1 - Math.cos(TAU * x)) : 0.5 * alpha * x * x
      })
      functions(shape, t).forEach((phi, m) => {
        for (let o = 0; o < cols; o++) fitted[o]! += amounts[slot]! * phi * b(channel[k]! + m, o)
      })
    })
    total += data.sampling ? data.rowWeights[n]! * prior : prior
    for (let o = 0; o < cols; o++) {
      const z = data.values[n * cols + o]!
      const omega = data.rowWeights[n]! * data.cellWeights[n * cols + o]!
      if (!Number.isNaN(z)) total += (0.5 * omega * (fitted[o]! - z) ** 2) / strengths.noise
    }
  }
  atoms.forEach((shape, k) => {
    roughness(shape).forEach((s, m) => {
      for (let o = 0; o < cols; o++) {
        total += 0.5 * (strengths.roughness[k]! * s + strengths.ridge[k]!) * b(channel[k]! + m, o) ** 2
      }
    })
  })
  for (const [j, k, weight] of data.pairs) {
    for (let x = 0; x < count(atoms[j]!); x++) {
      for (let y = 0; y < count(atoms[k]!); y++) {
        let product = 0
        for (let o = 0; o < cols; o++) product += b(channel[j]! + x, o) * b(channel[k]! + y, o)
        total += 0.5 * weight * product ** 2
      }
    }
  }
  return total
}

/** W_jk = Σ_n a_nj a_nk / N over the rows in which both are active. */
export function coActivations(data: Case, theta: ArrayLike<number>): [number, number, number][] {
  const weights = new Map<string, [number, number, number]>()
  let at = 0
  data.supports.forEach((support, n) => {
    const gates = data.gate.kind === 'softmax' ? data.atoms.length - 1 : support.length
    const { amounts } = gated(
      data,
      n,
      Array.from({ length: gates }, (_, i) => theta[at + i]!),
    )
    at += gates + sum(support.map((k) => dimension(data.atoms[k]!)))
    support.forEach((j, x) => {
      support.forEach((k, y) => {
        if (j >= k) return
        const pair = weights.get(`${j},${k}`) ?? [j, k, 0]
        pair[2] += (amounts[x]! * amounts[y]!) / data.rows
        weights.set(`${j},${k}`, pair)
      })
    })
  })
  return [...weights.values()]
}
