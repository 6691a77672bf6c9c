import { Bitfield } from '../core/bitfield.ts'
import { digestToBytes, hashBytes, type Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'

/** What one peer said its pieces of one blob hash to. A blob of one piece needs no telling: its digest is the hash. */
export class ToldHashes {
  readonly #told: Bitfield
  /** Made when the peer first tells one: most peers of a blob that we only serve never do. */
  #hashes: Uint8Array | undefined

  constructor(digest: Digest, { pieceCount }: PieceLayout) {
    this.#told = new Bitfield(pieceCount)
    if (pieceCount === 1) this.tell(0, digestToBytes(digest))
  }

  tell(piece: number, hash: Uint8Array): void {
    if (piece >= this.#told.size || hash.byteLength !== hashBytes) return
    // The digest stands, whatever a peer says.
    if (this.#told.size === 1 && this.#told.has(0)) return
    this.#hashes ??= new Uint8Array(this.#told.size * hashBytes)
    this.#hashes.set(hash, piece * hashBytes)
    this.#told.add(piece)
  }

  /** A copy: the peer may tell another one while the piece is on its way to the store. */
  of(piece: number): Uint8Array | undefined {
    if (!this.#told.has(piece)) return undefined
    return this.#hashes?.slice(piece * hashBytes, (piece + 1) * hashBytes)
  }

  /** Those of the pieces whose hash is known: only they can be checked, so only they are asked for. */
  known(pieces: Iterable<number>): number[] {
    const known: number[] = []
    for (const piece of pieces) if (this.#told.has(piece)) known.push(piece)
    return known
  }
}

/** Consecutive pieces of a sorted list together, at most `most` at a time. */
export function* consecutive(pieces: Iterable<number>, most: number): Generator<number[]> {
  let run: number[] = []
  for (const piece of pieces) {
    const last = run.at(-1)
    if (last !== undefined && (piece !== last + 1 || run.length >= most)) {
      yield run
      run = []
    }
    run.push(piece)
  }
  if (run.length > 0) yield run
}
