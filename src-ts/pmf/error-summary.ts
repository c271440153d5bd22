/** All that is known about the errors of the profiles, element by element, from every method that was run. */
import type { BootstrapDisplacement, BootstrapDisplacementInterval } from './bootstrap-displacement.ts'
import type { Bootstrap } from './bootstrap.ts'
import type { Displacement, DisplacementInterval } from './displacement.ts'
import type { Factorization } from './factorization.ts'
import { factorNames } from './solution.ts'
import type { StandardErrors } from './standard-errors.ts'
import { InvalidInputError, type InputProblem } from '../errors.ts'

/** Standard errors to either side that hold 95 % of a normal distribution. */
export const NORMAL_95 = 1.96

/** What {@link summarizeErrors} takes, all of one model; what was not computed is left out. */
export interface ErrorEstimates {
  standardErrors?: StandardErrors | undefined
  bootstrap?: Bootstrap | undefined
  displacement?: Displacement | undefined
  bootstrapDisplacement?: BootstrapDisplacement | undefined
}

/** One profile element. NaN (`null` in JSON) stands for what is not known. */
export interface ElementErrors {
  /** 0-based. */
  factor: number
  factorName: string
  species: string
  /** 0-based column of the species. */
  column: number
  /** Value in the model. */
  base: number
  /** Absent if standard errors were not computed. `lower` and `upper` are base ∓ 1.96 standard errors. */
  laplace?: { standardError: number; sandwichError: number; lower: number; upper: number; weakZero?: true }
  /** Over the `count` resamples in which the factor is mapped; absent if the bootstrap did not report the element. */
  bootstrap?: {
    count: number
    mean: number
    deviation: number
    q5: number
    q25: number
    median: number
    q75: number
    q95: number
  }
  /** One per level; absent if the element was not displaced. */
  displacement?: DisplacementInterval[]
  /** One per level; absent if the element was not displaced in resamples. */
  bootstrapDisplacement?: BootstrapDisplacementInterval[]
}

/** How factors kept their identity; absent where the method was not run. */
export interface FactorErrors {
  /** 0-based. */
  factor: number
  factorName: string
  /** Resamples of the bootstrap with and without a factor of theirs for it, one to one. */
  bootstrap?: { mapped: number; unmapped: number }
  /** Per level: ends of displacements at which it had exchanged its identity. */
  displacementSwaps?: { level: number; count: number }[]
}

/** What {@link summarizeErrors} returns. Plain data. */
export interface ErrorSummary {
  /** In the order of the model. */
  factors: FactorErrors[]
  /** Every element, factor by factor. */
  elements: ElementErrors[]
  /** Levels of the displacement. */
  displacementLevels: number[]
  /** What its levels were multiplied by. */
  displacementLevelFactor: number
  /** Levels of the displacement in resamples. */
  bootstrapDisplacementLevels: number[]
  /** Methods that were stopped before their end: what is there of them is of what was done. */
  incomplete: ('bootstrap' | 'displacement' | 'bootstrapDisplacement')[]
  /** Q of the base around which elements were displaced; present if a refit had found it below the model's. */
  displacementBaseQ?: number
}

/**
 * Puts the results of all methods side by side. Nothing is computed but base ∓ 1.96 standard errors.
 *
 * @param model the model that they are errors of
 * @throws InvalidInputError `shape-mismatch` where an estimate is of a model of another shape or other species
 * @example
 * ```ts
 * const standardErrors = await model.standardErrors()
 * const bootstrap = await model.bootstrap({ runs: 100 })
 * const displacement = await model.displacement()
 * const { elements } = summarizeErrors(model, { standardErrors, bootstrap, displacement })
 * ```
 */
