import { createHash } from 'node:crypto'
import { lstat, readdir, stat, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ByteRange } from '../core/byte-range.ts'
import { digestHex, isDigest, parseDigest, type Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import { errnoOf, unlessAbsent, whileDoing } from '../store/fs-error.ts'
import { openToRead, readFully } from '../store/fs-io.ts'

/** What containerd calls the plugin, and so the directory below its root. */
const contentDirectory = 'io.containerd.content.v1.content'
const passBytes = 1024 * 1024

/** Tells one file from another that took its name: inode, length and times. */
export type FileVersion = string

/** A file of containerd's. */
export interface ContentFile {
  readonly sizeBytes: number
  readonly version: FileVersion
}

/** One that is open, until it is disposed of. */
export interface OpenContentFile extends ContentFile, AsyncDisposable {
  /**
   * As many of these bytes as there are.
   * @param into - where to put them; new memory otherwise
   */
  read(range: ByteRange, into?: Uint8Array): Promise<Uint8Array>
  /** Reads all of it, and compares it with a digest. */
  matches(digest: Digest, signal?: AbortSignal): Promise<boolean>
}

/**
 * The files of containerd's content store: what it has committed, and no more. They are read and never written; none stays open between reads, so that what
 * containerd deletes is gone from the disk.
 */
export class ContainerdContent {
  readonly #root: string
  #blobs: string | undefined

  /** @param root - containerd's, or its content directory; there may be nothing yet */
  constructor(root: string) {
    this.#root = resolve(root)
  }

  /** Where it is; `undefined` until containerd has made it. */
  get directory(): string | undefined {
    return this.#blobs
  }

  /** Tells whether something was added or removed since, and when; `undefined` where there is nothing. */
  async changed(): Promise<{ readonly version: FileVersion; readonly wallMs: number } | undefined> {
    const blobs = await this.#find()
    if (blobs === undefined) return undefined
    const found = await this.#whileReading(() => unlessAbsent(stat(blobs, { bigint: true })))
    return found && { version: `${found.ino}:${found.mtimeNs}`, wallMs: Number(found.mtimeNs / 1_000_000n) }
  }

  async stat(digest: Digest): Promise<ContentFile | undefined> {
    const path = await this.#pathOf(digest)
    if (path === undefined) return undefined
    const found = await this.#whileReading(() => unlessAbsent(lstat(path, { bigint: true })))
    return found?.isFile() ? fileOf(found) : undefined
  }

  async open(digest: Digest): Promise<OpenContentFile | undefined> {
    const path = await this.#pathOf(digest)
    if (path === undefined) return undefined
    const handle = await this.#whileReading(() => unlessAbsent(openToRead(path)))
    if (!handle) return undefined
    try {
      return openedFile(handle, fileOf(await handle.stat({ bigint: true })))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Whatever is there by the name of a digest. */
  async list(): Promise<Digest[]> {
    const blobs = await this.#find()
    const names = blobs === undefined ? [] : ((await this.#whileReading(() => unlessAbsent(readdir(blobs)))) ?? [])
    return names.map((name) => `sha256:${name}`).filter(isDigest)
  }

  /** Where a blob's file is, if it is there. */
  path(digest: Digest): string | undefined {
    return this.#blobs === undefined ? undefined : join(this.#blobs, digestHex(parseDigest(digest)))
  }

  async #pathOf(digest: Digest): Promise<string | undefined> {
    await this.#find()
    return this.path(digest)
  }

  async #find(): Promise<string | undefined> {
    if (this.#blobs !== undefined) return this.#blobs
    for (const directory of [join(this.#root, contentDirectory), this.#root]) {
      const blobs = join(directory, 'blobs', 'sha256')
      const found = await this.#whileReading(() => unlessAbsent(stat(blobs)))
      if (found?.isDirectory()) return (this.#blobs = blobs)
    }
    return undefined
  }

  #whileReading<Result>(work: () => Promise<Result>): Promise<Result> {
    const doing = `reading containerd's content store in ${this.#root}`
    return whileDoing(doing, () =>
      work().catch((cause: unknown) => {
        const errno = errnoOf(cause)
        if (errno !== 'EACCES' && errno !== 'EPERM') throw cause
        throw new StoreError('ERR_STORE_IO', `${doing} failed (${errno}): run as a user that may read it, as containerd's own does`, { cause })
      }),
    )
  }
}

function fileOf({ ino, size, mtimeNs, ctimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): ContentFile {
  return { sizeBytes: Number(size), version: `${ino}:${size}:${mtimeNs}:${ctimeNs}` }
}

function openedFile(handle: FileHandle, file: ContentFile): OpenContentFile {
  const doing = "reading containerd's copy"
  const read = ({ offset, length }: ByteRange, into?: Uint8Array): Promise<Uint8Array> =>
    whileDoing(doing, async () => {
      const target = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length)
      return target.subarray(0, await readFully(handle, target, offset))
    })
  return {
    ...file,
    read,
    async matches(digest, signal) {
      const hash = createHash('sha256')
      const pass = Buffer.allocUnsafeSlow(Math.min(passBytes, file.sizeBytes))
      for (let offset = 0; offset < file.sizeBytes; offset += passBytes) {
        signal?.throwIfAborted()
        hash.update(await read({ offset, length: Math.min(passBytes, file.sizeBytes - offset) }, pass))
      }
      return hash.digest('hex') === digestHex(digest)
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}
