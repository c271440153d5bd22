/** What was done to the data before the fit, in words. */
import type { Dataset, FileTreatment } from '../data/dataset.ts'
import { stepsInWords } from '../data/words.ts'
import { count } from './format.ts'

/** Names that one sentence lists at most. */
const NAMED = 12

/** One sentence for each step. */
export function treatmentInWords(data: Dataset): string[] {
  const { treatment } = data
  const sentences = [`${count(data.rows, 'sample')} and ${data.cols} species are fitted: ${named(data.species)}.`]
  const { dates } = data
  if (dates !== undefined && dates.length > 0) {
    const times = dates.map((date) => date.getTime())
    const [first, last] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))]
    const day = (time: number): string => new Date(time).toISOString().slice(0, 16).replace('T', ' ')
    const order = treatment.dateOrder === undefined ? '' : `; dates were read as ${treatment.dateOrder}`
    sentences.push(`From ${day(first)} to ${day(last)} (UTC)${order}.`)
  }
  if (treatment.concentrations) sentences.push(`Concentrations: ${file(treatment.concentrations)}.`)
  if (treatment.uncertainties) sentences.push(`Uncertainties: ${file(treatment.uncertainties)}.`)
  if (treatment.pairing) {
    const { samples, species } = treatment.pairing
    sentences.push(`Samples of the two files were matched by ${samples}, species by ${species}.`)
  }
  sentences.push(
    treatment.missingCells === 0
      ? 'No cell is missing.'
      : `${count(treatment.missingCells, 'cell')} of ${data.rows * data.cols} ${treatment.missingCells === 1 ? 'is' : 'are'} missing and have no weight.`,
  )
  const { droppedSamples } = treatment
  if (droppedSamples.length > 0) {
    const reasons = tally(droppedSamples.map(({ reason }) => reason))
    sentences.push(
      `${count(droppedSamples.length, 'sample')} left out (${reasons}): ${named(droppedSamples.map(({ sample }) => sample))}.`,
    )
  }
  for (const step of stepsInWords(data)) sentences.push(`${step.charAt(0).toUpperCase()}${step.slice(1)}.`)
  return sentences
}

function file(from: FileTreatment): string {
  const delimiter = from.delimiter === '\t' ? 'tab' : `“${from.delimiter}”`
  const missing = Object.entries(from.missing).map(
    ([token, times]) => `${token === '' ? 'blank' : `“${token}”`} × ${times}`,
  )
  const parts = [`${from.encoding}, fields separated by ${delimiter}`, `decimal “${from.decimal}”`]
  if (missing.length > 0) parts.push(`missing: ${missing.join(', ')}`)
  if (from.blankLines.length > 0) parts.push(`${count(from.blankLines.length, 'blank line')} skipped`)
  if (from.ignored.columns.length > 0) parts.push(`columns not used: ${named(from.ignored.columns)}`)
  return `${from.file} (${parts.join('; ')})`
}

function tally(words: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, times]) => `${word}: ${times}`).join(', ')
}

function named(names: readonly string[]): string {
  return names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ` and ${names.length - NAMED} more` : '')
}
