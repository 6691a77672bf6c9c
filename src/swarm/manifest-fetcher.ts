import { buffer } from 'node:stream/consumers'
import { maxManifestBytes, type Descriptor } from '../core/descriptor.ts'
import { OriginError, TransferError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import { parseReference, printReference, repositoryOf, type Reference } from '../core/reference.ts'
import type { ManifestResolver, ResolvedImage, ResolvedManifest } from '../oci/manifest-resolver.ts'
import type { FetchManifest } from '../oci/manifest-source.ts'
import { oneChunk } from '../oci/one-chunk.ts'
import { registryOrigin } from '../oci/registry-origin.ts'
import type { BlobFetcher } from './blob-fetcher.ts'
import type { StoredBlob } from './stored-blob.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { FetchImageOptions, FetchManifestOptions } from './transfer.ts'

/** Brings manifests here: tags are asked at their registry, and what has a digest comes through the swarm. */
export class ManifestFetcher {
  readonly #context: SwarmContext
  readonly #blobs: BlobFetcher

  constructor(context: SwarmContext, blobs: BlobFetcher) {
    this.#context = context
    this.#blobs = blobs
  }

  /** An image, down to its layers. */
  async resolve(
    resolver: ManifestResolver,
    text: string,
    { platform, signal }: Pick<FetchImageOptions, 'platform' | 'signal'>,
    onBlob?: (blob: StoredBlob) => void,
  ): Promise<ResolvedImage> {
    const reference = this.#resolvable(parseReference(text))
    const resolving = resolver.resolve(reference, { platform, signal, fetch: this.#throughSwarm(reference, onBlob) })
    const image = await this.#noteRefusal(reference, resolving)
    this.#noteRead(resolver, reference, image.manifest.descriptor, image.usedCredentials)
    return image
  }

  /** One manifest or index, as it is. It is in the store afterwards, and others who want its blobs are looked for. */
  async fetch(resolver: ManifestResolver, named: string | Reference, { signal, once }: Omit<FetchManifestOptions, 'resolver'>): Promise<ResolvedManifest> {
    const reference = this.#resolvable(typeof named === 'string' ? parseReference(named) : named)
    const resolving = resolver.manifest(reference, { signal, once, fetch: this.#throughSwarm(reference) })
    const manifest = await this.#noteRefusal(reference, resolving)
    const { descriptor, parsed, usedCredentials } = manifest
    this.#noteRead(resolver, reference, descriptor, usedCredentials)
    const blobs = parsed.kind === 'index' ? [descriptor] : [descriptor, parsed.config, ...parsed.layers]
    const repository = repositoryOf(reference)
    void this.#context.sharing.offering({ reference: printReference(reference), repository, digest: descriptor.digest, blobs })
    const { blob } = await this.keep(manifest, reference, usedCredentials, { signal })
    await blob.close()
    this.#blobs.gather(descriptor.digest, { private: blob.private, repositories: [repository] })
    return manifest
  }

  /** A manifest that was resolved by tag came from the registry: it goes to the store, so that others can have it by digest. */
  async keep(
    { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
    reference: Reference,
    usedCredentials: boolean,
    { signal }: AbortOptions,
  ): Promise<{ blob: StoredBlob; wasHere: boolean }> {
    const { store } = this.#context
    const repository = repositoryOf(reference)
    const wasHere = (await store.stat(descriptor.digest)) !== undefined
    if (!wasHere) await store.import(descriptor, oneChunk(bytes), { private: usedCredentials, repository, signal })
    return { blob: await this.#blobs.fetch({ ...descriptor, repository, topic: descriptor.digest }, { signal }), wasHere }
  }

  #resolvable(reference: Reference): Reference {
    if (reference.digest || this.#context.originAllowed) return reference
    throw new TransferError(
      'ERR_SWARM_NO_SOURCE',
      `${printReference(reference)} is a tag, which only its registry can resolve, and no origin may be asked: name the image by its digest`,
    )
  }

  #throughSwarm(reference: Reference, onBlob?: (blob: StoredBlob) => void): FetchManifest {
    const repository = repositoryOf(reference)
    return async ({ digest, size, mediaType, origin }, { signal }) => {
      const request = { digest, size, mediaType, origin, repository, topic: digest, maxBytes: maxManifestBytes }
      const blob = await this.#blobs.fetch(request, { signal })
      try {
        if (blob.sizeBytes > maxManifestBytes) throw new OriginError('ERR_ORIGIN_TYPE', `${digest} is no manifest: it has ${blob.sizeBytes} bytes`)
        onBlob?.(blob)
        return await buffer(blob.stream(undefined, { signal }))
      } finally {
        await blob.close()
      }
    }
  }

  async #noteRefusal<Result>(reference: Reference, resolving: Promise<Result>): Promise<Result> {
    try {
      return await resolving
    } catch (error) {
      const status = error instanceof OriginError ? error.status : undefined
      if (status === 401 || status === 403) this.#context.sharing.refused(repositoryOf(reference))
      throw error
    }
  }

  /** The registry told what a tag is. By a digest, whoever had it told; that needs not be the registry. */
  #noteRead({ registries }: ManifestResolver, reference: Reference, { digest }: Descriptor, usedCredentials: boolean): void {
    if (reference.digest) return
    this.#context.sharing.read(registryOrigin({ reference, digest, kind: 'manifest', registries }), usedCredentials)
  }
}

