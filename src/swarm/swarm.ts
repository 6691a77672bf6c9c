import { TypedEventEmitter } from 'main-event'
import { parseSize } from '../core/descriptor.ts'
import { parseDigest, type Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import { parseReference, printReference, type Reference } from '../core/reference.ts'
import type { ManifestResolver, ResolvedImage, ResolvedManifest } from '../oci/manifest-resolver.ts'
import type { PieceStore } from '../store/piece-store.ts'
import type { BlobRequest } from './blob-fetcher.ts'
import type { Explanation } from './explanation.ts'
import type { OpenBlob } from './open-blob.ts'
import type { SeedHandle, SeedSource } from './seeding.ts'
import type { StoredBlob } from './stored-blob.ts'
import type { StoredImage } from './stored-image.ts'
import type { Emit } from './swarm-context.ts'
import type { SwarmEvents } from './swarm-events.ts'
import type { SwarmNode } from './swarm-node.ts'
import type { SwarmStats } from './swarm-stats.ts'
import type { FetchImageOptions, FetchManifestOptions, FetchOptions, FoundLayer, LayerRequest, OpenRequest } from './transfer.ts'

/**
 * This node's door to its swarms. Made by `createSwarm`; close it when done.
 *
 * Calls for one digest share one download, and aborting one of them leaves the others. Every blob is verified against its digest
 * before it is visible; what has arrived of an unfinished one is kept and not fetched again.
 *
 * @example
 * ```ts
 * import { createSwarm } from 'damselfly'
 *
 * await using swarm = await createSwarm()
 * const image = await swarm.fetchImage('docker.io/library/alpine:3.20', { to: './alpine' })
 * console.log(image.stats.bytes)
 * ```
 * @public
 */
export class Swarm extends TypedEventEmitter<SwarmEvents> implements AsyncDisposable {
  readonly #node: SwarmNode

  private constructor(makeNode: (emit: Emit) => SwarmNode) {
    super()
    this.#node = makeNode((name, detail) => this.dispatchEvent(new CustomEvent(name, { detail })))
  }

  /** @internal - users call `createSwarm`. */
  static over(makeNode: (emit: Emit) => SwarmNode): Swarm {
    return new Swarm(makeNode)
  }

  /** @internal - `createSwarm` calls it once; discovery starts when peers can be answered. */
  async start(
    discover: (told: Pick<SwarmNode, 'connect' | 'met'>) => Promise<Parameters<SwarmNode['start']>[0]>,
  ): Promise<void> {
    await this.#node.listen()
    await this.#node.start(await discover(this.#node))
  }

  /** This node's peer id. */
  get peerId(): string {
    return this.#node.peerId
  }

  /** Where this node can be reached: multiaddrs that end in `/p2p/<peer id>`. */
  get addresses(): string[] {
    return this.#node.node.getMultiaddrs().map(String)
  }

  /**
   * False as soon as it is being closed.
   * @internal
   */
  get isOpen(): boolean {
    return !this.#node.calls.closing.aborted
  }

  /** Where bytes live. */
  get store(): PieceStore {
    return this.#node.context.store
  }

  /** Turns references into layers. */
  get resolver(): ManifestResolver {
    return this.#node.resolver
  }

  /**
   * Turns a reference into manifest and layers. A tag is asked at the registry, and only there; whatever is named by a digest comes through
   * the swarm.
   *
   * @throws {@link RequestError} when the reference is malformed, or its index has no image for the platform
   * @throws {@link OriginError} when a tag cannot be resolved at the registry
   */
  resolve(reference: string, options: Pick<FetchImageOptions, 'platform' | 'signal'> = {}): Promise<ResolvedImage> {
    return this.#node.calls.run((signal) => this.#node.images.resolve(reference, { ...options, signal }), options)
  }

  /**
   * Fetches an image: manifest, config and layers, from peers first and from the registry for pieces that no peer has.
   *
   * @throws {@link RequestError} when the reference is malformed, or its index has no image for the platform
   * @throws {@link OriginError} when a tag cannot be resolved, or the registry's bytes do not match a digest
   * @throws {@link TransferError} `ERR_SWARM_NO_SOURCE` when neither peers nor the registry have a blob
   * @throws `signal.reason` when aborted
   */
  fetchImage(reference: string, options: FetchImageOptions = {}): Promise<StoredImage> {
    return this.#node.calls.run((signal) => this.#node.images.fetch(reference, { ...options, signal }), options)
  }

  /**
   * Fetches one blob; resolves when it is whole, verified and in the store.
   *
   * @param layer - a layer of {@link Swarm.resolve}, or any digest, size (bytes) and origin; or `'repo@sha256:…'`, whose size is found
   * @throws {@link DigestMismatchError} when the origin's own bytes do not match
   * @throws {@link TransferError} `ERR_SWARM_NO_SOURCE` when nobody has it
   * @throws {@link StoreError} when it cannot be kept
   * @throws `signal.reason` when aborted
   */
  fetchLayer(layer: LayerRequest | string, options: FetchOptions = {}): Promise<StoredBlob> {
    return this.#node.calls.run((signal) => this.#node.blobs.fetch(this.#request(layer), { ...options, signal }), options)
  }

  /**
   * Begins to load a blob, for as long as what this resolves to is open; resolves when its size is known. For several readers of one blob, or of
   * parts of it.
   *
   * @param layer - as for {@link Swarm.fetchLayer}; where its size is not given, it is found
   * @throws as {@link Swarm.fetchLayer} does
   */
  openLayer(layer: OpenRequest | string, options: AbortOptions = {}): Promise<OpenBlob> {
    return this.#node.calls.run((signal) => this.#node.blobs.open(this.#request(layer), { signal }), options)
  }

  /**
   * How large a blob is and what, where that is known. Nothing of it is loaded; where neither the store nor a peer knows, the origin is asked for one byte.
   * @internal
   */
  statLayer(layer: OpenRequest, options: AbortOptions = {}): Promise<FoundLayer> {
    return this.#node.calls.run((signal) => this.#node.blobs.stat(this.#request(layer), { signal }), options)
  }

  /**
   * Fetches one manifest or index, as it is, keeps it in the store, and gathers around it from now on: its blobs are about to be wanted. A tag is asked at
   * the registry, and only there; a digest comes through the swarm.
   *
   * @throws as {@link Swarm.resolve} does
   */
  fetchManifest(reference: string | Reference, options: FetchManifestOptions = {}): Promise<ResolvedManifest> {
    return this.#node.calls.run((signal) => this.#node.images.manifest(reference, { ...options, signal }), options)
  }

  /**
   * Yields a blob's bytes in order while it loads, each as soon as it is proven: in a closed network, or from the origin, piece by piece; pieces
   * of strangers when the whole blob has been verified. A slow reader does not slow the download, which goes to the store.
   *
   * @param layer - as for {@link Swarm.fetchLayer}
   * @throws as {@link Swarm.fetchLayer} does
   * @example
   * ```ts
   * import { createWriteStream } from 'node:fs'
   * import { pipeline } from 'node:stream/promises'
   * import { createSwarm } from 'damselfly'
   *
   * await using swarm = await createSwarm()
   * const { layers } = await swarm.resolve('docker.io/library/alpine:3.20')
   * for (const layer of layers) await pipeline(swarm.streamLayer(layer), createWriteStream('layer.tar.gz'))
   * ```
   */
  async *streamLayer(layer: LayerRequest | string, options: FetchOptions = {}): AsyncGenerator<Uint8Array> {
    const { signal, done } = this.#node.calls.begin(options)
    try {
      yield* this.#node.blobs.stream(this.#request(layer), { ...options, signal })
    } finally {
      done()
    }
  }

  /**
   * Offers something to others until the handle is closed. Blobs that this node fetches are offered in any case, while it is up.
   *
   * @throws as {@link Swarm.fetchImage} or {@link Swarm.fetchLayer} do, where something is fetched first
   * @throws {@link DigestMismatchError} when bytes do not match their descriptor
   */
  seed(source: SeedSource, options: FetchOptions = {}): Promise<SeedHandle> {
    return this.#node.calls.run((signal) => this.#node.seeding.seed(source, { ...options, signal }), options)
  }

  /** Who this node is linked to, and what moved since it started. */
  stats(): SwarmStats {
    return this.#node.stats()
  }

  /**
   * What became of a blob on this node, and why: who was asked, who answered, which bytes came from where, why the origin was used.
   * The history of an image's introductions is that of its manifest's digest. Kept for the 256 blobs that were busy last.
   *
   * @example
   * ```ts
   * import { createSwarm } from 'damselfly'
   *
   * await using swarm = await createSwarm()
   * await using image = await swarm.fetchImage('docker.io/library/alpine:3.20')
   * for (const event of swarm.explain(image.config.digest).events) console.log(event.atMs, event.type)
   * ```
   */
  explain(digest: Digest): Explanation {
    return this.#node.explain(parseDigest(digest))
  }

  /** Ends all transfers, links and timers. Calls that run reject with `ERR_SWARM_CLOSED`. What was stored stays. */
  close(): Promise<void> {
    return this.#node.close()
  }

  /** Closes it: `await using swarm = await createSwarm()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #request(layer: OpenRequest | string): BlobRequest {
    if (typeof layer !== 'string') {
      const digest = parseDigest(layer.digest)
      return { ...layer, digest, size: layer.size === undefined ? undefined : parseSize(layer.size), topic: layer.topic ?? digest, alone: layer.topic === undefined }
    }
    const reference = parseReference(layer)
    const { digest } = reference
    if (digest) return { digest, topic: digest, alone: true, origin: this.resolver.blobOrigin(reference, digest) }
    throw new RequestError(
      'ERR_REQUEST_DIGEST',
      `${printReference(reference)} names no blob: write repository@sha256:…, or fetch the image`,
    )
  }
}
