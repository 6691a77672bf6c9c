import type { Bitfield } from '../core/bitfield.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { PieceStore, StoredPart } from '../store/piece-store.ts'
import type { ControlMessage } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import { consecutive } from './piece-hashes.ts'

/** Our copy of one blob, whole or not: its bytes, its piece hashes, and how peers are told of it. */
export class BlobCopy {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly #store: PieceStore
  #part: StoredPart | undefined
  #hashes: readonly Uint8Array[] = []

  /** @param part - the unfinished copy; without one the blob is in the store */
  constructor(store: PieceStore, digest: Digest, layout: PieceLayout, part: StoredPart | undefined) {
    this.#store = store
    this.digest = digest
    this.layout = layout
    this.#part = part
  }

  get part(): StoredPart | undefined {
    return this.#part
  }

  /** The part was committed; the bytes are read from the store from now on. */
  completed(): void {
    const hashes: Uint8Array[] = []
    for (let piece = 0; piece < this.layout.pieceCount; piece++) {
      const hash = this.#part?.hash(piece)
      if (!hash) break
      hashes.push(hash)
    }
    if (hashes.length === this.layout.pieceCount) this.#hashes = hashes
    this.#part = undefined
  }

  /** Bytes inside pieces that are here. */
  async read(range: ByteRange): Promise<Uint8Array> {
    const part = this.#part
    if (!part) return this.#store.read(this.digest, range)
    try {
      return await part.read(range)
    } catch (error) {
      // The part was committed while we read: its bytes are in the store now.
      if (this.#part === part) throw error
      return this.#store.read(this.digest, range)
    }
  }

  /** Reads the hashes of a whole blob, so that {@link hash} has them. */
  async loadHashes(): Promise<void> {
    if (this.#part || this.layout.pieceCount <= 1 || this.#hashes.length > 0) return
    this.#hashes = await this.#store.pieceHashes(this.digest)
  }

  /** The messages that tell a peer our copy; with the hashes of its pieces for a peer that wants the blob. */
  describe(
    stored: Bitfield,
    facts: { wants: boolean; complete: boolean; private: boolean; withHashes: boolean },
  ): ControlMessage[] {
    const { complete } = facts
    const hashes = facts.withHashes ? this.hashMessages(stored.indexes()) : []
    return [
      ...hashes,
      {
        type: 'bitfield',
        digest: this.digest,
        sizeBytes: this.layout.sizeBytes,
        wants: facts.wants,
        complete,
        private: facts.private,
        bits: complete || stored.count === 0 ? new Uint8Array(0) : stored.toBytes(),
      },
    ]
  }

  /** The messages that tell a peer of pieces that became ours. */
  describePieces(pieces: readonly number[]): ControlMessage[] {
    const sorted = pieces.toSorted((a, b) => a - b)
    const messages = this.hashMessages(sorted)
    for (let start = 0; start < sorted.length; start += limits.piecesPerHave) {
      messages.push({
        type: 'have',
        digest: this.digest,
        pieces: sorted.slice(start, start + limits.piecesPerHave),
      })
    }
    return messages
  }

  /** The messages that tell one peer, before all others, of pieces that we brought in. */
  describeFresh(pieces: readonly number[]): ControlMessage[] {
    const sorted = pieces.toSorted((a, b) => a - b)
    const messages = this.hashMessages(sorted)
    for (let start = 0; start < sorted.length; start += limits.piecesPerFresh) {
      messages.push({ type: 'fresh', digest: this.digest, pieces: sorted.slice(start, start + limits.piecesPerFresh) })
    }
    return messages
  }

  private hashMessages(pieces: Iterable<number>): ControlMessage[] {
    if (this.layout.pieceCount <= 1) return []
    const messages: ControlMessage[] = []
    for (const run of consecutive(pieces, limits.hashesPerMessage)) {
      const hashes = run.map((piece) => this.hash(piece)).filter((hash) => hash !== undefined)
      const [first] = run
      if (first === undefined || hashes.length < run.length) continue
      messages.push({ type: 'hashes', digest: this.digest, first, hashes })
    }
    return messages
  }

  private hash(piece: number): Uint8Array | undefined {
    return this.#part ? this.#part.hash(piece) : this.#hashes[piece]
  }
}
