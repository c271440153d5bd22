/**
 * The factors of another program from two text files of plain numbers. A header row and a label column may be there or
 * not, and a file may be transposed: the shapes decide, since samples and species are known from the data.
 */
import { InvalidInputError, type InputProblem } from '../errors.ts'
import { parseNumber, type DecimalMark } from '../data/cells.ts'
import { isBlank, splitRecords, type Delimiter, type TextRecord } from '../data/records.ts'
import { decodeText, readBytes } from '../data/text.ts'
import { throwProblems, type DataProblem } from '../data/problems.ts'
import { Matrix } from '../matrix.ts'

/** Contributions and profiles, the right way round. */
export interface Point {
  /** samples × factors. */
  contributions: Matrix
  /** factors × species. */
  profiles: Matrix
  /** What was decided about the files and might surprise. */
  notes: string[]
}

/** A block of numbers in a file, after leaving out a header row, a label column, or both. */
interface Block {
  rows: number[][]
  /** How unusual it would be. */
  cost: number
}

/**
 * Reads both files.
 * @throws InvalidInputError `point-not-read`, `not-a-number`, `row-length`, `point-shape-mismatch`, or those of files
 */
export async function readPoint(
  contributions: string,
  profiles: string,
  samples: number,
  species: number,
): Promise<Point> {
  const [g, f] = await Promise.all([readBlocks(contributions), readBlocks(profiles)])
  const found = match(g, f, samples, species)
  if (found !== undefined) {
    const notes: string[] = []
    const left = toMatrix(found.g, found.gTransposed)
    const right = toMatrix(found.f, found.fTransposed)
    if (found.gTransposed) notes.push(`${contributions} holds factors × samples: transposed`)
    if (found.fTransposed) notes.push(`${profiles} holds species × factors: transposed`)
    return { contributions: left, profiles: right, notes }
  }
  const shape = (blocks: readonly Block[]): string => {
    const { rows } = blocks[0]!
    return `${rows.length} × ${rows[0]!.length}`
  }
  const swapped = match(f, g, samples, species) !== undefined
  const message =
    `${contributions} (${shape(g)} numbers) and ${profiles} (${shape(f)}) do not fit ${samples} samples × ${species} ` +
    'species and one number of factors'
  const hint = swapped
    ? 'the two files are swapped: --contributions is samples × factors, --profiles factors × species'
    : 'leave out totals and other columns that are no factors; samples and species must be those that were fitted (--exclude, --bad)'
  throw new InvalidInputError('point-shape-mismatch', message, { hint, name: 'contributions' })
}

interface Match {
  g: Block
  f: Block
  gTransposed: boolean
  fTransposed: boolean
}

/** The reading under which both files fit; of several the one that needs least of what is unusual. */
function match(g: readonly Block[], f: readonly Block[], samples: number, species: number): Match | undefined {
  let best: { match: Match; cost: number } | undefined
  for (const left of g) {
    for (const gTransposed of [false, true]) {
      const [rows, factors] = shapeOf(left, gTransposed)
      if (rows !== samples) continue
      for (const right of f) {
        for (const fTransposed of [false, true]) {
          const [inner, cols] = shapeOf(right, fTransposed)
          if (inner !== factors || cols !== species) continue
          const cost = left.cost + right.cost + (gTransposed ? TURNED : 0) + (fTransposed ? TURNED : 0)
          if (best && cost >= best.cost) continue
          best = { match: { g: left, f: right, gTransposed, fTransposed }, cost }
        }
      }
    }
  }
  return best?.match
}

/** A transposed file is less likely than one with header and labels, and likelier than factors that count 1, 2, 3, … */
const TURNED = 3
const COUNTING = 10

/** Whether numbers count up by one, as row numbers do and measurements do not. */
function counts(numbers: readonly number[]): boolean {
  return numbers.length > 2 && numbers.every((value, k) => value === numbers[0]! + k)
}

function shapeOf({ rows }: Block, transposed: boolean): [number, number] {
  const [m, n] = [rows.length, rows[0]!.length]
  return transposed ? [n, m] : [m, n]
}

