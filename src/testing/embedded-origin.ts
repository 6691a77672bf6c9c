import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ByteRange } from '../core/byte-range.ts'
import { sleep, systemClock, type Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { OriginGate, type OriginAuth } from './origin-auth.ts'
import { OriginFaults, type OriginFault } from './origin-fault.ts'
import { contentOf, type BlobContent } from './seeded-content.ts'

/**
 * Settings of {@link embeddedOrigin}.
 * @public
 */
export interface EmbeddedOriginOptions {
  /** @defaultValue anybody may pull */
  auth?: OriginAuth | undefined
  /** TCP port; 0 takes a free one. @defaultValue `0` */
  port?: number | undefined
  /** For delays, slow bodies and the life of tokens. @defaultValue the machine's clock */
  clock?: Clock | undefined
}

/**
 * A request as an origin saw it.
 * @public
 */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly status: number
}

/**
 * How often an origin was asked.
 * @public
 */
export interface RequestCounts {
  readonly total: number
  readonly manifests: number
  readonly blobs: number
  readonly tokens: number
}

/**
 * A pull-only registry in this process.
 * @public
 */
export interface EmbeddedOrigin extends AsyncDisposable {
  /** `http://127.0.0.1:40001` */
  readonly url: string
  /** `127.0.0.1:40001`, to begin references with. */
  readonly host: string
  /** Keeps a blob for all repositories. */
  addBlob(blob: Uint8Array | BlobContent): Digest
  /** Keeps a manifest by its digest, and under a tag where one is given; the tag may be there already. */
  addManifest(repository: string, tag: string | undefined, bytes: Uint8Array, mediaType: string): Digest
  /** Misbehaves at paths that match or contain `path`. Returns what ends it. */
  fault(path: string | RegExp, fault: OriginFault): () => void
  requests(): RequestCounts
  /** The last thousand requests, the newest last. */
  seen(): readonly SeenRequest[]
  /** Bytes of bodies that were handed to sockets, of one blob or manifest or of everything. */
  bytesSent(digest?: Digest): number
  /** Breaks all connections. */
  close(): Promise<void>
}

const stepBytes = 256 * 1024
const seenLength = 1000

interface Resource {
  readonly content: BlobContent
  readonly mediaType: string
}

/**
 * Starts a registry on 127.0.0.1 that counts what it sends and misbehaves on demand.
 *
 * @example
 * ```ts
 * await using origin = await embeddedOrigin()
 * testImage({ seed: 1, layerSizes: [1_000_000] }).addTo(origin, 'team/app', '1.0')
 * ```
 * @public
 */
