import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { contentOf, seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { slowFuzz } from './fuzz.ts'
import {
  descriptorOf,
  digestsIn,
  fill,
  holds,
  openFsStore,
  openStore,
  someBlob,
  store,
  streamOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

function small(seed: number, sizeBytes = 100): BlobContent {
  return contentOf(seededContent(seed, sizeBytes).read({ offset: 0, length: sizeBytes }))
}

async function take(into: PieceStore, blob: BlobContent): Promise<void> {
  await into.import(descriptorOf(blob), streamOf(blob))
}

const noSpace = { code: 'ERR_STORE_NO_SPACE', retryable: true }

describe('a store with a quota', () => {
  test('deletes what was not used for longest', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 300 })
    const [a, b, c, d] = [small(1), small(2), small(3), small(4)]
    for (const blob of [a, b, c]) await take(target, blob)
    await target.read(a.digest)
    await take(target, d)
    assert.deepEqual(await digestsIn(target), [c.digest, a.digest, d.digest])
    assert.deepEqual(target.usage(), { usedBytes: 300, quotaBytes: 300, blobCount: 3 })
    assert.equal(await target.stat(b.digest), undefined)
  })

  test('makes room for all of a part when it is opened', async () => {
    const blob = someBlob(1)
    const target = await openStore(memoryBackend(), { quotaBytes: blob.sizeBytes + 150 })
    await take(target, small(1))
    await take(target, small(2))
    const part = await target.part(blob.digest, blob.sizeBytes)
    assert.deepEqual(await digestsIn(target), [small(2).digest])
    assert.equal(target.usage().usedBytes, blob.sizeBytes + 100)
    await assert.rejects(target.part(small(3, 200).digest, 200), noSpace)
    await fill(part, blob)
    await part.commit()
    assert.equal(target.usage().usedBytes, blob.sizeBytes + 100)
    assert.ok(await holds(target, blob))
  })

  test('refuses what is larger than it, and deletes nothing for it', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 1000 })
    await take(target, small(1))
    await assert.rejects(target.part(someBlob(1).digest, 1001), noSpace)
    await assert.rejects(take(target, small(2, 1001)), noSpace)
    assert.deepEqual(await digestsIn(target), [small(1).digest])
    assert.equal(target.usage().usedBytes, 100)
  })

  test('deletes nothing that is pinned, leased or being read', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 300 })
    const [a, b, c] = [small(1), small(2), small(3)]
    for (const blob of [a, b, c]) await take(target, blob)
    await target.pin(a.digest)
    const lease = target.lease(b.digest)
    const reading = target.stream(c.digest)[Symbol.asyncIterator]()
    await reading.next()
    await assert.rejects(take(target, small(4)), noSpace)
    assert.equal(target.usage().blobCount, 3)
    await reading.return?.(undefined)
    await take(target, small(4))
    lease[Symbol.dispose]()
    lease[Symbol.dispose]()
    await take(target, small(5))
    assert.deepEqual(
      (await digestsIn(target)).toSorted(),
      [a, small(4), small(5)].map(({ digest }) => digest).toSorted(),
    )
    await target.unpin(a.digest)
    await take(target, small(6))
    assert.equal(await target.stat(a.digest), undefined)
  })

  test('keeps a pin when the blob is stored once more', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 200 })
    await take(target, small(1))
    await target.pin(small(1).digest)
    await store(target, small(1))
    await take(target, small(2))
    await take(target, small(3))
    assert.deepEqual(await digestsIn(target), [small(1).digest, small(3).digest])
  })

  test('counts leases, and holds a blob until the last one ends', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 100 })
    await take(target, small(1))
    const leases = [target.lease(small(1).digest), target.lease(small(1).digest)]
    leases[0]?.[Symbol.dispose]()
    leases[0]?.[Symbol.dispose]()
    await assert.rejects(take(target, small(2)), noSpace)
    leases[1]?.[Symbol.dispose]()
    await take(target, small(2))
  })

  test('holds what was leased before it came', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 100 })
    using lease = target.lease(small(1).digest)
    await take(target, small(1))
    await assert.rejects(take(target, small(2)), noSpace)
    assert.ok(lease)
  })

  test('gives up unfinished copies that nobody writes before complete blobs', async () => {
    const [blob, left] = [someBlob(1), someBlob(2)]
    const target = await openStore(memoryBackend(), { quotaBytes: 2 * blob.sizeBytes })
    await store(target, blob)
    const part = await target.part(left.digest, left.sizeBytes)
    await fill(part, left, [0, 1])
    await part.close()
    assert.equal(target.usage().usedBytes, blob.sizeBytes + 2 * 256 * 1024)
    await store(target, someBlob(3))
    assert.ok(await holds(target, blob))
    const again = await target.part(left.digest, left.sizeBytes)
    assert.equal(again.stored.count, 0)
  })

  test('counts an unfinished copy once when it is resumed', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(1)
    const options = { quotaBytes: blob.sizeBytes + 10 }
    const first = await openFsStore(directory, options)
    const part = await first.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [0, 1])
    await first.close()
    const later = await openFsStore(directory, options)
    assert.equal(later.usage().usedBytes, 2 * 256 * 1024)
    const again = await later.part(blob.digest, blob.sizeBytes)
    assert.equal(later.usage().usedBytes, blob.sizeBytes)
    assert.equal(again.stored.count, 2)
    await again.discard()
    assert.deepEqual(later.usage(), { ...options, usedBytes: 0, blobCount: 0 })
  })

  test('gives up others, and not the unfinished copy that is resumed', async () => {
    const blob = someBlob(1)
    const target = await openStore(memoryBackend(), { quotaBytes: blob.sizeBytes + 50 })
    const part = await target.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [0, 1])
    await part.close()
    await take(target, small(1))
    const again = await target.part(blob.digest, blob.sizeBytes)
    assert.equal(again.stored.count, 2)
    assert.equal(await target.stat(small(1).digest), undefined)
  })

  test('does not count what is being deleted: who comes meanwhile takes nothing more', async () => {
    const backend = memoryBackend()
    let letDelete = (): void => {}
    const mayDelete = new Promise<void>((resolve) => {
      letDelete = resolve
    })
    const target = await openStore(
      {
        ...passOn(backend),
        async delete(digest) {
          await mayDelete
          await backend.delete(digest)
        },
      },
      { quotaBytes: 300 },
    )
    for (const seed of [1, 2, 3]) await take(target, small(seed))
    const taking = [take(target, small(4)), take(target, small(5))]
    await setImmediate()
    assert.equal(target.usage().usedBytes, 300)
    letDelete()
    await Promise.all(taking)
    const kept = [small(3), small(4), small(5)].map(({ digest }) => digest)
    assert.deepEqual((await digestsIn(target)).toSorted(), kept.toSorted())
  })

  test('releases what was reserved for blobs that did not come', async () => {
    const target = await openStore(memoryBackend(), { quotaBytes: 5_000_000 })
    const blob = someBlob(1)
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10)
      throw new RangeError('no more')
    }
    await assert.rejects(target.import(descriptorOf(blob), failing()), RangeError)
    await assert.rejects(target.import(descriptorOf(blob), streamOf(someBlob(2))), {
      code: 'ERR_ORIGIN_DIGEST',
    })
    await (await target.part(blob.digest, blob.sizeBytes)).discard()
    await (await target.part(blob.digest, blob.sizeBytes)).close()
    assert.deepEqual(target.usage(), { usedBytes: 0, quotaBytes: 5_000_000, blobCount: 0 })
  })

  test('remembers after a restart what is pinned and what was used when', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock(Date.now())
    const blobs = [small(1), small(2), small(3), small(4)]
    const first = await openFsStore(directory, { clock })
    for (const blob of blobs) {
      await take(first, blob)
      clock.advance(1000)
    }
    await first.pin(small(2).digest)
    clock.advance(2 * 3_600_000)
    await first.read(small(1).digest)
    await first.close()
    const later = await openFsStore(directory, { clock, quotaBytes: 400 })
    await take(later, small(5))
    assert.equal(await later.stat(small(3).digest), undefined)
    await take(later, small(6, 200))
    const kept = [small(2), small(5), small(6, 200)].map(({ digest }) => digest)
    assert.deepEqual((await digestsIn(later)).toSorted(), kept.toSorted())
  })

  test('that is smaller than what it holds opens, serves, and shrinks when it needs room', async () => {
    const [backend, scratch] = [memoryBackend(), memoryScratch()]
    const first = await openStore(backend, { scratch })
    for (let seed = 1; seed <= 5; seed++) await take(first, small(seed))
    const later = await openStore(backend, { scratch, quotaBytes: 250 })
    assert.equal(later.usage().usedBytes, 500)
    assert.ok(await holds(later, small(1)))
    await take(later, small(6))
    assert.equal(later.usage().usedBytes, 200)
  })

  test('of something that is no number is refused', async () => {
    await assert.rejects(PieceStore.open(memoryBackend(), { quotaBytes: Number.NaN }), {
      code: 'ERR_REQUEST_OPTION',
    })
    await assert.rejects(PieceStore.open(memoryBackend(), { quotaBytes: -1 }), {
      code: 'ERR_REQUEST_OPTION',
    })
  })
})

