/** Concentrations and uncertainties belong together cell by cell: which row and column of one is which of the other. */
import { nearest } from '../validate.ts'
import { throwProblems, type DataProblem } from './problems.ts'

/** How two lists of labels were matched. */
export type PairedBy = 'position' | 'label'

/** A list of names of one of the two files. */
export interface Labels {
  file: string
  names: readonly string[]
  /** Values that are compared instead of the names (dates written in two ways), if both lists have them. */
  keys?: readonly (string | number)[] | undefined
  /** 1-based line (samples) or field (species) of each name. */
  places: readonly number[]
}

/** Partner of every entry of the first list in the second. */
export interface Pairing {
  by: PairedBy
  partner: Int32Array
}

/**
 * Pairs two lists of labels.
 *
 * By position if the labels agree at every position (they may repeat then). Else by label, if each list names everything
 * once and both name the same things. Everything else would be a guess.
 *
 * @param what - `samples` or `species`, for messages.
 * @throws InvalidInputError `samples-do-not-match` or `species-do-not-match`, with the labels that have no partner or occur twice.
 */
export function pairLabels(what: 'samples' | 'species', first: Labels, second: Labels): Pairing {
  const useKeys = first.keys !== undefined && second.keys !== undefined
  const a: readonly (string | number)[] = useKeys ? first.keys! : first.names
  const b: readonly (string | number)[] = useKeys ? second.keys! : second.names
  if (a.length === b.length && a.every((key, i) => key === b[i])) {
    return { by: 'position', partner: Int32Array.from(a, (_, i) => i) }
  }
  const code = `${what}-do-not-match`
  const problems: DataProblem[] = []
  const positions = (list: Labels, i: number): DataProblem =>
    what === 'samples'
      ? { code, file: list.file, line: list.places[i]!, column: 1, value: list.names[i]!, message: '' }
      : {
          code,
          file: list.file,
          line: 1,
          column: list.places[i]!,
          header: list.names[i]!,
          value: list.names[i]!,
          message: '',
        }
  const find = (keys: readonly (string | number)[], list: Labels): Map<string | number, number> => {
    const index = new Map<string | number, number>()
    keys.forEach((key, i) => {
      const earlier = index.get(key)
      if (earlier === undefined) index.set(key, i)
      else
        problems.push({
          ...positions(list, i),
          message: `"${list.names[i]}" occurs twice (first at ${what === 'samples' ? 'line' : 'column'} ${list.places[earlier]}), so that ${what} cannot be paired by label`,
          hint: 'bring both files into the same order, or make the labels unique',
        })
    })
    return index
  }
  const inFirst = find(a, first)
  const inSecond = find(b, second)
  const complain = (
    list: Labels,
    keys: readonly (string | number)[],
    other: Labels,
    index: Map<string | number, number>,
  ): void => {
    keys.forEach((key, i) => {
      if (index.has(key)) return
      const close =
        what === 'species'
          ? nearest(
              list.names[i]!,
              other.names.filter((name) => !list.names.includes(name)),
            )
          : undefined
      problems.push({
        ...positions(list, i),
        message: `"${list.names[i]}" is not in ${other.file}`,
        hint: close === undefined ? `${what} must be the same in both files` : `did you mean "${close}"?`,
      })
    })
  }
  complain(first, a, second, inSecond)
  complain(second, b, first, inFirst)
  throwProblems(problems)
  return { by: 'label', partner: Int32Array.from(a, (key) => inSecond.get(key)!) }
}
