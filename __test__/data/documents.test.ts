import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkOptions } from '../../src-ts/data/options.ts'

test('the options of the document and of the source comment are options', () => {
  for (const path of ['../../docs/data.md', '../../src-ts/data/options.ts']) {
    const text = readFileSync(new URL(path, import.meta.url), 'utf8').replace(/^ \* ?/gm, '')
    const example = /```json\n([^]*?)```/.exec(text)![1]!
    const options = JSON.parse(example) as object
    expect(Object.keys(options)).toHaveLength(10)
    checkOptions(options, 'read')
  }
})
