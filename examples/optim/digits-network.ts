// A network of two layers that reads handwritten digits, with its gradient and the products of its Hessian by hand.
//   L = mean over images of −log softmax(tanh(X W₁ + b₁) W₂ + b₂)[digit]
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

type Numbers = Float32Array | Float64Array
/** A named array; row-major. */
export interface Parameter {
  data: Numbers
  shape: number[]
}
/** W₁, b₁, W₂, b₂. */
export type Name = 'hidden' | 'hiddenBias' | 'output' | 'outputBias'
export type Network = Record<Name, Parameter>
export type Arrays = Record<Name, Numbers>

export interface Digits {
  /** Images × 64, from 0 to 1, row-major. */
  images: Float32Array
  labels: Uint8Array
}

/** The 1797 digits of `../data`: every fifth is for the test. */
export function loadDigits(): { train: Digits; test: Digits } {
  const text = gunzipSync(readFileSync(new URL('../data/digits.csv.gz', import.meta.url))).toString('latin1')
  const rows = text.trim().split('\n').map((line) => line.split(',').map(Number)) // prettier-ignore
  const pick = (rest: readonly number[][]): Digits => ({
    images: Float32Array.from(rest.flatMap((row) => row.slice(0, 64).map((pixel) => pixel / 16))),
    labels: Uint8Array.from(rest, (row) => row[64]!),
  })
  return { train: pick(rows.filter((_, k) => k % 5 !== 0)), test: pick(rows.filter((_, k) => k % 5 === 0)) }
}

/** Weights of variance 1/inputs, biases 0, from a seed. */
export function network(hidden: number, seed: number, type: 'float32' | 'float64' = 'float32'): Network {
  let state = seed >>> 0
  // mulberry32
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32
  }
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  const make = (shape: number[], scale: number): Parameter => {
    const length = shape.reduce((product, size) => product * size, 1)
    const data = type === 'float32' ? new Float32Array(length) : new Float64Array(length)
    return { data: data.map(() => (scale > 0 ? scale * normal() : 0)), shape }
  }
  return {
    hidden: make([64, hidden], 1 / Math.sqrt(64)),
    hiddenBias: make([hidden], 0),
    output: make([hidden, 10], 1 / Math.sqrt(hidden)),
    outputBias: make([10], 0),
  }
}

/** Loss, gradients and share of images read right, over the images of these numbers (default: all). */
export function evaluate(
  net: Network,
  digits: Digits,
  batch: ArrayLike<number> = Array.from(digits.labels.keys()),
): { loss: number; grads: Arrays; accuracy: number } {
  const { loss, grads, right } = pass(net, digits, batch)
  return { loss, grads, accuracy: right / batch.length }
}

/** H v for the Hessian of the loss over the same images (Pearlmutter 1994: the gradient's own derivative along v). */
export function hessianProduct(net: Network, digits: Digits, batch: ArrayLike<number>, v: Arrays): Arrays {
  return pass(net, digits, batch, v).product!
}

function pass(
  net: Network,
  { images, labels }: Digits,
  batch: ArrayLike<number>,
  v?: Arrays,
): { loss: number; grads: Arrays; right: number; product: Arrays | undefined } {
  const { hidden, hiddenBias, output, outputBias } = net
  const h = hiddenBias.data.length
  const like = (): Arrays => ({
    hidden: hidden.data.slice().fill(0),
    hiddenBias: hiddenBias.data.slice().fill(0),
    output: output.data.slice().fill(0),
    outputBias: outputBias.data.slice().fill(0),
  })
  const grads = like()
  const product = v === undefined ? undefined : like()
  const [a, da, back, dback] = [new Float64Array(h), new Float64Array(h), new Float64Array(h), new Float64Array(h)]
  const [z, dz, e, de] = [new Float64Array(10), new Float64Array(10), new Float64Array(10), new Float64Array(10)]
  let [loss, right] = [0, 0]
  for (let n = 0; n < batch.length; n++) {
    const x = images.subarray(64 * batch[n]!, 64 * batch[n]! + 64)
    const label = labels[batch[n]!]!
    // Forward: a = tanh(xW₁ + b₁), z = aW₂ + b₂; with d, along v.
    for (let j = 0; j < h; j++) {
      let [sum, dsum] = [hiddenBias.data[j]!, v?.hiddenBias[j] ?? 0]
      for (let i = 0; i < 64; i++) sum += x[i]! * hidden.data[i * h + j]!
      if (v !== undefined) for (let i = 0; i < 64; i++) dsum += x[i]! * v.hidden[i * h + j]!
      a[j] = Math.tanh(sum)
      da[j] = (1 - a[j]! ** 2) * dsum
    }
    for (let k = 0; k < 10; k++) {
      ;[z[k], dz[k]] = [outputBias.data[k]!, v?.outputBias[k] ?? 0]
      for (let j = 0; j < h; j++) z[k]! += a[j]! * output.data[j * 10 + k]!
      if (v !== undefined)
        for (let j = 0; j < h; j++) dz[k]! += da[j]! * output.data[j * 10 + k]! + a[j]! * v.output[j * 10 + k]!
    }
    const top = Math.max(...z)
    const total = z.reduce((sum, value) => sum + Math.exp(value - top), 0)
    loss += (top + Math.log(total) - z[label]!) / batch.length
    if (z.indexOf(top) === label) right++
    // e = (softmax − one at the label)/B.
    const mean = z.reduce((sum, value, k) => sum + (Math.exp(value - top) / total) * dz[k]!, 0)
    for (let k = 0; k < 10; k++) {
      const p = Math.exp(z[k]! - top) / total
      e[k] = (p - (k === label ? 1 : 0)) / batch.length
      de[k] = (p * (dz[k]! - mean)) / batch.length
    }
    // Backward.
    for (let j = 0; j < h; j++) {
      let [sum, dsum] = [0, 0]
      for (let k = 0; k < 10; k++) {
        sum += e[k]! * output.data[j * 10 + k]!
        grads.output[j * 10 + k]! += a[j]! * e[k]!
        if (product === undefined || v === undefined) continue
        dsum += de[k]! * output.data[j * 10 + k]! + e[k]! * v.output[j * 10 + k]!
        product.output[j * 10 + k]! += da[j]! * e[k]! + a[j]! * de[k]!
      }
      back[j] = sum * (1 - a[j]! ** 2)
      dback[j] = dsum * (1 - a[j]! ** 2) - 2 * sum * a[j]! * da[j]!
      grads.hiddenBias[j]! += back[j]!
      if (product !== undefined) product.hiddenBias[j]! += dback[j]!
    }
    for (let k = 0; k < 10; k++) {
      grads.outputBias[k]! += e[k]!
      if (product !== undefined) product.outputBias[k]! += de[k]!
    }
    for (let i = 0; i < 64; i++) {
      if (x[i] === 0) continue
      for (let j = 0; j < h; j++) grads.hidden[i * h + j]! += x[i]! * back[j]!
      if (product !== undefined) for (let j = 0; j < h; j++) product.hidden[i * h + j]! += x[i]! * dback[j]!
    }
  }
  return { loss, grads, right, product }
}
