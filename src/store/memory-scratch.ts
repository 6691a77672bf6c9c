import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import { checkNumber } from '../core/options.ts'
import { pieceAt, pieceLayout, pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { replayJournal, type JournalRecord, type PartState } from './journal.ts'
import {
  partInUse,
  type BlobNotes,
  type LeftPart,
  type NoteKind,
  type Scratch,
  type ScratchFile,
  type ScratchPart,
} from './scratch.ts'

/**
 * Settings of {@link memoryScratch}.
 * @public
 */
export interface MemoryScratchOptions {
  /**
   * Unfinished blobs that would take more than this many bytes in all fail with `ERR_STORE_NO_SPACE`.
   * @defaultValue no limit
   */
  limitBytes?: number | undefined
}

/**
 * Keeps unfinished blobs in memory, as long as the process lives.
 * @public
 */
export function memoryScratch({ limitBytes = Infinity }: MemoryScratchOptions = {}): Scratch {
  return new MemoryScratch(checkNumber('limitBytes', limitBytes))
}

class MemoryScratch implements Scratch {
  readonly notes: BlobNotes = memoryNotes()
  readonly #room: Room
  readonly #parts = new Map<Digest, MemoryPart>()
  readonly #open = new Set<Digest>()

  constructor(limitBytes: number) {
    this.#room = { limitBytes, usedBytes: 0 }
  }

  async open(digest: Digest, sizeBytes: number): Promise<ScratchPart> {
    if (this.#open.has(digest)) throw partInUse(digest)
    const left = this.#parts.get(digest)
    if (left && left.layout.sizeBytes !== sizeBytes) await left.remove()
    const part = this.#parts.get(digest) ?? this.#newPart(digest, sizeBytes)
    this.#open.add(digest)
    this.#parts.set(digest, part)
    return part
  }

  async temporary(layout: PieceLayout): Promise<ScratchFile> {
    return new MemoryPart(layout, this.#room, () => {})
  }

  async *list(): AsyncGenerator<LeftPart> {
    for (const [digest, { layout, storedBytes }] of Array.from(this.#parts)) {
      if (!this.#open.has(digest)) yield { digest, sizeBytes: layout.sizeBytes, storedBytes }
    }
  }

  async remove(digest: Digest): Promise<void> {
    if (!this.#open.has(digest)) await this.#parts.get(digest)?.remove()
  }

  async close(): Promise<void> {}

  #newPart(digest: Digest, sizeBytes: number): MemoryPart {
    return new MemoryPart(pieceLayout(sizeBytes), this.#room, (kept) => {
      this.#open.delete(digest)
      if (!kept) this.#parts.delete(digest)
    })
  }
}

interface Room {
  readonly limitBytes: number
  usedBytes: number
}

class MemoryPart implements ScratchPart {
  readonly path = undefined
  readonly layout: PieceLayout
  readonly #room: Room
  readonly #ended: (kept: boolean) => void
  readonly #pieces = new Map<number, Uint8Array>()
  readonly #records: JournalRecord[] = []
  #clean = true

  constructor(layout: PieceLayout, room: Room, ended: (kept: boolean) => void) {
    this.layout = layout
    this.#room = room
    this.#ended = ended
  }

  get state(): PartState {
    return { ...replayJournal({ layout: this.layout, records: this.#records }), clean: this.#clean }
  }

  get storedBytes(): number {
    let bytes = 0
    for (const piece of this.#pieces.values()) bytes += piece.byteLength
    return bytes
  }

  async write(piece: number, chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = new Uint8Array(pieceRange(this.layout, piece).length)
    const grownBytes = bytes.byteLength - (this.#pieces.get(piece)?.byteLength ?? 0)
    if (this.#room.usedBytes + grownBytes > this.#room.limitBytes) {
      throw new StoreError(
        'ERR_STORE_NO_SPACE',
        'unfinished blobs would take more than limitBytes of memoryScratch',
      )
    }
    let filled = 0
    for (const chunk of chunks) {
      bytes.set(chunk, filled)
      filled += chunk.byteLength
    }
    this.#room.usedBytes += grownBytes
    this.#pieces.set(piece, bytes)
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < target.byteLength;) {
      const piece = pieceAt(this.layout, offset + filled)
      const start = offset + filled - pieceRange(this.layout, piece).offset
      const bytes = this.#pieces.get(piece)?.subarray(start, start + target.byteLength - filled)
      if (!bytes || bytes.byteLength === 0)
        throw new StoreError('ERR_STORE_IO', `piece ${piece} was not written`)
      target.set(bytes, filled)
      filled += bytes.byteLength
    }
  }

  async sync(records: readonly JournalRecord[] = []): Promise<void> {
    this.#records.push(...records)
  }

  async close(clean: boolean): Promise<void> {
    if (this.#records.length === 0) return this.remove()
    this.#clean = clean
    this.#ended(true)
  }

  async remove(): Promise<void> {
    this.#room.usedBytes -= this.storedBytes
    this.#pieces.clear()
    this.#records.length = 0
    this.#ended(false)
  }
}

function memoryNotes(): BlobNotes {
  const notes = new Map<Digest, Map<NoteKind, Uint8Array>>()
  return {
    read: async (digest, kind) => notes.get(digest)?.get(kind),
    async write(digest, kind, bytes) {
      notes.set(digest, new Map([...(notes.get(digest) ?? []), [kind, bytes]]))
    },
    async delete(digest) {
      notes.delete(digest)
    },
  }
}
