/** The reference of Kron-PSGD against recorded trajectories of other programs, its criterion, and problems with known answers. */
import { describe, expect, test } from 'vitest'
import { adjoint, at, combine, complex, distance, dot, identity, largest, matrixFrom, minus, modulus, multiply, norm, plus, scaled, vector, type Matrix, type Vector } from '../solve/dense.ts' // prettier-ignore
import { hermitianEigen } from '../solve/eigen.ts'
import { solve } from '../solve/factor.ts'
import { random, type Random } from '../solve/random.ts'
import { balanced, clipped, damped, factors, fit, initialScale, precondition, spectralNorm, step, turned, updateProbability, updateSteps, type Factor, type FitSettings, type Geometry, type KronState } from './kron.ts' // prettier-ignore
import { array, cases, matrixOf, row, stream, vectorOf, type KronCase } from './load.ts'
import { contract, count, gram, rms, tensor, transposed, type Tensor } from './tensor.ts'

const draw = (next: Random, shape: readonly number[], isComplex = false): Tensor => {
  const n = count(shape)
  return tensor(shape, {
    re: Float64Array.from({ length: n }, next.normal),
    im: Float64Array.from({ length: n }, () => (isComplex ? next.normal() : 0)),
  })
}
const GEOMETRIES: Geometry[] = ['EQ', 'QEP', 'QEQ', 'QUAD', 'Q0.5EQ1.5', 'PRO4P']
const settings = (geometry: Geometry, rest: Partial<FitSettings> = {}): FitSettings => ({ geometry, criterion: 'newton', precondLr: 0.1, betaL: 0.9, ...rest }) // prettier-ignore

/** kron-torch's: x = S_jᵀS normalised, j the column of largest norm, ‖Sx‖. */
function columnNorm(s: Matrix): number {
  const size = largest(s)
  const columns = Array.from({ length: s.cols }, (_, j) => Array.from({ length: s.rows }, (_, i) => at(s, i, j).re / size)) // prettier-ignore
  const length = (x: number[]): number => Math.hypot(...x)
  const longest = columns.reduce((best, column) => (length(column) > length(best) ? column : best))
  const apply = (x: number[]): number[] => columns.map((column) => column.reduce((sum, value, i) => sum + value * x[i]!, 0)) // prettier-ignore
  const x = apply(longest)
  return (length(apply(x)) / length(x)) * size
}

describe('recorded trajectories', () => {
  for (const kase of Object.values(cases<Record<string, KronCase[]>>('kron'))[0]!) {
    test(kase.name, () => {
      const { kind, geometry } = kase
      const shape = kase.shape.length > 0 ? kase.shape : [1]
      const torch = kind === 'kron_torch'
      const tolerance = torch ? 1e-5 : 1e-12
      const rule = settings(geometry, {
        criterion: kind === 'whiten' ? 'whiten' : 'newton',
        precondLr: kase.precond_lr,
        betaL: torch ? 0 : kase.betaL!,
        ...(torch ? { norm: columnNorm } : {}),
      })
      let list = factors(shape, kase.init_scale, geometry, { maxSkew: kase.max_skew ?? Infinity })
      const pair = stream(kase)
      const stored = list.map((_, k) => array('kron', kase.files[`Q${k}`]!))
      // All 200 steps of the larger ones agree too, but take half a minute.
      const size = count(shape)
      const checkpoints = kase.checkpoints.filter((steps) => steps <= (size > 1000 ? 10 : size > 100 ? 50 : 200))
      for (let iteration = 0, done = 0; done < checkpoints.length; iteration++) {
        const { v, g } = pair(iteration)
        const mean = g.re.reduce((sum, re, k) => sum + Math.hypot(re, g.im[k]!), 0) / g.re.length
        const h = torch ? tensor(shape, plus(g, Math.sqrt(2 ** -23) * mean, v)) : kind === 'whiten' ? damped(g, v, 1e-9) : g // prettier-ignore
        list = fit(list, v, h, rule)
        if (iteration + 1 !== checkpoints[done]) continue
        list.forEach(({ q, diagonal }, k) => {
          const expected = row(stored[k]!, done)
          const n = q.rows
          const ours = diagonal ? { re: q.re.filter((_, e) => e % (n + 1) === 0), im: q.im.filter((_, e) => e % (n + 1) === 0) } : q // prettier-ignore
          expect(expected.re.length).toBe(ours.re.length)
          expect(largest(minus(ours, expected)) / largest(expected)).toBeLessThan(tolerance)
        })
        if (!torch)
          list.forEach(({ smoothness }, k) => expect(smoothness / kase.L[iteration + 1]![k]!).toBeCloseTo(1, 12))
        done++
      }
      if (checkpoints.length < kase.checkpoints.length) return
      const expected = vectorOf(array('kron', kase.files['P_times_first_g']!))
      expect(largest(minus(precondition(list, geometry, pair(0).g), expected)) / largest(expected)).toBeLessThan(
        tolerance,
      )
    })
  }
})

