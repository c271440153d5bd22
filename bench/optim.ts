// An optimiser's step, one thread each: Kron-PSGD of this package beside rlx-optim, kron-torch and psgd-torch, AdamW beside
// PyTorch and rlx-optim and what memory gives. A peer that cannot be had here is left out with its reason.
//   node bench/optim.ts
import { AdamW, KronPsgd, type Optimizer } from '../src-ts/optim/index.ts'
import { machine, seconds } from './common.ts'
import { runRlx } from './peers/rlx/rlx.ts'
import { runTorch } from './peers/torch/torch.ts'

console.log(machine())
const sizes = [128, 256, 512] as const

/** Seconds of CPU of each of some steps in f32, by `wall` clock where the step is longer than the counter's ticks. */
function steps(optimizer: Optimizer, shape: number[], count: number): number[] {
  const size = shape.reduce((product, axis) => product * axis, 1)
  const params = { w: { data: new Float32Array(size).fill(0.1), shape } }
  const grads = { w: Float32Array.from({ length: size }, (_, k) => Math.sin(0.37 * k + 1)) }
  optimizer.step(params, grads)
  return Array.from({ length: count }, () => {
    const before = process.cpuUsage()
    optimizer.step(params, grads)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6
  })
}
const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!
const mean = (times: number[]): number => times.reduce((sum, time) => sum + time, 0) / times.length

console.log('headwater:')
for (const n of sizes) {
  const runs = n === 512 ? 15 : 40
  const apply = median(steps(new KronPsgd({ updates: 1e-9 }), [n, n], runs))
  const scheduled = mean(steps(new KronPsgd({ updates: 0.03 }), [n, n], 102))
  const full = (['EQ', 'Q0.5EQ1.5'] as const).map((geometry) => median(steps(new KronPsgd({ geometry, updates: 1 }), [n, n], runs))) // prettier-ignore
  console.log(
    `  ${n} × ${n}: ${seconds(apply)} a step without update, ${seconds(scheduled)} at p = 0.03, ` +
      `${seconds(full[0]!)} with an EQ update, ${seconds(full[1]!)} with one of Q0.5EQ1.5`,
  )
}
console.log(`  AdamW, 1e7 parameters: ${seconds(median(steps(new AdamW(), [1e7], 15)))}`)
const rlx = runRlx([...sizes.map((n) => `kron-${n}` as const), 'adamw-10000000'])
if ('skipped' in rlx) console.log(`rlx-optim left out: ${rlx.skipped}`)
else {
  for (const n of sizes)
    console.log(`Kron-PSGD step, ${n} × ${n}, ${rlx.version}: ${seconds(rlx.cases[`kron-${n}`].median)}`)
}
const torch = runTorch([
  'triad',
  'adamw-10000000',
  ...sizes.flatMap((n) => [`kron-torch-${n}`, `kron-torch-${n}-full`, `psgd-torch-${n}`] as const),
])
if ('skipped' in torch) console.log(`PyTorch's left out: ${torch.skipped}`)
else {
  const { cases, versions } = torch
  for (const n of sizes) {
    const [scheduled, full, psgd] = [cases[`kron-torch-${n}`], cases[`kron-torch-${n}-full`], cases[`psgd-torch-${n}`]]
    console.log(
      `  ${n} × ${n}: kron-torch ${versions['kron-torch']} ${seconds(scheduled.median)} a step at p = 0.03, ` +
        `${seconds(full.median)} with update; psgd-torch ${versions['psgd-torch']} EQ update ${seconds(psgd.update.median)}, apply ${seconds(psgd.apply.median)}`,
    )
  }
  const { bytes, fused, default: loop } = cases['adamw-10000000']
  const bound = bytes / cases.triad.bytesPerSecond
  console.log(
    `AdamW, 1e7 parameters: PyTorch ${versions['torch']} fused ${seconds(fused.median)}, default ${seconds(loop.median)}; ` +
      `${bytes / 1e7} bytes a parameter at the triad's ${(cases.triad.bytesPerSecond / 1e9).toFixed(1)} GB/s: ${seconds(bound)}`,
  )
}
if (!('skipped' in rlx)) console.log(`  ${rlx.version}: ${seconds(rlx.cases['adamw-10000000'].median)}`)
