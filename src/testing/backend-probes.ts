import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteRange } from '../core/byte-range.ts'
import { mediaTypes, type Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { BlobSource, StorageBackend } from '../store/storage-backend.ts'
import { collect } from './collect.ts'
import { contentOf, type BlobContent } from './seeded-content.ts'

const chunkBytes = 10_000

/** Names a blob. */
export function descriptorOf({ digest, sizeBytes }: BlobContent): Descriptor {
  return { mediaType: mediaTypes.octetStream, digest, size: sizeBytes }
}

/** All bytes of a blob. */
export function wholeOf(blob: BlobContent): Uint8Array {
  return blob.read({ offset: 0, length: blob.sizeBytes })
}

/** The bytes of a blob in chunks that no border of pieces coincides with. */
export function chunksOf(blob: BlobContent): Uint8Array[] {
  return Array.from({ length: Math.ceil(blob.sizeBytes / chunkBytes) }, (_, index) => {
    const offset = index * chunkBytes
    return blob.read({ offset, length: Math.min(chunkBytes, blob.sizeBytes - offset) })
  })
}

/** A blob as a backend is given it. */
export function sourceOf(
  blob: BlobContent,
  {
    path,
    chunks = () => chunksOf(blob),
  }: { path?: string; chunks?: () => Iterable<Uint8Array> } = {},
): BlobSource {
  return {
    sizeBytes: blob.sizeBytes,
    path,
    async *stream() {
      yield* chunks()
    },
  }
}

/** A source that breaks off half-way. */
export function failingSource(blob: BlobContent, failure: Error): BlobSource {
  return sourceOf(blob, {
    *chunks() {
      yield* chunksOf(blob).slice(0, 15)
      throw failure
    },
  })
}

/** Blobs whose digests begin alike, as far as can be found quickly. */
export function similarBlobs(count: number): BlobContent[] {
  const found = new Map<string, BlobContent[]>()
  for (let seed = 0; ; seed++) {
    const blob = contentOf(Buffer.from(`blob ${seed} of the conformance suite`))
    const prefix = blob.digest.slice(0, 'sha256:'.length + 2)
    const alike = [...(found.get(prefix) ?? []), blob]
    if (alike.length === count) return alike
    found.set(prefix, alike)
  }
}

/** Writes a blob to a file, for as long as `use` takes, unless that takes it away. */
export async function withFile(
  blob: BlobContent,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'damselfly-conformance-'))
  try {
    const path = join(directory, 'blob')
    await writeFile(path, wholeOf(blob))
    await use(path)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Puts a blob from its stream. */
export async function put(backend: StorageBackend, blob: BlobContent): Promise<void> {
  await backend.put(descriptorOf(blob), sourceOf(blob))
}

/** Reads part of a blob, and compares it. */
export async function assertReads(
  backend: StorageBackend,
  blob: BlobContent,
  range: ByteRange,
): Promise<void> {
  const bytes = await backend.read(blob.digest, range)
  assert.equal(bytes.byteLength, range.length, `${range.length} bytes at ${range.offset}`)
  assert.equal(
    Buffer.compare(bytes, blob.read(range)),
    0,
    `${range.length} bytes at ${range.offset}`,
  )
}

/** A blob is there, and whole. */
export async function assertThere(backend: StorageBackend, blob: BlobContent): Promise<void> {
  assert.equal(await backend.stat(blob.digest), blob.sizeBytes)
  await assertReads(backend, blob, { offset: 0, length: blob.sizeBytes })
}

/** A blob is absent, whichever way one looks. */
export async function assertAbsent(
  backend: StorageBackend,
  { digest }: BlobContent,
): Promise<void> {
  assert.equal(await backend.stat(digest), undefined)
  assert.ok(!(await collect(backend.list())).includes(digest))
  await assert.rejects(backend.read(digest, { offset: 0, length: 1 }), (error) => {
    assertNotFound(error)
    return true
  })
}

/** The backend has these blobs, each once, and no others. */
export async function assertLists(
  backend: StorageBackend,
  blobs: readonly BlobContent[],
): Promise<void> {
  const expected = blobs.map(({ digest }): Digest => digest)
  assert.deepEqual((await collect(backend.list())).toSorted(), expected.toSorted())
}

/** An error says that a blob is absent. */
export function assertNotFound(error: unknown): void {
  assert.ok(error instanceof Error && 'code' in error, `${String(error)} has no code`)
  assert.equal(error.code, 'ERR_STORE_NOT_FOUND')
}

/** Work rejects with this very error. */
export async function rejectsWith(expected: Error, work: () => Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.equal(error, expected)
    return true
  })
}
