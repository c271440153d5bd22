/** The tables of EPA PMF 5, for the comparison with an older study. */
import type { Content } from './content.ts'
import type { Table } from './tables.ts'

/** Their names. */
export type Pmf5TableName = 'pmf5_runs' | 'pmf5_q' | 'pmf5_profiles'

/** Runs, Q and profiles as that program lists them, where its preset was asked for. */
export function makePmf5Tables(content: Content): Table[] {
  return content.model.options.preset === 'pmf5' ? [runs(content), q(content), profiles(content)] : []
}

function runs({ model }: Content): Table {
  return {
    name: 'pmf5_runs',
    columns: ['run', 'converged', 'q_huber', 'iterations'],
    length: model.starts.length,
    rows: () =>
      model.starts.map(({ start, status, q: objective, iterations }) => [
        ...[start + 1, status === 'converged' ? 'yes' : 'no', objective, iterations],
      ]),
  }
}

function q({ model, analysis }: Content): Table {
  const expected = analysis.qExpectedStrong
  const rows: (readonly [string, number])[] = [
    ['Q (Huber, minimised)', model.q],
    ['Q (robust)', model.qRobust],
    ['Q (true)', model.qTrue],
    ['Q (expected, strong species)', expected],
    ['Q (robust) / Q (expected)', expected > 0 ? model.qRobust / expected : NaN],
    ['Q (true) / Q (expected)', expected > 0 ? model.qTrue / expected : NaN],
  ]
  return { name: 'pmf5_q', columns: ['number', 'value'], length: rows.length, rows: () => rows }
}

function profiles({ model, analysis, standardErrors, factors, species }: Content): Table {
  const parts = [
    ['concentration of species', model.profiles, 1],
    ['percentage of species sum', analysis.percentOfSpecies, 1],
    // Without a total variable the third table of that program is empty as well.
    ...(standardErrors?.total === undefined
      ? []
      : [[`percentage of total variable`, standardErrors.shareOfFactor.value, 100] as const]),
  ] as const
  return {
    name: 'pmf5_profiles',
    columns: ['table', 'species', ...factors],
    length: parts.length * species.length,
    *rows() {
      for (const [table, from, by] of parts) {
        for (const [j, name] of species.entries()) yield [table, name, ...factors.map((_, k) => by * from.get(k, j))]
      }
    },
  }
}
