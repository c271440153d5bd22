/** The report: one page without scripts, without network, readable on screen and on paper. */
import type { Chart } from './charts.ts'
import type { Content } from './content.ts'
import { reliability } from './reliability.ts'
import { lossInWords, type Loss } from '../pmf/loss.ts'
import { count, fixed, number, objective } from './format.ts'
import { frame } from './frame.ts'
import { contents, factGrid, foldedTable, grid, link, list, paragraph, section, type Fact } from './html.ts'
import { element, escape } from './markup.ts'
import { provenance } from './provenance.ts'
import type { Table, TableName } from './tables.ts'
import { treatmentInWords } from './treatment.ts'
import { explainCertificate, startsInWords, verdict } from './words.ts'

/** The page's text. */
export function page(content: Content, charts: readonly Chart[], tables: ReadonlyMap<TableName, Table>): string {
  const places = [
    ['certificate', 'Certificate'],
    ['data', 'Data'],
    ...charts.map(({ name, title }) => [name, title] as const),
    ...(reliability(content, tables) === '' ? [] : [['reliability', 'Errors and outliers'] as const]),
    ['large-residuals', 'Large residuals'],
    ['warnings', 'Warnings'],
    ['provenance', 'Provenance'],
  ] as const
  return frame({
    title: content.title,
    version: content.model.headwater,
    header: element('header', {}, opening(content), contents(places)),
    main: [
      certificate(content),
      section('data', 'Data and their treatment', list(treatmentInWords(content.data)), findings(content)),
      ...charts.map((chart) => chartSection(chart, tables)),
      reliability(content, tables),
      largeResiduals(content),
      warnings(content),
      section('provenance', 'Provenance', ...provenance(content)),
    ],
  })
}

function opening({ title, model, analysis, data, doubts }: Content): string {
  const { headline, meaning } = verdict(model.status, model.certificate)
  const look = model.status !== 'converged' ? '' : doubts.length === 0 ? ' good' : ' mixed'
  const basin = model.basins.find(({ members }) => members.includes(model.start))
  const facts: Fact[] = [
    ['Q', objective(model.q), `expected ${number(model.qExpected)}`],
    ['Q / expected Q', model.qExpected > 0 ? number(model.q / model.qExpected, 3) : '–', 'about 1 is right'],
    ['Q robust', objective(model.qRobust), 'as PMF programs print it'],
    ...((model.robust
      ? [
          ['Q true', objective(model.qTrue), `sum of squares; minimised was the ${lossInWords(model.robust)}`],
          ['Outliers', String(model.outliers), nearInWords(model.nearThreshold)],
        ]
      : []) as Fact[]),
    ['Factors', String(model.factors), `${count(data.rows, 'sample')} × ${data.cols} species`],
    ['Starts', String(model.starts.length), `${basin?.hits ?? 0} in this minimum`],
    [
      'Minima found',
      String(model.basins.length),
      model.basins[0] ? `lowest Q ${objective(model.basins[0].q)}` : 'none',
    ],
    [
      'Scaled residuals > 3',
      String(analysis.largeResiduals.length),
      `${analysis.cells > 0 ? fixed((100 * analysis.largeResiduals.length) / analysis.cells, 2) : '–'} % of cells (normal: 0.27 %)`,
    ],
  ]
  return [
    element('h1', {}, escape(title)),
    paragraph(
      `Positive matrix factorisation, ${count(model.factors, 'factor')}, ${count(data.rows, 'sample')}, ${data.cols} species, seed ${model.seed}, headwater ${model.headwater}`,
      'sub',
    ),
    element(
      'div',
      { class: `verdict${look}`, role: 'note' },
      element('strong', {}, escape(headline)),
      list(doubts, 'doubts'),
      paragraph(meaning),
      paragraph(startsInWords(model).join(' ')),
    ),
    factGrid(facts),
  ].join('')
}

