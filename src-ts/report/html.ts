/** Pieces of the page: paragraphs, lists, tables. */
import { number } from './format.ts'
import { element, escape } from './markup.ts'
import type { Cell, Table } from './tables.ts'

/** Rows of a table that the page shows; its file has all. */
export const SHOWN_ROWS = 60

/** A paragraph of plain text. */
export function paragraph(text: string, className?: string): string {
  return element('p', { class: className }, escape(text))
}

/** A list of plain texts; nothing for none. */
export function list(items: readonly string[], className?: string): string {
  if (items.length === 0) return ''
  return element('ul', { class: className }, ...items.map((item) => element('li', {}, escape(item))))
}

/** A link. Only this report's own files and places are linked to. */
export function link(to: string, text: string): string {
  return element('a', { href: to }, escape(text))
}

/** A section with its heading. */
export function section(id: string, title: string, ...content: readonly string[]): string {
  return element('section', { id: `section-${id}` }, element('h2', {}, escape(title)), ...content)
}

/** Links to the sections: names and titles. */
export function contents(places: readonly (readonly [name: string, title: string])[]): string {
  const links = places.map(([name, title]) => link(`#section-${name}`, title))
  return element('nav', { 'aria-label': 'Contents' }, ...links)
}

/** A figure of the opening: its name, its value, and what it means. */
export type Fact = readonly [name: string, value: string, more: string]

/** Figures side by side. */
export function factGrid(facts: readonly Fact[]): string {
  const boxes = facts.map(([name, value, more]) => {
    const said = element('dd', {}, escape(value), element('small', {}, escape(more)))
    return element('div', {}, element('dt', {}, escape(name)), said)
  })
  return element('dl', { class: 'facts' }, ...boxes)
}

/** A table of ready cells. */
export function grid(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  options: { label?: string; text?: boolean } = {},
): string {
  const head = columns.map((name) => element('th', { scope: 'col' }, escape(name)))
  const body = rows.map((row) =>
    element(
      'tr',
      {},
      ...row.map((cell, k) =>
        k === 0
          ? element('th', { scope: 'row' }, escape(cell))
          : element('td', k <= 2 && options.text ? { class: 'value' } : {}, escape(cell)),
      ),
    ),
  )
  const table = element(
    'table',
    { class: options.text ? 'text' : undefined },
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...body),
  )
  // Focusable, so that it can be scrolled with the keyboard.
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': options.label ?? 'table' },
    table,
  )
}

/** A table of the report as the page shows it: rounded, its first rows only if it is long, folded away. */
export function foldedTable(table: Table): string {
  const rows: (readonly Cell[])[] = []
  for (const row of table.rows()) {
    if (rows.length === SHOWN_ROWS) break
    rows.push(row)
  }
  let cells = [table.columns, ...rows].map((row) => row.map(shown))
  if (table.transposed) cells = cells[0]!.map((_, j) => cells.map((row) => row[j]!))
  const more = table.length > rows.length ? ` (first ${rows.length} of ${table.length} rows)` : ''
  const name = words(table.name)
  return element(
    'details',
    {},
    element('summary', {}, escape(`Table: ${name}${more}`)),
    grid(cells[0]!, cells.slice(1), { label: name }),
    element('p', { class: 'files' }, link(`tables/${table.name}.csv`, `all digits and rows: ${table.name}.csv`)),
  )
}

/** A name such as `q_over_expected`, in words. */
export function words(name: string): string {
  return name.replaceAll('_', ' ')
}

function shown(cell: Cell): string {
  return typeof cell === 'string' ? cell : number(cell)
}
