import type { Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { StoredBlob } from './stored-blob.ts'
import type { TransferStats } from './transfer.ts'

/**
 * An image that is whole, verified and in the store. Its blobs cannot be evicted until this is closed.
 * @public
 */
export interface StoredImage extends AsyncDisposable {
  /** As it was asked for, in full: `docker.io/library/alpine:3.20`. */
  readonly reference: string
  /** What the reference named: an index, or the manifest itself. */
  readonly digest: Digest
  readonly manifest: StoredBlob
  readonly config: StoredBlob
  /** In the manifest's order, the lowest first. */
  readonly layers: readonly StoredBlob[]
  readonly platform: Platform | undefined
  /** Of all its blobs together. */
  readonly stats: TransferStats
  /** Lets the store evict it. */
  close(): Promise<void>
}
