/** Arrays in files: what NumPy and safetensors wrote comes out number for number, and what is broken is said to be. */
import {
  mkdirSync,
  openSync,
  closeSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../index.ts'
import { openArray, writeNpy, writeSafetensors } from '../../src-ts/manifold/index.ts'
import { parseNpy } from '../reference/solve/npy.ts'
import { file, folder, npy, npyHeader, safetensors, zip } from './files.ts'

const fixtures = new URL('../fixtures/arrays/', import.meta.url).pathname

interface Expected {
  name: string | null
  shape: number[]
  rows: number
  cols: number
  dtype: string
  values: (number | string)[]
}
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')).files as Record<string, Expected[]>

/** NaN and infinities are texts in JSON. */
const numbers = (values: readonly (number | string)[]): number[] =>
  values.map((x) => (x === 'nan' ? NaN : x === 'inf' ? Infinity : Number(x)))

function refusal(run: () => unknown): InvalidInputError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return error as InvalidInputError
  }
  throw new Error('nothing was refused')
}

test('every file that NumPy and safetensors wrote is read as they have it, in every type, byte order and index order', () => {
  expect(Object.keys(expected).length).toBeGreaterThan(30)
  for (const [name, arrays] of Object.entries(expected)) {
    for (const array of arrays) {
      const options = array.name === null || arrays.length === 1 ? {} : { name: array.name }
      const opened = openArray(join(fixtures, name), options)
      const { shape, rows, cols, dtype } = opened
      const facts = { name: opened.name ?? null, shape, rows, cols, dtype }
      const { values, ...wanted } = array
      expect(facts, name).toEqual(wanted)
      expect([...opened.names].sort(), name).toEqual(arrays.map((one) => one.name).filter((one) => one !== null).sort()) // prettier-ignore
      expect(Array.from(opened.read().data), name).toEqual(numbers(values))
      const narrow = opened.readRows(0, rows, { as: 'float32' })
      expect(narrow).toBeInstanceOf(Float32Array)
      expect(Array.from(narrow), name).toEqual(numbers(values).map(Math.fround))
      opened.close()
    }
  }
})

test('any rows are those of the whole, and batches put together are the whole', () => {
  for (const name of [
    'f8.npy',
    'f8-fortran.npy',
    'cube.npy',
    'cube-fortran.npy',
    'four-fortran.npy',
    'f4-big-fortran.npy',
    'vector.npy',
  ]) {
    // prettier-ignore
    const opened = openArray(join(fixtures, name))
    const { rows, cols } = opened
    const whole = opened.read().data
    for (let from = 0; from <= rows; from++) {
      for (let to = from; to <= rows; to++) {
        expect(opened.read({ from, to }).data, `${name} ${from} ${to}`).toEqual(whole.slice(from * cols, to * cols))
      }
    }
    for (const size of [1, 2, 3, rows, rows + 5]) {
      const batches = [...opened.batches(size)]
      expect(batches.map((batch) => batch.rows).reduce((a, b) => a + b)).toBe(rows)
      expect(batches.slice(0, -1).every((batch) => batch.rows === size)).toBe(true)
      expect(batches.flatMap((batch) => [...batch.data])).toEqual([...whole])
    }
  }
})

test('tables in Fortran order that take many reads are turned right', () => {
  const [rows, cols] = [5000, 37]
  const data = Float32Array.from({ length: rows * cols }, (_, k) => k)
  const path = file('large.npy', npy(npyHeader('<f4', [rows, cols], true), new Uint8Array(data.buffer)))
  const opened = openArray(path)
  const found = opened.read({ from: 7, to: 4990 })
  const wrong = found.data.findIndex((x, k) => x !== (k % cols) * rows + Math.floor(k / cols) + 7)
  expect([found.rows, wrong]).toEqual([4983, -1])
  const deep = openArray(file('deep.npy', npy(npyHeader('<f4', [50, 100, 37], true), new Uint8Array(data.buffer))))
  const part = deep.read({ from: 1234, to: 4321 })
  const wanted = (k: number): number => {
    const row = Math.floor(k / cols) + 1234
    return Math.floor(row / 100) + 50 * ((row % 100) + 100 * (k % cols))
  }
  expect([part.rows, part.data.findIndex((x, k) => x !== wanted(k))]).toEqual([3087, -1])
})

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

