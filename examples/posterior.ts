// Three estimates of how well a profile is known: standard errors, displacement, and draws from the posterior.
//   node examples/posterior.ts
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { Dataset, factorize, posteriorCoverage } from 'headwater'

const file = (name: string): string => fileURLToPath(new URL(`data/Dataset-StLouis-${name}.csv`, import.meta.url))
const data = await Dataset.read(file('con'), file('unc'))
const model = await factorize(data, { factors: 6, seed: 1, starts: 10 })
const errors = await model.standardErrors()
const { elements } = await model.displacement({ levels: [4], check: false })
const posterior = await model.samplePosterior({ seed: 5 })
assert.equal(posterior.status, 'converged')

const steps = posterior.chains.reduce((sum, chain) => sum + chain.steps, 0)
const worth = Math.floor(Math.min(...posterior.ess.data))
const worst = Math.max(...posterior.rHat.data).toFixed(4)
console.log(
  `${posterior.draws.rows} draws, ${steps} Langevin steps: every element has ${worth} effective draws, R̂ ≤ ${worst}`,
)
console.log(
  'two standard errors, ΔQ = 4, and the middle 95 % of the draws, of the elements that standard errors call certain',
)

const coverage = posteriorCoverage(posterior, { elements })
const ratios: number[] = []
for (const [at, { factor, species, column, base, levels }] of elements.entries()) {
  const error = errors.profiles.get(factor, column)
  if (!(base > 4 * error)) continue
  const [{ lower, upper }] = levels as [(typeof levels)[0]]
  const share = coverage[at]!.levels[0]!.share
  const low = posterior.quantiles['2.5'].get(factor, column)
  const high = posterior.quantiles['97.5'].get(factor, column)
  const interval = (from: number, to: number): string => `${from.toPrecision(3)} to ${to.toPrecision(3)}`.padEnd(22)
  console.log(
    `${factor} ${species.padEnd(6)}`,
    interval(base - 2 * error, base + 2 * error),
    interval(lower, upper),
    interval(low, high),
    `${(100 * share).toFixed(1)} % of the draws within ΔQ = 4`,
  )
  // Where displacement says that Q is a parabola, all three agree.
  if (Math.abs((upper - lower) / (4 * error) - 1) < 0.1) {
    ratios.push(posterior.ratio.get(factor, column))
    assert.ok(share > 0.91 && share < 0.995, `factor ${factor}, ${species}: ${share}`)
  }
}
ratios.sort((a, b) => a - b)
const median = ratios[Math.floor(ratios.length / 2)]!
console.log(
  `where Q is a parabola, deviations of the draws are ${median.toFixed(2)} standard errors (median of ${ratios.length})`,
)
assert.ok(ratios.length >= 5 && median > 0.85 && median < 1.1, `${ratios.join(' ')}`)

// Elsewhere displacement holds, and standard errors do not.
const shares = coverage.map(({ levels }) => levels[0]!.share).sort((a, b) => a - b)
console.log(
  `within ΔQ = 4: ${(100 * shares[0]!).toFixed(1)} to 100 % of the draws, median ${(100 * shares[shares.length >> 1]!).toFixed(1)} %`,
)
assert.ok(shares[0]! > 0.8 && shares[shares.length >> 1]! > 0.95)
