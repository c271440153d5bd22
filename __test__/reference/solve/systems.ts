/**
 * A seeded stream of linear systems of every kind that a solver may be given, well-posed or not. System number k of a seed
 * can be made without the others: `system(seed, k)`. What is true of it is computed densely in `truth.ts`, and `judge.ts`
 * says whether a solver's answer is right.
 */
import { adjoint, apply, combine, complex, diagonal, dot, identity, largest, matrixFrom, multiply, norm, plus, scaled, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { grid, laplacian, ring } from './graph.ts'
import { random, type Random } from './random.ts'
import { truth } from './truth.ts'

export type Method = 'cg' | 'minres' | 'cr' | 'cgnr' | 'lsqr' | 'direct' | 'shiftedHermitian' | 'cocg' | 'cgw'
export type Place = 'operator' | 'b' | 'x0' | 'preconditioner'

export const KINDS = [
  'definite', // Hermitian positive definite, κ from 1 to 1e8, a tenth with few distinct eigenvalues
  'preconditioned', // the same with a positive definite M, or from a random guess, or with an absolute tolerance
  'ill-conditioned', // κ from 1e9 to 1e12
  'tight', // definite, and asked for more than rounding allows
  'indefinite', // Hermitian with eigenvalues of both signs, or negative definite
  'singular-consistent', // exact integers: GGᴴ, GDGᴴ or a Laplacian; b in the range
  'singular-inconsistent', // b not in the range
  'non-hermitian', // positive definite plus a perturbation
  'skew', // Aᴴ = −A
  'shifted', // I + iaH with Hermitian H
  'scaled', // definite; A, b or both times 2^±664 (1e±200)
  'unrepresentable', // scaled so that the solution overflows or vanishes
  'planted', // definite with one NaN or ±∞ in A, b, x0 or M
  'zero-rhs', // b = 0, with a guess or without
  'exact-guess', // exact integers: b = A x0
  'indefinite-preconditioner', // A definite, M with eigenvalues of both signs
] as const
export type Kind = (typeof KINDS)[number]

export interface System {
  seed: number
  index: number
  kind: Kind
  method: Method
  n: number
  /** Whether it is to be posed in complex arithmetic; else every imaginary part is 0. */
  complex: boolean
  a: Matrix
  b: Vector
  x0?: Vector
  /** M⁻¹, dense Hermitian: z = M⁻¹r is a product. */
  inverse?: Matrix
  /** A = I + iaH, where the method takes H and a. */
  shift?: { h: Matrix; a: number }
  rtol: number
  atol: number
  maxIterations: number
  planted?: { where: Place; value: number }
  /** A and b before scaling by powers of two and planting: what `truth` looks at. */
  plain: { a: Matrix; b: Vector }
  /** a = plain.a 2^scale.a, b = plain.b 2^scale.b. */
  scale: { a: number; b: number }
  /** A, and its null space, are exact: integers whose products round nowhere. */
  exact: boolean
}

/** How a failure names its system, so that `system(seed, index)` makes it again. */
export const describe = ({ seed, index, kind, method, n, complex: isComplex }: System): string =>
  `seed ${seed}, system ${index}: ${kind}, ${method}, n = ${n}, ${isComplex ? 'complex' : 'real'}`

/** The seed from the environment variable HEADWATER_SEED, else one of today; said aloud, so that a failure can be repeated. */
export function chooseSeed(say: (text: string) => void = console.log): number {
  const given = process.env.HEADWATER_SEED
  const seed = given === undefined ? Math.floor(Date.now() / 86_400_000) : Number(given)
  if (!Number.isSafeInteger(seed)) throw new RangeError(`HEADWATER_SEED must be an integer, not ${given}`)
  say(`systems of seed ${seed} (HEADWATER_SEED=${seed} makes them again)`)
  return seed
}

/** Systems 0 … count − 1. */
export function* systems(seed: number, count: number): Generator<System> {
  for (let index = 0; index < count; index++) yield system(seed, index)
}

const HERMITIAN: readonly Method[] = ['cg', 'cg', 'cg', 'minres', 'cr']
const ANY: readonly Method[] = [...HERMITIAN, 'cgnr', 'lsqr', 'direct']

export function system(seed: number, index: number): System {
  const next = random(seed, index)
  // Definite systems are what most users have, and the rate of convergence is counted on them.
  const kind = next.chance(0.3) ? 'definite' : next.pick(KINDS)
  const isComplex = kind === 'shifted' || next.chance(0.5)
  const n = kind.startsWith('singular') || kind.startsWith('indefinite') ? 2 + next.integer(39) : 1 + next.integer(40)
  const draw = new Draw(next, isComplex)
  const made = MAKERS[kind](draw, kind === 'tight' ? Math.max(n, 8) : n)
  const { a, b } = made
  const rtol = made.rtol ?? next.pick([1e-4, 1e-8, 1e-8, 1e-8])
  const scale = made.scale ?? { a: 0, b: 0 }
  const built: System = {
    seed,
    index,
    kind,
    method: made.method ?? next.pick(HERMITIAN),
    n: a.rows,
    complex: isComplex,
    a: { ...a, ...scaled(2 ** scale.a, a) },
    b: scaled(2 ** scale.b, b),
    rtol,
    atol: made.atol ?? 0,
    // Rounding delays convergence: 9n iterations are seen at κ = 1e6.
    maxIterations: 50 * a.rows + 100,
    plain: { a, b },
    scale,
    exact: made.exact ?? false,
    ...(made.x0 === undefined ? {} : { x0: made.x0 }),
    ...(made.inverse === undefined ? {} : { inverse: made.inverse }),
    ...(made.shift === undefined ? {} : { shift: made.shift }),
  }
  return kind === 'planted' ? plant(built, next) : built
}

type Made = Pick<System, 'a' | 'b'> & Partial<Omit<System, 'a' | 'b' | 'plain' | 'planted'>>

const MAKERS: Record<Kind, (draw: Draw, n: number) => Made> = {
  definite: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 8 * draw.next.uniform()))
    return { a, b: draw.right(a), method: draw.next.pick(ANY) }
  },
  preconditioned: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 6 * draw.next.uniform()))
    const b = draw.right(a)
    const made: Made = { a, b, method: 'cg' }
    if (draw.next.chance(0.7)) made.inverse = draw.next.chance(0.5) ? reciprocalDiagonal(a) : draw.withSpectrum(draw.positive(n, 2)) // prettier-ignore
    if (draw.next.chance(0.4)) made.x0 = scaled(10 ** (6 * draw.next.uniform() - 3), draw.vector(n))
    if (draw.next.chance(0.3)) made.atol = 10 ** (-1 - 4 * draw.next.uniform()) * norm(b)
    return made
  },
  'ill-conditioned': (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 9 + 3 * draw.next.uniform()))
    return { a, b: draw.right(a), method: draw.next.pick(['cg', 'cg', 'minres', 'direct'] as const) }
  },
  tight: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 5 + 3 * draw.next.uniform()))
    return { a, b: draw.vector(n), rtol: 1e-15, method: 'cg' }
  },
  indefinite: (draw, n) => {
    const values = draw.positive(n, 4 * draw.next.uniform())
    // At least one negative; one in ten has nothing else.
    const all = draw.next.chance(0.1)
    values.forEach((value, k) => (values[k] = k === 0 || all || draw.next.chance(0.4) ? -value : value))
    const a = draw.withSpectrum(values)
    return { a, b: draw.right(a) }
  },
  'singular-consistent': (draw, n) => {
    const a = draw.singular(n)
    // Not in the null space, or b were 0.
    return { a, b: apply(a, draw.unless((y) => largest(apply(a, y)) === 0, () => draw.integers(n))), exact: true } // prettier-ignore
  },
  'singular-inconsistent': (draw, n) => {
    const a = draw.singular(n)
    // Integers may lie in the range by chance (a sum of 0, on a ring).
    const off = (b: Vector): boolean => norm(b) > 0 && truth({ plain: { a, b } }).inconsistency > 1e-3
    const b = draw.unless((b) => !off(b), () => plus(apply(a, draw.integers(n)), 1, draw.integers(n))) // prettier-ignore
    return { a, b, exact: true, method: draw.next.pick(ANY) }
  },
  'non-hermitian': (draw, n) => {
    const a = combine(draw.withSpectrum(draw.positive(n, 2)), 10 ** -draw.next.integer(3), draw.square(n))
    // An imaginary diagonal, so that n = 1 is not Hermitian either.
    return { a: draw.complex ? combine(a, complex(0, 0.3), identity(n)) : a, b: draw.vector(n), method: draw.next.pick(ANY) } // prettier-ignore
  },
  skew: (draw, n) => {
    const g = draw.square(n)
    // For n = 1 in real arithmetic that is 0, exactly.
    return {
      a: combine(g, -1, adjoint(g)),
      b: draw.vector(n),
      method: draw.next.pick(ANY),
      exact: n === 1 && !draw.complex,
    }
  },
  shifted: (draw, n) => {
    const real = draw.next.chance(0.5)
    const values = draw.positive(n, 3).map((value) => (draw.next.chance(0.3) ? -value : value))
    const h = (real ? new Draw(draw.next, false) : draw).withSpectrum(values)
    const a = 10 ** (3 * draw.next.uniform() - 2)
    const methods: Method[] = ['shiftedHermitian', 'shiftedHermitian', 'cgw', 'cgnr']
    if (real) methods.push('cocg')
    return { a: combine(identity(n), complex(0, a), h), b: draw.vector(n), shift: { h, a }, method: draw.next.pick(methods) } // prettier-ignore
  },
  scaled: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 5 * draw.next.uniform()))
    const far = draw.next.pick([664, -664])
    const scale = draw.next.pick([{ a: far, b: 0 }, { a: 0, b: far }, { a: far, b: far }]) // prettier-ignore
    return { a, b: draw.vector(n), scale, method: draw.next.pick(ANY) }
  },
  unrepresentable: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 2))
    const far = draw.next.pick([664, -664])
    return { a, b: draw.vector(n), scale: { a: far, b: -far } }
  },
  planted: (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 3))
    return { a, b: draw.vector(n), x0: draw.vector(n), inverse: reciprocalDiagonal(a), method: 'cg' }
  },
  'zero-rhs': (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 3))
    const made: Made = { a, b: scaled(0, draw.vector(n)) }
    return draw.next.chance(0.5) ? { ...made, x0: draw.vector(n) } : made
  },
  'exact-guess': (draw, n) => {
    const g = draw.integerMatrix(n, n)
    const a = combine(multiply(g, adjoint(g)), 1, identity(n))
    const x0 = draw.unless((y) => largest(y) === 0, () => draw.integers(n)) // prettier-ignore
    return { a, b: apply(a, x0), x0, exact: true }
  },
  'indefinite-preconditioner': (draw, n) => {
    const a = draw.withSpectrum(draw.positive(n, 3))
    const values = draw.positive(n, 1).map((value, k) => (k === 0 || draw.next.chance(0.4) ? -value : value))
    return { a, b: draw.right(a), inverse: draw.withSpectrum(values), method: 'cg' }
  },
}