describe('what the updates are', () => {
  test('T₁ − T₂ of EQ is the gradient of the criterion, for all ranks, real and complex', () => {
    const criterion = (list: readonly Factor[], v: Tensor, h: Tensor): number => {
      const inverse = list.map((factor) => ({ ...factor, q: inverseOf(multiply(adjoint(factor.q), factor.q)) }))
      return dot(h, precondition(list, 'EQ', h)).re + dot(v, inverse.reduce((t, { q }, k) => contract(t, k, q), v)).re // prettier-ignore
    }
    for (const [seed, shape] of [[3], [3, 2], [2, 3, 2], [2, 2, 3, 2]].entries()) {
      for (const isComplex of [false, true]) {
        const next = random(seed, isComplex ? 1 : 0)
        const [v, h] = [draw(next, shape, isComplex), draw(next, shape, isComplex)]
        const list = factors(shape, 1, 'EQ').map((factor, k) => ({
          ...factor,
          q: upperNear(next, shape[k]!, isComplex),
        }))
        shape.forEach((n, k) => {
          // Along dQ_k = t E Q_k, E = triu: the derivative is 2 Re⟨E, T₁ − T₂⟩; E is read off the update itself, step μ/ℓ.
          const moved = fit(list, v, h, settings('EQ', { precondLr: 1e-3 }))[k]!
          const step = 1e-3 / moved.smoothness
          const e = scaled(-1 / step, multiply(minusIdentity(multiply(moved.q, inverseOf(list[k]!.q))), identity(n)))
          const shifted = (t: number): number => criterion(list.map((f, j) => (j === k ? { ...f, q: combine(f.q, t, multiply({ rows: n, cols: n, ...e }, f.q)) } : f)), v, h) // prettier-ignore
          const slope = (shifted(1e-6 / norm(e)) - shifted(-1e-6 / norm(e))) / (2e-6 / norm(e))
          expect(slope / (2 * dot(e, e).re)).toBeCloseTo(1, 5)
        })
      }
    }
  })

  test('the gradient as its own probe moves nothing: Q stays I, exactly', () => {
    const g = draw(random(1), [5, 4])
    for (const { q } of fit(factors([5, 4], 1, 'EQ'), g, g, settings('EQ'))) expect(q).toEqual(identity(q.rows))
  })

  test('EQ is equivariant under triangular changes of coordinates', () => {
    const next = random(5)
    const shape = [6, 4]
    const curvature = shape.map((n) => definite(next, n))
    const s = shape.map((n) => transposed(upperNear(next, n, false)))
    // W = S_L W′ S_Rᵀ, so g′ = S_Lᵀ g S_R, v′ = S_L⁻¹ v S_R⁻ᵀ, Q′ = Q S⁻ᵀ.
    const map = (t: Tensor, of: (m: Matrix) => Matrix): Tensor => s.reduce((out, m, k) => contract(out, k, of(m)), t)
    let w = draw(next, shape)
    let w2 = map(w, inverseOf)
    let list = factors(shape, 0.3, 'EQ')
    let list2 = list.map((factor, k) => ({ ...factor, q: multiply(factor.q, transposed(inverseOf(s[k]!))) }))
    const gradient = (t: Tensor): Tensor => curvature.reduce((out, m, k) => contract(out, k, m), t)
    for (let k = 0; k < 100; k++) {
      const v = draw(next, shape)
      list = fit(list, v, gradient(v), settings('EQ'))
      const v2 = map(v, inverseOf)
      list2 = fit(list2, v2, map(gradient(map(v2, (m) => m)), transposed), settings('EQ'))
      w = tensor(shape, plus(w, -0.1, precondition(list, 'EQ', gradient(w))))
      w2 = tensor(shape, plus(w2, -0.1, precondition(list2, 'EQ', map(gradient(map(w2, (m) => m)), transposed))))
    }
    expect(
      distance(
        map(w2, (m) => m),
        w,
      ),
    ).toBeLessThan(1e-10)
  })

  test('QEQ, QUAD and Q0.5EQ1.5 are equivariant under rotations', () => {
    for (const geometry of ['QEQ', 'QUAD', 'Q0.5EQ1.5'] as const) {
      const next = random(6)
      const shape = [5, 4]
      const u = shape.map((n) => hermitianEigen(definite(next, n)).vectors)
      const turn = (t: Tensor): Tensor => u.reduce((out, m, k) => contract(out, k, adjoint(m)), t)
      let [list, list2] = [factors(shape, 0.5, geometry), factors(shape, 0.5, geometry)]
      for (let k = 0; k < 40; k++) {
        const [v, h] = [draw(next, shape), draw(next, shape)]
        list = fit(list, v, h, settings(geometry))
        list2 = fit(list2, turn(v), turn(h), settings(geometry))
      }
      const g = draw(next, shape)
      expect(distance(precondition(list2, geometry, turn(g)), turn(precondition(list, geometry, g)))).toBeLessThan(
        1e-11,
      )
    }
  })

  test('a pair of huge, tiny or vanishing size leaves a finite, invertible Q', () => {
    const next = random(7)
    for (const geometry of GEOMETRIES) {
      for (const isComplex of [false, true]) {
        let list = factors([4, 3], 1, geometry)
        for (const size of [1, 1e20, 1e-20, 0, 1, 1e10]) {
          list = fit(list, draw(next, [4, 3], isComplex), tensor([4, 3], scaled(size, draw(next, [4, 3], isComplex))), settings(geometry)) // prettier-ignore
          for (const { q } of list) {
            expect(largest(q)).toBeGreaterThan(0)
            expect(largest(q)).toBeLessThan(Infinity)
            // EQ: diag Q is multiplied by 1 − μ or more in each step; so do the others that stay Hermitian.
            if (geometry === 'EQ') for (let i = 0; i < q.rows; i++) expect(modulus(at(q, i, i))).toBeGreaterThan(0)
          }
        }
      }
    }
  })

  test('diag Q of EQ is multiplied by 1 − μ or more', () => {
    const next = random(8)
    let list = factors([5], 1, 'EQ', { maxSkew: Infinity })
    for (let k = 0; k < 50; k++) {
      const before = list[0]!.q
      list = fit(list, tensor([5], scaled(1e-3, draw(next, [5]))), tensor([5], scaled(1e3, draw(next, [5]))), settings('EQ', { precondLr: 0.9 })) // prettier-ignore
      for (let i = 0; i < 5; i++)
        expect(at(list[0]!.q, i, i).re / at(before, i, i).re).toBeGreaterThanOrEqual(0.1 - 1e-12)
    }
  })

  test('balancing changes no product', () => {
    const next = random(9)
    const list = factors([4, 3, 2], 1, 'QEP').map(({ q, ...rest }, k) => ({ ...rest, q: { ...q, ...scaled(10 ** (3 * k), upperNear(next, q.rows, true)) } })) // prettier-ignore
    const g = draw(next, [4, 3, 2], true)
    const after = balanced(list)
    expect(distance(precondition(after, 'QEP', g), precondition(list, 'QEP', g))).toBeLessThan(1e-12)
    const sizes = after.map(({ q }) => Math.max(...Array.from(q.re, (re, e) => Math.hypot(re, q.im[e]!))))
    for (const size of sizes) expect(size / sizes[0]!).toBeCloseTo(1, 12)
  })

  test('turns end at the Hermitian factor of the same QᴴQ', () => {
    const next = random(10)
    for (const isComplex of [false, true]) {
      const root = { rows: 4, cols: 4, ...plus(identity(4), 0.3, draw(next, [16], isComplex)) }
      let q = root
      for (let k = 0; k < 200; k++) q = turned(q)
      expect(largest(combine(q, -1, adjoint(q)))).toBeLessThan(1e-3)
      // The length is kept up to the third order of each turn, a ≤ 1/8.
      expect(distance(multiply(adjoint(q), q), multiply(adjoint(root), root))).toBeLessThan(0.05)
    }
    expect(turned(identity(3))).toEqual(identity(3))
  })
})

