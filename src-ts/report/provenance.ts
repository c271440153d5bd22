/** Where the numbers come from and how to get them again. */
import type { Content } from './content.ts'
import { grid, paragraph } from './html.ts'
import { element, escape } from './markup.ts'

/** The block at the end of the page. */
export function provenance({ model, data, command }: Content): string[] {
  const files = [data.treatment.concentrations?.file, data.treatment.uncertainties?.file].filter(
    (file) => file !== undefined,
  )
  const rows: [string, string][] = [
    ['Program', `headwater ${model.headwater}`],
    ['Files', files.length > 0 ? files.join(', ') : 'none: the data came as arrays'],
    ['Values, SHA-256', model.data.sha256.values],
    ['Uncertainties, SHA-256', model.data.sha256.uncertainties],
    ['Factors', String(model.factors)],
    ['Seed', String(model.seed)],
    ['Start reported', String(model.start)],
    ['Options', Object.keys(model.options).length === 0 ? 'all at their defaults' : JSON.stringify(model.options)],
  ]
  return [
    grid(['What', 'Value'], rows, { label: 'Provenance', text: true }),
    paragraph(
      'Digests are over the fitted numbers: row by row, little-endian float64, every missing value as 0x7ff8000000000000.',
      'sub',
    ),
    command === undefined
      ? paragraph(
          `The same data, ${model.factors} factors, seed ${model.seed} and these options give the same numbers again.`,
        )
      : paragraph('To get the same again:') + element('pre', {}, element('code', {}, escape(command))),
  ]
}
