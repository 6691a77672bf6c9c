import type { Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import type { ManifestResolver } from '../oci/manifest-resolver.ts'
import { oneChunk } from '../oci/one-chunk.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { BlobHandler } from './blob-handler.ts'
import type { CallerAccess } from './caller-access.ts'
import { parseDistributionPath, type DistributionRequest } from './distribution-path.ts'
import { refusalAnswer, refusalOf } from './error-answer.ts'
import { healthAnswer } from './health.ts'
import { LoopGuard } from './loop-guard.ts'
import { ManifestHandler, type Place } from './manifest-handler.ts'
import { jsonAnswer, type MirrorAnswer, type MirrorRequest } from './mirror-answer.ts'
import { Refusal } from './refusal.ts'
import { ServedImages } from './served-images.ts'
import type { Upstream, Upstreams } from './upstreams.ts'

type Asked = Exclude<DistributionRequest, { kind: 'base' }>

/** An engine that waits longer than this, in milliseconds, for anything but a blob is better off with its next host. */
const patienceMs = 10_000

/** What a mirror's answers come from. */
export interface MirrorHandlerInit {
  readonly swarm: Swarm
  /** How to reach the upstreams as this node. */
  readonly resolver: ManifestResolver
  readonly upstreams: Upstreams
  readonly loops: LoopGuard
  readonly clock: Clock
  /** Asks for each caller what he may have; without it, callers have what this node has. */
  readonly callers?: CallerAccess | undefined
  /** Whether the mirror still takes requests. */
  readonly isOpen: () => boolean
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
    const answer = this.#init.loops.run(request.header(LoopGuard.header), () => this.#answerOnce(request))
    return answer ?? refusalAnswer(new Refusal(404, 'NAME_UNKNOWN', 'mirrors ask each other in a circle'))
  }

  async #answerOnce(request: MirrorRequest): Promise<MirrorAnswer> {
    const refusal = refuse(request)
    if (refusal) return refusalAnswer(refusal)
    const health = await healthAnswer(request, this.#init)
    if (health) return health
    if (!this.#init.isOpen()) return refusalAnswer(new Refusal(503, 'UNAVAILABLE', 'the mirror is closing', { connection: 'close' }))
    const parsed = parseDistributionPath(request.target)
    if (parsed instanceof Refusal) return refusalAnswer(parsed)
    const { request: asked, namespace } = parsed
    if (asked.kind === 'base') return this.#inTime(request, (inTime) => this.#baseAnswer(inTime))
    const upstream = this.#init.upstreams.of(asked.repository, namespace)
    if (upstream instanceof Refusal) return refusalAnswer(upstream)
    const answer =
      asked.kind === 'blob'
        ? await this.#admitted(request, asked, upstream, namespace)
        : await this.#inTime(request, (inTime) => this.#admitted(inTime, asked, upstream, namespace))
    return namespace === undefined ? answer : { ...answer, headers: { ...answer.headers, 'oci-namespace': namespace } }
  }

  /** What comes too late is as good as a failure. */
  async #inTime(request: MirrorRequest, answer: (inTime: MirrorRequest) => Promise<MirrorAnswer>): Promise<MirrorAnswer> {
    const late = new AbortController()
    const reason = new OriginError('ERR_ORIGIN_TIMEOUT', `no answer came within ${patienceMs / 1000} s`)
    const cancel = this.#init.clock.after(patienceMs, () => late.abort(reason))
    try {
      return await answer({ ...request, signal: AbortSignal.any([request.signal, late.signal]) })
    } catch (error) {
      if (request.signal.aborted || !late.signal.aborted) throw error
      return refusalAnswer(refusalOf(reason, 'NAME_UNKNOWN'))
    } finally {
      cancel()
    }
  }

  async #baseAnswer(request: MirrorRequest): Promise<MirrorAnswer> {
    const { upstreams, callers } = this.#init
    const door = upstreams.default === undefined ? undefined : await callers?.door(request, upstreams.default)
    return door ? refusalAnswer(door) : baseAnswer()
  }

  async #admitted(request: MirrorRequest, asked: Asked, upstream: Upstream, namespace: string | undefined): Promise<MirrorAnswer> {
    const { callers, resolver } = this.#init
    const admitted = callers ? await callers.admit(request, upstream, pathOf(asked)) : resolver
    if (admitted instanceof Refusal) return refusalAnswer(admitted)
    return this.#answer(request, asked, { ...upstream, resolver: admitted }, namespace)
  }

  #answer(request: MirrorRequest, asked: Asked, place: Place, namespace: string | undefined): Promise<MirrorAnswer> {
    switch (asked.kind) {
      case 'manifest':
        return this.#manifests.answer(request, place, asked.name)
      case 'blob':
        return this.#blobs.answer(request, place, asked.digest)
      default:
        return this.#passThrough(request, place, asked.rest, namespace)
    }
  }

  /** What only the registry knows, and knows anew each time. */
  async #passThrough(request: MirrorRequest, { registry, repository, resolver }: Place, rest: string, namespace: string | undefined): Promise<MirrorAnswer> {
    try {
      const { bytes, mediaType, nextPage, filters } = await resolver.registries.client(registry).document(repository, rest, request)
      return {
        status: 200,
        headers: {
          'content-type': mediaType ?? 'application/json',
          'content-length': String(bytes.byteLength),
          ...(filters !== undefined && { 'oci-filters-applied': filters }),
          ...(nextPage !== undefined && { link: `<${nextTarget(request.target, nextPage, namespace)}>; rel="next"` }),
        },
        body: oneChunk(bytes),
      }
    } catch (error) {
      if (request.signal.aborted) throw error
      return refusalAnswer(refusalOf(error, 'NAME_UNKNOWN'))
    }
  }
}

/** The path that the client asked, and the registry it named: some look at the path of a link only, and resolve nothing. */
function nextTarget(target: string, nextPage: string, namespace: string | undefined): string {
  const [path] = target.split('?', 1)
  const query = new URLSearchParams(nextPage)
  query.delete('ns')
  if (namespace !== undefined) query.set('ns', namespace)
  return `${path}?${query.toString()}`
}

/** As it stands below `/v2/<repository>/`. */
function pathOf(asked: Asked): string {
  switch (asked.kind) {
    case 'manifest':
      return `manifests/${'tag' in asked.name ? asked.name.tag : asked.name.digest}`
    case 'blob':
      return `blobs/${asked.digest}`
    default:
      return asked.rest
  }
}

/** Requests that are not answered whatever they ask for. */
function refuse({ method, header }: MirrorRequest): Refusal | undefined {
  // Browsers say where a script comes from; container engines are no scripts.
  if (header('origin') !== undefined || header('access-control-request-method') !== undefined) {
    return new Refusal(403, 'DENIED', 'this mirror serves container engines, not web pages')
  }
  if (method !== 'GET' && method !== 'HEAD') return new Refusal(405, 'UNSUPPORTED', 'this mirror is read-only', { allow: 'GET, HEAD' })
  return undefined
}

function baseAnswer(): MirrorAnswer {
  return jsonAnswer(200, '{}', { 'docker-distribution-api-version': 'registry/2.0' })
}
