import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import { parseSize, type Descriptor } from '../core/descriptor.ts'
import { digestOf, parseDigest, type Digest } from '../core/digest.ts'
import { BlobNotFoundError, StoreError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { checkNumber, type AbortOptions } from '../core/options.ts'
import { pieceAt, pieceRange } from '../core/piece-layout.ts'
import type { BlobFacts } from './blob-facts.ts'
import { withRepositories } from './blob-facts.ts'
import { factsOf } from './blob-index.ts'
import { CompleteBlobs } from './complete-blobs.ts'
import { exportCopy } from './fs-copies.ts'
import { fsScratch } from './fs-scratch.ts'
import { Importer } from './importer.ts'
import { memoryScratch } from './memory-scratch.ts'
import { OpenParts } from './open-parts.ts'
import { hashAt } from './piece-hashing.ts'
import type {
  ImportFileOptions,
  ImportOptions,
  PieceStoreOptions,
  StoreUsage,
  StreamOptions,
} from './piece-store-options.ts'
import type { LeftPart, Scratch } from './scratch.ts'
import { Space } from './space.ts'
import type { StorageBackend } from './storage-backend.ts'
import type { StoredPart } from './stored-part.ts'

export type { BlobFacts } from './blob-facts.ts'
export type {
  ImportFileOptions,
  ImportOptions,
  PieceStoreOptions,
  StoreUsage,
  StreamOptions,
} from './piece-store-options.ts'
export type { CommitFacts, PieceSource, StoredPart } from './stored-part.ts'

/** Bytes that a stream hands on at once: what each slow reader keeps in memory. */
const streamBytes = 256 * 1024

/**
 * Blobs on this machine, on top of any {@link StorageBackend}. What it shows is complete and verified; what is
 * unfinished is resumed, also after a crash; it stays within its quota; and it never deletes what somebody holds.
 *
 * @example
 * ```ts
 * import { fsBackend, PieceStore } from 'damselfly'
 *
 * await using store = await PieceStore.open(fsBackend('/var/lib/damselfly'), { quotaBytes: 100e9 })
 * const { digest } = await store.importFile('layer.tar.gz')
 * console.log(digest, store.usage())
 * ```
 * @public
 */
export class PieceStore implements AsyncDisposable {
  readonly #backend: StorageBackend
  readonly #scratch: Scratch
  readonly #blobs: CompleteBlobs
  readonly #space: Space
  readonly #parts: OpenParts
  readonly #importer: Importer
  readonly #closed = new AbortController()
  #closing: Promise<void> | undefined

  private constructor(backend: StorageBackend, options: PieceStoreOptions) {
    const { clock = systemClock, logger = silentLogger } = options
    this.#backend = backend
    const scratch = options.scratch ?? defaultScratch(backend, { clock, logger })
    this.#scratch = scratch
    const { notes } = scratch
    const blobs = new CompleteBlobs({ backend, notes, clock, logger, closed: this.#closed.signal })
    this.#blobs = blobs
    const quotaBytes = checkNumber('quotaBytes', options.quotaBytes ?? Infinity)
    const space = new Space(quotaBytes, blobs.index, {
      blob: (entry) => blobs.discard(entry),
      unfinished: (digest) => scratch.remove(digest),
    })
    this.#space = space
    this.#parts = new OpenParts({ scratch, blobs, space, clock, logger })
    this.#importer = new Importer(scratch, blobs, space)
  }

  /**
   * Opens a store, and learns what is in it.
   *
   * @param backend - where complete blobs live; the store closes it
   * @throws {@link StoreError} `ERR_STORE_CORRUPT` when its directory is not safe, or was made by a newer version
   */
  static async open(backend: StorageBackend, options: PieceStoreOptions = {}): Promise<PieceStore> {
    const store = new PieceStore(backend, options)
    try {
      await store.#load()
    } catch (error) {
      await store.close()
      throw error
    }
    return store
  }

  /** What the backend is called. */
  get backendName(): string {
    return this.#backend.name
  }

  /** What is known of a complete blob; `undefined` when it is not here. */
  async stat(digest: Digest, options: AbortOptions = {}): Promise<BlobFacts | undefined> {
    this.#checkOpen(options)
    const entry = await this.#blobs.find(digest, options)
    return entry && factsOf(entry)
  }

  /**
   * Reads part of a complete blob into memory; a piece of it, rather than all.
   *
   * @param range - without it, the whole blob
   * @throws {@link BlobNotFoundError} when the blob is not here
   * @throws {@link RequestError} `ERR_REQUEST_RANGE` when the range is not inside the blob
   * @throws {@link StoreError} `ERR_STORE_CORRUPT` when the bytes are not what they were; the blob is set aside, and
   * gone
   */
  async read(digest: Digest, range?: ByteRange, options: AbortOptions = {}): Promise<Uint8Array> {
    this.#checkOpen(options)
    using held = await this.#blobs.acquire(digest, options)
    const { entry } = held
    return await this.#blobs.reader.read(entry, rangeWithin(entry.layout.sizeBytes, range), options)
  }

  /**
   * The bytes of a complete blob, in order. It is not evicted meanwhile.
   * @throws as {@link PieceStore.read} does
   */
  async *stream(
    digest: Digest,
    range?: ByteRange,
    options: StreamOptions = {},
  ): AsyncGenerator<Uint8Array> {
    this.#checkOpen(options)
    using held = await this.#blobs.acquire(digest, options)
    const { entry } = held
    const { layout } = entry
    const { offset, length } = rangeWithin(layout.sizeBytes, range)
    const end = offset + length
    const { signal, reuse = false } = options
    const into = reuse ? Buffer.allocUnsafeSlow(Math.min(streamBytes, length)) : undefined
    for (let position = offset; position < end;) {
      const piece = pieceRange(layout, pieceAt(layout, position))
      const sliceEnd = Math.min(end, piece.offset + piece.length, position + streamBytes)
      const slice = { offset: position, length: sliceEnd - position }
      yield await this.#blobs.reader.read(entry, slice, { signal, into })
      this.#checkOpen(options)
      position = sliceEnd
    }
  }

  /** All complete blobs, least recently used first. */
  async *list(): AsyncGenerator<{ readonly digest: Digest } & BlobFacts> {
    this.#checkOpen()
    for (const blob of this.#blobs.index.visible()) yield blob
  }

  /**
   * sha256 of each piece of a complete blob, in order; none for a blob of one piece, whose hash is its digest. Where
   * they are not known, the blob is read once.
   *
   * @throws as {@link PieceStore.read} does
   */
  async pieceHashes(digest: Digest, options: AbortOptions = {}): Promise<Uint8Array[]> {
    this.#checkOpen(options)
    using held = await this.#blobs.acquire(digest, options)
    const { entry } = held
    const { pieceCount } = entry.layout
    if (pieceCount <= 1) return []
    const hashes = await this.#blobs.reader.hashes(entry, options)
    return Array.from({ length: pieceCount }, (_, piece) => hashAt(hashes, piece))
  }

  /**
   * Opens the one unfinished copy of a blob, as it was left, or a new one. Room for the whole blob is made first.
   *
   * @param sizeBytes - length of the whole blob
   * @throws {@link StoreError} `ERR_STORE_LOCKED` while it is open, `ERR_STORE_NO_SPACE` when it does not fit
   */
  async part(digest: Digest, sizeBytes: number, options: AbortOptions = {}): Promise<StoredPart> {
    this.#checkOpen(options)
    parseDigest(digest)
    const part = await this.#parts.open(digest, parseSize(sizeBytes), options)
    if (!this.#closed.signal.aborted) return part
    await part.close()
    throw closedError()
  }

  /** Blobs of which an unfinished copy was left, and that nobody is writing. */
  async *parts(): AsyncGenerator<LeftPart> {
    this.#checkOpen()
    yield* this.#parts.left()
  }

  /**
   * Takes in a whole blob. Its bytes are verified before it can be seen; of a blob that is here already they are not
   * read.
   *
   * @param bytes - in order, in chunks that nobody changes afterwards
   * @throws {@link DigestMismatchError} or {@link OriginError} `ERR_ORIGIN_SIZE` when the bytes are not those of the
   * descriptor; nothing is kept
   * @throws {@link StoreError} `ERR_STORE_NO_SPACE` when it does not fit
   */
  async import(
    blob: Descriptor,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions = {},
  ): Promise<void> {
    this.#checkOpen(options)
    await this.#importer.importBytes(blob, bytes, options)
  }

  /**
   * Takes in a copy of a file; where the file system can, it shares the blocks. Resolves to what the file turned out
   * to be.
   *
   * @throws {@link RequestError} `ERR_REQUEST_OPTION` when there is no such file
   * @throws {@link StoreError} `ERR_STORE_NO_SPACE` when it does not fit
   */
  async importFile(path: string, options: ImportFileOptions = {}): Promise<Descriptor> {
    this.#checkOpen(options)
    return this.#importer.importFile(path, options)
  }

  /**
   * Deletes a blob: for newcomers at once, for those who hold or read it when they have finished. Deleting what is
   * absent is not an error.
   */
  async delete(digest: Digest): Promise<void> {
    this.#checkOpen()
    const entry = await this.#blobs.find(digest)
    if (entry) await this.#blobs.discard(entry)
  }

  /**
   * Keeps a blob from eviction, also after a restart, until it is unpinned or deleted.
   * @throws {@link BlobNotFoundError} when the blob is not here
   */
  async pin(digest: Digest): Promise<void> {
    this.#checkOpen()
    await this.#setPinned(digest, true)
  }

  /**
   * Takes a pin back.
   * @throws {@link BlobNotFoundError} when the blob is not here
   */
  async unpin(digest: Digest): Promise<void> {
    this.#checkOpen()
    await this.#setPinned(digest, false)
  }

  /** Notes one more name under which a blob that is here came; of one that is not here, nothing. */
  async addRepository(digest: Digest, repository: string): Promise<void> {
    this.#checkOpen()
    const entry = await this.#blobs.find(digest)
    if (!entry || withRepositories(entry.repositories, [repository], true).length === entry.repositories.length) return
    await this.#blobs.amend(entry, (known) => {
      known.repositories = withRepositories(known.repositories, [repository], true)
    })
  }

  /**
   * What was noted under a name that is no blob's; `undefined` when nothing was.
   * @internal
   */
  async readNote(name: string): Promise<Uint8Array | undefined> {
    this.#checkOpen()
    return this.#scratch.notes.read(digestOf(Buffer.from(name)), 'facts')
  }

  /**
   * Notes it, over what was noted before.
   * @internal
   */
  async writeNote(name: string, bytes: Uint8Array): Promise<void> {
    this.#checkOpen()
    await this.#scratch.notes.write(digestOf(Buffer.from(name)), 'facts', bytes)
  }

  /** Keeps a blob from eviction until it is disposed of, or the store is closed. It may come later than the lease. */
  lease(digest: Digest): Disposable {
    const release = this.#blobs.hold(digest)
    return { [Symbol.dispose]: release }
  }

  /**
   * Writes a copy of a blob to a file, whole or not at all; directories on the way are made.
   *
   * @throws as {@link PieceStore.read} does
   * @throws {@link StoreError} when the file cannot be written
   */
  async export(digest: Digest, toPath: string, options: AbortOptions = {}): Promise<void> {
    this.#checkOpen(options)
    using held = await this.#blobs.acquire(digest, options)
    const { entry } = held
    const path = this.#backend.path?.(digest)
    if (path !== undefined) await this.#blobs.reader.verify(entry, options)
    await exportCopy(path ?? this.stream(digest, undefined, options), toPath)
  }

  /**
   * The file that holds a complete blob, where the backend keeps files. It is read-only: copy it, and hold a lease
   * meanwhile.
   */
  path(digest: Digest): string | undefined {
    const entry = this.#blobs.index.get(digest)
    return entry && this.#backend.path?.(digest)
  }

  /** How much it holds. */
  usage(): StoreUsage {
    const { quotaBytes, usedBytes } = this.#space
    const { count } = this.#blobs.index
    return { usedBytes, blobCount: count, ...(Number.isFinite(quotaBytes) && { quotaBytes }) }
  }

  /** Keeps what is unfinished for the next time, and closes scratch and backend. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #load(): Promise<void> {
    await this.#blobs.load()
    for await (const { digest, storedBytes } of this.#scratch.list()) {
      // Its blob may have been completed by another process, or imported.
      if (this.#blobs.index.get(digest)) await this.#scratch.remove(digest)
      else this.#space.leave(digest, storedBytes)
    }
  }

  async #setPinned(digest: Digest, pinned: boolean): Promise<void> {
    const entry = await this.#blobs.find(digest)
    if (!entry) throw new BlobNotFoundError(digest)
    await this.#blobs.amend(entry, (known) => {
      known.pinned = pinned
    })
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError())
    await this.#parts.close()
    await this.#blobs.close()
    try {
      await this.#scratch.close()
    } finally {
      await this.#backend.close?.()
    }
  }

  #checkOpen({ signal }: AbortOptions = {}): void {
    signal?.throwIfAborted()
    if (this.#closed.signal.aborted) throw closedError()
  }
}

function defaultScratch(
  backend: StorageBackend,
  options: { clock: Clock; logger: Logger },
): Scratch {
  const directory = 'directory' in backend ? backend.directory : undefined
  return typeof directory === 'string' ? fsScratch(directory, options) : memoryScratch()
}

function closedError(): StoreError {
  return new StoreError('ERR_STORE_CLOSED', 'the store is closed: open it again')
}
