/** Text as HTML and SVG have it. Whatever comes from data or options goes through here. */

/** Attributes of an element; those that are undefined are left out. */
export type Attributes = Record<string, string | number | undefined>

/** Text that no parser takes for markup. Characters that XML does not allow become U+FFFD. */
export function escape(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (found) => ENTITIES[found]!)
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const SHORT = new Set(['path', 'line', 'rect', 'circle'])

/** An element. Attributes are escaped; children are markup already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? coordinate(value) : escape(value!)}"`)
    .join('')
  const inside = children.join('')
  // Browsers do not take <p/> for an empty paragraph.
  return inside === '' && SHORT.has(name) ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`
}

/**
 * A number of a drawing, to a hundredth of a pixel: the same drawing gives the same bytes everywhere.
 * @throws RangeError if it is not finite: nothing can be drawn there
 */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a drawing cannot hold the coordinate ${value}`)
  return String(Math.round(value * 100) / 100 + 0)
}
