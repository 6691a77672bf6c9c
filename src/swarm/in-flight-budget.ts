/** Bytes of unfinished pieces that this node may have in memory, over all blobs and peers. */
export class InFlightBudget {
  readonly #limitBytes: number
  readonly #waiting = new Set<() => void>()
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes the bytes, or calls back once when it is worth trying again. One piece is always allowed. */
  take(bytes: number, retry: () => void): boolean {
    if (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#limitBytes) {
      this.#waiting.add(retry)
      return false
    }
    this.#usedBytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const retry of waiting) retry()
  }
}
