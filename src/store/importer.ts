import { mediaTypes, parseSize, type Descriptor } from '../core/descriptor.ts'
import { parseDigest } from '../core/digest.ts'
import { DigestMismatchError, RequestError } from '../core/errors.ts'
import { withRepositories } from './blob-facts.ts'
import { receiveBlob, receiveFile, type ReceivedBlob } from './blob-import.ts'
import type { CompleteBlobs } from './complete-blobs.ts'
import { fileSize, readFileChunks } from './fs-copies.ts'
import type { ImportFileOptions, ImportOptions } from './piece-store-options.ts'
import type { Scratch } from './scratch.ts'
import type { Space } from './space.ts'

/** Takes whole blobs into a store: room first, then the bytes, then the verdict. */
export class Importer {
  readonly #scratch: Scratch
  readonly #blobs: CompleteBlobs
  readonly #space: Space

  constructor(scratch: Scratch, blobs: CompleteBlobs, space: Space) {
    this.#scratch = scratch
    this.#blobs = blobs
    this.#space = space
  }

  async importBytes(
    blob: Descriptor,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions,
  ): Promise<void> {
    parseDigest(blob.digest)
    const sizeBytes = parseSize(blob.size)
    if (await this.#isHere(blob, options)) return endUnread(bytes)
    const release = await this.#space.reserve(undefined, sizeBytes)
    try {
      const received = await receiveBlob(this.#scratch, sizeBytes, bytes, options.signal)
      await this.#keep(blob, received, options)
    } finally {
      release()
    }
  }

  async importFile(path: string, options: ImportFileOptions): Promise<Descriptor> {
    const { mediaType = mediaTypes.octetStream, signal } = options
    const size = parseSize(await fileSize(path))
    const release = await this.#space.reserve(undefined, size)
    try {
      const clone = await this.#scratch.clone?.(path, size)
      const received = clone
        ? await receiveFile(clone, size, signal)
        : await receiveBlob(this.#scratch, size, readFileChunks(path), signal)
      const blob = { digest: received.hashes.digest, size, mediaType }
      await this.#keep(blob, received, options)
      return blob
    } finally {
      release()
    }
  }

  async #keep(blob: Descriptor, received: ReceivedBlob, options: ImportOptions): Promise<void> {
    const { mediaType } = blob
    const { source, hashes } = received
    try {
      if (hashes.digest !== blob.digest) throw new DigestMismatchError(blob.digest, hashes.digest)
      if (await this.#isHere(blob, options)) return
      const facts = { private: options.private ?? false, mediaType, repositories: repositoriesOf(options), hashes: hashes.pieces }
      await this.#blobs.keep(blob, source, facts, { signal: options.signal })
    } finally {
      await received.remove()
    }
  }

  /** If the blob is here, it becomes private if it is to be, and public only where nobody knew how it came. */
  async #isHere({ digest, size }: Descriptor, options: ImportOptions): Promise<boolean> {
    const entry = await this.#blobs.find(digest, options)
    if (!entry) return false
    const { sizeBytes } = entry.layout
    if (sizeBytes !== size) {
      throw new RequestError(
        'ERR_REQUEST_SIZE',
        `${digest} has ${sizeBytes} bytes here, and its descriptor says ${size}`,
      )
    }
    const isPrivate = entry.private || (options.private ?? false)
    const repositories = withRepositories(entry.repositories, repositoriesOf(options), true)
    if (isPrivate !== entry.private || repositories.length !== entry.repositories.length) {
      await this.#blobs.amend(entry, (known) => {
        known.private = isPrivate
        known.repositories = repositories
      })
    }
    return true
  }
}

function repositoriesOf({ repository }: ImportOptions): readonly string[] {
  return repository === undefined ? [] : [repository]
}

/** Lets go of bytes that are not needed. A stream that was never begun would not close: its first chunk is taken. */
async function endUnread(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of bytes) if (chunk) break
  } catch {
    // Whatever ails the source, the blob is here.
  }
}
