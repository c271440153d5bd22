/**
 * Fits of planted circles: CPU seconds, held-out explained variance, and beside gamfit's two lanes.
 *
 *     node bench/dictionary.ts [runs]
 *     node bench/dictionary.ts compare [seconds]
 *
 * The second one fits and judges the same rows with all three, one thread each; the curved lane of gamfit is stopped after so many
 * seconds of CPU (60; 0 leaves it out). CPU time is that of the whole process during the call; what is fitted and judged before counts as warming up.
 */
import { fitDictionary, type Dictionary, type DictionaryCodes } from 'headwater/manifold'
import { planted, sevenLabels, type Planted } from '../__test__/reference/manifold/planted.ts'
import { machine } from './common.ts'
import { GAMFIT, gamfit, install, type Said } from './peers/gamfit/gamfit.ts'

const cases = ['T1a', 'T1b', 'T1c', 'T1d', 'T2a', 'T2b', 'T3', 'T5']

if (process.argv[2] === 'compare') await compare(Number(process.argv[3] ?? 60))
else await alone(Number(process.argv[2] ?? 5))

/** Ours on all cases. */
async function alone(runs: number): Promise<void> {
  console.log('case   K  active  status     kept   EV       EV*      CPU (least of the runs)')
  for (const of of cases.map(planted)) {
    let least = Infinity
    let last: Dictionary | undefined
    for (let run = 0; run < runs; run++) {
      const { cpu, dictionary } = await own(of, run)
      ;[least, last] = [Math.min(least, cpu), dictionary]
    }
    const { name, atoms, active, ceiling } = of
    const cells = [
      name.padEnd(5),
      String(atoms).padStart(3),
      String(active).padStart(6),
      ` ${last!.status.padEnd(10)}`,
      String(last!.atoms.length).padStart(4),
      ` ${last!.heldOut!.ev!.toFixed(5)}`,
      ceiling.ev.toFixed(5),
      ` ${least.toFixed(3)} s`,
    ]
    console.log(cells.join('  '))
  }
}

async function own(of: Planted, seed: number): Promise<{ cpu: number; dictionary: Dictionary }> {
  const { rows, p, values, atoms, active, train } = of
  const before = process.cpuUsage()
  const held = train < rows ? { trainRows: train } : {}
  const dictionary = await fitDictionary({ rows, cols: p, data: values }, { atoms, active, ...held, seed, threads: 1 })
  const { user, system } = process.cpuUsage(before)
  return { cpu: (user + system) / 1e6, dictionary }
}

/** Ours beside gamfit's lanes. */
async function compare(limit: number): Promise<void> {
  console.log(
    `${machine()}; ${GAMFIT}, its curved lane ${limit > 0 ? `for ${limit} s of CPU at most` : 'left out'}; one thread each\n`,
  )
  const missing = install()
  if (missing !== undefined) console.log(`without gamfit: ${missing}\n`)
  console.log(
    '| case | program | held-out EV | least lock | least recall | CPU | |\n| --- | --- | --- | --- | --- | --- | --- |',
  )
  const line = (of: Planted, program: string, said: Said): void => {
    const { ev, lock, recall } = judge(of, said)
    const figures = [ev.toFixed(4), lock.toFixed(4), recall.toFixed(3), `${said.cpu.toPrecision(2)} s`]
    console.log(`| ${of.name} | ${program} | ${figures.join(' | ')} | ${said.status} |`)
  }
  await own(planted('T1a'), 9)
  for (const of of [...cases.map(planted), sevenLabels()]) {
    // T4 holds no row out: there are 70.
    const from = of.train < of.rows ? of.train : 0
    const test = { rows: of.rows - from, cols: of.p, data: of.values.slice(from * of.p) }
    const runs: Awaited<ReturnType<typeof own>>[] = []
    for (let seed = 0; seed < 3; seed++) runs.push(await own(of, seed))
    const { dictionary } = runs[0]!
    const cpu = runs.map((run) => run.cpu).sort((a, b) => a - b)[1]!
    line(of, 'headwater', await said(dictionary, test, cpu))
    if (missing !== undefined) continue
    const train = [...of.values.subarray(0, of.train * of.p)]
    for (const lane of limit > 0 ? (['block', 'curved'] as const) : (['block'] as const)) {
      const problem = { cols: of.p, train, test: [...test.data], atoms: of.atoms, active: of.active }
      const answer = gamfit(lane, problem, limit || 600)
      if ('failure' in answer) console.log(`| ${of.name} | gamfit, ${lane} | – | – | – | – | ${answer.failure} |`)
      else line(of, `gamfit, ${lane}`, answer)
    }
  }
}

async function said(
  of: Dictionary,
  test: { rows: number; cols: number; data: Float64Array<ArrayBuffer> },
  cpu: number,
): Promise<Said> {
  const codes: DictionaryCodes = await of.encode(test, { threads: 1 })
  const on = Array.from({ length: test.rows }, (_, n) => of.activeAtoms(n, codes))
  return {
    cpu,
    status: `${of.status}, ${of.atoms.length} atoms`,
    support: on.map((atoms) => atoms.map(({ atom }) => atom)),
    phases: on.map((atoms) => atoms.map(({ coordinates }) => coordinates[0]!)),
    fitted: [...of.decode(codes).data],
  }
}

/**
 * Explained variance 1 − Σ(x − x̂)²/Σ(x − x̄)²; least over the circles of lock |mean exp 2πi(t ∓ phase)| and recall, each of the atom
 * that is on in most of the circle's rows (`fixtures/manifold/README.md`).
 */
function judge(of: Planted, said: Said): { ev: number; lock: number; recall: number } {
  const { p, active } = of
  const from = of.train < of.rows ? of.train : 0
  const x = of.values.subarray(from * p)
  const count = of.rows - from
  const mean = Array.from({ length: p }, (_, o) => said.support.reduce((sum, _, n) => sum + x[n * p + o]!, 0) / count)
  let [left, total] = [0, 0]
  x.forEach((value, at) => {
    left += (value - said.fitted[at]!) ** 2
    total += (value - mean[at % p]!) ** 2
  })
  const atoms = 1 + Math.max(-1, ...said.support.flat())
  let [lock, recall] = [1, 1]
  for (let circle = 0; circle < of.circles; circle++) {
    let best = { lock: 0, recall: 0 }
    for (let atom = 0; atom < atoms; atom++) {
      let [rows, on] = [0, 0]
      const sums = [0, 0, 0, 0]
      for (let n = 0; n < count; n++) {
        const place = of.support.slice((from + n) * active, (from + n + 1) * active).indexOf(circle)
        if (place < 0) continue
        rows++
        const slot = said.support[n]!.indexOf(atom)
        if (slot < 0) continue
        on++
        for (const [i, sign] of [-1, 1].entries()) {
          const angle = 2 * Math.PI * (said.phases[n]![slot]! + sign * of.phase[(from + n) * active + place]!)
          sums[2 * i]! += Math.cos(angle)
          sums[2 * i + 1]! += Math.sin(angle)
        }
      }
      const found = { lock: Math.max(Math.hypot(sums[0]!, sums[1]!), Math.hypot(sums[2]!, sums[3]!)) / Math.max(on, 1), recall: on / rows } // prettier-ignore
      if (found.recall > best.recall) best = found
    }
    lock = Math.min(lock, best.lock)
    recall = Math.min(recall, best.recall)
  }
  return { ev: 1 - left / total, lock, recall }
}
