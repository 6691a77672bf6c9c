import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import type { PieceStore } from '../../src/store/piece-store.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
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
  wholeOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const mib = 1024 * 1024

/** Stores of all kinds: bytes in files or memory, unfinished or not. */
const stores: Readonly<Record<string, () => Promise<PieceStore>>> = {
  memory: () => openStore(memoryBackend()),
  fs: async () => openFsStore(await temporaryDirectory()),
  'fs, with its scratch in memory': async () =>
    openStore(fsBackend(await temporaryDirectory()), { scratch: memoryScratch() }),
}

for (const [name, open] of Object.entries(stores)) {
  describe(`import into ${name}`, () => {
    test('keeps exactly the bytes, however they are cut', async () => {
      const target = await open()
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(0, 1, 1000, mib, mib + 1, mib + 256 * 1024, 2 * mib + 3),
          fc.integer({ min: 50_000, max: 3 * mib }),
          fc.nat(),
          async (sizeBytes, chunkBytes, seed) => {
            const blob = seededContent(seed, sizeBytes)
            await target.import(descriptorOf(blob), streamOf(blob, chunkBytes))
            assert.ok(await holds(target, blob))
            await target.delete(blob.digest)
          },
        ),
        slowFuzz,
      )
    })

    test('gives them out again in one piece of memory to who asks for that', async () => {
      const target = await open()
      const blob = someBlob(9)
      await target.import(descriptorOf(blob), streamOf(blob))
      const copies: Uint8Array[] = []
      const memory = new Set<ArrayBufferLike>()
      for await (const chunk of target.stream(blob.digest, undefined, { reuse: true })) {
        copies.push(Buffer.from(chunk))
        memory.add(chunk.buffer)
      }
      assert.ok(Buffer.concat(copies).equals(wholeOf(blob)))
      // What is in memory anyway is given out as it is.
      if (name !== 'memory') assert.equal(memory.size, 1)
    })

    for (const sizeBytes of [1000, 1_500_000]) {
      test(`of ${sizeBytes} bytes that are wrong, too few, too many or broken off leaves nothing`, async () => {
        const target = await open()
        const [blob, wrong] = [seededContent(1, sizeBytes), seededContent(2, sizeBytes)]
        const [shorter, longer] = [seededContent(1, sizeBytes - 1), seededContent(1, sizeBytes + 1)]
        await assert.rejects(target.import(descriptorOf(blob), streamOf(wrong)), {
          code: 'ERR_ORIGIN_DIGEST',
        })
        await assert.rejects(target.import(descriptorOf(blob), streamOf(shorter)), {
          code: 'ERR_ORIGIN_SIZE',
        })
        await assert.rejects(target.import(descriptorOf(blob), streamOf(longer)), {
          code: 'ERR_ORIGIN_SIZE',
        })
        const failure = new RangeError('broken off')
        const broken = async function* (): AsyncGenerator<Uint8Array> {
          yield blob.read({ offset: 0, length: sizeBytes / 2 })
          throw failure
        }
        await assert.rejects(
          target.import(descriptorOf(blob), broken()),
          (error) => error === failure,
        )
        assert.equal(await target.stat(blob.digest), undefined)
        assert.deepEqual(target.usage(), { usedBytes: 0, blobCount: 0 })
        await target.import(descriptorOf(blob), streamOf(blob))
        assert.ok(await holds(target, blob))
      })

      test(`of ${sizeBytes} bytes can be aborted while its source hangs, which is let go`, async () => {
        const target = await open()
        const blob = seededContent(3, sizeBytes)
        const controller = new AbortController()
        let letGo = false
        const hanging: AsyncIterable<Uint8Array> = {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise(() => {}),
            return: async () => {
              letGo = true
              return { done: true, value: undefined }
            },
          }),
        }
        const importing = target.import(descriptorOf(blob), hanging, { signal: controller.signal })
        await setImmediate()
        controller.abort(new RangeError('enough'))
        await assert.rejects(importing, { message: 'enough' })
        assert.ok(letGo)
        assert.deepEqual(target.usage(), { usedBytes: 0, blobCount: 0 })
      })
    }

    test('does not read the bytes of a blob that is here, and closes their source', async () => {
      const target = await open()
      const blob = someBlob(4)
      await store(target, blob)
      let closed = false
      const source = async function* (): AsyncGenerator<Uint8Array> {
        try {
          yield new Uint8Array(10)
          assert.fail('it is read on')
        } finally {
          closed = true
        }
      }
      await target.import(descriptorOf(blob), source())
      assert.ok(closed)
      const size = blob.sizeBytes + 1
      await assert.rejects(target.import({ ...descriptorOf(blob), size }, source()), {
        code: 'ERR_REQUEST_SIZE',
      })
    })

    test('makes a blob private, and never public again', async () => {
      const target = await open()
      const blob = someBlob(5, 1000)
      const isPrivate = async (): Promise<boolean | undefined> =>
        (await target.stat(blob.digest))?.private
      await target.import(descriptorOf(blob), streamOf(blob))
      assert.equal(await isPrivate(), false)
      await target.import(descriptorOf(blob), streamOf(blob), { private: true })
      assert.equal(await isPrivate(), true)
      await target.import(descriptorOf(blob), streamOf(blob), { private: false })
      assert.equal(await isPrivate(), true)
      await store(target, blob)
      assert.equal(await isPrivate(), true)
    })

    test('of one blob by many at once, and while it is downloaded, is no trouble', async () => {
      const target = await open()
      const blob = someBlob(6)
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob, [0, 1])
      await Promise.all([1, 2, 3].map(() => target.import(descriptorOf(blob), streamOf(blob))))
      await fill(part, blob, [2, 3, 4, 5])
      await part.commit()
      assert.ok(await holds(target, blob))
      assert.deepEqual(target.usage(), { usedBytes: blob.sizeBytes, blobCount: 1 })
    })
  })

  describe(`importFile into ${name}`, () => {
    test('tells what the file is, keeps a copy, and leaves the file', async () => {
      const target = await open()
      const directory = await temporaryDirectory()
      for (const sizeBytes of [0, 1000, 1_500_000]) {
        const blob = seededContent(7, sizeBytes)
        const path = join(directory, `file-${sizeBytes}`)
        await writeFile(path, wholeOf(blob))
        await symlink(path, `${path}.link`)
        const expected = descriptorOf(blob, mediaTypes.ociConfig)
        assert.deepEqual(
          await target.importFile(path, { mediaType: mediaTypes.ociConfig }),
          expected,
        )
        assert.ok(await holds(target, blob))
        assert.equal(Buffer.compare(await readFile(path), wholeOf(blob)), 0)
        await writeFile(path, 'changed afterwards')
        assert.ok(await holds(target, blob))
        await writeFile(path, wholeOf(blob))
        assert.deepEqual(await target.importFile(`${path}.link`), descriptorOf(blob))
        await target.delete(blob.digest)
      }
      assert.deepEqual(target.usage(), { usedBytes: 0, blobCount: 0 })
    })

    test('of what is not there, or no file, says so', async () => {
      const target = await open()
      const directory = await temporaryDirectory()
      await assert.rejects(target.importFile(join(directory, 'nothing')), {
        code: 'ERR_REQUEST_OPTION',
      })
      await assert.rejects(target.importFile(directory), { code: 'ERR_REQUEST_OPTION' })
    })
  })

  describe(`export from ${name}`, () => {
    test("writes a file that is the user's own", async () => {
      const target = await open()
      const directory = await temporaryDirectory()
      const blob = someBlob(8)
      await store(target, blob)
      const path = join(directory, 'not', 'there', 'yet')
      await target.export(blob.digest, path)
      assert.equal(Buffer.compare(await readFile(path), wholeOf(blob)), 0)
      assert.equal((await stat(path)).mode & 0o777, 0o644)
      await writeFile(path, 'changed by its user')
      assert.ok(await holds(target, blob))
      await target.export(blob.digest, path)
      assert.equal(Buffer.compare(await readFile(path), wholeOf(blob)), 0)
      assert.deepEqual(await readdir(join(path, '..')), ['yet'])
    })

    test('that fails leaves nothing behind', async () => {
      const target = await open()
      const directory = await temporaryDirectory()
      const blob = someBlob(9)
      await assert.rejects(target.export(blob.digest, join(directory, 'file')), {
        code: 'ERR_STORE_NOT_FOUND',
      })
      await store(target, blob)
      await mkdir(join(directory, 'taken'))
      await assert.rejects(target.export(blob.digest, join(directory, 'taken')), {
        code: 'ERR_STORE_IO',
      })
      const signal = AbortSignal.abort(new RangeError('enough'))
      await assert.rejects(target.export(blob.digest, join(directory, 'file'), { signal }), {
        message: 'enough',
      })
      assert.deepEqual(await readdir(directory), ['taken'])
    })
  })

  describe(`a closed store on ${name}`, () => {
    test('refuses everything, and closing again is no error', async () => {
      const target = await open()
      const blob = someBlob(10)
      await store(target, blob)
      const part = await target.part(someBlob(11).digest, blob.sizeBytes)
      await target.close()
      await target.close()
      const closed = { code: 'ERR_STORE_CLOSED' }
      await assert.rejects(target.stat(blob.digest), closed)
      await assert.rejects(target.read(blob.digest), closed)
      await assert.rejects(holds(target, blob), closed)
      await assert.rejects(digestsIn(target), closed)
      await assert.rejects(target.part(blob.digest, blob.sizeBytes), closed)
      await assert.rejects(target.import(descriptorOf(blob), streamOf(blob)), closed)
      await assert.rejects(target.importFile('/etc/hostname'), closed)
      await assert.rejects(target.delete(blob.digest), closed)
      await assert.rejects(target.pin(blob.digest), closed)
      await assert.rejects(target.export(blob.digest, '/nowhere'), closed)
      await assert.rejects(target.pieceHashes(blob.digest), closed)
      await assert.rejects(part.write(0, [], 'peer'), closed)
    })
  })
}

