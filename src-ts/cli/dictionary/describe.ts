/** A dictionary in words. */
import type { Dictionary } from '../../manifold/dictionary.ts'
import type { DictionaryScore } from '../../manifold/dictionary-types.ts'
import { CLAIM_WORDS, CONTROL_WORDS } from '../../report/dictionary/words.ts'
import { heading } from '../describe.ts'
import { brief, count, percent, STATUS_WORDS, table } from '../words.ts'

/** The whole result. */
export function describeDictionary(
  dictionary: Dictionary,
  data: { file: string; rows: number; columns: number },
): string {
  const { atoms, asked, status, certificate, heldOut, train, controls } = dictionary
  let text = heading(
    `${data.file}: ${count(data.rows, 'row')} × ${data.columns}, ${count(atoms.length, 'atom')} of ${asked} asked for`,
  )
  const words = { ...STATUS_WORDS, saddle: 'stationary, but not a minimum', stalled: 'not proven to be a minimum' }
  text += `  status      ${status}: ${words[status]}\n`
  if (atoms.length === 0) text += '  structure   none: nothing is worth what it would cost to write down\n'
  for (const check of certificate.checks.filter((check) => check.status !== 'passed')) {
    text += `  ${check.status.padEnd(11)} ${check.message}: ${brief(check.value)}\n`
  }
  text += describeScore('fitted', train)
  if (heldOut) text += describeScore('held out', heldOut)
  if (atoms.length > 0) {
    const rows = atoms.map((atom, k) => [
      String(k + 1),
      typeof atom.shape === 'string' ? atom.shape : atom.shape.topology,
      String(atom.rows),
      percent(atom.share),
      atom.spread.map((x) => brief(x, 2)).join(' '),
      percent(atom.coverage),
      brief(atom.kurtosis),
      brief(atom.worth),
      CLAIM_WORDS[atom.claim] + (atom.survivesControls === false ? ', but not beside controls' : ''),
    ])
    const header = ['atom', 'shape', 'rows', 'share', 'spread', 'coverage', 'kurtosis', 'worth (nats)', 'claim']
    text += `\n${table([header, ...rows], [0, 2, 3, 4, 5, 6, 7])}`
  }
  if (controls) {
    const rows = controls.map((control) => [
      CONTROL_WORDS[control.kind],
      brief(control.ev, 4),
      brief(control.scalarsPerRow),
      String(control.decoderParameters),
      String(control.claims),
    ])
    const own = ['this fit', brief(heldOut?.ev, 4), brief(heldOut?.scalarsPerRow), String(train.decoderParameters), '']
    text += `\n${table([['held out', 'EV', 'numbers a row', 'parameters', 'claims'], own, ...rows], [1, 2, 3, 4])}`
  }
  return text
}

/** Figures in one line. */
export function describeScore(what: string, score: DictionaryScore): string {
  const { ev, evCentred, mse, l0, scalarsPerRow, dead } = score
  const parts = [
    `EV ${brief(ev, 5)} (${brief(evCentred, 5)} without offset)`,
    `MSE ${brief(mse)}`,
    `${brief(l0)} ${l0 === 1 ? 'atom' : 'atoms'} and ${brief(scalarsPerRow)} numbers a row`,
    ...(dead > 0 ? [`${percent(dead)} of atoms never on`] : []),
  ]
  return `  ${what.padEnd(11)} ${parts.join(', ')}\n`
}