describe('deleting', () => {
  test('waits for those who hold the blob, and not for newcomers', async () => {
    const directory = await temporaryDirectory()
    const target = await openFsStore(directory)
    const blob = someBlob(1, 3_000_000)
    await store(target, blob)
    const lease = target.lease(blob.digest)
    const chunks: Uint8Array[] = []
    for await (const chunk of target.stream(blob.digest)) {
      if (chunks.length === 0) await target.delete(blob.digest)
      assert.equal(await target.stat(blob.digest), undefined)
      assert.deepEqual(await digestsIn(target), [])
      chunks.push(chunk)
    }
    assert.equal(Buffer.concat(chunks).byteLength, blob.sizeBytes)
    assert.ok(await holds(target, blob), 'who holds a lease reads on')
    lease[Symbol.dispose]()
    await assert.rejects(target.read(blob.digest), { code: 'ERR_STORE_NOT_FOUND' })
    await target.close()
    assert.equal(await fsBackend(directory).stat(blob.digest), undefined)
  })

  test('is done at the latest when the store is closed', async () => {
    const directory = await temporaryDirectory()
    const target = await openFsStore(directory)
    await take(target, small(1))
    const lease = target.lease(small(1).digest)
    await target.delete(small(1).digest)
    assert.notEqual(await fsBackend(directory).stat(small(1).digest), undefined)
    await target.close()
    assert.equal(await fsBackend(directory).stat(small(1).digest), undefined)
    lease[Symbol.dispose]()
  })

  test('is undone when the blob is stored again before its last holder lets go', async () => {
    const target = await openStore(memoryBackend())
    const blob = small(1)
    await take(target, blob)
    const lease = target.lease(blob.digest)
    await target.delete(blob.digest)
    await take(target, blob)
    lease[Symbol.dispose]()
    assert.ok(await holds(target, blob))
    assert.deepEqual(target.usage(), { usedBytes: 100, blobCount: 1 })
  })

  test('that fails leaves the blob as it was', async () => {
    const backend = memoryBackend()
    let failure: Error | undefined = new RangeError('not now')
    const target = await openStore(
      {
        ...passOn(backend),
        async delete(digest) {
          if (failure) throw failure
          await backend.delete(digest)
        },
      },
      { quotaBytes: 100 },
    )
    await take(target, small(1))
    await assert.rejects(target.delete(small(1).digest), (error) => error === failure)
    await assert.rejects(take(target, small(2)), (error) => error === failure)
    assert.ok(await holds(target, small(1)))
    assert.deepEqual(target.usage(), { usedBytes: 100, quotaBytes: 100, blobCount: 1 })
    failure = undefined
    await take(target, small(2))
    assert.deepEqual(await digestsIn(target), [small(2).digest])
  })

  test('leaves no note of the blob, also not by who pins it at the same time', async () => {
    const [backend, scratch] = [memoryBackend(), memoryScratch()]
    const target = await openStore(backend, { scratch })
    await take(target, small(1))
    const deleting = target.delete(small(1).digest)
    const pinning = target.pin(small(1).digest).catch(() => {})
    await Promise.all([deleting, pinning])
    assert.equal(await scratch.notes.read(small(1).digest, 'facts'), undefined)
    await take(target, small(1))
    const pinnedFirst = target.pin(small(1).digest)
    await Promise.all([pinnedFirst, target.delete(small(1).digest)])
    assert.equal(await scratch.notes.read(small(1).digest, 'facts'), undefined)
  })

  test('takes a pin with it', async () => {
    const target = await openStore(memoryBackend())
    await take(target, small(1))
    await target.pin(small(1).digest)
    await target.delete(small(1).digest)
    await assert.rejects(target.pin(small(1).digest), { code: 'ERR_STORE_NOT_FOUND' })
    await assert.rejects(target.unpin(small(1).digest), { code: 'ERR_STORE_NOT_FOUND' })
  })
})

