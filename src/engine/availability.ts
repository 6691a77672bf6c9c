import type { Random } from '../core/random.ts'

/**
 * How many peers have each piece that is still to be asked for, ordered by that count. All changes and the
 * choice of the rarest take constant time, however many pieces there are.
 */
export class Availability {
  readonly #counts: Uint16Array
  /** Pieces to be asked for, by how many peers have them. */
  readonly #buckets: number[][] = [[]]
  /** Where a piece stands in its bucket; -1 when it is not to be asked for. */
  readonly #positions: Int32Array

  constructor(pieceCount: number) {
    this.#counts = new Uint16Array(pieceCount)
    this.#positions = new Int32Array(pieceCount).fill(-1)
  }

  /** How many peers have a piece. */
  count(piece: number): number {
    return this.#counts[piece] ?? 0
  }

  /** How many pieces are to be asked for. */
  get openCount(): number {
    return this.#buckets.reduce((sum, bucket) => sum + bucket.length, 0)
  }

  /** How many of those nobody has. */
  get unheldCount(): number {
    return this.#buckets[0]?.length ?? 0
  }

  isOpen(piece: number): boolean {
    return (this.#positions[piece] ?? -1) >= 0
  }

  /** From now on the piece is to be asked for. */
  open(piece: number): void {
    if (this.isOpen(piece)) return
    this.#push(piece, this.count(piece))
  }

  /** The piece is asked for, or here. */
  close(piece: number): void {
    if (this.isOpen(piece)) this.#take(piece, this.count(piece))
  }

  /** One more peer has it (`change` 1), or one fewer (-1). */
  change(piece: number, change: 1 | -1): void {
    const before = this.count(piece)
    const after = before + change
    if (after < 0) return
    this.#counts[piece] = after
    if (!this.isOpen(piece)) return
    this.#take(piece, before)
    this.#push(piece, after)
  }

  /** The rarest open piece that `usable` accepts; ties are broken at random. */
  rarest(random: Random, usable: (piece: number) => boolean): number | undefined {
    for (let count = 1; count < this.#buckets.length; count++) {
      const bucket = this.#buckets[count] ?? []
      const start = bucket.length > 1 ? random.below(bucket.length) : 0
      for (let step = 0; step < bucket.length; step++) {
        const piece = bucket[(start + step) % bucket.length]
        if (piece !== undefined && usable(piece)) return piece
      }
    }
    return undefined
  }

  #push(piece: number, count: number): void {
    while (this.#buckets.length <= count) this.#buckets.push([])
    const bucket = this.#buckets[count] ?? []
    this.#positions[piece] = bucket.length
    bucket.push(piece)
  }

  #take(piece: number, count: number): void {
    const bucket = this.#buckets[count] ?? []
    const position = this.#positions[piece] ?? -1
    const last = bucket.pop()
    if (last !== undefined && last !== piece) {
      bucket[position] = last
      this.#positions[last] = position
    }
    this.#positions[piece] = -1
  }
}
