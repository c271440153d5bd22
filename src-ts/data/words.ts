/** What was done to values and uncertainties, in words: the same for the command line and the report. */
import type { Dataset } from './dataset.ts'

/** Names that one sentence lists at most. */
const NAMED = 12

/** One sentence for each step that was taken, without a full stop. */
export function stepsInWords(data: Dataset): string[] {
  const { treatment: of } = data
  const sentences: string[] = []
  if (of.preset === 'pmf5') sentences.push('defaults of EPA PMF 5 (preset)')
  if (of.equation) {
    const from = of.equation.file ?? 'arrays'
    sentences.push(`uncertainties from detection limits and error fractions (${from}): ${of.equation.formula}`)
  }
  for (const { rule, samples } of of.exclusions)
    sentences.push(`left out on request: ${rule} (${count(samples, 'sample')})`)
  const by = (name: string): string => {
    const one = of.suggestions[name]
    return one?.applied ? `${name} (signal-to-noise ${Number(one.signalToNoise.toPrecision(2))})` : name
  }
  const weak = data.species.filter((_, j) => data.categories[j] === 'weak')
  if (weak.length > 0) sentences.push(`weak (3 × uncertainty): ${names(weak.map(by))}`)
  if (of.leftOut.length > 0) sentences.push(`left out as bad: ${names(of.leftOut.map(by))}`)
  if (of.total !== undefined) sentences.push(`total of the other species: ${of.total}`)
  if (of.extraUncertainty > 0) {
    const percent = Number((100 * of.extraUncertainty).toPrecision(4))
    sentences.push(`extra modelling uncertainty: ${percent} % of each value, in quadrature`)
  }
  const replaced = Object.groupBy(of.replacedCells, ({ reason, policy }) => `${reason}, ${policy}`)
  for (const cells of Object.values(replaced)) {
    const { reason, policy } = cells![0]!
    sentences.push(`${count(cells!.length, 'cell')} ${REASONS[reason]}: ${POLICIES[policy]}`)
  }
  return sentences
}

const REASONS = {
  missing: 'missing',
  'uncertainty-not-positive': 'with an uncertainty of zero or less',
  'below-detection': 'at or below the detection limit',
} as const
const POLICIES = {
  median: 'replaced by the median with 4 times its size as uncertainty',
  floor: 'uncertainty raised to the floor',
  'weight-zero': 'weight 0',
  substitute: 'replaced by half the limit with 5/6 of it as uncertainty',
  censored: 'taken as known only to be below the limit',
} as const

function names(list: readonly string[]): string {
  return list.slice(0, NAMED).join(', ') + (list.length > NAMED ? ` and ${list.length - NAMED} more` : '')
}

function count(value: number, one: string): string {
  return `${value} ${value === 1 ? one : `${one}s`}`
}
