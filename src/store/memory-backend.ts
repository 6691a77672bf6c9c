import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { BlobNotFoundError, StoreError } from '../core/errors.ts'
import { checkNumber, type AbortOptions } from '../core/options.ts'
import { checkGiven, type BlobSource, type StorageBackend } from './storage-backend.ts'

/**
 * Settings of {@link memoryBackend}.
 * @public
 */
export interface MemoryBackendOptions {
  /**
   * Blobs that would take more than this many bytes in all are refused with `ERR_STORE_NO_SPACE`.
   * @defaultValue no limit
   */
  limitBytes?: number | undefined
}

/**
 * Keeps blobs in memory, as long as the process lives: for tests, and for nodes without a disk.
 * @public
 */
export function memoryBackend({
  limitBytes = Infinity,
}: MemoryBackendOptions = {}): StorageBackend {
  return new MemoryBackend(checkNumber('limitBytes', limitBytes))
}

/** The reference implementation of {@link StorageBackend}. */
class MemoryBackend implements StorageBackend {
  readonly name = 'memory'
  readonly #limitBytes: number
  readonly #blobs = new Map<Digest, Uint8Array>()
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  async put(
    { digest }: Descriptor,
    source: BlobSource,
    { signal }: AbortOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted()
    this.#checkRoom(digest, source.sizeBytes)
    const bytes = new Uint8Array(source.sizeBytes)
    let filled = 0
    for await (const chunk of source.stream()) {
      signal?.throwIfAborted()
      if (filled + chunk.byteLength <= bytes.byteLength) bytes.set(chunk, filled)
      filled += chunk.byteLength
    }
    signal?.throwIfAborted()
    checkGiven(digest, source.sizeBytes, filled)
    // Others may have been put while the stream ran.
    this.#checkRoom(digest, source.sizeBytes)
    this.#remove(digest)
    this.#blobs.set(digest, bytes)
    this.#usedBytes += bytes.byteLength
  }

  async read(digest: Digest, range: ByteRange, { signal }: AbortOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const bytes = this.#blobs.get(digest)
    if (!bytes) throw new BlobNotFoundError(digest)
    const { offset, length } = rangeWithin(bytes.byteLength, range)
    return bytes.slice(offset, offset + length)
  }

  async stat(digest: Digest, { signal }: AbortOptions = {}): Promise<number | undefined> {
    signal?.throwIfAborted()
    return this.#blobs.get(digest)?.byteLength
  }

  async *list({ signal }: AbortOptions = {}): AsyncGenerator<Digest> {
    signal?.throwIfAborted()
    for (const digest of Array.from(this.#blobs.keys())) {
      yield digest
      signal?.throwIfAborted()
    }
  }

  async delete(digest: Digest, { signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#remove(digest)
  }

  #remove(digest: Digest): void {
    this.#usedBytes -= this.#blobs.get(digest)?.byteLength ?? 0
    this.#blobs.delete(digest)
  }

  #checkRoom(digest: Digest, sizeBytes: number): void {
    const before = this.#blobs.get(digest)?.byteLength ?? 0
    if (this.#usedBytes - before + sizeBytes <= this.#limitBytes) return
    throw new StoreError(
      'ERR_STORE_NO_SPACE',
      `${digest} has ${sizeBytes} bytes: with it, blobs would take more than limitBytes, ${this.#limitBytes}`,
    )
  }
}
