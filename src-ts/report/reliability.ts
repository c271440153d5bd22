/** The section about standard errors, outliers and the measured mass, where there is anything to say. */
import type { Content } from './content.ts'
import { count, number } from './format.ts'
import { foldedTable, list, paragraph, section } from './html.ts'
import type { Table, TableName } from './tables.ts'

/** The section, or nothing. */
export function reliability(content: Content, tables: ReadonlyMap<TableName, Table>): string {
  const sentences = [
    ...errorsInWords(content),
    ...outliersInWords(content),
    ...massInWords(content),
    ...pmf5InWords(content),
  ]
  if (sentences.length === 0) return ''
  const shown = (
    ['factor_totals', 'downweighted_cells', 'mass_regression', 'pmf5_q', 'pmf5_runs', 'pmf5_profiles'] as const
  )
    .map((name) => tables.get(name))
    .filter((table) => table !== undefined)
  return section('reliability', 'Errors and outliers', list(sentences), ...shown.map(foldedTable))
}

function pmf5InWords({ model, analysis }: Content): string[] {
  if (model.options.preset !== 'pmf5') return []
  const expected = analysis.qExpectedStrong
  const ratio = expected > 0 ? `, of which Q robust is ${number(model.qRobust / expected, 4)} times` : ''
  return [
    `As EPA PMF 5 counts, with strong species alone, the expected Q is ${number(expected, 8)}${ratio}. The tables named pmf5 have its layout; its Q of a run is the robust Q, while runs are ranked here by the Huber objective that it approaches.`,
  ]
}

function errorsInWords({ standardErrors: errors, model }: Content): string[] {
  if (errors === undefined) return []
  if (errors.warnings.length > 0) return errors.warnings.map(({ message }) => `Standard errors: ${message}.`)
  const sentences = [
    'Standard errors come from the second derivatives of Q at the minimum, one standard deviation. They hold where Q is nearly a parabola; elements at zero have none.',
  ]
  if (errors.scale !== 'none') {
    sentences.push(`They are multiplied by √(Q/ν) = ${number(Math.sqrt(errors.reducedQ ?? NaN), 3)}, as asked for.`)
  } else if (errors.reducedQ !== undefined && (errors.reducedQ > 2 || errors.reducedQ < 0.5)) {
    sentences.push(
      `Q/ν is ${number(errors.reducedQ, 3)}, far from 1: if the uncertainties are wrong by a common factor, standard errors are to be multiplied by ${number(Math.sqrt(errors.reducedQ), 3)}.`,
    )
  }
  const zeros = model.profiles.data.filter((value) => value === 0).length
  sentences.push(
    `${errors.weakZeros.length} of ${count(zeros, 'zero')} of the profiles are weakly active: noise could lift them off, and standard errors of elements that depend on them are too small.`,
  )
  if (errors.sandwichRatio !== undefined) {
    sentences.push(
      `Sandwich errors, which take the noise from the residuals in blocks of ${count(errors.block, 'sample')} instead of from the uncertainties, are ${number(errors.sandwichRatio, 3)} times as large (median).`,
    )
  }
  return sentences
}

function outliersInWords({ downweighted }: Content): string[] {
  if (downweighted === undefined) return []
  const { count: total, cells } = downweighted
  const listed = cells.length < total ? `; the table lists the ${cells.length} that keep least` : ''
  return [`${count(total, 'cell')} keep less than their whole weight in this robust fit${listed}.`]
}

function massInWords({ analysis: { massRegression: mass } }: Content): string[] {
  if (mass === undefined) return []
  const negative = mass.slopes.some((slope) => slope < 0)
    ? ' A factor with negative mass is not what the mass consists of.'
    : ''
  return [
    `Measured ${mass.species} regressed on the contributions of ${count(mass.samples, 'sample')}: r² ${number(mass.rSquared, 3)}, not explained by factors ${number(mass.intercept)} ± ${number(mass.interceptStandardError, 2)}.${negative}`,
  ]
}