test('all 65536 values of float16 and bfloat16 are those of the definition', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits)
  const little = new Uint8Array(all.buffer)
  const big = little.map((_, k) => little[k ^ 1]!)
  const halves = Array.from(all, half)
  const upper = new DataView(new ArrayBuffer(4))
  const brains = Array.from(all, (bits) => (upper.setUint32(0, bits * 65536), upper.getFloat32(0)))
  const tensor = (dtype: string): Buffer => safetensors({ x: { dtype, shape: [65536], data_offsets: [0, 131072] } }, little) // prettier-ignore
  const cases: [string, Buffer, number[]][] = [
    ['a.npy', npy(npyHeader('<f2', [65536]), little), halves],
    ['b.npy', npy(npyHeader('>f2', [65536]), big), halves],
    ['c.safetensors', tensor('F16'), halves],
    ['d.safetensors', tensor('BF16'), brains],
  ]
  for (const [name, bytes, wanted] of cases) {
    const opened = openArray(file(name, bytes))
    expect(opened.readRows(0, 65536), name).toEqual(Float64Array.from(wanted))
    expect(opened.readRows(0, 65536, { as: 'float32' }), name).toEqual(Float32Array.from(wanted))
  }
})

const strange = Float64Array.from([0, -0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, 1 / 3, -1e-300, 2 ** 53, 0.1, 7]) // prettier-ignore

test('what is written is read again to the same bits, by this reader and by another one', () => {
  const path = join(folder(), 'x.npy')
  writeNpy(path, { rows: 3, cols: 4, data: strange })
  const found = openArray(path).read()
  expect([found.rows, found.cols]).toEqual([3, 4])
  expect(new BigUint64Array(found.data.buffer as ArrayBuffer)).toEqual(new BigUint64Array(strange.buffer))
  const other = parseNpy(readFileSync(path))
  expect(other.shape).toEqual([3, 4])
  expect(other.data).toEqual(strange)
  // The elements begin at a multiple of 64 bytes, as NumPy has it.
  expect((readFileSync(path).length - 8 * 12) % 64).toBe(0)

  const narrow = Float32Array.from([1 / 3, -0, 1e-45, 3.4028234663852886e38, NaN, Infinity])
  writeNpy(path, { rows: 2, cols: 3, data: narrow }, { dtype: 'float32' })
  expect(openArray(path).dtype).toBe('float32')
  expect(openArray(path).readRows(0, 2, { as: 'float32' })).toEqual(narrow)
  expect(parseNpy(readFileSync(path)).data).toEqual(Float64Array.from(narrow))
  // Not a number beyond float32 becomes an infinity.
  const large = refusal(() => writeNpy(path, [[1], [1e39]], { dtype: 'float32' }))
  expect(large).toMatchObject({ code: 'value-not-representable', row: 1, col: 0, file: path })
  expect(openArray(path).rows).toBe(2)

  const tensors = join(folder(), 'x.safetensors')
  writeSafetensors(tensors, { b: { shape: [2, 3], data: narrow }, a: { shape: [3, 2, 2], data: strange }, n: { shape: [], data: new Float32Array([2]) } }, { note: 'as written' }) // prettier-ignore
  const a = openArray(tensors, { name: 'a' })
  expect([a.rows, a.cols, a.shape, a.names]).toEqual([6, 2, [3, 2, 2], ['a', 'b', 'n']])
  expect(new BigUint64Array(a.readRows(0, 6).buffer)).toEqual(new BigUint64Array(strange.buffer))
  const b = openArray(tensors, { name: 'b' }).readRows(0, 2, { as: 'float32' })
  expect(new Uint32Array(b.buffer)).toEqual(new Uint32Array(narrow.buffer))
  const bytes = readFileSync(tensors)
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString())
  expect(header.__metadata__).toEqual({ note: 'as written' })
})

test('a write that fails leaves what was there, and nothing else', () => {
  const dir = folder()
  mkdirSync(join(dir, 'taken.npy'))
  expect(refusal(() => writeNpy(join(dir, 'taken.npy'), [[1]])).code).toBe('output-not-writable')
  expect(refusal(() => writeNpy(join(dir, 'no', 'x.npy'), [[1]]))).toMatchObject({ code: 'output-not-writable' })
  expect(refusal(() => writeSafetensors(join(dir, 'x.safetensors'), { x: { shape: [3], data: new Float64Array(2) } })).code).toBe('shape-mismatch') // prettier-ignore
  expect(readdirSync(dir)).toEqual(['taken.npy'])
})

