// A table that is never in memory as a whole: St Louis, line by line from its files, in batches of 60 samples. Then the same
// rows as a stream that passes by only once.
//   node examples/stream.ts
import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Dataset, factorize, factorizeStream, Matrix, score, type Batch } from 'headwater'

const folder = new URL('data/', import.meta.url)
const files = ['Dataset-StLouis-con.csv', 'Dataset-StLouis-unc.csv'].map((name) => new URL(name, folder).pathname)

/** Lines of a file as fields. */
async function* fields(file: string): AsyncGenerator<string[]> {
  for await (const line of createInterface({ input: createReadStream(file) })) yield line.split(',')
}

/** Both files side by side, `size` samples at a time. */
async function* batches(size: number): AsyncGenerator<Batch> {
  const [concentrations, uncertainties] = [fields(files[0]!), fields(files[1]!)]
  const [header] = [(await concentrations.next()).value as string[], await uncertainties.next()]
  const species = header.slice(1)
  let batch = { values: [] as number[][], uncertainties: [] as number[][] }
  for await (const [, ...row] of concentrations) {
    const [, ...errors] = (await uncertainties.next()).value as string[]
    batch.values.push(row.map(Number))
    batch.uncertainties.push(errors.map(Number))
    if (batch.values.length === size) {
      yield { ...batch, species }
      batch = { values: [], uncertainties: [] }
    }
  }
  if (batch.values.length > 0) yield { ...batch, species }
}

const options = { factors: 6, sample: 300, seed: 1 }
const fit = await factorizeStream(() => batches(60), options)
console.log(`${fit.rows} samples in batches: ${fit.status}, Q ${fit.q!.toFixed(4)} after ${fit.passes.length} passes`)
for (const { proof, q, accepted } of fit.passes) {
  console.log(
    `  Q ${q.toFixed(4).padStart(12)}  ${proof ? 'certificate' : accepted ? 'lower' : 'not lower: a shorter step is next'}`,
  )
}
const data = await Dataset.read(files[0]!, files[1]!)
const model = await factorize(data, { factors: 6, seed: 1 })
console.log(
  `the same table in memory: ${model.status}, Q ${model.q.toFixed(4)}, the lowest of ${model.basins.length} minima`,
)
assert.equal(fit.status, 'converged')
assert.ok(model.basins.some(({ q }) => Math.abs(q - fit.q!) < 1e-6 * q))

// A stream that passes by once: what is learnt from one look at every row, and what the first 200 rows alone would say.
const live = await factorizeStream(batches(10), { ...options, sample: 200 })
const beginning = {
  values: rows(data.values, 200),
  uncertainties: rows(data.uncertainties, 200),
  species: data.species,
}
const first = await factorize(beginning, { factors: 6, seed: 1 })
const [learnt, alone] = [(await score(data, live.profiles)).q, (await score(data, first.profiles)).q]
console.log(`one look: ${live.status}, ${live.learnt!.rows} rows learnt from`)
console.log(
  `  Q of the whole table ${learnt.toFixed(1)} with these profiles, ${alone.toFixed(1)} with those of the first 200 rows`,
)
assert.deepEqual([live.status, live.q], ['budget', undefined])
assert.ok(fit.q! < learnt && learnt < alone)

function rows(of: Matrix, count: number): Matrix {
  return new Matrix(count, of.cols, of.data.slice(0, count * of.cols))
}
