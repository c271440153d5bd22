/** Tables as comma-separated text (RFC 4180). */
import type { Cell, Table } from './tables.ts'

/** The lines of the file, header first, each with its end. Numbers are written so that reading gives the same number. */
export function* csvLines(table: Pick<Table, 'columns' | 'rows'> & Partial<Table>): Generator<string> {
  yield csvLine(table.columns)
  for (const row of table.rows()) yield csvLine(row)
}

function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(cell: Cell): string {
  if (cell === undefined || Number.isNaN(cell)) return ''
  if (typeof cell === 'number') return Object.is(cell, -0) ? '-0' : String(cell)
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}
