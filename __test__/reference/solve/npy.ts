/** Arrays of NumPy's file format, version 1.0, little-endian: what the fixtures are stored in. */

export interface NpyArray {
  shape: number[]
  complex: boolean
  /** Row-major; two numbers (re, im) an element where `complex`. 64-bit integers must fit a double. */
  data: Float64Array
}

const READERS: Record<string, { size: number; parts: number; read: (view: DataView, at: number) => number }> = {
  '<f8': { size: 8, parts: 1, read: (view, at) => view.getFloat64(at, true) },
  '<c16': { size: 8, parts: 2, read: (view, at) => view.getFloat64(at, true) },
  '<f4': { size: 4, parts: 1, read: (view, at) => view.getFloat32(at, true) },
  '<i2': { size: 2, parts: 1, read: (view, at) => view.getInt16(at, true) },
  '<i8': { size: 8, parts: 1, read: (view, at) => safe(view.getBigInt64(at, true)) },
}

function safe(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`the integer ${value} does not fit a double`)
  return number
}

/** Reads a whole file; refuses what it does not know instead of guessing. */
export function parseNpy(bytes: Uint8Array): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(0, 6)) !== '\x93NUMPY')
    throw new TypeError('not a .npy file')
  if (bytes[6] !== 1 || bytes[7] !== 0) throw new TypeError(`.npy version ${bytes[6]}.${bytes[7]} is not read here`)
  const start = 10 + view.getUint16(8, true)
  const header = String.fromCharCode(...bytes.subarray(10, start))
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1]
  const reader = READERS[descr ?? '']
  if (reader === undefined) throw new TypeError(`element type ${descr} is not read here`)
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1]
  if (order === undefined) throw new TypeError('the header has no order')
  const dimensions = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1]
  if (dimensions === undefined) throw new TypeError('the header has no shape')
  const shape = dimensions.split(',').filter((part) => part.trim() !== '').map(Number) // prettier-ignore
  const count = shape.reduce((product, size) => product * size, 1) * reader.parts
  if (bytes.length !== start + count * reader.size)
    throw new TypeError(`${bytes.length - start} bytes of data, ${count * reader.size} expected`)
  const stored = Float64Array.from({ length: count }, (_, k) => reader.read(view, start + k * reader.size))
  const data = order === 'True' ? rowMajor(stored, shape, reader.parts) : stored
  return { shape, complex: reader.parts === 2, data }
}

/** From Fortran's order, in which the first index moves fastest. */
function rowMajor(stored: Float64Array, shape: readonly number[], parts: number): Float64Array {
  return stored.map((_, at) => {
    let rest = Math.floor(at / parts)
    let place = 0
    let stride = stored.length / parts
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      stride /= shape[axis]!
      place += (rest % shape[axis]!) * stride
      rest = Math.floor(rest / shape[axis]!)
    }
    return stored[place * parts + (at % parts)]!
  })
}
