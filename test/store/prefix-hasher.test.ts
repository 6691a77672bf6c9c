import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { Bitfield } from '../../src/core/bitfield.ts'
import { digestOf } from '../../src/core/digest.ts'
import { StoreError } from '../../src/core/errors.ts'
import type { PieceLayout } from '../../src/core/piece-layout.ts'
import { BlobHasher, hashAt, hashOf } from '../../src/store/piece-hashing.ts'
import { PrefixHasher } from '../../src/store/prefix-hasher.ts'
import { fuzz } from './fuzz.ts'

/** Pieces far shorter than real ones: the hasher does not care. */
const pieceLength = 16

function layoutOf(sizeBytes: number): PieceLayout {
  return { sizeBytes, pieceLength, pieceCount: Math.ceil(sizeBytes / pieceLength) }
}

/** A disk with the bytes of one blob. */
function diskFor(layout: PieceLayout): {
  readonly bytes: Buffer
  readonly stored: Bitfield
  readonly reads: number[]
  readonly readInto: (target: Uint8Array, offset: number) => Promise<void>
} {
  const bytes = Buffer.alloc(layout.sizeBytes)
  const reads: number[] = []
  return {
    bytes,
    stored: new Bitfield(layout.pieceCount),
    reads,
    readInto: async (target, offset) => {
      reads.push(offset)
      bytes.copy(target, 0, offset, offset + target.byteLength)
      await setImmediate()
    },
  }
}

const blob = fc.uint8Array({ maxLength: 12 * pieceLength })

function pieceOf(bytes: Uint8Array, piece: number): Uint8Array {
  return bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength)
}

describe('PrefixHasher', () => {
  test('finds the digest of pieces that come in any order, any pace, and are replaced meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(blob, fc.infiniteStream(fc.nat()), async (bytes, choices) => {
        const layout = layoutOf(bytes.byteLength)
        const disk = diskFor(layout)
        const hasher = new PrefixHasher(layout, disk.stored, disk.readInto)
        const choose = (below: number): number => (choices.next().value ?? 0) % below
        const write = (piece: number, from: Uint8Array): void => {
          disk.bytes.set(pieceOf(from, piece), piece * pieceLength)
          disk.stored.add(piece)
          hasher.offer(piece, [
            pieceOf(from, piece).subarray(0, 3),
            pieceOf(from, piece).subarray(3),
          ])
        }
        while (!disk.stored.complete) {
          const piece = choose(layout.pieceCount)
          if (disk.stored.delete(piece)) hasher.forget([piece])
          // One in four is wrong at first.
          if (choose(4) === 0) {
            write(piece, new Uint8Array(bytes.byteLength).fill(255))
            if (choose(2) === 0) await setImmediate()
            disk.stored.delete(piece)
            hasher.forget([piece])
          }
          write(piece, bytes)
          if (choose(3) === 0) await setImmediate()
        }
        assert.equal(await hasher.finish(), digestOf(bytes))
        assert.equal(await hasher.finish(), digestOf(bytes))
      }),
      fuzz,
    )
  })

  test('reads nothing back when pieces come in order', async () => {
    const layout = layoutOf(100)
    const disk = diskFor(layout)
    const hasher = new PrefixHasher(layout, disk.stored, disk.readInto)
    for (let piece = 0; piece < layout.pieceCount; piece++) {
      disk.stored.add(piece)
      hasher.offer(piece, [pieceOf(disk.bytes, piece)])
    }
    assert.equal(await hasher.finish(), digestOf(disk.bytes))
    assert.deepEqual(disk.reads, [])
  })

  test('reads back only what came out of order, once', async () => {
    const layout = layoutOf(5 * pieceLength)
    const disk = diskFor(layout)
    const hasher = new PrefixHasher(layout, disk.stored, disk.readInto)
    for (const piece of [0, 2, 3, 1, 4]) {
      disk.stored.add(piece)
      hasher.offer(piece, [pieceOf(disk.bytes, piece)])
      await setImmediate()
      await setImmediate()
      await setImmediate()
    }
    assert.equal(await hasher.finish(), digestOf(disk.bytes))
    assert.deepEqual(disk.reads, [2 * pieceLength, 3 * pieceLength])
  })

  test('a failed read is told by finish, and tried again by the next one', async () => {
    const layout = layoutOf(3 * pieceLength)
    const disk = diskFor(layout)
    let failing = true
    const hasher = new PrefixHasher(layout, disk.stored, async (target, offset) => {
      if (failing && offset === pieceLength) throw new StoreError('ERR_STORE_IO', 'no')
      await disk.readInto(target, offset)
    })
    disk.stored.fill()
    hasher.advance()
    await assert.rejects(hasher.finish(), { code: 'ERR_STORE_IO' })
    failing = false
    assert.equal(await hasher.finish(), digestOf(disk.bytes))
  })

  test('a read that fails in the middle of a piece leaves no half of it behind', async () => {
    const bytes = Buffer.alloc(2_500_000, 'long')
    const layout = { sizeBytes: bytes.byteLength, pieceLength: bytes.byteLength, pieceCount: 1 }
    const stored = new Bitfield(1)
    stored.add(0)
    let failing = true
    const hasher = new PrefixHasher(layout, stored, async (target, offset) => {
      if (failing && offset > 0) throw new StoreError('ERR_STORE_IO', 'no')
      bytes.copy(target, 0, offset, offset + target.byteLength)
    })
    await assert.rejects(hasher.finish(), { code: 'ERR_STORE_IO' })
    failing = false
    assert.equal(await hasher.finish(), digestOf(bytes))
  })

  test('a piece that is replaced while it is read back counts as it is in the end', async () => {
    const layout = layoutOf(3 * pieceLength)
    const disk = diskFor(layout)
    disk.bytes.fill(7)
    const hasher = new PrefixHasher(layout, disk.stored, disk.readInto)
    disk.stored.fill()
    hasher.advance()
    disk.stored.delete(0)
    hasher.forget([0])
    disk.bytes.fill(8, 0, pieceLength)
    disk.stored.add(0)
    hasher.offer(0, [pieceOf(disk.bytes, 0)])
    assert.equal(await hasher.finish(), digestOf(disk.bytes))
  })

  test('stopped, it reads no more', async () => {
    const layout = layoutOf(10 * pieceLength)
    const disk = diskFor(layout)
    const hasher = new PrefixHasher(layout, disk.stored, disk.readInto)
    disk.stored.fill()
    hasher.advance()
    await hasher.stop()
    assert.equal(disk.reads.length, 1)
    await assert.rejects(hasher.finish(), { code: 'ERR_STORE_CLOSED' })
  })
})

describe('BlobHasher', () => {
  test('hashes the whole and each piece, however the bytes are cut', () => {
    fc.assert(
      fc.property(blob, fc.array(fc.nat(40), { maxLength: 20 }), (bytes, cuts) => {
        const layout = layoutOf(bytes.byteLength)
        const hasher = new BlobHasher(layout)
        let at = 0
        for (const length of cuts) {
          hasher.update(bytes.subarray(at, at + length))
          at = Math.min(at + length, bytes.byteLength)
        }
        hasher.update(bytes.subarray(at))
        const { digest, pieces } = hasher.finish()
        assert.equal(digest, digestOf(bytes))
        for (let piece = 0; piece < layout.pieceCount; piece++) {
          assert.deepEqual(Buffer.from(hashAt(pieces, piece)), hashOf(pieceOf(bytes, piece)))
        }
      }),
      fuzz,
    )
  })
})
