import assert from 'node:assert/strict'
import { cp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { fsScratch } from '../../src/store/fs-scratch.ts'
import { decodeJournal } from '../../src/store/journal.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import type { PieceStore } from '../../src/store/piece-store.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { fill, holds, openFsStore, openStore, pieceOf, sha256, someBlob } from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const dayMs = 24 * 3_600_000

/** The directories of unfinished blobs. */
async function partsIn(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'parts'))
  return names.map((name) => join(directory, 'parts', name))
}

async function onlyPartIn(directory: string): Promise<string> {
  const [part, ...others] = await partsIn(directory)
  assert.ok(part !== undefined && others.length === 0)
  return part
}

/** Leaves pieces of a blob behind, as a process does that ends well. */
async function leave(
  directory: string,
  blob: BlobContent,
  pieces: Iterable<number>,
): Promise<void> {
  const store = await openFsStore(directory)
  const part = await store.part(blob.digest, blob.sizeBytes)
  await fill(part, blob, pieces)
  await store.close()
}

/** What a store finds of a blob when it opens it. */
async function found(store: PieceStore, blob: BlobContent): Promise<number[]> {
  const part = await store.part(blob.digest, blob.sizeBytes)
  const pieces = [...part.stored.indexes()]
  await part.close()
  return pieces
}

async function finish(store: PieceStore, blob: BlobContent): Promise<void> {
  const part = await store.part(blob.digest, blob.sizeBytes)
  await fill(part, blob)
  await part.commit()
  assert.ok(await holds(store, blob))
}

describe('a part that was closed', () => {
  test('has its pieces, hashes, origins and privacy when the store is opened again', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(1)
    const store = await openFsStore(directory)
    const part = await store.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [5, 0], 'origin')
    await fill(part, blob, [3])
    await part.markPrivate()
    await store.close()

    const later = await openFsStore(directory)
    const again = await later.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...again.stored.indexes()], [0, 3, 5])
    assert.deepEqual([...again.fromOrigin.indexes()], [0, 5])
    assert.equal(again.private, true)
    for (const piece of [0, 3, 5]) assert.deepEqual(again.hash(piece), sha256(pieceOf(blob, piece)))
    await fill(again, blob, [1, 2, 4])
    await again.commit()
    assert.ok(await holds(later, blob))
    assert.equal((await later.stat(blob.digest))?.private, true)
    assert.deepEqual(await partsIn(directory), [])
  })

  test('is there for the next store on the same memory', async () => {
    const [backend, scratch, blob] = [memoryBackend(), memoryScratch(), someBlob(2)]
    const store = await openStore(backend, { scratch })
    const part = await store.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [1, 2])
    await store.close()
    const later = await openStore(backend, { scratch })
    assert.deepEqual(await found(later, blob), [1, 2])
    await finish(later, blob)
  })

  test('is there although the process of its store lives on', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(3)
    const store = await openFsStore(directory)
    const part = await store.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [1, 2])
    await part.close()
    const other = await openFsStore(directory)
    assert.deepEqual(await found(other, blob), [1, 2])
    await finish(other, blob)
    assert.deepEqual(await found(store, blob), [])
  })

  test('loses pieces that somebody cut off', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(4)
    await leave(directory, blob, [0, 1, 2])
    await truncate(join(await onlyPartIn(directory), 'bytes'), 600_000)
    const store = await openFsStore(directory)
    assert.deepEqual(await found(store, blob), [0, 1])
    await finish(store, blob)
  })

  test('whose bytes are gone is begun again', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(5)
    await leave(directory, blob, [0, 1])
    await rm(join(await onlyPartIn(directory), 'bytes'))
    const store = await openFsStore(directory)
    assert.deepEqual(await found(store, blob), [])
    await finish(store, blob)
    assert.deepEqual(await partsIn(directory), [])
  })

  test('of another size is left alone', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(6)
    await leave(directory, blob, [0, 1])
    const store = await openFsStore(directory)
    const wrong = await store.part(blob.digest, blob.sizeBytes + 1)
    assert.equal(wrong.stored.count, 0)
    await wrong.discard()
    assert.deepEqual(await found(store, blob), [0, 1])
  })

  test('is removed when its blob is complete', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(7)
    await leave(directory, blob, [0, 1])
    const copy = `${await onlyPartIn(directory)}`
    await cp(copy, join(directory, 'kept'), { recursive: true })
    await finish(await openFsStore(directory), blob)
    await cp(join(directory, 'kept'), copy, { recursive: true })
    await openFsStore(directory)
    assert.deepEqual(await partsIn(directory), [])
  })

  test('is removed after a week in which nobody came back for it', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(8)
    for (const [days, expected] of [
      [6, [0]],
      [8, []],
    ] as const) {
      await leave(directory, blob, [0])
      const then = (Date.now() - days * dayMs) / 1000
      await utimes(join(await onlyPartIn(directory), 'journal'), then, then)
      // Its owner has said goodbye, so only its age counts.
      const store = await openFsStore(directory)
      assert.deepEqual(await found(store, blob), expected)
      await store.close()
    }
  })
})

