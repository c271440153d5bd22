/** What standard errors, bootstrap, displacement and their combination share: the base, and what is to be known of it. */
import type { NativeBase } from '#native'
import type { Checker } from '../validate.ts'
import type { DataSource } from './data.ts'
import type { Factorization } from './factorization.ts'
import { toObjective } from './loss.ts'
import { dropAbsent } from './solution.ts'
import type { Solution, Warning } from './types.ts'

/** What errors are estimated around. */
export type Base = Pick<Solution, 'status' | 'q' | 'degreesOfFreedom' | 'profiles' | 'contributions'>

/** The base with its data, as the addon takes it. */
export function toNativeBase(
  model: Pick<Factorization, 'factors' | 'options' | 'robust' | 'profiles' | 'contributions'>,
  { values, uncertainties, censored }: DataSource,
  threads: number | undefined,
): NativeBase {
  return dropAbsent<NativeBase>({
    values: values.data,
    uncertainties: uncertainties.data,
    rows: values.rows,
    cols: values.cols,
    factors: model.factors,
    contributions: model.contributions.data,
    profiles: model.profiles.data,
    objective: toObjective(model.robust, censored),
    nonnegativeContributions: model.options.nonnegative?.contributions,
    nonnegativeProfiles: model.options.nonnegative?.profiles,
    threads,
  })
}

/** Q/ν of the base; NaN where it is not known. */
export function reducedQ({ q, degreesOfFreedom }: Pick<Base, 'q' | 'degreesOfFreedom'>): number {
  return degreesOfFreedom > 0 ? q / degreesOfFreedom : NaN
}

/** The option `levelScale`, checked: whether levels are multiplied by Q/ν. */
export function readLevelScale(check: Checker, base: Pick<Base, 'q' | 'degreesOfFreedom'>): boolean {
  const scaled = check.oneOf('levelScale', ['none', 'Q/ν']) === 'Q/ν'
  if (scaled && !(reducedQ(base) > 0)) {
    check.problem('option-not-valid', 'levelScale', "levelScale 'Q/ν': Q/ν of this fit is not a positive number")
  }
  return scaled
}

/** Q/ν beyond this, or below its inverse, is far from 1. */
const FAR = 2

/** Warns of a base that is no proven minimum. */
export function warnOfBase({ status }: Pick<Base, 'status'>): Warning[] {
  if (status === 'converged') return []
  const message = `the base is ${status}, not a proven minimum: what is estimated around it may mislead`
  return [{ code: 'base-not-converged', message }]
}

/** Warns of levels that Q/ν makes mean something else than they say. */
export function warnOfScale(base: Pick<Base, 'q' | 'degreesOfFreedom'>, lowest: number, scaled: boolean): Warning[] {
  const ratio = reducedQ(base)
  if (scaled || !(ratio > FAR || ratio < 1 / FAR)) return []
  const sigma = Math.sqrt(lowest / ratio).toPrecision(2)
  const message =
    `Q/ν is ${ratio.toPrecision(3)}: if the uncertainties are off by one factor, ΔQ = ${lowest} is ${sigma} standard ` +
    'errors; scaled levels (levelScale, --level-scale) take that into account'
  return [{ code: 'levels-off-scale', message }]
}
