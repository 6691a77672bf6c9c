import { maxManifestBytes, type Descriptor, type Platform } from '../core/descriptor.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import { DigestMismatchError, OriginError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import { parseReference, printReference, type Reference } from '../core/reference.ts'
import { parseManifest, type ImageIndex, type ImageManifest } from './image-manifest.ts'
import { memoryManifestCache, type CachedManifest, type ManifestCache } from './manifest-cache.ts'
import { choosePlatform, nativePlatform, parsePlatform } from './platform.ts'
import { Registries, type RegistriesInit } from './registries.ts'
import { registryOrigin } from './registry-origin.ts'
import type { Layer, ResolvedImage } from './resolved-image.ts'

export type { Layer, ResolvedImage } from './resolved-image.ts'

/** An index may name another one; no deeper. */
const maxIndexDepth = 2

/**
 * Settings of {@link ManifestResolver}.
 * @public
 */
export interface ManifestResolverInit extends RegistriesInit {
  /** @defaultValue 16 MiB in memory */
  cache?: ManifestCache | undefined
}

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
 * Settings of {@link ManifestResolver.resolve}.
 * @public
 */
export interface ResolveOptions extends AbortOptions {
  /** Which image of an index: `linux/arm64/v8`. @defaultValue what this process runs on, with Linux as its system */
  platform?: string | Platform | undefined
  /** Gets what is known by its digest from somewhere else than the registry. What it gives is checked. @defaultValue the registry is asked */
  fetch?: ((manifest: WantedManifest, options: AbortOptions) => Promise<Uint8Array>) | undefined
}

/** What a reference or an index says of a manifest. */
type WantedDigest = Pick<WantedManifest, 'digest' | 'size' | 'mediaType'>

interface FoundManifest extends CachedManifest {
  /** What its giver says that it is, where he says. */
  readonly mediaType?: string | undefined
}

/** A manifest or an index that has been read. */
interface Document extends CachedManifest {
  readonly digest: Digest
  readonly parsed: ImageManifest | ImageIndex
}

/**
 * Turns references into manifests and layers. A tag is asked at its registry, each time; what has a digest is asked once.
 *
 * @example
 * ```ts
 * import { ManifestResolver } from 'damselfly'
 *
 * await using resolver = new ManifestResolver({ registries: { 'localhost:5000': { insecure: true } } })
 * const { digest, layers } = await resolver.resolve('localhost:5000/team/app:1.2', { platform: 'linux/arm64' })
 * console.log(digest, layers.length)
 * ```
 * @public
 */
export class ManifestResolver implements AsyncDisposable {
  readonly #registries: Registries
  readonly #cache: ManifestCache

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when an entry of `registries` cannot be used */
  constructor(init: ManifestResolverInit = {}) {
    this.#registries = new Registries(init)
    this.#cache = init.cache ?? memoryManifestCache()
  }

  /**
   * Finds out what a reference stands for.
   *
   * @throws {@link RequestError} when the reference is malformed, or `ERR_REQUEST_PLATFORM` when there is no image for the platform
   * @throws {@link OriginError} as the registry fails, or `ERR_ORIGIN_TYPE`, `ERR_ORIGIN_SIZE` when what it has is no image
   * @throws {@link DigestMismatchError} when bytes are not those of their digest
   * @throws `signal.reason` when aborted
   * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests}
   */
  async resolve(reference: string | Reference, options: ResolveOptions = {}): Promise<ResolvedImage> {
    options.signal?.throwIfAborted()
    const named = typeof reference === 'string' ? parseReference(reference) : reference
    const wanted = platformOf(options.platform)
    const top = named.digest
      ? await this.#byDigest(named, { digest: named.digest }, options)
      : await this.#byTag(named, options)
    let document = top
    let platform: Platform | undefined
    let { usedCredentials } = top
    for (let depth = 1; document.parsed.kind === 'index'; depth++) {
      if (depth > maxIndexDepth) throw badNesting(named)
      const entry = choosePlatform(document.parsed, wanted)
      platform = entry.platform ?? platform
      document = await this.#byDigest(named, entry, options)
      usedCredentials ||= document.usedCredentials
    }
    const { parsed } = document
    const layerOf = (descriptor: Descriptor): Layer => ({
      ...descriptor,
      origin: this.blobOrigin(named, descriptor.digest, descriptor.size),
    })
    return {
      reference: named,
      digest: top.digest,
      ...(top !== document && { index: { descriptor: describe(top), bytes: top.bytes } }),
      manifest: { descriptor: describe(document), bytes: document.bytes, parsed },
      config: layerOf(parsed.config),
      layers: parsed.layers.map(layerOf),
      platform,
      usedCredentials,
    }
  }

