/** A model, a verdict or a dataset in words and small tables. Numbers come from the results; nothing is judged here. */
import { styleText } from 'node:util'
import type { Dataset, FileTreatment } from '../data/dataset.ts'
import type { Analysis } from '../pmf/analyze.ts'
import type { DownweightedCells } from '../pmf/cell-weights.ts'
import type { Factorization } from '../pmf/factorization.ts'
import { lossInWords, type Loss } from '../pmf/loss.ts'
import type { StandardErrors } from '../pmf/standard-errors.ts'
import type { Solution } from '../pmf/types.ts'
import { describeDownweighted, describeErrors, describeMass, describePmf5 } from './describe-errors.ts'
import { stepsInWords } from '../data/words.ts'
import { brief, count, formatQ, NOT_UNIQUE, percent, PROBABLE, STATUS_WORDS, table, wrap } from './words.ts'

/** Lines shown of the list of minima. */
const SHOWN_BASINS = 8
/** Lines shown of the warnings. */
const SHOWN_WARNINGS = 10
/** Q/Qexp of a species above which it deserves a look. */
const POOR = 2
/** Species shown per factor. */
const SHOWN_SPECIES = 6

/** A heading, bold on a terminal. */
export function heading(text: string): string {
  return `${styleText('bold', text, { stream: process.stdout })}\n`
}

/** What was read, and what was done to it. */
export function describeData(data: Dataset): string {
  const { treatment } = data
  const cells = data.rows * data.cols
  const missing = treatment.missingCells
  let text = heading(
    `${count(data.rows, 'sample')} × ${count(data.cols, 'species', 'species')}, ${count(missing, 'missing cell')} of ${cells}`,
  )
  for (const file of [treatment.concentrations, treatment.uncertainties]) if (file) text += `  ${describeFile(file)}\n`
  const { pairing } = treatment
  if (pairing && (pairing.samples === 'label' || pairing.species === 'label')) {
    const what = [pairing.samples === 'label' ? 'samples' : '', pairing.species === 'label' ? 'species' : '']
    text += `  the files differ in the order of ${what.filter(Boolean).join(' and ')}: matched by name\n`
  }
  if (data.dates !== undefined && data.dates.length > 0) {
    const times = data.dates.map((date) => date.getTime())
    const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
    const [first, last] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))]
    text += `  dates from ${day(first)} to ${day(last)}\n`
  }
  for (const [reason, samples] of Object.entries(Object.groupBy(treatment.droppedSamples, (one) => one.reason))) {
    const labels = samples!.map(({ sample }) => sample)
    const named = labels.filter((label) => label !== '').slice(0, 4)
    const names = named.length === 0 ? '' : `: ${named.join(', ')}${labels.length > named.length ? ', …' : ''}`
    text += wrap(`${count(labels.length, 'sample')} left out (${reason.replaceAll('-', ' ')})${names}`, '  ')
  }
  for (const sentence of stepsInWords(data)) text += wrap(sentence, '  ')
  return text
}

function describeFile(file: FileTreatment): string {
  const delimiter = { '\t': 'tabs', ';': 'semicolons', ',': 'commas', '|': 'bars' }[file.delimiter]
  const parts = [`fields separated by ${delimiter}`]
  if (file.decimalSeen) parts.push(file.decimal === '.' ? 'decimal point' : 'decimal comma')
  if (file.encoding !== 'utf-8') parts.push(file.encoding)
  if (file.unitsRow) parts.push('with a line of units')
  if (file.blankLines.length > 0) parts.push(`${count(file.blankLines.length, 'blank line')} skipped`)
  const tokens = Object.entries(file.missing).map(([token, times]) => `${token} × ${times}`)
  if (tokens.length > 0) parts.push(`missing: ${tokens.join(', ')}`)
  if (file.ignored.columns.length > 0) parts.push(`ignored: ${file.ignored.columns.join(', ')}`)
  return `${file.file}: ${parts.join(', ')}`
}

/** What is printed of a fit beside the model itself. */
export interface Found {
  analysis: Analysis
  standardErrors?: StandardErrors | undefined
  downweighted?: DownweightedCells | undefined
}

