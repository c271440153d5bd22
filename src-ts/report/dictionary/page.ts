/** The report of a dictionary: one page without scripts, without network. */
import type { DictionaryScore } from '../../manifold/dictionary-types.ts'
import type { Dictionary } from '../../manifold/dictionary.ts'
import { densityChart } from '../charts/atoms/density.ts'
import { count, fixed, number } from '../format.ts'
import { frame } from '../frame.ts'
import { contents, factGrid, grid, list, paragraph, section, type Fact } from '../html.ts'
import { element, escape } from '../markup.ts'
import { atomTable, CARDS, cards } from './atoms.ts'
import { CHECKS, CONTROL_WORDS, doubtsOf, VERDICTS } from './words.ts'

/**
 * The page's text. The same dictionary gives the same bytes.
 * @param source what the rows were read from
 */
export function dictionaryPage(dictionary: Dictionary, source?: string): string {
  const { controls, headwater } = dictionary
  const title = source === undefined ? 'Dictionary' : `Dictionary of ${source}`
  const sections = [
    ['checks', 'Checks', checks(dictionary)],
    ['figures', 'Figures', figures(dictionary)],
    ...(controls ? ([['controls', 'Controls', controlTable(dictionary)]] as const) : []),
    ['atoms', 'Atoms', atoms(dictionary)],
    ['provenance', 'Provenance', provenance(dictionary, source)],
  ] as const
  return frame({
    title,
    version: headwater,
    header: element(
      'header',
      {},
      opening(dictionary, title),
      contents(sections.map(([name, heading]) => [name, heading])),
    ),
    main: sections.map(([name, heading, content]) => section(name, heading, content)),
  })
}

/** The headline where no atom was kept: that the computation ended well is not the news then. */
const NOTHING = 'Nothing found: the dictionary has no atoms'

function opening(dictionary: Dictionary, title: string): string {
  const { status, atoms: kept, asked, columns, train, heldOut, active, gate, noise, headwater } = dictionary
  const { headline, meaning } = VERDICTS[status]
  const doubts = doubtsOf(dictionary)
  const proven = status === 'converged' || status === 'boundary'
  const look = !proven ? '' : status === 'converged' && doubts.length === 0 && kept.length > 0 ? ' good' : ' mixed'
  const claims = kept.filter(({ claim, survivesControls }) => claim === 'holds' && survivesControls !== false).length
  const facts: Fact[] = [
    ['Atoms', String(kept.length), `of ${asked} asked for`],
    ['Claims', String(claims), dictionary.controls ? 'that survive the controls' : 'without controls'],
    ['EV, held out', fixed(heldOut?.ev, 4), heldOut ? count(heldOut.rows, 'row') : 'no rows were held out'],
    ['EV, fitted', fixed(train.ev, 4), count(train.rows, 'row')],
    [
      'Numbers a row',
      number(train.scalarsPerRow, 3),
      `${number(train.l0, 3)} ${train.l0 === 1 ? 'atom' : 'atoms'}, at most ${active}`,
    ],
    ['Noise √φ', number(Math.sqrt(noise), 4), 'standard deviation of a cell of weight 1'],
  ]
  const gates = { amplitude: 'amplitudes', unit: 'atoms on or off', softmax: 'softmax shares' }[gate.kind]
  return [
    element('h1', {}, escape(title)),
    paragraph(
      `Sparse dictionary of points, curves and surfaces: ${count(train.rows, 'row')} × ${count(columns, 'column')}, ${gates}, headwater ${headwater}`,
      'sub',
    ),
    element(
      'div',
      { class: `verdict${look}`, role: 'note' },
      element('strong', {}, escape(kept.length === 0 && proven ? NOTHING : headline)),
      list(doubts, 'doubts'),
      kept.length > 0 || !proven ? paragraph(meaning) : '',
      kept.length === 0
        ? paragraph(
            'Nothing that was tried is worth what it would cost to write down. The rows are as well said by their mean and noise.',
          )
        : '',
    ),
    factGrid(facts),
  ].join('')
}

