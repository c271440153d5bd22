import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { writeReport } from '../../index.ts'
import { browse, findBrowser, LOOK, type Looked } from './browser.ts'
import { HOSTILE, smallReport } from './model.ts'

const browser = findBrowser()

test.skipIf(browser === undefined)(
  'a browser shows the report as it is meant, and finds nothing to complain about',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headwater-browser-test-'))
    try {
      await writeReport({ directory: join(folder, 'plain'), ...(await smallReport()) })
      const model = { status: 'stalled' as const, warnings: [{ code: 'not-unique', message: 'a continuum of minima' }] }
      const hostile = await smallReport({ species: HOSTILE, dates: false, model })
      await writeReport({ directory: join(folder, 'hostile'), ...hostile, factorNames: [HOSTILE[0]!, HOSTILE[2]!] })
      // The same page with a style and a picture that its policy forbids: the check below must see them.
      const page = readFileSync(join(folder, 'plain', 'report.html'), 'utf8')
      const broken = page.replace('<main>', '<main><p style="color: red">x</p><img src="forbidden.png"/>')
      writeFileSync(join(folder, 'broken.html'), broken)
      await browse(browser!, async (open) => {
        for (const name of ['plain', 'hostile']) {
          const address = pathToFileURL(join(folder, name, 'report.html')).href
          const opened = await open(address)
          expect(opened.messages).toEqual([])
          expect(opened.requests).toEqual([address])
          const looked = (await opened.evaluate(LOOK)) as Looked
          expect(looked.sizes).toHaveLength(10)
          expect(Math.min(...looked.sizes)).toBeGreaterThan(100)
          expect(looked.overlaps).toEqual([])
          // The style sheet was applied, and nothing sticks out to the right.
          expect(looked.color).toBe('26px')
          expect(looked.wide).toBeLessThanOrEqual(1080)
          const png = await opened.screenshot()
          expect(png.subarray(1, 4).toString()).toBe('PNG')
          expect(png.length).toBeGreaterThan(50_000)
        }
        const opened = await open(pathToFileURL(join(folder, 'broken.html')).href)
        const told = opened.messages.join('\n')
        expect(told).toMatch(/style/i)
        expect(told).toMatch(/forbidden\.png/)
      })
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    }
  },
)
