/** Random parameters of all types and ranks, and gradients for them. */
import type { RealArray, TensorLike, Tensors } from '../../src-ts/optim/index.ts'
import type { Random } from '../reference/solve/random.ts'
import { draw, DTYPES } from './arrays.ts'

const SHAPES: readonly number[][] = [[], [1], [7], [3, 4], [2, 3, 2], [20]]

const size = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1)

export function drawParameters(numbers: Random): Tensors {
  const count = 1 + numbers.integer(4)
  return Object.fromEntries(
    Array.from({ length: count }, (_, at): [string, TensorLike] => {
      const [shape, dtype] = [numbers.pick(SHAPES), numbers.pick(DTYPES)]
      return [`tensor${at}`, { data: draw(numbers, size(shape), dtype), shape, dtype }]
    }),
  )
}

export function drawGradients(numbers: Random, params: Tensors): Tensors {
  const one = (like: RealArray): RealArray => like.map(() => numbers.normal()) as RealArray
  return Object.fromEntries(Object.entries(params).map(([name, tensor]) => [name, one((tensor as TensorLike).data)]))
}