/** Random vectors and matrices, real or complex. */
class Draw {
  readonly next: Random
  readonly complex: boolean
  constructor(next: Random, isComplex: boolean) {
    this.next = next
    this.complex = isComplex
  }
  number(): Complex {
    return complex(this.next.normal(), this.complex ? this.next.normal() : 0)
  }
  /** A Gaussian integer with parts from −3 to 3. */
  integer(): Complex {
    return complex(this.next.integer(7) - 3, this.complex ? this.next.integer(7) - 3 : 0)
  }
  vector(n: number): Vector {
    return matrixFrom(n, 1, () => this.number())
  }
  integers(n: number): Vector {
    return matrixFrom(n, 1, () => this.integer())
  }
  integerMatrix(rows: number, cols: number): Matrix {
    return matrixFrom(rows, cols, () => this.integer())
  }
  /** Entries of variance 1/n. */
  square(n: number): Matrix {
    return matrixFrom(n, n, () => {
      const { re, im } = this.number()
      return { re: re / Math.sqrt(n), im: im / Math.sqrt(n) }
    })
  }
  /** Draws again until the value is fit. */
  unless<T>(unfit: (value: T) => boolean, make: () => T): T {
    for (;;) {
      const value = make()
      if (!unfit(value)) return value
    }
  }

