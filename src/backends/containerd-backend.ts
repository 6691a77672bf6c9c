import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { parseDigest, type Digest } from '../core/digest.ts'
import { BlobNotFoundError, StoreError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { checkNumber, type AbortOptions } from '../core/options.ts'
import { KeyedLock } from '../store/keyed-lock.ts'
import type { BlobSource, ReadOptions, StorageBackend } from '../store/storage-backend.ts'
import { ContainerdContent, type FileVersion } from './containerd-content.ts'

/**
 * Settings of {@link containerdBackend}.
 * @public
 */
export interface ContainerdBackendOptions {
  /**
   * Keeps what containerd does not have, until it does; it is closed with this one. Where it has a directory, the store's scratch is there.
   * @defaultValue none: the node seeds what containerd has, and can store nothing of its own
   */
  fallback?: StorageBackend | undefined
  /** How often to look whether containerd has got what the fallback keeps, in milliseconds. @defaultValue `5_000` */
  releaseEveryMs?: number | undefined
  /** @defaultValue the machine's */
  clock?: Clock | undefined
  /** Hears of damaged files of containerd's. @defaultValue says nothing */
  logger?: Logger | undefined
}

/**
 * What {@link containerdBackend} makes.
 * @public
 */
export type ContainerdBackend = StorageBackend & {
  /** That of the fallback, where it has one. */
  readonly directory: string | undefined
  /**
   * Deletes from the fallback whatever containerd has by now, each blob once containerd's copy has been read and compared with its digest. It
   * happens by itself every few seconds; call it to have it done.
   */
  release(options?: AbortOptions): Promise<void>
}

/** Version of no file: whatever containerd has is compared with the digest before it is read. */
const none: FileVersion = ''

/** More than any file system takes two changes for one. */
const tickMs = 1000

/** Joins containerd's copies with those of a backend of our own. */
export class ContainerdStorage implements ContainerdBackend {
  readonly name = 'containerd'
  readonly #content: ContainerdContent
  readonly #own: StorageBackend | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #releaseEveryMs: number
  /** What is put, deleted and released of one blob follows each other. */
  readonly #changing = new KeyedLock<Digest>()
  readonly #rounds = new KeyedLock<'release'>()
  /**
   * Files of containerd's that the store reads. It compares a blob with its digest when it first meets it, and not again: so one that takes the place of
   * such a file, or of a copy of ours, is compared here.
   */
  readonly #trusted = new Map<Digest, FileVersion>()
  /** Files that are not to be seen: damaged, or deleted as far as we may delete them. */
  readonly #hidden = new Map<Digest, FileVersion>()
  /** Blobs that are containerd's alone. */
  readonly #borrowed = new Set<Digest>()
  readonly #closing = new AbortController()
  /** State of containerd's directory that all of ours were compared with; `undefined` after a change of ours. */
  #releasedAt: FileVersion | undefined
  #releasing: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined

  constructor(root: string, options: ContainerdBackendOptions) {
    this.#content = new ContainerdContent(root)
    this.#own = options.fallback
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#releaseEveryMs = checkNumber('releaseEveryMs', options.releaseEveryMs ?? 5_000, 1)
    if (this.#own) this.#startTimer()
  }

  get directory(): string | undefined {
    const { directory }: { directory?: unknown } = { ...(this.#own && 'directory' in this.#own && { directory: this.#own.directory }) }
    return typeof directory === 'string' ? directory : undefined
  }

  async put(blob: Descriptor, source: BlobSource, options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    const own = this.#own
    if (!own) {
      throw new StoreError('ERR_STORE_READ_ONLY', "containerd's content store is containerd's to write: give containerdBackend a fallback")
    }
    await this.#changing.run(blob.digest, async () => {
      await own.put(blob, source, options)
      this.#trusted.set(blob.digest, none)
      this.#hidden.delete(blob.digest)
      this.#borrowed.delete(blob.digest)
      this.#releasedAt = undefined
    })
  }

  async read(digest: Digest, range: ByteRange, options: ReadOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const bytes =
      (this.#borrowed.has(digest) ? await this.#readTheirs(digest, range, options) : undefined) ??
      (await this.#readOwn(digest, range, options)) ??
      // It may have been released while we looked at our own.
      (await this.#readTheirs(digest, range, options))
    if (bytes) return bytes
    this.#borrowed.delete(digest)
    throw new BlobNotFoundError(digest)
  }

  async stat(digest: Digest, options: AbortOptions = {}): Promise<number | undefined> {
    options.signal?.throwIfAborted()
    const ownBytes = await this.#own?.stat(digest, options)
    const theirs = await this.#theirs(digest)
    if (ownBytes !== undefined) {
      if (theirs) void this.#releaseQuietly()
      return ownBytes
    }
    if (theirs) this.#borrowed.add(digest)
    else this.#borrowed.delete(digest)
    return theirs?.sizeBytes
  }

  async *list(options: AbortOptions = {}): AsyncGenerator<Digest> {
    options.signal?.throwIfAborted()
    const listed = new Set<Digest>()
    for await (const digest of this.#own?.list(options) ?? []) {
      listed.add(digest)
      yield digest
    }
    for (const digest of await this.#content.list()) {
      options.signal?.throwIfAborted()
      if (listed.has(digest) || (this.#hidden.has(digest) && !(await this.#theirs(digest)))) continue
      this.#borrowed.add(digest)
      yield digest
    }
    if (this.#own) void this.#releaseQuietly()
  }

  async delete(digest: Digest, options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    await this.#changing.run(digest, async () => {
      await this.#own?.delete(digest, options)
      await this.#hide(digest)
    })
  }

  path(digest: Digest): string | undefined {
    parseDigest(digest)
    return this.#borrowed.has(digest) ? this.#content.path(digest) : this.#own?.path?.(digest)
  }

  ownBytes(digest: Digest): number | undefined {
    return this.#borrowed.has(digest) ? 0 : undefined
  }

  async quarantine(digest: Digest): Promise<void> {
    await this.#changing.run(digest, async () => {
      await (this.#own?.quarantine?.(digest) ?? this.#own?.delete(digest))
      await this.#hide(digest)
    })
  }

  async release(options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    // Whoever asks has seen what containerd has now; the round under way may have begun before.
    await this.#rounds.run('release', () => this.#releaseAll(options))
  }

  async close(): Promise<void> {
    this.#closing.abort(new StoreError('ERR_STORE_CLOSED', 'the store is closed: open it again'))
    this.#cancelTimer?.()
    await this.#releasing
    await this.#own?.close?.()
  }

  async #releaseAll({ signal }: AbortOptions): Promise<void> {
    const own = this.#own
    const changed = await this.#content.changed()
    if (!own || !changed || changed.version === this.#releasedAt) return
    // Two changes within one tick of the file system's clock look like one.
    this.#releasedAt = this.#clock.wallMs() - changed.wallMs > tickMs ? changed.version : undefined
    try {
      const theirs = new Set(await this.#content.list())
      const both: Digest[] = []
      for await (const digest of own.list({ signal })) if (theirs.has(digest)) both.push(digest)
      for (const digest of both) {
        if (!(await this.#changing.run(digest, () => this.#releaseBlob(own, digest, signal)))) this.#releasedAt = undefined
      }
    } catch (error) {
      this.#releasedAt = undefined
      throw error
    }
  }

  /** False when it is to be tried again, though nothing was added or removed. */
  async #releaseBlob(own: StorageBackend, digest: Digest, signal: AbortSignal | undefined): Promise<boolean> {
    signal?.throwIfAborted()
    const ownBytes = await own.stat(digest, { signal })
    await using file = ownBytes === undefined ? undefined : await this.#content.open(digest)
    if (!file || this.#hidden.get(digest) === file.version) return true
    const matches = file.sizeBytes === ownBytes && (await file.matches(digest, signal))
    // Reading took a while: containerd may have deleted it meanwhile, or have set its times, which comes after its name.
    if ((await this.#content.stat(digest))?.version !== file.version) return false
    if (!matches) {
      this.#refuse(digest, file.version)
      return true
    }
    this.#trusted.set(digest, file.version)
    this.#borrowed.add(digest)
    await own.delete(digest, { signal })
    return true
  }

  async #readOwn(digest: Digest, range: ByteRange, options: ReadOptions): Promise<Uint8Array | undefined> {
    try {
      return await this.#own?.read(digest, range, options)
    } catch (error) {
      if (error instanceof BlobNotFoundError) return undefined
      throw error
    }
  }

  async #readTheirs(digest: Digest, range: ByteRange, { signal, into }: ReadOptions): Promise<Uint8Array | undefined> {
    await using file = await this.#content.open(digest)
    if (!file || this.#hidden.get(digest) === file.version) return undefined
    const { version } = file
    const trusted = this.#trusted.get(digest)
    if (trusted !== undefined && trusted !== version && !(await file.matches(digest, signal))) {
      this.#refuse(digest, version)
      return undefined
    }
    this.#trusted.set(digest, version)
    this.#borrowed.add(digest)
    rangeWithin(file.sizeBytes, range)
    return file.read(range, into)
  }

  /** What containerd has, unless it is hidden. */
  async #theirs(digest: Digest): Promise<{ readonly sizeBytes: number } | undefined> {
    const file = await this.#content.stat(digest)
    return file && this.#hidden.get(digest) !== file.version ? file : undefined
  }

  #refuse(digest: Digest, version: FileVersion): void {
    this.#hidden.set(digest, version)
    this.#logger.warn("containerd's copy of a blob is damaged, and not used", { digest })
  }

  async #hide(digest: Digest): Promise<void> {
    const file = await this.#content.stat(digest)
    if (file) this.#hidden.set(digest, file.version)
    else this.#hidden.delete(digest)
    this.#trusted.delete(digest)
    this.#borrowed.delete(digest)
  }

  #startTimer(): void {
    this.#cancelTimer = this.#clock.after(this.#releaseEveryMs, () => {
      void this.#releaseQuietly().finally(() => {
        if (!this.#closing.signal.aborted) this.#startTimer()
      })
    })
  }

  /** One at a time; who calls meanwhile waits for the one under way. */
  #releaseQuietly(): Promise<void> {
    const { signal } = this.#closing
    this.#releasing ??= this.release({ signal })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#logger.warn('copies that containerd has, too, could not be deleted', { error })
      })
      .finally(() => {
        this.#releasing = undefined
      })
    return this.#releasing
  }
}
