// A small network learns to read handwritten digits: Kron-PSGD beside AdamW, on the same batches, each under a guard. Each
// run is made a second time, stopped half-way, saved and loaded: it ends with the same bytes.
//   node examples/digits.ts
import assert from 'node:assert/strict'
import { AdamW, cosine, guard, KronPsgd, load, type Optimizer } from 'headwater/optim'
import { evaluate, loadDigits, network, type Network } from './optim/digits-network.ts'

const { train, test } = loadDigits()
const [batch, epochs] = [32, 10]
const perEpoch = Math.floor(train.labels.length / batch)
const steps = epochs * perEpoch

/** The images of a step: a function of its number alone, so that a run that was stopped sees the same ones. */
function batchOf(step: number): number[] {
  const order = Array.from(train.labels.keys())
  let state = Math.floor(step / perEpoch) + 1
  for (let k = order.length - 1; k > 0; k--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const other = Math.floor((state / 2 ** 32) * (k + 1))
    ;[order[k], order[other]] = [order[other]!, order[k]!]
  }
  const at = (step % perEpoch) * batch
  return order.slice(at, at + batch)
}

function learn(optimizer: Optimizer, net: Network, end: number): void {
  while (optimizer.stepCount < end) {
    const { loss, grads } = evaluate(net, train, batchOf(optimizer.stepCount))
    optimizer.step(net, grads, { loss })
  }
}
const bytes = (net: Network): Buffer => Buffer.concat(Object.values(net).map(({ data }) => Buffer.from(data.buffer)))

// For both the best of the rates 0.003, 0.01 and 0.03, by the loss of the training set.
const lr = cosine({ peak: 0.03, steps, warmup: 20 })
const methods = {
  AdamW: () => new AdamW({ lr, weightDecay: 0.01 }),
  KronPsgd: () => new KronPsgd({ lr, weightDecay: 0.01 }),
}
const table = Object.entries(methods).map(([method, make]) => {
  const net = network(32, 1)
  const optimizer = guard(make())
  const began = performance.now()
  learn(optimizer, net, steps)
  const seconds = (performance.now() - began) / 1000

  const again = network(32, 1)
  const stopped = guard(make())
  learn(stopped, again, steps / 2)
  // What goes into a file, beside the parameters. Functions cannot: the schedule is given again.
  const resumed = load(stopped.save(), { options: { lr } })
  learn(resumed, again, steps)
  assert.deepEqual(bytes(again), bytes(net), `${method}: other parameters after save() and load()`)
  assert.deepEqual(resumed.save(), optimizer.save(), `${method}: another state after save() and load()`)

  const [seen, unseen] = [evaluate(net, train), evaluate(net, test)]
  return { method, steps, 'training loss': seen.loss, 'test loss': unseen.loss, 'test accuracy': unseen.accuracy, seconds } // prettier-ignore
})
console.table(table.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? Number(value.toPrecision(3)) : value])))) // prettier-ignore
console.log('stopped, saved, loaded: the same bytes at the end')

for (const row of table) assert.ok(row['test accuracy'] >= 0.96, `${row.method}: ${row['test accuracy']}`)
const [adamw, kron] = table
assert.ok(kron!['training loss'] < adamw!['training loss'] / 5, 'Kron-PSGD fits the training set further')
