/** `headwater dictionary compare MODEL MODEL`: how much two dictionaries agree. */
import { dictionaryAgreement, type AtomMatch, type DictionaryAgreement } from '../../manifold/agreement.ts'
import { openArray } from '../../manifold/arrays.ts'
import { Dictionary } from '../../manifold/dictionary.ts'
import { checkNumbers } from '../data-options.ts'
import { EXIT } from '../exit.ts'
import { Interrupt } from '../interrupt.ts'
import { brief, count, percent, table } from '../words.ts'

/** What commander makes of the options. */
export interface DictionaryCompareFlags {
  rows?: string
  array?: string
  threads?: number
  json?: boolean
}

/** Compares two saved dictionaries and prints which atom is which. */
export async function dictionaryCompareCommand(
  first: string,
  second: string,
  flags: DictionaryCompareFlags,
): Promise<number> {
  const { array: name, threads, json = false } = flags
  checkNumbers(flags, { threads: 1 })
  const [a, b] = [Dictionary.load(first), Dictionary.load(second)]
  using rows = flags.rows === undefined ? undefined : openArray(flags.rows, name === undefined ? {} : { name })
  using interrupt = new Interrupt()
  const found = await dictionaryAgreement(a, b, {
    signal: interrupt.signal,
    ...(rows ? { rows } : {}),
    ...(threads === undefined ? {} : { threads }),
  })
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : describeAgreement(found, a, b))
  return EXIT.ok
}

function describeAgreement(found: DictionaryAgreement, a: Dictionary, b: Dictionary): string {
  const { matches, cosine, matched, phase, rows } = found
  const shape = (of: Dictionary, k: number): string => {
    const { shape } = of.atoms[k]!
    return `${k + 1} ${typeof shape === 'string' ? shape : shape.topology}`
  }
  const together = ({ rows: both, rowsOfEither: either }: AtomMatch): string =>
    both === undefined || !either ? '–' : percent(both / either)
  const lines = matches.map((match) => [
    shape(a, match.first),
    shape(b, match.second),
    brief(match.cosine, 4),
    brief(match.principalCosines.at(-1) ?? 0, 4),
    together(match),
    brief(match.phase, 4),
    match.same ? 'the same' : '',
  ])
  const header = ['first', 'second', 'cosine', 'least', 'rows together', 'phase', '']
  const most = Math.max(a.atoms.length, b.atoms.length)
  const same = matches.filter((match) => match.same).length
  const phases = phase === undefined ? '' : `, mean phase agreement ${brief(phase, 5)}`
  const told =
    rows > 0
      ? `codes of ${count(rows, 'row')} compared`
      : 'codes not compared: the two were fitted to different rows (--rows FILE gives rows that both code)'
  return (
    `${a.atoms.length} and ${count(b.atoms.length, 'atom')}: ${same} of ${most} are the same (${percent(matched)}), ` +
    `mean cosine ${brief(cosine, 5)}${phases}\n  ${told}\n\n${table([header, ...lines], [2, 3, 4, 5])}`
  )
}
