/** From this length on, a chunk may keep the buffer alive that it came in: a few times its own length. */
const keptBytes = 16 * 1024
const tailBytes = 64 * 1024

/**
 * The bytes of a piece, in the chunks in which they came; small ones are copied together. A peer may send a byte at a time, each in a buffer of
 * its own, and what is in memory must be what is counted.
 */
export class PieceChunks {
  readonly #chunks: Uint8Array[] = []
  #tail: Uint8Array | undefined
  #tailUsed = 0

  add(bytes: Uint8Array): void {
    if (bytes.byteLength >= keptBytes) {
      this.#endTail()
      this.#chunks.push(bytes)
      return
    }
    for (let offset = 0; offset < bytes.byteLength; ) {
      this.#tail ??= new Uint8Array(tailBytes)
      const end = Math.min(bytes.byteLength, offset + tailBytes - this.#tailUsed)
      this.#tail.set(bytes.subarray(offset, end), this.#tailUsed)
      this.#tailUsed += end - offset
      offset = end
      if (this.#tailUsed === tailBytes) this.#endTail()
    }
  }

  /** All of them, in order. */
  take(): Uint8Array[] {
    this.#endTail()
    return this.#chunks
  }

  #endTail(): void {
    if (this.#tail && this.#tailUsed > 0) this.#chunks.push(this.#tail.subarray(0, this.#tailUsed))
    this.#tail = undefined
    this.#tailUsed = 0
  }
}