/** Everything a fit found. */
export function describeModel(
  model: Factorization,
  { analysis, standardErrors, downweighted }: Found,
  total: string | undefined,
): string {
  const { factors, starts } = model
  const first = starts[0]?.start ?? 0
  const tried = count(starts.length, 'start')
  const time = model.timing.seconds.toFixed(1)
  let text = `\n${heading(`${count(factors, 'factor')}, ${tried}, seed ${model.seed}, ${time} s`)}`
  text += describeSolution(model)
  const last = starts.at(-1)?.start ?? first
  text += `  start       ${model.start}${starts.length > 1 ? ` (of ${first} to ${last})` : ''}, ${count(model.iterations, 'iteration')}\n`
  text += describeBasins(model)
  text += `\n${heading('Factors, largest first (in brackets: share of the species that the factor explains)')}`
  text += describeFactors(model, analysis, total)
  text += describeFit(analysis)
  if (downweighted) text += describeDownweighted(model, downweighted)
  if (standardErrors) text += describeErrors(standardErrors)
  text += describeMass(model, analysis) + describePmf5(model, analysis)
  text += describeWarnings(model)
  return text
}

/** Status, Q and certificate of a judged point. */
export function describeSolution(solution: Solution & { robust?: Loss | undefined }): string {
  const { certificate, status } = solution
  const colour = status === 'converged' ? 'green' : 'yellow'
  const word = styleText(['bold', colour], status, { stream: process.stdout })
  const unique = certificate.flatDirections === 0
  const bounded = typeof certificate.minCurvature === 'object' && certificate.minCurvature.confidence < 1
  const converged = unique ? (bounded ? PROBABLE : STATUS_WORDS.converged) : NOT_UNIQUE
  const meaning = status === 'converged' ? converged : STATUS_WORDS[status]
  let text = `  status      ${word}: ${meaning}\n`
  const ratio = solution.qExpected > 0 ? `${brief(solution.q / solution.qExpected, 4)} × ` : ''
  const { robust } = solution
  const others = robust
    ? `${lossInWords(robust)}; true Q ${formatQ(solution.qTrue)}, robust Q ${formatQ(solution.qRobust)}`
    : `robust Q ${formatQ(solution.qRobust)}`
  text += wrap(`${formatQ(solution.q)} (${ratio}expected ${solution.qExpected}; ${others})`, '  Q           ')
  if (robust) {
    const limit = 'alpha' in robust ? robust.alpha : 4
    const near = solution.nearThreshold > 0 ? `, ${solution.nearThreshold} exactly there` : ''
    text += `  outliers    ${count(solution.outliers, 'cell')} more than ${limit} uncertainties off${near}\n`
  }
  const proof: string[] = [
    `single numbers could still lower Q by ${brief(certificate.coordinateGap, 2)} together`,
    `refitting all contributions, or all profiles, by ${brief(certificate.blockGap, 2)}`,
  ]
  if (certificate.newtonDecrement !== undefined) {
    proof.push(`a full second-order step by ${brief(certificate.newtonDecrement, 2)}`)
  } else proof.push('no second-order step with a minimum exists here')
  const { minCurvature } = certificate
  if (typeof minCurvature === 'number') {
    const strict = minCurvature > 0 && certificate.flatDirections === 0
    const flat =
      certificate.flatDirections > 0 ? ` (Q is flat along ${count(certificate.flatDirections, 'direction')})` : ''
    proof.push(`smallest curvature ${brief(minCurvature)}${strict ? ' (positive: a strict minimum)' : flat}`)
  } else if (minCurvature !== undefined) {
    const { bound, confidence, products, smallestSeen } = minCurvature
    proof.push(
      `no curvature below ${brief(bound)} with probability ${confidence} (${products} products, smallest seen ${brief(smallestSeen)})`,
    )
  }
  text += wrap(proof.join('; '), '  certificate ')
  return text
}

