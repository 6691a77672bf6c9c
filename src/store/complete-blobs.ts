import type { Clock } from '../core/clock.ts'
import { mediaTypes, type Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { BlobNotFoundError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import { pieceLayout } from '../core/piece-layout.ts'
import { withRepositories, type BlobRecord } from './blob-facts.ts'
import { BlobIndex, type BlobEntry } from './blob-index.ts'
import { BlobRecords } from './blob-records.ts'
import { KeyedLock } from './keyed-lock.ts'
import type { PartFacts } from './open-part.ts'
import type { BlobNotes } from './scratch.ts'
import type { BlobSource, StorageBackend } from './storage-backend.ts'
import { unverified, VerifiedReader } from './verified-reader.ts'

/** Records that are read at once when a store is opened. */
const readsAtOnce = 16
/**
 * Uses are written down this often, as file systems do with access times: exact to the hour is enough to choose who
 * goes.
 */
const recordUseEveryMs = 3_600_000

export interface CompleteBlobsInit {
  readonly backend: StorageBackend
  readonly notes: BlobNotes
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when the store is closed. */
  readonly closed: AbortSignal
}

/** The complete blobs of a store: what the backend holds, joined with what is noted of it. */
export class CompleteBlobs {
  readonly index: BlobIndex
  readonly reader: VerifiedReader
  readonly #backend: StorageBackend
  readonly #records: BlobRecords
  readonly #clock: Clock
  readonly #logger: Logger
  /** Writers of one blob follow each other. */
  readonly #writing = new KeyedLock<Digest>()
  readonly #background = new Set<Promise<void>>()

  constructor({ backend, notes, clock, logger, closed }: CompleteBlobsInit) {
    this.#backend = backend
    this.index = new BlobIndex((digest) => backend.ownBytes?.(digest))
    this.#records = new BlobRecords(notes)
    this.#clock = clock
    this.#logger = logger
    this.reader = new VerifiedReader(
      backend,
      this.#records,
      { damaged: (entry) => this.#quarantine(entry), absent: (entry) => this.index.remove(entry) },
      closed,
    )
  }

  /** Reads what is there. */
  async load(): Promise<void> {
    const found: BlobEntry[] = []
    const digests: Digest[] = []
    for await (const digest of this.#backend.list()) digests.push(digest)
    const worker = async (): Promise<void> => {
      for (let digest = digests.pop(); digest !== undefined; digest = digests.pop()) {
        const record = await this.#records.read(digest)
        const sizeBytes = record?.sizeBytes ?? (await this.#backend.stat(digest))
        if (sizeBytes !== undefined) found.push(entryOf(digest, sizeBytes, record))
      }
    }
    await Promise.all(Array.from({ length: readsAtOnce }, worker))
    found.sort((a, b) => a.recordedUseMs - b.recordedUseMs)
    for (const entry of found) this.index.add(entry)
  }

  /** Looks a blob up where it is: files may come and go behind our back, by another process or a person. */
  async find(digest: Digest, options: AbortOptions = {}): Promise<BlobEntry | undefined> {
    const before = this.index.get(digest)
    const sizeBytes = await this.#backend.stat(digest, options)
    const entry = this.index.get(digest)
    if (!entry) return sizeBytes === undefined ? undefined : this.#adopt(digest)
    if (entry.doomed) return undefined
    // One that was taken in while we asked is not judged by the answer.
    if (entry !== before || entry.layout.sizeBytes === sizeBytes) return entry
    if (sizeBytes === undefined) this.index.remove(entry)
    else await this.#quarantine(entry)
    return undefined
  }

  /**
   * Holds a blob that somebody reads, until what it returns is disposed of.
   * @throws {@link BlobNotFoundError}
   */
  async acquire(
    digest: Digest,
    options: AbortOptions = {},
  ): Promise<{ readonly entry: BlobEntry } & Disposable> {
    const entry = this.index.get(digest) ?? (await this.find(digest, options))
    if (!entry || (entry.doomed && !this.index.isHeld(digest))) throw new BlobNotFoundError(digest)
    const release = this.hold(digest)
    this.#noteUse(entry)
    return { entry, [Symbol.dispose]: release }
  }

  /** Keeps a verified blob. What is known of one that is there already stays true: private is private. */
  keep(
    blob: Descriptor,
    source: BlobSource,
    facts: PartFacts,
    options: AbortOptions = {},
  ): Promise<void> {
    const { digest, size } = blob
    return this.#writing.run(digest, async () => {
      const before = this.index.get(digest)
      const known = before?.doomed ? undefined : before
      const layout = pieceLayout(size)
      const entry: BlobEntry = {
        digest,
        layout,
        private: facts.private || (known?.private ?? false),
        mediaType: facts.mediaType ?? known?.mediaType,
        repositories: withRepositories(known?.repositories ?? [], facts.repositories, known !== undefined),
        pinned: known?.pinned ?? false,
        recordedUseMs: this.#clock.wallMs(),
        firstUse: undefined,
        doomed: false,
      }
      // Before the blob: once it can be seen, nobody may take it for public.
      await this.#records.write(digest, recordOf(entry))
      await this.#records.writeHashes(digest, layout.pieceCount, facts.hashes)
      const named = { ...blob, mediaType: entry.mediaType ?? mediaTypes.octetStream }
      try {
        await this.#backend.put(named, source, options)
      } catch (error) {
        // Whoever puts it there without us must not find a word of ours.
        if (!before) await this.#records.delete(digest).catch(() => {})
        throw error
      }
      this.index.add(entry)
    })
  }

  /** Changes what is known of a blob that is there. */
  async amend(entry: BlobEntry, change: (entry: BlobEntry) => void): Promise<void> {
    await this.#writing.run(entry.digest, async () => {
      if (this.index.get(entry.digest) !== entry || entry.doomed) return
      change(entry)
      entry.recordedUseMs = this.#clock.wallMs()
      await this.#records.write(entry.digest, recordOf(entry))
    })
  }

  /** Makes a blob disappear: for newcomers now, for those who hold it when they let go. */
  async discard(entry: BlobEntry): Promise<void> {
    entry.doomed = true
    await this.#deleteIfUnheld(entry)
  }

  /** Keeps a blob from eviction until the returned function is called. */
  hold(digest: Digest): () => void {
    const release = this.index.hold(digest)
    return () => {
      if (!release()) return
      const entry = this.index.get(digest)
      if (entry?.doomed) this.#inBackground(this.#deleteIfUnheld(entry))
    }
  }

  /** Nobody holds anything any more: deletes what was waiting for that. */
  async close(): Promise<void> {
    for (const entry of this.index.doomed()) this.#inBackground(this.#delete(entry, () => false))
    await Promise.all(this.#background)
  }

  #deleteIfUnheld(entry: BlobEntry): Promise<void> {
    return this.#delete(entry, () => this.index.isHeld(entry.digest))
  }

  async #delete(entry: BlobEntry, isHeld: () => boolean): Promise<void> {
    const { digest } = entry
    await this.#writing.run(digest, async () => {
      // It may have been stored anew, or taken by somebody, while we waited.
      if (this.index.get(digest) !== entry || !entry.doomed || isHeld()) return
      try {
        await this.#backend.delete(digest)
      } catch (error) {
        entry.doomed = false
        throw error
      }
      this.index.remove(entry)
      await this.#records.delete(digest)
    })
  }

  async #quarantine(entry: BlobEntry): Promise<void> {
    const { digest } = entry
    await this.#writing.run(digest, async () => {
      if (this.index.get(digest) !== entry) return
      this.index.remove(entry)
      this.#logger.warn('a stored blob was damaged and has been set aside', { digest })
      await (this.#backend.quarantine?.(digest) ?? this.#backend.delete(digest))
      await this.#records.delete(digest)
    })
  }

  /** Takes in a blob that came behind our back; nobody here may be storing or deleting it meanwhile. */
  async #adopt(digest: Digest): Promise<BlobEntry | undefined> {
    const { entry, isDamaged } = await this.#writing.run(digest, async () => {
      const raced = this.index.get(digest)
      if (raced) return { entry: raced.doomed ? undefined : raced, isDamaged: false }
      const sizeBytes = await this.#backend.stat(digest)
      if (sizeBytes === undefined) return { entry: undefined, isDamaged: false }
      const record = await this.#records.read(digest)
      const adopted = entryOf(digest, record?.sizeBytes ?? sizeBytes, record)
      this.index.add(adopted)
      return { entry: adopted, isDamaged: adopted.layout.sizeBytes !== sizeBytes }
    })
    if (!entry || !isDamaged) return entry
    await this.#quarantine(entry)
    return undefined
  }

  #noteUse(entry: BlobEntry): void {
    this.index.touch(entry)
    const now = this.#clock.wallMs()
    // A clock that was set back counts, too.
    if (Math.abs(now - entry.recordedUseMs) < recordUseEveryMs || entry.doomed) return
    entry.recordedUseMs = now
    this.#inBackground(this.amend(entry, () => {}))
  }

  #inBackground(work: Promise<void>): void {
    const logged = work
      .catch((error: unknown) => this.#logger.warn('the store could not be tidied', { error }))
      .finally(() => this.#background.delete(logged))
    this.#background.add(logged)
  }
}

function entryOf(digest: Digest, sizeBytes: number, record: BlobRecord | undefined): BlobEntry {
  const layout = pieceLayout(sizeBytes)
  return {
    digest,
    layout,
    private: record?.private,
    mediaType: record?.mediaType,
    repositories: record?.repositories ?? [],
    pinned: record?.pinned ?? false,
    recordedUseMs: record?.usedAtMs ?? 0,
    firstUse: unverified(layout),
    doomed: false,
  }
}

function recordOf(entry: BlobEntry): BlobRecord {
  const { layout, mediaType, pinned, recordedUseMs, repositories } = entry
  return {
    sizeBytes: layout.sizeBytes,
    private: entry.private,
    mediaType,
    pinned,
    usedAtMs: recordedUseMs,
    ...(repositories.length > 0 && { repositories }),
  }
}
