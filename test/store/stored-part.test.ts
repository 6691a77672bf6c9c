import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { DigestMismatchError } from '../../src/core/errors.ts'
import { pieceLayout, pieceRange } from '../../src/core/piece-layout.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { contentOf, seededContent } from '../../src/testing/seeded-content.ts'
import { slowFuzz } from './fuzz.ts'
import {
  descriptorOf,
  digestsIn,
  fill,
  holds,
  openStore,
  pieceOf,
  sha256,
  someBlob,
  store,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const backends: Readonly<Record<string, () => Promise<StorageBackend>>> = {
  memory: async () => memoryBackend(),
  fs: async () => fsBackend(await temporaryDirectory()),
}

const kib = 1024
const mib = 1024 * kib
/** Around the borders at which the layout of a blob changes. */
const sizes = [
  0,
  1,
  1000,
  mib - 1,
  mib,
  mib + 1,
  mib + 256 * kib,
  mib + 256 * kib + 1,
  2 * mib - 1,
  3 * mib,
]

for (const [name, makeBackend] of Object.entries(backends)) {
  describe(`a part over ${name}`, () => {
    test('whose pieces came in any order commits to exactly the bytes of its digest', async () => {
      const target = await openStore(await makeBackend())
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...sizes).chain((sizeBytes) => {
            const { pieceCount } = pieceLayout(sizeBytes)
            const order = fc.shuffledSubarray([...Array(pieceCount).keys()], {
              minLength: pieceCount,
            })
            return fc.record({
              sizeBytes: fc.constant(sizeBytes),
              order,
              seed: fc.nat(),
              withHash: fc.boolean(),
            })
          }),
          async ({ sizeBytes, order, seed, withHash }) => {
            const blob = seededContent(seed, sizeBytes)
            await target.delete(blob.digest)
            const part = await target.part(blob.digest, sizeBytes)
            for (const piece of order) {
              const bytes = pieceOf(blob, piece)
              await part.write(piece, [bytes], 'peer', withHash ? sha256(bytes) : undefined)
            }
            assert.ok(part.stored.complete)
            await part.commit()
            assert.ok(await holds(target, blob))
            assert.deepEqual(await target.stat(blob.digest), { sizeBytes, private: false })
            const { pieceCount } = part.layout
            const hashes =
              pieceCount <= 1
                ? []
                : order.toSorted((a, b) => a - b).map((p) => sha256(pieceOf(blob, p)))
            assert.deepEqual(await target.pieceHashes(blob.digest), hashes)
          },
        ),
        slowFuzz,
      )
    })

    test('is not seen before it is committed', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(1)
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob)
      assert.equal(await target.stat(blob.digest), undefined)
      await assert.rejects(target.read(blob.digest), { code: 'ERR_STORE_NOT_FOUND' })
      assert.deepEqual(await digestsIn(target), [])
      await part.commit({ mediaType: 'text/plain' })
      assert.deepEqual(await target.stat(blob.digest), {
        sizeBytes: blob.sizeBytes,
        private: false,
        mediaType: 'text/plain',
      })
    })

    test('gives the bytes and hashes of the pieces that are here, and of no others', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(2)
      const part = await target.part(blob.digest, blob.sizeBytes)
      const { pieceLength } = part.layout
      await fill(part, blob, [1, 2])
      const range = { offset: pieceLength + 5, length: 2 * pieceLength - 10 }
      assert.equal(Buffer.compare(await part.read(range), blob.read(range)), 0)
      assert.equal((await part.read({ offset: pieceLength, length: 0 })).byteLength, 0)
      for (const [offset, length] of [
        [0, 1],
        [pieceLength - 1, 2],
        [pieceLength, 2 * pieceLength + 1],
      ] as const) {
        await assert.rejects(part.read({ offset, length }), { code: 'ERR_REQUEST_RANGE' })
      }
      await assert.rejects(part.read({ offset: blob.sizeBytes, length: 1 }), {
        code: 'ERR_REQUEST_RANGE',
      })
      assert.deepEqual(part.hash(1), sha256(pieceOf(blob, 1)))
      assert.equal(part.hash(0), undefined)
    })

    test('takes whole pieces only', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(3)
      const part = await target.part(blob.digest, blob.sizeBytes)
      const bytes = pieceOf(blob, 0)
      for (const chunks of [[bytes.subarray(1)], [bytes, bytes.subarray(0, 1)], []]) {
        await assert.rejects(part.write(0, chunks, 'peer'), { code: 'ERR_REQUEST_RANGE' })
      }
      for (const piece of [-1, part.layout.pieceCount, 0.5]) {
        await assert.rejects(part.write(piece, [bytes], 'peer'), { code: 'ERR_REQUEST_RANGE' })
      }
      assert.equal(part.stored.count, 0)
      await assert.rejects(part.commit(), { code: 'ERR_REQUEST_RANGE' })
    })

    test('whose bytes are wrong is not committed, and is good once they are replaced', async () => {
      const target = await openStore(await makeBackend())
      const [blob, wrong] = [someBlob(4), someBlob(5)]
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob, [0, 1, 3, 4, 5])
      await fill(part, wrong, [2])
      await assert.rejects(part.commit(), (error) => {
        assert.ok(error instanceof DigestMismatchError)
        assert.equal(error.expected, blob.digest)
        assert.notEqual(error.actual, blob.digest)
        return true
      })
      assert.equal(await target.stat(blob.digest), undefined)
      await part.drop([2, 0])
      assert.equal(part.stored.has(2), false)
      assert.equal(part.hash(2), undefined)
      await fill(part, blob, [2, 0])
      await part.commit()
      assert.ok(await holds(target, blob))
    })

    test('is right in the end, whatever came before', async () => {
      const target = await openStore(await makeBackend())
      const step = fc.record({
        what: fc.constantFrom(
          'right',
          'right from the origin',
          'wrong',
          'drop',
          'reopen',
          'commit',
        ),
        piece: fc.nat(5),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, seed) => {
          const [blob, wrong] = [someBlob(seed), someBlob(seed + 1)]
          await target.delete(blob.digest)
          let part = await target.part(blob.digest, blob.sizeBytes)
          const expected = new Map<number, 'right' | 'wrong'>()
          const fromOrigin = new Set<number>()
          for (const { what, piece } of steps) {
            if (what === 'right from the origin') fromOrigin.add(piece)
            else if (what === 'drop' || what === 'wrong') fromOrigin.delete(piece)
            else if (what === 'right' && expected.get(piece) === 'wrong') fromOrigin.delete(piece)
            if (what === 'drop') expected.delete(piece)
            if (what === 'drop') await part.drop([piece])
            if (what === 'wrong') expected.set(piece, 'wrong')
            if (what === 'wrong') await fill(part, wrong, [piece])
            if (what.startsWith('right')) expected.set(piece, 'right')
            if (what === 'right') await fill(part, blob, [piece], 'peer')
            if (what === 'right from the origin') await fill(part, blob, [piece], 'origin')
            if (what === 'reopen') {
              await part.close()
              part = await target.part(blob.digest, blob.sizeBytes)
            }
            if (what === 'commit' && [...expected.values()].includes('wrong')) {
              const code = expected.size === 6 ? 'ERR_ORIGIN_DIGEST' : 'ERR_REQUEST_RANGE'
              await assert.rejects(part.commit(), { code })
            }
            assert.deepEqual(
              [...part.stored.indexes()],
              [...expected.keys()].toSorted((a, b) => a - b),
            )
            assert.deepEqual(
              [...part.fromOrigin.indexes()],
              [...fromOrigin].toSorted((a, b) => a - b),
            )
            for (const [index, state] of expected) {
              const content = pieceOf(state === 'right' ? blob : wrong, index)
              assert.deepEqual(part.hash(index), sha256(content))
              assert.equal(
                Buffer.compare(await part.read(pieceRange(part.layout, index)), content),
                0,
              )
            }
          }
          await fill(part, blob)
          await part.commit()
          assert.ok(await holds(target, blob))
        }),
        slowFuzz,
      )
    })

    test('knows which pieces the origin gave', async () => {
      const target = await openStore(await makeBackend())
      const [blob, wrong] = [someBlob(6), someBlob(7)]
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, wrong, [0])
      await fill(part, blob, [1], 'origin')
      await fill(part, blob, [2], 'peer')
      assert.deepEqual([...part.fromOrigin.indexes()], [1])
      // The origin gives the same as the peer had, and other bytes than another peer had.
      await fill(part, blob, [0, 2], 'origin')
      assert.deepEqual([...part.fromOrigin.indexes()], [0, 1, 2])
      await fill(part, blob, [3, 4])
      await fill(part, blob, [1], 'peer')
      assert.deepEqual([...part.fromOrigin.indexes()], [0, 1, 2])
      await part.drop([1])
      assert.deepEqual([...part.fromOrigin.indexes()], [0, 2])
      await fill(part, blob, [1, 5])
      await part.commit()
      assert.ok(await holds(target, blob))
    })

    test('passes on that it is private', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(8)
      const part = await target.part(blob.digest, blob.sizeBytes)
      assert.equal(part.private, false)
      await part.markPrivate()
      await part.markPrivate()
      assert.equal(part.private, true)
      await fill(part, blob)
      await part.commit()
      assert.equal((await target.stat(blob.digest))?.private, true)
    })

    test('can be opened once at a time, and again when it is closed', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(9)
      const part = await target.part(blob.digest, blob.sizeBytes)
      await assert.rejects(target.part(blob.digest, blob.sizeBytes), {
        code: 'ERR_STORE_LOCKED',
        retryable: true,
      })
      await fill(part, blob, [0, 1])
      await part.close()
      await assert.rejects(part.write(2, [pieceOf(blob, 2)], 'peer'), { code: 'ERR_STORE_CLOSED' })
      await assert.rejects(part.read({ offset: 0, length: 1 }), { code: 'ERR_STORE_CLOSED' })
      const again = await target.part(blob.digest, blob.sizeBytes)
      assert.deepEqual([...again.stored.indexes()], [0, 1])
      await again.discard()
      const anew = await target.part(blob.digest, blob.sizeBytes)
      assert.equal(anew.stored.count, 0)
    })

    test('is listed when it was left, not while it is open', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(10)
      const left = async (): Promise<string[]> => {
        const digests: string[] = []
        for await (const { digest } of target.parts()) digests.push(digest)
        return digests
      }
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob, [0])
      assert.deepEqual(await left(), [])
      await part.close()
      assert.deepEqual(await left(), [blob.digest])
      await store(target, blob)
      assert.deepEqual(await left(), [])
    })

    test('reads go on while it is committed', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(11)
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob)
      let done = false
      const committed = part.commit().finally(() => {
        done = true
      })
      let reads = 0
      for (
        let piece = 0;
        !done || reads % part.layout.pieceCount !== 0;
        piece = ++reads % part.layout.pieceCount
      ) {
        assert.equal(
          Buffer.compare(await part.read(pieceRange(part.layout, piece)), pieceOf(blob, piece)),
          0,
        )
      }
      await committed
      assert.ok(reads > 0)
    })

    test('closing waits for a commit', async () => {
      const target = await openStore(await makeBackend())
      const blob = someBlob(12)
      const part = await target.part(blob.digest, blob.sizeBytes)
      await fill(part, blob)
      const committed = part.commit()
      await part.close()
      await committed
      assert.ok(await holds(target, blob))
    })
  })
}