describe('a blob that cannot be put', () => {
  test('leaves no note behind', async () => {
    const scratch = memoryScratch()
    const target = await openStore(memoryBackend({ limitBytes: 10 }), { scratch })
    const blob = someBlob(1, 1000)
    await assert.rejects(target.import(descriptorOf(blob), streamOf(blob)), {
      code: 'ERR_STORE_NO_SPACE',
    })
    assert.equal(await scratch.notes.read(blob.digest, 'facts'), undefined)
  })
})

describe('a file whose bytes are here already', () => {
  test('is not put again', async () => {
    const memory = memoryBackend()
    let puts = 0
    const target = await openStore({
      name: 'counting',
      put: async (...args) => {
        puts++
        await memory.put(...args)
      },
      read: (...args) => memory.read(...args),
      stat: (...args) => memory.stat(...args),
      list: (...args) => memory.list(...args),
      delete: (...args) => memory.delete(...args),
    })
    const blob = someBlob(1)
    const file = join(await temporaryDirectory(), 'file')
    await writeFile(file, wholeOf(blob))
    await target.importFile(file, { mediaType: mediaTypes.ociConfig })
    await target.importFile(file, { private: true })
    assert.equal(puts, 1)
    assert.deepEqual(await target.stat(blob.digest), {
      sizeBytes: blob.sizeBytes,
      private: true,
      mediaType: mediaTypes.ociConfig,
    })
  })
})

describe('a store on a directory', () => {
  test('leaves no file behind but those of its blobs', async () => {
    const directory = await temporaryDirectory()
    const target = await openFsStore(directory)
    const blobs = [someBlob(1), someBlob(2, 1000)]
    for (const blob of blobs) {
      await assert.rejects(
        target.import(descriptorOf(blob), streamOf(someBlob(3, blob.sizeBytes))),
        { code: 'ERR_ORIGIN_DIGEST' },
      )
      await target.import(descriptorOf(blob), streamOf(blob))
    }
    const file = join(await temporaryDirectory(), 'file')
    await writeFile(file, wholeOf(blobs[0] ?? someBlob(1)))
    await target.importFile(file)
    const signal = AbortSignal.abort()
    await assert.rejects(target.importFile(file, { signal }))
    await target.close()
    for (const folder of ['parts', 'owners', 'trash', 'incoming']) {
      assert.deepEqual(await readdir(join(directory, folder)).catch(() => []), [], folder)
    }
    await rm(join(directory, 'quarantine'), { recursive: true, force: true })
  })
})
