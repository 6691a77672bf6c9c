import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'
import { StoreDirectory } from '../../src/store/fs-directory.ts'
import { Owners } from '../../src/store/fs-owners.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import {
  digestsIn,
  fill,
  holds,
  openFsStore,
  pieceOf,
  someBlob,
  store as download,
  wholeOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

async function readOwner(directory: string, index = 0): Promise<{ path: string; text: string }> {
  const name = (await readdir(join(directory, 'owners')))[index]
  assert.ok(name !== undefined)
  const path = join(directory, 'owners', name)
  return { path, text: await readFile(path, 'utf8') }
}

describe('two stores on one directory', () => {
  test('write the same blob at once, each its own copy, and there is one in the end', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(1)
    const [a, b] = [await openFsStore(directory), await openFsStore(directory)]
    const [inA, inB] = [
      await a.part(blob.digest, blob.sizeBytes),
      await b.part(blob.digest, blob.sizeBytes),
    ]
    await fill(inA, blob, [0, 1, 2])
    await inA.markPrivate()
    assert.equal(inB.stored.count, 0)
    await fill(inB, someBlob(2), [0, 1, 2])
    await fill(inB, blob, [3, 4, 5, 0, 1, 2])
    await fill(inA, blob, [3, 4, 5])
    await Promise.all([inA.commit(), inB.commit()])
    for (const store of [a, b]) {
      assert.ok(await holds(store, blob))
      assert.deepEqual(await digestsIn(store), [blob.digest])
    }
    assert.deepEqual(await readdir(join(directory, 'parts')), [])
  })

  test('see what the other one stores and deletes', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(3)
    const [a, b] = [await openFsStore(directory), await openFsStore(directory)]
    await download(a, blob)
    assert.deepEqual(await b.stat(blob.digest), { sizeBytes: blob.sizeBytes, private: false })
    assert.ok(await holds(b, blob))
    await b.delete(blob.digest)
    assert.equal(await a.stat(blob.digest), undefined)
    await assert.rejects(a.read(blob.digest), { code: 'ERR_STORE_NOT_FOUND' })
  })

  test('do not take over a part that the other one has open, nor list it', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(4)
    const a = await openFsStore(directory)
    const inA = await a.part(blob.digest, blob.sizeBytes)
    await fill(inA, blob, [0, 1])
    await inA.markPrivate()
    const b = await openFsStore(directory)
    for await (const { digest } of b.parts()) assert.fail(`${digest} is listed`)
    const inB = await b.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([inB.stored.count, inB.private], [0, false])
    await b.close()
    await fill(inA, blob, [2, 3, 4, 5])
    await inA.commit()
    assert.ok(await holds(a, blob))
  })

  test('do not tidy away what the other one has open, however old it is', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(8)
    const a = await openFsStore(directory)
    const inA = await a.part(blob.digest, blob.sizeBytes)
    await fill(inA, blob, [0, 1])
    await inA.markPrivate()
    const [name = ''] = await readdir(join(directory, 'parts'))
    await utimes(join(directory, 'parts', name, 'journal'), 0, 0)
    const importing = a.import(
      { digest: someBlob(9).digest, size: blob.sizeBytes, mediaType: 'x/y' },
      (async function* () {
        const b = await openFsStore(directory)
        await b.close()
        yield wholeOf(someBlob(9))
      })(),
    )
    await importing
    assert.deepEqual(await readdir(join(directory, 'parts')), [name])
    await fill(inA, blob, [2, 3, 4, 5])
    await inA.commit()
    assert.ok(await holds(a, blob))
    assert.ok(await holds(a, someBlob(9)))
  })

  test('of which one was paused for so long that the other took over do not write to one file', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(5)
    const a = await openFsStore(directory)
    const inA = await a.part(blob.digest, blob.sizeBytes)
    await fill(inA, blob, [0, 1, 2], 'origin')
    await inA.markPrivate()
    // On another machine, and silent for longer than a heartbeat may take.
    const { path, text } = await readOwner(directory)
    await writeFile(
      path,
      text.replace(/"bootId":"[^"]*"/, '"bootId":"00000000-0000-0000-0000-000000000000"'),
    )
    await utimes(path, 0, 0)

    const b = await openFsStore(directory)
    const inB = await b.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...inB.stored.indexes()], [0, 1, 2])
    assert.deepEqual([...inB.fromOrigin.indexes()], [0, 1, 2])
    assert.equal(inB.private, true)
    // The first one wakes up, and what it writes now is wrong.
    await fill(inA, someBlob(6), [0, 1, 2])
    await fill(inB, blob, [3, 4, 5])
    await inB.commit()
    assert.ok(await holds(b, blob))
    await fill(inA, someBlob(6), [3, 4, 5])
    await assert.rejects(inA.commit(), { code: 'ERR_ORIGIN_DIGEST' })
    await fill(inA, blob)
    await inA.commit()
    for (const store of [a, b]) assert.ok(await holds(store, blob))
  })

  test('take over only what proves right of a part whose owner cannot be asked', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(7)
    const a = await openFsStore(directory)
    const inA = await a.part(blob.digest, blob.sizeBytes)
    await fill(inA, blob, [0, 1, 2])
    await inA.markPrivate()
    const [name = ''] = await readdir(join(directory, 'parts'))
    const left = await temporaryDirectory()
    await mkdir(join(left, 'parts'))
    await cp(join(directory, 'parts', name), join(left, 'parts', name), { recursive: true })
    const bytesPath = join(left, 'parts', name, 'bytes')
    const bytes = await readFile(bytesPath)
    bytes.writeUInt8(bytes.readUInt8(300_000) ^ 1, 300_000)
    await writeFile(bytesPath, bytes)
    const b = await openFsStore(left)
    const inB = await b.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...inB.stored.indexes()], [0, 2])
    await inB.write(1, [pieceOf(blob, 1)], 'peer')
    await fill(inB, blob, [3, 4, 5])
    await inB.commit()
    assert.ok(await holds(b, blob))
    assert.deepEqual(await readdir(join(left, 'parts')), [])
  })
})