  /** n positive numbers whose extremes are 10^digits apart (n > 1), evenly in the logarithm, at random, or clustered. */
  positive(n: number, digits: number): Float64Array {
    const shape = this.next.integer(3)
    const clusters = 1 + this.next.integer(4)
    const size = 10 ** (4 * this.next.uniform() - 2)
    return Float64Array.from({ length: n }, (_, k) => {
      const even = n === 1 ? 0 : k / (n - 1)
      const middle = shape === 0 ? even : shape === 1 ? this.next.uniform() : Math.round(even * clusters) / clusters
      return size * 10 ** (digits * (k === 0 ? 0 : k === n - 1 ? 1 : middle))
    })
  }

  /**
   * Q diag(values) Qᴴ, Q a product of up to 6 reflections P = I − 2vvᴴ with random v, ‖v‖ = 1; exactly Hermitian:
   * PAP = A − 2(v wᴴ + w vᴴ) with w = Av − ⟨v, Av⟩v.
   */
  withSpectrum(values: Float64Array): Matrix {
    const n = values.length
    const a = diagonal(values)
    for (let k = 0; k < Math.min(n, 6); k++) {
      const direction = this.vector(n)
      const v = scaled(1 / norm(direction), direction)
      const av = apply(a, v)
      const w = plus(av, -dot(v, av).re, v)
      for (let i = 0; i < n; i++) {
        for (let j = i; j < n; j++) {
          // v_i conj(w_j) + w_i conj(v_j)
          const re = v.re[i]! * w.re[j]! + v.im[i]! * w.im[j]! + (w.re[i]! * v.re[j]! + w.im[i]! * v.im[j]!)
          const im = v.im[i]! * w.re[j]! - v.re[i]! * w.im[j]! + (w.im[i]! * v.re[j]! - w.re[i]! * v.im[j]!)
          a.re[i * n + j]! -= 2 * re
          a.re[j * n + i] = a.re[i * n + j]!
          if (i === j) continue
          a.im[i * n + j]! -= 2 * im
          a.im[j * n + i] = -a.im[i * n + j]!
        }
      }
    }
    return a
  }

