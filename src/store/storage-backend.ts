import type { ByteRange } from '../core/byte-range.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'

/**
 * The bytes of a blob that a backend is given to keep: complete, and verified.
 * @public
 */
export interface BlobSource {
  /** Length of the blob, in bytes. */
  readonly sizeBytes: number
  /**
   * Path of a file with exactly these bytes, synced to disk, that the backend may rename away or link: it is ours to
   * give. Absent when there is none. A backend that cannot use it, or finds it gone, takes the stream.
   */
  readonly path?: string | undefined
  /** The bytes in order, in chunks of any length; each call starts anew. */
  stream(): AsyncIterable<Uint8Array>
}

/**
 * Settings of `StorageBackend.read`.
 * @public
 */
export interface ReadOptions extends AbortOptions {
  /**
   * Memory for the bytes, at least as long as the range. A backend may put them at its beginning and return that part of it, or return memory of its own.
   * @defaultValue none
   */
  into?: Uint8Array | undefined
}

/**
 * Where complete, verified blobs live. Open a {@link PieceStore} on one: it checks digests, resumes, counts and
 * evicts, so a backend only has to keep bytes under a name. Prove yours with `storageBackendConformance` of
 * `damselfly/testing`.
 *
 * Failures that a backend recognises are {@link StoreError}s; it leaves the others as they are.
 * @public
 */
export interface StorageBackend {
  /** Lower-case, used in logs and as a metric label: `'fs'`, `'s3'`. */
  readonly name: string
  /**
   * Keeps a blob; atomic: readers see all of it or nothing, also when the signal is aborted or the stream fails
   * half-way. Once it resolves, the blob survives a crash, as far as the medium can. Putting what is there already is
   * not an error.
   *
   * @param blob - its digest is the name to keep the bytes under
   * @param source - the bytes, as a file to rename or link (`source.path`) or as a stream
   */
  put(blob: Descriptor, source: BlobSource, options?: AbortOptions): Promise<void>
  /**
   * Reads exactly `length` bytes from `offset`. The range lies inside the blob; its length may be 0. The caller may
   * keep and change what it gets.
   *
   * @throws {@link BlobNotFoundError} if the blob is absent
   */
  read(digest: Digest, range: ByteRange, options?: ReadOptions): Promise<Uint8Array>
  /** Length of the blob in bytes, or `undefined` if it is absent. */
  stat(digest: Digest, options?: AbortOptions): Promise<number | undefined>
  /** Every stored digest once, in no order. */
  list(options?: AbortOptions): AsyncIterable<Digest>
  /**
   * Removes a blob. Reads that began before either finish or find it absent. Deleting what is absent is not an error.
   */
  delete(digest: Digest, options?: AbortOptions): Promise<void>
  /** Path of the read-only file that holds exactly the blob's bytes. Leave out where blobs are not files. */
  path?(digest: Digest): string | undefined
  /**
   * Bytes that a blob takes of the room that is the store's; 0 for one that somebody else keeps, and that is not evicted therefore. Left out or
   * `undefined`, its length.
   */
  ownBytes?(digest: Digest): number | undefined
  /** Sets a damaged blob aside for a person to look at: absent from now on. Left out, the blob is deleted. */
  quarantine?(digest: Digest): Promise<void>
  /**
   * Lets go of connections and handles; the {@link PieceStore} calls it last. Leave out when there is nothing to
   * release.
   */
  close?(): Promise<void>
}

/** Refuses a source that gave more or fewer bytes than it said. */
export function checkGiven(digest: Digest, sizeBytes: number, givenBytes: number): void {
  if (givenBytes === sizeBytes) return
  throw new StoreError(
    'ERR_STORE_CORRUPT',
    `${digest} has ${sizeBytes} bytes, but its source gave ${givenBytes}`,
  )
}
