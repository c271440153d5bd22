// Rings in 16 dimensions, two of five in every row: which are they, and where on them does a row lie? A sparse dictionary of
// circles, with its proof, compared with what was planted.
//   node examples/dictionary.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dictionary, fitDictionary } from 'headwater/manifold'

const [rings, columns, rows, train, noise] = [5, 16, 1500, 1200, 0.05]
let state = 7
const uniform = (): number => {
  state = (state + 0x6d2b79f5) | 0
  let x = Math.imul(state ^ (state >>> 15), 1 | state)
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
}
const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, j) => sum + x * b[j]!, 0)

// Each ring has a random plane: two orthonormal directions.
const planes = Array.from({ length: rings }, () => {
  const [a, b] = [0, 1].map(() => Array.from({ length: columns }, normal))
  const u = a!.map((x) => x / Math.hypot(...a!))
  const rest = b!.map((x, j) => x - dot(b!, u) * u[j]!)
  return [u, rest.map((x) => x / Math.hypot(...rest))] as const
})
const data = new Float64Array(rows * columns)
const planted: { ring: number; phase: number }[][] = []
for (let n = 0; n < rows; n++) {
  const first = Math.floor(rings * uniform())
  const second = (first + 1 + Math.floor((rings - 1) * uniform())) % rings
  planted.push([first, second].map((ring) => ({ ring, phase: uniform() })))
  for (let j = 0; j < columns; j++) {
    data[n * columns + j] = noise * normal()
    for (const { ring, phase } of planted[n]!) {
      const [u, v] = planes[ring]!
      data[n * columns + j]! += Math.cos(2 * Math.PI * phase) * u[j]! + Math.sin(2 * Math.PI * phase) * v[j]!
    }
  }
}

// One more than there are: what is not worth its length is left out.
const matrix = { rows, cols: columns, data }
const dictionary = await fitDictionary(matrix, { atoms: 6, active: 2, trainRows: train, seed: 1 })
const { status, atoms, heldOut } = dictionary
console.log(
  `${status}: ${atoms.length} circles of 6 asked for, explained variance on held-out rows ${heldOut!.ev!.toFixed(4)}`,
)
for (const { name, status: verdict, value } of dictionary.certificate.checks) {
  console.log(`  ${verdict} ${name} (${value.toPrecision(2)})`)
}

// A phase is known up to a rotation and a reflection of its circle: R = |mean exp 2πi(t ∓ planted)|, the larger of both.
const codes = await dictionary.encode({ rows: rows - train, cols: columns, data: data.slice(train * columns) })
const sums = atoms.map(() => Array.from({ length: rings }, () => ({ rows: 0, c: [0, 0], s: [0, 0] })))
for (let n = 0; n < rows - train; n++) {
  for (const { atom, coordinates } of dictionary.activeAtoms(n, codes)) {
    for (const { ring, phase } of planted[train + n]!) {
      const sum = sums[atom]![ring]!
      sum.rows++
      for (const [k, sign] of [1, -1].entries()) {
        sum.c[k]! += Math.cos(2 * Math.PI * (coordinates[0]! - sign * phase))
        sum.s[k]! += Math.sin(2 * Math.PI * (coordinates[0]! - sign * phase))
      }
    }
  }
}
const found = sums.map((of) => {
  const locks = of.map(
    ({ rows: count, c, s }) => Math.max(...c.map((x, k) => Math.hypot(x, s[k]!))) / Math.max(1, count),
  )
  return { ring: locks.indexOf(Math.max(...locks)), lock: Math.max(...locks) }
})
for (const [k, { ring, lock }] of found.entries()) {
  const { kurtosis, rows: used, claim } = atoms[k]!
  console.log(`atom ${k + 1}: ring ${ring}, phases agree to ${lock.toFixed(4)}, ${used} rows, kurtosis ${kurtosis!.toFixed(3)}, claim ${claim}`) // prettier-ignore
}

const folder = mkdtempSync(join(tmpdir(), 'headwater-dictionary-'))
try {
  dictionary.save(folder)
  const loaded = Dictionary.load(folder)
  const again = await loaded.encode({ rows: rows - train, cols: columns, data: data.slice(train * columns) })
  assert.deepEqual(again.coordinates, codes.coordinates)
} finally {
  rmSync(folder, { recursive: true })
}

assert.equal(status, 'converged')
assert.deepEqual(found.map(({ ring }) => ring).sort(), [0, 1, 2, 3, 4])
assert.ok(Math.min(...found.map(({ lock }) => lock)) > 0.98)
// Noise has 16 × 0.05² of the squares, two rings 2.
assert.ok(heldOut!.ev! > 0.97)
