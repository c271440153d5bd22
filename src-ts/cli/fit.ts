/** `headwater fit CON UNC --factors P`, and `headwater CON UNC --factors P`, which adds first aid and a report. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { InvalidInputError } from '../errors.ts'
import { USUAL_ALPHA } from '../pmf/loss.ts'
import {
  addDataArguments,
  addDataOptions,
  checkNumbers,
  collect,
  wholeNumber,
  type CommonFlags,
  type DataFlags,
} from './data-options.ts'
import { estimationOptions, toEstimation, type EstimationFlags } from './error-estimation.ts'
import { Interrupt } from './interrupt.ts'
import { conflicts, errorOptions, robustOption, type ErrorFlags, type ObjectiveFlags } from './objective.ts'
import { runStudy, type EngineOptions } from './study.ts'
import { quote } from './write-report.ts'

/** What commander makes of the options of a fit. */
export interface FitFlags extends CommonFlags, DataFlags, ObjectiveFlags, ErrorFlags, EstimationFlags {
  factors?: number
  starts?: number | 'auto'
  maxStarts?: number
  firstStart?: number
  start?: number
  seed?: number
  method?: EngineOptions['method']
  initialization?: EngineOptions['initialization']
  maxIterations?: number
  negative?: 'contributions' | 'profiles' | 'both'
  stop?: { decrease: number; over: number }
  device?: EngineOptions['device']
  threads?: number
  out?: string
  force?: boolean
  save?: string
  nameFactor?: string[]
}

/** Adds the files and the options of a fit's engine. */
export function addEngineOptions(command: Command): Command {
  const fit = (flags: string, description: string): Option => new Option(flags, description).helpGroup('Fit:')
  return addDataArguments(command)
    .addOption(fit('-p, --factors <p>', 'number of factors').argParser(wholeNumber))
    .addOption(
      fit(
        '-n, --starts <n>',
        'number of random starts, or auto: until several independent chains agree (default: auto)',
      ).argParser(wholeNumber),
    )
    .addOption(fit('--max-starts <n>', 'most starts of auto (default: 400)').argParser(wholeNumber))
    .addOption(fit('--first-start <n>', 'number of the first start (default: 0)').argParser(wholeNumber))
    .addOption(fit('--start <n>', 'take the solution of this start instead of the best one').argParser(wholeNumber))
    .addOption(
      fit('-s, --seed <n>', 'key of all random numbers; the same seed gives the same result (default: 0)').argParser(
        wholeNumber,
      ),
    )
    .addOption(robustOption().helpGroup('Fit:'))
    .addOption(fit('--method <name>', 'how sweeps are done (default: auto)').choices(['auto', 'anls', 'hals', 'mu']))
    .addOption(fit('--initialization <name>', 'where starts begin (default: random)').choices(['random', 'nndsvd']))
    .addOption(fit('--max-iterations <n>', 'most iterations of one start (default: 20000)').argParser(wholeNumber))
    .addOption(
      fit('--negative <side>', 'let this side be negative (semi-NMF)').choices(['contributions', 'profiles', 'both']),
    )
    .addOption(
      fit(
        '--stop <decrease,sweeps>',
        'stop by the rule of older programs: Q fell by less than DECREASE over SWEEPS',
      ).argParser(stopRule),
    )
    .addOption(
      fit(
        '--device <name>',
        'where sweeps run: cpu, auto, cuda or cuda:N; the fit is always finished on the CPU (default: cpu)',
      ),
    )
    .addOption(fit('--threads <n>', 'most threads; the result does not depend on it').argParser(wholeNumber))
}

/** Adds the options of a fit. */
export function addFitOptions(command: Command, whole: boolean): Command {
  const output = (flags: string, description: string): Option => new Option(flags, description).helpGroup('Output:')
  addEngineOptions(command)
  for (const option of errorOptions()) command.addOption(option.helpGroup('Fit:'))
  for (const option of estimationOptions(whole ? 'bs,disp' : 'none')) command.addOption(option)
  addDataOptions(command)
  return command
    .addOption(output('-o, --out <folder>', 'write report and CSV tables; another study there is not overwritten'))
    .addOption(output('--force', 'overwrite what is in the way'))
    .addOption(output('--save <file>', 'save the model as JSON'))
    .addOption(
      output(
        '--name-factor <number=name>',
        'name a factor, for example 1=traffic; may be given several times',
      ).argParser(collect),
    )
    .addOption(output('--json', 'print one JSON document instead of tables'))
    .addOption(output('-q, --quiet', 'no progress and no notes'))
}

