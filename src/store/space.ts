import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import type { BlobEntry, BlobIndex } from './blob-index.ts'
import { chooseVictims } from './eviction.ts'

/** How a store deletes. */
export interface Evictor {
  blob(entry: BlobEntry): Promise<void>
  /** The unfinished copies that nobody has open. */
  unfinished(digest: Digest): Promise<void>
}

interface Candidate {
  readonly sizeBytes: number
  evict(): Promise<void>
}

/**
 * The space that a store may take: whoever wants to write a blob reserves its bytes first, and what was not used for
 * longest makes room.
 */
export class Space {
  readonly quotaBytes: number
  readonly #index: BlobIndex
  readonly #evictor: Evictor
  /** Bytes here of unfinished copies that nobody has open. */
  readonly #left = new Map<Digest, number>()
  #reservedBytes = 0

  constructor(quotaBytes: number, index: BlobIndex, evictor: Evictor) {
    this.quotaBytes = quotaBytes
    this.#index = index
    this.#evictor = evictor
  }

  /** Bytes of all blobs: complete, reserved and left unfinished. */
  get usedBytes(): number {
    let leftBytes = 0
    for (const bytes of this.#left.values()) leftBytes += bytes
    return this.#index.usedBytes - this.#index.leavingBytes + this.#reservedBytes + leftBytes
  }

  /** An unfinished copy stays behind; with 0 bytes, none does. */
  leave(digest: Digest, bytes: number): void {
    if (bytes > 0) this.#left.set(digest, bytes)
    else this.#left.delete(digest)
  }

  /**
   * Makes room for a blob, its unfinished copy included if there is one. Call what it returns when the bytes are
   * counted otherwise, or not needed any more.
   *
   * @throws {@link StoreError} `ERR_STORE_NO_SPACE` when not even all blobs that may go would make room; then none
   * has gone
   */
  async reserve(digest: Digest | undefined, sizeBytes: number): Promise<() => void> {
    const ownBytes = digest === undefined ? 0 : (this.#left.get(digest) ?? 0)
    const neededBytes = this.usedBytes - ownBytes + sizeBytes - this.quotaBytes
    const victims = neededBytes > 0 ? chooseVictims(this.#candidates(digest), neededBytes) : []
    if (!victims) {
      throw new StoreError(
        'ERR_STORE_NO_SPACE',
        `${sizeBytes} bytes do not fit: ${this.usedBytes} of ${this.quotaBytes} are used, and not enough of ` +
          'them may be evicted; close or unpin blobs, or raise quotaBytes',
      )
    }
    if (digest !== undefined) this.#left.delete(digest)
    this.#reservedBytes += sizeBytes
    let released = false
    const release = (): void => {
      if (!released) this.#reservedBytes -= sizeBytes
      released = true
    }
    try {
      await Promise.all(victims.map((victim) => victim.evict()))
    } catch (error) {
      release()
      if (digest !== undefined) this.leave(digest, ownBytes)
      throw error
    }
    return release
  }

  /** What is not complete goes first: it serves nobody. */
  *#candidates(except: Digest | undefined): Generator<Candidate> {
    for (const [digest, sizeBytes] of this.#left) {
      if (digest === except) continue
      const evict = (): Promise<void> => {
        this.#left.delete(digest)
        return this.#evictor.unfinished(digest)
      }
      yield { sizeBytes, evict }
    }
    for (const entry of this.#index.evictable()) {
      yield { sizeBytes: this.#index.takenBy(entry), evict: () => this.#evictor.blob(entry) }
    }
  }
}
