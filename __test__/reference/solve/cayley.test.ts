/** The reference against the Cayley fixtures: solutions, matvec counts, misuse of CG, evolution. */
import { beforeAll, describe, expect, test } from 'vitest'
import { cg } from './cg.ts'
import { adjoint, apply, complex, dot, distance, isReal, minus, norm, plus, realBlock, realParts, scaled, times, trueResidual, type Apply, type Complex, type Matrix, type Vector } from './dense.ts' // prettier-ignore
import { hermitianEigen, type Eigen } from './eigen.ts'
import { solve } from './factor.ts'
import { laplacian } from './graph.ts'
import { array, cases, pairs, vectorOf, type Ref } from './load.ts'
import { cgnr } from './normal.ts'
import { cayley, cayleyMatrix, cayleyStep, chebyshev, energy, exponential, pade22, spectral } from './propagate.ts'
import type { Options, Run } from './run.ts'
import { cgw, cocg, galerkin } from './shifted.ts'

interface Case {
  name: string
  n: number
  edges: Ref
  weights: Ref
  flux?: Ref
  b: Ref
  lambda_max: number
  gershgorin: number
  steps: {
    dt: number
    Lambda: number
    y: Ref
    psi_plus: Ref
    matvecs_to_1e12: Record<string, number>
    hermitian_cg_misuse_relative_residual: Record<string, number>
  }[]
  evolution: {
    t: number
    psi_exact: Ref
    cayley_n: number
    psi_cayley: Ref
    error: number
    predicted_error: number
    energy: number
  }
}

