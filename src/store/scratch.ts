import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { JournalRecord, PartState } from './journal.ts'

/**
 * Bytes on their way to become a blob, written piece by piece in any order.
 * @public
 */
export interface ScratchFile {
  /** The file that they are in; absent where they are not in one. */
  readonly path: string | undefined
  /** Writes a whole piece. */
  write(piece: number, chunks: readonly Uint8Array[]): Promise<void>
  /** Fills `target` with the bytes from `offset` on, which have been written. */
  readInto(target: Uint8Array, offset: number): Promise<void>
  /** Once it resolves, what was written before survives a crash. */
  sync(): Promise<void>
  /** Closes and deletes it; its file may be gone already. */
  remove(): Promise<void>
}

/**
 * The unfinished copy of a blob; it outlives the process where the medium does.
 * @public
 */
export interface ScratchPart extends ScratchFile {
  /** What is here from before. */
  readonly state: PartState
  /**
   * Once it resolves, first what was written before, and then the records, survive a crash: never a record without
   * its bytes. A failure is final: the medium may have lost anything, and the part must be removed.
   */
  sync(records?: readonly JournalRecord[]): Promise<void>
  /**
   * Keeps it for the next time, or forgets it when nothing was recorded.
   * @param clean - all records are there and true; otherwise whoever opens it next finds it not clean
   */
  close(clean: boolean): Promise<void>
}

/**
 * An unfinished copy that nobody has open.
 * @public
 */
export interface LeftPart {
  readonly digest: Digest
  /** Length of the whole blob, in bytes. */
  readonly sizeBytes: number
  /** Bytes of it that are here. */
  readonly storedBytes: number
}

/**
 * What is noted of a blob: its facts, and the hashes of its pieces.
 * @public
 */
export type NoteKind = 'facts' | 'hashes'

/**
 * Small things to know of blobs, whole or absent, and durable where the medium is. Checksums are the writer's affair.
 * @public
 */
export interface BlobNotes {
  /** What was noted; `undefined` when nothing was. */
  read(digest: Digest, kind: NoteKind): Promise<Uint8Array | undefined>
  /** Notes it, over what was noted before; atomic. */
  write(digest: Digest, kind: NoteKind, bytes: Uint8Array): Promise<void>
  /** Forgets all of a blob; forgetting what is absent is not an error. */
  delete(digest: Digest): Promise<void>
}

/**
 * Where a {@link PieceStore} keeps unfinished blobs, and its notes on all blobs: `fsScratch(directory)` or
 * `memoryScratch()`. It belongs to one store at a time; several processes may each have one on the same directory.
 * @public
 */
export interface Scratch {
  /** Kept beside the unfinished blobs, for complete ones. */
  readonly notes: BlobNotes
  /**
   * Opens the unfinished copy of a blob: one that was left, else a new one.
   * @throws {@link StoreError} `ERR_STORE_LOCKED` while it is open here already
   */
  open(digest: Digest, sizeBytes: number): Promise<ScratchPart>
  /** Opens a file for bytes that are not resumed; `layout` is how they are cut. */
  temporary(layout: PieceLayout): Promise<ScratchFile>
  /**
   * A private copy of a file that shares its blocks; `undefined` where the file system cannot do that, or the file has
   * another size by now.
   */
  clone?(path: string, sizeBytes: number): Promise<ScratchFile | undefined>
  /** The unfinished copies that nobody has open. */
  list(): AsyncIterable<LeftPart>
  /** Removes the unfinished copies of a blob that nobody has open. */
  remove(digest: Digest): Promise<void>
  /** The {@link PieceStore} calls it when all parts are closed. */
  close(): Promise<void>
}

/** The answer to who opens a part that is open. */
export function partInUse(digest: Digest): StoreError {
  return new StoreError(
    'ERR_STORE_LOCKED',
    `${digest} is being written here already: wait until that is finished`,
  )
}
