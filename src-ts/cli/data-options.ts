/** Arguments and options with which every command reads its data. */
import { Option, type Command } from 'commander'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { CategoryOption, Exclusion, ReadOptions, UncertaintyPolicy } from '../data/options.ts'
import type { Delimiter } from '../data/records.ts'
import { Dataset } from '../data/dataset.ts'
import { nearest } from '../validate.ts'

/** What commander makes of the options below. */
export interface DataFlags {
  pmf5?: boolean
  suggestCategories?: boolean
  strong?: string[]
  detectionLimits?: string[]
  belowDetection?: ReadOptions['belowDetection']
  extraUncertainty?: number
  weak?: string[]
  bad?: string[]
  total?: string
  exclude?: string[]
  ignore?: string[]
  dateOrder?: ReadOptions['dateOrder']
  delimiter?: string
  decimal?: string
  encoding?: ReadOptions['encoding']
  preamble?: number
  units?: ReadOptions['units']
  missing?: string[]
  missingCells?: ReadOptions['missingPolicy']
  zeroUncertainty?: string
  options?: string
}

/** Options of every command. */
export interface CommonFlags {
  json?: boolean
  quiet?: boolean
}

const DELIMITERS: Readonly<Record<string, Delimiter>> = {
  tab: '\t',
  comma: ',',
  semicolon: ';',
  bar: '|',
  '\\t': '\t',
  '\t': '\t',
  ',': ',',
  ';': ';',
  '|': '|',
}
const DECIMALS: Readonly<Record<string, '.' | ','>> = { point: '.', comma: ',', '.': '.', ',': ',' }
const POLICIES = ['error', 'weight-zero', 'drop-sample', 'median', 'floor']
const GROUP = 'Data:'

/** Adds the two files to a command. */
export function addDataArguments(command: Command): Command {
  return command
    .argument('<con>', 'concentrations: a text table (CSV, tab-separated, …) with a header and one line per sample')
    .argument(
      '<unc>',
      'their uncertainties, in the same layout and units; or detection limits and error fractions in percent, a line each',
    )
}

/** Adds the options that say how data are read and treated. */
export function addDataOptions(command: Command): Command {
  const option = (flags: string, description: string): Option => new Option(flags, description).helpGroup(GROUP)
  return command
    .addOption(
      option('--weak <species>', 'species that count with 3 times their uncertainty, separated by commas').argParser(
        list,
      ),
    )
    .addOption(option('--bad <species>', 'species that are left out, separated by commas').argParser(list))
    .addOption(
      option('--strong <species>', 'species that count fully, whatever --suggest-categories says').argParser(list),
    )
    .addOption(
      option(
        '--suggest-categories',
        'take weak and bad from signal-to-noise where --strong, --weak, --bad and --total say nothing',
      ),
    )
    .addOption(option('--total <species>', 'species that is the total of the others, such as PM2.5; made weak'))
    .addOption(
      option(
        '--exclude <samples>',
        'a sample, dates FROM..TO, or samples by value such as "K>10", to leave out; may be given several times',
      ).argParser(collect),
    )
    .addOption(option('--ignore <columns>', 'columns that are no species, separated by commas').argParser(list))
    .addOption(option('--date-order <order>', 'order of day, month and year in dates').choices(['mdy', 'dmy', 'ymd']))
    .addOption(option('--delimiter <mark>', 'what separates fields').choices(['tab', 'comma', 'semicolon', 'bar']))
    .addOption(option('--decimal <mark>', 'decimal mark').choices(['point', 'comma']))
    .addOption(option('--encoding <name>', 'character encoding').choices(['utf-8', 'utf-16le', 'utf-16be', 'latin1']))
    .addOption(option('--preamble <lines>', 'lines above the header').argParser(wholeNumber))
    .addOption(
      option('--units <line>', 'whether the line below the header holds units').choices(['auto', 'row', 'none']),
    )
    .addOption(
      option(
        '--missing <words>',
        'further words, or numbers instead of -999, -9999, -99, that mean "missing"',
      ).argParser(list),
    )
    .addOption(
      option('--missing-cells <policy>', 'what becomes of missing cells (default: they get weight 0)').choices([
        'weight-zero',
        'drop-sample',
        'median',
      ]),
    )
    .addOption(
      option(
        '--zero-uncertainty <policy>',
        `uncertainties of zero or below: ${POLICIES.join(', ')} or a number to put there`,
      ),
    )
    .addOption(
      option('--detection-limits <limits>', 'detection limits of species, such as As=0.0012,Se=0.0009').argParser(list),
    )
    .addOption(
      option(
        '--below-detection <policy>',
        'values at or below the detection limit: keep (default); substitute half the limit with 5/6 of it as uncertainty; ' +
          'censored: known only to be below',
      ).choices(['keep', 'substitute', 'censored']),
    )
    .addOption(
      option(
        '--extra-uncertainty <share>',
        'extra modelling uncertainty, a share of each value such as 0.05 (default: 0)',
      ).argParser(wholeNumber),
    )
    .addOption(
      option(
        '--pmf5',
        'defaults of EPA PMF 5: medians for missing cells, substitutes below given detection limits; in a fit also ' +
          '--robust 4, --starts 20, its expected Q and its tables',
      ),
    )
    .addOption(option('--options <file>', 'JSON file with any of these options, by their names in the API'))
}

/** Reads the two files as the options say. */
export async function readData(con: string, unc: string, flags: DataFlags): Promise<Dataset> {
  checkNumbers(flags, { preamble: 0 })
  return Dataset.read(con, unc, toReadOptions(flags))
}

/**
 * The options in the form that `Dataset.read` takes.
 * @throws InvalidInputError `option-not-valid`, `options-conflict`
 */
