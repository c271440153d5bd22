/** One of every kind of optimiser, made to be compared with another of the same kind. */
import {
  Adafactor,
  AdamW,
  KronPsgd,
  Lion,
  Muon,
  Sgd,
  type Optimizer,
  type RealArray,
  type StepInput,
  type Tensors,
} from '../../src-ts/optim/index.ts'

export interface Method {
  name: string
  make: () => Optimizer
  hvp?: StepInput['hvp']
}

export const METHODS: readonly Method[] = [
  { name: 'Sgd', make: () => new Sgd({ lr: 0.1 }) },
  { name: 'Sgd, Nesterov', make: () => new Sgd({ lr: 0.1, momentum: 0.9, nesterov: true }) },
  { name: 'Sgd, sampling', make: () => new Sgd({ lr: 0.1, temperature: 0.01, seed: 3 }) },
  { name: 'AdamW', make: () => new AdamW({ lr: 0.01, clipNorm: 5 }) },
  { name: 'AdamW, per part', make: () => new AdamW({ lr: 0.01, secondMoment: 'perPart' }) },
  {
    name: 'AdamW, sampling',
    make: () => new AdamW({ lr: 0.01, beta1: 0, beta2: 0.9, temperature: 0.01, metricCap: 10 }),
  },
  { name: 'Lion', make: () => new Lion({ lr: 0.01 }) },
  { name: 'Muon', make: () => new Muon({ lr: 0.01, scale: 'rms', restRate: 0.1 }) },
  { name: 'Adafactor', make: () => new Adafactor({ beta1: 0.5 }) },
  { name: 'KronPsgd', make: () => new KronPsgd({ lr: 0.01, updates: 0.4 }) },
  { name: 'KronPsgd, EQ', make: () => new KronPsgd({ lr: 0.01, geometry: 'EQ', updates: 1, whitenMomentum: true }) },
  { name: 'KronPsgd, Newton', make: () => new KronPsgd({ lr: 0.1, mode: 'newton', updates: 0.5, updateCap: 1 }), hvp },
]

/** A diagonal Hessian. */
function hvp(v: Readonly<Record<string, RealArray>>): Tensors {
  return Object.fromEntries(
    Object.entries(v).map(([name, x]) => [name, x.map((y, k) => y * (1 + k / 10)) as RealArray]),
  )
}
