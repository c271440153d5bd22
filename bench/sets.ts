// The EPA example sets and what is known about them.
import { fileURLToPath } from 'node:url'
import { Dataset } from 'headwater'

const FILES: Record<string, [string, string]> = {
  'St Louis': ['Dataset-StLouis-con.csv', 'Dataset-StLouis-unc.csv'],
  Baltimore: ['Dataset-Baltimore_con.txt', 'Dataset-Baltimore_unc.txt'],
  'Baton Rouge': ['Dataset-BatonRouge-con.csv', 'Dataset-BatonRouge-unc.csv'],
}

/** Sets and numbers of factors that are timed, with the lowest Q known (`__test__/fixtures/pmf/golden.json`). */
export const CASES = [
  { set: 'St Louis', factors: 6, optimum: 6527.500314 },
  { set: 'St Louis', factors: 7, optimum: 2372.786596 },
  { set: 'Baltimore', factors: 7, optimum: 13991.642666 },
  { set: 'Baton Rouge', factors: 4, optimum: 83682.252021 },
  { set: 'Baton Rouge', factors: 6, optimum: 63818.661951 },
] as const

/** Paths of a set's two files. */
export function paths(set: string): [string, string] {
  const path = (name: string): string => fileURLToPath(new URL(`../examples/data/${name}`, import.meta.url))
  const [values, uncertainties] = FILES[set]!
  return [path(values), path(uncertainties)]
}

/** A set as a dataset. */
export function epa(set: string): Promise<Dataset> {
  return Dataset.read(...paths(set))
}
