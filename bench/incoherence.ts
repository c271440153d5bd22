// Decoder incoherence at K = 32768 from the supports of 10,000 rows with 8 active atoms each: pairs, products, peak memory.
//   node bench/incoherence.ts [COLUMNS]
import { coActivationPairs, DecoderIncoherence } from '../src-ts/manifold/index.ts'
import { gauss, machine, seconds } from './common.ts'

const [atoms, rows, active] = [32768, 10_000, 8]
const columns = Number(process.argv[2] ?? 64)
const { uniform } = gauss(1)

/** Different atoms, ascending. */
function support(): number[] {
  const out = new Set<number>()
  while (out.size < active) out.add(Math.floor(atoms * uniform()))
  return [...out].sort((a, b) => a - b)
}

/** Seconds, and what the run gave. */
function timed<T>(run: () => T): [number, T] {
  const start = performance.now()
  const result = run()
  return [(performance.now() - start) / 1000, result]
}
const peak = (): number => process.resourceUsage().maxRSS / 1024

const supports = Array.from({ length: rows }, support)
const amounts = supports.map((row) => row.map(() => 0.5 + uniform()))
// The addon is loaded outside of the measurement.
coActivationPairs({ atoms: 2, supports: [[0, 1]] })
const before = peak()
console.log(
  `${machine()}; ${atoms} atoms, ${rows} rows, ${active} active, circles of 3 functions in ${columns} columns`,
)

const [listing, coActivation] = timed(() => coActivationPairs({ atoms, supports, amounts }))
console.log(`pairs from supports: ${coActivation.first.length} in ${seconds(listing)} (bound 280000 in 2 s)`)
const functions = new Uint32Array(atoms).fill(3)
const [making, penalty] = timed(() => new DecoderIncoherence({ functions, columns, coActivation }))
console.log(`penalty: ${seconds(making)}; peak memory so far ${(peak() - before).toFixed(0)} MB more than before`)

const target = Float64Array.from({ length: penalty.size }, () => uniform() - 0.5)
const v = Float64Array.from({ length: penalty.size }, () => uniform() - 0.5)
console.log(`decoders: ${((8 * penalty.size) / 1e6).toFixed(0)} MB`)
for (const [name, run] of [
  ['value', () => penalty.value(target)],
  ['gradient', () => penalty.gradient(target)],
  ['Hessian times vector', () => penalty.hessianVector(target, v)],
  ['Gauss-Newton times vector', () => penalty.majorizerVector(target, v)],
  ['overlaps', () => penalty.overlaps(target)],
] as const) {
  console.log(`${name}: ${seconds(timed<unknown>(run)[0])}`)
}
console.log(`peak memory ${peak().toFixed(0)} MB (${before.toFixed(0)} MB before the pairs)`)