  /** The layers of an image, the base layer first; throws as {@link ManifestResolver.resolve} does. */
  async layers(reference: string | Reference, options: ResolveOptions = {}): Promise<readonly Layer[]> {
    return (await this.resolve(reference, options)).layers
  }

  /**
   * A blob in the repository of a reference, as an origin.
   * @param size - of the blob in bytes, where it is known
   * @throws {@link RequestError} `ERR_REQUEST_NAME` when the reference is malformed
   */
  blobOrigin(reference: string | Reference, digest: Digest, size?: number): Origin {
    return registryOrigin({ reference, digest, size, registries: this.#registries })
  }

  /** Breaks all connections; calls under way reject with `ERR_SWARM_CLOSED`. */
  close(): Promise<void> {
    return this.#registries.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #byTag(reference: Reference, { signal }: AbortOptions): Promise<Document> {
    const { registry, repository, tag = 'latest' } = reference
    try {
      const answer = await this.#registries.client(registry).manifest(repository, tag, { signal })
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

  async #byDigest(reference: Reference, wanted: WantedDigest, options: ResolveOptions): Promise<Document> {
    const { digest, size } = wanted
    if (size !== undefined && size > maxManifestBytes) throw badSize(digest, size)
    const cached = this.#cache.get(digest)
    const found: FoundManifest = cached && digestOf(cached.bytes) === digest ? cached : await this.#fetch(reference, wanted, options)
    const { bytes, usedCredentials, mediaType = wanted.mediaType } = found
    if (size !== undefined && bytes.byteLength !== size) throw badSize(digest, size)
    const parsed = parseManifest(bytes, mediaType)
    this.#cache.set(digest, { bytes, usedCredentials })
    return { digest, bytes, usedCredentials, parsed }
  }

  async #fetch(
    reference: Reference,
    { digest, size, mediaType }: WantedDigest,
    { fetch, signal }: ResolveOptions,
  ): Promise<FoundManifest> {
    const { registry, repository } = reference
    if (!fetch) return this.#registries.client(registry).manifest(repository, digest, { signal })
    let usedCredentials = false
    const origin = registryOrigin({ reference, digest, kind: 'manifest', registries: this.#registries })
    const watched: Origin = {
      name: origin.name,
      async read(range, readOptions) {
        const body = await origin.read(range, readOptions)
        usedCredentials ||= body.usedCredentials
        return body
      },
    }
    const bytes = await fetch({ digest, size, mediaType, origin: watched }, { signal })
    const actual = digestOf(bytes)
    if (actual !== digest) throw new DigestMismatchError(digest, actual)
    return { bytes, usedCredentials }
  }
}

function platformOf(platform: string | Platform | undefined): Platform {
  if (platform === undefined) return nativePlatform(process.arch)
  return typeof platform === 'string' ? parsePlatform(platform) : platform
}

function describe({ digest, bytes, parsed }: Document): Descriptor {
  return { mediaType: parsed.mediaType, digest, size: bytes.byteLength }
}

function badSize(digest: Digest, size: number): OriginError {
  return new OriginError('ERR_ORIGIN_SIZE', `the manifest ${digest} has not the ${size} bytes that its index says, or too many`)
}

function badNesting(reference: Reference): OriginError {
  return new OriginError('ERR_ORIGIN_TYPE', `${printReference(reference)} is an index of indexes, more than ${maxIndexDepth} deep`)
}
