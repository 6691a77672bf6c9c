import { Bitfield } from '../core/bitfield.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { PieceStore, StoredPart } from '../store/piece-store.ts'
import type { BitfieldMessage, ControlMessage } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'

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

  /**
   * The message that tells a peer our copy.
   * @param pieces - those of it that may be offered
   */
  describe(pieces: readonly number[], facts: { wants: boolean; complete: boolean; private: boolean }): BitfieldMessage {
    const { complete } = facts
    const bits = complete || pieces.length === 0 ? new Uint8Array(0) : bitfieldOf(pieces, this.layout.pieceCount).toBytes()
    return { type: 'bitfield', digest: this.digest, sizeBytes: this.layout.sizeBytes, ...facts, bits }
  }

  /** The messages that tell a peer of pieces that became ours; sorted. */
  haves(pieces: readonly number[]): ControlMessage[] {
    return batches(pieces, limits.piecesPerHave).map((batch) => ({ type: 'have', digest: this.digest, pieces: batch }))
  }

  /** The messages that tell one peer, before all others, of pieces that we brought in; sorted. */
  fresh(pieces: readonly number[]): ControlMessage[] {
    return batches(pieces, limits.piecesPerFresh).map((batch) => ({ type: 'fresh', digest: this.digest, pieces: batch }))
  }

  /** sha256 of a piece that is here; of a complete blob, once {@link loadHashes} has read them. */
  hash(piece: number): Uint8Array | undefined {
    return this.#part ? this.#part.hash(piece) : this.#hashes[piece]
  }
}

function bitfieldOf(pieces: readonly number[], pieceCount: number): Bitfield {
  const bits = new Bitfield(pieceCount)
  for (const piece of pieces) bits.add(piece)
  return bits
}

function batches(pieces: readonly number[], most: number): number[][] {
  const made: number[][] = []
  for (let start = 0; start < pieces.length; start += most) made.push(pieces.slice(start, start + most))
  return made
}