function checks({ certificate }: Dictionary): string {
  const rows = certificate.checks.map(({ name, message, value, threshold, status }) => [
    message,
    status,
    number(value, 3),
    number(threshold, 3),
    CHECKS[name],
  ])
  const { iterations, newtonSteps, escapes, gauges, held } = certificate
  return [
    grid(['Check', 'Verdict', 'Found', 'Compared with', 'What it means'], rows, { label: 'Checks', text: true }),
    rows.length === 0 ? paragraph('None.') : '',
    paragraph(
      `The last minimum took ${count(iterations, 'iteration')}, of which ${newtonSteps} exact Newton steps and ${escapes} along negative curvature; ${count(gauges, 'direction')} that change nothing taken out, ${count(held, 'number')} held at a bound or without use.`,
      'sub',
    ),
  ].join('')
}

/** Rows of the table of figures: what, the number, and what it means. */
const FIGURES: readonly [name: string, of: (score: DictionaryScore) => string, meaning: string][] = [
  ['Rows', ({ rows }) => String(rows), ''],
  ['EV', ({ ev }) => fixed(ev, 5), '1 − Σw(x − x̂)²/Σw(x − x̄)², as SAELens has it'],
  ['EV, offset free', ({ evCentred }) => fixed(evCentred, 5), '1 − Σvar(x − x̂)/Σvar(x), as dictionary_learning has it'],
  ['FVU', ({ fvu }) => number(fvu, 4), '1 − EV'],
  ['FVU, offset free', ({ fvuCentred }) => number(fvuCentred, 4), ''],
  ['MSE', ({ mse }) => number(mse, 4), 'weighted mean of squared errors'],
  ['Cosine', ({ cosine }) => number(cosine, 5), 'mean over rows of cos(x, x̂)'],
  ['Length ratio', ({ lengthRatio }) => number(lengthRatio, 5), 'mean of ‖x̂‖/‖x‖'],
  ['Relative bias', ({ relativeBias }) => number(relativeBias, 5), 'Σ‖x̂‖²/Σ⟨x, x̂⟩; below 1: too short'],
  ['Atoms a row (L0)', ({ l0 }) => number(l0, 4), 'mean'],
  ['L0 quantiles', ({ l0Quantiles }) => l0Quantiles.map((x) => number(x, 3)).join(' '), '0, 5, 25, 50, 75, 95, 100 %'],
  ['Numbers a row', ({ scalarsPerRow }) => number(scalarsPerRow, 4), 'amounts and coordinates: what a code costs'],
  ['Rows without a code', ({ emptyRows }) => String(emptyRows), 'no atom is worth it there'],
  ['Dead atoms', ({ dead }) => `${number(100 * dead, 3)} %`, 'never on in these rows'],
  ['Largest co-active cosine', ({ maxCoActiveCosine }) => number(maxCoActiveCosine, 4), '‖BⱼBₖᵀ‖/(‖Bⱼ‖‖Bₖ‖)'],
  ['Mean co-active cosine', ({ meanCoActiveCosine }) => number(meanCoActiveCosine, 4), 'over pairs on together'],
  ['Pairs on together', ({ coActivePairs }) => String(coActivePairs), ''],
  ['Decoder parameters', ({ decoderParameters }) => String(decoderParameters), 'what the dictionary costs'],
]

function figures(dictionary: Dictionary): string {
  const { status, train, heldOut, value, noise, degrees, rounds, criterion } = dictionary
  const columns = ['Figure', 'Fitted rows', ...(heldOut ? ['Held-out rows'] : []), 'What it means']
  const rows = FIGURES.map(([name, of, meaning]) => [name, of(train), ...(heldOut ? [of(heldOut)] : []), meaning])
  const loss: string[][] = [
    ['Objective L', number(value, 8), 'Σw(x − x̂)²/2φ and all priors, at the end'],
    ['Noise φ', number(noise, 5), 'variance of a cell of weight 1, squared units of the data'],
    ['Numbers fitted', number(degrees, 9), 'decoders and codes'],
    ['Rounds', String(rounds), 'minima and codings in turn'],
    ...(criterion
      ? [
          [
            'Criterion',
            number(criterion.value, 8),
            "Laplace's approximation of −ln evidence, minimised over the priors",
          ],
          ...(criterion.laplaceGap === undefined
            ? []
            : [
                [
                  'Laplace gap',
                  number(criterion.laplaceGap, 3),
                  '½(ln|A| − ln|B|), A the exact Hessian: large means that the approximation is rough',
                ],
              ]),
          ...criterion.boundary.map((name) => ['At its limit', name, 'a strength without a best value']),
        ]
      : []),
  ]
  const density = densityChart({
    doubts: [...(status === 'converged' ? [] : [VERDICTS[status].headline]), ...doubtsOf(dictionary)],
    rows: [
      { label: 'fitted rows', bins: train.density },
      ...(heldOut ? [{ label: 'held-out rows', bins: heldOut.density }] : []),
    ],
  })
  return [
    grid(columns, rows, { label: 'Figures', text: true }),
    element('h3', {}, 'Objective and noise'),
    grid(['What', 'Value', 'What it means'], loss, { label: 'Objective and noise', text: true }),
    element('h3', {}, 'Density'),
    dictionary.atoms.length === 0 ? paragraph('There are no atoms.') : element('figure', {}, density),
  ].join('')
}

