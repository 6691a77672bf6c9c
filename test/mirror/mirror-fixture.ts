import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import type { Server, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { RegistryMirror, type RegistryMirrorOptions } from '../../src/mirror/registry-mirror.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { TestNodes } from '../support/nodes.ts'

export const registry = 'reg.example'

/** A node with a mirror before it, both of which end with the test. */
export async function mirrorOf(
  nodes: TestNodes,
  origin: { readonly url: string },
  options: { swarm?: Swarm; node?: SwarmOptions; mirror?: Partial<RegistryMirrorOptions> } = {},
): Promise<{ mirror: RegistryMirror; swarm: Swarm }> {
  const swarm = options.swarm ?? (await nodes.start([], options.node))
  const mirror = nodes.use(
    new RegistryMirror(swarm, {
      upstreams: { [registry]: { url: origin.url, insecure: true } },
      listen: '127.0.0.1:0',
      credentials: 'anonymous',
      ...options.mirror,
    }),
  )
  await mirror.start()
  return { mirror, swarm }
}

/** What a server says to bytes that no HTTP library would send, until it closes the connection or `enough` of an answer is here. */
export async function rawExchange(url: string, bytes: string | Uint8Array, enough: (answer: string) => boolean = () => false): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
  let answer = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
    if (enough(answer)) socket.destroy()
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await closed
  return answer
}

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** Of an OCI error body. */
  readonly code: string | undefined
}

/** Sends a request as it stands, which no HTTP library would do, and closes the connection behind it. */
export async function ask(url: string, target: string, options: { method?: string; headers?: string; host?: string } = {}): Promise<RawAnswer> {
  const { method = 'GET', headers = '', host = `host: ${new URL(url).host}\r\n` } = options
  const bytes = Buffer.from(`${method} ${target} HTTP/1.1\r\n${host}${headers}connection: close\r\n\r\n`, 'latin1')
  return parseAnswer(await rawExchange(url, bytes))
}

export function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [, ...lines] = head.split('\r\n')
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  const body = rest.join('\r\n\r\n')
  const code = /^\{"errors":\[\{"code":"([A-Z_]+)","message":"[^"]/.exec(body)?.[1]
  return { status: statusOf(text), headers, body, code }
}

/** A store that lists what its backend is asked. */
export async function watchedStore(nodes: TestNodes): Promise<{ store: PieceStore; asked: string[] }> {
  const asked: string[] = []
  const backend = new Proxy<StorageBackend>(memoryBackend(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        asked.push(String(name))
        return Reflect.apply(value, target, args)
      }
    },
  })
  return { store: nodes.use(await PieceStore.open(backend)), asked }
}

interface Served {
  readonly socket: Socket
  readonly server: Server
  readonly response: ServerResponse
}

/** The server's side of requests that come to a URL from now on. */
export function watchServer(url: string): { readonly requests: readonly Served[] } & Disposable {
  const requests: Served[] = []
  const onStart = (message: unknown): void => {
    const served = message as Served
    const address = served.server.address()
    if (typeof address === 'object' && String(address?.port) === new URL(url).port) requests.push(served)
  }
  const started = channel('http.server.request.start')
  started.subscribe(onStart)
  return {
    requests,
    [Symbol.dispose]() {
      started.unsubscribe(onStart)
    },
  }
}

/** Resolves in the turn of the event loop in which something has come to hold; a test that waits in vain ends all the same. */
export async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000
  while (!holds()) {
    assert.ok(performance.now() < endMs, `in vain: ${holds.toString()}`)
    await new Promise(setImmediate)
  }
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}