/** Runs a fit, or with `whole` the whole study into `out/`. */
export async function fitCommand(con: string, unc: string, flags: FitFlags, whole: boolean): Promise<number> {
  if (flags.factors === undefined) {
    const hint = `for example: headwater ${whole ? '' : 'fit '}${quote(con)} ${quote(unc)} --factors 6`
    throw new InvalidInputError('option-missing', '--factors is needed: how many sources to look for', {
      name: 'factors',
      hint,
    })
  }
  checkNumbers(flags, LEAST)
  const problems = conflicts(flags)
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
  const estimation = toEstimation(flags, whole ? ['bs', 'disp'] : [])
  using interrupt = new Interrupt()
  const { exitCode } = await runStudy(
    {
      con,
      unc,
      dataFlags: flags,
      engine: toEngine(flags, flags.factors),
      errors: { scale: flags.errorScale === 'Q/nu' ? 'Q/ν' : 'none', block: flags.errorBlock },
      estimation,
      threads: flags.threads,
      out: flags.out ?? (whole ? 'out' : undefined),
      force: flags.force,
      save: flags.save,
      names: toNames(flags.nameFactor),
      withCheck: whole,
      json: flags.json ?? false,
      quiet: flags.quiet ?? false,
      command: ['headwater', ...process.argv.slice(2)].map(quote).join(' '),
    },
    interrupt,
  )
  return exitCode
}

/** The options of the fit, those of the preset included. */
export function toEngine(flags: FitFlags, factors: number): EngineOptions {
  const { negative } = flags
  const nonnegative =
    negative === undefined
      ? undefined
      : { contributions: negative === 'profiles', profiles: negative === 'contributions' }
  const {
    pmf5,
    robust,
    starts,
    maxStarts,
    firstStart,
    start,
    seed,
    method,
    initialization,
    maxIterations,
    stop,
    device,
  } = flags
  const options = {
    factors,
    // In full, so that the saved model and the guard of --out agree.
    preset: pmf5 ? ('pmf5' as const) : undefined,
    robust: robust ?? (pmf5 ? { alpha: USUAL_ALPHA } : undefined),
    starts: starts ?? (pmf5 ? 20 : undefined),
    maxStarts,
    firstStart,
    start,
    seed,
    method,
    initialization,
    maxIterations,
    nonnegative,
    stop,
    device,
  }
  // Absent options stay absent: the saved model repeats only what was asked for.
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as EngineOptions
}

function toNames(texts: readonly string[] | undefined): Map<number, string> | undefined {
  if (texts === undefined) return undefined
  return new Map(
    texts.map((text) => {
      const [, number, name] = /^\s*(\d+)\s*=\s*(.+?)\s*$/.exec(text) ?? []
      if (number === undefined || name === undefined) {
        const message = `--name-factor needs a number and a name, such as 1=traffic, got "${text}"`
        throw new InvalidInputError('option-not-valid', message, { name: 'name-factor', value: text })
      }
      return [Number(number), name]
    }),
  )
}

/** Smallest values of the options that are whole numbers. */
export const LEAST = {
  factors: 1,
  starts: 1,
  maxStarts: 1,
  firstStart: 0,
  start: 0,
  seed: 0,
  maxIterations: 1,
  threads: 1,
  errorBlock: 1,
}

function stopRule(value: string): { decrease: number; over: number } {
  const [decrease, over, ...rest] = value.split(',').map(Number)
  if (
    decrease === undefined ||
    over === undefined ||
    rest.length > 0 ||
    !(decrease > 0) ||
    !(Number.isInteger(over) && over > 0)
  ) {
    throw new InvalidArgumentError('Expected a decrease of Q and a number of sweeps, such as 0.1,100.')
  }
  return { decrease, over }
}
