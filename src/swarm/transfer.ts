import type { Descriptor, Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import type { ManifestResolver } from '../oci/manifest-resolver.ts'

/**
 * A blob to fetch: its descriptor, and where it may be had if no peer has it.
 * @public
 */
export interface LayerRequest extends Pick<Descriptor, 'digest' | 'size'> {
  readonly mediaType?: string | undefined
  /** Without one, the blob comes from peers or not at all. */
  readonly origin?: Origin | undefined
  /** What others gather around who want it, too: the digest of its image's manifest. @defaultValue its own digest */
  readonly topic?: Digest | undefined
  /** True when credentials were needed to learn of it: it is then never offered outside a closed network. */
  readonly private?: boolean | undefined
}

/**
 * A blob to open; one without a size is looked for by its digest alone.
 * @public
 */
export interface OpenRequest extends Omit<LayerRequest, 'size'> {
  readonly size?: number | undefined
}

/**
 * What is known of a blob, wherever it is.
 * @internal
 */
export interface FoundLayer {
  readonly sizeBytes: number
  readonly mediaType?: string | undefined
}

/**
 * Settings of `Swarm.fetchManifest`.
 * @public
 */
export interface FetchManifestOptions extends AbortOptions {
  /** How to reach the registry. @defaultValue the swarm's own resolver */
  resolver?: ManifestResolver | undefined
  /** A registry that fails to say what a tag is is not asked again. @defaultValue false */
  once?: boolean | undefined
}

/**
 * Bytes of a transfer, by where they came from.
 * @public
 */
export interface ByteCounts {
  /** Length of everything asked for. */
  readonly total: number
  /** Read from the origin. */
  readonly origin: number
  /** Received from peers, and as claimed; if the whole did not match, some of it was thrown away later. */
  readonly peers: number
  /** Here already when the transfer began. */
  readonly stored: number
}

/**
 * What one peer gave.
 * @public
 */
export interface PeerShare {
  readonly peerId: string
  readonly bytes: number
  /** All the ways in which it was found, the first one first: `dht`, `mdns`, `dns`, `peers`, `tracker`, `inbound`, `met`. */
  readonly foundBy: readonly string[]
  /** Bytes that it sent while it did not have the whole blob itself. */
  readonly bytesWhileIncomplete: number
}

/**
 * How a transfer went.
 * @public
 */
export interface TransferStats {
  readonly bytes: ByteCounts
  readonly peers: readonly PeerShare[]
  /** From the call to the verified end, in milliseconds. */
  readonly ms: number
}

/**
 * What `onProgress` is told.
 * @public
 */
export type TransferProgress =
  | { readonly type: 'image:resolved'; readonly digest: Digest; readonly layers: readonly Descriptor[] }
  | { readonly type: 'blob:started'; readonly digest: Digest; readonly bytes: ByteCounts }
  | { readonly type: 'blob:progress'; readonly digest: Digest; readonly bytes: ByteCounts }
  | { readonly type: 'blob:completed'; readonly digest: Digest; readonly stats: TransferStats }

/**
 * Settings of one fetch.
 * @public
 */
export interface FetchOptions extends AbortOptions {
  /** Called as pieces arrive. What it throws is ignored. */
  onProgress?: ((progress: TransferProgress) => void) | undefined
}

/**
 * Settings of one image fetch.
 * @public
 */
export interface FetchImageOptions extends FetchOptions {
  /** Which image of an index: `linux/arm64/v8`. @defaultValue what this process runs on, with Linux as its system */
  platform?: string | Platform | undefined
  /** Folder to write the image to as an OCI image layout; made if absent, added to if it is a layout. */
  to?: string | undefined
}
