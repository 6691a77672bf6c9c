import type { Descriptor, Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { OriginError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import { parseReference, printReference, type Reference } from '../core/reference.ts'
import { memoryManifestCache, type ManifestCache } from './manifest-cache.ts'
import { ManifestSource, type FetchManifest, type ManifestDocument } from './manifest-source.ts'
import { choosePlatform, nativePlatform, parsePlatform } from './platform.ts'
import { Registries, type RegistriesInit } from './registries.ts'
import { registryOrigin } from './registry-origin.ts'
import type { Layer, ResolvedImage, ResolvedManifest } from './resolved-image.ts'

export type { Layer, ResolvedImage, ResolvedManifest } from './resolved-image.ts'

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
 * Settings of {@link ManifestResolver.resolve}.
 * @public
 */
export interface ResolveOptions extends AbortOptions {
  /**
   * Which image of an index: `linux/arm64/v8`.
   * @defaultValue what this process runs on, with Linux as its system
   */
  platform?: string | Platform | undefined
  /**
   * Gets what is known by its digest from somewhere else than the registry. What it gives is checked.
   * @defaultValue the registry is asked
   */
  fetch?: FetchManifest | undefined
}

/**
 * Settings of {@link ManifestResolver.manifest}.
 * @public
 */
export interface ResolveManifestOptions extends Omit<ResolveOptions, 'platform'> {
  /** A registry that fails to say what a tag is is not asked again. @defaultValue false */
  once?: boolean | undefined
}

/**
 * Turns references into manifests and layers. A tag is asked at its registry, each time; what has a digest is
 * asked once.
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
  /** The registries that it asks; give them to {@link httpOrigin} to share their queue before each host. */
  readonly registries: Registries
  readonly #source: ManifestSource

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when an entry of `registries` cannot be used */
  constructor(init: ManifestResolverInit = {}) {
    this.registries = new Registries(init)
    this.#source = new ManifestSource(this.registries, init.cache ?? memoryManifestCache())
  }

  /**
   * Finds out what a reference stands for.
   *
   * @throws {@link RequestError} when the reference is malformed, or `ERR_REQUEST_PLATFORM` when there is no image
   * for the platform
   * @throws {@link OriginError} as the registry fails, or `ERR_ORIGIN_TYPE`, `ERR_ORIGIN_SIZE` when what it has is
   * no image
   * @throws {@link DigestMismatchError} when bytes are not those of their digest
   * @throws `signal.reason` when aborted
   * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests}
   */
  async resolve(
    reference: string | Reference,
    options: ResolveOptions = {},
  ): Promise<ResolvedImage> {
    const { fetch, signal } = options
    signal?.throwIfAborted()
    const named = typeof reference === 'string' ? parseReference(reference) : reference
    const wanted = platformOf(options.platform)
    const top = named.digest
      ? await this.#source.byDigest(named, { digest: named.digest }, { fetch, signal })
      : await this.#source.byTag(named, { signal })
    let document = top
    let platform: Platform | undefined
    let { usedCredentials } = top
    for (let depth = 1; document.parsed.kind === 'index'; depth++) {
      if (depth > maxIndexDepth) throw badNesting(named)
      const { digest, size, mediaType, ...entry } = choosePlatform(document.parsed, wanted)
      document = await this.#source.byDigest(named, { digest, size, mediaType }, { fetch, signal })
      platform = entry.platform ?? platform
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

  /**
   * One manifest or index, as it is: no platform is chosen.
   * @throws as {@link ManifestResolver.resolve} does
   */
  async manifest(reference: string | Reference, options: ResolveManifestOptions = {}): Promise<ResolvedManifest> {
    const { fetch, signal, once } = options
    signal?.throwIfAborted()
    const named = typeof reference === 'string' ? parseReference(reference) : reference
    const document = named.digest
      ? await this.#source.byDigest(named, { digest: named.digest }, { fetch, signal })
      : await this.#source.byTag(named, { signal, once })
    const { bytes, parsed, usedCredentials } = document
    return { descriptor: describe(document), bytes, parsed, usedCredentials }
  }

  /** The layers of an image, the base layer first; throws as {@link ManifestResolver.resolve} does. */
  async layers(
    reference: string | Reference,
    options: ResolveOptions = {},
  ): Promise<readonly Layer[]> {
    return (await this.resolve(reference, options)).layers
  }

  /**
   * A blob in the repository of a reference, as an origin.
   * @param size - of the blob in bytes, where it is known
   * @throws {@link RequestError} `ERR_REQUEST_NAME` when the reference is malformed
   */
  blobOrigin(reference: string | Reference, digest: Digest, size?: number): Origin {
    return registryOrigin({ reference, digest, size, registries: this.registries })
  }

  /** Breaks all connections; calls under way reject with `ERR_SWARM_CLOSED`. */
  close(): Promise<void> {
    return this.registries.close()
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function platformOf(platform: string | Platform | undefined): Platform {
  if (platform === undefined) return nativePlatform(process.arch)
  return typeof platform === 'string' ? parsePlatform(platform) : platform
}

function describe({ digest, bytes, parsed }: ManifestDocument): Descriptor {
  return { mediaType: parsed.mediaType, digest, size: bytes.byteLength }
}

function badNesting(reference: Reference): OriginError {
  return new OriginError(
    'ERR_ORIGIN_TYPE',
    `${printReference(reference)} is an index of indexes, more than ${maxIndexDepth} deep`,
  )
}
