/** From what the addon returns to result objects. */
import type { NativeSolution } from '#native'
import { Matrix } from '../matrix.ts'
import type { DataSummary, Solution, Timing } from './types.ts'

/** Factor names until somebody gives better ones. */
export function factorNames(count: number): string[] {
  return Array.from({ length: count }, (_, k) => `factor ${k + 1}`)
}

/** A solution with its arrays as named matrices. */
export function toSolution(from: NativeSolution, data: DataSummary, factors: number): Solution {
  const { contributions, profiles, ...numbers } = from
  return { ...numbers, ...toFactors(contributions, profiles, data, factors) }
}

/** Samples as names of rows. */
export function sampleNames(data: DataSummary): string[] {
  return data.samples.map((sample) => (sample instanceof Date ? sample.toISOString() : sample))
}

/** Names for the rows and columns of a pair of factors. */
export function toFactors(
  contributions: Float64Array<ArrayBuffer>,
  profiles: Float64Array<ArrayBuffer>,
  data: DataSummary,
  factors: number,
): { profiles: Matrix; contributions: Matrix } {
  const names = factorNames(factors)
  const samples = sampleNames(data)
  return {
    profiles: new Matrix(factors, data.columns, profiles, { rowNames: names, colNames: data.species }),
    contributions: new Matrix(data.rows, factors, contributions, { rowNames: samples, colNames: names }),
  }
}

/** An object without the properties that are undefined, as the addon expects absent options. */
export function dropAbsent<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** Starts the clocks; the returned function reads them. */
export function stopwatch(): () => Timing {
  const wall = performance.now()
  const cpu = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    return { seconds: (performance.now() - wall) / 1000, cpuSeconds: (user + system) / 1e6 }
  }
}
