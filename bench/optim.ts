// What other programs need for an optimiser's step, one thread each: Kron-PSGD by rlx-optim, kron-torch and psgd-torch, AdamW by
// PyTorch and rlx-optim beside what memory gives. A peer that cannot be had here is left out with its reason.
//   node bench/optim.ts
import { machine, seconds } from './common.ts'
import { runRlx } from './peers/rlx/rlx.ts'
import { runTorch } from './peers/torch/torch.ts'

console.log(machine())
const sizes = [128, 256, 512] as const
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
