/** The atoms on the page: a card each with its pictures and facts, and a table of all. */
import type { DictionaryAtom } from '../../manifold/dictionary-types.ts'
import type { Dictionary } from '../../manifold/dictionary.ts'
import { histogramChart } from '../charts/atoms/histogram.ts'
import { planeChart } from '../charts/atoms/plane.ts'
import { pointChart } from '../charts/atoms/point.ts'
import { count, fixed, number } from '../format.ts'
import { factGrid, grid, paragraph, type Fact } from '../html.ts'
import { element, escape } from '../markup.ts'
import { codesByAtom, countCodes, drawPlanes, isPeriodic, SHOWN_CODES, type AtomCodes } from './sample.ts'
import { atomDoubts, claimInWords, CLAIM_WORDS, shapeInWords } from './words.ts'

/** Atoms with a card. */
export const CARDS = 24

/** Cards of the atoms that make up most of the rows, largest first. */
export function cards(dictionary: Dictionary): string[] {
  const codes = codesByAtom(dictionary)
  const order = dictionary.atoms.map((_, k) => k)
  order.sort((a, b) => dictionary.atoms[b]!.share - dictionary.atoms[a]!.share || a - b)
  return order.slice(0, CARDS).map((k) => card(dictionary, k, codes[k]!))
}

/** All atoms in a table. */
export function atomTable({ atoms }: Dictionary): string {
  const rows = atoms.map((atom, k) => [
    `${k + 1}`,
    shapeInWords(atom),
    CLAIM_WORDS[atom.claim] +
      (atom.survivesControls === false && atom.claim === 'holds' ? ', not beside controls' : ''),
    String(atom.rows),
    percent(atom.share),
    number(atom.signalToNoise, 3),
    atom.spread.length === 0 ? '–' : atom.spread.map((x) => number(x, 2)).join(', '),
    percent(atom.coverage),
    number(atom.kurtosis, 3),
    number(atom.worth, 3),
    number(atom.trust, 2),
  ])
  const columns = ['Atom', 'Shape', 'Claim', 'Rows', 'Share', 'Signal/noise', 'Spread', 'Coverage', 'Kurtosis']
  return grid([...columns, 'Worth (nats)', 'Trust'], rows, { label: 'Atoms' })
}

function card(dictionary: Dictionary, k: number, codes: AtomCodes): string {
  const atom = dictionary.atoms[k]!
  const pictures = [
    ...(atom.shape === 'constant' ? [pointPicture(dictionary, k)] : planePictures(dictionary, k, codes)),
    ...codes.coordinates.map((values, c) => coordinatePicture(dictionary, k, values, c)),
    ...(dictionary.gate.kind === 'unit' ? [] : [amountPicture(dictionary, k, codes.amounts)]),
  ]
  return element(
    'div',
    { class: 'atom', id: `atom-${k + 1}` },
    element('h3', {}, escape(`Atom ${k + 1}: ${shapeInWords(atom)}, ${percent(atom.share)} of the squares`)),
    paragraph(claimInWords(atom)),
    element('div', { class: 'pictures' }, ...pictures),
    factGrid(factsOf(atom)),
  )
}

/** What all charts of atom k have: ids that no other has, and marks of doubt. */
function base(dictionary: Dictionary, k: number, what: string): { id: string; doubts: string[] } {
  return { id: `atom-${k + 1}-${what}`, doubts: atomDoubts(dictionary, dictionary.atoms[k]!) }
}

function picture(caption: string, svg: string): string {
  return element('figure', {}, svg, element('figcaption', {}, escape(caption)))
}

function pointPicture(dictionary: Dictionary, k: number): string {
  const { decoder } = dictionary.atoms[k]!
  const chart = pointChart({
    ...base(dictionary, k, 'point'),
    title: `Decoder of atom ${k + 1}`,
    description: `Bars for ${count(decoder.cols, 'column')}: what rows with this atom have at amount 1, beside the offset.`,
    decoder: decoder.data,
  })
  return picture('The point, column by column, without the offset.', chart)
}

const ORDINALS = ['first', 'second', 'third', 'fourth']

