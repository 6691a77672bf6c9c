import { randomUUID } from 'node:crypto'
import { chmod, lstat, opendir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { untilAborted } from '../core/abortable.ts'
import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { digestHex, isDigest, parseDigest, type Digest } from '../core/digest.ts'
import { BlobNotFoundError, StoreError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import { StoreDirectory, type FsStoreOptions } from './fs-directory.ts'
import { errnoOf, unlessAbsent, whileDoing } from './fs-error.ts'
import { HandleCache } from './fs-handle-cache.ts'
import { openToRead, readFully, syncDirectory, writeNewFile } from './fs-io.ts'
import { checkGiven, type BlobSource, type ReadOptions, type StorageBackend } from './storage-backend.ts'

const openHandles = 64
const hourMs = 3_600_000
const quarantineMs = 24 * hourMs
const quarantineBytes = 2 ** 30
/** Half-written files are their writer's for this long. */
const incomingMs = 24 * hourMs

/**
 * Keeps blobs as read-only files: `blobs/sha256/ab/<hex>` in a directory of its own, made with mode 0700 if it is not
 * there.
 *
 * @param directory - no link, owned by this user, and writable by nobody else
 * @public
 */
export function fsBackend(
  directory: string,
  options: FsStoreOptions = {},
): StorageBackend & { readonly directory: string } {
  return new FsBackend(directory, options)
}

class FsBackend implements StorageBackend {
  readonly name = 'fs'
  readonly #root: StoreDirectory
  readonly #handles = new HandleCache(openToRead, openHandles)

  constructor(directory: string, options: FsStoreOptions) {
    this.#root = new StoreDirectory(directory, options, () => this.#tidy())
  }

  get directory(): string {
    return this.#root.path
  }

  path(digest: Digest): string {
    const hex = digestHex(parseDigest(digest))
    return this.#root.join('blobs', 'sha256', hex.slice(0, 2), hex)
  }

  async put(
    { digest }: Descriptor,
    source: BlobSource,
    { signal }: AbortOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted()
    const path = this.path(digest)
    await this.#root.ready()
    const doing = `storing ${digest}`
    const shard = await whileDoing(doing, () =>
      this.#root.make('blobs', 'sha256', digestHex(digest).slice(0, 2)),
    )
    // Replacing a file that is there already is harmless, and mends it if it has rotted.
    const moved = await whileDoing(doing, () => movedIntoPlace(source.path, path))
    if (!moved) await this.#writeIntoPlace(digest, source, path, signal)
    this.#handles.drop(path)
    await whileDoing(doing, () => syncDirectory(shard))
  }

  async read(digest: Digest, range: ByteRange, { signal, into }: ReadOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const path = this.path(digest)
    await this.#root.ready()
    return whileDoing(`reading ${digest}`, async () => {
      const bytes = await unlessAbsent(
        this.#handles.use(path, async (file) => {
          const target = into?.subarray(0, range.length) ?? Buffer.allocUnsafeSlow(range.length)
          const filled = await readFully(file, target, range.offset)
          if (filled < range.length) await explainShortRead(digest, range, file)
          return target
        }),
      )
      if (!bytes) throw new BlobNotFoundError(digest)
      return bytes
    })
  }

  async stat(digest: Digest, { signal }: AbortOptions = {}): Promise<number | undefined> {
    signal?.throwIfAborted()
    const path = this.path(digest)
    await this.#root.ready()
    const found = await whileDoing(`looking for ${digest}`, () => unlessAbsent(lstat(path)))
    return found?.isFile() ? found.size : undefined
  }

  async *list({ signal }: AbortOptions = {}): AsyncGenerator<Digest> {
    signal?.throwIfAborted()
    await this.#root.ready()
    const top = this.#root.join('blobs', 'sha256')
    const shards = (await whileDoing('listing blobs', () => unlessAbsent(readdir(top)))) ?? []
    for (const shard of shards) {
      signal?.throwIfAborted()
      const names = await whileDoing('listing blobs', () => this.#namesIn(join(top, shard)))
      for (const name of names) {
        const digest = `sha256:${name}`
        if (isDigest(digest) && name.startsWith(shard)) yield digest
        else
          this.#root.logger.warn('a file in the store is not ours and was left alone', {
            path: join(top, shard, name),
          })
      }
    }
  }

  async delete(digest: Digest, { signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const path = this.path(digest)
    await this.#root.ready()
    await whileDoing(`deleting ${digest}`, async () => {
      // Gone in one step, however large it is; whoever reads it keeps its file open.
      const trash = join(await this.#root.make('trash'), `${digestHex(digest)}.${randomUUID()}`)
      await unlessAbsent(rename(path, trash))
      this.#handles.drop(path)
      await rm(trash, { force: true })
    })
  }

  async quarantine(digest: Digest): Promise<void> {
    const path = this.path(digest)
    await this.#root.ready()
    await whileDoing(`setting ${digest} aside`, async () => {
      const aside = join(
        await this.#root.make('quarantine'),
        `${digestHex(digest)}.${randomUUID()}`,
      )
      await unlessAbsent(rename(path, aside))
      this.#handles.drop(path)
      await this.#expireQuarantine()
    })
  }

  async close(): Promise<void> {
    await this.#handles.close()
  }

  async #writeIntoPlace(
    digest: Digest,
    source: BlobSource,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const doing = `storing ${digest}`
    const temporary = join(await whileDoing(doing, () => this.#root.make('incoming')), randomUUID())
    try {
      const givenBytes = await writeNewFile(temporary, untilAborted(source.stream(), signal), doing)
      checkGiven(digest, source.sizeBytes, givenBytes)
      await whileDoing(doing, () => movedIntoPlace(temporary, path))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  async #namesIn(shard: string): Promise<string[]> {
    try {
      return await readdir(shard)
    } catch (error) {
      if (errnoOf(error) !== 'ENOTDIR') throw error
      this.#root.logger.warn('a file in the store is not ours and was left alone', { path: shard })
      return []
    }
  }

  /** Finishes what an earlier process began to delete or to write. */
  async #tidy(): Promise<void> {
    for (const { path } of await filesIn(this.#root.join('trash'))) await rm(path, { force: true })
    for (const { path, changedMs } of await filesIn(this.#root.join('incoming'))) {
      if (this.#root.clock.wallMs() - changedMs > incomingMs) await rm(path, { force: true })
    }
    await this.#expireQuarantine()
  }

  async #expireQuarantine(): Promise<void> {
    const files = await filesIn(this.#root.join('quarantine'))
    let keptBytes = 0
    for (const { path, changedMs, sizeBytes } of files.toSorted(
      (a, b) => b.changedMs - a.changedMs,
    )) {
      const expired = this.#root.clock.wallMs() - changedMs > quarantineMs
      if (expired || keptBytes + sizeBytes > quarantineBytes) await rm(path, { force: true })
      else keptBytes += sizeBytes
    }
  }
}

/** Moves a file that is ours to where a blob belongs; false when there is none, or it lies on another file system. */
async function movedIntoPlace(from: string | undefined, to: string): Promise<boolean> {
  if (from === undefined) return false
  try {
    await chmod(from, 0o444)
    await rename(from, to)
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EXDEV' || errno === 'ENOENT') return false
    throw error
  }
}

/** Why a file gave fewer bytes than were asked for: the caller, or somebody who cut it. */
async function explainShortRead(
  digest: Digest,
  range: ByteRange,
  file: { stat(): Promise<{ size: number }> },
): Promise<never> {
  const { size } = await file.stat()
  rangeWithin(size, range)
  throw new StoreError('ERR_STORE_CORRUPT', `the file of ${digest} changed while it was read`)
}

interface FoundFile {
  readonly path: string
  /** When it was last renamed or written, in milliseconds since 1970. */
  readonly changedMs: number
  readonly sizeBytes: number
}

async function filesIn(directory: string): Promise<FoundFile[]> {
  const files: FoundFile[] = []
  const entries = await unlessAbsent(opendir(directory))
  if (!entries) return files
  for await (const { name } of entries) {
    const path = join(directory, name)
    const found = await unlessAbsent(stat(path))
    if (found?.isFile()) files.push({ path, changedMs: found.ctimeMs, sizeBytes: found.size })
  }
  return files
}
