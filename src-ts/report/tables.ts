/** All tables of a report. Each is a CSV file; those that go with a chart are also on the page. */
import type { Matrix } from '../matrix.ts'
import type { Content } from './content.ts'
import { makeEstimationTables, type EstimationTableName } from './error-estimation.ts'
import { makeErrorTables, type ErrorTableName } from './error-tables.ts'
import { makePmf5Tables, type Pmf5TableName } from './pmf5.ts'

/** What a cell holds; NaN and `undefined` are empty. */
export type Cell = string | number | undefined

/** A table whose rows are made when they are needed: matrices can be large. */
export interface Table {
  name: TableName
  /** Header row. */
  columns: readonly string[]
  /** Number of rows. */
  length: number
  rows: () => Iterable<readonly Cell[]>
  /** Shown on the page with rows and columns exchanged. */
  transposed?: boolean
}

/** Names of the tables: those of the files, without `.csv`. */
export type TableName =
  | 'profiles'
  | 'profiles_percent'
  | 'contributions'
  | 'residuals'
  | 'scaled_residuals'
  | 'species_fit'
  | 'sample_fit'
  | 'starts'
  | 'basins'
  | 'explained_variation'
  | 'large_residuals'
  | ErrorTableName
  | EstimationTableName
  | Pmf5TableName

/** All tables, by name. */
export function makeTables(content: Content): Map<TableName, Table> {
  const { model, analysis, factors, species, samples } = content
  const tables: Table[] = [
    { ...matrix('profiles', 'factor', factors, species, model.profiles), transposed: true },
    { ...matrix('profiles_percent', 'factor', factors, species, analysis.percentOfSpecies), transposed: true },
    matrix('contributions', 'sample', samples, factors, model.contributions),
    matrix('residuals', 'sample', samples, species, analysis.residuals),
    matrix('scaled_residuals', 'sample', samples, species, analysis.scaledResiduals),
    speciesFit(content),
    {
      name: 'sample_fit',
      columns: ['sample', 'cells', 'q', 'q_over_expected'],
      length: samples.length,
      rows: () => analysis.samples.map(({ cells, q, qOverExpected }, i) => [samples[i], cells, q, qOverExpected]),
    },
    starts(content),
    {
      name: 'basins',
      columns: ['basin', 'q', 'hits', 'members'],
      length: model.basins.length,
      rows: () => model.basins.map(({ q, hits, members }, k) => [k, q, hits, members.join(' ')]),
    },
    {
      name: 'explained_variation',
      columns: ['factor', ...species],
      length: factors.length + 1,
      rows: () => [
        ...factors.map((factor, k) => [factor, ...analysis.explainedVariation.row(k)]),
        ['not explained', ...analysis.unexplainedVariation],
      ],
      transposed: true,
    },
    largeResiduals(content),
    ...makeErrorTables(content),
    ...(content.estimation ? makeEstimationTables(content.estimation) : []),
    ...makePmf5Tables(content),
  ]
  return new Map(tables.map((table) => [table.name, table]))
}

/** A table with the rows and columns of a matrix. */
export function matrix(
  name: TableName,
  corner: string,
  rowNames: readonly string[],
  colNames: readonly string[],
  from: Matrix,
): Table {
  return {
    name,
    columns: [corner, ...colNames],
    length: from.rows,
    *rows() {
      for (let i = 0; i < from.rows; i++) yield [rowNames[i], ...from.row(i)]
    },
  }
}

function speciesFit({ analysis, units, data }: Content): Table {
  const columns = [
    ...['species', 'unit', 'category', 'cells', 'q', 'q_over_expected', 'r_squared', 'slope', 'slope_standard_error'],
    ...['intercept', 'intercept_standard_error', 'residual_standard_error', 'scaled_residual_mean'],
    ...['scaled_residual_standard_deviation', 'ks_statistic', 'ks_p_value'],
  ]
  return {
    name: 'species_fit',
    columns,
    length: analysis.species.length,
    rows: () =>
      analysis.species.map(({ species, cells, q, qOverExpected, regression: line, normality }, j) => [
        ...[species, units[j], data.categories[j], cells, q, qOverExpected],
        ...[line?.rSquared, line?.slope, line?.slopeStandardError, line?.intercept, line?.interceptStandardError],
        ...[line?.residualStandardError, normality?.mean, normality?.standardDeviation],
        ...[normality?.statistic, normality?.pValue],
      ]),
  }
}

function starts({ model }: Content): Table {
  return {
    name: 'starts',
    columns: [
      ...['start', 'origin', 'chain', 'status', 'q', 'iterations', 'basin'],
      ...['coordinate_gap', 'block_gap', 'newton_decrement'],
    ],
    length: model.starts.length,
    rows: () =>
      model.starts.map((one) => [
        ...[one.start, one.origin, one.chain, one.status, one.q, one.iterations, one.basin],
        ...[one.coordinateGap, one.blockGap, one.newtonDecrement],
      ]),
  }
}

function largeResiduals({ analysis, samples, species, data }: Content): Table {
  return {
    name: 'large_residuals',
    columns: ['sample', 'species', 'scaled_residual', 'residual', 'value', 'uncertainty'],
    length: analysis.largeResiduals.length,
    rows: () =>
      analysis.largeResiduals.map(({ sample, species: j, scaled }) => [
        ...[samples[sample], species[j], scaled, analysis.residuals.get(sample, j)],
        ...[data.values.get(sample, j), data.uncertainties.get(sample, j)],
      ]),
  }
}
