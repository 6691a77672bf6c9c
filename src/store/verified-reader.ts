import { abortable } from '../core/abortable.ts'
import { Bitfield } from '../core/bitfield.ts'
import type { ByteRange } from '../core/byte-range.ts'
import { digestToBytes } from '../core/digest.ts'
import { BlobNotFoundError, RequestError, StoreError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import { pieceAt, pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import type { BlobEntry, FirstUse } from './blob-index.ts'
import type { BlobRecords } from './blob-records.ts'
import { BlobHasher, hashAt, hashOf } from './piece-hashing.ts'
import type { ReadOptions, StorageBackend } from './storage-backend.ts'

const passBytes = 1024 * 1024

/** A blob that was here before the store was opened, and of which nobody knows yet whether it is still whole. */
export function unverified({ pieceCount }: PieceLayout): FirstUse {
  return { checked: new Bitfield(pieceCount), hashes: undefined }
}

/** What becomes of blobs that cannot be read. */
export interface Losses {
  /** Takes a blob away whose bytes are not what they were. */
  damaged(entry: BlobEntry): Promise<void>
  /** Forgets a blob that went behind our back. */
  absent(entry: BlobEntry): void
}

/**
 * Reads complete blobs, and compares each piece with its hash the first time since the store was opened: disks
 * forget. Where the hashes of the pieces are known, that costs one piece at a time; otherwise one pass over the whole
 * blob.
 */
export class VerifiedReader {
  readonly #backend: StorageBackend
  readonly #records: BlobRecords
  readonly #losses: Losses
  readonly #closed: AbortSignal

  /**
   * @param losses - who is told of blobs that were there, and are no more
   * @param closed - ends passes that all callers share
   */
  constructor(
    backend: StorageBackend,
    records: BlobRecords,
    losses: Losses,
    closed: AbortSignal,
  ) {
    this.#backend = backend
    this.#records = records
    this.#losses = losses
    this.#closed = closed
  }

  /**
   * @param range - inside the blob
   * @throws {@link StoreError} `ERR_STORE_CORRUPT` when the bytes are damaged; the blob is gone then
   */
  async read(entry: BlobEntry, range: ByteRange, options: ReadOptions = {}): Promise<Uint8Array> {
    if (!entry.firstUse || range.length === 0) return this.#readExactly(entry, range, options)
    const { layout } = entry
    const first = pieceAt(layout, range.offset)
    const last = pieceAt(layout, range.offset + range.length - 1)
    for (let piece = first; piece <= last; piece++) {
      const bytes = await this.#checkPiece(entry, piece, { signal: options.signal })
      const { offset, length } = pieceRange(layout, piece)
      if (bytes && offset === range.offset && length === range.length) return bytes
    }
    return this.#readExactly(entry, range, options)
  }

  /** Makes sure of the whole blob. */
  async verify(entry: BlobEntry, options: AbortOptions = {}): Promise<void> {
    for (let piece = 0; entry.firstUse && piece < entry.layout.pieceCount; piece++) {
      await this.#checkPiece(entry, piece, options)
    }
  }

  /** sha256 of all pieces; read from the notes, or from the blob the first time. */
  async hashes(entry: BlobEntry, { signal }: AbortOptions = {}): Promise<Uint8Array> {
    const { digest, layout } = entry
    if (layout.pieceCount <= 1)
      return layout.pieceCount === 0 ? new Uint8Array(0) : digestToBytes(digest)
    const { firstUse } = entry
    if (!firstUse) return abortable(this.#findHashes(entry), signal)
    firstUse.hashes ??= this.#findHashes(entry).catch((error: unknown) => {
      firstUse.hashes = undefined
      throw error
    })
    return abortable(firstUse.hashes, signal)
  }

  /** The piece, if it had to be read to be compared. */
  async #checkPiece(
    entry: BlobEntry,
    piece: number,
    options: AbortOptions,
  ): Promise<Uint8Array | undefined> {
    const hashes = await this.hashes(entry, options)
    const { firstUse } = entry
    if (!firstUse || firstUse.checked.has(piece)) return undefined
    const bytes = await this.#readExactly(entry, pieceRange(entry.layout, piece), options)
    if (Buffer.compare(hashOf(bytes), hashAt(hashes, piece)) !== 0) throw await this.#damaged(entry)
    firstUse.checked.add(piece)
    if (firstUse.checked.complete) entry.firstUse = undefined
    return bytes
  }

  async #findHashes(entry: BlobEntry): Promise<Uint8Array> {
    const { digest, layout } = entry
    const known = await this.#records.readHashes(digest, layout.pieceCount)
    if (known) return known
    const hasher = new BlobHasher(layout)
    for (let offset = 0; offset < layout.sizeBytes; offset += passBytes) {
      const range = { offset, length: Math.min(passBytes, layout.sizeBytes - offset) }
      hasher.update(await this.#readExactly(entry, range, { signal: this.#closed }))
    }
    const found = hasher.finish()
    if (found.digest !== digest) throw await this.#damaged(entry)
    entry.firstUse = undefined
    // Without the note the next one to ask has to read the blob, too; nothing worse.
    await this.#records.writeHashes(digest, layout.pieceCount, found.pieces).catch(() => {})
    return found.pieces
  }

  async #readExactly(
    entry: BlobEntry,
    range: ByteRange,
    options: ReadOptions,
  ): Promise<Uint8Array> {
    let bytes: Uint8Array
    try {
      bytes = await this.#backend.read(entry.digest, range, options)
    } catch (error) {
      if (error instanceof BlobNotFoundError) this.#losses.absent(entry)
      // The range is inside the blob that was put: there is less of it now.
      const cut =
        error instanceof RequestError ||
        (error instanceof StoreError && error.code === 'ERR_STORE_CORRUPT')
      throw cut ? await this.#damaged(entry, error) : error
    }
    if (bytes.byteLength !== range.length) throw await this.#damaged(entry)
    return bytes
  }

  async #damaged(entry: BlobEntry, cause?: unknown): Promise<StoreError> {
    await this.#losses.damaged(entry)
    return new StoreError(
      'ERR_STORE_CORRUPT',
      `the stored bytes of ${entry.digest} were damaged and have been set aside: fetch it again, and check the disk`,
      { cause },
    )
  }
}
