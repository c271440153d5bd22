/** All charts of a report: which numbers go into each, which tables belong to it, what it tells. */
import { basinsChart } from './charts/basins.ts'
import { contributionsChart } from './charts/contributions.ts'
import { errorComparisonChart } from './charts/error-comparison.ts'
import { explainedVariationChart } from './charts/explained-variation.ts'
import { fingerprintChart } from './charts/fingerprint.ts'
import { observedPredictedChart } from './charts/observed-predicted.ts'
import { profilesChart } from './charts/profiles.ts'
import { residualsChart } from './charts/residuals.ts'
import { sampleFitChart } from './charts/sample-fit.ts'
import { speciesFitChart } from './charts/species-fit.ts'
import { startsChart } from './charts/starts.ts'
import type { Content } from './content.ts'
import { estimationInWords, shownLevels, type Estimation } from './error-estimation.ts'
import type { TableName } from './tables.ts'
import { GAP } from './words.ts'

/** A chart in its place. */
export interface Chart {
  /** Name of the file, and prefix of the ids. */
  name: string
  title: string
  /** What to look for, in a sentence or two. */
  caption: string
  /** What else is to be known, a sentence each. */
  notes?: readonly string[]
  tables: readonly TableName[]
  svg: string
}

/** Draws all charts. */
export function drawCharts(content: Content): Chart[] {
  const { model, analysis, standardErrors, factors, species, units, unit, samples, axis, doubts, factorDoubts } =
    content
  const chart = (name: string, title: string, caption: string, tables: readonly TableName[], svg: string): Chart => ({
    name,
    title,
    caption,
    tables,
    svg,
  })
  const ratios = analysis.samples.map(({ qOverExpected }) => qOverExpected ?? NaN)
  const percent = analysis.percentOfSpecies
  return [
    chart(
      'profiles',
      'Factor profiles',
      `What each source is made of. Bars: concentration of each species at the mean contribution of the factor (logarithmic)${standardErrors ? ', with one standard error to either side' : ''}. Dots: how much of all of that species the factor holds. A species with a high dot marks the source.`,
      ['profiles', 'profiles_percent', ...(standardErrors ? (['profile_errors', 'factor_totals'] as const) : [])],
      profilesChart({
        ...{ factors, species, unit, profiles: model.profiles, percent, factorDoubts, doubts },
        errors: standardErrors?.profiles,
      }),
    ),
    ...(content.estimation ? [errorComparison(content, content.estimation)] : []),
    chart(
      'fingerprint',
      'Fingerprint',
      'How every species is shared out to the factors.',
      ['profiles_percent'],
      fingerprintChart({ factors, species, percent, doubts }),
    ),
    chart(
      'contributions',
      axis.times ? 'Contributions over time' : 'Contributions by sample',
      'When each source was active, relative to its own mean (dashed line at 1). Lines are interrupted at long gaps between samples.',
      ['contributions', ...(standardErrors ? (['contribution_errors'] as const) : [])],
      contributionsChart({ factors, contributions: model.contributions, axis, doubts }),
    ),
    chart(
      'explained-variation',
      'Explained variation',
      'Which share of the weighted variation of each species every factor explains. A large last column means that the factors do not explain the species.',
      ['explained_variation'],
      explainedVariationChart({
        factors,
        species,
        explained: analysis.explainedVariation,
        unexplained: analysis.unexplainedVariation,
        doubts,
      }),
    ),
    chart(
      'starts',
      'Q and certificate of every start',
      'Every start is one complete fit from another point. Above: where it ended. Below: how much lower Q could still get from there, by three estimates that must all be small before a start counts as converged.',
      ['starts'],
      startsChart({ starts: model.starts, chosen: model.start, limit: GAP * model.certificate.unit, doubts }),
    ),
    chart(
      'basins',
      'Minima found',
      'Converged starts that ended at the same Q with the same profiles share a minimum. Many starts in the lowest one speak for it; many minima with nearly the same Q mean that the data do not decide between different solutions.',
      ['basins'],
      basinsChart({ basins: model.basins, chosen: model.start, doubts }),
    ),
    chart(
      'residuals',
      'Scaled residuals',
      'If the uncertainties are right, the bars follow the curve. Wider bars: uncertainties too small, or factors missing. Narrower: uncertainties too large.',
      ['large_residuals', 'scaled_residuals', 'residuals'],
      residualsChart({ histogram: content.histogram, doubts }),
    ),
    chart(
      'species-fit',
      'Q over expected Q, by species',
      'Where the misfit sits. Above 2 a species is not well explained; consider more factors, larger uncertainties, or to make it weak.',
      ['species_fit'],
      speciesFitChart({ species: analysis.species, doubts }),
    ),
    chart(
      'sample-fit',
      'Q over expected Q, by sample',
      'When the misfit occurred: peaks are events that the factors do not describe.',
      ['sample_fit'],
      sampleFitChart({ samples, ratios, axis, doubts }),
    ),
    chart(
      'observed-predicted',
      'Observed against predicted',
      'Dots on the dashed line are predicted exactly. A flat fitted line means that high values are not reproduced.',
      ['species_fit'],
      observedPredictedChart({
        species: analysis.species.map((one, j) => ({ ...one, unit: units[j] })),
        observed: content.data.values,
        residuals: analysis.residuals,
        doubts,
      }),
    ),
  ]
}

function errorComparison({ factors, species, unit, doubts }: Content, estimation: Estimation): Chart {
  const { summary, bootstrap, displacement, bootstrapDisplacement } = estimation
  const levels = shownLevels(summary)
  return {
    name: 'error-comparison',
    title: 'Error estimation',
    caption:
      'How well each profile element is known, by every method that was run. Standard errors (Laplace) assume that Q is a parabola; the bootstrap (BS) shows what other samples might have given; displacement (DISP) shows how far an element can be moved before Q rises. Where they agree, the interval can be relied on; where displacement is much wider, the factors can be rotated.',
    notes: estimationInWords(estimation),
    tables: [
      'error_summary',
      ...(bootstrap ? (['bootstrap_mapping'] as const) : []),
      ...(displacement ? (['displacement_swaps'] as const) : []),
      ...(bootstrapDisplacement ? (['bs_disp_swaps'] as const) : []),
    ],
    svg: errorComparisonChart({
      ...{ factors, species, unit, doubts, elements: summary.elements },
      displacementLevel: levels.displacement,
      bootstrapDisplacementLevel: levels.bootstrapDisplacement,
    }),
  }
}
