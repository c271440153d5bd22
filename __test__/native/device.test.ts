import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  BackendUnavailableError,
  Dataset,
  deviceInfo,
  factorize,
  InvalidInputError,
  openDevice,
  type DeviceName,
} from '../../index.ts'
import { fitDictionaryStream } from '../../src-ts/manifold/index.ts'
import { toError } from '../../src-ts/job.ts'
import { headwater, ST_LOUIS } from '../cli/cli.ts'
import { noise, root } from './problem.ts'

const data = await Dataset.read(ST_LOUIS[0]!, ST_LOUIS[1]!)
const options = { factors: 6, starts: 4, seed: 1 }
const { used, cuda } = await deviceInfo()
// candle's own CPU, which only builds with CUDA have: the whole way to a device, without a GPU.
const builtIn = cuda.available || cuda.reason !== 'not-built-in'
const candle = 'candle-cpu' as DeviceName

const errorOf = async (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error)

test('without a GPU, cuda is refused with the reason that deviceInfo tells, and what to do', async () => {
  if (cuda.available) {
    expect(used).toBe('cuda:0')
    expect(cuda.devices[0]).toMatchObject({ index: 0, name: expect.any(String) })
    const model = await factorize(data, { ...options, device: 'cuda' })
    expect(Math.abs(model.q / (await factorize(data, options)).q - 1)).toBeLessThan(1e-10)
    return
  }
  expect(used).toBe('cpu')
  expect(cuda.reason).toMatch(/^(not-built-in|driver-missing|library-missing|no-device|ptx-version)$/)
  expect(cuda.message).toMatch(/npm run build:cuda|install|nvidia-smi/)
  for (const work of [factorize(data, { ...options, device: 'cuda' }), openDevice('cuda:0')]) {
    const error = await errorOf(work)
    expect(error).toBeInstanceOf(BackendUnavailableError)
    expect(error).toMatchObject({ code: `cuda-${cuda.reason}`, reason: cuda.reason, message: cuda.message })
  }
})

test('small fits, and those that devices do not know, are the same bits with auto as with cpu and with neither', async () => {
  const own = await factorize(data, options)
  for (const device of ['auto', 'cpu'] as const) {
    const there = await factorize(data, { ...options, device })
    expect(there.q).toBe(own.q)
    expect(there.profiles.data).toEqual(own.profiles.data)
  }
  expect((await factorize(data, { ...options, device: 'cpu' })).options).toEqual(own.options)
  const robust = await factorize(data, { ...options, robust: true, device: 'auto' })
  expect(robust.options).toMatchObject({ device: 'auto' })
})

test('a name that is no device is told with the other wrong options', async () => {
  for (const device of ['gpu', 'cuda:', 'cuda:-1', 'cuda:x', 3]) {
    const error = await errorOf(factorize(data, { factors: 0, device } as never))
    expect(error).toBeInstanceOf(InvalidInputError)
    expect((error as InvalidInputError).problems.map(({ code, name }) => `${code} ${name}`)).toEqual([
      'option-out-of-range factors',
      'option-not-valid device',
    ])
  }
  expect(await errorOf(openDevice('cpu' as 'cuda'))).toMatchObject({ code: 'option-not-valid' })
})

test('a full memory names its size', () => {
  const error = toError({ ok: false, code: 'device-out-of-memory', message: 'no more', limit: 800, hint: 'fewer' })
  expect(error).toBeInstanceOf(BackendUnavailableError)
  expect(error).toMatchObject({ limit: 800, message: 'no more (fewer)' })
  expect((error as BackendUnavailableError).reason).toBe(undefined)
})

test('--device of the program is that of the call', () => {
  const wrong = headwater(['fit', ...ST_LOUIS, '-p', '3', '--device', 'gpu'])
  expect(wrong).toMatchObject({ code: 2, stdout: '' })
  expect(wrong.stderr).toMatch(/device must be 'cpu', 'auto', 'cuda' or 'cuda:N'/)
  if (cuda.available) return
  const missing = headwater(['fit', ...ST_LOUIS, '-p', '3', '--device', 'cuda'])
  expect(missing).toMatchObject({ code: 69, stdout: '' })
  expect(missing.stderr).toContain(cuda.message)
})

