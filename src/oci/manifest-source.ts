import { maxManifestBytes } from '../core/descriptor.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import { DigestMismatchError, OriginError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import { printReference, type Reference } from '../core/reference.ts'
import { parseManifest, type ImageIndex, type ImageManifest } from './image-manifest.ts'
import type { CachedManifest, ManifestCache } from './manifest-cache.ts'
import type { Registries } from './registries.ts'
import { registryOrigin } from './registry-origin.ts'
import type { TryOptions } from './wait-options.ts'

/**
 * A manifest or an index that is wanted by its digest.
 * @public
 */
export interface WantedManifest {
  readonly digest: Digest
  /** In bytes, where it is known; at most 4 MiB in any case. */
  readonly size?: number | undefined
  readonly mediaType?: string | undefined
  readonly origin: Origin
}

/**
 * Gets a manifest from somewhere else than its registry. What it gives is checked.
 * @public
 */
export type FetchManifest = (manifest: WantedManifest, options: AbortOptions) => Promise<Uint8Array>

/** How to get a manifest. */
export interface ManifestOptions extends AbortOptions {
  readonly fetch?: FetchManifest | undefined
}

/** A manifest or an index that has been read. */
export interface ManifestDocument extends CachedManifest {
  readonly digest: Digest
  readonly parsed: ImageManifest | ImageIndex
}

interface FoundManifest extends CachedManifest {
  /** What its giver says that it is, where he says. */
  readonly mediaType?: string | undefined
}

/** Finds manifests: those of tags at their registry, each time; those of digests once, wherever they are. */
export class ManifestSource {
  readonly #registries: Registries
  readonly #cache: ManifestCache

  constructor(registries: Registries, cache: ManifestCache) {
    this.#registries = registries
    this.#cache = cache
  }

  /** Asks the registry, and nobody else, what a tag is now. */
  async byTag(reference: Reference, { signal, once }: TryOptions): Promise<ManifestDocument> {
    const { registry, repository, tag = 'latest' } = reference
    try {
      const client = this.#registries.client(registry)
      const answer = await client.manifest(repository, tag, { signal, once })
      const { digest, bytes, mediaType, usedCredentials } = answer
      const parsed = parseManifest(bytes, mediaType)
      this.#cache.set(digest, { bytes, usedCredentials })
      return { digest, bytes, usedCredentials, parsed }
    } catch (error) {
      if (!(error instanceof OriginError) || !error.retryable) throw error
      const { code, message, status, retryAfterMs } = error
      throw new OriginError(
        code,
        `cannot find out what ${printReference(reference)} is: ${message}; ` +
          'a reference with a digest (repository@sha256:…) needs no registry, if peers have it',
        { cause: error, status, retryAfterMs },
      )
    }
  }

  /** Looks in the cache, then asks whoever is to be asked. */
  async byDigest(
    reference: Reference,
    wanted: Omit<WantedManifest, 'origin'>,
    options: ManifestOptions,
  ): Promise<ManifestDocument> {
    const { digest, size } = wanted
    if (size !== undefined && size > maxManifestBytes) throw badSize(digest, size)
    const cached = this.#cache.get(digest)
    const found: FoundManifest =
      cached && digestOf(cached.bytes) === digest
        ? cached
        : await this.#fetch(reference, wanted, options)
    const { bytes, usedCredentials, mediaType = wanted.mediaType } = found
    if (size !== undefined && bytes.byteLength !== size) throw badSize(digest, size)
    const parsed = parseManifest(bytes, mediaType)
    this.#cache.set(digest, { bytes, usedCredentials })
    return { digest, bytes, usedCredentials, parsed }
  }

  async #fetch(
    reference: Reference,
    wanted: Omit<WantedManifest, 'origin'>,
    { fetch, signal }: ManifestOptions,
  ): Promise<FoundManifest> {
    const { digest } = wanted
    const registries = this.#registries
    if (!fetch) {
      const { registry, repository } = reference
      return registries.client(registry).manifest(repository, digest, { signal })
    }
    let usedCredentials = false
    const inner = registryOrigin({ reference, digest, kind: 'manifest', registries })
    const origin: Origin = {
      name: inner.name,
      hosts: inner.hosts,
      async read(range, options) {
        const body = await inner.read(range, options)
        usedCredentials ||= body.usedCredentials
        return body
      },
    }
    const bytes = await fetch({ ...wanted, origin }, { signal })
    const actual = digestOf(bytes)
    if (actual !== digest) throw new DigestMismatchError(digest, actual)
    return { bytes, usedCredentials }
  }
}

function badSize(digest: Digest, size: number): OriginError {
  return new OriginError(
    'ERR_ORIGIN_SIZE',
    `the manifest ${digest} has not the ${size} bytes that its index says, or too many`,
  )
}
