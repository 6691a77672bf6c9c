import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, onTestFinished, test } from 'vitest'
import { containerdBackend, type ContainerdBackend } from '../../src/backends/containerd.ts'
import type { Digest } from '../../src/core/digest.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { collect } from '../../src/testing/collect.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { storageBackendConformance, type StorageBackendFixture } from '../../src/testing/storage-backend-conformance.ts'
import { descriptorOf, holds, openStore, someBlob, store, streamOf, wholeOf } from '../store/stores.ts'
import { makeDirectory } from '../store/temporary-directory.ts'
import { SimulatedContainerd } from '../support/simulated-containerd.ts'

async function simulated(): Promise<{ directory: string; containerd: SimulatedContainerd }> {
  const directory = await makeDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return { directory, containerd: new SimulatedContainerd(join(directory, 'containerd')) }
}

async function openBesideContainerd(): Promise<StorageBackendFixture> {
  const directory = await makeDirectory()
  const open = (): ContainerdBackend => containerdBackend(join(directory, 'containerd'), { fallback: fsBackend(join(directory, 'own')) })
  let backend = open()
  return {
    backend,
    async reopen() {
      await backend.close?.()
      return (backend = open())
    },
    async close() {
      await backend.close?.()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Whatever is put, containerd has a moment later, and the backend's own copy is gone. */
async function openUnderBusyContainerd(): Promise<StorageBackendFixture> {
  const directory = await makeDirectory()
  const containerd = new SimulatedContainerd(join(directory, 'containerd'))
  const fallback = memoryBackend()
  const backend = containerdBackend(containerd.root, { fallback })
  /** Puts under way: the copy of one may come after the release of another. */
  let putting = 0
  const taken: StorageBackend = {
    name: backend.name,
    async put(blob, source, options) {
      putting++
      try {
        await backend.put(blob, source, options)
        await containerd.commitBytes(blob.digest, await backend.read(blob.digest, { offset: 0, length: blob.size }))
        await backend.release()
      } finally {
        putting--
      }
      if (putting === 0) assert.equal(await fallback.stat(blob.digest), undefined)
    },
    read: (...args) => backend.read(...args),
    stat: (...args) => backend.stat(...args),
    list: (...args) => backend.list(...args),
    delete: (...args) => backend.delete(...args),
    path: (digest) => backend.path?.(digest),
    quarantine: async (digest) => backend.quarantine?.(digest),
  }
  return {
    backend: taken,
    async close() {
      await backend.close?.()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

for (const [name, open] of Object.entries({ 'beside a containerd without blobs': openBesideContainerd, 'under a containerd that takes them all': openUnderBusyContainerd })) {
  describe(`containerdBackend ${name}`, () => {
    for (const { name: promise, run } of storageBackendConformance(open)) test(promise, run)
  })
}

describe('containerdBackend', () => {
  test('lists and reads what containerd has, given its root or its content directory', async () => {
    const { containerd } = await simulated()
    const [first, second] = [seededContent(1, 70_000), seededContent(2, 5)]
    for (const blob of [first, second]) await containerd.commit(blob)
    for (const root of [containerd.root, containerd.contentDirectory]) {
      const backend = containerdBackend(root)
      assert.deepEqual(new Set(await collect(backend.list())), new Set([first.digest, second.digest]))
      assert.equal(await backend.stat(first.digest), 70_000)
      assert.deepEqual(await backend.read(first.digest, { offset: 69_000, length: 1000 }), Buffer.from(first.read({ offset: 69_000, length: 1000 })))
      assert.equal(backend.path?.(first.digest), containerd.pathOf(first.digest))
    }
  })

  test('writes nothing into it, and says so without a fallback', async () => {
    const { containerd } = await simulated()
    const blob = seededContent(3, 100)
    await containerd.commit(blob)
    await using backend = closing(containerdBackend(containerd.root))
    const other = seededContent(4, 100)
    await assert.rejects(backend.put(descriptorOf(other), { sizeBytes: 100, stream: () => streamOf(other) }), { code: 'ERR_STORE_READ_ONLY' })
    await backend.delete(blob.digest)
    assert.equal(await backend.stat(blob.digest), undefined)
    assert.deepEqual(await collect(backend.list()), [])
    assert.deepEqual(await readdir(join(containerd.contentDirectory, 'blobs', 'sha256')), [blob.digest.slice(7)])
  })

  test('keeps a blob until containerd has it, and no longer', async () => {
    const { directory, containerd } = await simulated()
    const clock = fakeClock()
    const own = fsBackend(join(directory, 'own'))
    const backend = containerdBackend(containerd.root, { fallback: own, clock, releaseEveryMs: 1000 })
    const pieces = await openStore(backend, { clock })
    const [shared, alone] = [someBlob(5), someBlob(6, 300_000)]
    for (const blob of [shared, alone]) await store(pieces, blob)
    assert.equal(pieces.usage().usedBytes, shared.sizeBytes + alone.sizeBytes)
    await containerd.commit(shared)
    const released = whenAbsent(own, shared.digest)
    clock.advance(1000)
    await released
    assert.equal(await own.stat(alone.digest), alone.sizeBytes)
    assert.equal(pieces.usage().usedBytes, alone.sizeBytes)
    assert.ok(await holds(pieces, shared))
    assert.equal(pieces.path(shared.digest), containerd.pathOf(shared.digest))
    assert.equal((await pieces.stat(shared.digest))?.private, false)
  })

  test('keeps its own of what containerd has damaged or cut', async () => {
    const { directory, containerd } = await simulated()
    const own = fsBackend(join(directory, 'own'))
    const warnings: unknown[] = []
    const logger = { debug() {}, info() {}, warn: (_: string, facts?: object) => warnings.push(facts) }
    const backend = containerdBackend(containerd.root, { fallback: own, logger })
    const pieces = await openStore(backend)
    const [rotten, cut] = [someBlob(7), someBlob(8)]
    for (const blob of [rotten, cut]) await store(pieces, blob)
    const bytes = Buffer.from(wholeOf(rotten))
    bytes[1_000_000]! ^= 1
    await containerd.commitBytes(rotten.digest, bytes)
    await containerd.commitBytes(cut.digest, wholeOf(cut).subarray(0, 100))
    await backend.release()
    for (const blob of [rotten, cut]) {
      assert.equal(await own.stat(blob.digest), blob.sizeBytes)
      assert.ok(await holds(pieces, blob))
    }
    assert.deepEqual(new Set(warnings), new Set([{ digest: rotten.digest }, { digest: cut.digest }]))
  })

  test('has no blob any more that containerd deleted; it can be stored anew', async () => {
    const { directory, containerd } = await simulated()
    const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
    const pieces = await openStore(backend)
    const blob = someBlob(9)
    await store(pieces, blob)
    await containerd.commit(blob)
    await backend.release()
    assert.ok(await holds(pieces, blob))
    await containerd.collect(blob.digest)
    await assert.rejects(pieces.read(blob.digest, { offset: 0, length: 10 }), { code: 'ERR_STORE_NOT_FOUND' })
    assert.equal(await pieces.stat(blob.digest), undefined)
    assert.deepEqual(await collect(pieces.list()), [])
    await store(pieces, blob)
    assert.ok(await holds(pieces, blob))
  })

  test('does not trust the file that takes the place of one it knew', async () => {
    const { directory, containerd } = await simulated()
    const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
    const pieces = await openStore(backend)
    const blob = someBlob(10)
    await store(pieces, blob)
    await containerd.commit(blob)
    await backend.release()
    const wrong = Buffer.from(wholeOf(blob))
    wrong[0]! ^= 1
    await containerd.collect(blob.digest)
    await containerd.commitBytes(blob.digest, wrong)
    await assert.rejects(pieces.read(blob.digest, { offset: 0, length: 10 }), { code: 'ERR_STORE_NOT_FOUND' })
    await containerd.collect(blob.digest)
    await containerd.commit(blob)
    assert.ok(await holds(pieces, blob))
  })

  test('counts what containerd pulled without us as private, and compares it with its digest', async () => {
    const { containerd } = await simulated()
    const [early, late, rotten] = [someBlob(11), someBlob(12), someBlob(13)]
    await containerd.commit(early)
    await containerd.commitBytes(rotten.digest, Buffer.alloc(rotten.sizeBytes))
    const pieces = await openStore(containerdBackend(containerd.root))
    await containerd.commit(late)
    for (const blob of [early, late]) {
      assert.deepEqual(await pieces.stat(blob.digest), { sizeBytes: blob.sizeBytes, private: true })
      assert.ok(await holds(pieces, blob))
    }
    await assert.rejects(pieces.read(rotten.digest, { offset: 0, length: 10 }), { code: 'ERR_STORE_CORRUPT' })
    assert.equal(await pieces.stat(rotten.digest), undefined)
    assert.equal(pieces.usage().usedBytes, 0)
  })

  test('evicts its own blobs, not those that containerd keeps', async () => {
    const { directory, containerd } = await simulated()
    const theirs = someBlob(14)
    await containerd.commit(theirs)
    const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
    const pieces = await openStore(backend, { quotaBytes: 1.5 * theirs.sizeBytes })
    const [first, second] = [someBlob(15), someBlob(16)]
    for (const blob of [first, second]) await store(pieces, blob)
    assert.equal(await pieces.stat(first.digest), undefined)
    for (const blob of [theirs, second]) assert.ok(await holds(pieces, blob))
  })

  test('is empty until containerd has begun, and fails where it may not look', async () => {
    const { directory, containerd } = await simulated()
    const backend = containerdBackend(containerd.root)
    const blob = seededContent(17, 100)
    assert.deepEqual(await collect(backend.list()), [])
    await containerd.commit(blob)
    assert.deepEqual(await collect(backend.list()), [blob.digest])
    await writeFile(join(directory, 'file'), '')
    await assert.rejects(collect(containerdBackend(join(directory, 'file')).list()), { code: 'ERR_STORE_IO' })
  })
})

function closing(backend: ContainerdBackend): ContainerdBackend & AsyncDisposable {
  return Object.assign(backend, { [Symbol.asyncDispose]: async () => backend.close?.() })
}

/** Resolves when a backend has let go of a blob, whoever makes it. */
async function whenAbsent(backend: StorageBackend, digest: Digest): Promise<void> {
  while ((await backend.stat(digest)) !== undefined) await new Promise(setImmediate)
}
