import { maxManifestBytes, mediaTypes, type Descriptor, type Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import { ImageLayout } from '../oci/fs-image-layout.ts'
import { manifestMediaTypes, parseManifest } from '../oci/image-manifest.ts'
import type { BlobFetcher } from './blob-fetcher.ts'
import type { ImageFetcher } from './image-fetcher.ts'
import type { SeedCandidate } from './sharing-options.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { TopicTable } from './topic-table.ts'
import type { FetchOptions, LayerRequest } from './transfer.ts'

/**
 * What to seed: an image by reference (fetched first), the images of an OCI image layout, a file, bytes with their
 * descriptor, or a layer (fetched first).
 * @public
 */
export type SeedSource =
  | { readonly reference: string; readonly platform?: string | Platform | undefined }
  | { readonly layout: string }
  | { readonly file: string; readonly mediaType?: string | undefined }
  | { readonly blob: Descriptor; readonly bytes: AsyncIterable<Uint8Array> }
  | LayerRequest

/**
 * Something that is seeded until this is closed.
 * @public
 */
export interface SeedHandle extends AsyncDisposable {
  /** What others gather around: digest of the image's manifest, or of the blob. */
  readonly topic: Digest
  /** All blobs of it, the topic's own included. */
  readonly digests: readonly Digest[]
  /** Stops telling the world, and lets the store evict the bytes. */
  close(): Promise<void>
}

/** Manifests may be told of after a restart: their media type says that others gather around them. */
const topicTypes: ReadonlySet<string> = new Set(manifestMediaTypes)

/** Tells the world what the store holds. */
export class Seeding {
  readonly #context: SwarmContext
  readonly #topics: TopicTable
  readonly #blobs: BlobFetcher
  readonly #images: ImageFetcher
  /** Open handles by topic: several may seed the same. */
  readonly #handles = new Map<Digest, number>()

  constructor(context: SwarmContext, topics: TopicTable, blobs: BlobFetcher, images: ImageFetcher) {
    this.#context = context
    this.#topics = topics
    this.#blobs = blobs
    this.#images = images
  }

  /** Gathers around the images that the store holds from before. */
  async resume(signal: AbortSignal): Promise<void> {
    const { store, sharing } = this.#context
    for await (const { digest, mediaType, sizeBytes, repositories = [] } of store.list()) {
      if (signal.aborted) return
      if (!mediaType || !topicTypes.has(mediaType)) continue
      const blobs = sharing.judges ? await this.#blobsOf({ digest, mediaType, size: sizeBytes }) : []
      const repository = repositories.find((name) => name !== '')
      const offered = sharing.offering({ repository, digest, blobs }).then(() => this.#gather(digest, signal))
      // Whoever looks at images takes his time.
      if (!sharing.judges) await offered
    }
  }

  async #gather(topic: Digest, signal: AbortSignal): Promise<void> {
    try {
      if (await this.#mayTell(topic)) if (!signal.aborted) this.#topics.enter(topic)
    } catch (error) {
      if (!signal.aborted) this.#context.logger.info('a stored image is not offered', { digest: topic, error })
    }
  }

  /** Leaves the topics of what is not to be known of any more, and says what nobody may read any more. */
  async review(): Promise<void> {
    const { store, sharing, logger } = this.#context
    try {
      for (const topic of this.#topics.all()) {
        const facts = await store.stat(topic)
        const blob = facts && { digest: topic, private: facts.private, repositories: facts.repositories ?? [] }
        if (blob) sharing.reportIfWithheld(blob)
        if (sharing.isRefused(topic) || (blob && !sharing.mayName(blob))) void this.#topics.leave(topic)
      }
    } catch (error) {
      logger.debug('topics were not looked through', { error })
    }
  }

  async seed(source: SeedSource, options: FetchOptions): Promise<SeedHandle> {
    if ('reference' in source) return this.#seedImage(source, options)
    if ('layout' in source) return this.#seedLayout(source.layout, options)
    if ('file' in source) {
      const { digest } = await this.#context.store.importFile(source.file, {
        mediaType: source.mediaType,
        signal: options.signal,
      })
      return this.#offer(digest)
    }
    if ('blob' in source) {
      await this.#context.store.import(source.blob, source.bytes, { signal: options.signal })
      return this.#offer(source.blob.digest)
    }
    const blob = await this.#blobs.fetch({ ...source, topic: source.digest }, options)
    await blob.close()
    return this.#offer(source.digest)
  }

  /** A blob that is no part of an image. */
  async #offer(digest: Digest): Promise<SeedHandle> {
    const { store, sharing } = this.#context
    const facts = await store.stat(digest)
    const { sizeBytes: size = 0, mediaType = mediaTypes.octetStream, repositories = [] } = facts ?? {}
    await sharing.offering({ repository: repositories.find((name) => name !== ''), digest, blobs: [{ digest, size, mediaType }] })
    return this.#hold(digest, [digest])
  }

  async #seedImage(
    { reference, platform }: { reference: string; platform?: string | Platform | undefined },
    options: FetchOptions,
  ): Promise<SeedHandle> {
    await using image = await this.#images.fetch(reference, { ...options, platform })
    const blobs = [image.manifest, image.config, ...image.layers].map(({ digest }) => digest)
    await this.#context.sharing.judged(image.manifest.digest)
    return this.#hold(image.manifest.digest, [...new Set([image.digest, ...blobs])])
  }

  async #seedLayout(directory: string, options: FetchOptions): Promise<SeedHandle> {
    const layout = await ImageLayout.open(directory)
    const entries = await layout.entries()
    const digests = new Set<Digest>()
    const topics = new Set<Digest>()
    const images: SeedCandidate[] = []
    const queue: Descriptor[] = [...entries]
    for (let next = queue.shift(); next; next = queue.shift()) {
      // A layout may hold some platforms of an index only; what is not there is not seeded.
      if (digests.has(next.digest) || !(await layout.hasBlob(next))) continue
      digests.add(next.digest)
      await this.#import(layout, next, options)
      if (topicTypes.has(next.mediaType) && next.size <= maxManifestBytes) {
        const contents = await this.#contents(next)
        queue.push(...contents)
        topics.add(next.digest)
        images.push({ digest: next.digest, blobs: [next, ...contents] })
      }
    }
    const topic = entries.find(({ digest }) => digests.has(digest))
    if (!topic) {
      throw new RequestError('ERR_REQUEST_OPTION', `${directory} holds none of the images that its index.json names`)
    }
    await Promise.all(images.map((image) => this.#context.sharing.offering(image)))
    return this.#hold(topic.digest, [...digests], topics)
  }

  async #import(layout: ImageLayout, blob: Descriptor, { signal }: FetchOptions): Promise<void> {
    await this.#context.store.import(blob, layout.read(blob.digest), { signal })
  }

  async #contents({ digest, size, mediaType }: Descriptor): Promise<readonly Descriptor[]> {
    const bytes = await this.#context.store.read(digest, { offset: 0, length: size })
    const parsed = parseManifest(bytes, mediaType)
    return parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers]
  }

  /** @param topics - all that others gather around, if it is more than `topic` */
  async #hold(topic: Digest, digests: readonly Digest[], topics: Iterable<Digest> = []): Promise<SeedHandle> {
    const leases = digests.map((digest) => this.#context.store.lease(digest))
    const entered: Digest[] = []
    for (const each of new Set([topic, ...topics])) {
      if (!(await this.#mayTell(each))) continue
      entered.push(each)
      this.#enter(each)
    }
    const close = async (): Promise<void> => {
      for (const lease of leases.splice(0)) lease[Symbol.dispose]()
      await Promise.all(entered.splice(0).map((each) => this.#leave(each)))
    }
    return { topic, digests, close, [Symbol.asyncDispose]: close }
  }

  /** Who has something that only some may know of is not to be known. */
  async #mayTell(digest: Digest): Promise<boolean> {
    const { store, sharing } = this.#context
    const facts = await store.stat(digest)
    if (!facts) return true
    const blob = { digest, private: facts.private, repositories: facts.repositories ?? [] }
    sharing.reportIfWithheld(blob)
    return sharing.mayName(blob) && !sharing.isRefused(digest)
  }

  /** All of an image that is here, as far as its manifest can be read. */
  async #blobsOf(manifest: Descriptor): Promise<Descriptor[]> {
    try {
      return [manifest, ...(await this.#contents(manifest))]
    } catch (error) {
      this.#context.logger.info('a stored manifest cannot be read', { digest: manifest.digest, error })
      return [manifest]
    }
  }

  #enter(topic: Digest): void {
    this.#handles.set(topic, (this.#handles.get(topic) ?? 0) + 1)
    this.#topics.enter(topic)
  }

  /** The last handle of a topic leaves it. */
  async #leave(topic: Digest): Promise<void> {
    const handles = (this.#handles.get(topic) ?? 1) - 1
    if (handles > 0) {
      this.#handles.set(topic, handles)
      return
    }
    this.#handles.delete(topic)
    await this.#topics.leave(topic)
  }
}