function controlTable({ controls = [], heldOut, train, atoms: kept }: Dictionary): string {
  const row = (name: string, ev: number | undefined, ...cells: (number | undefined)[]): string[] => [
    name,
    fixed(ev, 5),
    ...cells.map((cell) => number(cell, 4)),
  ]
  const claims = kept.filter(({ claim, shape }) => claim === 'holds' && shape !== 'constant' && shape !== 'linear')
  const strongest = claims.reduce((most, atom) => Math.max(most, (atom.worth ?? 0) / Math.max(1, atom.rows)), 0)
  const own = row('this dictionary', heldOut?.ev, heldOut?.scalarsPerRow, train.decoderParameters, kept.length, claims.length, strongest) // prettier-ignore
  const others = controls.map(({ kind, ev, scalarsPerRow, decoderParameters, kept: atomsKept, claims: made, strongest: most }) =>
    row(CONTROL_WORDS[kind], ev, scalarsPerRow, decoderParameters, atomsKept, made, most)) // prettier-ignore
  const columns = [
    'Held-out rows',
    'EV',
    'Numbers a row',
    'Parameters',
    'Atoms kept',
    'Claims',
    'Strongest (nats a row)',
  ]
  return [
    paragraph(
      'The first lines compare with what has no curves. The last two are this fit of rows without structure: what it claims there is what noise can claim, and a claim about the data counts only if it is worth more nats a row (last column: the strongest).',
      'sub',
    ),
    grid(columns, [own, ...others], { label: 'Controls' }),
  ].join('')
}

function atoms(dictionary: Dictionary): string {
  const { length } = dictionary.atoms
  if (length === 0) return paragraph('None: nothing is worth what it would cost to write down.')
  const more =
    length > CARDS
      ? `The ${CARDS} atoms with the largest share of the squares have pictures below; the table has all.`
      : ''
  return [
    paragraph(
      'Share: of the rows’ squares. Spread: circular variance of phases (0 to 1), else variance. Coverage: share of √rows equal parts of each coordinate that are occupied. Kurtosis of the amounts without their noise: 1 on a ring, 4/3 in a filled disc.',
      'sub',
    ),
    more === '' ? '' : paragraph(more),
    atomTable(dictionary),
    ...cards(dictionary),
  ].join('')
}

function provenance(dictionary: Dictionary, source: string | undefined): string {
  const { headwater, options, seed, active, beam, gate, nonNegative } = dictionary
  const rows: [string, string][] = [
    ['Program', `headwater ${headwater}`],
    ['Rows', source ?? 'not said'],
    ['Options', JSON.stringify(options)],
    ['Atoms a row', `at most ${active}; ${count(beam, 'support')} followed at once by the coder`],
    ['Gate', JSON.stringify(gate)],
    ['Decoders', nonNegative ? 'not negative' : 'of either sign'],
    ['Seeds', seed.from === 'cumulants' ? 'planes from fourth cumulants' : `subspaces one after the other${seed.trial === undefined ? '' : `, draw ${seed.trial}`}`], // prettier-ignore
  ]
  return [
    grid(['What', 'Value'], rows, { label: 'Provenance', text: true }),
    paragraph('The same rows and options give the same dictionary, bit for bit, on the same type of processor.'),
  ].join('')
}
