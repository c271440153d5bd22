/** Devices: where the sweeps of many starts, and the products of dictionaries, run. */
import type { NativeDevice } from '#native'
import type { CudaReason } from './errors.ts'
import { runJob } from './job.ts'
import { native } from './native.ts'
import { Checker } from './validate.ts'

/**
 * Where the part of a call runs that suits a device: the sweeps of a factorisation, the products of a dictionary.
 * - `'cpu'`: this processor
 * - `'cuda'`, `'cuda:N'`: the first, or the N-th, NVIDIA GPU (counted from 0); an error where there is none
 * - `'auto'`: the first GPU for large work that it can do, if there is one, and else the CPU. Should the GPU give up, for example
 *   because its memory is too small, the CPU does its part and the result has the warning `device-gave-up`
 */
export type DeviceName = 'cpu' | 'auto' | 'cuda' | `cuda:${number}`

/** A GPU. */
export interface CudaDevice {
  /** N of `cuda:N`. */
  index: number
  /** What the driver calls it. */
  name: string
  /** Its memory in bytes. */
  memory: number
}

/** What {@link deviceInfo} tells. */
export interface DeviceInfo {
  /** What `device: 'auto'` stands for in a large fit. */
  used: 'cpu' | `cuda:${number}`
  /** GPUs, or why none is used and, in a sentence, what to do about it. */
  cuda: { available: true; devices: CudaDevice[] } | { available: false; reason: CudaReason; message: string }
}

/**
 * Which devices there are. The driver is asked once a process, off the JavaScript thread.
 * @throws BackendUnavailableError if the addon cannot be loaded
 */
export async function deviceInfo(): Promise<DeviceInfo> {
  const { devices, reason, message } = await runJob((token) => native().deviceInfo(token), {})
  if (devices === undefined) {
    return { used: 'cpu', cuda: { available: false, reason: reason!, message: message! } }
  }
  return { used: `cuda:${devices[0]!.index}`, cuda: { available: true, devices } }
}

/**
 * A device that stays open between calls: those that name it share its thread, its context and its loaded kernels. Without one, a
 * call opens the device and closes it at its end, which costs a fraction of a second. Data are held by calls alone.
 *
 * ```ts
 * using gpu = await openDevice('cuda')
 * for (const data of many) await factorize(data, { factors: 7, device: gpu.name })
 * ```
 */
export class OpenDevice implements Disposable {
  readonly #native: NativeDevice
  /** For the option `device`. */
  readonly name: `cuda:${number}`

  /** @internal */
  constructor(name: `cuda:${number}`, held: NativeDevice) {
    this.name = name
    this.#native = held
  }

  /** Lets go of the device. When no call runs on it and nobody else has it open, its memory is free afterwards. */
  close(): void {
    this.#native.close()
  }

  /** {@link OpenDevice.close} */
  [Symbol.dispose](): void {
    this.close()
  }
}

/**
 * Opens a GPU until it is closed.
 * @param name `'cuda'` or `'cuda:N'`
 * @throws BackendUnavailableError with a `reason` where there is no such GPU; `device-out-of-memory`, `device-failed`
 * @throws InvalidInputError `option-not-valid`
 */
export async function openDevice(name: 'cuda' | `cuda:${number}`): Promise<OpenDevice> {
  const check = new Checker({ name }, 'openDevice')
  const known = readDevice(check, 'name', ['cuda'])
  check.finish()
  const full = known as `cuda:${number}`
  const { value } = await runJob((token) => native().openDevice(full, token), {})
  return new OpenDevice(full, value)
}

/** candle's own CPU, for tests of the way to a device; only in builds with CUDA. */
const FOR_TESTS = 'candle-cpu'

/** The option as the addon wants it: `cpu`, `auto` or `cuda:N`. */
export function readDevice(check: Checker, name: string, words: readonly string[]): string | undefined {
  const value = check.take(name)
  if (value === undefined) return undefined
  if (value === 'cuda') return 'cuda:0'
  if (typeof value === 'string' && (words.includes(value) || /^cuda:\d{1,4}$/.test(value) || value === FOR_TESTS)) {
    return value
  }
  const list = words.map((word) => `'${word}'`).join(', ')
  check.problem(
    'option-not-valid',
    name,
    `${name} must be ${list} or 'cuda:N', N a number from 0, got ${String(value)}`,
  )
  return undefined
}