describe('an empty blob', () => {
  test('is committed without a piece, if its digest is that of nothing', async () => {
    const target = await openStore(memoryBackend())
    const empty = contentOf(new Uint8Array(0))
    await store(target, empty)
    assert.deepEqual(await target.stat(empty.digest), { sizeBytes: 0, private: false })
    const part = await target.part(someBlob(1).digest, 0)
    await assert.rejects(part.commit(), { code: 'ERR_ORIGIN_DIGEST' })
  })
})

describe('a part', () => {
  test('of a size or digest that cannot be is refused', async () => {
    const target = await openStore(memoryBackend())
    await assert.rejects(target.part(someBlob(1).digest, -1), { code: 'ERR_REQUEST_SIZE' })
    await assert.rejects(target.part('sha256:../../etc/passwd', 1), { code: 'ERR_REQUEST_DIGEST' })
  })

  test('is told to the backend with its media type', async () => {
    const put: string[] = []
    const memory = memoryBackend()
    const backend: StorageBackend = {
      name: 'watched',
      put: async (blob, source) => {
        put.push(blob.mediaType)
        await memory.put(blob, source)
      },
      read: (...args) => memory.read(...args),
      stat: (...args) => memory.stat(...args),
      list: (...args) => memory.list(...args),
      delete: (...args) => memory.delete(...args),
    }
    const target = await openStore(backend)
    await store(target, someBlob(1))
    await target.import(
      descriptorOf(someBlob(2), mediaTypes.ociConfig),
      (async function* () {
        yield someBlob(2).read({ offset: 0, length: someBlob(2).sizeBytes })
      })(),
    )
    assert.deepEqual(put, [mediaTypes.octetStream, mediaTypes.ociConfig])
  })
})