function objectiveInWords(robust: Loss | undefined): string {
  return robust === undefined
    ? 'Q is the sum of squared residuals, each divided by its uncertainty.'
    : `Q is the sum of the ${lossInWords(robust)} over all residuals, each divided by its uncertainty: squares within the threshold, less beyond.`
}

function nearInWords(near: number): string {
  return near === 0 ? 'cells beyond the threshold' : `cells beyond the threshold, ${near} exactly at it`
}

function certificate({ model }: Content): string {
  const rows = explainCertificate(model.certificate).map(({ name, value, wanted, meaning }) => [
    name,
    value,
    wanted,
    meaning,
  ])
  return section(
    'certificate',
    'Why this can be believed',
    paragraph(
      `${objectiveInWords(model.robust)} The first three numbers say how much lower Q could still get, in units of Q: a difference of 1 is what one measurement off by one uncertainty contributes.`,
    ),
    grid(['Number', 'Found', 'Wanted', 'What it means'], rows, { label: 'Certificate', text: true }),
  )
}

/** Longer lists are folded away. */
const OPEN_FINDINGS = 6
const OPEN_SAMPLES = 40

function findings({ check }: Content): string {
  if (check === undefined || check.findings.length === 0) return ''
  const heading = 'Worth a look in the data'
  const found = list(check.findings.map(({ message }) => message))
  if (check.findings.length <= OPEN_FINDINGS) return element('h3', {}, heading) + found
  return element('details', {}, element('summary', {}, `${heading}: ${check.findings.length} findings`), found)
}

function chartSection(chart: Chart, tables: ReadonlyMap<TableName, Table>): string {
  return section(
    chart.name,
    chart.title,
    paragraph(chart.caption, 'sub'),
    list(chart.notes ?? []),
    element('figure', {}, chart.svg),
    element('p', { class: 'files' }, link(`charts/${chart.name}.svg`, `this chart as SVG: ${chart.name}.svg`)),
    ...chart.tables.map((name) => foldedTable(tables.get(name)!)),
  )
}

/** Samples of the list that the page shows; the table has all. */
const SHOWN_SAMPLES = 100

function largeResiduals({ analysis, samples, species }: Content): string {
  const bySample = new Map<number, string[]>()
  for (const { sample, species: j, scaled } of analysis.largeResiduals) {
    const found = bySample.get(sample) ?? []
    found.push(`${species[j]} ${fixed(scaled, 1)}`)
    bySample.set(sample, found)
  }
  const rows = [...bySample].slice(0, SHOWN_SAMPLES).map(([sample, found]) => [samples[sample]!, found.join(', ')])
  const more =
    bySample.size > rows.length ? `The first ${rows.length} of ${bySample.size} samples; all are in the table.` : ''
  return section(
    'large-residuals',
    'Scaled residuals beyond 3, by sample',
    paragraph('Positive: more was measured than the factors explain.', 'sub'),
    more === '' ? '' : paragraph(more),
    rows.length === 0
      ? paragraph('None.')
      : element(
          'details',
          { open: rows.length <= OPEN_SAMPLES ? '' : undefined },
          element(
            'summary',
            {},
            escape(`${count(bySample.size, 'sample')}, ${count(analysis.largeResiduals.length, 'cell')}`),
          ),
          grid(['Sample', 'Species and scaled residual'], rows, { label: 'Scaled residuals beyond 3', text: true }),
        ),
    element('p', { class: 'files' }, link('tables/large_residuals.csv', 'large_residuals.csv')),
  )
}

function warnings({ model, samples, species, factors }: Content): string {
  const about = (code: string, index: number | undefined): string => {
    if (index === undefined) return ''
    const names = code.startsWith('row')
      ? samples
      : code.startsWith('column')
        ? species
        : code === 'dead-factor'
          ? factors
          : []
    return names[index] ?? String(index)
  }
  const rows = model.warnings.map(({ code, index, message }) => [code, about(code, index), message])
  return section(
    'warnings',
    'Warnings',
    rows.length === 0
      ? paragraph('None.')
      : grid(['Code', 'About', 'Message'], rows, { label: 'Warnings', text: true }),
  )
}
