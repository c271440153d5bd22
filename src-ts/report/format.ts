/** Numbers and times as people read them. */

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** 10 to a whole power, such as 10⁻³. */
export function power(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]!)
  return `10${exponent < 0 ? '⁻' : ''}${digits}`
}

/** A number with a few significant digits: 1234.5, 0.0123, 1.2 × 10⁻⁹; a dash where there is none. */
export function number(value: number | undefined, digits = 4): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞'
  if (value === 0) return '0'
  const exponent = Number(value.toExponential(digits - 1).split('e')[1])
  if (exponent < -4 || exponent > 9) {
    const mantissa = Number((value / 10 ** exponent).toPrecision(digits))
    const text = Number.isFinite(mantissa) ? mantissa : Number(value.toExponential(digits - 1).split('e')[0])
    return `${minus(String(text))} × ${power(exponent)}`
  }
  // Digits before the point are never dropped.
  const rounded = exponent >= digits ? value.toFixed(0) : String(Number(value.toPrecision(digits)))
  return minus(rounded)
}

/** A number with as many decimals as asked for. */
export function fixed(value: number | undefined, decimals: number): string {
  if (value === undefined || !Number.isFinite(value)) return number(value)
  const text = value.toFixed(decimals)
  return minus(Number(text) === 0 ? text.replace('-', '') : text)
}

/** Q, with enough decimals to tell two minima apart. */
export function objective(q: number): string {
  return Math.abs(q) >= 1e9 || (q !== 0 && Math.abs(q) < 1e-3) ? number(q, 8) : fixed(q, Math.abs(q) < 1 ? 6 : 3)
}

function minus(text: string): string {
  return text.startsWith('-') ? `−${text.slice(1)}` : text
}

/** A count with its noun: `1 run`, `2 runs`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${value} ${value === 1 ? one : many}`
}

/** Text of at most `length` characters. */
export function shorten(text: string, length: number): string {
  const characters = [...text]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}
