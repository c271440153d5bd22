// Linear solves beside SciPy, on the same systems, one thread each, one after the other: conjugate gradients on the
// two-dimensional Poisson problem, sparse products, Cayley systems, and what a JavaScript operator costs a call.
//   node bench/solve.ts [quick]     quick: without the large Poisson problem
import { bounds, Cayley, cgSync, Csr, jacobi, operator, shiftedHermitianSync } from 'headwater/solve'
import { machine, median, seconds } from './common.ts'
import { runScipy } from './peers/scipy/scipy.ts'

const quick = process.argv.includes('quick')
console.log(machine())

const cpu = (work: () => void, repetitions: number, inner = 1): number => {
  work()
  const times: number[] = []
  for (let k = 0; k < repetitions; k++) {
    const before = process.cpuUsage()
    for (let i = 0; i < inner; i++) work()
    const used = process.cpuUsage(before)
    times.push((used.user + used.system) / 1e6 / inner)
  }
  return median(times)
}
/** Numbers in [0, 1) that run.py makes in the same way: fractional parts of multiples of the golden ratio. */
const uniform = (count: number, key: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => ((i + 1 + 1000003 * key) * 0.6180339887498949) % 1)

/** Five-point matrix on m × m inner points. */
function poisson(m: number): Csr {
  const entries: [number, number, number][] = []
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < m; j++) {
      const at = i * m + j
      entries.push([at, at, 4])
      if (j > 0) entries.push([at, at - 1, -1])
      if (j < m - 1) entries.push([at, at + 1, -1])
      if (i > 0) entries.push([at, at - m, -1])
      if (i < m - 1) entries.push([at, at + m, -1])
    }
  }
  return Csr.fromTriplets({ rows: m * m, cols: m * m, entries })
}

/** Laplacian of a ring with offsets 1 to 5 and 5 n further pairs, scaled to a largest eigenvalue of 10. */
function smallWorld(n: number): Csr {
  const pairs = new Map<number, [number, number]>()
  const add = (a: number, b: number): void => {
    if (a !== b) pairs.set(Math.min(a, b) * n + Math.max(a, b), [Math.min(a, b), Math.max(a, b)])
  }
  for (let k = 1; k <= 5; k++) for (let i = 0; i < n; i++) add(i, (i + k) % n)
  const [first, second] = [uniform(5 * n, 1), uniform(5 * n, 2)]
  first.forEach((u, i) => add(Math.floor(u * n), Math.floor((second[i]! * n * 97) % n)))
  const degree = new Float64Array(n)
  const entries: [number, number, number][] = []
  for (const [a, b] of pairs.values()) {
    degree[a]!++
    degree[b]!++
    entries.push([a, b, -1], [b, a, -1])
  }
  degree.forEach((d, i) => entries.push([i, i, d]))
  const plain = Csr.fromTriplets({ rows: n, cols: n, entries })
  const scale = 10 / bounds.lanczos(plain, { steps: Math.min(n, 80) }).max
  const scaled = entries.map(([i, j, value]): [number, number, number] => [i, j, value * scale])
  return Csr.fromTriplets({ rows: n, cols: n, entries: scaled })
}

