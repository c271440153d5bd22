/** Fixtures of the optimisers in `../../fixtures/solvers`, read with no help of the package. */
import { readFileSync } from 'node:fs'
import { fromInterleaved, vector, type Matrix, type Vector } from '../solve/dense.ts'
import { parseNpy, type NpyArray } from '../solve/npy.ts'
import type { Geometry } from './kron.ts'
import { count, tensor, type Tensor } from './tensor.ts'

type Folder = 'adamw' | 'kron' | 'kron_problems'
const url = (folder: Folder, file: string): URL => new URL(`../../fixtures/solvers/${folder}/${file}`, import.meta.url)
export const cases = <T>(folder: Folder): T => JSON.parse(readFileSync(url(folder, 'cases.json'), 'utf8')) as T
const read = new Map<string, NpyArray>()
/** Each file is read once. */
export function array(folder: Folder, file: string): NpyArray {
  const found = read.get(`${folder}/${file}`) ?? parseNpy(readFileSync(url(folder, file)))
  read.set(`${folder}/${file}`, found)
  return found
}

export const vectorOf = (found: NpyArray): Vector => (found.complex ? fromInterleaved(found.data) : vector(found.data))
export function matrixOf(folder: Folder, file: string): Matrix {
  const found = array(folder, file)
  return { rows: found.shape[0]!, cols: found.shape[1]!, ...vectorOf(found) }
}
/** Row k of an array whose first axis counts. */
export function row(found: NpyArray, k: number): Vector {
  const all = vectorOf(found)
  const size = all.re.length / found.shape[0]!
  return { re: all.re.slice(k * size, k * size + size), im: all.im.slice(k * size, k * size + size) }
}

export interface KronCase {
  name: string
  kind: 'raw' | 'whiten' | 'newton' | 'kron_torch'
  geometry: Geometry
  shape: number[]
  complex: boolean
  precond_lr: number
  betaL?: number
  init_scale: number
  max_skew?: number | null
  stream: string
  checkpoints: number[]
  L: Record<string, number[]>
  files: Record<string, string>
}

/** Pairs (v, g) of a recorded stream: integers over 4096. */
export function stream({ stream: name, shape, complex }: KronCase): (iteration: number) => { v: Tensor; g: Tensor } {
  const { data } = array('kron', `${name}.npy`)
  const sizes = shape.length > 0 ? shape : [1]
  const numbers = count(sizes) * (complex ? 2 : 1)
  const piece = (k: number): Tensor => {
    const values = data.slice(k * numbers, k * numbers + numbers).map((x) => x / 4096)
    return tensor(sizes, complex ? fromInterleaved(values) : vector(values))
  }
  return (iteration) => ({ v: piece(2 * iteration), g: piece(2 * iteration + 1) })
}
