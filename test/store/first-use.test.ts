import assert from 'node:assert/strict'
import { chmod, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestHex } from '../../src/core/digest.ts'
import { pieceRange } from '../../src/core/piece-layout.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { contentOf } from '../../src/testing/seeded-content.ts'
import {
  descriptorOf,
  digestsIn,
  holds,
  openFsStore,
  openStore,
  pieceOf,
  sha256,
  someBlob,
  store,
  streamOf,
  wholeOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

function notesOf(directory: string, { digest }: BlobContent, suffix: '.json' | '.hashes'): string {
  const hex = digestHex(digest)
  return join(directory, 'meta', 'sha256', hex.slice(0, 2), hex + suffix)
}

function blobPath(directory: string, { digest }: BlobContent): string {
  const hex = digestHex(digest)
  return join(directory, 'blobs', 'sha256', hex.slice(0, 2), hex)
}

/** Changes a stored blob as a disk does that loses a bit. */
async function rot(directory: string, blob: BlobContent, offset: number): Promise<void> {
  const path = blobPath(directory, blob)
  const bytes = await readFile(path)
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset)
  await chmod(path, 0o600)
  await writeFile(path, bytes)
}

/** A directory in which a store has left a blob. */
async function directoryWith(...blobs: readonly BlobContent[]): Promise<string> {
  const directory = await temporaryDirectory()
  const first = await openFsStore(directory)
  for (const blob of blobs) await store(first, blob)
  await first.close()
  return directory
}