  /** A right-hand side at random, or the image of a solution at random (which makes the solution smaller). */
  right(a: Matrix): Vector {
    const y = this.vector(a.rows)
    return this.next.chance(0.5) ? y : apply(a, y)
  }

  /** Exactly singular, of integers: GGᴴ with few columns, GDGᴴ with D = ±1, or a Laplacian with flux-free integer weights. */
  singular(n: number): Matrix {
    const shape = this.next.integer(3)
    if (shape === 2) {
      const graph = n % 3 === 0 && n > 3 ? grid(3, n / 3) : ring(n)
      return laplacian({ ...graph, weights: graph.edges.map(() => 1 + this.next.integer(5)) })
    }
    const rank = 1 + this.next.integer(n - 1)
    const g = this.unless((matrix) => largest(matrix) === 0, () => this.integerMatrix(n, rank)) // prettier-ignore
    const signs = Float64Array.from({ length: rank }, () => (shape === 1 && this.next.chance(0.5) ? -1 : 1))
    return multiply(multiply(g, diagonal(signs)), adjoint(g))
  }
}

const reciprocalDiagonal = (a: Matrix): Matrix =>
  diagonal(Array.from({ length: a.rows }, (_, k) => 1 / a.re[k * a.rows + k]!))

/** Puts a NaN or an infinity in one place; what is not the place loses what it does not need. */
function plant(given: System, next: Random): System {
  const where = next.pick(['operator', 'b', 'x0', 'preconditioner'] as const)
  const value = next.pick([NaN, Infinity, -Infinity])
  const { x0, inverse, ...rest } = given
  const put = <T extends Vector>(target: T): T => {
    const at = next.integer(target.re.length)
    const part = given.complex && next.chance(0.5) ? 'im' : 're'
    return { ...target, [part]: target[part].map((old, k) => (k === at ? value : old)) }
  }
  const planted: System = { ...rest, planted: { where, value } }
  if (where === 'operator') planted.a = put(given.a)
  if (where === 'b') planted.b = put(given.b)
  if (where === 'x0') planted.x0 = put(x0!)
  if (where === 'preconditioner') planted.inverse = put(inverse!)
  return planted
}
