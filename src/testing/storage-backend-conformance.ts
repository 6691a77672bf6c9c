import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StorageBackend } from '../store/storage-backend.ts'
import {
  assertAbsent,
  assertLists,
  assertNotFound,
  assertReads,
  assertThere,
  chunksOf,
  descriptorOf,
  failingSource,
  put,
  rejectsWith,
  similarBlobs,
  sourceOf,
  wholeOf,
  withFile,
} from './backend-probes.ts'
import { collect } from './collect.ts'
import { casesOf, type ConformanceCase, type Prove } from './conformance-case.ts'
import { contentOf, seededContent } from './seeded-content.ts'

/**
 * A backend to be proved.
 * @public
 */
export interface StorageBackendFixture {
  readonly backend: StorageBackend
  /** Closes the backend, and opens another one where it kept its blobs. Leave out for a backend that forgets them. */
  reopen?(): Promise<StorageBackend>
  /** Closes everything that was opened for it, and clears up. */
  close(): Promise<void>
}

/**
 * The promises of {@link StorageBackend}, one case each, for any test runner. What a case finds it looks for again
 * after `reopen`, where there is one.
 *
 * @param open - makes a backend without blobs, for each case another one
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { memoryBackend } from 'damselfly'
 * import { storageBackendConformance } from 'damselfly/testing'
 *
 * const open = async () => ({ backend: memoryBackend(), async close() {} })
 * for (const { name, run } of storageBackendConformance(open)) void test(`my backend: ${name}`, run)
 * ```
 * @public
 */
export function storageBackendConformance(
  open: () => Promise<StorageBackendFixture>,
): readonly ConformanceCase[] {
  return casesOf(promises, async () => {
    const fixture = await open()
    return {
      subject: fixture.backend,
      ...(fixture.reopen && { reopen: fixture.reopen.bind(fixture) }),
      close: () => fixture.close(),
    }
  })
}

const large = seededContent(1, 300_001)
const small = seededContent(2, 700)
const empty = contentOf(new Uint8Array(0))
const absent = seededContent(3, 10)

