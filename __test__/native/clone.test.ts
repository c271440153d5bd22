import { expect, test } from 'vitest'
import { certify, factorize, Factorization } from '../../index.ts'
import { noise } from './problem.ts'

test('a factorisation survives structuredClone, and gets its methods back from its fields', async () => {
  const model = await factorize(noise(30, 10), { factors: 3, starts: 2, seed: 5 })
  const clone = structuredClone(model)
  expect(clone).toEqual({ ...model, profiles: { ...model.profiles }, contributions: { ...model.contributions } })
  const again = new Factorization(clone)
  expect(again).toEqual(model)
  expect(JSON.stringify(again)).toBe(JSON.stringify(model))
})

test('a verdict survives structuredClone', async () => {
  const data = noise(30, 10)
  const verdict = await certify(data, await factorize(data, { factors: 3, starts: 2 }))
  expect(structuredClone(verdict).localMinimum.profiles.data).toEqual(verdict.localMinimum.profiles.data)
  expect(structuredClone(verdict).certificate).toEqual(verdict.certificate)
})

test('result arrays can be transferred', async () => {
  const model = await factorize(noise(30, 10), { factors: 3, starts: 2 })
  const kept = model.profiles.data.slice()
  const moved = structuredClone(model.profiles.data, { transfer: [model.profiles.data.buffer as ArrayBuffer] })
  expect(moved).toEqual(kept)
  expect(model.profiles.data).toHaveLength(0)
})
