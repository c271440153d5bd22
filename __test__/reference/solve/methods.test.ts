/** The references against closed forms, definitions and each other. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cg, cr, neumann } from './cg.ts'
import { adjoint, apply, at, combine, complex, diagonal, distance, dot, identity, largest, matrixFrom, minus, multiply, norm, over, plus, realBlock, realParts, scaled, times, toInterleaved, fromInterleaved, trueResidual, vector, zeros, type Apply, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { hermitianEigen } from './eigen.ts'
import { cholesky, choleskySolve, exactResidual, factorLu, solve, substitute } from './factor.ts'
import { grid, kronecker, kroneckerSum, laplacian, poisson, ring } from './graph.ts'
import { minres } from './minres.ts'
import { cgnr, lsqr } from './normal.ts'
import { incompleteCholesky, jacobi } from './precondition.ts'
import { bessel, cayley, cayleyMatrix, energy, exponential, pade22, strang } from './propagate.ts'
import { random, type Random } from './random.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const draw = (next: Random, rows: number, cols: number = 1): Matrix => matrixFrom(rows, cols, () => complex(next.normal(), next.normal())) // prettier-ignore
const hermitian = (next: Random, n: number): Matrix => {
  const g = draw(next, n, n)
  return combine(g, 1, adjoint(g))
}
const definite = (next: Random, n: number): Matrix => {
  const g = draw(next, n, n)
  return combine(multiply(g, adjoint(g)), 1, identity(n))
}
const operator =
  (a: Matrix): Apply =>
  (x) =>
    apply(a, x)

describe('dense', () => {
  test('quotients neither overflow nor vanish on the way', () => {
    expect(over(complex(4e200, 2e200), complex(1e200, 1e200))).toEqual({ re: 3, im: -1 })
    expect(over(complex(4e-200, 2e-200), complex(1e-200, 1e-200))).toEqual({ re: 3, im: -1 })
    expect(times(complex(1, 2), complex(3, 4))).toEqual({ re: -5, im: 10 })
    expect(norm(vector([3e200], [4e200])) / 5e200).toBeCloseTo(1, 15)
    expect([largest(vector([NaN, 0])), largest(vector([0], [-2]))]).toEqual([NaN, 2])
    expect([...toInterleaved(fromInterleaved([1, 2, 3, 4]))]).toEqual([1, 2, 3, 4])
  })

  test('a complex product is that of its real form, and the adjoint moves to the other side', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (seed, rows, cols) => {
        const next = random(seed)
        const [a, x, y] = [draw(next, rows, cols), draw(next, cols), draw(next, rows)]
        const real = apply(realBlock(a), realParts(x))
        expect(norm(minus(real, realParts(apply(a, x))))).toBeLessThan(1e-13 * norm(a) * norm(x))
        const [left, right] = [dot(y, apply(a, x)), dot(apply(adjoint(a), y), x)]
        expect(Math.hypot(left.re - right.re, left.im - right.im)).toBeLessThan(1e-13 * norm(a) * norm(x) * norm(y))
      }),
      { numRuns: 50 },
    )
  })
})

describe('direct', () => {
  test('LU and Cholesky multiply back; a singular or indefinite matrix is refused', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 8 }), (seed, n) => {
        const next = random(seed)
        const [a, b] = [definite(next, n), draw(next, n)]
        const factor = cholesky(a)
        if (!('l' in factor)) throw new Error('refused')
        expect(distance(multiply(factor.l, adjoint(factor.l)), a)).toBeLessThan(1e-14)
        const x = solve(a, b)!
        expect(distance(choleskySolve(factor.l, b), x)).toBeLessThan(1e-11)
        expect(distance(substitute(factorLu(a)!, b), x)).toBeLessThan(1e-11)
        expect(trueResidual(a, x, b)).toBeLessThan(1e-13)
      }),
      { numRuns: 50 },
    )
    expect(factorLu(matrixFrom(2, 2, () => 1))).toBeUndefined()
    expect(cholesky(diagonal([1, -1]))).toEqual({ failedAt: 1 })
    // Without a change of rows this one has no factor.
    expect([
      ...solve(
        matrixFrom(2, 2, (i, j) => (i === j ? 0 : 1)),
        vector([5, 7]),
      )!.re,
    ]).toEqual([7, 5])
  })

  test('the long residual sees what double precision loses, and refinement uses it', () => {
    const r = exactResidual(matrixFrom(1, 2, (_, j) => (j === 0 ? 1 + 2 ** -30 : -1)), vector([1 + 2 ** -30, 1 + 2 ** -29]), vector([0])) // prettier-ignore
    expect(r.re[0]).toBe(-(2 ** -60))
    // Hilbert's matrix of order 8, times 360360 so that it is exact: κ = 1.5e10.
    const a = matrixFrom(8, 8, (i, j) => 360360 / (i + j + 1))
    const ones = vector(Array<number>(8).fill(1))
    const b = apply(a, ones)
    expect(Number.isInteger(b.re[0]!)).toBe(true)
    expect(norm(exactResidual(a, ones, b))).toBe(0)
    expect(distance(substitute(factorLu(a)!, b), ones)).toBeGreaterThan(1e-10)
    expect(distance(solve(a, b)!, ones)).toBeLessThan(1e-15)
  })
})

test('eigenvalues and vectors of Hermitian matrices', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 9 }), (seed, n) => {
      const a = hermitian(random(seed), n)
      const { values, vectors } = hermitianEigen(a)
      expect(distance(multiply(a, vectors), multiply(vectors, diagonal(values)))).toBeLessThan(1e-13)
      expect(distance(multiply(adjoint(vectors), vectors), identity(n))).toBeLessThan(1e-13)
      expect([...values]).toEqual([...values].sort((x, y) => x - y))
      expect(distance(vector(hermitianEigen(a, false).values), vector(values))).toBeLessThan(1e-13)
    }),
    { numRuns: 50 },
  )
})

describe('iterations', () => {
  const random_ = (seed: number, n: number): { a: Matrix; b: Vector } => {
    const next = random(seed)
    return { a: hermitian(next, n), b: draw(next, n) }
  }

  test('minimal residuals are the smallest in the Krylov space, for indefinite matrices too', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 3, max: 8 }), (seed, n) => {
        const { a, b } = random_(seed, n)
        const steps = 1 + (seed % (n - 2))
        const run = minres(operator(a), b, { maxIterations: steps, rtol: 0 })
        // The residual of the minimum is orthogonal to A times the space.
        const r = minus(b, apply(a, run.x))
        let direction = b
        for (let k = 0; k < steps; k++) {
          direction = apply(a, scaled(1 / norm(direction), direction))
          const { re, im } = dot(direction, r)
          expect(Math.hypot(re, im)).toBeLessThan(1e-10 * norm(direction) * norm(b))
        }
        // Conjugate residuals are the same in exact arithmetic, where they do not break down.
        const definiteA = combine(multiply(a, a), 1, identity(n))
        const both = [minres, cr].map((method) => method(operator(definiteA), b, { maxIterations: steps, rtol: 0 }).x)
        expect(norm(minus(both[0]!, both[1]!))).toBeLessThan(1e-9 * norm(both[0]!))
      }),
      { numRuns: 50 },
    )
  })

  test('least squares: both methods give the solution of the normal equations of a tall matrix', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 5 }), (seed, n) => {
        const next = random(seed)
        const [a, b] = [draw(next, n + 4, n), draw(next, n + 4)]
        const star = adjoint(a)
        const normal = multiply(star, a)
        const x = solve(normal, apply(star, b))!
        // Far from a singular normal matrix, so that n iterations and a few do.
        fc.pre(hermitianEigen(normal, false).values[0]! > 0.1)
        for (const method of [cgnr, lsqr]) {
          const run = method(operator(a), operator(star), b, { rtol: 1e-12 })
          expect(run.stopped).toBe('tolerance')
          expect(distance(run.x, x)).toBeLessThan(1e-9)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a complex system and its real form of twice the size have the same CG iterates', () => {
    const next = random(8)
    const [a, b] = [definite(next, 12), draw(next, 12)]
    for (const maxIterations of [1, 5, 10]) {
      const one = cg(operator(a), b, { maxIterations, rtol: 0 })
      const two = cg(operator(realBlock(a)), realParts(b), { maxIterations, rtol: 0 })
      expect(distance(two.x, realParts(one.x))).toBeLessThan(1e-12)
    }
  })

  test('Poisson: preconditioners shorten CG, IC(0) of a tridiagonal matrix is exact', () => {
    const a = poisson(12)
    const b = vector(Array.from({ length: 144 }, (_, k) => Math.sin(k * k)))
    const incomplete = incompleteCholesky(a)
    expect(incomplete.shift).toBe(0)
    const product = multiply(incomplete.l, adjoint(incomplete.l))
    for (let i = 0; i < 144; i++) for (let j = 0; j < 144; j++) if (at(a, i, j).re !== 0) expect(product.re[i * 144 + j]).toBeCloseTo(at(a, i, j).re, 12) // prettier-ignore
    const count = (precondition?: Apply): number => cg(operator(a), b, { rtol: 1e-8, ...(precondition && { precondition }) }).iterations // prettier-ignore
    // A constant diagonal changes nothing.
    expect(count(jacobi(a))).toBe(count())
    expect(count(incomplete.precondition)).toBeLessThan(0.6 * count())
    const line = matrixFrom(9, 9, (i, j) => (i === j ? complex(2.5) : i - j === 1 ? complex(0.6, 0.8) : j - i === 1 ? complex(0.6, -0.8) : 0)) // prettier-ignore
    const right = vector([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(distance(incompleteCholesky(line).precondition(right), solve(line, right)!)).toBeLessThan(1e-14)
    // Definite, with an incomplete factor that does not exist: shifted.
    const kershaw = matrixFrom(4, 4, (i, j) => [[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3]][i]![j]!) // prettier-ignore
    expect('l' in cholesky(kershaw)).toBe(true)
    expect(incompleteCholesky(kershaw).shift).toBeGreaterThan(0)
  })

  test('the Neumann series converges if and only if I − A is a contraction', () => {
    const b = vector([1, 1])
    expect(distance(neumann(operator(diagonal([0.5, 1.5])), b, 60), vector([2, 2 / 3]))).toBeLessThan(1e-15)
    expect(norm(neumann(operator(diagonal([0.5, 2.5])), b, 60))).toBeGreaterThan(1e9)
  })
})

describe('graphs', () => {
  test('ring, grid and Kronecker sums have the spectra of the books', () => {
    const wave = (k: number, n: number): number => 2 - 2 * Math.cos((2 * Math.PI * k) / n)
    const close = (a: Matrix, expected: number[]): void => {
      const sorted = expected.sort((x, y) => x - y)
      hermitianEigen(a, false).values.forEach((value, k) => expect(value).toBeCloseTo(sorted[k]!, 12))
    }
    close(
      laplacian(ring(9)),
      Array.from({ length: 9 }, (_, k) => wave(k, 9)),
    )
    const path = (n: number): number[] => Array.from({ length: n }, (_, k) => wave(k, 2 * n))
    close(
      laplacian(grid(3, 5)),
      path(3).flatMap((p) => path(5).map((q) => p + q)),
    )
    // Flux φ on each edge of a ring shifts the wave numbers: 2 − 2 cos(2πk/n + φ).
    const flux = { ...ring(7), flux: Array<number>(7).fill(0.3) }
    close(
      laplacian(flux),
      Array.from({ length: 7 }, (_, k) => 2 - 2 * Math.cos((2 * Math.PI * k) / 7 + 0.3)),
    )
    expect(laplacian({ n: 2, edges: [[0, 1]], weights: [2], flux: [Math.PI / 2] }).im[1]).toBe(-2)
    const next = random(4)
    const [a, b] = [hermitian(next, 3), hermitian(next, 4)]
    const sum = combine(kronecker(a, identity(4)), 1, kronecker(identity(3), b))
    expect(distance(kroneckerSum(a, b), sum)).toBe(0)
    expect(distance(poisson(3), kroneckerSum(poissonLine(3), poissonLine(3)))).toBe(0)
  })
})
const poissonLine = (m: number): Matrix => matrixFrom(m, m, (i, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0))

describe('propagation', () => {
  test('Bessel functions of integer order', () => {
    // Abramowitz, Stegun, tables 9.1, 9.2, 9.4.
    expect(bessel(1, 1)[0]).toBeCloseTo(0.765197686557967, 14)
    expect(bessel(2, 10)[1]).toBeCloseTo(0.043472746168861, 14)
    expect(bessel(11, 1)[10]! / 2.630615124e-10).toBeCloseTo(1, 9)
    expect([...bessel(3, 0)]).toEqual([1, 0, 0])
    for (const x of [0.3, 7, 60, 250]) {
      const j = bessel(500, x)
      // Σ J_k² over all integers is 1.
      expect(j.reduce((sum, value, k) => sum + (k === 0 ? 1 : 2) * value * value, 0)).toBeCloseTo(1, 13)
    }
    expect(bessel(2, -2)[1]! + bessel(2, 2)[1]!).toBeCloseTo(0, 15)
  })

  test('Cayley and Padé steps of one eigenvalue', () => {
    const z = complex(0, -0.3)
    const exact = complex(Math.cos(0.3), -Math.sin(0.3))
    const found = pade22(z)
    // z⁵/720
    expect(Math.hypot(found.re - exact.re, found.im - exact.im) / (0.3 ** 5 / 720)).toBeCloseTo(1, 1)
    const h = diagonal([0.7])
    const one = vector([1])
    const step = cayley(hermitianEigen(h), 0.2, 3, one)
    const ratio = over(complex(1, -0.07), complex(1, 0.07))
    const cube = times(ratio, times(ratio, ratio))
    expect(Math.hypot(step.re[0]! - cube.re, step.im[0]! - cube.im)).toBeLessThan(1e-15)
    expect(at(cayleyMatrix(h, 0.1), 0, 0)).toEqual({ re: 1, im: 0.06999999999999999 })
  })

  test('splitting has order two, keeps the norm, and the energy up to dt²', () => {
    const h = laplacian(ring(8))
    const eigen = hermitianEigen(h)
    const start = scaled(1 / Math.sqrt(204), vector([1, 2, 3, 4, 5, 6, 7, 8]))
    const square = (psi: Vector, k: number): number => psi.re[k]! ** 2 + psi.im[k]! ** 2
    const run = (steps: number): Vector => {
      let psi = start
      for (let k = 0; k < steps; k++) psi = strang(psi, 1 / steps, (x) => exponential(eigen, 1 / steps, x), (state, j) => 2 * square(state, j)) // prettier-ignore
      return psi
    }
    const [coarse, middle, fine] = [40, 80, 160].map(run)
    expect(Math.abs(Math.log2(norm(minus(coarse!, middle!)) / norm(minus(middle!, fine!))) - 2)).toBeLessThan(0.05)
    expect(Math.abs(norm(fine!) - norm(start))).toBeLessThan(1e-12)
    // E = ⟨ψ, Hψ⟩ + (g/2) Σ |ψ|⁴ with g = 2
    const total = (psi: Vector): number => energy(operator(h), psi) + psi.re.reduce((sum, _, k) => sum + square(psi, k) ** 2, 0) // prettier-ignore
    const [first, second] = [coarse!, middle!].map((psi) => Math.abs(total(psi) - total(start)))
    expect(first! / second!).toBeCloseTo(4, 1)
    expect(norm(plus(zeros(8), 1, start))).toBeCloseTo(1, 15)
  })
})