describe('a blob that was here before the store was opened', () => {
  test('whose bytes have changed is found out at the first use, set aside, and can be stored again', async () => {
    const blob = someBlob(1)
    const directory = await directoryWith(blob)
    await rot(directory, blob, 700_000)
    const later = await openFsStore(directory)
    assert.deepEqual(await later.stat(blob.digest), { sizeBytes: blob.sizeBytes, private: false })
    const { layout } = blob
    assert.equal(
      Buffer.compare(await later.read(blob.digest, pieceRange(layout, 0)), pieceOf(blob, 0)),
      0,
    )
    await assert.rejects(later.read(blob.digest, pieceRange(layout, 2)), {
      code: 'ERR_STORE_CORRUPT',
    })
    assert.equal(await later.stat(blob.digest), undefined)
    assert.deepEqual(await digestsIn(later), [])
    assert.deepEqual(later.usage(), { usedBytes: 0, blobCount: 0 })
    const [aside] = await readdir(join(directory, 'quarantine'))
    assert.ok(aside?.startsWith(digestHex(blob.digest)))
    await store(later, blob)
    assert.ok(await holds(later, blob))
  })

  test('gives no byte of a damaged piece, in whatever range it is asked for', async () => {
    const blob = someBlob(2)
    const { pieceLength } = blob.layout
    for (const [offset, length] of [
      [0, blob.sizeBytes],
      [pieceLength + 1, 10],
      [pieceLength - 1, 2],
      [10, pieceLength],
    ] as const) {
      const directory = await directoryWith(blob)
      await rot(directory, blob, pieceLength + 100_000)
      const later = await openFsStore(directory)
      await assert.rejects(later.read(blob.digest, { offset, length }), {
        code: 'ERR_STORE_CORRUPT',
      })
    }
    const directory = await directoryWith(blob)
    await rot(directory, blob, pieceLength + 100_000)
    const later = await openFsStore(directory)
    let streamedBytes = 0
    await assert.rejects(
      async () => {
        for await (const chunk of later.stream(blob.digest)) {
          assert.equal(
            Buffer.compare(chunk, blob.read({ offset: streamedBytes, length: chunk.byteLength })),
            0,
          )
          streamedBytes += chunk.byteLength
        }
      },
      { code: 'ERR_STORE_CORRUPT' },
    )
    assert.ok(streamedBytes <= pieceLength)
  })

  test('is read right in any range before all of it was used', async () => {
    const blob = someBlob(3)
    const { pieceLength } = blob.layout
    const later = await openFsStore(await directoryWith(blob))
    const ranges = [
      [5, 0],
      [pieceLength / 2, pieceLength],
      [pieceLength, pieceLength],
      [1, 1],
      [blob.sizeBytes - 1, 1],
      [0, blob.sizeBytes],
    ]
    for (const [offset = 0, length = 0] of ranges) {
      const bytes = await later.read(blob.digest, { offset, length })
      assert.equal(
        Buffer.compare(bytes, blob.read({ offset, length })),
        0,
        `${length} at ${offset}`,
      )
    }
  })

  test('of one piece is checked by its digest', async () => {
    const [blob, empty] = [someBlob(4, 1000), contentOf(new Uint8Array(0))]
    const directory = await directoryWith(blob, empty)
    await rot(directory, blob, 10)
    const later = await openFsStore(directory)
    await assert.rejects(later.read(blob.digest), { code: 'ERR_STORE_CORRUPT' })
    assert.ok(await holds(later, empty))
  })

  test('is exported only if all of it is right', async () => {
    const blob = someBlob(5)
    const directory = await directoryWith(blob)
    await rot(directory, blob, blob.sizeBytes - 1)
    const later = await openFsStore(directory)
    const target = join(await temporaryDirectory(), 'copy')
    await assert.rejects(later.export(blob.digest, target), { code: 'ERR_STORE_CORRUPT' })
    await assert.rejects(readFile(target), { code: 'ENOENT' })
  })

  test('is compared as a whole when the hashes of its pieces are lost or damaged', async () => {
    const blob = someBlob(6)
    const directory = await directoryWith(blob)
    const path = notesOf(directory, blob, '.hashes')
    const hashes = await readFile(path)
    await writeFile(path, Buffer.from(hashes).fill(7, 40, 50))
    const later = await openFsStore(directory)
    assert.ok(await holds(later, blob))
    assert.equal(Buffer.compare(await readFile(path), hashes), 0)
    await later.close()

    await rm(path)
    await rot(directory, blob, 5)
    const last = await openFsStore(directory)
    await assert.rejects(last.read(blob.digest, { offset: 600_000, length: 1 }), {
      code: 'ERR_STORE_CORRUPT',
    })
    assert.equal(await last.stat(blob.digest), undefined)
  })

  test('that was cut, or grew, is not here', async () => {
    const [cut, grown] = [someBlob(7), someBlob(8)]
    const directory = await directoryWith(cut, grown)
    for (const [blob, sizeBytes] of [
      [cut, 1_000_000],
      [grown, 2_000_000],
    ] as const) {
      await chmod(blobPath(directory, blob), 0o600)
      await truncate(blobPath(directory, blob), sizeBytes)
    }
    const later = await openFsStore(directory)
    assert.equal(await later.stat(cut.digest), undefined)
    assert.equal(await later.stat(grown.digest), undefined)
    assert.equal((await readdir(join(directory, 'quarantine'))).length, 2)
  })

  test('that is cut while it is in use is found out', async () => {
    const blob = someBlob(9)
    const later = await openFsStore(await directoryWith(blob))
    assert.ok(await holds(later, blob))
    const path = later.path(blob.digest) ?? ''
    await chmod(path, 0o600)
    await truncate(path, 1000)
    await assert.rejects(later.read(blob.digest, { offset: 990, length: 20 }), {
      code: 'ERR_STORE_CORRUPT',
    })
    assert.equal(await later.stat(blob.digest), undefined)
  })

  test('is mended by putting it again, also for who has it open', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(16, 1000)
    const backend = fsBackend(directory)
    const source = { sizeBytes: 1000, stream: () => streamOf(blob) }
    await backend.put(descriptorOf(blob), source)
    await backend.read(blob.digest, { offset: 0, length: 10 })
    await rot(directory, blob, 500)
    await backend.put(descriptorOf(blob), source)
    const bytes = await backend.read(blob.digest, { offset: 0, length: 1000 })
    assert.equal(Buffer.compare(bytes, wholeOf(blob)), 0)
    await backend.close?.()
  })

  test('that was deleted behind our back is not here', async () => {
    const [blob, other] = [someBlob(10, 1000), someBlob(11, 1000)]
    const directory = await directoryWith(blob, other)
    const later = await openFsStore(directory)
    await rm(blobPath(directory, blob))
    await rm(blobPath(directory, other))
    assert.equal(await later.stat(blob.digest), undefined)
    await assert.rejects(later.read(other.digest), { code: 'ERR_STORE_NOT_FOUND' })
    assert.equal(await later.stat(other.digest), undefined)
    assert.deepEqual(later.usage(), { usedBytes: 0, blobCount: 0 })
  })

  test('of which nobody remembers how it came is private, until somebody says how', async () => {
    const [blob, foreign] = [someBlob(12, 1000), someBlob(13, 1000)]
    const directory = await directoryWith(blob)
    await rm(notesOf(directory, blob, '.json'))
    const later = await openFsStore(directory)
    assert.deepEqual(await later.stat(blob.digest), { sizeBytes: 1000, private: true })
    await fsBackend(directory).put(descriptorOf(foreign), {
      sizeBytes: 1000,
      stream: () => streamOf(foreign),
    })
    assert.deepEqual(await later.stat(foreign.digest), { sizeBytes: 1000, private: true })
    assert.ok(await holds(later, foreign))
    await later.pin(foreign.digest)
    assert.equal((await later.stat(foreign.digest))?.private, true)
    await later.import(descriptorOf(foreign), streamOf(foreign))
    assert.equal((await later.stat(foreign.digest))?.private, false)
    await later.close()
    const last = await openFsStore(directory)
    assert.equal((await last.stat(foreign.digest))?.private, false)
    assert.equal((await last.stat(blob.digest))?.private, true)
  })

  test('keeps its facts', async () => {
    const directory = await temporaryDirectory()
    const [blob, secret] = [someBlob(14), someBlob(15, 1000)]
    const first = await openFsStore(directory)
    await first.import(descriptorOf(blob, mediaTypes.ociConfig), streamOf(blob))
    await first.import(descriptorOf(secret), streamOf(secret), { private: true })
    await first.close()
    const later = await openFsStore(directory)
    assert.deepEqual(await later.stat(blob.digest), {
      sizeBytes: blob.sizeBytes,
      private: false,
      mediaType: mediaTypes.ociConfig,
    })
    assert.equal((await later.stat(secret.digest))?.private, true)
  })
})