for (const entry of cases<{ cases: Case[] }>('cayley').cases) {
  describe(entry.name, () => {
    const file = (ref: Ref): Vector => vectorOf('cayley', ref)
    const b = file(entry.b)
    const h = laplacian({
      n: entry.n,
      edges: pairs('cayley', entry.edges),
      weights: array('cayley', entry.weights).data,
      ...(entry.flux === undefined ? {} : { flux: array('cayley', entry.flux).data }),
    })
    let eigen: Eigen
    beforeAll(() => void (eigen = hermitianEigen(h)))

    test('H has the stored spectrum and Gershgorin bound', () => {
      expect(Math.abs(eigen.values.at(-1)! / entry.lambda_max - 1)).toBeLessThan(1e-13)
      // Twice the largest degree: the row sum of the off-diagonal moduli is the degree.
      expect(2 * Math.max(...Array.from({ length: entry.n }, (_, k) => h.re[k * entry.n + k]!))).toBeCloseTo(entry.gershgorin, 12) // prettier-ignore
      expect(isReal(h)).toBe(entry.flux === undefined)
    })

    for (const step of entry.steps) {
      describe(`dt ${step.dt}`, () => {
        const a: Matrix = cayleyMatrix(h, step.dt / 2)

        test('y and ψ₊ are those of LU and of the spectrum', () => {
          const y = solve(a, b)!
          expect(distance(y, file(step.y))).toBeLessThan(1e-15)
          const psi = file(step.psi_plus)
          expect(distance(cayleyStep(h, step.dt, b), psi)).toBeLessThan(2e-15)
          expect(distance(cayley(eigen, step.dt, 1, b), psi)).toBeLessThan(1e-13)
          expect(Math.abs(norm(psi) - norm(b))).toBeLessThan(1e-14)
        })

        for (const [method, stored] of Object.entries(step.matvecs_to_1e12)) {
          test(`${method} reaches a true 1e-12 in ${stored} products`, () => {
            const counts: number[] = []
            let products = 0
            const counted: Apply = (x) => (products++, apply(a, x))
            const transposed = adjoint(a)
            const countedAdjoint: Apply = (x) => (products++, apply(transposed, x))
            const options: Options = {
              rtol: 0,
              maxIterations: 200,
              observe: (x) => (counts.push(products), trueResidual(a, x, b) <= 1e-12),
            }
            const methods: Record<string, () => Run> = {
              galerkin: () => galerkin(counted, b, options),
              cocg: () => cocg(counted, b, options),
              cgw: () => cgw(counted, b, options),
              cgnr: () => cgnr(counted, countedAdjoint, b, options),
            }
            const run = methods[method]!()
            expect(run.stopped).toBe('observer')
            // CGNR has the adjoint of the new residual in its count only if another iteration follows.
            const slack = method === 'cgnr' ? 4 : 2
            expect(counts.at(-1)!).toBeLessThanOrEqual(stored + slack)
            expect(counts.at(-1)!).toBeGreaterThanOrEqual(stored - slack)
            expect(distance(run.x, file(step.y))).toBeLessThan(2e-12)
          })
        }

        test('Hermitian CG on the real-block form leaves the stored residuals', () => {
          const block = realBlock(a)
          const right = realParts(b)
          for (const [iterations, stored] of Object.entries(step.hermitian_cg_misuse_relative_residual)) {
            const run = cg((x) => apply(block, x), right, { rtol: 0, maxIterations: Number(iterations) })
            // The curvature is ‖p‖², never negative: the test of curvature is blind here.
            expect(run.stopped).toBe('maxIterations')
            // Where Λ is small each step cancels a factor 1/Λ: 5e-5 is left of the digits after 8 steps at Λ = 0.1.
            const lost = 1e-15 * (3 / step.Lambda) ** Number(iterations)
            expect(Math.abs(trueResidual(block, run.x, right) / stored - 1)).toBeLessThan(Math.max(1e-8, lost))
          }
        })
      })
    }

    test('evolution: exact, 100 Cayley steps, their distance and its prediction', () => {
      const { t, cayley_n, error, predicted_error } = entry.evolution
      const exact = exponential(eigen, t, b)
      const steps = cayley(eigen, t / cayley_n, cayley_n, b)
      expect(distance(exact, file(entry.evolution.psi_exact))).toBeLessThan(5e-13)
      expect(distance(steps, file(entry.evolution.psi_cayley))).toBeLessThan(5e-13)
      expect(Math.abs(norm(minus(exact, steps)) / error - 1)).toBeLessThan(1e-9)
      const cubed = apply(h, apply(h, apply(h, b)))
      const predicted = (((t / cayley_n) ** 2 * t) / 12) * norm(cubed)
      expect(Math.abs(predicted / predicted_error - 1)).toBeLessThan(1e-12)
      expect(Math.abs(predicted / error - 1)).toBeLessThan(0.01)
      const product: Apply = (x) => apply(h, x)
      for (const psi of [b, exact, steps]) expect(Math.abs(energy(product, psi) / entry.evolution.energy - 1)).toBeLessThan(1e-12) // prettier-ignore
    })

    test('the Chebyshev series and the (2,2) Padé steps agree with the spectrum', () => {
      const exact = file(entry.evolution.psi_exact)
      const terms = Math.ceil(entry.gershgorin / 2 + 10 + 12 * Math.cbrt(entry.gershgorin / 2))
      expect(
        distance(
          chebyshev((x) => apply(h, x), 0, entry.gershgorin, 1, b, terms),
          exact,
        ),
      ).toBeLessThan(2e-13)
      const errors = [40, 80].map((steps) => {
        const factor = (value: number): Complex => {
          let product = complex(1)
          for (let k = 0; k < steps; k++) product = times(product, pade22({ re: 0, im: -value / steps }))
          return product
        }
        const psi = spectral(eigen, factor, b)
        expect(Math.abs(norm(psi) - 1)).toBeLessThan(1e-12)
        return norm(minus(psi, exact))
      })
      expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - 4)).toBeLessThan(0.05)
    })

    test('a truncated Galerkin step keeps norm and energy whatever its residual, a truncated CGNR step does not', () => {
      const a = cayleyMatrix(h, entry.steps.at(-1)!.dt / 2)
      const operator: Apply = (x) => apply(a, x)
      const product: Apply = (x) => apply(h, x)
      const defects = (run: Run): [number, number] => {
        const psi = minus(scaled(2, run.x), b)
        return [Math.abs(norm(psi) - norm(b)), Math.abs(energy(product, psi) / energy(product, b) - 1)]
      }
      for (const iterations of [1, 2]) {
        const run = galerkin(operator, b, { maxIterations: iterations, rtol: 0 })
        expect(trueResidual(a, run.x, b)).toBeGreaterThan(0.01)
        for (const defect of defects(run)) expect(defect).toBeLessThan(1e-14)
      }
      const normal = cgnr(operator, (x) => apply(adjoint(a), x), b, { maxIterations: 2, rtol: 0 })
      expect(Math.min(...defects(normal))).toBeGreaterThan(1e-5)
      // The Krylov residual of Galerkin is orthogonal to the right-hand side.
      const run = galerkin(operator, b, { maxIterations: 3, rtol: 0 })
      expect(Math.hypot(dot(b, plus(b, -1, operator(run.x))).re, dot(b, plus(b, -1, operator(run.x))).im)).toBeLessThan(1e-13) // prettier-ignore
    })
  })
}
