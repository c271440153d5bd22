/** Fixtures of `../../fixtures/solvers`, read with no help of the package. */
import { readFileSync } from 'node:fs'
import { fromInterleaved, vector, type Matrix, type Vector } from './dense.ts'
import { parseNpy, type NpyArray } from './npy.ts'

/** How `cases.json` names an array. */
export interface Ref {
  file: string
  shape: number[]
  dtype: 'float64' | 'complex128' | 'int64'
}
export type Folder = 'definite' | 'exact_hessian' | 'cayley' | 'implicit'

const url = (folder: Folder, file: string): URL => new URL(`../../fixtures/solvers/${folder}/${file}`, import.meta.url)

export const cases = <T>(folder: Folder): T => JSON.parse(readFileSync(url(folder, 'cases.json'), 'utf8')) as T

export function array(folder: Folder, ref: Ref): NpyArray {
  const found = parseNpy(readFileSync(url(folder, ref.file)))
  if (found.shape.join() !== ref.shape.join()) throw new Error(`${ref.file}: shape ${found.shape}, not ${ref.shape}`)
  if (found.complex !== (ref.dtype === 'complex128')) throw new Error(`${ref.file} is not ${ref.dtype}`)
  return found
}

export function vectorOf(folder: Folder, ref: Ref): Vector {
  const { data, complex } = array(folder, ref)
  return complex ? fromInterleaved(data) : vector(data)
}

export function matrixOf(folder: Folder, ref: Ref): Matrix {
  const [rows, cols] = ref.shape as [number, number]
  return { rows, cols, ...vectorOf(folder, ref) }
}

export function pairs(folder: Folder, ref: Ref): [number, number][] {
  const { data } = array(folder, ref)
  return Array.from({ length: data.length / 2 }, (_, k) => [data[2 * k]!, data[2 * k + 1]!])
}
