/**
 * What the product stands for: `converged` is never said of a point that an independent descent can leave, and almost
 * every strict minimum is recognised.
 */
import { expect, test } from 'vitest'
import { factorize, Matrix } from '../../index.ts'
import { descend } from '../reference/descend.ts'
import { objective, problem as reference } from '../reference/model.ts'
import { problem } from './zoo.ts'

const COUNT = 1000

test('1,000 problems made to mislead: no false converged, no NaN, no failure, strict minima recognised', async () => {
  const statuses: Record<string, number> = {}
  const falsely: string[] = []
  const missed: string[] = []
  let strict = 0
  let recognised = 0
  for (let seed = 0; seed < COUNT; seed++) {
    const { kind, m, n, p, values, uncertainties } = problem(seed)
    const label = `seed ${seed}, ${kind}, ${m} × ${n}, p ${p}`
    const data = { values: new Matrix(m, n, values), uncertainties: new Matrix(m, n, uncertainties) }
    const model = await factorize(data, { factors: p, starts: 1, seed })
    statuses[model.status] = (statuses[model.status] ?? 0) + 1

    const known = model.warnings.filter((w) => w.code === 'row-without-data' || w.code === 'column-without-data')
    const rows = new Set(known.filter((w) => w.code.startsWith('row')).map((w) => w.index))
    const cols = new Set(known.filter((w) => w.code.startsWith('column')).map((w) => w.index))
    const w = Float64Array.from(model.contributions.data, (x, at) => (rows.has(Math.floor(at / p)) ? 0 : x))
    const h = Float64Array.from(model.profiles.data, (x, at) => (cols.has(at % n) ? 0 : x))
    expect(w.every(Number.isFinite) && h.every(Number.isFinite) && Number.isFinite(model.q), label).toBe(true)
    expect(w.every((x) => x >= 0) && h.every((x) => x >= 0), label).toBe(true)

    const data2 = reference(m, n, values, uncertainties)
    const q = objective(data2, { p, w, h })
    const scale = data2.v.reduce((sum, v, at) => sum + data2.omega[at]! * v * v, 0)
    expect(Math.abs(model.q - q), label).toBeLessThanOrEqual(1e-9 * q + 1e-22 * scale)

    const below = descend(data2, { p, w, h })
    // The certificate's own threshold on what remains, with a factor for what a model cannot see.
    const allowed = 1e-3 * model.certificate.unit + 1e-9 * q
    if (model.status === 'converged' && q - below.q > allowed) falsely.push(`${label}: ${q - below.q} below ${q}`)
    // A strict minimum as the reference sees it: the descent stays, and every curvature is positive.
    if (below.minimum && q - below.q <= allowed) {
      strict++
      if (model.status === 'converged') recognised++
      else missed.push(`${label}: ${model.status}`)
    }
  }
  const rate = recognised / strict
  console.log(
    `${JSON.stringify(statuses)}; ${recognised} of ${strict} strict minima converged (${(100 * rate).toFixed(2)} %)`,
  )
  expect(falsely).toEqual([])
  expect(strict).toBeGreaterThan(COUNT / 4)
  expect(rate, missed.join('\n')).toBeGreaterThanOrEqual(0.98)
}, 600_000)
