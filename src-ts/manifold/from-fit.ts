/** From what the addon returns to a dictionary's fields, and to the checks that judge it. */
import type { NativeAtomFacts, NativeCodesOut, NativeDictionaryFit, NativeFitSettings } from '#native'
import { Matrix } from '../matrix.ts'
import type { Timing } from '../pmf/types.ts'
import type { DictionaryCheck, DictionaryCodes, DictionaryFields } from './dictionary-types.ts'
import type { ChosenDictionaryOptions } from './fit.ts'
import { functionsOf, toGate, toShape, type NamedShape } from './shapes.ts'

/** A dictionary's fields. */
export function fromFit(
  found: NativeDictionaryFit,
  asked: number,
  settings: NativeFitSettings,
  options: ChosenDictionaryOptions,
  headwater: string,
  timing: Timing,
): DictionaryFields {
  const columns = found.offset.length
  let at = 0
  const atoms = found.kept.map((index, k) => {
    const shape: NamedShape = [found.topologies[k]!, found.sizes[k]!]
    const functions = functionsOf(shape)
    const decoder = new Matrix(functions, columns, found.decoders.slice(at, at + functions * columns))
    at += functions * columns
    const facts = found.atoms[k]!
    const survives = survivesControls(found, facts)
    return {
      ...{ index, shape: toShape(shape), decoder, ...facts },
      ...(survives === undefined ? {} : { survivesControls: survives }),
    }
  })
  const { criterion, laplaceGap, boundary } = found
  return {
    headwater,
    status: found.status,
    certificate: {
      ...found.evidence,
      betterCodes: found.moved,
      worseFreshCodes: found.missed,
      checks: checksOf(found),
    },
    value: found.value,
    rounds: found.rounds,
    seed: { from: found.seed, ...(found.trial === undefined ? {} : { trial: found.trial }) },
    ...(criterion === undefined
      ? {}
      : { criterion: { value: criterion, ...(laplaceGap === undefined ? {} : { laplaceGap }), boundary } }),
    columns,
    offset: found.offset,
    asked,
    atoms,
    gate: toGate(settings),
    active: found.active,
    beam: settings.beam,
    nonNegative: settings.nonNegative,
    noise: found.noise,
    degrees: found.degrees,
    strengths: {
      entropy: settings.entropy,
      amplitude: [...found.amplitude],
      roughness: [...found.roughness],
      ridge: [...found.ridge],
      ard: [...found.ard],
    },
    codes: toCodes(found.codes, settings.gate),
    train: found.train,
    ...(found.heldOut ? { heldOut: found.heldOut } : {}),
    ...(found.controls ? { controls: found.controls } : {}),
    options,
    timing,
  }
}

/** Codes with an amount for every active atom. */
export function toCodes(from: NativeCodesOut, gate: string): DictionaryCodes {
  const { sizes, atoms, gates, coordinates, amounts } = from
  const rows = sizes.length
  if (gate === 'softmax') {
    return { rows, sizes, atoms, amounts: amounts ?? new Float64Array(0), coordinates, logits: gates }
  }
  const own = gate === 'unit' ? new Float64Array(atoms.length).fill(1) : gates
  return { rows, sizes, atoms, amounts: own, coordinates }
}

/** Largest relative decrement and smallest scaled curvature of a minimum, smallest circular variance of a phase. */
const DECREMENT = 1e-10
const CURVATURE = -1e-8
const SPREAD = 1e-3

/** Whether a claim is worth more a row than any that the controls made; absent without controls. */
function survivesControls(
  { controls }: NativeDictionaryFit,
  { claim, worth, rows }: NativeAtomFacts,
): boolean | undefined {
  if (!controls || worth === undefined) return undefined
  return claim === 'holds' && worth / Math.max(1, rows) > Math.max(0, ...controls.map(({ strongest }) => strongest))
}

function checksOf(found: NativeDictionaryFit): DictionaryCheck[] {
  const { evidence, moved, missed, atoms, boundary, controls } = found
  const out: DictionaryCheck[] = []
  const add = (
    name: DictionaryCheck['name'],
    value: number | undefined,
    threshold: number,
    passed: boolean,
    message: string,
  ): void => {
    const status = value === undefined ? 'unknown' : passed ? 'passed' : 'failed'
    out.push({ name, value: value ?? Number.NaN, threshold, status, message })
  }
  if (atoms.length > 0) {
    const most = DECREMENT * (1 + Math.abs(found.value))
    const { decrement, minCurvature } = evidence
    add('decrement', decrement, most, (decrement ?? Infinity) <= most, 'half the squared Newton decrement')
    const bent = evidence.flat ? 0 : minCurvature
    add('curvature', bent, CURVATURE, (bent ?? -1) >= CURVATURE, 'smallest scaled eigenvalue of the exact Hessian')
  }
  add('better-codes', moved, 0, moved === 0, 'rows that found a better support after the last minimum')
  add('codes-equal-a-fresh-encode', missed, 0, missed === 0, 'rows whose fresh code is worse than the one they have')
  if (found.topologies.some((name) => name !== 'constant')) {
    // Rows that are left open are not known to be wrong.
    const open = found.open
    add('places', open === 0 ? 0 : undefined, 0, true, `rows with a place that is not proved to be the best: ${open}`)
  }
  if (found.criterion !== undefined) {
    add('hyperparameters-inside', boundary.length, 0, boundary.length === 0, 'hyperparameters on a face of their box')
  }
  const worths = atoms.map((atom) => atom.worth)
  if (atoms.length > 0) {
    const least = worths.includes(undefined) ? undefined : Math.min(...(worths as number[]))
    add('worth', least, 0, (least ?? -1) > 0, 'nats that the least useful atom saves')
    const phases = atoms.flatMap((atom) => (atom.claim === 'collapsed' ? [0] : atom.spread))
    if (phases.length > 0) {
      const spread = Math.min(...phases)
      add(
        'spread',
        spread,
        SPREAD,
        atoms.every((atom) => atom.claim !== 'collapsed'),
        'smallest spread of a coordinate',
      )
    }
  }
  if (controls) {
    const claimed = atoms.filter(({ claim }) => claim === 'holds')
    const weaker = claimed.filter((atom) => survivesControls(found, atom) === false).length
    add('controls', weaker, 0, weaker === 0, 'claims that are worth no more a row than those of rows without structure')
  }
  return out
}
