/** What the misfit of a cell costs: least squares, or a robust loss that limits the pull of outliers. */
import type { NativeObjective } from '#native'
import type { Checker } from '../validate.ts'

/** A robust loss. With t = |value − prediction| / uncertainty, the fit minimises the sum of ρ(t) over the cells. */
export type Loss =
  /** Huber: ρ = t² up to α, 2αt − α² beyond. PMF programs use α = 4. */
  | { alpha: number }
  /** Student's t with this many degrees of freedom ν: ρ = (ν + 1) ln(1 + t²/ν). */
  | { student: number }

/** How a robust fit is asked for: `true` (Huber with α = 4), α itself, or a {@link Loss}; `false` is least squares. */
export type Robust = boolean | number | Loss

/** α of PMF programs. */
export const USUAL_ALPHA = 4

/** The option `robust`, checked; `undefined` if it is absent or not usable, `false` if least squares are asked for. */
export function readRobust(check: Checker): Loss | false | undefined {
  const value = check.take('robust')
  if (value === undefined || value === false) return value
  if (value === true) return { alpha: USUAL_ALPHA }
  if (typeof value === 'number') {
    if (Number.isFinite(value) && value > 0) return { alpha: value }
    check.problem('option-out-of-range', 'robust', `robust: α must be a positive finite number, got ${value}`)
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const wanted = 'true, a positive number α, { alpha } or { student: degrees of freedom }'
    check.problem('option-not-valid', 'robust', `robust must be ${wanted}, got ${JSON.stringify(value)}`)
    return undefined
  }
  return check.nested('robust', (inner) => {
    const [alpha, student] = [inner.positive('alpha'), inner.positive('student')]
    const given = ['alpha', 'student'].filter((name) => (value as Record<string, unknown>)[name] !== undefined)
    if (given.length === 2) check.problem('options-conflict', 'robust', 'robust takes alpha or student, not both')
    if (given.length === 0) check.problem('option-missing', 'robust', 'robust: { } needs alpha, or student')
    return student === undefined ? (alpha === undefined ? undefined : { alpha }) : { student }
  })
}

/** What the addon takes. */
export function toObjective(loss: Loss | undefined, censored: Uint8Array | undefined): NativeObjective {
  return {
    ...(loss && 'alpha' in loss ? { huber: loss.alpha } : {}),
    ...(loss && 'student' in loss ? { student: loss.student } : {}),
    ...(censored ? { censored } : {}),
  }
}

/** The loss in words, for results. */
export function lossInWords(loss: Loss): string {
  return 'alpha' in loss
    ? `Huber loss with α = ${loss.alpha}`
    : `Student's t with ${loss.student} degree${loss.student === 1 ? '' : 's'} of freedom`
}