export async function embeddedOrigin(options: EmbeddedOriginOptions = {}): Promise<EmbeddedOrigin> {
  const { auth, port = 0, clock = systemClock } = options
  const gate = auth && new OriginGate(auth, clock)
  const faults = new OriginFaults()
  const resources = new Map<string, Resource>()
  const seen: SeenRequest[] = []
  const sentBytes = new Map<string, number>()
  const counts = { total: 0, manifests: 0, blobs: 0, tokens: 0 }
  let url = ''

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://origin')
    const fault = faults.take(pathname)
    counts.total++
    if (fault.delayMs !== undefined) await sleep(clock, fault.delayMs)
    for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value)
    if (fault.redirectTo !== undefined) return reply(response, 307, '', { location: fault.redirectTo })
    if (fault.status !== undefined) return reply(response, fault.status, fault.body ?? '')
    if (pathname === '/token') {
      counts.tokens++
      const form = request.method === 'POST' ? new URLSearchParams(await bodyText(request)) : searchParams
      const answer = gate?.token(request.headers.authorization, form) ?? { status: 404, body: '' }
      return reply(response, answer.status, answer.body, { 'content-type': 'application/json' })
    }
    const [, repository = '', kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    if (kind === 'manifests') counts.manifests++
    if (kind === 'blobs') counts.blobs++
    if (gate && !gate.admits(repository, request.headers.authorization)) {
      return reply(response, 401, errorBody('UNAUTHORIZED'), { 'www-authenticate': gate.challenge(url, repository) })
    }
    if (pathname === '/v2/') return reply(response, 200, '{}')
    const resource = resources.get(kind === 'manifests' ? `${repository}/${name}` : name)
    if (!resource) return reply(response, 404, errorBody(kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN'))
    await send(request, response, resource, fault)
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    { content, mediaType }: Resource,
    fault: OriginFault,
  ): Promise<void> {
    const { digest, sizeBytes } = content
    const etag = response.getHeader('etag') ?? `"${digest}"`
    const range = fault.ignoreRange ? undefined : askedRange(request, sizeBytes, etag)
    if (range === 'unsatisfiable') return reply(response, 416, '', { 'content-range': `bytes */${sizeBytes}` })
    const { offset, length } = range ?? { offset: 0, length: sizeBytes }
    const headers = {
      'accept-ranges': 'bytes',
      'content-length': length + (fault.extraBytes ?? 0),
      'content-type': mediaType,
      'docker-content-digest': digest,
      etag,
      ...(range && { 'content-range': `bytes ${offset}-${offset + length - 1}/${sizeBytes}` }),
    }
    for (const [name, value] of Object.entries(headers)) if (!response.hasHeader(name)) response.setHeader(name, value)
    response.writeHead(range ? 206 : 200)
    if (request.method === 'HEAD') return void response.end()
    response.flushHeaders()
    const paceBytes = fault.bytesPerSecond ?? stepBytes
    const stop = Math.min(length + (fault.extraBytes ?? 0), fault.cutAfterBytes ?? Number.POSITIVE_INFINITY)
    for (let done = 0; done < stop; ) {
      const step = Math.min(stepBytes, paceBytes, stop - done)
      const bytes = bodyBytes(content, offset + done, step, fault)
      if (!(await write(response, bytes))) return
      sentBytes.set(digest, (sentBytes.get(digest) ?? 0) + step)
      done += step
      if (fault.bytesPerSecond !== undefined) await sleep(clock, 1000)
    }
    if (fault.cutAfterBytes === undefined) response.end()
    else response.destroy()
  }

  const server = createServer((request, response) => {
    response.on('close', () => {
      const { method = '', url: path = '', headers } = request
      seen.push({ method, path, headers, status: response.statusCode })
      if (seen.length > seenLength) seen.shift()
    })
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })
  const host = `127.0.0.1:${addressOf(server.address()).port}`
  url = `http://${host}`

  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    url,
    host,
    addBlob(blob) {
      const content = blob instanceof Uint8Array ? contentOf(blob) : blob
      resources.set(content.digest, { content, mediaType: 'application/octet-stream' })
      return content.digest
    },
    addManifest(repository, tag, bytes, mediaType) {
      const resource = { content: contentOf(bytes), mediaType }
      for (const name of [tag, resource.content.digest]) if (name) resources.set(`${repository}/${name}`, resource)
      return resource.content.digest
    },
    fault: (path, fault) => faults.add(path, fault),
    requests: () => ({ ...counts }),
    seen: () => seen.slice(),
    bytesSent: (digest) =>
      digest ? (sentBytes.get(digest) ?? 0) : [...sentBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The one range that is asked for; none when there is no such header, it is not of that simple form, or `If-Range` does not hold. */
function askedRange(
  request: IncomingMessage,
  sizeBytes: number,
  etag: unknown,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  if (!match || (condition !== undefined && condition !== etag)) return undefined
  const offset = Number(match[1])
  const end = match[2] ? Math.min(Number(match[2]) + 1, sizeBytes) : sizeBytes
  return offset < end ? { offset, length: end - offset } : 'unsatisfiable'
}

function bodyBytes(content: BlobContent, offset: number, length: number, fault: OriginFault): Uint8Array {
  const inside = Math.max(Math.min(length, content.sizeBytes - offset), 0)
  const bytes = content.read({ offset, length: inside })
  const padded = inside === length ? bytes : Buffer.concat([bytes], length)
  return fault.wrongBytes ? padded.map((byte) => byte ^ 0xff) : padded
}

/** Resolves when the bytes are with the kernel: true, or false when the client has gone. */
function write(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false)
    response.write(bytes, (error) => resolve(!error))
  })
}

function reply(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  for (const [name, value] of Object.entries(headers)) if (!response.hasHeader(name)) response.setHeader(name, value)
  response.writeHead(status).end(body)
}

function errorBody(code: string): string {
  return JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] })
}

async function bodyText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk).slice(0, 65_536)
  return text
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new TypeError('the server listens on no TCP port')
  return address
}
