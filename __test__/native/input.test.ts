import { expect, test } from 'vitest'
import { certify, factorize, Matrix, type FactorizeOptions } from '../../index.ts'
import { noise, runChild } from './problem.ts'

const options = { factors: 3, starts: 2, maxIterations: 50 } as const satisfies FactorizeOptions

test('transferred memory is an error that names the array', async () => {
  const { values, uncertainties } = noise(30, 10)
  structuredClone(values.data, { transfer: [values.data.buffer as ArrayBuffer] })
  const call = factorize({ values, uncertainties }, options)
  await expect(call).rejects.toMatchObject({ code: 'array-detached', argument: 'values', name: 'InvalidInputError' })
})

test('memory transferred during the call does no harm: it was copied at the call', async () => {
  const alone = await factorize(noise(30, 10), options)
  const { values, uncertainties } = noise(30, 10)
  const call = factorize({ values, uncertainties }, options)
  structuredClone(values.data, { transfer: [values.data.buffer as ArrayBuffer] })
  uncertainties.data.fill(NaN)
  expect((await call).profiles.data).toEqual(alone.profiles.data)
})

test('rows of numbers, views into larger arrays, shared memory and Matrix give the same bits', async () => {
  const { values, uncertainties } = noise(30, 10)
  const wide = new Float64Array(310)
  wide.set(values.data, 7)
  const shared = new Float64Array(new SharedArrayBuffer(8 * 300))
  shared.set(values.data)
  const expected = (await factorize({ values, uncertainties }, options)).profiles.data
  for (const same of [
    values.toArray(),
    { rows: 30, cols: 10, data: wide.subarray(7, 307) },
    { rows: 30, cols: 10, data: shared },
    { rows: 30, cols: 10, data: Array.from(values.data) },
  ]) {
    expect((await factorize({ values: same, uncertainties }, options)).profiles.data).toEqual(expected)
  }
})

test('bad cells are errors with their position', async () => {
  const { values, uncertainties } = noise(30, 10)
  values.data[12] = Infinity
  const infinite = factorize({ values, uncertainties }, options)
  await expect(infinite).rejects.toMatchObject({ code: 'value-not-finite', row: 1, col: 2 })
  values.data[12] = NaN
  uncertainties.data[25] = 0
  const zero = factorize({ values, uncertainties }, options)
  await expect(zero).rejects.toMatchObject({ code: 'uncertainty-not-positive', row: 2, col: 5 })
  uncertainties.data[25] = Infinity
  await expect(factorize({ values, uncertainties }, options)).resolves.toMatchObject({ data: { missing: 2 } })
})

test('too many factors names the limit', async () => {
  const call = factorize(noise(30, 10), { factors: 11 })
  await expect(call).rejects.toMatchObject({ code: 'too-many-factors', limit: 10 })
})

test('shapes that do not belong together are errors', async () => {
  const { values } = noise(30, 10)
  const { uncertainties } = noise(10, 30)
  await expect(factorize({ values, uncertainties }, options)).rejects.toMatchObject({ code: 'shape-mismatch' })
  const point = {
    contributions: new Matrix(3, 30, new Float64Array(90)),
    profiles: new Matrix(3, 10, new Float64Array(30)),
  }
  await expect(certify(noise(30, 10), point)).rejects.toMatchObject({ code: 'start-shape-mismatch' })
})

test('all wrong options come back at once, with suggestions', async () => {
  const wrong = { factor: 3, starts: 0, method: 'anl', stop: { decrease: -1 }, onAbort: 'never', threads: 1.5 }
  const error = await factorize(noise(30, 10), wrong as never).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'InvalidInputError', code: 'option-missing' })
  const problems = (error as { problems: { name: string; code: string; hint?: string }[] }).problems
  expect(problems.map((problem) => `${problem.code} ${problem.name}`)).toEqual([
    'option-missing factors',
    'option-out-of-range starts',
    'option-missing stop.over',
    'option-out-of-range stop.decrease',
    'option-not-valid method',
    'option-not-valid onAbort',
    'option-out-of-range threads',
    'option-unknown factor',
  ])
  expect(problems.at(-1)!.hint).toBe("did you mean 'factors'?")
  expect(problems[4]!.hint).toBe("did you mean 'anls'?")
})

test('a HEADWATER_NUM_THREADS that is no number is an error of the first call', async () => {
  const ended = await runChild(`
    process.env.HEADWATER_NUM_THREADS = 'many'
    const { factorize } = await import('./index.ts')
    const { noise } = await import('./__test__/native/problem.ts')
    await factorize(noise(5, 4), { factors: 2 }).catch((error) => console.log(error.code))
  `)
  expect(ended).toMatchObject({ stdout: 'threads-not-valid\n', stderr: '' })
})

test('configure sets the threads before the first call and is refused after it', async () => {
  const ended = await runChild(`
    const { configure, factorize } = await import('./index.ts')
    const { noise } = await import('./__test__/native/problem.ts')
    configure({ threads: 3 })
    await factorize(noise(5, 4), { factors: 2, starts: 1 })
    configure({ threads: 3 })
    try { configure({ threads: 2 }) } catch (error) { console.log(error.code) }
    try { configure({ threads: 0 }) } catch (error) { console.log(error.code) }
  `)
  expect(ended).toMatchObject({ stdout: 'threads-fixed\noption-out-of-range\n', stderr: '' })
})
