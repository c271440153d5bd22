/**
 * Systems of every kind, well-posed or not, against a dense judge. HEADWATER_FUZZ sets their number, HEADWATER_SEED
 * their seed.
 */
import { expect, test } from 'vitest'
import { judge, mustConverge } from '../reference/solve/judge.ts'
import { chooseSeed, systems, type Method, type System } from '../reference/solve/systems.ts'
import { answer, methodsFor } from './pose.ts'

const GIVEN = process.env['HEADWATER_FUZZ']
const COUNT = Number(GIVEN ?? 1500)

/** All methods in a long run, else the system's own and, in turn, one of the others. */
const chosen = (system: System): Method[] => {
  const all = methodsFor(system)
  return GIVEN === undefined ? [...new Set([system.method, all[system.index % all.length]!])] : all
}

test(`the stated reason is right on ${COUNT} systems, by the methods that they are for`, { timeout: 3_600_000 }, () => {
  const seed = chooseSeed()
  const wrong: string[] = []
  const unconverged: string[] = []
  const [began, sum] = [performance.now(), { answers: 0, preferred: 0, must: 0, did: 0 }]
  for (const system of systems(seed, COUNT)) {
    for (const method of chosen(system)) {
      const result = answer(system, method)
      const verdict = judge(system, result, method)
      sum.answers++
      if (!verdict.right) wrong.push(`${method}: ${verdict.why}`)
      if (verdict.preferred) sum.preferred++
      if (mustConverge(system, method)) {
        sum.must++
        if (result.converged) sum.did++
        else unconverged.push(`${method}: ${result.reason}: ${verdict.why}`)
      }
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    `${COUNT} systems, ${sum.answers} answers in ${seconds} s: ${wrong.length} wrong, ${sum.preferred} the most telling; ` +
      `${sum.did} of ${sum.must} that must converge did`,
    ...(GIVEN ? unconverged : []),
  )
  expect(wrong).toEqual([])
  expect(sum.did / sum.must).toBeGreaterThanOrEqual(0.99)
})
