/** Array files made by hand, to be broken or to hold what NumPy cannot. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { onTestFinished } from 'vitest'

/** A folder that goes away with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'headwater-arrays-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

/** A file with these bytes, in a folder of its own. */
export function file(name: string, bytes: Uint8Array): string {
  const path = join(folder(), name)
  writeFileSync(path, bytes)
  return path
}

/** A `.npy` of version 1.0 with this text as its header. */
export function npy(header: string, data: Uint8Array | number[] = []): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16LE(header.length)
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), Buffer.from(data)])
}

/** The header of an array. */
export function npyHeader(descr: string, shape: readonly number[], fortran = false): string {
  const sizes = `${shape.join(', ')}${shape.length === 1 ? ',' : ''}`
  return `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${sizes}), }\n`
}

/** A `.safetensors` with this header, as an object or as text. */
export function safetensors(header: object | string, data: Uint8Array | number[] = []): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, Buffer.from(data)])
}

/** A zip archive of one deflated member, of which the directory may claim another size. */
export function zip(name: string, bytes: Uint8Array, claimed: number = bytes.length): Buffer {
  const packed = deflateRawSync(bytes)
  const fields = Buffer.alloc(22)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(8, 4)
  fields.writeUInt32LE(crc32(bytes), 10)
  fields.writeUInt32LE(packed.length, 14)
  fields.writeUInt32LE(claimed, 18)
  const names = Buffer.alloc(4)
  names.writeUInt16LE(name.length)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, names, Buffer.from(name), packed])
  const rest = Buffer.alloc(14)
  const entry = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\x00'),
    fields,
    names,
    rest.subarray(0, 14),
    Buffer.from(name),
  ])
  const end = Buffer.alloc(18)
  end.writeUInt16LE(1, 4)
  end.writeUInt16LE(1, 6)
  end.writeUInt32LE(entry.length, 8)
  end.writeUInt32LE(local.length, 12)
  return Buffer.concat([local, entry, Buffer.from('PK\x05\x06'), end])
}
