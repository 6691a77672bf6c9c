import type { Digest } from '../core/digest.ts'
import {
  decodeHashes,
  decodeRecord,
  encodeHashes,
  encodeRecord,
  type BlobRecord,
} from './blob-facts.ts'
import type { BlobNotes } from './scratch.ts'

/** What is noted of complete blobs; what is damaged counts as absent. */
export class BlobRecords {
  readonly #notes: BlobNotes

  constructor(notes: BlobNotes) {
    this.#notes = notes
  }

  async read(digest: Digest): Promise<BlobRecord | undefined> {
    const bytes = await this.#notes.read(digest, 'facts')
    return bytes && decodeRecord(digest, bytes)
  }

  write(digest: Digest, record: BlobRecord): Promise<void> {
    return this.#notes.write(digest, 'facts', encodeRecord(digest, record))
  }

  async readHashes(digest: Digest, pieceCount: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#notes.read(digest, 'hashes')
    return bytes && decodeHashes(digest, bytes, pieceCount)
  }

  /** Blobs of one piece need none: the digest is the hash. */
  async writeHashes(digest: Digest, pieceCount: number, hashes: Uint8Array): Promise<void> {
    if (pieceCount > 1) await this.#notes.write(digest, 'hashes', encodeHashes(digest, hashes))
  }

  delete(digest: Digest): Promise<void> {
    return this.#notes.delete(digest)
  }
}
