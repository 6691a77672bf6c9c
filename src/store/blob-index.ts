import type { Bitfield } from '../core/bitfield.ts'
import type { Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { BlobFacts } from './blob-facts.ts'

/** A complete blob, as the store remembers it. */
export interface BlobEntry {
  readonly digest: Digest
  readonly layout: PieceLayout
  /** It came with credentials; `undefined` where nobody knows how it came. */
  private: boolean | undefined
  mediaType: string | undefined
  /** Names under which it came. */
  repositories: readonly string[]
  pinned: boolean
  /** When its record says it was last used, in milliseconds since 1970. */
  recordedUseMs: number
  /** What is left to verify of a blob that was here when the store was opened; `undefined` when nothing is. */
  firstUse: FirstUse | undefined
  /** To be deleted when nobody holds it any more; for everyone else it is gone. */
  doomed: boolean
}

/** How much of a blob has been compared with its hashes since the store was opened. */
export interface FirstUse {
  readonly checked: Bitfield
  /** sha256 of its pieces, once somebody has asked. */
  hashes: Promise<Uint8Array> | undefined
}

/** Which complete blobs there are, how much they take, who holds them, and which of them was not used for longest. */
export class BlobIndex {
  /** Least recently used first. */
  readonly #entries = new Map<Digest, BlobEntry>()
  readonly #leases = new Map<Digest, number>()
  readonly #ownBytes: (digest: Digest) => number | undefined

  /** @param ownBytes - what a blob takes, where that is not its length */
  constructor(ownBytes: (digest: Digest) => number | undefined = () => undefined) {
    this.#ownBytes = ownBytes
  }

  /** Bytes that all blobs take. */
  get usedBytes(): number {
    let bytes = 0
    for (const entry of this.#entries.values()) bytes += this.takenBy(entry)
    return bytes
  }

  /** Bytes of blobs that are being deleted. */
  get leavingBytes(): number {
    let bytes = 0
    for (const { digest, layout, doomed } of this.#entries.values()) {
      if (doomed && !this.isHeld(digest)) bytes += this.#ownBytes(digest) ?? layout.sizeBytes
    }
    return bytes
  }

  /** Bytes that deleting a blob would free. */
  takenBy({ digest, layout }: BlobEntry): number {
    return this.#ownBytes(digest) ?? layout.sizeBytes
  }

  /** How many blobs are there for everyone. */
  get count(): number {
    let count = 0
    for (const { doomed } of this.#entries.values()) if (!doomed) count++
    return count
  }

  get(digest: Digest): BlobEntry | undefined {
    return this.#entries.get(digest)
  }

  /** Takes a blob in as the one used last; an earlier entry of it gives way. */
  add(entry: BlobEntry): void {
    const before = this.#entries.get(entry.digest)
    if (before) this.remove(before)
    this.#entries.set(entry.digest, entry)
  }

  /** Forgets an entry, unless another one has taken its place. */
  remove(entry: BlobEntry): void {
    if (this.#entries.get(entry.digest) === entry) this.#entries.delete(entry.digest)
  }

  /** Notes that a blob is used. */
  touch(entry: BlobEntry): void {
    if (!this.#entries.delete(entry.digest)) return
    this.#entries.set(entry.digest, entry)
  }

  /**
   * Holds a blob, whether it is there yet or not; the returned function lets go, and says whether it was the last to
   * do so.
   */
  hold(digest: Digest): () => boolean {
    this.#leases.set(digest, (this.#leases.get(digest) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return false
      held = false
      const left = (this.#leases.get(digest) ?? 0) - 1
      if (left > 0) this.#leases.set(digest, left)
      else this.#leases.delete(digest)
      return left === 0
    }
  }

  isHeld(digest: Digest): boolean {
    return this.#leases.has(digest)
  }

  /** Blobs that may be deleted to make room, least recently used first. */
  *evictable(): Generator<BlobEntry> {
    for (const entry of this.#entries.values()) {
      if (!entry.pinned && !entry.doomed && !this.isHeld(entry.digest) && this.takenBy(entry) > 0) yield entry
    }
  }

  *doomed(): Generator<BlobEntry> {
    for (const entry of Array.from(this.#entries.values())) if (entry.doomed) yield entry
  }

  /** What is there for everyone, least recently used first. */
  *visible(): Generator<{ readonly digest: Digest } & BlobFacts> {
    for (const entry of Array.from(this.#entries.values())) {
      if (!entry.doomed) yield { digest: entry.digest, ...factsOf(entry) }
    }
  }
}

/** What users see of an entry: a blob that may be anyone's counts as private. */
export function factsOf({ layout, mediaType, repositories, ...entry }: BlobEntry): BlobFacts {
  return {
    sizeBytes: layout.sizeBytes,
    private: entry.private ?? true,
    ...(mediaType !== undefined && { mediaType }),
    ...(repositories.length > 0 && { repositories }),
  }
}