test('sweeps on a device end at the minimum of the CPU, where the addon has devices', async () => {
  if (!builtIn) {
    expect(await errorOf(factorize(data, { ...options, device: candle }))).toMatchObject({ code: 'cuda-not-built-in' })
    return
  }
  const [own, there] = [await factorize(data, options), await factorize(data, { ...options, device: candle })]
  expect(there.status).toBe('converged')
  expect(Math.abs(there.q / own.q - 1)).toBeLessThan(1e-10)
  expect(there.options).toMatchObject({ device: candle })
  const controller = new AbortController()
  const aborted = errorOf(factorize(noise(300, 40), { factors: 8, device: candle, signal: controller.signal }))
  setTimeout(() => controller.abort('enough'), 100)
  expect(await aborted).toBe('enough')
})

test('a dictionary is the same from a device, and says where it cannot have one', async () => {
  const rows = noise(600, 12).values
  const wide = { atoms: 20, active: 2, passes: 4, seed: 1 }
  const own = await fitDictionaryStream(rows, wide)
  const codes = await own.encode(rows)
  expect([own.warnings, codes.warnings]).toEqual([[], []])
  const same = await fitDictionaryStream(rows, { ...wide, device: 'auto' })
  expect(same.decoders.data).toEqual(own.decoders.data)
  const wrong = await errorOf(fitDictionaryStream(rows, { ...wide, active: 0, device: 'gpu' as 'cuda' }))
  expect((wrong as InvalidInputError).problems.map(({ name }) => name)).toEqual(['active', 'device'])
  if (!builtIn) {
    for (const work of [fitDictionaryStream(rows, { ...wide, device: 'cuda' }), own.encode(rows, { device: candle })]) {
      expect(await errorOf(work)).toMatchObject({ code: 'cuda-not-built-in', reason: 'not-built-in' })
    }
    return
  }
  const there = await own.encode(rows, { device: candle })
  expect(there.atoms).toEqual(codes.atoms)
  expect(there.amounts).toEqual(codes.amounts)
})

/** Threads of a device, and those that candle's own pool has started there, which inherit its name. */
const threads = (): number =>
  readdirSync('/proc/self/task')
    .map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())
    .filter((name) => name.startsWith('headwater-candl')).length

test.runIf(builtIn && existsSync('/proc/self/task'))(
  'an open device keeps its thread until it is disposed',
  async () => {
    // With candle's pool; an aborted call of the test before lets go of the device when it has noticed.
    await factorize(data, { ...options, starts: 1, device: candle })
    let pool = threads()
    await expect.poll(() => Math.abs(pool - (pool = threads())), { interval: 500, timeout: 20_000 }).toBe(0)
    {
      using device = await openDevice(candle as 'cuda')
      expect(threads()).toBe(pool + 1)
      await factorize(data, { ...options, starts: 1, device: device.name })
      expect(threads()).toBe(pool + 1)
    }
    expect(threads()).toBe(pool)
    await factorize(data, { ...options, starts: 1, device: candle })
    expect(threads()).toBe(pool)
  },
)

/** What a process says that finds these libraries, each a C text, where CUDA's are looked for first. */
function reasonWith(libraries: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-cuda-'))
  try {
    for (const [name, text] of Object.entries(libraries)) {
      writeFileSync(join(folder, 'fake.c'), text)
      execFileSync('cc', ['-shared', '-fPIC', '-o', join(folder, name), join(folder, 'fake.c')])
    }
    const program = `import { deviceInfo } from './index.ts'; console.log((await deviceInfo()).cuda.reason)`
    return execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, HEADWATER_CUDA_PATH: folder },
    }).trim()
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test.runIf(builtIn && !cuda.available)(
  'every reason is found out, with libraries that stand in for those of CUDA',
  () => {
    const driver = (init: number, version: number): string => `
    int cuInit(unsigned flags) { return ${init} + (int)(0 * flags); }
    int cuDriverGetVersion(int *version) { *version = ${version}; return 0; }
    int cuDeviceGetCount(int *count) { *count = 0; return 0; }`
    const others = { 'libcublas.so.13': 'int cublas;', 'libcurand.so.10': 'int curand;' }
    expect(reasonWith({})).toBe('driver-missing')
    expect(reasonWith({ 'libcuda.so.1': driver(100, 13000) })).toBe('no-device')
    expect(reasonWith({ 'libcuda.so.1': driver(0, 13000) })).toBe('library-missing')
    expect(reasonWith({ ...others, 'libcuda.so.1': driver(0, 12040) })).toBe('ptx-version')
    expect(reasonWith({ ...others, 'libcuda.so.1': driver(0, 13000) })).toBe('no-device')
  },
)
