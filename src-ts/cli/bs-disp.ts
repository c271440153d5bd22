/** `headwater bs-disp CON UNC --factors P`, or `--model FILE`: intervals over displaced resamples (BS-DISP). */
import type { Command } from 'commander'
import { USUAL_LEVELS } from '../pmf/displacement-options.ts'
import { bsDispTables, describeBsDisp } from './describe-bs-disp.ts'
import { addEstimateOptions, runEstimate, type Estimate, type EstimateFlags } from './estimate.ts'
import { levelOptions, resamplingOptions, toScale, type LevelFlags, type ResamplingFlags } from './estimate-options.ts'

/** What commander makes of the options. */
export interface BsDispFlags extends EstimateFlags, ResamplingFlags, LevelFlags {}

/** Adds the options of the command. */
export function addBsDispOptions(command: Command): Command {
  const what = 'species to displace in every factor of every resample (default: the strong ones)'
  const own = [...levelOptions(USUAL_LEVELS.bootstrapDisplacement), ...resamplingOptions()]
  return addEstimateOptions(command, 'BS-DISP:', what, own)
}

const BS_DISP: Estimate<BsDispFlags, 'bootstrapDisplacement'> = {
  command: 'bs-disp',
  method: 'bootstrapDisplacement',
  doing: 'displacing elements in resamples of',
  unit: 'resample',
  toOptions: ({ runs, block, coldStarts, threshold, species, elements, levels, ...flags }) => ({
    ...{ runs, block, coldStarts, threshold, species, elements, levels },
    levelScale: toScale(flags),
  }),
  run: (model, options) => model.bootstrapDisplacement(options),
  done: (found) => `${found?.resamples.length ?? 0} resamples had been displaced`,
  describe: describeBsDisp,
  tables: bsDispTables,
  document: (_, found) => found ?? { status: 'aborted', accepted: 0, swaps: [], elements: [], resamples: [] },
}

/** Fits or reads, displaces in resamples, prints and writes. */
export async function bsDispCommand(con: string, unc: string, flags: BsDispFlags): Promise<number> {
  return runEstimate(con, unc, flags, BS_DISP)
}
