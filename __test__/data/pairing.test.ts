import { expect, test } from 'vitest'
import { problemsOf, read } from './files.ts'

test('samples and species in another order are paired by label', async () => {
  const data = await read('d,A,B\nx,1,2\ny,3,4\n', 'd,B,A\ny,0.4,0.3\nx,0.2,0.1\n')
  expect([...data.uncertainties.data]).toEqual([0.1, 0.2, 0.3, 0.4])
  expect(data.treatment.pairing).toEqual({ samples: 'label', species: 'label' })
})

test('labels that repeat are paired by position where they agree', async () => {
  const data = await read('d,A\nx,1\nx,2\n', 'd,A\nx,0.1\nx,0.2\n')
  expect([...data.uncertainties.data]).toEqual([0.1, 0.2])
  expect(data.treatment.pairing!.samples).toBe('position')
})

test('labels that repeat and do not agree are refused, since any pairing would be a guess', async () => {
  const problems = await problemsOf(read('d,A\nx,1\nx,2\ny,3\n', 'd,A\ny,3\nx,1\nx,2\n'))
  expect(problems.map((p) => [p.code, p.line])).toEqual([['samples-do-not-match', 3], ['samples-do-not-match', 4]]) // prettier-ignore
})

test('a sample or species of one file that the other lacks is named, with the likely spelling', async () => {
  const samples = await problemsOf(read('d,A\nx,1\ny,2\n', 'd,A\nx,1\nz,2\n'))
  expect(samples).toMatchObject([
    { code: 'samples-do-not-match', line: 3, value: 'y' },
    { line: 3, value: 'z' },
  ])
  const species = await problemsOf(read('d,Zinc\nx,1\ny,2\n', 'd,zinc\nx,1\ny,2\n'))
  expect(species[0]).toMatchObject({
    code: 'species-do-not-match',
    column: 2,
    header: 'Zinc',
    hint: 'did you mean "zinc"?',
  })
})

test('a sample more in one file than in the other is refused', async () => {
  expect((await problemsOf(read('d,A\nx,1\ny,2\nz,3\n', 'd,A\nx,1\ny,2\n')))[0]).toMatchObject({ line: 4, value: 'z' })
})

test('the same dates in two layouts are the same samples', async () => {
  const data = await read('d,A\n6/22/2001,1\n6/23/2001,2\n', 'd,A\n2001-06-22,0.1\n2001-06-23,0.2\n')
  expect(data.treatment.pairing!.samples).toBe('position')
  expect([...data.uncertainties.data]).toEqual([0.1, 0.2])
})
