import type { ByteRange } from '../core/byte-range.ts'
import type { Clock } from '../core/clock.ts'
import { maxManifestBytes } from '../core/descriptor.ts'
import { digestOf, isDigest, type Digest } from '../core/digest.ts'
import { DigestMismatchError, OriginError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { OriginBody } from '../core/origin.ts'
import type { Random } from '../core/random.ts'
import { Failover } from './failover.ts'
import { manifestMediaTypes } from './image-manifest.ts'
import { parseNextPage } from './next-page.ts'
import { HostRanges, RangeHabits } from './range-habits.ts'
import { readRange, type RangeAnswer } from './range-reader.ts'
import type { RegistryEndpoint } from './registry-endpoint.ts'
import { growingWaits, type TryOptions, type WaitOptions } from './wait-options.ts'

/** What registries answer to somebody who is nobody, for what only others may have; many do not even say that it exists. */
const refusals: ReadonlySet<number> = new Set([401, 403, 404])

/** A manifest or an index as the registry has it. */
export interface ManifestAnswer {
  /** As they came; {@link ManifestAnswer.digest} is theirs. */
  readonly bytes: Uint8Array
  /** `Content-Type`, where there was one. */
  readonly mediaType: string | undefined
  readonly digest: Digest
  /** True when credentials were sent for this answer. */
  readonly usedCredentials: boolean
}

/** A list as the registry has it. */
export interface RegistryDocument {
  readonly bytes: Uint8Array
  /** `Content-Type`, where there was one. */
  readonly mediaType: string | undefined
  /** The query of the next page, where there is one: `n=100&last=1.2`. */
  readonly nextPage: string | undefined
  /** What it was filtered by, where the registry did: `artifactType`. */
  readonly filters: string | undefined
}

/** What to read of a blob. */
export interface BlobOptions extends WaitOptions {
  /** @defaultValue the whole blob */
  readonly range?: ByteRange | undefined
  /** Length of the whole, where it is known. What the registry says must agree. */
  readonly sizeBytes?: number | undefined
}

/** What a client works with. */
export interface RegistryClientInit {
  /** As in references. */
  readonly registry: string
  /** Mirrors, and last the registry itself. */
  readonly endpoints: readonly RegistryEndpoint[]
  /** The registry itself, to be asked as nobody. */
  readonly anonymous: RegistryEndpoint
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Pulls from one registry.
 * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pull}
 */
export class RegistryClient {
  readonly #init: RegistryClientInit
  readonly #ranges: readonly (readonly [RegistryEndpoint, HostRanges])[]

  constructor(init: RegistryClientInit) {
    this.#init = init
    this.#ranges = init.endpoints.map((endpoint) => [endpoint, new HostRanges(init.clock)])
  }

  /** As in references. */
  get registry(): string {
    return this.#init.registry
  }

  /** Hosts that are asked: mirrors, and last the registry's own. */
  get hosts(): readonly string[] {
    return this.#init.endpoints.map(({ name }) => name)
  }

  /**
   * Gets a manifest or an index.
   *
   * @param name - tag or digest
   * @throws {@link DigestMismatchError} when the bytes are not those of the digest that was asked for or announced
   * @throws {@link OriginError} as the registry fails
   */
  manifest(
    repository: string,
    name: string,
    options: TryOptions = {},
  ): Promise<ManifestAnswer> {
    return this.#tried(this.#init.endpoints, options, (endpoint, waits) => readManifest(endpoint, repository, name, waits))
  }

  /**
   * Reads a blob or a part of it, without checking it: its digest is the reader's to check.
   * @throws {@link OriginError} as the registry fails; the body likewise, after having been resumed in vain
   */
  blob(repository: string, digest: Digest, options: BlobOptions = {}): Promise<OriginBody> {
    const { range, sizeBytes } = options
    const waits = this.#waits(options)
    const failover = this.#failover(waits)
    const habitsOf = new Map(this.#ranges.map(([endpoint, ranges]) => [endpoint, new RangeHabits(ranges)]))
    const ask = async (
      endpoint: RegistryEndpoint,
      offset: number,
      end: number | undefined,
    ): Promise<RangeAnswer> => {
      const habits = habitsOf.get(endpoint) ?? new RangeHabits(new HostRanges(this.#init.clock))
      const headers = habits.headersFor(offset, end, sizeBytes)
      const request = { repository, path: `blobs/${digest}`, headers, ...waits }
      const answer = await endpoint.send(request)
      const askedRange = 'range' in headers
      return {
        ...answer,
        askedRange,
        habits,
        failed: (failure) => failover.failed(endpoint, failure),
      }
    }
    return readRange({
      range,
      sizeBytes,
      retries: failover.retries,
      open: (offset, end) => failover.attempt((endpoint) => ask(endpoint, offset, end)),
    })
  }

  /**
   * Gets a list that only the registry has: `tags/list`, `referrers/sha256:…`.
   *
   * @param path - with its query
   * @throws {@link OriginError} as the registry fails
   */
  async document(repository: string, path: string, options: WaitOptions = {}): Promise<RegistryDocument> {
    const waits = this.#waits(options)
    return this.#failover(waits).attempt(async (endpoint) => {
      const headers = { accept: 'application/vnd.oci.image.index.v1+json, application/json' }
      const { response } = await endpoint.send({ repository, path, headers, ...waits })
      const bytes = await response.bytes(maxManifestBytes)
      return {
        bytes,
        mediaType: response.header('content-type'),
        nextPage: parseNextPage(response.header('link'), response.url, this.registry),
        filters: response.header('oci-filters-applied'),
      }
    })
  }

  /**
   * Resolves when the registry lets us read something; nothing of it is read.
   *
   * @param path - `manifests/1.2`, `blobs/sha256:…`
   * @throws {@link OriginError} as the registry refuses or fails
   */
  knock(repository: string, path: string, options: TryOptions = {}): Promise<void> {
    const headers = { accept: manifestMediaTypes.join(', '), range: 'bytes=0-0' }
    return this.#tried([this.#registryItself], options, async (endpoint, waits) => {
      const { response } = await endpoint.send({ repository, path, headers, ...waits })
      await response.discard()
    })
  }

  /**
   * What the registry asks of somebody who shows nothing: `WWW-Authenticate` headers; none where he is let in.
   * @param path - below `/v2/`
   */
  challenges(path: string, options: WaitOptions = {}): Promise<readonly string[]> {
    return this.#init.anonymous.challenges(path, options)
  }

  /**
   * Whether anybody may read from a repository, going by one thing in it. Asked once, whatever comes of it.
   *
   * @param path - `manifests/sha256:…`, `blobs/sha256:…`
   * @returns `undefined` when the registry cannot be reached, or does not say
   */
  async isPublic(repository: string, path: string, { signal }: WaitOptions = {}): Promise<boolean | undefined> {
    signal?.throwIfAborted()
    const headers = { accept: manifestMediaTypes.join(', '), range: 'bytes=0-0' }
    try {
      const { response } = await this.#init.anonymous.send({ repository, path, headers, signal })
      await response.discard()
      return true
    } catch (error) {
      if (!(error instanceof OriginError)) throw error
      return error.status !== undefined && refusals.has(error.status) ? false : undefined
    }
  }

  /** Not a mirror of it. */
  get #registryItself(): RegistryEndpoint {
    return this.#init.endpoints.at(-1) ?? this.#init.anonymous
  }

  /** Waits of one operation, wherever in it they come up. */
  #waits({ signal, onWait }: WaitOptions): WaitOptions {
    return { signal, onWait: growingWaits(this.#init.clock, onWait) }
  }

  #failover(waits: WaitOptions, endpoints: readonly RegistryEndpoint[] = this.#init.endpoints): Failover {
    const { clock, random, logger } = this.#init
    return new Failover(endpoints, { clock, random, ...waits }, logger)
  }

  /** Tries until it succeeds, or another try would not help. */
  async #tried<Result>(
    endpoints: readonly RegistryEndpoint[],
    options: TryOptions,
    use: (endpoint: RegistryEndpoint, waits: WaitOptions) => Promise<Result>,
  ): Promise<Result> {
    const waits = this.#waits(options)
    const failover = this.#failover(waits, endpoints)
    for (;;) {
      try {
        return await failover.attempt((endpoint) => use(endpoint, waits))
      } catch (error) {
        if (options.once) throw error
        await failover.retries.next(error)
      }
    }
  }
}

async function readManifest(
  endpoint: RegistryEndpoint,
  repository: string,
  name: string,
  waits: WaitOptions,
): Promise<ManifestAnswer> {
  const headers = { accept: manifestMediaTypes.join(', ') }
  const { response, usedCredentials } = await endpoint.send({
    repository,
    path: `manifests/${name}`,
    headers,
    ...waits,
  })
  const bytes = await response.bytes(maxManifestBytes)
  const digest = digestOf(bytes)
  const announced = response.header('docker-content-digest')
  const expected = isDigest(name) ? name : announced
  // A digest of another algorithm cannot be compared; the tag's own bytes then decide.
  if (expected !== undefined && isDigest(expected) && expected !== digest) {
    throw new DigestMismatchError(expected, digest)
  }
  return { bytes, mediaType: response.header('content-type'), digest, usedCredentials }
}