export function summarizeErrors(
  model: Pick<Factorization, 'factors' | 'profiles' | 'data'>,
  estimates: ErrorEstimates,
): ErrorSummary {
  const { standardErrors, bootstrap, displacement, bootstrapDisplacement } = estimates
  refuseOthers(model, estimates)
  const { species } = model.data
  const names = model.profiles.rowNames ?? factorNames(model.factors)
  const place = (factor: number, column: number): number => factor * species.length + column
  const displaced = new Map(displacement?.elements.map((one) => [place(one.factor, one.column), one.levels]))
  const inResamples = new Map(bootstrapDisplacement?.elements.map((one) => [place(one.factor, one.column), one.levels]))
  const weak = new Set(standardErrors?.weakZeros.map((one) => place(one.factor, one.species)))
  const elements = names.flatMap((factorName, factor) =>
    species.map((name, column): ElementErrors => {
      const base = model.profiles.get(factor, column)
      const [levels, resampled] = [displaced.get(place(factor, column)), inResamples.get(place(factor, column))]
      return {
        ...{ factor, factorName, species: name, column, base },
        ...(standardErrors && { laplace: laplaceOf(standardErrors, base, factor, column, weak) }),
        ...(bootstrap &&
          !Number.isNaN(bootstrap.statistics.count.get(factor, column)) && {
            bootstrap: bootstrapOf(bootstrap, factor, column),
          }),
        ...(levels && { displacement: levels.slice() }),
        ...(resampled && { bootstrapDisplacement: resampled.slice() }),
      }
    }),
  )
  const parts = { bootstrap, displacement, bootstrapDisplacement }
  return {
    factors: names.map((factorName, factor) => ({
      ...{ factor, factorName },
      ...(bootstrap && {
        bootstrap: { mapped: bootstrap.mapping[factor]!.mapped, unmapped: bootstrap.mapping[factor]!.unmapped },
      }),
      ...(displacement && {
        displacementSwaps: displacement.swaps.map(({ level, counts }) => ({ level, count: counts[factor]! })),
      }),
    })),
    elements,
    displacementLevels: displacement?.levels.slice() ?? [],
    displacementLevelFactor: displacement?.levelFactor ?? 1,
    bootstrapDisplacementLevels: bootstrapDisplacement?.levels.slice() ?? [],
    incomplete: (Object.keys(parts) as (keyof typeof parts)[]).filter((name) => parts[name]?.status === 'aborted'),
    ...(displacement?.base && { displacementBaseQ: displacement.base.q }),
  }
}

function laplaceOf(
  errors: StandardErrors,
  base: number,
  factor: number,
  column: number,
  weak: ReadonlySet<number>,
): NonNullable<ElementErrors['laplace']> {
  const standardError = errors.profiles.get(factor, column)
  return {
    standardError,
    sandwichError: errors.profilesSandwich.get(factor, column),
    lower: base - NORMAL_95 * standardError,
    upper: base + NORMAL_95 * standardError,
    ...(weak.has(factor * errors.profiles.cols + column) ? { weakZero: true } : {}),
  }
}

function bootstrapOf(
  { statistics }: Bootstrap,
  factor: number,
  column: number,
): NonNullable<ElementErrors['bootstrap']> {
  const { count, mean, deviation, quantiles } = statistics
  return {
    count: count.get(factor, column),
    mean: mean.get(factor, column),
    deviation: deviation.get(factor, column),
    q5: quantiles['5'].get(factor, column),
    q25: quantiles['25'].get(factor, column),
    median: quantiles['50'].get(factor, column),
    q75: quantiles['75'].get(factor, column),
    q95: quantiles['95'].get(factor, column),
  }
}

/** Errors of another model beside these profiles would look plausible and be wrong. */
function refuseOthers(
  { factors, profiles, data }: Pick<Factorization, 'factors' | 'profiles' | 'data'>,
  { standardErrors, bootstrap, displacement, bootstrapDisplacement }: ErrorEstimates,
): void {
  const problems: InputProblem[] = []
  const shape = (name: string, rows: number, cols: number): void => {
    if (rows === factors && cols === profiles.cols) return
    const message = `${name} is of ${rows} × ${cols} profiles, the model has ${factors} × ${profiles.cols}`
    problems.push({ code: 'shape-mismatch', name, message })
  }
  if (standardErrors) shape('standardErrors', standardErrors.profiles.rows, standardErrors.profiles.cols)
  if (bootstrap) shape('bootstrap', bootstrap.mapping.length, bootstrap.statistics.mean.cols)
  for (const [name, of] of Object.entries({ displacement, bootstrapDisplacement })) {
    const other = of?.elements.find(({ factor, species }) => factor >= factors || !data.species.includes(species))
    if (other === undefined) continue
    const message = `${name} has an element that the model lacks: factor ${other.factor}, ${other.species}`
    problems.push({ code: 'shape-mismatch', name, message })
  }
  if (displacement && displacement.swaps.some(({ counts }) => counts.length !== factors)) {
    const message = `displacement is of another number of factors than ${factors}`
    problems.push({ code: 'shape-mismatch', name: 'displacement', message })
  }
  if (problems.length > 0) throw InvalidInputError.ofAll(problems)
}
