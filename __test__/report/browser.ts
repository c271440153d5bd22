/** A browser without a window, driven over its own debugging protocol: no package is needed for it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The program of a browser that is installed here: `HEADWATER_BROWSER`, or one of the usual names. */
export function findBrowser(): string | undefined {
  const names = [
    process.env.HEADWATER_BROWSER,
    'chromium',
    'chromium-browser',
    'google-chrome',
    'chrome',
    'microsoft-edge',
  ]
  const works = (name: string): boolean => spawnSync(name, ['--version'], { timeout: 20_000 }).status === 0
  return names.find((name) => name !== undefined && works(name))
}

/** A page that was opened. */
export interface Opened {
  /** Errors and warnings that the browser wrote to its console, violations of the policy among them. */
  messages: string[]
  /** Addresses that were asked for. */
  requests: string[]
  /** Value of an expression in the page; must be plain data. */
  evaluate: (expression: string) => Promise<unknown>
  /** The whole page as PNG. */
  screenshot: () => Promise<Buffer>
}

interface Message {
  id?: number
  method?: string
  params?: Record<string, never>
  result?: Record<string, never>
  error?: { message: string }
}

/** Opens pages one after the other in one browser, which is ended afterwards. */
export async function browse<T>(
  browser: string,
  work: (open: (url: string) => Promise<Opened>) => Promise<T>,
): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), 'headwater-browser-'))
  const flags = [
    '--headless',
    '--disable-gpu',
    '--no-first-run',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
  ]
  // A sandbox cannot be had as root, which is what containers run as.
  if (process.getuid?.() === 0) flags.push('--no-sandbox')
  const child = spawn(browser, [...flags, '--window-size=1080,1400', 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  try {
    const address = await new Promise<string>((resolve, reject) => {
      let said = ''
      child.stderr.on('data', (text) => {
        said += text
        const found = /DevTools listening on (ws:\S+)/.exec(said)
        if (found) resolve(found[1]!)
      })
      child.once('error', reject)
      child.once('close', () => reject(new Error(`the browser ended: ${said}`)))
    })
    const socket = new WebSocket(address)
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = () => reject(new Error('no connection to the browser'))
    })
    const connection = connect(socket)
    const result = await work((url) => openPage(connection, url))
    socket.close()
    return result
  } finally {
    child.kill()
    await ended
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 })
  }
}

type Connection = ReturnType<typeof connect>

function connect(socket: WebSocket) {
  const waiting = new Map<number, (message: Message) => void>()
  const listeners: ((message: Message) => void)[] = []
  let last = 0
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    if (message.id !== undefined) waiting.get(message.id)?.(message)
    else for (const listener of listeners) listener(message)
  }
  const send = async (method: string, params: object = {}, sessionId?: string): Promise<Record<string, never>> => {
    const id = ++last
    const answer = await new Promise<Message>((resolve) => {
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params, sessionId }))
    })
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`)
    return answer.result!
  }
  return { send, listeners }
}

async function openPage({ send, listeners }: Connection, url: string): Promise<Opened> {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  const call = (method: string, params: object = {}) => send(method, params, sessionId)
  const messages: string[] = []
  const requests: string[] = []
  const loaded = new Promise<void>((resolve) => {
    listeners.push(({ method, params }) => {
      const of: Record<string, any> = params ?? {}
      if (method === 'Page.loadEventFired') resolve()
      if (method === 'Log.entryAdded') messages.push(`${of.entry.level}: ${of.entry.text}`)
      if (method === 'Runtime.exceptionThrown') messages.push(`exception: ${of.exceptionDetails.text}`)
      if (method === 'Runtime.consoleAPICalled') messages.push(`console.${of.type}`)
      if (method === 'Network.requestWillBeSent') requests.push(of.request.url)
    })
  })
  for (const domain of ['Page', 'Log', 'Runtime', 'Network']) await call(`${domain}.enable`)
  await call('Page.navigate', { url })
  await loaded
  const evaluate = async (expression: string): Promise<unknown> => {
    const answer: Record<string, any> = await call('Runtime.evaluate', { expression, returnByValue: true })
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.text)
    return answer.result.value
  }
  const screenshot = async (): Promise<Buffer> => {
    const height = Number(await evaluate('document.documentElement.scrollHeight'))
    const clip = { x: 0, y: 0, width: 1080, height, scale: 1 }
    const shot: Record<string, any> = await call('Page.captureScreenshot', { captureBeyondViewport: true, clip })
    return Buffer.from(shot.data, 'base64')
  }
  return { messages, requests, evaluate, screenshot }
}

/** Size of each drawing, and all pairs of labels of one drawing that lie on each other. */
export const LOOK = `(() => {
  const sizes = [...document.querySelectorAll('svg')].map((svg) => {
    const { width, height } = svg.getBoundingClientRect()
    return Math.min(width, height)
  })
  const overlaps = []
  for (const svg of document.querySelectorAll('svg')) {
    // Slanted labels have upright boxes that overlap although the letters do not.
    const texts = [...svg.querySelectorAll('text')].filter((text) => !text.hasAttribute('transform'))
    const boxes = texts.map((text) => [text.getBoundingClientRect(), text.textContent])
    const frame = svg.getBoundingClientRect()
    for (const [a, one] of boxes) {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.bottom > frame.bottom + 1) overlaps.push('outside: ' + one)
    }
    boxes.forEach(([a, one], k) => boxes.slice(k + 1).forEach(([b, other]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left)
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
      if (across > 2 && down > 4) overlaps.push(one + ' | ' + other)
    }))
  }
  return { sizes, overlaps, wide: document.documentElement.scrollWidth, color: getComputedStyle(document.querySelector('h1')).fontSize }
})()`

/** What {@link LOOK} found. */
export interface Looked {
  sizes: number[]
  overlaps: string[]
  wide: number
  color: string
}
