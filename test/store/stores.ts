import { createHash } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { mediaTypes, type Descriptor } from '../../src/core/descriptor.ts'
import type { Digest } from '../../src/core/digest.ts'
import { pieceLayout, pieceRange, type PieceLayout } from '../../src/core/piece-layout.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import {
  PieceStore,
  type PieceStoreOptions,
  type PieceSource,
  type StoredPart,
} from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'

/** A store that is closed when the test is over. */
export async function openStore(
  backend: StorageBackend,
  options?: PieceStoreOptions,
): Promise<PieceStore> {
  const store = await PieceStore.open(backend, options)
  onTestFinished(() => store.close())
  return store
}

/** A store in a directory, likewise. */
export function openFsStore(
  directory: string,
  options: PieceStoreOptions = {},
): Promise<PieceStore> {
  const { clock, logger } = options
  return openStore(fsBackend(directory, { clock, logger }), options)
}

/** A blob of six pieces, the last one short. */
export function someBlob(
  seed: number,
  sizeBytes: number = 1024 * 1024 + 300_000,
): BlobContent & { layout: PieceLayout } {
  return Object.assign(seededContent(seed, sizeBytes), { layout: pieceLayout(sizeBytes) })
}

export function descriptorOf(
  blob: BlobContent,
  mediaType: string = mediaTypes.octetStream,
): Descriptor {
  return { digest: blob.digest, size: blob.sizeBytes, mediaType }
}

export function wholeOf(blob: BlobContent): Uint8Array {
  return blob.read({ offset: 0, length: blob.sizeBytes })
}

export function pieceOf(blob: BlobContent, piece: number): Uint8Array {
  return blob.read(pieceRange(pieceLayout(blob.sizeBytes), piece))
}

/** The bytes of a blob in chunks, as a source that nobody has begun to read. */
export async function* streamOf(
  blob: BlobContent,
  chunkBytes = 100_000,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < blob.sizeBytes; offset += chunkBytes) {
    yield blob.read({ offset, length: Math.min(chunkBytes, blob.sizeBytes - offset) })
  }
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

/** Writes pieces of a blob; without a list, all of them. */
export async function fill(
  part: StoredPart,
  blob: BlobContent,
  pieces: Iterable<number> = Array(part.layout.pieceCount).keys(),
  source: PieceSource = 'peer',
): Promise<void> {
  for (const piece of pieces) {
    const bytes = pieceOf(blob, piece)
    await part.write(piece, [bytes.subarray(0, 1000), bytes.subarray(1000)], source, sha256(bytes))
  }
}

/** Downloads a blob into a store, all of it. */
export async function store(into: PieceStore, blob: BlobContent): Promise<void> {
  const part = await into.part(blob.digest, blob.sizeBytes)
  await fill(part, blob)
  await part.commit()
}

/** Whether a store gives exactly the bytes of a blob. */
export async function holds(from: PieceStore, blob: BlobContent): Promise<boolean> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of from.stream(blob.digest)) {
    hash.update(chunk)
    sizeBytes += chunk.byteLength
  }
  const digest: Digest = `sha256:${hash.digest('hex')}`
  return digest === blob.digest && sizeBytes === blob.sizeBytes
}

export async function digestsIn(from: PieceStore): Promise<Digest[]> {
  const digests: Digest[] = []
  for await (const { digest } of from.list()) digests.push(digest)
  return digests
}