describe('the journal of a part', () => {
  test('has what was written two seconds ago, or when the store was closed', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock(Date.now())
    const blob = someBlob(1)
    const store = await openFsStore(directory, { clock })
    const part = await store.part(blob.digest, blob.sizeBytes)
    const journalled = async (): Promise<number[]> => {
      const bytes = await readFile(join(await onlyPartIn(directory), 'journal')).catch(() =>
        Buffer.alloc(0),
      )
      return (
        decodeJournal(bytes)?.records.flatMap((record) =>
          'piece' in record ? [record.piece] : [],
        ) ?? []
      )
    }
    await fill(part, blob, [0])
    await clock.advanceAsync(1000)
    await fill(part, blob, [1])
    await clock.advanceAsync(999)
    assert.deepEqual(await journalled(), [])
    await clock.advanceAsync(1)
    // Waits for what the timer began.
    await part.drop([1])
    assert.deepEqual(await journalled(), [0, 1, 1])
    await fill(part, blob, [2])
    await part.close()
    assert.deepEqual(await journalled(), [0, 1, 1, 2])
    await store.close()
    assert.equal(clock.timerCount, 0)
  })

  test('is written after 64 MiB, however fast they come', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock()
    const blob = someBlob(2, 80 * 1024 * 1024)
    const store = await openFsStore(directory, { clock })
    const part = await store.part(blob.digest, blob.sizeBytes)
    const bytes = Buffer.alloc(part.layout.pieceLength)
    const hash = sha256(bytes)
    for (let piece = 0; piece < part.layout.pieceCount; piece++)
      await part.write(piece, [bytes], 'peer', hash)
    await part.markPrivate()
    const journal = decodeJournal(await readFile(join(await onlyPartIn(directory), 'journal')))
    assert.equal(journal?.records.length, part.layout.pieceCount + 1)
    await part.discard()
  })

  test('is not made for a blob that is complete at once', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(3)
    const store = await openFsStore(directory)
    const part = await store.part(blob.digest, blob.sizeBytes)
    await fill(part, blob)
    assert.deepEqual(await readdir(await onlyPartIn(directory)), ['bytes'])
    await part.commit()
    assert.deepEqual(await partsIn(directory), [])
  })

  test('counts up to where it was torn', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(4)
    await leave(directory, blob, [0, 1, 2])
    const path = join(await onlyPartIn(directory), 'journal')
    await truncate(path, (await stat(path)).size - 48 - 10)
    const store = await openFsStore(directory)
    assert.deepEqual(await found(store, blob), [0, 1])
    // What is journalled after the tear is found, too.
    const part = await store.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [5])
    await part.close()
    assert.deepEqual(await found(store, blob), [0, 1, 5])
    await finish(store, blob)
  })

  test('takes no old record for a new one after a damaged one', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(6)
    await leave(directory, blob, [0, 1, 2])
    const path = join(await onlyPartIn(directory), 'journal')
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(7, 64 + 48 + 20, 64 + 48 + 21))
    for (let round = 0; round < 2; round++) {
      const scratch = fsScratch(directory)
      const part = await scratch.open(blob.digest, blob.sizeBytes)
      assert.deepEqual([...part.state.stored.indexes()], [0])
      assert.equal(part.state.clean, false)
      await part.close(false)
      await scratch.close()
    }
  })

  for (const [name, spoil] of [
    ['is garbage', (bytes: Buffer) => bytes.fill(7)],
    ['was written by a newer version', (bytes: Buffer) => bytes.fill(9, 5, 6)],
    ['is empty', () => Buffer.alloc(0)],
  ] as const) {
    test(`that ${name} makes the part begin again`, async () => {
      const directory = await temporaryDirectory()
      const blob = someBlob(5)
      await leave(directory, blob, [0, 1, 2])
      const path = join(await onlyPartIn(directory), 'journal')
      await writeFile(path, spoil(await readFile(path)))
      const store = await openFsStore(directory)
      assert.deepEqual(await found(store, blob), [])
      await finish(store, blob)
    })
  }
})
