/** `headwater displace CON UNC --factors P`, or `--model FILE`: intervals of profile elements (DISP). */
import { Option, type Command } from 'commander'
import { USUAL_LEVELS } from '../pmf/displacement-options.ts'
import { describeDisplacement, displacementTable, swapTable } from './describe-displacement.ts'
import { addEstimateOptions, runEstimate, type Estimate, type EstimateFlags } from './estimate.ts'
import { levelOptions, toScale, type LevelFlags } from './estimate-options.ts'
import { count } from './words.ts'

/** What commander makes of the options. */
export interface DisplaceFlags extends EstimateFlags, LevelFlags {
  check: boolean
}

/** Adds the options of the command. */
export function addDisplaceOptions(command: Command): Command {
  const what = 'species to displace in every factor (default: the strong ones)'
  const check = new Option('--no-check', 'leave out the search for lower branches at the ends')
  return addEstimateOptions(command, 'Displacement:', what, [...levelOptions(USUAL_LEVELS.displacement), check])
}

const DISPLACE: Estimate<DisplaceFlags, 'displacement'> = {
  command: 'displace',
  method: 'displacement',
  doing: 'displacing elements of',
  unit: 'element',
  toOptions: ({ levels, species, elements, check, ...flags }) => ({
    ...{ levels, species, elements, check },
    levelScale: toScale(flags),
  }),
  run: (model, options) => model.displacement(options),
  done: (found) => `${count(found?.elements.length ?? 0, 'element')} had been displaced`,
  describe: describeDisplacement,
  tables: (model, found) => ({
    'displacement.csv': displacementTable(model, found),
    'displacement_swaps.csv': swapTable(model, found),
  }),
  document: (_, found) =>
    found ?? { elements: [], swaps: [], largestDecrease: 0, errorCode: 6, status: 'aborted', restarts: 0 },
}

/** Fits or reads, displaces, prints and writes. */
export async function displaceCommand(con: string, unc: string, flags: DisplaceFlags): Promise<number> {
  return runEstimate(con, unc, flags, DISPLACE)
}
