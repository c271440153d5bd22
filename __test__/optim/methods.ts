/** One of every kind of optimiser, made to be compared with another of the same kind. */
import { AdamW, Lion, Sgd, type Optimizer, type StepInput } from '../../src-ts/optim/index.ts'

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
]