const promises: Readonly<Record<string, Prove<StorageBackend>>> = {
  async 'the name is a lower-case word'({ name }) {
    return async (later) => {
      assert.match(later.name, /^[a-z][a-z0-9-]*$/)
      assert.equal(later.name, name)
    }
  },

  async 'what was put is read back, whole and in parts'(backend) {
    await put(backend, large)
    const { sizeBytes } = large
    return async (later) => {
      await assertThere(later, large)
      const ranges = [
        [0, 1],
        [sizeBytes - 1, 1],
        [0, sizeBytes],
        [1, sizeBytes - 2],
        [9_999, 10_002],
        [65_536, 65_536],
      ]
      for (const [offset = 0, length = 0] of ranges)
        await assertReads(later, large, { offset, length })
      for (const offset of [0, 1, sizeBytes]) await assertReads(later, large, { offset, length: 0 })
    }
  },

  async 'a blob of one byte and an empty one are blobs'(backend) {
    const tiny = contentOf(Uint8Array.of(7))
    await put(backend, tiny)
    await put(backend, empty)
    return async (later) => {
      await assertThere(later, tiny)
      await assertThere(later, empty)
      await assertLists(later, [tiny, empty])
    }
  },

  async 'an empty stream chunk is nothing'(backend) {
    const chunks = [new Uint8Array(0), small.read({ offset: 0, length: 500 }), new Uint8Array(0)]
    const rest = small.read({ offset: 500, length: 200 })
    await backend.put(
      descriptorOf(small),
      sourceOf(small, { chunks: () => [...chunks, rest, new Uint8Array(0)] }),
    )
    return (later) => assertThere(later, small)
  },

  async 'a blob that is absent has no size, and reading it says so'(backend) {
    await put(backend, small)
    return async (later) => {
      await assertAbsent(later, absent)
    }
  },

  async 'a blob offered as a file is kept, whether the file is taken or not'(backend) {
    await withFile(large, async (path) =>
      backend.put(descriptorOf(large), sourceOf(large, { path })),
    )
    return (later) => assertThere(later, large)
  },

  async 'the stream is taken when the file is gone'(backend) {
    const path = join(tmpdir(), 'damselfly-conformance', 'no-such-file')
    await backend.put(descriptorOf(large), sourceOf(large, { path }))
    return (later) => assertThere(later, large)
  },

  async 'what was read belongs to the reader'(backend) {
    await put(backend, small)
    const bytes = await backend.read(small.digest, { offset: 0, length: small.sizeBytes })
    bytes.fill(0)
    return (later) => assertThere(later, small)
  },

  async 'memory that a read is given takes the bytes of the range, or nothing'(backend) {
    await put(backend, large)
    return async (later) => {
      const range = { offset: 1000, length: 5000 }
      const into = new Uint8Array(range.length + 100).fill(0xa5)
      const bytes = await later.read(large.digest, range, { into })
      assert.equal(Buffer.compare(bytes, large.read(range)), 0)
      assert.ok(into.subarray(range.length).every((byte) => byte === 0xa5), 'bytes were put behind the range')
      assert.ok(bytes.buffer !== into.buffer || bytes.byteOffset === into.byteOffset, 'the bytes are not at the beginning')
    }
  },

  async 'putting again is not an error and changes nothing'(backend) {
    await put(backend, small)
    await put(backend, large)
    await put(backend, small)
    return async (later) => {
      await assertThere(later, small)
      await assertLists(later, [small, large])
    }
  },

  async 'one blob put many times at once is there once'(backend) {
    await Promise.all(Array.from({ length: 8 }, () => put(backend, large)))
    return async (later) => {
      await assertThere(later, large)
      await assertLists(later, [large])
    }
  },

  async 'many blobs put at once are all there'(backend) {
    const blobs = Array.from({ length: 24 }, (_, index) => seededContent(100 + index, index * 500))
    await Promise.all(blobs.map((blob) => put(backend, blob)))
    return async (later) => {
      await assertLists(later, blobs)
      await Promise.all(blobs.map((blob) => assertThere(later, blob)))
    }
  },

  async 'nothing is seen of a blob before all of it is there'(backend) {
    const blob = descriptorOf(large)
    let looked = 0
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (const chunk of chunksOf(large)) {
        yield chunk
        if (looked++ % 10 === 0) await assertAbsent(backend, large)
      }
    }
    await backend.put(blob, { sizeBytes: large.sizeBytes, stream: chunks })
    return (later) => assertThere(later, large)
  },

  async 'a put that is aborted beforehand keeps nothing'(backend) {
    const reason = new RangeError('aborted by the conformance suite')
    const signal = AbortSignal.abort(reason)
    await rejectsWith(reason, () => backend.put(descriptorOf(small), sourceOf(small), { signal }))
    return (later) => assertAbsent(later, small)
  },

  async 'a put that is aborted half-way keeps nothing, and harms nothing'(backend) {
    await put(backend, small)
    const reason = new RangeError('aborted by the conformance suite')
    const controller = new AbortController()
    const { signal } = controller
    const chunks = function* (): Generator<Uint8Array> {
      for (const [index, chunk] of chunksOf(large).entries()) {
        if (index === 15) controller.abort(reason)
        yield chunk
      }
    }
    await rejectsWith(reason, () =>
      backend.put(descriptorOf(large), sourceOf(large, { chunks }), { signal }),
    )
    return async (later) => {
      await assertAbsent(later, large)
      await assertLists(later, [small])
    }
  },

  async 'a put whose stream fails rejects with that failure and keeps nothing'(backend) {
    const failure = new RangeError('failed by the conformance suite')
    await rejectsWith(failure, () =>
      backend.put(descriptorOf(large), failingSource(large, failure)),
    )
    return (later) => assertAbsent(later, large)
  },

  async 'a put that failed can be made again'(backend) {
    const failure = new RangeError('failed by the conformance suite')
    await rejectsWith(failure, () =>
      backend.put(descriptorOf(large), failingSource(large, failure)),
    )
    await put(backend, large)
    return (later) => assertThere(later, large)
  },

  async 'a failed put leaves the blob that is there'(backend) {
    await put(backend, large)
    const failure = new RangeError('failed by the conformance suite')
    await backend
      .put(descriptorOf(large), failingSource(large, failure))
      .catch((error: unknown) => {
        assert.equal(error, failure)
      })
    return (later) => assertThere(later, large)
  },

  async 'a deleted blob is absent'(backend) {
    await put(backend, small)
    await put(backend, large)
    await backend.delete(small.digest)
    return async (later) => {
      await assertAbsent(later, small)
      await assertLists(later, [large])
    }
  },

  async 'deleting what is absent is not an error'(backend) {
    await put(backend, small)
    await backend.delete(absent.digest)
    await backend.delete(absent.digest)
    return (later) => assertLists(later, [small])
  },

  async 'a deleted blob can be put again'(backend) {
    for (let round = 0; round < 3; round++) {
      await put(backend, large)
      await assertThere(backend, large)
      await backend.delete(large.digest)
      await assertAbsent(backend, large)
    }
    await put(backend, large)
    return (later) => assertThere(later, large)
  },

  async 'deleting a blob leaves those with a similar digest'(backend) {
    const [first, ...others] = similarBlobs(4)
    assert.ok(first)
    for (const blob of [first, ...others]) await put(backend, blob)
    await backend.delete(first.digest)
    return async (later) => {
      await assertAbsent(later, first)
      await assertLists(later, others)
      for (const blob of others) await assertThere(later, blob)
    }
  },

  async 'a read that meets a delete gets the right bytes, or finds the blob absent'(backend) {
    await put(backend, large)
    const length = 50_000
    const reads = Array.from({ length: 6 }, async (_, index) => {
      const range = { offset: index * length, length }
      try {
        const bytes = await backend.read(large.digest, range)
        assert.equal(Buffer.compare(bytes, large.read(range)), 0)
      } catch (error) {
        assertNotFound(error)
      }
    })
    await Promise.all([...reads, backend.delete(large.digest)])
    return (later) => assertAbsent(later, large)
  },

  async 'many reads at once each get their own bytes'(backend) {
    await put(backend, large)
    await put(backend, small)
    return async (later) => {
      const reads = Array.from({ length: 32 }, (_, index) => {
        const blob = index % 4 === 0 ? small : large
        const length = Math.floor(blob.sizeBytes / 40)
        return assertReads(later, blob, { offset: index * length, length })
      })
      await Promise.all(reads)
    }
  },

  async 'whatever is aborted beforehand rejects with the reason, and does nothing'(backend) {
    await put(backend, small)
    const reason = new RangeError('aborted by the conformance suite')
    const options = { signal: AbortSignal.abort(reason) }
    const { digest } = small
    await rejectsWith(reason, () => backend.read(digest, { offset: 0, length: 1 }, options))
    await rejectsWith(reason, () => backend.stat(digest, options))
    await rejectsWith(reason, () => backend.delete(digest, options))
    await rejectsWith(reason, () => collect(backend.list(options)))
    return (later) => assertThere(later, small)
  },

  async 'the path, where there is one, names a file with the bytes'(backend) {
    await put(backend, large)
    return async (later) => {
      const path = later.path?.(large.digest)
      if (path === undefined) return
      assert.equal(Buffer.compare(await readFile(path), wholeOf(large)), 0)
    }
  },

  async 'a blob in quarantine, where there is one, is absent and can be put again'(backend) {
    await put(backend, small)
    await put(backend, large)
    await backend.quarantine?.(large.digest)
    if (backend.quarantine) await assertAbsent(backend, large)
    await backend.quarantine?.(absent.digest)
    await put(backend, large)
    return async (later) => {
      await assertThere(later, large)
      await assertLists(later, [small, large])
    }
  },
}
