/** The report of a dictionary. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Dictionary, fitDictionary, type DictionaryFields } from '../../src-ts/manifold/index.ts'
import { dictionaryPage } from '../../src-ts/report/dictionary/page.ts'
import { codesByAtom, drawPlanes } from '../../src-ts/report/dictionary/sample.ts'
import { planted, SplitMix } from '../reference/manifold/planted.ts'
import { browse, findBrowser, LOOK, type Looked } from './browser.ts'
import { HOSTILE } from './model.ts'
import { everything, readXml, type Read } from './xml.ts'

const { rows, p: cols, values: data, train: trainRows } = planted('T1b')
const circles = await fitDictionary({ rows, cols, data }, { atoms: 6, trainRows, seed: 1 })
const changed = (changes: Partial<DictionaryFields>): Dictionary => new Dictionary({ ...circles, ...changes })

/** One atom of this shape on a surface or curve in four columns, without much noise. */
async function one(atoms: Parameters<typeof fitDictionary>[1]['atoms'], row: (t: number, u: number) => number[]) {
  const random = new SplitMix(3)
  const noise = random.normals(300 * 4)
  const values = Float64Array.from(noise, (x) => 0.02 * x)
  for (let n = 0; n < 300; n++) {
    row(random.uniform(), random.uniform()).forEach((x, j) => (values[4 * n + j]! += x))
  }
  return fitDictionary({ rows: 300, cols: 4, data: values }, { atoms, gate: { kind: 'unit' }, smoothing: 'size' })
}
const circle = (t: number): number[] => [Math.cos(2 * Math.PI * t), Math.sin(2 * Math.PI * t)]

function read(dictionary: Dictionary, source?: string): { html: string; all: Read[] } {
  const html = dictionaryPage(dictionary, source)
  return { html, all: everything(readXml(html.replace(/<style>[^]*?<\/style>/, '<style></style>'))) }
}
const texts = (all: Read[]): string[] => all.map(({ text }) => text)

