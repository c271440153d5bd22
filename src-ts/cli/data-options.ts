/** Arguments and options with which every command reads its data. */
import { Option, type Command } from 'commander'
import { InvalidInputError, type InputProblem } from '../errors.ts'
import type { ReadOptions, UncertaintyPolicy } from '../data/options.ts'
import type { Delimiter } from '../data/records.ts'
import { Dataset } from '../data/dataset.ts'
import { nearest } from '../validate.ts'

/** What commander makes of the options below. */
export interface DataFlags {
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
    .argument('<unc>', 'their uncertainties, in the same layout and units')
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
    .addOption(option('--total <species>', 'species that is the total of the others, such as PM2.5; made weak'))
    .addOption(
      option('--exclude <samples>', 'a sample, or dates FROM..TO, to leave out; may be given several times').argParser(
        collect,
      ),
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
  const both = (flags.weak ?? []).filter((name) => flags.bad?.includes(name))
  for (const name of both) {
    problems.push({ code: 'options-conflict', message: `"${name}" cannot be both --weak and --bad`, name: 'weak' })
  }
  const uncertaintyPolicy = toPolicy(flags.zeroUncertainty, problems)
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
  const categories = [
    ...(flags.weak ?? []).map((name) => [name, 'weak'] as const),
    ...(flags.bad ?? []).map((name) => [name, 'bad'] as const),
  ]
  const numbers = flags.missing?.filter((word) => word !== '' && Number.isFinite(Number(word)))
  const words = flags.missing?.filter((word) => !Number.isFinite(Number(word)))
  const options: { [K in keyof ReadOptions]: ReadOptions[K] | undefined } = {
    optionsFile: flags.options,
    categories: categories.length > 0 ? Object.fromEntries(categories) : undefined,
    total: flags.total,
    exclude: flags.exclude?.map(toExclusion),
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

function toExclusion(text: string): string | { from?: string; to?: string } {
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
