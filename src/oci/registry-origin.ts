import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import type { Origin, OriginBody } from '../core/origin.ts'
import { parseReference, printReference, repositoryOf, type Reference } from '../core/reference.ts'
import { Registries } from './registries.ts'
import { oneChunk } from './one-chunk.ts'
import type { ManifestAnswer, RegistryClient } from './registry-client.ts'
import type { WaitOptions } from './wait-options.ts'

/**
 * Settings of {@link registryOrigin}.
 * @public
 */
export interface RegistryOriginOptions {
  /** Where the blob is, and which one: `registry/repository@sha256:…`. */
  reference: string | Reference
  /** Which blob, where the reference does not say. */
  digest?: Digest | undefined
  /** Length of the blob in bytes, where it is known; what the registry says must then agree. */
  size?: number | undefined
  /** Registries keep manifests and indexes apart from all other blobs. @defaultValue `'blob'` */
  kind?: 'blob' | 'manifest' | undefined
  /**
   * Settings and connections to use. What you pass in, you close. @defaultValue new ones, with the user's credentials
   */
  registries?: Registries | undefined
}

/**
 * A blob in a registry, as an origin.
 *
 * @throws {@link RequestError} when the reference is malformed, or names no digest
 * @example
 * ```ts
 * import { registryOrigin } from 'damselfly'
 *
 * const origin = registryOrigin({ reference: `docker.io/library/alpine@sha256:${'0'.repeat(64)}` })
 * const { chunks } = await origin.read({ offset: 0, length: 1024 })
 * for await (const chunk of chunks) console.log(chunk.byteLength)
 * ```
 * @public
 */
export function registryOrigin(options: RegistryOriginOptions): Origin {
  const { size, kind = 'blob', registries = new Registries() } = options
  const reference =
    typeof options.reference === 'string' ? parseReference(options.reference) : options.reference
  const digest = options.digest ?? reference.digest
  if (!digest) {
    throw new RequestError(
      'ERR_REQUEST_DIGEST',
      `${printReference(reference)} names no blob: write repository@sha256:…`,
    )
  }
  const { registry, repository } = reference
  const client = registries.client(registry)
  return {
    name: repositoryOf(reference),
    hosts: client.hosts,
    read:
      kind === 'manifest'
        ? manifestReader(client, repository, digest)
        : async (range, { signal, onWait } = {}) => {
            signal?.throwIfAborted()
            return client.blob(repository, digest, { range, sizeBytes: size, signal, onWait })
          },
    isPublic: (waits) => client.isPublic(repository, `${kind}s/${digest}`, waits),
  }
}

/**
 * Manifests are small, and registries need not do ranges of them: one is got whole, once, and parts are cut from it.
 */
function manifestReader(
  client: RegistryClient,
  repository: string,
  digest: Digest,
): Origin['read'] {
  let known: ManifestAnswer | undefined
  return async (
    range: ByteRange | undefined,
    options: WaitOptions = {},
  ): Promise<OriginBody> => {
    options.signal?.throwIfAborted()
    known ??= await client.manifest(repository, digest, options)
    const { bytes, mediaType, usedCredentials } = known
    const { offset, length } = rangeWithin(bytes.byteLength, range)
    return {
      sizeBytes: bytes.byteLength,
      usedCredentials,
      mediaType,
      chunks: oneChunk(bytes.subarray(offset, offset + length)),
    }
  }
}
