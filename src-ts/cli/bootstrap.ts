/** `headwater bootstrap CON UNC --factors P`, or `--model FILE`: how profiles vary over resamples (BS). */
import type { Command } from 'commander'
import { bootstrapDocument, bootstrapTables, describeBootstrap } from './describe-bootstrap.ts'
import { addEstimateOptions, runEstimate, type Estimate, type EstimateFlags } from './estimate.ts'
import { resamplingOptions, type ResamplingFlags } from './estimate-options.ts'

/** What commander makes of the options. */
export interface BootstrapFlags extends EstimateFlags, ResamplingFlags {}

/** Adds the options of the command. */
export function addBootstrapOptions(command: Command): Command {
  const what = 'species to report, in every factor (default: all); resamples are fitted whole'
  return addEstimateOptions(command, 'Bootstrap:', what, resamplingOptions())
}

const BOOTSTRAP: Estimate<BootstrapFlags, 'bootstrap'> = {
  command: 'bootstrap',
  method: 'bootstrap',
  doing: 'resampling a model of',
  unit: 'resample',
  toOptions: ({ runs, block, coldStarts, threshold, species, elements }) => ({
    ...{ runs, block, coldStarts, threshold, species, elements },
  }),
  run: (model, options) => model.bootstrap(options),
  done: (found) => `${found?.resamples.length ?? 0} resamples had been fitted`,
  describe: describeBootstrap,
  tables: bootstrapTables,
  document: (model, found) => {
    if (found === undefined) return { status: 'aborted', mapping: [], nearest: [], quantiles: [], resamples: [] }
    return bootstrapDocument(model, found)
  },
}

/** Fits or reads, resamples, prints and writes. */
export async function bootstrapCommand(con: string, unc: string, flags: BootstrapFlags): Promise<number> {
  return runEstimate(con, unc, flags, BOOTSTRAP)
}
