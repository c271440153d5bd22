/** `headwater check CON UNC`: first aid for data, before any fit. */
import { checkDataset, type DataCheck } from '../data/check.ts'
import type { Dataset } from '../data/dataset.ts'
import { readData, type CommonFlags, type DataFlags } from './data-options.ts'
import { describeData, heading } from './describe.ts'
import { EXIT } from './exit.ts'
import { brief, count, table, wrap } from './words.ts'

/** Reads, looks and prints. */
export async function checkCommand(con: string, unc: string, flags: CommonFlags & DataFlags): Promise<number> {
  const data = await readData(con, unc, flags)
  const check = checkDataset(data)
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ...check, sha256: data.sha256(), treatment: data.treatment })}\n`)
    return EXIT.ok
  }
  process.stdout.write(
    describeData(data) + describeSpecies(check) + describeSuggestions(data) + describeFindings(check),
  )
  return EXIT.ok
}

/** What signal-to-noise suggests and nobody has decided yet. */
function describeSuggestions({ treatment, species }: Dataset): string {
  const open = species.filter((name) => {
    const { suggested } = treatment.suggestions[name]!
    return suggested !== 'strong' && treatment.categories[name] === 'strong'
  })
  if (open.length === 0) return ''
  const list = (category: string): string =>
    open.filter((name) => treatment.suggestions[name]!.suggested === category).join(',')
  const flags = (['weak', 'bad'] as const).map((category) => [category, list(category)] as const)
  const text = flags.filter(([, names]) => names !== '').map(([category, names]) => `--${category} ${names}`)
  const one = `signal-to-noise suggests ${text.join(' ')}`
  return wrap(`${one}; --suggest-categories takes that, and --strong, --weak and --bad overrule it`, '  ')
}

function describeSpecies(check: DataCheck): string {
  const header = ['species', 'unit', 'used', 'missing', 'zeros', 'min', 'median', 'max', 'S/N', 'category']
  const units = check.species.some(({ unit }) => unit !== undefined)
  const rows = check.species.map((one) => {
    const suggestion = one.suggested === one.category || one.count === 0 ? '' : `, S/N suggests ${one.suggested}`
    return [
      one.species,
      one.unit ?? '',
      String(one.count),
      String(one.missing),
      String(one.zeros),
      brief(one.minimum),
      brief(one.median),
      brief(one.maximum),
      brief(one.signalToNoise),
      one.category + suggestion,
    ]
  })
  const shown = [header, ...rows].map((row) => (units ? row : row.toSpliced(1, 1)))
  return `\n${heading('Species (S/N: signal-to-noise as in EPA PMF 5)')}${table(shown, units ? [2, 3, 4, 5, 6, 7, 8] : [1, 2, 3, 4, 5, 6, 7])}`
}

/** What deserves a look, one line each. */
export function describeFindings(check: DataCheck): string {
  const { findings } = check
  if (findings.length === 0) return `\n${heading('Nothing suspicious found')}`
  let text = `\n${heading(`${count(findings.length, 'thing')} to look at`)}`
  for (const { message } of findings) text += wrap(forCommandLine(message), '  - ')
  return text
}

/** Findings speak of options of the programming interface. */
function forCommandLine(message: string): string {
  return message
    .replace('name it with the option total', 'name it with --total')
    .replace(/to make it "(weak|bad)"/, 'to make it $1 (--$1)')
}