/** Every way to break a file, with the code that says so and words that tell what to do. */
const broken: Record<string, [bytes: Uint8Array, code: string, hint: RegExp, name?: string]> = {
  'an empty file': [Buffer.alloc(0), 'array-not-recognised', /numpy/],
  text: [Buffer.from('a,b\n1,2\n'), 'array-not-recognised', /numpy/],
  'a wrong magic': [Buffer.concat([Buffer.from('\x93NUMPX', 'latin1'), Buffer.alloc(200)]), 'array-not-recognised', /numpy/], // prettier-ignore
  'a header cut off': [npy(npyHeader('<f8', [2])).subarray(0, 30), 'array-truncated', /write it again/],
  'a magic cut off': [Buffer.from('\x93NUMPY\x01', 'latin1'), 'array-truncated', /write it again/],
  'elements cut off': [npy(npyHeader('<f8', [2]), Buffer.alloc(15)), 'array-truncated', /write it again/],
  'bytes behind the array': [npy(npyHeader('<f8', [2]), Buffer.alloc(17)), 'array-size-mismatch', /one array/],
  'an unknown version': [Buffer.from('\x93NUMPY\x09\x00\x10\x00', 'latin1'), 'array-header-not-valid', /damaged/],
  'a header of absurd length': [Buffer.concat([Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\xff', 'latin1'), Buffer.alloc(64)]), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a shape that overflows': [npy(npyHeader('<f8', [2 ** 32, 2 ** 32, 0])), 'array-header-not-valid', /damaged/],
  'a header without a shape': [npy("{'descr': '<f8', 'fortran_order': False}"), 'array-header-not-valid', /damaged/],
  'a negative shape': [
    npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    'array-header-not-valid',
    /damaged/,
  ],
  'a header that does not end': [
    npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,"),
    'array-header-not-valid',
    /damaged/,
  ],
  'a nested header': [npy('('.repeat(60000)), 'array-header-not-valid', /damaged/],
  'an unknown type': [npy(npyHeader('<f16', [0])), 'array-dtype-not-supported', /astype/],
  'a type of one letter of two bytes': [npy(npyHeader('é', [0])), 'array-dtype-not-supported', /astype/],
  'a type without a byte order': [npy(npyHeader('|f8', [0])), 'array-header-not-valid', /damaged/],
  'a safetensors header cut off': [Buffer.from([100, 0, 0, 0, 0, 0, 0, 0, 0x7b]), 'array-truncated', /write it again/],
  'a safetensors header of absurd length': [Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 0x7b, 0x7d]), 'array-header-not-valid', /damaged/], // prettier-ignore
  'no JSON': [safetensors('{"a": nothing}'), 'array-header-not-valid', /damaged/],
  'nested JSON': [safetensors('{"a":' + '['.repeat(100000)), 'array-header-not-valid', /damaged/],
  'an offset out of the file': [safetensors({ a: { dtype: 'F64', shape: [2], data_offsets: [0, 16] } }, Buffer.alloc(8)), 'array-truncated', /write it again/], // prettier-ignore
  'overlapping tensors': [safetensors({ a: { dtype: 'U8', shape: [4], data_offsets: [0, 4] }, b: { dtype: 'U8', shape: [4], data_offsets: [2, 6] } }, Buffer.alloc(6)), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a gap between tensors': [safetensors({ a: { dtype: 'U8', shape: [4], data_offsets: [2, 6] } }, Buffer.alloc(6)), 'array-header-not-valid', /damaged/], // prettier-ignore
  'offsets that go backwards': [safetensors({ a: { dtype: 'U8', shape: [4], data_offsets: [4, 0] } }, Buffer.alloc(4)), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a shape and a size that do not match': [safetensors({ a: { dtype: 'F32', shape: [3], data_offsets: [0, 8] } }, Buffer.alloc(8)), 'array-header-not-valid', /damaged/], // prettier-ignore
  'bytes behind the tensors': [safetensors({ a: { dtype: 'U8', shape: [4], data_offsets: [0, 4] } }, Buffer.alloc(6)), 'array-size-mismatch', /damaged/], // prettier-ignore
  'an unknown safetensors type': [safetensors({ a: { dtype: 'X9', shape: [1], data_offsets: [0, 4] } }, Buffer.alloc(4)), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a complex tensor': [safetensors({ a: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } }, Buffer.alloc(8)), 'array-dtype-not-supported', /float/], // prettier-ignore
  'no tensor': [safetensors({}), 'array-not-recognised', /write it/],
  'an archive cut off': [zip('a.npy', npy(npyHeader('<f8', [1]), Buffer.alloc(8))).subarray(0, 90), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a file of torch.save': [zip('archive/data.pkl', Buffer.from('x')), 'array-not-recognised', /safetensors/],
  'a compressed member beyond the limit': [zip('a.npy', Buffer.alloc(100), 2 ** 30 + 1), 'array-too-large', /without compression/], // prettier-ignore
  'a compressed member that cannot be so large': [zip('a.npy', Buffer.alloc(100), 2 ** 29), 'array-header-not-valid', /damaged/], // prettier-ignore
  'a compressed member of another size': [zip('a.npy', Buffer.alloc(1000), 999), 'array-header-not-valid', /damaged/],
  'a member that is no array': [zip('a.npy', Buffer.alloc(1000)), 'array-not-recognised', /numpy/],
}

test('every broken file is an error that names the file, says what is wrong and what to do', () => {
  for (const [what, [bytes, code, hint]] of Object.entries(broken)) {
    const path = file('broken.npy', bytes)
    const error = refusal(() => openArray(path))
    expect({ what, code: error.code, file: error.file }).toEqual({ what, code, file: path })
    expect(error.hint, what).toMatch(hint)
    expect(error.message, what).toContain(path)
  }
  for (const [name, code, hint] of [
    ['refused-object.npy', 'array-dtype-not-supported', /float64/],
    ['refused-complex.npy', 'array-dtype-not-supported', /real and the imaginary/],
    ['refused-bool.npy', 'array-dtype-not-supported', /uint8/],
    ['refused-text.npy', 'array-dtype-not-supported', /float64/],
    ['refused-structure.npy', 'array-dtype-not-supported', /field/],
    ['refused-bzip2.npz', 'array-compression-not-supported', /savez/],
    ['refused-no-array.npz', 'array-not-recognised', /savez/],
  ] as const) {
    expect(
      refusal(() => openArray(join(fixtures, name))),
      name,
    ).toMatchObject({ code, hint: expect.stringMatching(hint) })
  }
})

test('missing files, folders and pipes are refused as everywhere in the package', () => {
  const dir = folder()
  expect(refusal(() => openArray(join(dir, 'no.npy')))).toMatchObject({
    code: 'file-not-found',
    file: join(dir, 'no.npy'),
  })
  expect(refusal(() => openArray(dir))).toMatchObject({ code: 'file-not-readable', file: dir })
  expect(refusal(() => openArray('/dev/zero')).code).toBe(process.platform === 'win32' ? 'file-not-found' : 'file-not-readable') // prettier-ignore
  expect(refusal(() => openArray('')).code).toBe('option-not-valid')
  expect(refusal(() => openArray('x.npy', { nam: 'x' } as object)).hint).toMatch(/'name'/)
})

test('of several arrays one must be named, and the error lists them', () => {
  const several = join(fixtures, 'several.safetensors')
  const missing = refusal(() => openArray(several))
  expect(missing.code).toBe('array-name-missing')
  for (const { name } of expected['several.safetensors']!) expect(missing.hint).toContain(`'${name}'`)
  expect(refusal(() => openArray(several, { name: 'f65' }))).toMatchObject({ code: 'array-name-unknown', hint: expect.stringContaining("'f64'") }) // prettier-ignore
  expect(refusal(() => openArray(join(fixtures, 'stored.npz'))).code).toBe('array-name-missing')
  expect(refusal(() => openArray(join(fixtures, 'f8.npy'), { name: 'x' })).code).toBe('array-name-unknown')
})

test('integers that no double holds, and numbers that no float32 holds, are errors with their place', () => {
  const signed = openArray(join(fixtures, 'refused-i8.npy'))
  expect(refusal(() => signed.read())).toMatchObject({ code: 'value-not-representable', row: 1, col: 1 })
  expect(refusal(() => signed.read()).message).toContain('-9007199254740993')
  expect(signed.read({ to: 1 }).data).toEqual(Float64Array.from([0, 1]))
  const unsigned = openArray(join(fixtures, 'refused-u8.npy'))
  expect(refusal(() => unsigned.readRows(0, 1, { as: 'float32' }))).toMatchObject({ row: 0, col: 1 })
  const path = join(folder(), 'x.npy')
  writeNpy(path, [[1, 2], [3, -1e300]]) // prettier-ignore
  expect(refusal(() => openArray(path).readRows(0, 2, { as: 'float32' }))).toMatchObject({ row: 1, col: 1, file: path })
})

test('rows that are not there, and wrong sizes of batches, are errors', () => {
  const opened = openArray(join(fixtures, 'f8.npy'))
  for (const [from, to] of [
    [0, 5],
    [-1, 2],
    [3, 2],
    [0.5, 1],
    [NaN, 1],
    ['0', 1],
  ] as [number, number][]) {
    // prettier-ignore
    expect(refusal(() => opened.readRows(from, to)), `${from} ${to}`).toMatchObject({ code: 'option-out-of-range', limit: 4 })
  }
  expect(refusal(() => opened.read({ from: 9 })).code).toBe('option-out-of-range')
  expect(refusal(() => opened.batches(0)).code).toBe('option-out-of-range')
  expect(refusal(() => opened.batches(1.5)).code).toBe('option-out-of-range')
  expect(refusal(() => opened.readRows(0, 1, { as: 'float16' } as object)).code).toBe('option-not-valid')
  opened.close()
  opened.close()
  expect(refusal(() => opened.read())).toMatchObject({ code: 'array-closed' })
})

test('a file that becomes shorter while it is open is an error, not the end of the process', () => {
  const path = join(folder(), 'x.npy')
  writeNpy(path, { rows: 100_000, cols: 4, data: new Float64Array(400_000).fill(1) })
  const opened = openArray(path)
  expect(opened.read({ from: 99_999 }).data[3]).toBe(1)
  truncateSync(path, 10_000)
  expect(refusal(() => opened.read())).toMatchObject({ code: 'array-file-changed', file: path })
  expect(refusal(() => opened.read({ from: 99_999 })).code).toBe('array-file-changed')
  expect(opened.read({ to: 10 }).data[0]).toBe(1)
})

test('a few rows of a file larger than memory take the memory of those rows', () => {
  const path = join(folder(), 'huge.npy')
  const [rows, cols] = [2 ** 24, 513]
  const header = npy(npyHeader('|i1', [rows, cols]))
  writeFileSync(path, header)
  const handle = openSync(path, 'r+')
  // Sparse: 8 GiB of which hardly a block is on the disk.
  ftruncateSync(handle, header.length + rows * cols)
  closeSync(handle)
  const before = process.memoryUsage().rss
  const opened = openArray(path)
  expect(opened.read({ from: rows - 10 }).data).toEqual(new Float64Array(10 * cols))
  expect(refusal(() => opened.read())).toMatchObject({
    code: 'array-too-large',
    hint: expect.stringContaining('batches'),
  })
  expect(process.memoryUsage().rss - before).toBeLessThan(64e6)
})

/** Numbers from 0 to below n, from a seed (SplitMix32). */
function generator(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x9e3779b9) | 0
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    return ((x ^ (x >>> 15)) >>> 0) % n
  }
}

test('files cut anywhere or with flipped bits end in an error or in a read, never in a crash', () => {
  const seed = Number(process.env['HEADWATER_FUZZ_SEED'] ?? Date.now() % 2 ** 31)
  console.log(`fuzz of array files: HEADWATER_FUZZ_SEED=${seed}`)
  const random = generator(seed)
  const path = join(folder(), 'fuzzed')
  let refused = 0
  let read = 0
  const look = (bytes: Uint8Array): void => {
    // A new file each time: to overwrite one makes some file systems wait for the disk.
    rmSync(path, { force: true })
    writeFileSync(path, bytes)
    const names: (string | undefined)[] = [undefined]
    for (let k = 0; k < names.length && k < 12; k++) {
      try {
        const opened = openArray(path, { name: names[k] })
        if (names.length === 1) names.push(...opened.names)
        const whole = opened.rows * opened.cols < 1e6 ? opened.read() : opened.read({ to: Math.min(opened.rows, 1) })
        expect(whole.data.length).toBe(whole.rows * whole.cols)
        opened.close()
        read++
      } catch (error) {
        if (!(error instanceof InvalidInputError)) throw error
        // A damaged name, or an array of several.
        const listed = [...(error.hint ?? '').matchAll(/'([^']+)'/g)].map(([, name]) => name!)
        if (error.code === 'array-name-missing' && names.length === 1) names.push(...listed)
        refused++
      }
    }
  }
  const sources = readdirSync(fixtures).filter((name) => /\.(npy|npz|safetensors)$/.test(name))
  for (const name of sources) {
    const bytes = readFileSync(join(fixtures, name))
    for (let round = 0; round < 4; round++) look(bytes.subarray(0, random(bytes.length)))
    for (let round = 0; round < 25; round++) {
      const changed = Buffer.from(bytes)
      // Headers, and the directory at an archive's end, are where it matters.
      const near = [Math.min(bytes.length, 160), bytes.length][random(2)]!
      const at = random(4) === 0 && name.endsWith('npz') ? bytes.length - 1 - random(120) : random(near)
      for (let flips = 1 + random(3); flips > 0; flips--) {
        const place = Math.min(bytes.length - 1, at + random(8))
        changed[place] = random(3) === 0 ? random(256) : changed[place]! ^ (1 << random(8))
      }
      look(changed)
    }
  }
  expect(refused).toBeGreaterThan(200)
  expect(read).toBeGreaterThan(200)
})
