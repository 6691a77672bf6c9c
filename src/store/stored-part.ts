import type { Bitfield } from '../core/bitfield.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'

/**
 * Who gave a piece.
 * @public
 */
export type PieceSource = 'origin' | 'peer'

/**
 * What is to be known of a blob that became whole.
 * @public
 */
export interface CommitFacts {
  /** What its bytes are. */
  mediaType?: string | undefined
  /** Names under which it came, as {@link BlobFacts} has them. */
  repositories?: readonly string[] | undefined
}

/**
 * The unfinished copy of a blob, open for writing. What it holds survives {@link StoredPart.close} and, but for the
 * last two seconds or 64 MiB, a crash. After a failure of the disk that may have lost bytes, every call rejects with
 * that failure, and closing discards it.
 * @public
 */
export interface StoredPart {
  readonly digest: Digest
  /** How the blob is cut into pieces. */
  readonly layout: PieceLayout
  /** Pieces whose bytes are here; up to date at any time, and not to be changed. */
  readonly stored: Bitfield
  /** Those of them that the origin gave. */
  readonly fromOrigin: Bitfield
  /** The blob came with credentials. */
  readonly private: boolean
  /**
   * Stores a piece. One that is there already is replaced, unless it is the same: then only an origin's word is
   * noted. The calls for one piece follow each other.
   *
   * @param chunks - the whole piece; they must not change before this resolves
   * @param hash - sha256 of the piece, which the caller has checked; without it, it is computed
   * @throws {@link RequestError} `ERR_REQUEST_RANGE` when the chunks are not as long as the piece
   * @throws {@link StoreError} `ERR_STORE_NO_SPACE`, `ERR_STORE_IO`, `ERR_STORE_READ_ONLY`
   */
  write(
    piece: number,
    chunks: readonly Uint8Array[],
    source: PieceSource,
    hash?: Uint8Array,
  ): Promise<void>
  /** sha256 of a stored piece; `undefined` when the piece is not here. */
  hash(piece: number): Uint8Array | undefined
  /**
   * Reads inside stored pieces; after {@link StoredPart.commit}, from the complete blob.
   * @throws {@link RequestError} `ERR_REQUEST_RANGE` when a piece of the range is not here
   */
  read(range: ByteRange): Promise<Uint8Array>
  /** Reads all pieces again: those whose bytes are not any more what was written. For when the whole does not match. */
  damaged(): Promise<number[]>
  /** Forgets pieces whose bytes proved wrong. */
  drop(pieces: Iterable<number>): Promise<void>
  /** Notes that the blob came with credentials; that survives a crash before any later piece does. */
  markPrivate(): Promise<void>
  /**
   * Verifies the whole blob and makes it visible. The part ends with it.
   *
   * @param facts - what is to be known of the blob
   * @throws {@link DigestMismatchError} when the bytes are not those of the digest; the part stays, for pieces to be
   * dropped
   * @throws {@link RequestError} `ERR_REQUEST_RANGE` when pieces are missing
   */
  commit(facts?: CommitFacts): Promise<void>
  /** Lets go of it; what it holds is kept for the next time. */
  close(): Promise<void>
  /** Deletes it. */
  discard(): Promise<void>
}
