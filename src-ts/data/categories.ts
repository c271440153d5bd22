/** Which species count fully, less, or not at all: as the caller says, or as signal-to-noise suggests. */
import { nearest } from '../validate.ts'
import type { Category, CategoryOption, TreatmentOptions } from './options.ts'
import { throwProblems, type DataProblem } from './problems.ts'

/** Name under which `categories` speaks of all species that it does not name. */
export const ALL = '*'

/** What signal-to-noise says about one species. */
export interface Suggestion {
  /** Mean over cells of (x − u)/u where x > u, else 0; NaN without cells. */
  signalToNoise: number
  /** `bad` below 0.5, `weak` below 1, else `strong`: the rule of the EPA PMF 5 guide. */
  suggested: Category
  /** Whether the category was taken from it. */
  applied: boolean
}

/** Signal-to-noise of EPA PMF 5 over the cells with a value and a positive uncertainty; NaN if there is none. */
export function signalToNoise(cells: Iterable<readonly [value: number, uncertainty: number]>): number {
  let [sum, count] = [0, 0]
  for (const [x, u] of cells) {
    if (!(u > 0 && u < Infinity) || Number.isNaN(x)) continue
    if (x > u) sum += (x - u) / u
    count++
  }
  return sum / count
}

/** The category that signal-to-noise suggests. */
export function suggest(ratio: number): Category {
  return ratio >= 1 ? 'strong' : ratio >= 0.5 ? 'weak' : 'bad'
}

/**
 * Category of every species: what is said of it by name, else `weak` for the total, else what is said of all.
 * @param ratioOf signal-to-noise of a column
 */
export function categoriesOf(
  species: readonly string[],
  options: TreatmentOptions,
  ratioOf: (col: number) => number,
): { categories: Record<string, Category>; suggestions: Record<string, Suggestion> } {
  const { categories: given = {}, total } = options
  const asked: Readonly<Record<string, CategoryOption>> = given === 'suggest' ? { [ALL]: 'suggest' } : given
  const has = (name: string): boolean => Object.hasOwn(asked, name)
  const categories: [string, Category][] = []
  const suggestions: [string, Suggestion][] = []
  for (const [col, name] of species.entries()) {
    const ratio = ratioOf(col)
    const suggested = suggest(ratio)
    const wanted = has(name) ? asked[name]! : name === total ? 'weak' : has(ALL) ? asked[ALL]! : 'strong'
    categories.push([name, wanted === 'suggest' ? suggested : wanted])
    suggestions.push([name, { signalToNoise: ratio, suggested, applied: wanted === 'suggest' }])
  }
  return { categories: Object.fromEntries(categories), suggestions: Object.fromEntries(suggestions) }
}

/**
 * Every option that names species is checked here, so that all wrong names come back at once.
 * @throws InvalidInputError `species-unknown`
 */
export function checkNames(species: readonly string[], options: TreatmentOptions): void {
  const problems: DataProblem[] = []
  const known = new Set(species)
  const check = (name: string, option: string): void => {
    if (known.has(name)) return
    const close = nearest(name, species)
    problems.push({
      code: 'species-unknown',
      value: name,
      message: `the option ${option} names the species "${name}", which the data do not have`,
      hint:
        close === undefined
          ? `species are ${species.slice(0, 10).join(', ')}${species.length > 10 ? ', …' : ''}`
          : `did you mean "${close}"?`,
    })
  }
  const { total, categories, uncertaintyPolicy: policy, detectionLimits, exclude } = options
  if (total !== undefined) check(total, 'total')
  if (typeof categories === 'object') {
    for (const name of Object.keys(categories)) if (name !== ALL) check(name, 'categories')
  }
  if (typeof policy === 'object' && typeof policy.floor === 'object') {
    for (const name of Object.keys(policy.floor)) check(name, 'uncertaintyPolicy.floor')
  }
  for (const name of Object.keys(detectionLimits ?? {})) check(name, 'detectionLimits')
  for (const one of exclude ?? []) if (typeof one === 'object' && 'species' in one) check(one.species, 'exclude')
  throwProblems(problems)
}
