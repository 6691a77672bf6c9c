import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { pieceLayout, pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import type { JournalRecord } from '../store/journal.ts'
import type { Scratch, ScratchFile, ScratchPart } from '../store/scratch.ts'
import { collect } from './collect.ts'
import { casesOf, type ConformanceCase, type Prove } from './conformance-case.ts'
import { contentOf, seededContent, type BlobContent } from './seeded-content.ts'

/**
 * A scratch to be proved.
 * @public
 */
export interface ScratchFixture {
  readonly scratch: Scratch
  /** Closes the scratch, and opens another one where it kept its parts. Leave out for a scratch that forgets them. */
  reopen?(): Promise<Scratch>
  /** Closes everything that was opened for it, and clears up. */
  close(): Promise<void>
}

/**
 * The promises of {@link Scratch}, one case each, for any test runner. What a case leaves behind it looks for in the
 * same scratch, and after `reopen`, where there is one.
 *
 * @param open - makes a scratch without parts, for each case another one
 * @public
 */
export function scratchConformance(
  open: () => Promise<ScratchFixture>,
): readonly ConformanceCase[] {
  return casesOf(promises, async () => {
    const fixture = await open()
    return {
      subject: fixture.scratch,
      ...(fixture.reopen && { reopen: fixture.reopen.bind(fixture) }),
      close: () => fixture.close(),
    }
  })
}

/** Five pieces, the last one short. */
const blob = seededContent(11, 4 * 256 * 1024 + 77)
const other = seededContent(12, 2 * 256 * 1024 + 1024 * 1024)
const layout = pieceLayout(blob.sizeBytes)
const nothingLasting = async (): Promise<void> => {}

const promises: Readonly<Record<string, Prove<Scratch>>> = {
  async 'pieces written in any order are read back, also across their borders'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    for (const piece of [3, 0, 4, 2, 1])
      await part.write(piece, inChunks(bytesOf(blob, layout, piece)))
    await assertReads(part, blob, 0, blob.sizeBytes)
    await assertReads(part, blob, layout.pieceLength - 10, 20)
    await assertReads(part, blob, blob.sizeBytes - 80, 80)
    await part.remove()
    return nothingLasting
  },

  async 'a piece written again has its new bytes'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await part.write(1, [bytesOf(blob, layout, 2)])
    await part.write(1, [bytesOf(blob, layout, 1)])
    await part.sync([stored(1)])
    await part.close(true)
    return (later) =>
      withPart(later, blob, (found) =>
        assertReads(found, blob, layout.pieceLength, layout.pieceLength),
      )
  },

  async 'what was recorded is there when it is opened again, with its bytes'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    assert.equal(part.state.stored.count, 0)
    assert.equal(part.state.private, false)
    await part.write(2, [bytesOf(blob, layout, 2)])
    await part.write(4, [bytesOf(blob, layout, 4)])
    await part.sync([stored(2), stored(4, true)])
    await part.sync([{ type: 'private' }])
    await part.close(true)
    return (later) =>
      withPart(later, blob, async (found) => {
        const { state } = found
        assert.deepEqual([...state.stored.indexes()], [2, 4])
        assert.deepEqual([...state.fromOrigin.indexes()], [4])
        assert.deepEqual([state.private, state.clean], [true, true])
        for (const piece of [2, 4]) {
          const { offset, length } = pieceRange(layout, piece)
          assert.equal(
            Buffer.compare(state.hashes.subarray(piece * 32, (piece + 1) * 32), hashOf(piece)),
            0,
          )
          await assertReads(found, blob, offset, length)
        }
      })
  },

  async 'a part can be closed and opened many times, and grows'(scratch) {
    for (let piece = 0; piece < layout.pieceCount; piece++) {
      const part = await scratch.open(blob.digest, blob.sizeBytes)
      assert.equal(part.state.stored.count, piece)
      await part.write(piece, [bytesOf(blob, layout, piece)])
      await part.sync([stored(piece)])
      await part.close(true)
    }
    return (later) =>
      withPart(later, blob, async (found) => {
        assert.ok(found.state.stored.complete)
        await assertReads(found, blob, 0, blob.sizeBytes)
      })
  },

  async 'a dropped piece is not there'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    for (const piece of [0, 1]) await part.write(piece, [bytesOf(blob, layout, piece)])
    await part.sync([stored(0, true), stored(1)])
    await part.sync([{ type: 'dropped', piece: 0 }])
    await part.close(true)
    return (later) =>
      withPart(later, blob, async ({ state }) => {
        assert.deepEqual([...state.stored.indexes()], [1])
        assert.equal(state.fromOrigin.count, 0)
      })
  },

  async 'a part that was not closed as clean is not clean when it is opened again'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await part.write(0, [bytesOf(blob, layout, 0)])
    await part.sync([stored(0)])
    await part.close(false)
    return async (later) => {
      const found = await later.open(blob.digest, blob.sizeBytes)
      assert.deepEqual([found.state.clean, found.state.stored.has(0)], [false, true])
      await found.close(false)
    }
  },

  async 'a part that was closed as clean, and opened since, is not clean before it is closed again'(
    scratch,
  ) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await part.write(0, [bytesOf(blob, layout, 0)])
    await part.sync([stored(0)])
    await part.close(true)
    const again = await scratch.open(blob.digest, blob.sizeBytes)
    assert.equal(again.state.clean, true)
    await again.write(0, [bytesOf(blob, layout, 1)])
    await again.close(false)
    return async (later) => {
      const found = await later.open(blob.digest, blob.sizeBytes)
      assert.ok(!found.state.clean || !found.state.stored.has(0))
      await found.close(false)
    }
  },

  async 'a part of which nothing was recorded leaves nothing'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await part.write(0, [bytesOf(blob, layout, 0)])
    await part.close(true)
    return async (later) => {
      assert.deepEqual(await collect(later.list()), [])
      await withPart(later, blob, async ({ state }) => assert.equal(state.stored.count, 0))
    }
  },

  async 'a part that is open cannot be opened again before it is closed'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await assert.rejects(scratch.open(blob.digest, blob.sizeBytes), { code: 'ERR_STORE_LOCKED' })
    await withPart(scratch, other, async () => {})
    await part.close(true)
    return (later) => withPart(later, blob, async () => {})
  },

  async 'of two who open a part at once one gets it'(scratch) {
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => scratch.open(blob.digest, blob.sizeBytes)),
    )
    const opened = results.filter((result) => result.status === 'fulfilled')
    assert.equal(opened.length, 1)
    await opened[0]?.value.close(true)
    return nothingLasting
  },

  async 'the list has what was left, and not what is open'(scratch) {
    await leave(scratch, blob, [0, 4])
    await leave(scratch, other, [1])
    return async (later) => {
      const left = await collect(later.list())
      const bySize = left.toSorted((a, b) => a.sizeBytes - b.sizeBytes)
      assert.deepEqual(bySize, [
        { digest: blob.digest, sizeBytes: blob.sizeBytes, storedBytes: layout.pieceLength + 77 },
        {
          digest: other.digest,
          sizeBytes: other.sizeBytes,
          storedBytes: pieceLayout(other.sizeBytes).pieceLength,
        },
      ])
      await withPart(later, blob, async () => {
        assert.deepEqual(
          (await collect(later.list())).map(({ digest }) => digest),
          [other.digest],
        )
      })
    }
  },

  async 'a removed part is gone'(scratch) {
    await leave(scratch, blob, [0])
    await leave(scratch, other, [0])
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await part.remove()
    await scratch.remove(other.digest)
    await scratch.remove(other.digest)
    return async (later) => {
      assert.deepEqual(await collect(later.list()), [])
      await withPart(later, blob, async ({ state }) => assert.equal(state.stored.count, 0))
      await withPart(later, other, async ({ state }) => assert.equal(state.stored.count, 0))
    }
  },

  async 'an open part is not removed from outside'(scratch) {
    await leave(scratch, blob, [0])
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    await scratch.remove(blob.digest)
    await part.write(1, [bytesOf(blob, layout, 1)])
    await part.sync([stored(1)])
    await part.close(true)
    return (later) =>
      withPart(later, blob, async ({ state }) =>
        assert.deepEqual([...state.stored.indexes()], [0, 1]),
      )
  },

  async 'a part of another size is another part'(scratch) {
    await leave(scratch, blob, [0, 1])
    const part = await scratch.open(blob.digest, other.sizeBytes)
    assert.equal(part.state.stored.count, 0)
    assert.equal(part.state.stored.size, pieceLayout(other.sizeBytes).pieceCount)
    await part.remove()
    return nothingLasting
  },

  async 'parts of different blobs do not mix'(scratch) {
    await leave(scratch, blob, [0])
    await leave(scratch, other, [0])
    return async (later) => {
      for (const content of [blob, other]) {
        await withPart(later, content, (found) => assertReads(found, content, 0, 1000))
      }
    }
  },

  async 'an empty blob has a part without pieces'(scratch) {
    const empty = contentOf(new Uint8Array(0))
    const part = await scratch.open(empty.digest, 0)
    assert.ok(part.state.stored.complete)
    await part.sync()
    await part.remove()
    return nothingLasting
  },

  async 'a temporary file holds bytes and is not listed'(scratch) {
    const file = await scratch.temporary(layout)
    for (let piece = 0; piece < layout.pieceCount; piece++)
      await file.write(piece, [bytesOf(blob, layout, piece)])
    await file.sync()
    await assertReads(file, blob, 0, blob.sizeBytes)
    assert.deepEqual(await collect(scratch.list()), [])
    await file.remove()
    return async (later) => assert.deepEqual(await collect(later.list()), [])
  },

  async 'the path, where there is one, names a file with the bytes'(scratch) {
    const part = await scratch.open(blob.digest, blob.sizeBytes)
    for (const piece of [4, 3, 2, 1, 0]) await part.write(piece, [bytesOf(blob, layout, piece)])
    await part.sync()
    if (part.path !== undefined) {
      const expected = blob.read({ offset: 0, length: blob.sizeBytes })
      assert.equal(Buffer.compare(await readFile(part.path), expected), 0)
    }
    await part.remove()
    return nothingLasting
  },

  async 'notes are kept by digest and kind, replaced whole, and forgotten together'(scratch) {
    const { notes } = scratch
    assert.equal(await notes.read(blob.digest, 'facts'), undefined)
    await notes.write(blob.digest, 'facts', Buffer.from('first, and longer than the second'))
    await notes.write(blob.digest, 'facts', Buffer.from('second'))
    await notes.write(blob.digest, 'hashes', Buffer.alloc(100_000, 7))
    await notes.write(other.digest, 'facts', Buffer.from('other'))
    await notes.delete(other.digest)
    await notes.delete(other.digest)
    return async (later) => {
      assert.equal(String(await later.notes.read(blob.digest, 'facts')), 'second')
      const hashes = await later.notes.read(blob.digest, 'hashes')
      assert.ok(hashes && Buffer.compare(hashes, Buffer.alloc(100_000, 7)) === 0)
      assert.equal(await later.notes.read(other.digest, 'facts'), undefined)
    }
  },
}

