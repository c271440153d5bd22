/** What every page has around its contents: head, security policy, footer. */
import { createHash } from 'node:crypto'
import { element, escape } from './markup.ts'
import { STYLE } from './style.ts'

/**
 * A whole page that loads and sends nothing: its policy allows one style sheet, by its hash, and no scripts.
 * @param page `header` and `main` are markup, `title` is text, `version` that of headwater
 */
export function frame(page: { title: string; version: string; header: string; main: readonly string[] }): string {
  const { title, version, header, main } = page
  const hash = createHash('sha256').update(STYLE).digest('base64')
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8"/>',
    `<meta http-equiv="Content-Security-Policy" content="${policy}"/>`,
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    '<meta name="referrer" content="no-referrer"/>',
    `<meta name="generator" content="${escape(`headwater ${version}`)}"/>`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    header,
    '<main>',
    ...main,
    '</main>',
    element('footer', {}, escape(`Made by headwater ${version}. This page loads nothing and sends nothing.`)),
    '</body>',
    '</html>',
    '',
  ].join('\n')
}