/** A backend that hands everything on to another one, to be changed in parts. */
function passOn(backend: StorageBackend): StorageBackend {
  return {
    name: backend.name,
    put: (...args) => backend.put(...args),
    read: (...args) => backend.read(...args),
    stat: (...args) => backend.stat(...args),
    delete: (...args) => backend.delete(...args),
    list: (...args) => backend.list(...args),
  }
}

/** A backend whose answers take their time, each another one. */
function dawdling(backend: StorageBackend, pauses: Iterator<number>): StorageBackend {
  const dawdle = async (): Promise<void> => {
    for (let left = pauses.next().value ?? 0; left > 0; left--) await setImmediate()
  }
  const between = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    await dawdle()
    const result = await work()
    await dawdle()
    return result
  }
  return {
    ...passOn(backend),
    put: (...args) => between(() => backend.put(...args)),
    read: (...args) => between(() => backend.read(...args)),
    stat: (...args) => between(() => backend.stat(...args)),
    delete: (...args) => between(() => backend.delete(...args)),
  }
}

/** Something that happens to a store, to the blob of this number. */
const step = fc.record({
  what: fc.constantFrom(
    'take',
    'read',
    'stream',
    'lease',
    'release',
    'pin',
    'unpin',
    'delete',
    'part',
    'settle',
  ),
  which: fc.nat(7),
})

