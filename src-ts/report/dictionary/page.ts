/** The report of a dictionary: one page without scripts, without network. */
import { createHash } from 'node:crypto'
import type { Dictionary } from '../../manifold/dictionary.ts'
import { number } from '../format.ts'
import { grid, paragraph, section } from '../html.ts'
import { element, escape } from '../markup.ts'
import { STYLE } from '../style.ts'

/**
 * The page's text. The same dictionary gives the same bytes.
 * @param source what the rows were read from
 */
export function dictionaryPage(dictionary: Dictionary, source?: string): string {
  const title = source === undefined ? 'Dictionary' : `Dictionary of ${source}`
  const hash = createHash('sha256').update(STYLE).digest('base64')
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  const head = [
    '<meta charset="utf-8"/>',
    `<meta http-equiv="Content-Security-Policy" content="${policy}"/>`,
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    '<meta name="referrer" content="no-referrer"/>',
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
  ]
  const { status, atoms, asked, certificate } = dictionary
  const checks = certificate.checks.map(({ message, value, threshold, status: verdict }) => [
    message,
    verdict,
    number(value),
    number(threshold),
  ])
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    ...head,
    '</head>',
    '<body>',
    element('h1', {}, escape(title)),
    paragraph(`Status: ${status}. ${atoms.length} of ${asked} atoms were kept.`),
    section('checks', 'Checks', grid(['check', 'verdict', 'value', 'compared with'], checks, { label: 'checks' })),
    '</body>',
    '</html>',
    '',
  ].join('\n')
}
