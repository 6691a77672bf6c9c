import { createHash } from 'node:crypto'
import { hashBytes, type Digest } from '../core/digest.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'

/** What the bytes of a blob hash to. */
export interface BlobHashes {
  readonly digest: Digest
  /** sha256 of each piece, 32 bytes each, in order. */
  readonly pieces: Uint8Array
}

/** Hashes a blob's bytes as they come by, in order: as a whole, and piece by piece. */
export class BlobHasher {
  readonly #layout: PieceLayout
  readonly #whole = createHash('sha256')
  readonly #pieces: Uint8Array
  #piece = createHash('sha256')
  #index = 0
  #missing: number

  constructor(layout: PieceLayout) {
    this.#layout = layout
    this.#pieces = new Uint8Array(layout.pieceCount * hashBytes)
    this.#missing = this.#pieceLength()
  }

  /** Takes the next bytes; they must not go beyond the layout. */
  update(bytes: Uint8Array): void {
    this.#whole.update(bytes)
    for (let rest = bytes; rest.byteLength > 0;) {
      const own = rest.subarray(0, this.#missing)
      this.#piece.update(own)
      this.#missing -= own.byteLength
      if (this.#missing === 0) this.#endPiece()
      rest = rest.subarray(own.byteLength)
    }
  }

  /** To be called once, when all bytes have been taken. */
  finish(): BlobHashes {
    return { digest: `sha256:${this.#whole.digest('hex')}`, pieces: this.#pieces }
  }

  #endPiece(): void {
    this.#pieces.set(this.#piece.digest(), this.#index * hashBytes)
    this.#piece = createHash('sha256')
    this.#index++
    this.#missing = this.#pieceLength()
  }

  #pieceLength(): number {
    return this.#index < this.#layout.pieceCount
      ? pieceRange(this.#layout, this.#index).length
      : Infinity
  }
}

/** sha256 of bytes that lie in chunks. */
export function hashOf(...chunks: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest()
}

/** The hash of one piece in a list of them, as a copy. */
export function hashAt(hashes: Uint8Array, piece: number): Uint8Array {
  return new Uint8Array(hashes.subarray(piece * hashBytes, (piece + 1) * hashBytes))
}