function planePictures(dictionary: Dictionary, k: number, codes: AtomCodes): string[] {
  const atom = dictionary.atoms[k]!
  const dimension = codes.coordinates.length
  const middle = dimension > 2 ? ', other coordinates in the middle' : ''
  const what =
    dimension > 1
      ? `Grid lines of the ${shapeInWords(atom)}: along t₁ blue, along t₂ orange${middle}.`
      : isPeriodic(atom)
        ? 'The closed curve, with its phases.'
        : `The ${atom.shape === 'linear' ? 'line' : 'curve'}, two standard deviations of t to both sides.`
  const shown = Math.min(SHOWN_CODES, codes.amounts.length)
  const all = count(codes.amounts.length, 'code')
  const dots = `Dots: ${shown < codes.amounts.length ? `${shown} of ` : ''}${all}, at their amounts; cross: amount 0.`
  return drawPlanes(dictionary, k, codes).map(({ share, ...drawn }, n) => {
    const axes = [`${ORDINALS[2 * n]} direction`, `${ORDINALS[2 * n + 1]} direction`] as const
    const has = `${fixed(100 * share, 1)} % of its variance`
    const caption = n === 0 ? `${what} This plane has ${has}. ${dots}` : `The same in the next plane: ${has}.`
    const title = `Atom ${k + 1} in ${n === 0 ? 'its plane' : 'the next plane'}`
    const place = base(dictionary, k, n === 0 ? 'plane' : 'plane-2')
    return picture(
      caption,
      planeChart({ ...place, ...drawn, axes, title, description: `${title}. ${what} ${has}. ${dots}` }),
    )
  })
}

const SUBSCRIPTS = ['₁', '₂', '₃', '₄']

function coordinatePicture(dictionary: Dictionary, k: number, values: Float64Array, c: number): string {
  const atom = dictionary.atoms[k]!
  const which = atom.spread.length === 1 ? 't' : `t${SUBSCRIPTS[c] ?? c + 1}`
  const periodic = isPeriodic(atom)
  const histogram = countCodes(values, periodic ? [0, 1] : undefined)
  const kind = periodic ? 'Phases' : 'Places'
  const spread = `${periodic ? 'circular variance' : 'variance'} ${number(atom.spread[c], 3)}`
  const chart = histogramChart({
    ...base(dictionary, k, `t${c + 1}`),
    title: `${kind} of the codes of atom ${k + 1}`,
    description: `Histogram of ${count(values.length, 'code')} in ${count(histogram.counts.length, 'bin')}; ${spread}.`,
    histogram,
    axis: periodic ? `${which} (turns)` : which,
    ...(periodic ? { even: values.length / histogram.counts.length } : {}),
  })
  return picture(
    `${kind} ${which}${periodic ? ', in turns' : ''}: ${spread}.${periodic ? ' Dashed: an even spread.' : ''}`,
    chart,
  )
}

function amountPicture(dictionary: Dictionary, k: number, amounts: Float64Array): string {
  const chart = histogramChart({
    ...base(dictionary, k, 'amounts'),
    title: `Amounts of atom ${k + 1}`,
    description: `Histogram of the amounts of ${count(amounts.length, 'code')}.`,
    histogram: countCodes(amounts),
    axis: 'amount',
  })
  return picture('Amounts: how much of the atom the rows have.', chart)
}

function factsOf(atom: DictionaryAtom): Fact[] {
  return [
    ['Rows', String(atom.rows), `${number(atom.effectiveRows, 3)} effective, (Σa)²/Σa²`],
    ['Coverage', percent(atom.coverage), 'of √rows equal parts'],
    ['Signal to noise', number(atom.signalToNoise, 3), 'energy of its points over φ'],
    [
      'Worth',
      atom.worth === undefined ? '–' : `${number(atom.worth, 4)} nats`,
      atom.worth === undefined ? 'not computed' : `${number(atom.worth / Math.max(1, atom.rows), 3)} a row`,
    ],
    ['Trust', number(atom.trust, 2), 'tangents × coverage⁴'],
    ['Asked for as', `number ${atom.index + 1}`, 'of the atoms of the call'],
  ]
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${number(100 * share, 3)} %` : '–'
}
