/** Products with operators of either kind, inside calculations that are written once for both kinds of call. */
import { InvalidInputError } from '../errors.ts'
import { CallbackOperator, operator, type Product } from './callbacks.ts'
import { LinearOperator } from './operators.ts'
import type { Plan } from './plan.ts'
import { runAsync, runSync } from './run.ts'
import { isThenable } from './session.ts'
import type { Dtype, Operator, SolveResult } from './types.ts'

export type Vector = Float64Array<ArrayBuffer>

/** What a calculation waits for: a solve, or what a function of the caller returned. */
export type Step = Plan | { pending: unknown }

/** A calculation over solves and products. It is resumed with the result of a solve. */
export type Steps<T> = Generator<Step, T, SolveResult | undefined>

/** Runs a calculation on the calling thread. */
export function finishSync<T>(steps: Steps<T>): T {
  for (let next = steps.next(); ;) {
    if (next.done) return next.value
    if ('pending' in next.value) {
      refusePromise(next.value.pending)
      next = steps.next()
    } else next = steps.next(runSync(next.value))
  }
}

/** Runs a calculation whose functions may return promises. */
export async function finish<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (let next = steps.next(); ;) {
    if (next.done) return next.value
    if ('pending' in next.value) {
      await next.value.pending
      signal?.throwIfAborted()
      next = steps.next()
    } else next = steps.next(await runAsync(next.value))
  }
}

/** A solve inside a calculation. */
export function* solved(plan: Plan): Steps<SolveResult> {
  return (yield plan)!
}

/** y = Ax inside a calculation, or y = Aᴴx. */
export function* product(A: Operator, x: Vector, length: number, dtype: Dtype, adjoint = false): Steps<Vector> {
  const y = new Float64Array(length)
  const returned = productOf(A, dtype, adjoint)(x, y)
  if (isThenable(returned)) yield { pending: returned }
  return y
}

/** The function that multiplies by A or Aᴴ; a real matrix is applied to both parts of complex vectors. */
export function productOf(A: Operator, dtype: Dtype, adjoint = false): Product {
  if (A instanceof CallbackOperator) return (adjoint ? A.applyAdjoint : A.apply)!
  const apply = (x: Vector, y: Vector): void => void (adjoint ? A.applyAdjoint(x, y) : A.apply(x, y))
  if (dtype === A.dtype) return apply
  return (x, y) => {
    for (const part of [0, 1]) {
      const image = new Float64Array(y.length >> 1)
      apply(
        Float64Array.from(image.length === 0 ? [] : { length: x.length >> 1 }, (_, k) => x[2 * k + part]!),
        image,
      )
      for (let k = 0; k < image.length; k++) y[2 * k + part] = image[k]!
    }
  }
}

/** What follows a product: at once, or when its promise is kept. */
export function after(returned: unknown, then: () => void): unknown {
  if (isThenable(returned)) return Promise.resolve(returned).then(then)
  then()
  return undefined
}

/** Aᴴ of the system that a method solves, as its structure gives it; A itself where A = Aᴴ or A is the H of σI + iaH. */
export function adjointOf(method: string, A: Operator): Operator {
  const { rows, cols, dtype } = A
  const apply = productOf(A, dtype)
  if (method === 'cocg') {
    // A = Aᵀ: Aᴴx = conj(A conj x).
    const flip = (v: Vector): void => {
      if (dtype === 'complex128') for (let k = 1; k < v.length; k += 2) v[k] = -v[k]!
    }
    const turned: Product = (x, y) => {
      const conjugate = x.slice()
      flip(conjugate)
      return after(apply(conjugate, y), () => flip(y))
    }
    return operator({ rows, dtype, apply: turned })
  }
  if (method === 'cgw') {
    // A = I + S with S = −Sᴴ: Aᴴ = 2I − A.
    const turned: Product = (x, y) => {
      const from = x.slice()
      const rest = (): void => {
        for (let k = 0; k < y.length; k++) y[k] = 2 * from[k]! - y[k]!
      }
      return after(apply(from, y), rest)
    }
    return operator({ rows, dtype, apply: turned })
  }
  if (method !== 'cgnr' && method !== 'lsqr') return A
  return operator({ rows: cols, cols: rows, dtype, apply: productOf(A, dtype, true), applyAdjoint: apply })
}

/** [A; dI], or A where d is 0: the matrix of damped least squares. */
export function stacked(A: Operator, damp: number): Operator {
  const { rows, cols, dtype } = A
  const [down, up] = [productOf(A, dtype), productOf(A, dtype, true)]
  if (damp === 0) return operator({ rows, cols, dtype, apply: down, applyAdjoint: up })
  const top = rows * (dtype === 'complex128' ? 2 : 1)
  const apply: Product = (x, y) => {
    for (let k = 0; k < x.length; k++) y[top + k] = damp * x[k]!
    return onCopy(down, x.slice(), y.subarray(0, top))
  }
  const applyAdjoint: Product = (x, y) => {
    const rest = x.slice(top)
    const add = (): void => {
      for (let k = 0; k < y.length; k++) y[k]! += damp * rest[k]!
    }
    return after(up(x.slice(0, top), y), add)
  }
  return operator({ rows: rows + cols, cols, dtype, apply, applyAdjoint })
}

/** A product written into an array of its own first: functions may expect whole arrays. */
function onCopy(apply: Product, x: Vector, y: Vector): unknown {
  const image = new Float64Array(y.length)
  return after(apply(x, image), () => y.set(image))
}

/** Re⟨x, y⟩. */
export function inner(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0
  for (let k = 0; k < x.length; k++) sum += x[k]! * y[k]!
  return sum
}

/** Whether there are products with Aᴴ. */
export const adjointKnown = (A: Operator): boolean =>
  A instanceof LinearOperator ? A.hasAdjoint : A.applyAdjoint !== undefined

/** @throws InvalidInputError `callback-asynchronous` */
function refusePromise(pending: unknown): void {
  Promise.resolve(pending).catch(() => {})
  const message = 'a function returned a promise in a synchronous call'
  throw new InvalidInputError('callback-asynchronous', message, { hint: 'use the asynchronous function, without Sync' })
}
