import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { contentOf, type BlobContent } from '../../src/testing/seeded-content.ts'
import type { TestImage } from '../../src/testing/test-image.ts'
import { serveHttp, type ServeOptions, type TestServer } from '../oci/servers.ts'

const stepBytes = 64 * 1024

/** A request as the registry saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** One request that a misbehaviour deals with. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** 1 for the first request that this misbehaviour meets. */
  readonly count: number
  /** What is asked for; `undefined` for a path of which the registry knows nothing. */
  readonly content: BlobContent | undefined
  /** Answers as a good registry does, with this content in place of its own where some is given. */
  serve(content?: BlobContent, headers?: Readonly<Record<string, string>>): void
  /** Likewise, but breaks the connection half-way. */
  serveHalf(content?: BlobContent, headers?: Readonly<Record<string, string>>): void
}

type Resources = Map<string, { readonly content: BlobContent; readonly mediaType: string }>
type Misbehaviour = (visit: Visit) => void

/** A registry that does all as it should but for what a test tells it. */
export class FakeRegistry implements AsyncDisposable {
  readonly #server: TestServer
  readonly #resources: Resources
  readonly #misbehaviours: { path: RegExp; misbehave: Misbehaviour; count: number }[] = []
  readonly seen: SeenRequest[] = []

  private constructor(server: TestServer, resources: Resources) {
    this.#server = server
    this.#resources = resources
  }

  static async open(options: ServeOptions = {}): Promise<FakeRegistry> {
    const resources: Resources = new Map()
    const server = await serveHttp((request, response) => registry.#answer(request, response), options)
    const registry: FakeRegistry = new FakeRegistry(server, resources)
    return registry
  }

  get url(): string {
    return this.#server.url
  }

  get host(): string {
    return this.#server.host
  }

  get connectionCount(): number {
    return this.#server.connectionCount
  }

  /** Requests whose path matches. */
  asked(path: RegExp | string): SeenRequest[] {
    return this.seen.filter((request) => (typeof path === 'string' ? request.path.includes(path) : path.test(request.path)))
  }

  addBlob(content: BlobContent): void {
    this.#resources.set(`blobs/${content.digest}`, { content, mediaType: mediaTypes.octetStream })
  }

  /** Under its digest and a tag. */
  addManifest(tag: string, bytes: Uint8Array, mediaType: string = mediaTypes.ociManifest): void {
    const content = contentOf(bytes)
    for (const name of [tag, content.digest]) this.#resources.set(`manifests/${name}`, { content, mediaType })
  }

  addImage(image: TestImage, tag: string): void {
    for (const { digest } of [image.config, ...image.layers]) {
      const content = image.content(digest)
      if (content) this.addBlob(content)
    }
    this.addManifest(tag, image.manifestBytes)
  }

  /** From now on requests whose path matches are answered like that; what was said last wins. */
  misbehave(path: RegExp | string, misbehave: Misbehaviour): void {
    const pattern = typeof path === 'string' ? new RegExp(path.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)) : path
    this.#misbehaviours.unshift({ path: pattern, misbehave, count: 0 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = request
    this.seen.push({ method, path, headers: { ...headers } })
    response.on('error', () => {})
    const name = /^\/v2\/.+?\/((?:blobs|manifests)\/[^/?]+)/.exec(path)?.[1] ?? ''
    const resource = this.#resources.get(name)
    const serving = (share: number): Visit['serve'] => (content = resource?.content, more = {}) => {
      if (!content) return void response.writeHead(404).end('{"errors":[{"code":"BLOB_UNKNOWN"}]}')
      sendContent(request, response, content, { 'content-type': resource?.mediaType ?? mediaTypes.octetStream, ...more }, share)
    }
    const serve = serving(1)
    const found = this.#misbehaviours.find((entry) => entry.path.test(path))
    if (!found) return serve()
    found.misbehave({ request, response, count: ++found.count, content: resource?.content, serve, serveHalf: serving(0.5) })
  }
}

/** Answers with a content or the range of it that was asked for. */
function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: BlobContent,
  headers: Readonly<Record<string, string>>,
  share: number,
): void {
  const { digest, sizeBytes } = content
  const etag = headers['etag'] ?? `"${digest}"`
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  const isRange = match !== null && (condition === undefined || condition === etag)
  const offset = isRange ? Number(match[1]) : 0
  const end = isRange && match[2] ? Math.min(Number(match[2]) + 1, sizeBytes) : sizeBytes
  response.writeHead(isRange ? 206 : 200, {
    'content-length': String(end - offset),
    'docker-content-digest': digest,
    etag,
    ...(isRange && { 'content-range': `bytes ${offset}-${end - 1}/${sizeBytes}` }),
    ...headers,
  })
  send(response, content, offset, offset + Math.floor((end - offset) * share), () => (share < 1 ? response.destroy() : response.end()))
}

/** Writes bytes of a content, as fast as they are taken. */
export function send(response: ServerResponse, content: BlobContent, offset: number, end: number, done: () => void): void {
  if (offset >= end) return done()
  const length = Math.min(stepBytes, end - offset)
  response.write(content.read({ offset, length }), (error) => {
    if (!error) send(response, content, offset + length, end, done)
  })
}

/** The same content with every bit turned over. */
export function wrongContent(content: BlobContent): BlobContent {
  const { sizeBytes, digest } = content
  return { sizeBytes, digest, read: (range) => content.read(range).map((byte) => ~byte) }
}