describe('the page', () => {
  test('says what was fitted, its status, all checks, and figures of fitted and held-out rows side by side', () => {
    const { all, html } = read(circles, 'planted.npy')
    const said = texts(all)
    expect(said).toContain('Dictionary of planted.npy')
    expect(said).toContain('Converged: a minimum, proven')
    for (const { message } of circles.certificate.checks) expect(said).toContain(message)
    const line = (name: string): string[] => {
      const found = all.find((one) => one.name === 'tr' && one.children[0]?.text === name)!
      return found.children.map(({ text }) => text)
    }
    expect(line('EV').slice(1, 3)).toEqual([circles.train, circles.heldOut!].map(({ ev }) => ev!.toFixed(5)))
    expect(line('Decoder parameters').slice(1, 3)).toEqual(['432', '432'])
    expect(line('L0 quantiles')[1]).toBe('1 1 1 1 1 1 1')
    expect(html).toContain('class="verdict good"')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('loads nothing and runs nothing; the same dictionary gives the same bytes', () => {
    const { all, html } = read(circles, 'planted.npy')
    const policy = all.find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy')!.attributes
    const style = /<style>([^]*)<\/style>/.exec(html)![1]!
    expect(policy.content).toContain(createHash('sha256').update(style).digest('base64'))
    expect(policy.content).toMatch(/^default-src 'none'; /)
    expect(all.some(({ name }) => name === 'script' || name === 'img')).toBe(false)
    expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|url\(|@import/i)
    expect(dictionaryPage(new Dictionary(structuredClone({ ...circles })), 'planted.npy')).toBe(html)
    const later = changed({ timing: { seconds: 99, cpuSeconds: 99 } as Dictionary['timing'] })
    expect(dictionaryPage(later, 'planted.npy')).toBe(html)
  })

  test('has a card with curve, phases and amounts for every atom, largest share first, and unique ids', () => {
    const { all } = read(circles)
    const cards = all.filter(({ attributes }) => attributes.class === 'atom')
    const order = circles.atoms.map((_, k) => k).sort((a, b) => circles.atoms[b]!.share - circles.atoms[a]!.share)
    expect(cards.map(({ attributes }) => attributes.id)).toEqual(order.map((k) => `atom-${k + 1}`))
    for (const card of cards) {
      expect(everything(card).filter(({ name }) => name === 'svg')).toHaveLength(3)
      expect(texts(everything(card)).join('\n')).toMatch(/Claim: a circle \(kurtosis [\d.]+ ± [\d.]+; 1 is a ring/)
      expect(texts(everything(card))).toEqual(expect.arrayContaining(['0', '0.25', '0.5', '0.75']))
    }
    const ids = all.map(({ attributes }) => attributes.id).filter((id) => id !== undefined)
    expect(new Set(ids).size).toBe(ids.length)
    const links = all.map(({ attributes }) => attributes.href).filter((href) => href !== undefined)
    for (const href of links) expect(ids).toContain(href.slice(1))
  })

  test('of many atoms has pictures of the 24 largest, and a table of all', () => {
    const atoms = Array.from({ length: 30 }, (_, k) => ({ ...circles.atoms[k % 6]!, index: k, share: k / 1000 }))
    const strengths = { ...circles.strengths, amplitude: [], roughness: [], ridge: [], ard: [] }
    for (const name of ['amplitude', 'roughness', 'ridge', 'ard'] as const) {
      strengths[name] = atoms.map((_, k) => circles.strengths[name][k % 6]!) as never
    }
    const { all, html } = read(changed({ atoms, strengths }))
    const cards = all.filter(({ attributes }) => attributes.class === 'atom').map(({ attributes }) => attributes.id)
    expect(cards).toEqual(Array.from({ length: 24 }, (_, i) => `atom-${30 - i}`))
    const table = all.find(({ attributes }) => attributes['aria-label'] === 'Atoms')!
    expect(everything(table).filter(({ name }) => name === 'tr')).toHaveLength(31)
    expect(html).toContain('The 24 atoms with the largest share')
  })

  test('of a dictionary without atoms says so', async () => {
    const noise = new SplitMix(1).normals(200 * 5)
    const none = await fitDictionary({ rows: 200, cols: 5, data: noise }, { atoms: 2, trainRows: 150 })
    expect(none.atoms).toEqual([])
    const { all, html } = read(none)
    expect(texts(all).join(' ')).toMatch(/Nothing found: the dictionary has no atoms .*Nothing that was tried is worth/)
    expect(html).not.toContain('class="atom"')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('tells what is doubtful at the top, and on every picture of the atom', () => {
    const [first, second, ...others] = circles.atoms
    const atoms = [{ ...first!, claim: 'filled' as const }, { ...second!, survivesControls: false }, ...others]
    const checks = circles.certificate.checks.map((check) =>
      check.name === 'better-codes' ? { ...check, value: 3, status: 'failed' as const } : check,
    )
    const { all, html } = read(changed({ status: 'stalled', atoms, certificate: { ...circles.certificate, checks } }))
    expect(html).toContain('class="verdict"')
    const said = texts(all)
    expect(said).toContain('Not converged: stalled')
    expect(said).toContain('Failed: rows that found a better support after the last minimum')
    const marks = (id: string) =>
      texts(all.filter(({ attributes }) => attributes.id === `${id}-doubts`).flatMap(everything))
    for (const what of ['plane', 't1', 'amounts']) {
      expect(marks(`atom-1-${what}`)).toEqual(
        expect.arrayContaining(['not converged: stalled', 'filled: two directions']),
      )
      expect(marks(`atom-2-${what}`)).toContain('no stronger than the controls')
    }
    expect(said.join(' ')).toMatch(/rows without structure support claims of the same strength: do not rely on it/)
  })

  test('holds controls where there were any', () => {
    const control = { kind: 'shuffled-columns', ev: 0.1, scalarsPerRow: 2, decoderParameters: 432, kept: 3, claims: 1, strongest: 0.2 } as const // prettier-ignore
    const { all } = read(changed({ controls: [control] }))
    const row = all.find((one) => one.name === 'tr' && one.children[0]?.text === 'this fit, columns shuffled')!
    expect(row.children.map(({ text }) => text).slice(1)).toEqual(['0.10000', '2', '432', '3', '1', '0.2'])
    expect(read(circles).html).not.toContain('section-controls')
  })

  test('takes a hostile name for a text', () => {
    for (const name of HOSTILE) {
      const { all, html } = read(circles, name)
      expect(all.some((one) => one.name === 'script')).toBe(false)
      expect(html).not.toContain('<script')
    }
  })
})

describe('pictures of atoms', () => {
  test('a circle is drawn where its rows are: marks at their phases, codes at their amounts', () => {
    const codes = codesByAtom(circles)
    expect(codes.map(({ amounts }) => amounts.length)).toEqual(circles.atoms.map((atom) => atom.rows))
    const [{ lines, marks, codes: dots, share }] = drawPlanes(circles, 2, codes[2]!) as [
      ReturnType<typeof drawPlanes>[0],
    ]
    expect(share).toBeCloseTo(1, 12)
    // A closed curve around a mean that is nearly 0, of the planted radius.
    const ring = lines[0]!.points
    expect(ring.at(-1)![0]).toBeCloseTo(ring[0]![0], 12)
    for (const [x, y] of ring) expect(Math.abs(Math.hypot(x, y) - 1)).toBeLessThan(0.1)
    expect(marks.map(({ at }) => at)).toEqual(
      [0, 24, 48, 72].map((i) => [...ring[i]!].map((x) => expect.closeTo(x, 12))),
    )
    expect(dots.length).toBe(Math.min(300, circles.atoms[2]!.rows))
    const amount = codes[2]!.amounts[0]!
    const phase = codes[2]!.coordinates[0]![0]!
    const [near] = drawPlanes(circles, 2, { amounts: Float64Array.of(1), coordinates: [Float64Array.of(phase)] })
    expect(dots[0]).toEqual([...near!.codes[0]!].map((x) => expect.closeTo(x * amount, 12)))
  })

  test('a torus has grid lines along both phases, in two planes', async () => {
    const torus = await one([{ topology: 'torus', harmonics: 1 }], (t, u) => [
      ...circle(t),
      ...circle(u).map((x) => x / 2),
    ])
    const planes = drawPlanes(torus, 0, codesByAtom(torus)[0]!)
    expect(planes).toHaveLength(2)
    for (const { lines } of planes) {
      expect(lines.map(({ family }) => family)).toEqual([...new Array(12).fill(0), ...new Array(12).fill(1)])
    }
    expect(planes[0]!.share + planes[1]!.share).toBeGreaterThan(0.99)
    // No amounts with this gate: two planes, two phases.
    expect(read(torus).all.filter(({ name }) => name === 'figcaption')).toHaveLength(4)
  })

  test('a line is a segment, a patch a grid, a point bars', async () => {
    const line = await one(['linear'], (t) => [4 * t, 1, 0, 0])
    const [drawn] = drawPlanes(line, 0, codesByAtom(line)[0]!)
    expect(drawn!.marks.map(({ label }) => label)).toEqual(['−2 sd', '+2 sd'])
    const [from, to] = drawn!.marks.map(({ at }) => at[0])
    // ±2 standard deviations of a uniform coordinate over 4.
    expect(Math.abs(to! - from!)).toBeCloseTo((4 * 4) / Math.sqrt(12), 0)
    const patch = await one([{ topology: 'patch', dimension: 2 }], (t, u) => [4 * t, 3 * u, t * u, 0])
    expect(drawPlanes(patch, 0, codesByAtom(patch)[0]!)[0]!.lines).toHaveLength(26)
    const point = await one(['constant', 'constant'], (t) => (t < 0.5 ? [1, 2, 3, 4] : [-2, 0, 1, 0]))
    expect(read(point).html).toContain('id="atom-1-point-title"')
  })
})

const browser = findBrowser()

test.skipIf(browser === undefined)(
  'a browser shows it as it is meant, and finds nothing to complain about',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headwater-dictionary-page-'))
    try {
      const file = join(folder, 'report.html')
      writeFileSync(file, dictionaryPage(circles, 'planted.npy'))
      await browse(browser!, async (open) => {
        const opened = await open(pathToFileURL(file).href)
        expect(opened.messages).toEqual([])
        expect(opened.requests).toHaveLength(1)
        const looked = (await opened.evaluate(LOOK)) as Looked
        expect(looked.sizes).toHaveLength(1 + 3 * 6)
        expect(Math.min(...looked.sizes)).toBeGreaterThan(100)
        expect(looked.overlaps).toEqual([])
        expect(looked.color).toBe('26px')
        expect(looked.wide).toBeLessThanOrEqual(1080)
      })
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    }
  },
)
