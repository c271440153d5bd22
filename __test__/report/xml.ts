/** A strict reader of markup, for tests: whatever it accepts, every XML parser accepts. */

/** An element that was read. */
export interface Read {
  name: string
  attributes: Record<string, string>
  /** Text directly inside, decoded. */
  text: string
  children: Read[]
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
const TOKEN = /<\?xml [^?]*\?>|<!doctype html>|<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y

/** Reads a document with one root. Throws at the first thing that is not well formed. */
export function readXml(source: string): Read {
  const root: Read = { name: '', attributes: {}, text: '', children: [] }
  const open = [root]
  TOKEN.lastIndex = 0
  for (let at = 0; at < source.length; at = TOKEN.lastIndex) {
    const found = TOKEN.exec(source)
    if (found === null) throw new Error(`not well formed at ${at}: ${source.slice(at, at + 60)}`)
    const [, end, name, attributes, empty, text] = found
    const parent = open.at(-1)!
    if (text !== undefined) {
      if (parent === root && text.trim() !== '') throw new Error(`text outside of the root: ${text}`)
      parent.text += decode(text)
    } else if (name === undefined) continue
    else if (end === '/') {
      if (parent.name !== name || open.length === 1) throw new Error(`</${name}> ends <${parent.name}>`)
      open.pop()
    } else {
      const element: Read = { name, attributes: {}, text: '', children: [] }
      for (const [, key, value] of attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        if (key! in element.attributes) throw new Error(`<${name}> has ${key} twice`)
        element.attributes[key!] = decode(value!)
      }
      parent.children.push(element)
      if (empty !== '/') open.push(element)
    }
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)!.name}> is not closed`)
  if (root.children.length !== 1) throw new Error(`${root.children.length} roots`)
  return root.children[0]!
}

function decode(text: string): string {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) throw new Error('a character that XML does not allow')
  return text.replace(/&([^;&\s]*;?)/g, (all, name: string) => {
    const found = name.endsWith(';') ? ENTITIES[name.slice(0, -1)] : undefined
    if (found === undefined) throw new Error(`unknown entity ${all}`)
    return found
  })
}

/** The element and all below it. */
export function everything(element: Read): Read[] {
  return [element, ...element.children.flatMap(everything)]
}