for (const m of quick ? [256] : [256, 1024]) {
  const a = poisson(m)
  const b = uniform(m * m, 9).map((x) => x - 0.5)
  const M = jacobi(a)
  const theirs = runScipy([m === 1024 ? 'cg-poisson-1024' : 'cg-poisson-256']).cases
  const scipy = Object.values(theirs)[0]!
  // Both by short runs, whose median is less of a matter of luck; set-up and the last residual are shared by 40 iterations.
  const ours = cpu(() => cgSync(a, b, { M, rtol: 1e-8, maxIterations: 40 }), 7) / 40
  const whole = cgSync(a, b, { M, rtol: 1e-8, maxIterations: 10_000 })
  console.log(
    `Poisson ${m}², cg with Jacobi: ${seconds(ours)} an iteration, SciPy ${seconds(scipy.perIteration.median)}: ` +
      `${(scipy.perIteration.median / ours).toFixed(2)} ×; to 1e-8 ${whole.iterations} iterations (${whole.reason}, true ` +
      `${(whole.residual.relative ?? NaN).toExponential(1)}), SciPy ${scipy.iterations} (true ${scipy.trueResidual.toExponential(1)})`,
  )
  if (m === 1024) {
    const { spmv, triad } = runScipy(['spmv', 'triad']).cases
    const [x, y] = [uniform(m * m, 8), new Float64Array(m * m)]
    const product = cpu(() => a.apply(x, y), 15, 3)
    console.log(
      `  its product: ${seconds(product)}, ${(spmv.bytes / product / 1e9).toFixed(1)} GB/s; SciPy ${seconds(spmv.median)}; ` +
        `NumPy's two-pass triad ${(triad.bytesPerSecond / 1e9).toFixed(1)} GB/s`,
    )
  }
}
for (const n of [256, 1024, 4096] as const) {
  const h = smallWorld(n).toComplex()
  const [re, im] = [uniform(n, 4), uniform(n, 5)]
  const b = Float64Array.from({ length: 2 * n }, (_, k) => (k % 2 ? im : re)[k >> 1]! - 0.5)
  const norm = Math.hypot(...b)
  b.forEach((value, k) => (b[k] = value / norm))
  for (const strength of [0.5, 5] as const) {
    const scipy = runScipy([`cayley-${n}-${strength}`]).cases[`cayley-${n}-${strength}`]
    const solve = (): ReturnType<typeof shiftedHermitianSync> =>
      shiftedHermitianSync(h, b, { sigma: 1, a: strength / 10, rtol: 1e-10 })
    const ours = cpu(solve, 15, n > 1024 ? 10 : 50)
    const { reason, residual, matvecs } = solve()
    const best = Math.min(scipy.bicgstab.median, scipy.gmres.median)
    console.log(
      `(I + iaH) y = b, n = ${n}, Λ = ${strength}: ${seconds(ours)} (${reason}, ${matvecs} products, true ` +
        `${(residual.relative ?? NaN).toExponential(1)}); SciPy's best ${seconds(best)}: ${(best / ours).toFixed(1)} ×`,
    )
  }
}
{
  const h = smallWorld(256)
  const psi = Float64Array.from({ length: 512 }, (_, k) => (uniform(512, 4)[k]! - 0.5) / 10)
  for (const solver of ['direct', 'galerkin'] as const) {
    const walk = new Cayley(h, { dt: 0.1, solver, rtol: 1e-10, energy: false })
    const [one, many] = [
      cpu(() => walk.stepSync(psi), 15, 200),
      cpu(() => walk.stepSync(psi, { steps: 50 }), 15, 4) / 50,
    ]
    console.log(
      `Cayley step, n = 256, Λ = 0.5, ${solver}: ${seconds(one)} a call of one step, ${seconds(many)} a step of fifty`,
    )
  }
}
const n = 64
const diagonal = uniform(n, 1).map((x) => 1 + x)
const slow = operator({
  rows: n,
  cols: n,
  hermitian: true,
  apply: (x, y) => void y.set(x.map((v, i) => v * diagonal[i]!)),
})
const fast = Csr.fromTriplets({
  rows: n,
  cols: n,
  entries: [...diagonal].map((d, i): [number, number, number] => [i, i, d]),
})
const b = uniform(n, 2)
const one = cgSync(slow, b, { rtol: 1e-12 })
const [called, native] = [
  cpu(() => cgSync(slow, b, { rtol: 1e-12 }), 9, 500),
  cpu(() => cgSync(fast, b, { rtol: 1e-12 }), 9, 500),
]
const [x, y] = [new Float64Array(n), new Float64Array(n)]
const alone = cpu(() => void y.set(x.map((v, i) => v * diagonal[i]!)), 9, 20_000)
console.log(
  `a function as operator: ${(((called - native) / one.matvecs - alone) * 1e6).toFixed(2)} µs a call beyond the function itself`,
)
