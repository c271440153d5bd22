/** The reader of array files, on bytes made here by hand. */
import { expect, test } from 'vitest'
import { parseNpy } from './npy.ts'

function file(
  descr: string,
  shape: string,
  data: Uint8Array,
  order: string = 'False',
  version: number = 1,
): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }\n`
  const text = `\x93NUMPY${String.fromCharCode(version, 0, header.length & 255, header.length >> 8)}${header}`
  return Uint8Array.from([...Array.from(text, (c) => c.charCodeAt(0)), ...data])
}
const bytes = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer)

test('all element types of the fixtures are read', () => {
  const f8 = parseNpy(file('<f8', '2, 2', bytes(Float64Array.of(1, -2.5, NaN, 1e-310))))
  expect([f8.shape, f8.complex, [...f8.data]]).toEqual([[2, 2], false, [1, -2.5, NaN, 1e-310]])
  const c16 = parseNpy(file('<c16', '1,', bytes(Float64Array.of(3, 4))))
  expect([c16.shape, c16.complex, [...c16.data]]).toEqual([[1], true, [3, 4]])
  expect([...parseNpy(file('<f4', '2,', bytes(Float32Array.of(0.5, 8)))).data]).toEqual([0.5, 8])
  expect([...parseNpy(file('<i2', '2,', bytes(Int16Array.of(-3, 32767)))).data]).toEqual([-3, 32767])
  expect([...parseNpy(file('<i8', '2,', bytes(BigInt64Array.of(-1n, 2n ** 53n - 1n)))).data]).toEqual([-1, 2 ** 53 - 1])
  expect(parseNpy(file('<f8', '', bytes(Float64Array.of(7)))).shape).toEqual([])
})

test("Fortran's order comes out row-major", () => {
  const cube = Float64Array.from({ length: 24 }, (_, k) => k)
  const found = parseNpy(file('<f8', '2, 3, 4', bytes(cube), 'True'))
  expect([found.data[0], found.data[1], found.data[4], found.data[12], found.data[23]]).toEqual([0, 6, 2, 1, 23])
  expect([...parseNpy(file('<c16', '2, 2', bytes(Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7)), 'True')).data]).toEqual([0, 1, 4, 5, 2, 3, 6, 7]) // prettier-ignore
})

test('what is not understood is refused', () => {
  const one = bytes(Float64Array.of(1))
  expect(() => parseNpy(Uint8Array.of(1, 2, 3))).toThrow('not a .npy file')
  expect(() => parseNpy(file('<f8', '1,', one, 'False', 2))).toThrow('version 2.0')
  expect(() => parseNpy(file('>f8', '1,', one))).toThrow('>f8')
  expect(() => parseNpy(file('<f8', '1,', one, 'maybe'))).toThrow('no order')
  expect(() => parseNpy(file('<f8', '2,', one))).toThrow('8 bytes of data, 16 expected')
  expect(() => parseNpy(file('<i8', '1,', bytes(BigInt64Array.of(2n ** 60n))))).toThrow('does not fit')
})
