/** The planted circle mixtures of `fixtures/manifold`, generated as its README says. */
import { readFileSync } from 'node:fs'

/** A case: rows, and the circles and phases of every row. */
export interface Planted {
  name: string
  p: number
  train: number
  circles: number
  active: number
  atoms: number
  rows: number
  values: Float64Array<ArrayBuffer>
  support: number[]
  phase: number[]
  ceiling: { ev: number }
}

/** SplitMix64. */
export class SplitMix {
  #state: bigint

  constructor(seed: number) {
    this.#state = BigInt(seed)
  }

  uniform(): number {
    const mask = (1n << 64n) - 1n
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & mask
    let x = this.#state
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & mask
    x ^= x >> 31n
    return Number(x >> 11n) * 2 ** -53
  }

  normals(count: number): Float64Array<ArrayBuffer> {
    const out = new Float64Array(count + 1)
    for (let i = 0; i < count; i += 2) {
      const [a, b] = [this.uniform(), this.uniform()]
      const r = Math.sqrt(-2 * Math.log(1 - a))
      out[i] = r * Math.cos(2 * Math.PI * b)
      out[i + 1] = r * Math.sin(2 * Math.PI * b)
    }
    return out.slice(0, count)
  }
}

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/manifold/planted.json', import.meta.url), 'utf8'))

/** A case of the fixture. */
export function planted(name: string): Planted {
  const about = fixture.cases[name]
  const { C, p, act, N, sigma, radius, seed } = about
  const random = new SplitMix(seed)
  const frames = Array.from({ length: C }, () => {
    const draws = random.normals(2 * p)
    const u = Array.from({ length: p }, (_, o) => draws[2 * o]!)
    const v = Array.from({ length: p }, (_, o) => draws[2 * o + 1]!)
    const dot = (a: number[], b: number[]): number => a.reduce((sum, x, o) => sum + x * b[o]!, 0)
    const unit = (a: number[]): number[] => a.map((x) => x / Math.sqrt(dot(a, a)))
    const first = unit(u)
    const along = dot(v, first)
    return [first, unit(v.map((x, o) => x - along * first[o]!))] as const
  })
  const support: number[] = []
  const phase: number[] = []
  for (let n = 0; n < N; n++) {
    const order = Array.from({ length: C }, (_, k) => k)
    for (let i = 0; i < act; i++) {
      const j = i + Math.floor(random.uniform() * (C - i))
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    support.push(...order.slice(0, act))
    for (let i = 0; i < act; i++) phase.push(random.uniform())
  }
  const values = random.normals(N * p).map((x) => sigma * x)
  for (let n = 0; n < N; n++) {
    for (let a = n * act; a < (n + 1) * act; a++) {
      const [u, v] = frames[support[a]!]!
      const [c, s] = [Math.cos(2 * Math.PI * phase[a]!), Math.sin(2 * Math.PI * phase[a]!)]
      for (let o = 0; o < p; o++) values[n * p + o]! += radius * (c * u[o]! + s * v[o]!)
    }
  }
  const { ntrain: train, K: atoms, ceiling } = about
  return { name, p, train, circles: C, active: act, atoms, rows: N, values, support, phase, ceiling }
}

/** T4: seven labels on a circle, ten rows each in order; no row is held out. */
export function sevenLabels(data = 0): Planted {
  const [rows, p] = [70, 8]
  const phase = Array.from({ length: rows }, (_, n) => Math.floor(n / 10) / 7)
  const values = new SplitMix(2691 + data).normals(rows * p).map((x) => 0.352 * x)
  phase.forEach((t, n) => {
    values[n * p]! += 2.086 * Math.cos(2 * Math.PI * t)
    values[n * p + 1]! += 2.086 * Math.sin(2 * Math.PI * t)
  })
  const [support, { ceiling }] = [phase.map(() => 0), fixture.cases.T4]
  return { name: 'T4', p, train: rows, circles: 1, active: 1, atoms: 1, rows, values, support, phase, ceiling }
}