describe('a backend that goes wrong', () => {
  /** A backend whose reads are changed. */
  function reading(backend: StorageBackend, read: StorageBackend['read']): StorageBackend {
    return {
      name: 'wrong',
      read,
      put: (...args) => backend.put(...args),
      stat: (...args) => backend.stat(...args),
      list: (...args) => backend.list(...args),
      delete: (...args) => backend.delete(...args),
    }
  }

  test('and gives fewer or more bytes than were asked for is not believed', async () => {
    for (const change of [-1, 1]) {
      const memory = memoryBackend()
      const blob = someBlob(1)
      const target = await openStore(
        reading(memory, async (digest, { offset, length }, options) =>
          memory.read(digest, { offset, length: length + change }, options),
        ),
      )
      await store(target, blob)
      const range = { offset: 10, length: 10 }
      await assert.rejects(target.read(blob.digest, range), { code: 'ERR_STORE_CORRUPT' })
      assert.equal(await target.stat(blob.digest), undefined)
    }
  })

  test('for a while keeps its blobs, and is asked again', async () => {
    const memory = memoryBackend()
    const blob = someBlob(2)
    const source = { sizeBytes: blob.sizeBytes, stream: () => streamOf(blob) }
    await memory.put(descriptorOf(blob), source)
    const outage = new RangeError('an outage')
    let reads = 0
    const target = await openStore(
      reading(memory, async (...args) => {
        if (reads++ === 1) throw outage
        return memory.read(...args)
      }),
    )
    await assert.rejects(target.read(blob.digest), (error) => error === outage)
    assert.ok(await holds(target, blob))
  })
})

describe('pieceHashes', () => {
  test('are known of a blob that was downloaded, imported, or put there by somebody else', async () => {
    const directory = await temporaryDirectory()
    const [downloaded, imported, foreign] = [someBlob(1), someBlob(2), someBlob(3)]
    const target = await openFsStore(directory)
    await store(target, downloaded)
    await target.import(descriptorOf(imported), streamOf(imported))
    await fsBackend(directory).put(descriptorOf(foreign), {
      sizeBytes: foreign.sizeBytes,
      stream: () => streamOf(foreign),
    })
    for (const blob of [downloaded, imported, foreign]) {
      const expected = Array.from({ length: 6 }, (_, piece) => sha256(pieceOf(blob, piece)))
      assert.deepEqual(await target.pieceHashes(blob.digest), expected)
      assert.deepEqual(await target.pieceHashes(blob.digest), expected)
    }
  })

  test('are read from the blob once, also when many ask at once', async () => {
    let readBytes = 0
    const memory = memoryBackend()
    const blob = someBlob(4)
    const counting: StorageBackend = {
      name: 'counting',
      put: (...args) => memory.put(...args),
      read: async (digest, range, options) => {
        readBytes += range.length
        return memory.read(digest, range, options)
      },
      stat: (...args) => memory.stat(...args),
      list: (...args) => memory.list(...args),
      delete: (...args) => memory.delete(...args),
    }
    await memory.put(descriptorOf(blob), {
      sizeBytes: blob.sizeBytes,
      stream: () => streamOf(blob),
    })
    const target = await openStore(counting)
    await Promise.all([1, 2, 3].map(() => target.pieceHashes(blob.digest)))
    assert.equal(readBytes, blob.sizeBytes)
    assert.equal(Buffer.compare(await target.read(blob.digest), wholeOf(blob)), 0)
    assert.equal(readBytes, 2 * blob.sizeBytes)
  })

  test('an abort ends the waiting of one, not of the others', async () => {
    const memory = memoryBackend()
    const blob = someBlob(5)
    await memory.put(descriptorOf(blob), {
      sizeBytes: blob.sizeBytes,
      stream: () => streamOf(blob),
    })
    const target = await openStore(memory)
    const controller = new AbortController()
    const aborted = target.pieceHashes(blob.digest, { signal: controller.signal })
    const others = target.pieceHashes(blob.digest)
    controller.abort(new RangeError('enough'))
    await assert.rejects(aborted, { message: 'enough' })
    assert.equal((await others).length, 6)
  })

  test('of a blob that is absent, or of one piece', async () => {
    const target = await openStore(memoryBackend())
    await assert.rejects(target.pieceHashes(someBlob(6).digest), { code: 'ERR_STORE_NOT_FOUND' })
    await store(target, someBlob(6, 1000))
    assert.deepEqual(await target.pieceHashes(someBlob(6, 1000).digest), [])
  })
})