export function toReadOptions(flags: DataFlags): ReadOptions {
  const problems: InputProblem[] = []
  const named = [
    ...(flags.strong ?? []).map((name) => [name, 'strong'] as const),
    ...(flags.weak ?? []).map((name) => [name, 'weak'] as const),
    ...(flags.bad ?? []).map((name) => [name, 'bad'] as const),
  ]
  for (const [at, [name, category]] of named.entries()) {
    const before = named.slice(0, at).find(([other, was]) => other === name && was !== category)
    if (before === undefined) continue
    const message = `"${name}" cannot be both --${before[1]} and --${category}`
    problems.push({ code: 'options-conflict', message, name: category })
  }
  const detectionLimits = toLimits(flags.detectionLimits, problems)
  const exclude = flags.exclude?.map(toExclusion)
  const uncertaintyPolicy = toPolicy(flags.zeroUncertainty, problems)
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
  const categories: (readonly [string, CategoryOption])[] = [
    ...(flags.suggestCategories ? [['*', 'suggest'] as const] : []),
    ...named,
  ]
  const numbers = flags.missing?.filter((word) => word !== '' && Number.isFinite(Number(word)))
  const words = flags.missing?.filter((word) => !Number.isFinite(Number(word)))
  const options: { [K in keyof ReadOptions]: ReadOptions[K] | undefined } = {
    optionsFile: flags.options,
    categories: categories.length > 0 ? Object.fromEntries(categories) : undefined,
    preset: flags.pmf5 ? 'pmf5' : undefined,
    total: flags.total,
    detectionLimits,
    belowDetection: flags.belowDetection,
    extraUncertainty: flags.extraUncertainty,
    exclude,
    ignore: flags.ignore,
    dateOrder: flags.dateOrder,
    delimiter: flags.delimiter === undefined ? undefined : DELIMITERS[flags.delimiter],
    decimal: flags.decimal === undefined ? undefined : DECIMALS[flags.decimal],
    encoding: flags.encoding,
    preamble: flags.preamble,
    units: flags.units,
    missing: flags.missing && {
      ...(words!.length > 0 ? { words: words! } : {}),
      ...(numbers!.length > 0 ? { sentinels: numbers!.map(Number) } : {}),
    },
    missingPolicy: flags.missingCells,
    uncertaintyPolicy,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReadOptions
}

function toPolicy(text: string | undefined, problems: InputProblem[]): UncertaintyPolicy | undefined {
  if (text === undefined) return undefined
  if (POLICIES.includes(text)) return text as UncertaintyPolicy
  const floor = Number(text)
  if (text.trim() !== '' && Number.isFinite(floor) && floor > 0) return { floor }
  const meant = nearest(text, POLICIES)
  problems.push({
    code: 'option-not-valid',
    name: 'zeroUncertainty',
    message: `--zero-uncertainty must be one of ${POLICIES.join(', ')} or a positive number, got "${text}"`,
    ...(meant === undefined ? {} : { hint: `did you mean ${meant}?` }),
  })
  return undefined
}

function toLimits(texts: readonly string[] | undefined, problems: InputProblem[]): Record<string, number> | undefined {
  if (texts === undefined) return undefined
  const limits = texts.map((text): [string, number] => {
    const at = text.lastIndexOf('=')
    const [name, number] = [text.slice(0, at).trim(), text.slice(at + 1).trim()]
    const limit = Number(number)
    if (at < 1 || number === '' || !Number.isFinite(limit) || limit < 0) {
      const message = `--detection-limits needs a species and a limit of 0 or more, such as As=0.0012, got "${text}"`
      problems.push({ code: 'option-not-valid', name: 'detectionLimits', value: text, message })
    }
    return [name, limit]
  })
  return Object.fromEntries(limits)
}

function toExclusion(text: string): Exclusion {
  const [, species, sign, number] = /^\s*(\S.*?)\s*([<>])\s*(\S+)\s*$/.exec(text) ?? []
  const bound = Number(number)
  if (species !== undefined && Number.isFinite(bound)) {
    return sign === '>' ? { species, above: bound } : { species, below: bound }
  }
  const at = text.indexOf('..')
  if (at < 0) return text
  const [from, to] = [text.slice(0, at).trim(), text.slice(at + 2).trim()]
  return { ...(from === '' ? {} : { from }), ...(to === '' ? {} : { to }) }
}

/** Values of an option that may be given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

/** The same, with several values in one, separated by commas. */
export function list(value: string, before: string[] = []): string[] {
  const words = value.split(',').map((word) => word.trim())
  return [...before, ...words.filter((word) => word !== '')]
}

/** A number as it was typed: text that is none stays text, for {@link checkNumbers} to refuse it with all others. */
export function wholeNumber(value: string): number | string {
  return value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value)
}

/**
 * Checks options that are whole numbers, all at once and before any file is read.
 * @param least smallest value by name, as commander spells it
 * @throws InvalidInputError `option-out-of-range`, `option-not-valid`
 */
export function checkNumbers(flags: object, least: Readonly<Record<string, number>>): void {
  const problems: InputProblem[] = []
  for (const [name, min] of Object.entries(least)) {
    const value: unknown = (flags as Record<string, unknown>)[name]
    if (value === undefined || value === 'auto' || (Number.isSafeInteger(value) && (value as number) >= min)) continue
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const code = typeof value === 'number' ? 'option-out-of-range' : 'option-not-valid'
    const alternative = name === 'starts' ? ', or auto' : ''
    const message = `${flag} must be a whole number of at least ${min}${alternative}, got ${String(value) || 'nothing'}`
    problems.push({ code, name, value, message })
  }
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
}
