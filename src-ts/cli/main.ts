/** The program `headwater`: commands, options, help, and how it ends. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command, CommanderError, Option } from 'commander'
import { InvalidInputError } from '../errors.ts'
import { nearest } from '../validate.ts'
import { addBootstrapOptions, bootstrapCommand, type BootstrapFlags } from './bootstrap.ts'
import { addBsDispOptions, bsDispCommand, type BsDispFlags } from './bs-disp.ts'
import { certifyCommand, type CertifyFlags } from './certify.ts'
import { checkCommand } from './check.ts'
import { addDataArguments, addDataOptions, wholeNumber, type CommonFlags, type DataFlags } from './data-options.ts'
import { addDictionaryCommand } from './dictionary/index.ts'
import { addDisplaceOptions, displaceCommand, type DisplaceFlags } from './displace.ts'
import { estimationOptions } from './error-estimation.ts'
import { EXIT, exitCodeOf, tell } from './exit.ts'
import { addFitOptions, fitCommand, type FitFlags } from './fit.ts'
import { errorOptions, robustOption } from './objective.ts'
import { reportCommand, type ReportFlags } from './report.ts'

const AFTER_HELP = `
Files: two tables (CSV, tab- or semicolon-separated) with a header and one line per sample; the first column is a date
or name. Missing cells are blank, NA, -999, …; see "headwater check" for what was understood.

Examples:
  headwater con.csv unc.csv --factors 6            first aid, fit, error estimation, report and tables in out/
  headwater check con.csv unc.csv                  first aid only
  headwater con.csv unc.csv -p 6 --robust          outliers pull with a bounded force
  headwater fit con.csv unc.csv -p 6 --json        the fit as one JSON document on stdout
  headwater certify con.csv unc.csv --contributions G.csv --profiles F.csv
                                                   where does a solution of another program stand?
  headwater displace con.csv unc.csv -p 6 --levels 4,8 --species Fe,Zn
                                                   how far can these profile elements be moved?
  headwater bootstrap con.csv unc.csv --model out/model.json
                                                   how do profiles vary if other samples are drawn?

The result goes to stdout, everything else to stderr. Ctrl-C saves what is done.
Exit codes: 0 ok, 1 defect of headwater, 2 wrong usage, 65 bad data, 66 file missing or unreadable, 69 native addon
unavailable, 70 nothing converged, 75 incomplete (the message says how to go on), 130 and 143 stopped by a signal.`

const STUDY = 'study'

/**
 * Runs the program.
 * @param argv arguments without Node and script
 * @returns the exit code; nothing is thrown
 */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that has seen enough, such as `head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.ok)
  })
  const json = argv.includes('--json')
  let code: number = EXIT.ok
  try {
    const program = build((result) => (code = result))
    if (argv.length === 0) program.help({ error: true })
    refuseMistypedCommand(argv[0]!, program)
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    tell(error, json)
    return exitCodeOf(error)
  }
}

/** The commands; `done` takes the exit code of the one that ran. */
function build(done: (code: number) => void): Command {
  const program = new Command('headwater')
    .description('Finds the sources behind measurements, and says "converged" only when it can prove it.')
    .usage('[command] <con> <unc> [options]')
    .version(packageVersion(), '-V, --version', 'print the version')
    .exitOverride()
    .configureHelp({ sortOptions: false, helpWidth: Math.min(process.stdout.columns || 100, 110) })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'headwater: ').replace(` for '${STUDY}'`, '')),
    })
    .showHelpAfterError('(headwater --help lists commands and options)')
    .addHelpText('after', AFTER_HELP)

  addFitOptions(
    program.command(STUDY, { isDefault: true, hidden: true }).usage('<con> <unc> --factors <p> [options]'),
    true,
  )
    .description('check, fit, estimate errors and report in one go (the word "study" may be left out)')
    .action(async (con: string, unc: string, flags: FitFlags) => {
      done(await fitCommand(con, unc, flags, true))
    })

  addFitOptions(program.command('fit'), false)
    .summary('fit from many starts and prove what the best one is')
    .description('Fits, and proves what the result is. With --out also writes report and CSV tables.')
    .action(async (con: string, unc: string, flags: FitFlags) => done(await fitCommand(con, unc, flags, false)))

  addDataOptions(
    addDataArguments(program.command('certify'))
      .option(
        '--contributions <file>',
        'contributions G, samples × factors: plain numbers, header row and label column optional',
      )
      .option('--profiles <file>', 'profiles F, factors × species, likewise; a transposed file is recognised')
      .option('--model <file>', 'instead of both: a model saved by --save or --out, judged by the objective of its fit')
      .addOption(robustOption())
      .option('--max-iterations <n>', 'most iterations of the descent from there (default: 20000)', wholeNumber)
      .addOption(
        new Option('--negative <side>', 'this side may be negative').choices(['contributions', 'profiles', 'both']),
      )
      .option('--threads <n>', 'most threads', wholeNumber)
      .option('--json', 'print one JSON document')
      .option('-q, --quiet', 'no notes'),
  )
    .summary('judge a solution of any program')
    .description(
      'Says where a solution of any program stands: its status with proof, and how far above the next minimum it lies. ' +
        'Factors may be scaled in any way. Exit code 0 whatever the verdict.',
    )
    .action(async (con: string, unc: string, flags: CertifyFlags) => done(await certifyCommand(con, unc, flags)))

  addBootstrapOptions(program.command('bootstrap'))
    .summary('how profiles vary over resamples (BS)')
    .description(
      'Fits resamples of blocks of samples, assigns their factors to those of the base one to one, and prints how profiles ' +
        'vary, with the mapping table of EPA PMF 5 beside. Fits first, or takes a saved model of the same data.',
    )
    .action(async (con: string, unc: string, flags: BootstrapFlags) => done(await bootstrapCommand(con, unc, flags)))

  addDisplaceOptions(program.command('displace'))
    .summary('intervals of profile elements (DISP)')
    .description(
      'Pushes profile elements up and down until Q has risen by each level, with everything else refitted, and prints the ' +
        'intervals. Fits first, or takes a saved model of the same data.',
    )
    .action(async (con: string, unc: string, flags: DisplaceFlags) => done(await displaceCommand(con, unc, flags)))

  addBsDispOptions(program.command('bs-disp'))
    .summary('intervals over displaced resamples (BS-DISP)')
    .description(
      'Displaces profile elements in every resample of a bootstrap, and prints 5 % of the lower and 95 % of the upper ends ' +
        'over the resamples that count. Fits first, or takes a saved model of the same data.',
    )
    .action(async (con: string, unc: string, flags: BsDispFlags) => done(await bsDispCommand(con, unc, flags)))

  addDataOptions(addDataArguments(program.command('check')).option('--json', 'print one JSON document'))
    .summary('first aid: how the files were read, and what looks wrong')
    .description('Shows how the files were read, numbers per species, and what often turns out to be a mistake.')
    .action(async (con: string, unc: string, flags: CommonFlags & DataFlags) =>
      done(await checkCommand(con, unc, flags)),
    )

  addDictionaryCommand(program, done)

  const report = program.command('report')
  for (const option of [...errorOptions(), ...estimationOptions('none')]) report.addOption(option)
  addDataOptions(
    addDataArguments(report)
      .requiredOption('--model <file>', 'model saved by --save or --out')
      .requiredOption('-o, --out <folder>', 'folder for report and tables')
      .option('--force', 'overwrite another study')
      .option('--json', 'print the list of files as JSON'),
  )
    .summary('write the report of a saved model')
    .description('Writes report and CSV tables of a saved model. Data options must be those of the fit.')
    .action(async (con: string, unc: string, flags: ReportFlags) => done(await reportCommand(con, unc, flags)))

  return program
}

/** The version, also where the addon cannot be loaded. */
function packageVersion(): string {
  return createRequire(import.meta.url)('headwater/package.json').version
}

/** `headwater chekc con unc` would reach the study as a file that does not exist. */
function refuseMistypedCommand(first: string, program: Command): void {
  const commands = [...program.commands.map((command) => command.name()).filter((name) => name !== STUDY), 'help']
  if (first === STUDY || commands.includes(first) || existsSync(first)) return
  const meant = /^[a-z][a-z-]*$/i.test(first) ? nearest(first, commands) : undefined
  if (meant === undefined) return
  const hint = `did you mean "headwater ${meant}"?`
  throw new InvalidInputError('option-unknown', `there is no command or file "${first}"`, { name: 'command', hint })
}
