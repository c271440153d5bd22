// Error estimation on the EPA sets: CPU beside ESAT on the same data in one run, and whole processes.
//   node bench/errors.ts [compare|process] [RUNS ELEMENTS]
// RUNS of ESAT's bootstrap and ELEMENTS of its displacement are made and said; all of them would take hours.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { factorize } from 'headwater'
import { machine, seconds } from './common.ts'
import { ESAT, esat } from './peers/esat/esat.ts'
import { epa, paths } from './sets.ts'

const [part, runs = '2', elements = '2'] = process.argv.slice(2)
const CASES = [
  { set: 'St Louis', factors: 6, bar: 4, resampled: { bar: 20, args: ['--runs', '20'] } },
  {
    set: 'Baltimore',
    factors: 7,
    bar: 20,
    resampled: { bar: 120, args: ['--runs', '50', '--species', 'Aluminum,Arsenic,Iron,Lead,Zinc,Nickel'] },
  },
]
console.log(machine())
if (part !== 'process') await compare()
if (part !== 'compare') wholeProcesses()

/** CPU of one thread, per resample and per element at four levels. */
async function compare(): Promise<void> {
  console.log(`\n${ESAT}: ${runs} bootstrap runs and ${elements} elements of a displacement; headwater: 20 and all`)
  for (const { set, factors } of CASES) {
    const model = await factorize(await epa(set), { factors, starts: 20, seed: 1 })
    const bootstrap = await cpu(async () => (await model.bootstrap({ runs: 20, threads: 1 })).resamples.length)
    const displacement = await cpu(async () => (await model.displacement({ threads: 1 })).elements.length)
    type Theirs = { bootstrap: number; displacement: number; refits: number; belowBase: number; elements: number }
    const theirs = esat<Theirs>('errors.py', ...paths(set), factors, runs, elements)
    console.log(`${set}, ${factors} factors`)
    console.log(
      `  BS, a resample: headwater ${seconds(bootstrap.each)}, ESAT ${seconds(theirs.bootstrap)}: 1/${(theirs.bootstrap / bootstrap.each).toFixed(0)}`,
    )
    console.log(
      `  DISP, an element: headwater ${seconds(displacement.each)}, ESAT ${seconds(theirs.displacement)}: 1/${(theirs.displacement / displacement.each).toFixed(0)}` +
        ` (all ${theirs.elements} elements of ESAT would take ${seconds(theirs.displacement * theirs.elements)};` +
        ` ${theirs.belowBase} of its ${theirs.refits} refits end below its base)`,
    )
  }
}

async function cpu(work: () => Promise<number>): Promise<{ each: number }> {
  const began = process.cpuUsage()
  const count = await work()
  const { user, system } = process.cpuUsage(began)
  return { each: (user + system) / 1e6 / count }
}

/** What a user waits for, from the command to its end. */
function wholeProcesses(): void {
  console.log('\nwhole processes, wall time on all cores; 20 starts')
  for (const { set, factors, bar, resampled } of CASES) {
    time(`${set}, ${factors}: fit + BS 100 + DISP at 4 levels`, bar, set, factors, ['bs,disp', '--runs', '100'])
    time(`${set}, ${factors}: fit + BS-DISP ${resampled.args.join(' ')}`, resampled.bar, set, factors, [
      'bs-disp',
      ...resampled.args,
    ])
  }
}

function time(what: string, bar: number, set: string, factors: number, estimation: readonly string[]): void {
  const program = fileURLToPath(new URL('../bin/headwater.mjs', import.meta.url))
  const fit = ['fit', ...paths(set), '--factors', String(factors), '--starts', '20', '--seed', '1', '--quiet', '--json']
  const began = performance.now()
  const done = spawnSync(process.execPath, [program, ...fit, '--error-estimation', ...estimation], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  })
  const wall = (performance.now() - began) / 1000
  if (done.status !== 0) throw new Error(`headwater ended with ${done.status}:\n${done.stderr}`)
  const certified = (JSON.parse(done.stdout) as { starts: { status: string }[] }).starts.filter(
    ({ status }) => status === 'converged',
  ).length
  console.log(`  ${what}: ${seconds(wall)} (aim: ${bar} s), ${certified} of 20 starts certified`)
}
