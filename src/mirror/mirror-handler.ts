import type { ManifestResolver } from '../oci/manifest-resolver.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { BlobHandler } from './blob-handler.ts'
import { parseDistributionPath } from './distribution-path.ts'
import { refusalAnswer, refusalOf } from './error-answer.ts'
import { ManifestHandler } from './manifest-handler.ts'
import { oneChunk, type MirrorAnswer, type MirrorRequest } from './mirror-answer.ts'
import { Refusal } from './refusal.ts'
import { ServedImages } from './served-images.ts'
import type { Upstreams } from './upstreams.ts'

/** Set on what a mirror asks of another one: a circle of mirrors ends where it began. */
export const loopHeader = 'damselfly-mirrored'

/** What a mirror's answers come from. */
export interface MirrorHandlerInit {
  readonly swarm: Swarm
  readonly resolver: ManifestResolver
  readonly upstreams: Upstreams
}

/** Turns requests of the pull API into answers, whatever server they come in by. */
export class MirrorHandler {
  readonly #init: MirrorHandlerInit
  readonly #manifests: ManifestHandler
  readonly #blobs: BlobHandler

  constructor(init: MirrorHandlerInit) {
    this.#init = init
    const served = new ServedImages()
    this.#manifests = new ManifestHandler({ ...init, served })
    this.#blobs = new BlobHandler({ ...init, served })
  }

  /** Rejects only when the client has gone. */
  async answer(request: MirrorRequest): Promise<MirrorAnswer> {
    const refusal = refuse(request)
    if (refusal) return refusalAnswer(refusal)
    const parsed = parseDistributionPath(request.target)
    if (parsed instanceof Refusal) return refusalAnswer(parsed)
    const { request: asked, namespace } = parsed
    if (asked.kind === 'base') return baseAnswer()
    const upstream = this.#init.upstreams.of(asked.repository, namespace)
    if (upstream instanceof Refusal) return refusalAnswer(upstream)
    const answer = await this.#answer(request, asked, upstream)
    return namespace === undefined ? answer : { ...answer, headers: { ...answer.headers, 'oci-namespace': namespace } }
  }

  #answer(
    request: MirrorRequest,
    asked: Exclude<Exclude<ReturnType<typeof parseDistributionPath>, Refusal>['request'], { kind: 'base' }>,
    upstream: { registry: string; repository: string },
  ): Promise<MirrorAnswer> {
    switch (asked.kind) {
      case 'manifest':
        return this.#manifests.answer(request, upstream, asked.name)
      case 'blob':
        return this.#blobs.answer(request, upstream, asked.digest)
      default:
        return this.#passThrough(request, upstream, asked.rest)
    }
  }

  /** What only the registry knows, and knows anew each time. */
  async #passThrough(request: MirrorRequest, { registry, repository }: { registry: string; repository: string }, rest: string): Promise<MirrorAnswer> {
    try {
      const { bytes, mediaType, nextPage } = await this.#init.resolver.registries.client(registry).document(repository, rest, request)
      return {
        status: 200,
        headers: {
          'content-type': mediaType ?? 'application/json',
          'content-length': String(bytes.byteLength),
          // Relative: the client asks where it asked before.
          ...(nextPage !== undefined && { link: `<?${nextPage}>; rel="next"` }),
        },
        body: oneChunk(bytes),
      }
    } catch (error) {
      if (request.signal.aborted) throw error
      return refusalAnswer(refusalOf(error, 'NAME_UNKNOWN'))
    }
  }
}

/** Requests that are not answered whatever they ask for. */
function refuse({ method, header }: MirrorRequest): Refusal | undefined {
  // Browsers say where a script comes from; container engines are no scripts.
  if (header('origin') !== undefined || header('access-control-request-method') !== undefined) {
    return new Refusal(403, 'DENIED', 'this mirror serves container engines, not web pages')
  }
  if (method !== 'GET' && method !== 'HEAD') return new Refusal(405, 'UNSUPPORTED', 'this mirror is read-only', { allow: 'GET, HEAD' })
  if (header(loopHeader) !== undefined) return new Refusal(404, 'NAME_UNKNOWN', 'mirrors ask each other in a circle')
  return undefined
}

function baseAnswer(): MirrorAnswer {
  const body = Buffer.from('{}')
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'content-length': String(body.byteLength), 'docker-distribution-api-version': 'registry/2.0' },
    body: oneChunk(body),
  }
}
