import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { maxBlobBytes } from '../../src/core/descriptor.ts'
import { maxPieceBytes, maxPieceCount, pieceAt, pieceLayout, pieceRange, piecesRange } from '../../src/core/piece-layout.ts'

const kib = 1024
const mib = 1024 * kib
const gib = 1024 * mib

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 8 * mib }),
  fc.integer({ min: 0, max: maxBlobBytes }),
  // On and around every power of two, where layouts change.
  fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -2, max: 2 })).map(([power, off]) => Math.min(maxBlobBytes, Math.max(0, 2 ** power + off))),
)

describe('pieceLayout', () => {
  test.for<[string, number, number, number]>([
    ['0 bytes', 0, mib, 0],
    ['1 byte', 1, mib, 1],
    ['1 MiB', mib, mib, 1],
    ['1 MiB and a byte', mib + 1, 256 * kib, 5],
    ['64 MiB', 64 * mib, 256 * kib, 256],
    ['256 MiB', 256 * mib, 256 * kib, 1024],
    ['256 MiB and a byte', 256 * mib + 1, 512 * kib, 513],
    ['1 GiB', gib, mib, 1024],
    ['8 GiB', 8 * gib, 4 * mib, 2048],
    ['64 GiB', 64 * gib, 4 * mib, 16_384],
    ['64 GiB and a byte', 64 * gib + 1, 8 * mib, 8193],
    ['1 TiB', maxBlobBytes, 16 * mib, 65_536],
  ])('cuts %s as the spec says', ([, sizeBytes, pieceLength, pieceCount]) => {
    assert.deepEqual(pieceLayout(sizeBytes), { sizeBytes, pieceLength, pieceCount })
  })

  test('pieces follow each other, fill the blob, and stay within the limits', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (sizeBytes, pick) => {
        const layout = pieceLayout(sizeBytes)
        assert.ok(layout.pieceCount <= maxPieceCount && layout.pieceLength <= maxPieceBytes)
        if (layout.pieceCount === 0) return assert.equal(sizeBytes, 0)
        const piece = pick % layout.pieceCount
        const { offset, length } = pieceRange(layout, piece)
        assert.equal(offset, piece * layout.pieceLength)
        assert.ok(length > 0 && offset + length <= sizeBytes)
        assert.equal(length === layout.pieceLength || piece === layout.pieceCount - 1, true)
        assert.deepEqual([pieceAt(layout, offset), pieceAt(layout, offset + length - 1)], [piece, piece])
        const last = pieceRange(layout, layout.pieceCount - 1)
        assert.equal(last.offset + last.length, sizeBytes)
        const rest = layout.pieceCount - piece
        assert.deepEqual(piecesRange(layout, piece, rest), { offset, length: sizeBytes - offset })
      }),
      { numRuns: 2000 },
    )
  })
})
