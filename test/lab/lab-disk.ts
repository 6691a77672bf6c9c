import type { Digest } from '../../src/core/digest.ts'
import type { PieceLayout } from '../../src/core/piece-layout.ts'
import type { JournalRecord, PartState } from '../../src/store/journal.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import type { BlobNotes, LeftPart, Scratch, ScratchFile, ScratchPart } from '../../src/store/scratch.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'

/** What a process sees of a {@link LabDisk}, until it ends. */
export interface Mount {
  readonly backend: StorageBackend
  readonly scratch: Scratch
  /** The process is gone: it can do nothing more here, and what it had open was not closed. */
  lose(): void
}

/** A host's disk: it outlives the processes that use it. */
export class LabDisk {
  readonly backend: StorageBackend = memoryBackend()
  readonly #scratch = memoryScratch()

  mount(): Mount {
    const scratch = new MountedScratch(this.#scratch)
    return { backend: kept(this.backend), scratch, lose: () => scratch.lose() }
  }
}

/** The process ends, its disk does not: closing is nothing. */
function kept(backend: StorageBackend): StorageBackend {
  return {
    name: backend.name,
    put: (blob, source, options) => backend.put(blob, source, options),
    read: (digest, range, options) => backend.read(digest, range, options),
    stat: (digest, options) => backend.stat(digest, options),
    list: (options) => backend.list(options),
    delete: (digest, options) => backend.delete(digest, options),
  }
}

class MountedScratch implements Scratch {
  readonly notes: BlobNotes
  readonly #scratch: Scratch
  readonly #open = new Set<MountedPart>()
  #lost = false

  constructor(scratch: Scratch) {
    this.#scratch = scratch
    this.notes = scratch.notes
  }

  async open(digest: Digest, sizeBytes: number): Promise<ScratchPart> {
    const part = new MountedPart(await this.#scratch.open(digest, sizeBytes), () => this.#open.delete(part))
    if (this.#lost) part.lose()
    else this.#open.add(part)
    return part
  }

  temporary(layout: PieceLayout): Promise<ScratchFile> {
    return this.#scratch.temporary(layout)
  }

  list(): AsyncIterable<LeftPart> {
    return this.#scratch.list()
  }

  async remove(digest: Digest): Promise<void> {
    if (!this.#lost) await this.#scratch.remove(digest)
  }

  async close(): Promise<void> {}

  lose(): void {
    this.#lost = true
    for (const part of this.#open) part.lose()
    this.#open.clear()
  }
}

/** Nothing that a dead process asks for ever comes back to it. */
const never = new Promise<never>(() => {})

class MountedPart implements ScratchPart {
  readonly path = undefined
  readonly #part: ScratchPart
  readonly #ended: () => void
  #lost = false

  constructor(part: ScratchPart, ended: () => void) {
    this.#part = part
    this.#ended = ended
  }

  get state(): PartState {
    return this.#part.state
  }

  write(piece: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#lost ? never : this.#part.write(piece, chunks)
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#lost ? never : this.#part.readInto(target, offset)
  }

  sync(records?: readonly JournalRecord[]): Promise<void> {
    return this.#lost ? never : this.#part.sync(records)
  }

  close(clean: boolean): Promise<void> {
    if (this.#lost) return never
    this.#ended()
    return this.#part.close(clean)
  }

  remove(): Promise<void> {
    if (this.#lost) return never
    this.#ended()
    return this.#part.remove()
  }

  lose(): void {
    if (this.#lost) return
    this.#lost = true
    void this.#part.close(false)
  }
}
