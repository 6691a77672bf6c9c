import type { PieceLayout } from '../core/piece-layout.ts'

/** Why bytes were thrown away: not what was claimed; claimed by a liar; of a whole that is not what it should be. */
export type WasteReason = 'corrupt' | 'refuted' | 'mismatch'

const minPieces = 4
const part = 0.1

/** What a node wastes of one blob on lies. */
export class WasteBudget {
  readonly maxBytes: number
  #usedBytes = 0

  constructor({ pieceLength, sizeBytes }: PieceLayout) {
    this.maxBytes = Math.max(minPieces * pieceLength, part * sizeBytes)
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Nothing more may be risked. */
  get isSpent(): boolean {
    return this.#usedBytes >= this.maxBytes
  }

  spend(bytes: number): void {
    this.#usedBytes += bytes
  }
}
