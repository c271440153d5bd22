/** What every job resolves with. */
export type NativeOutcome<T> = ({ ok: true } & T) | NativeFailure

/** A job that gave no result. `row` and `col` are 0-based. */
export interface NativeFailure {
  ok: false
  code: string
  message: string
  row?: number
  col?: number
  limit?: number
  hint?: string
}

/** Called with units done, units planned, best objective and distinct minima so far. */
export type NativeProgress = (done: number, total: number, best?: number | null, basins?: number | null) => void

/** Either `devices`, or why there are none. */
export interface NativeDeviceInfo {
  devices?: { index: number; name: string; memory: number }[]
  reason?: 'not-built-in' | 'driver-missing' | 'library-missing' | 'no-device' | 'ptx-version'
  message?: string
}
