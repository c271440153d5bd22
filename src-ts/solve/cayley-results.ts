/** What the addon says of steps, as what users see. */
import type { NativeCotangents } from '#native'
import { unpackRun } from './packing.ts'
import type { BlockReport, CayleyGradient, CayleyVjpOptions, PropagationReport } from './propagation.ts'

type Vector = Float64Array<ArrayBuffer>

/** States and what they were worth. */
export interface Run {
  report: PropagationReport & BlockReport
  states: Vector
}

/** The reports of the addon, and the states behind them. */
export function runOf(packed: Vector, columns: number): Run {
  const first = unpackRun(packed)
  if (columns === 0) return { report: first.report, states: packed.subarray(first.end) }
  const reports = [first.report]
  let { end } = first
  while (reports.length < columns) {
    const next = unpackRun(packed.subarray(end))
    reports.push(next.report)
    end += next.end
  }
  return { report: { ...worstOf(reports), columns: reports }, states: packed.subarray(end) }
}

/** The numbers of the worst state; products are added up. */
function worstOf(reports: readonly PropagationReport[]): PropagationReport {
  const larger = (a: number, b: number): number => (b <= a ? a : b)
  const farther = (a: number, b: number): number => (Math.abs(b) <= Math.abs(a) ? a : b)
  const length = Math.max(...reports.map(({ residuals }) => residuals.length))
  const energies = reports.map(({ energyDefect }) => energyDefect).filter((defect) => defect !== undefined)
  return {
    steps: Math.min(...reports.map(({ steps }) => steps)),
    converged: reports.every(({ converged }) => converged),
    reason: reports.find(({ converged }) => !converged)?.reason ?? 'rtol',
    residuals: Float64Array.from({ length }, (_, k) => reports.reduce((worst, { residuals }) => larger(worst, residuals[k] ?? 0), 0)), // prettier-ignore
    worstResidual: reports.reduce((worst, report) => larger(worst, report.worstResidual), 0),
    normDefect: reports.reduce((worst, report) => farther(worst, report.normDefect), 0),
    ...(energies.length === 0 ? {} : { energyDefect: energies.reduce(farther, 0) }),
    matvecs: reports.reduce((sum, { matvecs }) => sum + matvecs, 0),
  }
}

/** The gradient that the addon has computed, with what the caller makes of its steps. */
export function gradientOf<P>(
  from: NativeCotangents,
  parameterVjp: CayleyVjpOptions<P>['parameterVjp'],
): CayleyGradient<P> {
  const { psiPlus, psi, dt, weights, fluxes, lambda, forward, adjoint } = from
  return {
    psiPlus,
    psi,
    dt,
    ...(weights === undefined ? {} : { weights }),
    ...(fluxes === undefined ? {} : { fluxes }),
    lambda,
    ...(parameterVjp === undefined ? {} : { parameters: parametersOf(from, parameterVjp) }),
    forward: unpackRun(forward).report,
    adjoint: unpackRun(adjoint).report,
  }
}

function parametersOf<P>(
  { pairs, psi }: NativeCotangents,
  parameterVjp: CayleyVjpOptions<P>['parameterVjp'] & {},
): P[] {
  const width = psi.length
  const count = width === 0 ? 0 : pairs!.length / (2 * width)
  const parameters = new Array<P>(count)
  for (let k = 0; k < count; k++) {
    const at = 2 * k * width
    const [lambda, y] = [pairs!.slice(at, at + width), pairs!.slice(at + width, at + 2 * width)]
    parameters[count - 1 - k] = parameterVjp(y, lambda, count - 1 - k)
  }
  return parameters
}