describe('the owner of files in a directory', () => {
  async function ownersIn(path: string, clock: Clock): Promise<Owners> {
    const root: StoreDirectory = new StoreDirectory(path, { clock }, async () => {})
    await root.ready()
    const owners = new Owners(root)
    await owners.join()
    return owners
  }

  test('is alive as long as its process is, however long it is silent', async () => {
    const directory = await temporaryDirectory()
    const [a, b] = [
      await ownersIn(directory, fakeClock()),
      await ownersIn(directory, fakeClock(Date.now())),
    ]
    const { path } = await readOwner(directory)
    await utimes(path, 0, 0)
    assert.equal(await a.stateOf(b.ownId), 'alive')
    assert.equal(await b.stateOf(a.ownId), 'alive')
    await a.leave(false)
    await b.leave(false)
  })

  test('is dead when its pid is free, or another process has it now', async () => {
    const directory = await temporaryDirectory()
    const [a, b] = [await ownersIn(directory, fakeClock()), await ownersIn(directory, fakeClock())]
    const path = join(directory, 'owners', `${a.ownId}.json`)
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(/"pid":\d+/, '"pid":4194305'))
    assert.equal(await b.stateOf(a.ownId), 'dead')
    await writeFile(path, text.replace(/"startTicks":"\d+"/, '"startTicks":"1"'))
    assert.equal(await b.stateOf(a.ownId), 'dead')
    await a.leave(false)
    await b.leave(false)
  })

  test('on another machine is alive for a minute after its last heartbeat, and never known to be dead', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock(Date.now())
    const [a, b] = [await ownersIn(directory, clock), await ownersIn(directory, fakeClock())]
    const path = join(directory, 'owners', `${b.ownId}.json`)
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(/"pidNamespace":"[^"]*"/, '"pidNamespace":"pid:[1]"'))
    clock.advance(59_000)
    assert.equal(await a.stateOf(b.ownId), 'alive')
    clock.advance(2000)
    assert.equal(await a.stateOf(b.ownId), 'silent')
    await a.leave(false)
    await b.leave(false)
  })

  test('that left parts behind is dead, and one of which nothing is known is silent', async () => {
    const directory = await temporaryDirectory()
    const [a, b] = [
      await ownersIn(directory, fakeClock()),
      await ownersIn(directory, fakeClock(Date.now())),
    ]
    await a.leave(true)
    assert.equal(await b.stateOf(a.ownId), 'dead')
    await rm(join(directory, 'owners', `${a.ownId}.json`))
    assert.equal(await b.stateOf(a.ownId), 'silent')
    await writeFile(join(directory, 'owners', `${a.ownId}.json`), 'garbage')
    assert.equal(await b.stateOf(a.ownId), 'alive')
    await b.leave(false)
  })

  test('shows every ten seconds that it is there, and stops when it leaves', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock(Date.now())
    const owners = await ownersIn(directory, clock)
    assert.equal(clock.timerCount, 1)
    clock.advance(10_000)
    assert.equal(clock.timerCount, 1)
    await owners.leave(false)
    assert.equal(clock.timerCount, 0)
    assert.deepEqual(await readdir(join(directory, 'owners')), [])
  })
})
