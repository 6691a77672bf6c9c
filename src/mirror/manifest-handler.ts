import type { Digest } from '../core/digest.ts'
import { repositoryOf, type Reference } from '../core/reference.ts'
import type { ManifestResolver, ResolvedManifest } from '../oci/manifest-resolver.ts'
import { oneChunk } from '../oci/one-chunk.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { refusalAnswer, refusalOf } from './error-answer.ts'
import type { MirrorAnswer, MirrorRequest } from './mirror-answer.ts'
import type { ServedImages } from './served-images.ts'
import type { Upstream } from './upstreams.ts'

/** What answers are made from. */
export interface HandlerInit {
  readonly swarm: Swarm
  readonly served: ServedImages
}

/** Where something is asked for. */
export interface Place extends Upstream {
  /** How to reach its registry, in whose name it may be. */
  readonly resolver: ManifestResolver
}

/** Answers for manifests and indexes, by tag and by digest: as they are, whatever they point to. */
export class ManifestHandler {
  readonly #init: HandlerInit

  constructor(init: HandlerInit) {
    this.#init = init
  }

  async answer(request: MirrorRequest, { resolver, ...upstream }: Place, name: { tag: string } | { digest: Digest }): Promise<MirrorAnswer> {
    const { signal } = request
    const reference: Reference = { ...upstream, ...name }
    try {
      const manifest = await this.#init.swarm.fetchManifest(reference, { resolver, signal, once: true })
      this.#learn(upstream, manifest)
      return manifestAnswer(request, manifest)
    } catch (error) {
      if (signal.aborted) throw error
      return refusalAnswer(refusalOf(error, 'MANIFEST_UNKNOWN'))
    }
  }

  /** The client is about to ask for what the manifest names. */
  #learn(upstream: Upstream, { descriptor, parsed }: ResolvedManifest): void {
    if (parsed.kind === 'index') return
    this.#init.served.learn(repositoryOf(upstream), descriptor.digest, [parsed.config, ...parsed.layers])
  }
}

function manifestAnswer(request: MirrorRequest, { descriptor, bytes }: ResolvedManifest): MirrorAnswer {
  const { digest, mediaType } = descriptor
  const etag = `"${digest}"`
  const validators = { etag, 'docker-content-digest': digest }
  if (matches(request.header('if-none-match'), etag)) return { status: 304, headers: validators }
  return {
    status: 200,
    headers: { ...validators, 'content-type': mediaType, 'content-length': String(bytes.byteLength) },
    body: oneChunk(bytes),
  }
}

/** Weak comparison, as for GET: RFC 9110, section 13.1.2. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
}
