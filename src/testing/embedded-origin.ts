import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { sleep, systemClock, type Clock } from '../core/clock.ts'
import { mediaTypes } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { OriginGate, type OriginAuth } from './origin-auth.ts'
import { OriginFaults, type OriginFault } from './origin-fault.ts'
import { reply, sendResource, type Resource } from './origin-response.ts'
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
  /** Of the client: equal for requests on one connection. */
  readonly port: number | undefined
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
  addManifest(
    repository: string,
    tag: string | undefined,
    bytes: Uint8Array,
    mediaType: string,
  ): Digest
  /** Misbehaves at paths that match or contain `path`. Returns what ends it. */
  fault(path: string | RegExp, fault: OriginFault): () => void
  /** How many requests it has answered. */
  requests(): RequestCounts
  /** The last thousand requests, the newest last. */
  seen(): readonly SeenRequest[]
  /** Bytes of bodies that were handed to sockets, of one blob or manifest or of everything. */
  bytesSent(digest?: Digest): number
  /** Breaks all connections. */
  close(): Promise<void>
}

const seenLength = 1000

/**
 * Starts a registry on 127.0.0.1 that counts what it sends and misbehaves on demand.
 *
 * @example
 * ```ts
 * import { embeddedOrigin, testImage } from 'damselfly/testing'
 *
 * await using origin = await embeddedOrigin()
 * testImage({ seed: 1, layerSizes: [1_000_000] }).addTo(origin, 'team/app', '1.0')
 * ```
 * @public
 */
export async function embeddedOrigin(options: EmbeddedOriginOptions = {}): Promise<EmbeddedOrigin> {
  const registry = new EmbeddedRegistry(options)
  await registry.listen(options.port ?? 0)
  return registry
}

class EmbeddedRegistry implements EmbeddedOrigin {
  readonly #clock: Clock
  readonly #gate: OriginGate | undefined
  readonly #server: Server
  readonly #faults = new OriginFaults()
  /** Blobs by digest, manifests by repository and tag or digest. */
  readonly #resources = new Map<string, Resource>()
  readonly #seen: SeenRequest[] = []
  readonly #sentBytes = new Map<string, number>()
  readonly #counts = { total: 0, manifests: 0, blobs: 0, tokens: 0 }
  readonly #closed = new AbortController()
  #host = ''

  constructor({ auth, clock = systemClock }: EmbeddedOriginOptions) {
    this.#clock = clock
    this.#gate = auth && new OriginGate(auth, clock)
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    this.#host = `127.0.0.1:${typeof address === 'object' ? address?.port : port}`
  }

  get host(): string {
    return this.#host
  }

  get url(): string {
    return `http://${this.#host}`
  }

  addBlob(blob: Uint8Array | BlobContent): Digest {
    const content = blob instanceof Uint8Array ? contentOf(blob) : blob
    this.#resources.set(content.digest, { content, mediaType: mediaTypes.octetStream })
    return content.digest
  }

  addManifest(
    repository: string,
    tag: string | undefined,
    bytes: Uint8Array,
    mediaType: string,
  ): Digest {
    const resource = { content: contentOf(bytes), mediaType }
    for (const name of [tag, resource.content.digest]) {
      if (name) this.#resources.set(`${repository}/${name}`, resource)
    }
    return resource.content.digest
  }

  fault(path: string | RegExp, fault: OriginFault): () => void {
    return this.#faults.add(path, fault)
  }

  requests(): RequestCounts {
    return { ...this.#counts }
  }

  seen(): readonly SeenRequest[] {
    return this.#seen.slice()
  }

  bytesSent(digest?: Digest): number {
    if (digest) return this.#sentBytes.get(digest) ?? 0
    return [...this.#sentBytes.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  close(): Promise<void> {
    this.#closed.abort()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = request
    const { remotePort: port } = request.socket
    const gone = new AbortController()
    response.on('close', () => {
      gone.abort()
      this.#seen.push({ method, path, headers, status: response.statusCode, port })
      if (this.#seen.length > seenLength) this.#seen.shift()
    })
    const signal = AbortSignal.any([gone.signal, this.#closed.signal])
    this.#answer(request, response, signal).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://origin')
    const fault = this.#faults.take(pathname)
    this.#counts.total++
    if (fault.delayMs !== undefined) await sleep(this.#clock, fault.delayMs, signal)
    for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value)
    if (fault.redirectTo !== undefined) {
      return reply(response, 307, '', { location: fault.redirectTo })
    }
    if (fault.status !== undefined) return reply(response, fault.status, fault.body ?? '')
    if (pathname === '/token') {
      this.#counts.tokens++
      return this.#giveToken(request, response, searchParams)
    }
    if (pathname === '/v2/') return reply(response, 200, '{}')
    const [, repository = '', kind, name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    const isManifest = kind === 'manifests'
    if (kind !== undefined) this.#counts[isManifest ? 'manifests' : 'blobs']++
    if (this.#gate && !this.#gate.admits(repository, request.headers.authorization)) {
      const challenge = this.#gate.challenge(this.url, repository)
      return reply(response, 401, errorBody('UNAUTHORIZED'), { 'www-authenticate': challenge })
    }
    const resource = this.#resources.get(isManifest ? `${repository}/${name}` : name)
    if (!resource) {
      return reply(response, 404, errorBody(isManifest ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN'))
    }
    const { digest } = resource.content
    const sent = (bytes: number): void => {
      this.#sentBytes.set(digest, this.bytesSent(digest) + bytes)
    }
    await sendResource(request, response, resource, { fault, clock: this.#clock, signal, sent })
  }

  async #giveToken(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
  ): Promise<void> {
    const form = request.method === 'POST' ? new URLSearchParams(await text(request)) : query
    const answer = this.#gate?.token(request.headers.authorization, form)
    reply(response, answer?.status ?? 404, answer?.body ?? '', {
      'content-type': 'application/json',
    })
  }
}

function errorBody(code: string): string {
  return JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] })
}
