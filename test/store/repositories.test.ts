import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { decodeRecord } from '../../src/store/blob-facts.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { maxRepositories } from '../../src/trust/sharing-rules.ts'
import { descriptorOf, openFsStore, openStore, pieceOf, someBlob, streamOf } from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

describe('the repositories of a blob', () => {
  test('are those under whose names it came, also after a restart', async () => {
    const directory = await temporaryDirectory()
    const store = await openFsStore(directory)
    const [imported, loaded] = [someBlob(1), someBlob(2)]
    await store.import(descriptorOf(imported), streamOf(imported), { repository: 'r/a' })
    await store.import(descriptorOf(imported), streamOf(imported), { repository: 'r/b' })
    const part = await store.part(loaded.digest, loaded.sizeBytes)
    for (let piece = 0; piece < loaded.layout.pieceCount; piece++) await part.write(piece, [pieceOf(loaded, piece)], 'peer')
    await part.commit({ repositories: ['', 'r/a'] })
    await store.addRepository(loaded.digest, 'r/c')
    await store.addRepository(loaded.digest, 'r/c')
    await store.close()
    const later = await openFsStore(directory)
    assert.deepEqual((await later.stat(imported.digest))?.repositories, ['r/a', 'r/b'])
    assert.deepEqual((await later.stat(loaded.digest))?.repositories, ['', 'r/a', 'r/c'])
  })

  test('of one that first came without a name, the empty one stays beside those that follow', async () => {
    const store = await openStore(memoryBackend())
    const blob = someBlob(1, 1000)
    await store.import(descriptorOf(blob), streamOf(blob))
    assert.equal((await store.stat(blob.digest))?.repositories, undefined)
    await store.addRepository(blob.digest, 'r/a')
    assert.deepEqual((await store.stat(blob.digest))?.repositories, ['', 'r/a'])
  })

  test('are not more than sixty-four', async () => {
    const store = await openStore(memoryBackend())
    const blob = someBlob(1, 1000)
    await store.import(descriptorOf(blob), streamOf(blob), { repository: 'r/0' })
    for (let index = 1; index <= maxRepositories; index++) await store.addRepository(blob.digest, `r/${index}`)
    assert.equal((await store.stat(blob.digest))?.repositories?.length, maxRepositories)
    await store.addRepository(someBlob(2).digest, 'r/a')
  })

  test('are absent in records of the time before there were any, which are read like new ones', () => {
    const digest = 'sha256:a0f2ef3bd1b2ef2b1f1ff1cb1a5a1e40b0a2b8c7f17d6ac2b8f0f8e70f2aa9de'
    const old = '{"crc32":1471599171,"record":{"sizeBytes":1000,"private":true,"pinned":false,"usedAtMs":1764255600000}}\n'
    const record = decodeRecord(digest, Buffer.from(old))
    assert.deepEqual(record, { sizeBytes: 1000, private: true, pinned: false, usedAtMs: 1_764_255_600_000 })
  })
})

test('a note is kept under its name, beside the blobs', async () => {
  const directory = await temporaryDirectory()
  const store = await openFsStore(directory)
  assert.equal(await store.readNote('a'), undefined)
  await store.writeNote('a', Buffer.from('one'))
  await store.writeNote('a', Buffer.from('two'))
  await store.close()
  const later = await openFsStore(directory)
  assert.equal(Buffer.from((await later.readNote('a')) ?? []).toString(), 'two')
  assert.equal(await later.readNote('b'), undefined)
  assert.equal(later.usage().blobCount, 0)
})
