/** Saved optimisers, opened again. */
import { InvalidInputError } from '../errors.ts'
import { call } from '../solve/backend.ts'
import { readGuard } from './guard.ts'
import { KronPsgd } from './kron-psgd.ts'
import { Adafactor, Muon } from './matrix-methods.ts'
import { AdamW, Lion, Sgd } from './methods.ts'
import { Optimizer } from './optimizer.ts'
import type { GuardOptions, TensorInfo } from './types.ts'

const CLASSES: Readonly<Record<string, new (options: never) => Optimizer>> = {
  Adafactor,
  AdamW,
  KronPsgd,
  Lion,
  Muon,
  Sgd,
}

interface Header {
  optimizer: string
  options: Record<string, unknown>
  guard?: GuardOptions
  tensors: TensorInfo[]
}

/** What a file cannot hold. */
export interface LoadOptions {
  /** Options that were functions (schedules, `onWarning`, matches of groups) must be given again; others may not differ. */
  options?: Readonly<Record<string, unknown>>
  /** Called with the guard's events. */
  onEvent?: GuardOptions['onEvent']
}

/**
 * The optimiser that `save` wrote, with its guard, ready to go on: with the parameters it was saved with, its steps give
 * the same bytes as if it had never stopped.
 *
 * @throws InvalidInputError `state-not-valid` for anything that is not an undamaged file of this version;
 * `function-needed` naming the functions that have to be given again; `options-conflict` for options that differ
 */
export function load(bytes: Uint8Array, { options = {}, onEvent }: LoadOptions = {}): Optimizer {
  if (!(bytes instanceof Uint8Array)) {
    throw new InvalidInputError('state-not-valid', 'load(): the first argument must be a Uint8Array that save() gave')
  }
  const text = call((addon) => addon.stateHeader(bytes)).value
  const header = JSON.parse(new TextDecoder().decode(text), (_, value: unknown) =>
    value === '[infinity]' ? Infinity : value,
  ) as Header
  const Class = CLASSES[header.optimizer]
  if (Class === undefined) {
    throw new InvalidInputError('state-not-valid', `this version of headwater has no optimiser '${header.optimizer}'`)
  }
  const merged: Record<string, unknown> = { ...header.options }
  for (const [name, value] of Object.entries(options)) {
    const saved = header.options[name]
    if (!holdsFunction(saved) && saved !== undefined && JSON.stringify(saved) !== JSON.stringify(value)) {
      const message = `the saved optimiser has ${name} = ${JSON.stringify(saved)}, and ${JSON.stringify(value)} was given`
      throw new InvalidInputError('options-conflict', message, { name, hint: 'leave it out' })
    }
    merged[name] = value
  }
  const missing = Object.keys(merged).filter((name) => holdsFunction(merged[name]))
  // Without them nothing but a call is lost.
  for (const name of missing.filter((name) => name === 'onWarning')) delete merged[name]
  const needed = missing.filter((name) => name !== 'onWarning')
  if (needed.length > 0) {
    const message = `functions cannot be saved; give again: ${needed.join(', ')}`
    throw new InvalidInputError('function-needed', message, { name: needed[0]!, hint: 'load(bytes, { options })' })
  }
  const plain = new Class(merged as never)
  const guarded =
    header.guard === undefined ? plain : new Optimizer(plain.plan, { ...readGuard(header.guard), onEvent })
  guarded.restore(bytes, header.tensors)
  return guarded
}

const holdsFunction = (value: unknown): boolean =>
  value !== undefined && (JSON.stringify(value) ?? '').includes('"[function]"')