describe('a store in use by many at once', () => {
  test('stays within its quota, loses nothing that is held, and gives right bytes or none', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60 }),
        fc.infiniteStream(fc.nat(3)),
        async (steps, pauses) => {
          const quotaBytes = 1000
          const backend = dawdling(memoryBackend({ limitBytes: quotaBytes }), pauses)
          const target = await PieceStore.open(backend, { quotaBytes })
          const blobs = Array.from({ length: 8 }, (_, index) => small(index, 150 + 30 * index))
          const leases = new Map<number, Disposable>()
          /** Blobs that were here when they were leased, and that nobody has deleted since. */
          const held = new Set<number>()
          let running: Promise<unknown>[] = []
          const expected = (error: unknown): void => {
            assert.ok(error instanceof Error && 'code' in error)
            assert.match(String(error.code), /^ERR_STORE_(NO_SPACE|NOT_FOUND|LOCKED)$/)
          }
          const begin = (work: () => Promise<unknown>): void =>
            void running.push(work().catch(expected))
          const settle = async (): Promise<void> => {
            await Promise.all(running)
            running = []
            assert.ok(
              target.usage().usedBytes <= quotaBytes,
              `${target.usage().usedBytes} bytes are used`,
            )
            for (const index of held) assert.ok(await holds(target, blobs[index] ?? small(0)))
          }
          for (const { what, which } of steps) {
            const blob = blobs[which] ?? small(0)
            if (what === 'take') begin(() => take(target, blob))
            if (what === 'read') {
              begin(async () =>
                assert.equal(
                  Buffer.compare(
                    await target.read(blob.digest),
                    blob.read({ offset: 0, length: blob.sizeBytes }),
                  ),
                  0,
                ),
              )
            }
            if (what === 'stream') begin(async () => assert.ok(await holds(target, blob)))
            if (what === 'pin') begin(() => target.pin(blob.digest))
            if (what === 'unpin') begin(() => target.unpin(blob.digest))
            if (what === 'part') {
              begin(async () => {
                const part = await target.part(blob.digest, blob.sizeBytes)
                await fill(part, blob)
                await (which % 2 === 0 ? part.commit() : part.close())
              })
            }
            if (what === 'lease' && !leases.has(which)) {
              await settle()
              leases.set(which, target.lease(blob.digest))
              if (await target.stat(blob.digest)) held.add(which)
            }
            if (what === 'release' || what === 'delete') {
              held.delete(which)
              leases.get(which)?.[Symbol.dispose]()
              leases.delete(which)
            }
            if (what === 'delete') begin(() => target.delete(blob.digest))
            if (what === 'settle') await settle()
          }
          await settle()
          await target.close()
        },
      ),
      slowFuzz,
    )
  })
})