function describeBasins(model: Factorization): string {
  const { basins, chains, starts } = model
  const converged = starts.filter(({ status }) => status === 'converged').length
  let text = ''
  if (converged < starts.length) {
    const others = Object.entries(Object.groupBy(starts, ({ status }) => status))
      .filter(([status]) => status !== 'converged')
      .map(([status, list]) => `${list!.length} ${status}`)
    text += `  ended       ${converged} of ${starts.length} converged; ${others.join(', ')}\n`
  }
  if (basins.length > 0) {
    const best = basins[0]!.q
    const rows = basins
      .slice(0, SHOWN_BASINS)
      .map(({ q, hits, members }, k) => [
        String(k + 1),
        formatQ(q),
        k === 0 ? 'lowest' : `+${brief(q - best)}`,
        count(hits, 'hit'),
        `first by start ${members[0] ?? '–'}`,
      ])
    text += `\n${heading(`${count(basins.length, 'minimum', 'minima')} found`)}`
    text += table(rows, [0, 1, 2, 3])
    if (basins.length > SHOWN_BASINS) text += `  … and ${basins.length - SHOWN_BASINS} more, with higher Q\n`
  }
  if (model.unseenBasinProbability === 0) {
    text += '  each was found more than once: an unseen minimum is unlikely (Good-Turing estimate 0)\n'
  } else if (model.unseenBasinProbability !== undefined) {
    text += `  estimated chance that one more random start ends in a new minimum: ${percent(model.unseenBasinProbability)}\n`
  }
  if (chains.run > 0) {
    text += `  ${chains.atBest} of ${count(chains.run, 'perturbation chain')} ended at the lowest Q\n`
  }
  return text
}

/** One line per factor: its share of the total, if there is a total, and the species that it explains most of. */
function describeFactors(model: Factorization, { percentOfSpecies }: Analysis, total: string | undefined): string {
  const { rowNames, colNames } = model.profiles
  const at = total === undefined ? -1 : (colNames ?? []).indexOf(total)
  const lines = Array.from({ length: model.factors }, (_, k) => {
    const shares = Array.from(percentOfSpecies.row(k), (value) => value / 100)
    const order = shares.map((_, j) => j).filter((j) => shares[j]! >= 0.005 && j !== at)
    order.sort((a, b) => shares[b]! - shares[a]!)
    const list = order.slice(0, SHOWN_SPECIES).map((j) => `${colNames?.[j] ?? j} (${percent(shares[j]!)})`)
    const ofTotal = at < 0 ? [] : [`${percent(shares[at]!)} of ${total}`]
    return [rowNames?.[k] ?? `factor ${k + 1}`, ...ofTotal, list.join(', ')]
  })
  return table(lines, at < 0 ? [] : [1])
}

/** Species that the fit does not describe within their uncertainties. */
function describeFit({ species, largeResiduals, cells }: Analysis): string {
  const bad = species.filter(({ qOverExpected }) => qOverExpected !== undefined && qOverExpected > POOR)
  bad.sort((a, b) => b.qOverExpected! - a.qOverExpected!)
  const list = bad.slice(0, SHOWN_SPECIES).map((one) => `${one.species} (${brief(one.qOverExpected, 2)})`)
  const more = bad.length > list.length ? ', …' : ''
  const large = `${largeResiduals.length} of ${cells} scaled residuals are beyond 3`
  if (bad.length === 0) return `  every species has Q/Qexpected of ${POOR} or less; ${large}\n`
  return wrap(`species with Q/Qexpected above ${POOR}: ${list.join(', ')}${more}; ${large}`, '  ')
}

/** Warnings, one line each, with names instead of numbers. */
export function describeWarnings(solution: Pick<Solution, 'warnings' | 'profiles' | 'contributions'>): string {
  const { warnings } = solution
  if (warnings.length === 0) return ''
  let text = `\n${heading(count(warnings.length, 'warning'))}`
  for (const { code, message, index } of warnings.slice(0, SHOWN_WARNINGS)) {
    const named = message
      .replace(`sample ${index} `, `sample "${solution.contributions.rowNames?.[index!]}" `)
      .replace(`species ${index} `, `species "${solution.profiles.colNames?.[index!]}" `)
    const which = code === 'dead-factor' && index !== undefined ? `${solution.profiles.rowNames?.[index]}: ` : ''
    text += wrap(`${which}${named} [${code}]`, '  - ')
  }
  if (warnings.length > SHOWN_WARNINGS) text += `  … and ${warnings.length - SHOWN_WARNINGS} more (--json lists all)\n`
  return text
}
