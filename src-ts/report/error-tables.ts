/** Tables of what is only known of some fits: standard errors, cells that count less, the measured mass. */
import type { Content } from './content.ts'
import { matrix, type Table } from './tables.ts'

/** Their names. */
export type ErrorTableName =
  'profile_errors' | 'contribution_errors' | 'factor_totals' | 'downweighted_cells' | 'mass_regression'

/** Those that there are numbers for. */
export function makeErrorTables(content: Content): Table[] {
  const { standardErrors, downweighted, analysis } = content
  return [
    ...(standardErrors ? errorTables(content, standardErrors) : []),
    ...(downweighted ? [downweightedCells(content, downweighted)] : []),
    ...(analysis.massRegression ? [massRegression(content, analysis.massRegression)] : []),
  ]
}

function errorTables(
  { model, factors, species, samples }: Content,
  errors: NonNullable<Content['standardErrors']>,
): Table[] {
  const { shareOfSpecies, shareOfFactor, totals } = errors
  const weak = new Set(errors.weakZeros.map(({ factor, species: j }) => factor * species.length + j))
  const total = errors.total ?? 'all species'
  return [
    {
      name: 'profile_errors',
      columns: [
        ...['factor', 'species', 'profile', 'standard_error', 'sandwich_error', 'share_of_species'],
        ...['share_of_species_error', 'share_of_factor', 'share_of_factor_error', 'weakly_active_zero'],
      ],
      length: factors.length * species.length,
      *rows() {
        for (const [k, factor] of factors.entries()) {
          for (const [j, name] of species.entries()) {
            yield [
              ...[factor, name, model.profiles.get(k, j), errors.profiles.get(k, j), errors.profilesSandwich.get(k, j)],
              ...[shareOfSpecies.value.get(k, j), shareOfSpecies.error.get(k, j)],
              ...[shareOfFactor.value.get(k, j), shareOfFactor.error.get(k, j)],
              weak.has(k * species.length + j) ? 'yes' : '',
            ]
          }
        }
      },
    },
    matrix('contribution_errors', 'sample', samples, factors, errors.contributions),
    {
      name: 'factor_totals',
      columns: ['factor', 'total_of', 'total', 'standard_error'],
      length: factors.length,
      rows: () => factors.map((factor, k) => [factor, total, totals.value.get(k, 0), totals.error.get(k, 0)]),
    },
  ]
}

function downweightedCells({ samples, species, data }: Content, found: NonNullable<Content['downweighted']>): Table {
  return {
    name: 'downweighted_cells',
    columns: ['sample', 'species', 'share_of_weight', 'scaled_residual', 'value', 'uncertainty'],
    length: found.cells.length,
    rows: () =>
      found.cells.map(({ sample, species: j, share, scaled }) => [
        ...[samples[sample], species[j], share, scaled],
        ...[data.values.get(sample, j), data.uncertainties.get(sample, j)],
      ]),
  }
}

function massRegression({ factors }: Content, mass: NonNullable<Content['analysis']['massRegression']>): Table {
  return {
    name: 'mass_regression',
    columns: ['term', 'mass', 'standard_error'],
    length: factors.length + 1,
    rows: () => [
      ...factors.map((factor, k) => [factor, mass.slopes[k], mass.slopeStandardErrors[k]]),
      ['not explained by factors', mass.intercept, mass.interceptStandardError],
    ],
  }
}