describe('problems', () => {
  interface Problems {
    quadratic: { steps: Record<string, { own_exact_norm: number[] }> } & Record<'H_L' | 'H_R' | 'W0', { file: string }>
    newton_fit: { init: number; error: Record<string, { own_exact_norm: Record<string, number> }> } & Record<'H_L' | 'H_R', { file: string }> // prettier-ignore
  }
  const problems = cases<Problems>('kron_problems')
  const twoSided = (kase: Record<'H_L' | 'H_R', { file: string }>): Matrix[] => [matrixOf('kron_problems', kase.H_L.file), matrixOf('kron_problems', kase.H_R.file)] // prettier-ignore
  const through = (t: Tensor, sides: readonly Matrix[]): Tensor => sides.reduce((out, m, k) => contract(out, k, m), t)

  test.each(GEOMETRIES)('%s finds |H|⁻¹', (geometry) => {
    const sides = twoSided(problems.newton_fit)
    const [shape, next] = [sides.map(({ rows }) => rows), random(11)]
    let list = factors(shape, problems.newton_fit.init, geometry)
    const error = (): number => {
      // ‖PH − I‖_F² by its columns.
      let sum = 0
      for (let k = 0; k < count(shape); k++) {
        const unit = tensor(shape)
        unit.re[k] = 1
        sum += norm(minus(precondition(list, geometry, through(unit, sides)), unit)) ** 2
      }
      return Math.sqrt(sum / count(shape))
    }
    const known = problems.newton_fit.error[geometry]?.own_exact_norm
    const last = geometry === 'EQ' || geometry === 'QEP' ? 1000 : 500
    for (let k = 1; k <= last; k++) {
      const v = draw(next, shape)
      list = fit(list, v, through(v, sides), settings(geometry, { precondLr: 0.5 }))
      const recorded = known?.[k] ?? 0
      if (recorded > 1e-13) expect(Math.abs(Math.log(error() / recorded))).toBeLessThan(Math.log(100))
    }
    // EQ needs 2000 updates for 1e-14.
    expect(error()).toBeLessThan(geometry === 'EQ' ? 1e-8 : 1e-12)
  })

  test.each(['Q0.5EQ1.5', 'QUAD', 'QEQ', 'EQ', 'PRO4P'] as const)(
    '%s descends the quadratic as fast as recorded',
    (geometry) => {
      // prettier-ignore
      const sides = twoSided(problems.quadratic)
      const [shape, next] = [sides.map(({ rows }) => rows), random(12)]
      let w = tensor(shape, matrixOf('kron_problems', problems.quadratic.W0.file))
      const value = (): number => dot(w, through(w, sides)).re / 2
      const goal = 1e-6 * value()
      let list = factors(shape, 0.1, geometry)
      const known = problems.quadratic.steps[geometry]?.own_exact_norm ?? [75]
      const most = Math.ceil(1.3 * Math.max(...known))
      let steps = 0
      for (; steps < most && value() >= goal; steps++) {
        const v = draw(next, shape)
        list = fit(list, v, through(v, sides), settings(geometry, { precondLr: 0.5 }))
        w = tensor(shape, plus(w, -0.5, precondition(list, geometry, through(w, sides))))
      }
      expect(value()).toBeLessThan(goal)
      expect(steps).toBeGreaterThan(Math.min(...known) / 2)
    },
  )

  test('an indefinite Hessian gives |H|⁻¹, complex too', () => {
    const next = random(13)
    const { vectors } = hermitianEigen(definite(next, 4, true))
    const values = [-2, -0.5, 1, 3]
    const made = (f: (value: number) => number): Matrix => multiply(multiply(vectors, matrixFrom(4, 4, (i, j) => (i === j ? f(values[i]!) : 0))), adjoint(vectors)) // prettier-ignore
    const goal = made((x) => 1 / Math.abs(x))
    for (const geometry of ['EQ', 'Q0.5EQ1.5'] as const) {
      let list = factors([4], 0.3, geometry)
      // PH is no multiple of I here, so that single pairs disagree with the mean: a smaller and smaller rate averages them.
      for (let k = 0; k < 1500; k++) {
        const v = draw(next, [4], true)
        list = fit(
          list,
          v,
          contract(
            v,
            0,
            made((x) => x),
          ),
          settings(geometry, { precondLr: 0.5 * (1 - k / 1500) }),
        )
      }
      const { q } = list[0]!
      expect(distance(multiply(adjoint(q), q), goal)).toBeLessThan(0.1)
    }
  })

  test('whitening makes the gradients white, dense and diagonal', () => {
    const next = random(14)
    const shape = [5, 3]
    const spread = shape.map((n) => matrixFrom(n, n, (i, j) => (i === j ? 2 ** i : 0)))
    for (const [geometry, maxSkew] of [
      ['EQ', Infinity],
      ['Q0.5EQ1.5', 0],
    ] as const) {
      let list = factors(shape, 0.2, geometry, { maxSkew })
      const g = (): Tensor => spread.reduce((out, m, k) => contract(out, k, m), draw(next, shape))
      for (let k = 0; k < 2000; k++) list = fit(list, draw(next, shape), g(), settings(geometry, { criterion: 'whiten', precondLr: 0.5 * (1 - k / 2000) })) // prettier-ignore
      let sum = 0
      const runs = 1000
      const covariance = matrixFrom(5, 5, () => 0)
      for (let k = 0; k < runs; k++) {
        const white = precondition(list, geometry, g())
        sum += rms(white) ** 2 / runs
        covariance.re.set(plus(covariance, 1 / (3 * runs), gram(white, 0)).re)
      }
      expect(Math.abs(sum - 1)).toBeLessThan(0.1)
      expect(spectralNorm(covariance)).toBeLessThan(1.25)
    }
  })
})

