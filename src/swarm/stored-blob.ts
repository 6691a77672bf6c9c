import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import type { AbortOptions } from '../core/options.ts'
import type { PieceStore, StreamOptions } from '../store/piece-store.ts'
import type { TransferStats } from './transfer.ts'

/**
 * A blob that is whole, verified and in the store. It cannot be evicted until this is closed.
 * @public
 */
export interface StoredBlob extends AsyncDisposable {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly mediaType: string | undefined
  /** It came with credentials, and is offered to nobody outside a closed network. */
  readonly private: boolean
  /** The file that holds it, where the store has one; read-only. */
  readonly path: string | undefined
  /** How it got here. */
  readonly stats: TransferStats
  /**
   * Its bytes, in order.
   * @param range - part of them; without it, all
   * @throws {@link RequestError} `ERR_REQUEST_RANGE` when the range is not inside the blob
   */
  stream(range?: ByteRange, options?: StreamOptions): AsyncIterable<Uint8Array>
  /**
   * Writes a copy to a file, whole or not at all.
   * @throws {@link StoreError} when it cannot be written
   */
  export(to: string, options?: AbortOptions): Promise<void>
  /** Lets the store evict it. */
  close(): Promise<void>
}

/** Takes hold of a blob that the store has. */
export function holdBlob(
  store: PieceStore,
  digest: Digest,
  facts: { sizeBytes: number; private: boolean; mediaType?: string | undefined },
  stats: TransferStats,
): StoredBlob {
  const lease = store.lease(digest)
  const close = async (): Promise<void> => lease[Symbol.dispose]()
  return {
    digest,
    sizeBytes: facts.sizeBytes,
    mediaType: facts.mediaType,
    private: facts.private,
    path: store.path(digest),
    stats,
    stream: (range, options) => store.stream(digest, range, options),
    export: (to, options) => store.export(digest, to, options),
    close,
    [Symbol.asyncDispose]: close,
  }
}