function toMatrix(block: Block, transposed: boolean): Matrix {
  const { rows } = block
  const [m, n] = [rows.length, rows[0]!.length]
  if (!transposed) return new Matrix(m, n, Float64Array.from(rows.flat()))
  return new Matrix(
    n,
    m,
    Float64Array.from({ length: m * n }, (_, at) => rows[at % m]![Math.floor(at / m)]!),
  )
}

/** All ways in which a file holds a block of numbers, the one that leaves out least first. */
async function readBlocks(file: string): Promise<Block[]> {
  const { text } = decodeText(await readBytes(file), file)
  const { records, decimal } = split(text, file)
  const width = records[0]!.fields.length
  const last = records.at(-1)!.fields.length
  // A header without a name for the label column is one field short.
  const shortHeader = records.length > 1 && width === last - 1
  const problems: DataProblem[] = []
  for (const record of records.slice(1)) {
    if (record.fields.length === last) continue
    const message = `${record.fields.length} fields, but the last line has ${last}`
    problems.push({ code: 'row-length', file, line: record.line, message })
  }
  throwProblems(problems)
  const blocks: Block[] = []
  for (const [headerRow, labelColumn] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    if (!headerRow && shortHeader) continue
    const body = records.slice(headerRow ? 1 : 0).map(({ fields }) => fields.slice(labelColumn ? 1 : 0))
    if (body.length === 0 || body[0]!.length === 0) continue
    const rows = body.map((fields) => fields.map((field) => parseNumber(field, decimal) ?? NaN))
    if (!rows.every((row) => row.every(Number.isFinite))) continue
    const counting = [rows.map((row) => row[0]!), rows[0]!].filter(counts).length
    blocks.push({ rows, cost: Number(headerRow) + Number(labelColumn) + COUNTING * counting })
  }
  if (blocks.length === 0) throwNotNumbers(records, decimal, file)
  return blocks
}

/** Cells that are no numbers even without the first row and the first column. */
function throwNotNumbers(records: readonly TextRecord[], decimal: DecimalMark, file: string): never {
  const problems: InputProblem[] = []
  for (const record of records.slice(1)) {
    for (const [at, field] of record.fields.entries()) {
      if (at === 0 || Number.isFinite(parseNumber(field, decimal))) continue
      const found = field === '' ? 'an empty cell' : `"${field}"`
      const message = `expected a number, found ${found}`
      const header = records[0]!.fields[at]
      problems.push({ code: 'not-a-number', file, line: record.line, column: at + 1, header, value: field, message })
    }
  }
  if (problems.length === 0) {
    problems.push({ code: 'point-not-read', file, message: 'there is no block of numbers in this file' })
  }
  throw InvalidInputError.ofAll(problems)
}

/** Splits at the mark that gives most numbers; runs of blanks separate fields too, as older programs write them. */
function split(text: string, file: string): { records: TextRecord[]; decimal: DecimalMark } {
  const ways: { records: TextRecord[]; decimal: DecimalMark; numbers: number; bad: number }[] = []
  const blanks = text.replaceAll(/^[ \t]+|[ \t]+$/gm, '').replaceAll(/[ \t]+/g, '\t')
  for (const [source, delimiter] of [
    [text, '\t'],
    [text, ','],
    [text, ';'],
    [blanks, '\t'],
  ] as const) {
    for (const decimal of ['.', ','] as const) {
      if (decimal === ',' && delimiter === ',') continue
      const records = splitRecords(source, delimiter as Delimiter, []).filter((record) => !isBlank(record))
      const fields = records.flatMap((record) => record.fields)
      const numbers = fields.filter((field) => parseNumber(field, decimal) !== undefined).length
      // A wrong mark gives few fields and no numbers, which must not win over many of both.
      if (numbers > 0) ways.push({ records, decimal, numbers, bad: fields.length - numbers })
    }
  }
  ways.sort((a, b) => b.numbers - 2 * b.bad - (a.numbers - 2 * a.bad))
  const [best] = ways
  if (best === undefined) {
    throw new InvalidInputError('point-not-read', `${file}: there are no numbers in this file`, { file })
  }
  return best
}