function bytesOf(content: BlobContent, cut: PieceLayout, piece: number): Uint8Array {
  return content.read(pieceRange(cut, piece))
}

/** Chunks as a network brings them: of no particular length, and some empty. */
function inChunks(bytes: Uint8Array): Uint8Array[] {
  return [
    bytes.subarray(0, 1),
    new Uint8Array(0),
    bytes.subarray(1, 60_001),
    bytes.subarray(60_001),
  ]
}

function hashOf(piece: number): Uint8Array {
  return createHash('sha256')
    .update(bytesOf(blob, layout, piece))
    .digest()
}

function stored(piece: number, fromOrigin = false): JournalRecord {
  return { type: 'stored', piece, fromOrigin, hash: hashOf(piece) }
}

/** Leaves an unfinished copy with some pieces behind. */
async function leave(
  scratch: Scratch,
  content: BlobContent,
  pieces: readonly number[],
): Promise<void> {
  const part = await scratch.open(content.digest, content.sizeBytes)
  const cut = pieceLayout(content.sizeBytes)
  for (const piece of pieces) await part.write(piece, [bytesOf(content, cut, piece)])
  await part.sync(
    pieces.map((piece) => ({
      type: 'stored',
      piece,
      fromOrigin: false,
      hash: createHash('sha256')
        .update(bytesOf(content, cut, piece))
        .digest(),
    })),
  )
  await part.close(true)
}

async function withPart(
  scratch: Scratch,
  content: BlobContent,
  use: (part: ScratchPart) => Promise<void>,
): Promise<void> {
  const part = await scratch.open(content.digest, content.sizeBytes)
  try {
    await use(part)
  } finally {
    await part.close(true)
  }
}

async function assertReads(
  file: ScratchFile,
  content: BlobContent,
  offset: number,
  length: number,
): Promise<void> {
  const target = Buffer.alloc(length)
  await file.readInto(target, offset)
  assert.equal(
    Buffer.compare(target, content.read({ offset, length })),
    0,
    `${length} bytes at ${offset}`,
  )
}