describe('the step of the optimiser', () => {
  test('updates come where the sum of probabilities reaches a whole number', () => {
    const fires = updateSteps(12_000)
    expect(fires.slice(0, 501).every(Boolean)).toBe(true)
    expect([updateProbability(0), updateProbability(500), updateProbability(1500)]).toEqual([1, 1, Math.exp(-1)])
    const late = fires.slice(6000)
    expect(Math.abs(late.filter(Boolean).length - 0.03 * late.length)).toBeLessThanOrEqual(1)
    expect(updateSteps(8, () => 0.5)).toEqual([false, true, false, true, false, true, false, true])
  })

  test('first step: m = g, then momentum, decay and clips', () => {
    const next = random(15)
    const shape = [3, 2]
    const [theta, g, g2] = [draw(next, shape), draw(next, shape), draw(next, shape)]
    const state: KronState = { factors: factors(shape, 1, 'EQ'), momentum: tensor(shape), t: 0 }
    const plain = { ...settings('EQ', { criterion: 'whiten' }), lr: 0.1, momentum: 0.9, weightDecay: 0.5, damping: 1e-9, whitenGradient: true, maxRms: Infinity, maxElement: Infinity } // prettier-ignore
    const one = step(theta, g, state, plain, undefined)
    expect(distance(one.parameter, plus(scaled(0.95, theta), -0.1, g))).toBeLessThan(1e-15)
    const two = step(one.parameter, g2, one.state, plain, undefined)
    expect(distance(two.state.momentum, plus(scaled(0.5, g), 0.5, g2))).toBeLessThan(1e-15)
    const cut = clipped(tensor([2], vector([30, 40])), 10, 11)
    // RMS 35.36 becomes 10: 8.49 and 11.31, the second cut to 11.
    expect(cut.re[0]).toBeCloseTo(30 / Math.sqrt(1250) * 10, 12) // prettier-ignore
    expect(cut.re[1]).toBe(11)
    const limited = step(theta, tensor(shape, scaled(100, g)), state, { ...plain, maxRms: 1.5 }, undefined)
    expect(rms(limited.direction)).toBeCloseTo(1.5, 12)
  })

  test('the automatic scale makes the first P·g about as large as noise', () => {
    const next = random(16)
    for (const size of [1e-6, 1, 1e6]) {
      const g = tensor([20, 10], scaled(size, draw(next, [20, 10])))
      const scale = initialScale('whiten', g, g, 1e-9)
      const list = factors([20, 10], scale, 'EQ')
      expect(rms(precondition(list, 'EQ', g))).toBeGreaterThan(0.5)
      expect(rms(precondition(list, 'EQ', g))).toBeLessThan(1)
      const same = factors([20, 10], scale, 'PRO4P')
      expect(distance(precondition(same, 'PRO4P', g), precondition(list, 'EQ', g))).toBeLessThan(1e-12)
      // Newton, h = size·v: P = 1/size.
      const v = draw(next, [20, 10])
      const newton = factors([20, 10], initialScale('newton', v, tensor([20, 10], scaled(size, v)), 1e-9), 'EQ')
      const p = rms(precondition(newton, 'EQ', v)) / rms(v)
      expect(p * size).toBeGreaterThan(0.5)
      expect(p * size).toBeLessThan(1.1)
    }
  })
})

function upperNear(next: Random, n: number, isComplex: boolean): Matrix {
  return matrixFrom(n, n, (i, j) =>
    complex((i === j ? 1 : 0) + (i <= j ? 0.2 * next.normal() : 0), isComplex && i <= j ? 0.2 * next.normal() : 0),
  )
}
function definite(next: Random, n: number, isComplex = false): Matrix {
  const g = { rows: n, cols: n, ...draw(next, [n * n], isComplex) }
  return combine(multiply(g, adjoint(g)), 0.5, identity(n))
}
function inverseOf(a: Matrix): Matrix {
  const n = a.rows
  const columns: Vector[] = Array.from({ length: n }, (_, j) =>
    solve(a, vector(identity(n).re.slice(j * n, j * n + n)))!,
  )
  return matrixFrom(n, n, (i, j) => complex(columns[j]!.re[i]!, columns[j]!.im[i]!))
}
const minusIdentity = (a: Matrix): Matrix => combine(a, -1, identity(a.rows))
