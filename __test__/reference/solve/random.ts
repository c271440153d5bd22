/** Seeded numbers: a 32-bit mixer over a counter. */

export interface Random {
  /** In (0, 1). */
  uniform: () => number
  /** Standard normal. */
  normal: () => number
  /** 0 … below − 1. */
  integer: (below: number) => number
  chance: (probability: number) => boolean
  pick: <T>(from: readonly T[]) => T
}

/** Numbers that depend on the seed and, where given, on a second key: number k of a stream can be had without the others. */
export function random(seed: number, key: number = 0): Random {
  let state = mix(mix(seed >>> 0) ^ Math.imul(key + 1, 0x9e3779b1))
  const uniform = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    return (mix(state) + 0.5) / 2 ** 32
  }
  const integer = (below: number): number => Math.floor(uniform() * below)
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    chance: (probability) => uniform() < probability,
    pick: (from) => from[integer(from.length)]!,
  }
}

/** A bijection of 32-bit numbers in which each bit depends on all (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
