import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { printReference, repositoryOf, type Reference } from '../core/reference.ts'
import { ImageLayout } from '../oci/fs-image-layout.ts'
import type { ManifestResolver, ResolvedImage, ResolvedManifest } from '../oci/manifest-resolver.ts'
import type { BlobFetcher, BlobRequest } from './blob-fetcher.ts'
import { ManifestFetcher } from './manifest-fetcher.ts'
import type { SeedCandidate } from './sharing-options.ts'
import type { StoredBlob } from './stored-blob.ts'
import type { StoredImage } from './stored-image.ts'
import type { SwarmContext } from './swarm-context.ts'
import { mergeStats } from './transfer-account.ts'
import { tell } from './transfer-task.ts'
import type { FetchImageOptions, FetchManifestOptions, FetchOptions } from './transfer.ts'

/** Blobs of one image that load at once: with fewer the links idle between two, with more all of them come late. */
const blobsAtOnce = 4

/** Brings whole images here: manifest, config and layers, each a blob of the swarm. */
export class ImageFetcher {
  readonly #context: SwarmContext
  readonly #resolver: ManifestResolver
  readonly #blobs: BlobFetcher
  readonly #manifests: ManifestFetcher

  constructor(context: SwarmContext, resolver: ManifestResolver, blobs: BlobFetcher) {
    this.#context = context
    this.#resolver = resolver
    this.#blobs = blobs
    this.#manifests = new ManifestFetcher(context, blobs)
  }

  /** Turns a reference into manifest and layers. Tags are asked at the registry; whatever has a digest comes through the swarm. */
  resolve(
    reference: string,
    options: Pick<FetchImageOptions, 'platform' | 'signal'>,
    onBlob?: (blob: StoredBlob) => void,
  ): Promise<ResolvedImage> {
    return this.#manifests.resolve(this.#resolver, reference, options, onBlob)
  }

  /** One manifest or index, as it is. */
  manifest(reference: string | Reference, { resolver = this.#resolver, ...options }: FetchManifestOptions): Promise<ResolvedManifest> {
    return this.#manifests.fetch(resolver, reference, options)
  }

  /** Resolves when every blob of the image is whole, verified and in the store. */
  async fetch(reference: string, options: FetchImageOptions): Promise<StoredImage> {
    const startedMs = this.#context.clock.monotonicMs()
    const manifests = new Map<Digest, StoredBlob>()
    const image = await this.resolve(reference, options, (blob) => manifests.set(blob.digest, blob))
    tell(options, { type: 'image:resolved', digest: image.manifest.descriptor.digest, layers: image.layers })
    void this.#context.sharing.offering(candidateOf(image))
    const held: StoredBlob[] = []
    const close = async (): Promise<void> => {
      await Promise.all(held.map((blob) => blob.close()))
    }
    try {
      if (image.index) held.push(await this.#keep(image.index, image, options))
      const manifest = await this.#keep(image.manifest, image, options)
      held.push(manifest)
      const [config, ...layers] = await this.#fetchAll(image, options, held)
      if (!config) throw new TypeError('the first blob of an image is its config')
      if (options.to !== undefined) await this.#writeLayout(options.to, image, held, options)
      const nowMs = this.#context.clock.monotonicMs()
      const stats = held.map((blob) => manifests.get(blob.digest)?.stats ?? blob.stats)
      return {
        reference: printReference(image.reference),
        digest: image.digest,
        manifest,
        config,
        layers,
        platform: image.platform,
        stats: mergeStats(stats, nowMs - startedMs),
        close,
        [Symbol.asyncDispose]: close,
      }
    } catch (error) {
      await close()
      throw error
    }
  }

  async #keep(
    manifest: { descriptor: Descriptor; bytes: Uint8Array },
    { reference, usedCredentials }: ResolvedImage,
    options: FetchOptions,
  ): Promise<StoredBlob> {
    const { blob, wasHere } = await this.#manifests.keep(manifest, reference, usedCredentials, options)
    if (wasHere) return blob
    const { size } = manifest.descriptor
    return { ...blob, stats: { bytes: { total: size, origin: size, peers: 0, stored: 0 }, peers: [], ms: 0 } }
  }

  /** Config first, then the layers, a few at a time. The first failure ends the others. */
  async #fetchAll(image: ResolvedImage, options: FetchOptions, held: StoredBlob[]): Promise<StoredBlob[]> {
    const failed = new AbortController()
    const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])])
    const topic = image.manifest.descriptor.digest
    const repository = repositoryOf(image.reference)
    // A layer that occurs twice in a manifest is one blob.
    const requests = new Map<Digest, BlobRequest>()
    for (const blob of [image.config, ...image.layers]) {
      requests.set(blob.digest, { ...blob, topic, repository, private: image.usedCredentials })
    }
    const waiting = [...requests.values()]
    const blobs = new Map<Digest, StoredBlob>()
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const blob = await this.#blobs.fetch(next, { onProgress: options.onProgress, signal })
        blobs.set(blob.digest, blob)
        held.push(blob)
      }
    }
    const workers = Array.from({ length: blobsAtOnce }, worker)
    try {
      await Promise.all(workers)
    } catch (error) {
      failed.abort(error)
      await Promise.allSettled(workers)
      throw error
    }
    return [image.config, ...image.layers].flatMap(({ digest }) => blobs.get(digest) ?? [])
  }

  async #writeLayout(
    directory: string,
    image: ResolvedImage,
    blobs: readonly StoredBlob[],
    options: FetchOptions,
  ): Promise<void> {
    const layout = await ImageLayout.create(directory)
    for (const { digest, sizeBytes, ...blob } of blobs) {
      const descriptor = { digest, size: sizeBytes, mediaType: blob.mediaType ?? '' }
      if (await layout.hasBlob(descriptor)) continue
      await blob.export(layout.blobPath(digest), { signal: options.signal })
    }
    const { reference, platform } = image
    const entry = platform ? { ...image.manifest.descriptor, platform } : image.manifest.descriptor
    await layout.add(entry, reference.tag ?? printReference(reference))
  }
}

/** As `beforeSeed` is asked about it. */
export function candidateOf({ reference, index, manifest, config, layers }: ResolvedImage): SeedCandidate {
  const blobs = [...(index ? [index.descriptor] : []), manifest.descriptor, ...[config, ...layers].map(describe)]
  return { reference: printReference(reference), repository: repositoryOf(reference), digest: manifest.descriptor.digest, blobs }
}

/** A layer also knows its origin. */
function describe({ mediaType, digest, size, annotations }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...(annotations && { annotations }) }
}
