// How good is "Q has stopped changing" as a sign of convergence? Read real data, stop by that rule, and ask.
//   node examples/certify.ts
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { certify, Dataset, factorize } from 'headwater'

const file = (name: string): string => fileURLToPath(new URL(`data/Dataset-StLouis-${name}.csv`, import.meta.url))
const data = await Dataset.read(file('con'), file('unc'))

// Multiplicative updates, ended by the rule of older programs.
const stop = { decrease: 0.1, over: 100 }
const older = await factorize(data, { factors: 6, starts: 1, seed: 1, method: 'mu', stop })
const verdict = await certify(data, { contributions: older.contributions, profiles: older.profiles })
const { q, excess, status } = verdict.localMinimum
console.log(`stopped at Q = ${verdict.q.toFixed(4)}: ${verdict.status}`)
console.log(`${excess.toFixed(4)} above a minimum at ${q.toFixed(4)}: ${status}`)

assert.equal(verdict.status, 'stalled')
assert.equal(status, 'converged')
assert.ok(excess > 1e-3 && Math.abs(verdict.q - excess - q) < 1e-6 * q, `excess ${excess}`)
