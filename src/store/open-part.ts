import type { Bitfield } from '../core/bitfield.ts'
import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import type { Clock } from '../core/clock.ts'
import { hashBytes, type Digest } from '../core/digest.ts'
import { DigestMismatchError, RequestError, StoreError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { pieceAt, pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { sourceOf } from './blob-import.ts'
import { bytesOf } from './journal.ts'
import { JournalWriter } from './journal-writer.ts'
import { hashAt, hashOf } from './piece-hashing.ts'
import { PrefixHasher } from './prefix-hasher.ts'
import type { ScratchPart } from './scratch.ts'
import type { BlobSource } from './storage-backend.ts'
import type { CommitFacts, PieceSource, StoredPart } from './stored-part.ts'

/** What a part has learned about its blob. */
export interface PartFacts {
  readonly private: boolean
  readonly mediaType: string | undefined
  /** Names under which it came. */
  readonly repositories: readonly string[]
  /** sha256 of the pieces, 32 bytes each. */
  readonly hashes: Uint8Array
}

/** The store, as a part sees it. */
export interface PartOwner {
  /** Keeps the verified blob. */
  keep(source: BlobSource, facts: PartFacts): Promise<void>
  /** Reads the blob once it is kept. */
  read(range: ByteRange): Promise<Uint8Array>
  /** The part is closed, with this many bytes left for the next time. */
  released(leftBytes: number): void
}

/** What a part is opened with. */
export interface OpenPartInit {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly scratch: ScratchPart
  readonly owner: PartOwner
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * A {@link StoredPart} over a scratch: it decides in which order things become durable, and whether the whole is what
 * it should be.
 */
export class OpenPart implements StoredPart {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly stored: Bitfield
  readonly fromOrigin: Bitfield
  readonly #scratch: ScratchPart
  readonly #owner: PartOwner
  readonly #logger: Logger
  readonly #hashes: Uint8Array
  readonly #journal: JournalWriter
  readonly #prefix: PrefixHasher
  #private: boolean
  #phase: 'open' | 'committed' | 'closed' = 'open'
  #committing: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor({ digest, layout, scratch, owner, clock, logger }: OpenPartInit) {
    const { state } = scratch
    this.digest = digest
    this.layout = layout
    this.stored = state.stored
    this.fromOrigin = state.fromOrigin
    this.#hashes = state.hashes
    this.#private = state.private
    this.#scratch = scratch
    this.#owner = owner
    this.#logger = logger
    this.#journal = new JournalWriter(scratch, clock)
    this.#prefix = new PrefixHasher(layout, this.stored, (target, offset) =>
      scratch.readInto(target, offset),
    )
  }

  get private(): boolean {
    return this.#private
  }

  /** Makes sure of what was here before: after a crash, the bytes of a piece may not be what the journal says. */
  async recover(signal?: AbortSignal): Promise<void> {
    if (!this.#scratch.state.clean) await this.drop(await this.damaged(signal))
    this.#prefix.advance()
  }

  async damaged(signal?: AbortSignal): Promise<number[]> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(this.layout.pieceLength, this.layout.sizeBytes))
    const damaged: number[] = []
    for (const piece of this.stored.indexes()) {
      signal?.throwIfAborted()
      if (!(await this.#isIntact(piece, buffer))) damaged.push(piece)
    }
    return damaged
  }

  async write(
    piece: number,
    chunks: readonly Uint8Array[],
    source: PieceSource,
    hash: Uint8Array = hashOf(...chunks),
  ): Promise<void> {
    this.#checkOpen()
    const { length } = this.#rangeOf(piece)
    if (chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) !== length) {
      throw new RequestError(
        'ERR_REQUEST_RANGE',
        `piece ${piece} of ${this.digest} has ${length} bytes, not these`,
      )
    }
    const before = this.hash(piece)
    const fromOrigin = source === 'origin'
    if (before && Buffer.compare(before, hash) === 0) {
      if (fromOrigin && this.fromOrigin.add(piece))
        this.#journal.record({ type: 'stored', piece, fromOrigin, hash })
      return
    }
    if (before) this.#forget([piece])
    await this.#writeBytes(piece, chunks)
    this.#checkOpen()
    this.stored.add(piece)
    if (fromOrigin) this.fromOrigin.add(piece)
    this.#hashes.set(hash, piece * hashBytes)
    this.#prefix.offer(piece, chunks)
    this.#journal.record({ type: 'stored', piece, fromOrigin, hash }, length)
  }

  hash(piece: number): Uint8Array | undefined {
    return this.stored.has(piece) ? hashAt(this.#hashes, piece) : undefined
  }

  async read(range: ByteRange): Promise<Uint8Array> {
    if (this.#isCommitted()) return this.#owner.read(range)
    this.#checkOpen()
    const { offset, length } = rangeWithin(this.layout.sizeBytes, range)
    const end = length === 0 ? 0 : pieceAt(this.layout, offset + length - 1) + 1
    if (this.stored.firstMissing(pieceAt(this.layout, offset)) < end) {
      throw new RequestError(
        'ERR_REQUEST_RANGE',
        `the ${length} bytes at ${offset} of ${this.digest} are not all here`,
      )
    }
    const bytes = Buffer.allocUnsafeSlow(length)
    try {
      await this.#scratch.readInto(bytes, offset)
    } catch (error) {
      // The blob was committed, and the file closed, while we read.
      if (this.#isCommitted()) return this.#owner.read(range)
      throw error
    }
    return bytes
  }

  async drop(pieces: Iterable<number>): Promise<void> {
    this.#checkOpen()
    const dropped = [...pieces].filter((piece) => this.stored.has(piece))
    if (dropped.length === 0) return
    this.#forget(dropped)
    await this.#journal.flush()
  }

  async markPrivate(): Promise<void> {
    this.#checkOpen()
    if (this.#private) return
    this.#private = true
    this.#journal.record({ type: 'private' })
    await this.#journal.flush()
  }

  async commit(facts: CommitFacts = {}): Promise<void> {
    this.#checkOpen()
    this.#committing = this.#verifyAndKeep(facts)
    await this.#committing
    await this.#end('committed', () => this.#scratch.remove())
  }

  async close(): Promise<void> {
    await this.#committing?.catch(() => {})
    await this.#end('closed', async () => {
      if (this.#journal.failure === undefined) await this.#journal.flush().catch(() => {})
      await (this.#journal.failure === undefined
        ? this.#scratch.close(true)
        : this.#scratch.remove())
    })
  }

  async discard(): Promise<void> {
    await this.#committing?.catch(() => {})
    await this.#end('closed', async () => {
      this.stored.clear()
      await this.#scratch.remove()
    })
  }

  /** Lets go before it is certain what is here: whoever opens it next has to find out. */
  async abandon(): Promise<void> {
    await this.#end('closed', () => this.#scratch.close(false))
  }

  async #verifyAndKeep({ mediaType, repositories = [] }: CommitFacts): Promise<void> {
    if (!this.stored.complete) {
      const missing = this.stored.size - this.stored.count
      throw new RequestError('ERR_REQUEST_RANGE', `${missing} pieces of ${this.digest} are missing`)
    }
    const actual = await this.#prefix.finish()
    if (actual !== this.digest) throw new DigestMismatchError(this.digest, actual)
    await this.#journal.syncBytes()
    await this.#owner.keep(sourceOf(this.#scratch, this.layout.sizeBytes), {
      private: this.#private,
      mediaType,
      repositories,
      hashes: this.#hashes,
    })
  }

  /** What fails at the end is only lost work: the blob is kept already, or will be fetched again. */
  #end(phase: 'committed' | 'closed', finish: () => Promise<void>): Promise<void> {
    this.#ending ??= (async () => {
      this.#phase = phase
      await this.#prefix.stop()
      await this.#journal.stop()
      try {
        await finish()
      } catch (error) {
        this.#logger.warn('an unfinished blob was not closed well', { digest: this.digest, error })
      }
      const kept = phase === 'closed' && this.#journal.failure === undefined
      this.#owner.released(kept ? bytesOf(this.stored, this.layout) : 0)
    })()
    return this.#ending
  }

  async #writeBytes(piece: number, chunks: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#scratch.write(piece, chunks)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'ERR_STORE_IO') this.#journal.fail(error)
      throw error
    }
  }

  async #isIntact(piece: number, buffer: Buffer): Promise<boolean> {
    const { offset, length } = pieceRange(this.layout, piece)
    const bytes = buffer.subarray(0, length)
    try {
      await this.#scratch.readInto(bytes, offset)
    } catch (error) {
      this.#logger.warn('a piece cannot be read any more', { digest: this.digest, piece, error })
      return false
    }
    return Buffer.compare(hashOf(bytes), hashAt(this.#hashes, piece)) === 0
  }

  #forget(pieces: readonly number[]): void {
    for (const piece of pieces) {
      this.stored.delete(piece)
      this.fromOrigin.delete(piece)
      this.#journal.record({ type: 'dropped', piece })
    }
    this.#prefix.forget(pieces)
  }

  #rangeOf(piece: number): ByteRange {
    const { pieceCount } = this.layout
    if (Number.isInteger(piece) && piece >= 0 && piece < pieceCount)
      return pieceRange(this.layout, piece)
    throw new RequestError(
      'ERR_REQUEST_RANGE',
      `${this.digest} has ${pieceCount} pieces, and no piece ${piece}`,
    )
  }

  #isCommitted(): boolean {
    return this.#phase === 'committed'
  }

  #checkOpen(): void {
    const { failure } = this.#journal
    if (failure !== undefined) throw failure
    if (this.#phase === 'open') return
    throw new StoreError('ERR_STORE_CLOSED', `the unfinished copy of ${this.digest} is closed`)
  }
}
