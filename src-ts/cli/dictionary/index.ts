/** `headwater dictionary fit | encode | compare | report`. */
import type { Command } from 'commander'
import { wholeNumber } from '../data-options.ts'
import { dictionaryCompareCommand, type DictionaryCompareFlags } from './compare.ts'
import { dictionaryEncodeCommand, type DictionaryEncodeFlags } from './encode.ts'
import { dictionaryFitCommand } from './fit.ts'
import { addDictionaryFitOptions, type DictionaryFitFlags } from './options.ts'
import { dictionaryReportCommand, type DictionaryReportFlags } from './report.ts'

/** Adds the command with its sub-commands; `done` takes the exit code of the one that ran. */
export function addDictionaryCommand(program: Command, done: (code: number) => void): void {
  const dictionary = program
    .command('dictionary')
    .summary('sparse dictionaries of points, lines, circles, tori and patches')
    .description('Fits sparse dictionaries whose atoms are curves, codes rows by them, and draws them.')

  addDictionaryFitOptions(dictionary.command('fit'))
    .summary('fit a dictionary and prove what it is')
    .description(
      'Fits a sparse dictionary. Atoms that are not worth what they cost to write down are left out, so that --atoms is the most. ' +
        'Exit code 70 if the minimum was not proven.',
    )
    .action(async (rows: string, flags: DictionaryFitFlags) => done(await dictionaryFitCommand(rows, flags)))

  dictionary
    .command('encode')
    .argument('<model>', 'folder that fit --out wrote')
    .argument('<rows>', '.npy, .npz or .safetensors')
    .option('--array <name>', 'which array of the file, where it holds several')
    .option('-o, --out <file>', 'write the codes as .safetensors: sizes, atoms, amounts, coordinates')
    .option('--force', 'overwrite what is in the way')
    .option('--threads <n>', 'most threads', wholeNumber)
    .option('--json', 'print one JSON document')
    .summary('code further rows')
    .description('Codes rows by a dictionary: for each the least energy. Prints how well they are said.')
    .action(async (model: string, rows: string, flags: DictionaryEncodeFlags) =>
      done(await dictionaryEncodeCommand(model, rows, flags)),
    )

  dictionary
    .command('compare')
    .argument('<first>', 'folder that fit --out wrote')
    .argument('<second>', 'another one, for example of another --seed')
    .option(
      '--rows <file>',
      'compare codes on the rows of this file (default: those that were fitted, if they were the same)',
    )
    .option('--array <name>', 'which array of the file, where it holds several')
    .option('--threads <n>', 'most threads', wholeNumber)
    .option('--json', 'print one JSON document')
    .summary('which atom of one dictionary is which of another')
    .description(
      'Assigns the atoms of two dictionaries to each other by what their decoders span, and compares where they are on and at ' +
        'which phase, whatever the origin and sense of rotation. Exit code 0 whether they agree or not.',
    )
    .action(async (first: string, second: string, flags: DictionaryCompareFlags) =>
      done(await dictionaryCompareCommand(first, second, flags)),
    )

  dictionary
    .command('report')
    .argument('<model>', 'folder that fit --out wrote')
    .option('-o, --out <folder>', 'folder for report.html (default: that of the model)')
    .option('--force', 'overwrite a report.html that is not of this model')
    .option('--json', 'print the list of files as JSON')
    .summary('draw a saved dictionary')
    .description('Writes the report of a saved dictionary: its atoms as pictures, figures, checks.')
    .action(async (model: string, flags: DictionaryReportFlags) => done(await dictionaryReportCommand(model, flags)))
}
