/** Example sets and fixtures for tests, read with no help of the package. */
import { readFileSync } from 'node:fs'
import { problem, type Factors, type Problem } from './model.ts'

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

/** JSON fixture by its path in `fixtures/pmf`. */
export function fixture<T>(path: string): T {
  return JSON.parse(text(`../fixtures/pmf/${path}`)) as T
}

const FILES: Record<string, [string, string]> = {
  baltimore: ['Dataset-Baltimore_con.txt', 'Dataset-Baltimore_unc.txt'],
  stlouis: ['Dataset-StLouis-con.csv', 'Dataset-StLouis-unc.csv'],
  batonrouge: ['Dataset-BatonRouge-con.csv', 'Dataset-BatonRouge-unc.csv'],
}

/** One of the EPA sets. No cell of them is missing; blank lines are skipped. */
export function epa(name: string): Problem {
  const [v, u] = FILES[name]!.map((file) => {
    const lines = text(`../../examples/data/${file}`).split(/\r?\n/)
    const delimiter = lines[0]!.includes('\t') ? '\t' : ','
    return lines.slice(1).filter((line) => line.replaceAll(delimiter, '').trim() !== '').map((line) => line.split(delimiter).slice(1).map(Number)) // prettier-ignore
  }) as [number[][], number[][]]
  return problem(v.length, v[0]!.length, v.flat(), u.flat())
}

/** A planted case: numbers without header; an empty field is missing. */
export function planted(name: string): Problem {
  const read = (which: string): number[][] =>
    text(`../fixtures/pmf/planted/${name}.${which}.csv`).trimEnd().split(/\r?\n/).map((line) => line.split(',').map((cell) => (cell.trim() === '' ? NaN : cell === 'inf' ? Infinity : Number(cell)))) // prettier-ignore
  const v = read('V')
  return problem(v.length, v[0]!.length, v.flat(), read('U').flat())
}

/** Rows of numbers to a point. */
export function factors(w: readonly (readonly number[])[], h: readonly (readonly number[])[]): Factors {
  return { p: h.length, w: Float64Array.from(w.flat()), h: Float64Array.from(h.flat()) }
}
