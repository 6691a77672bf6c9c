import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import {
  decodeHashes,
  decodeRecord,
  encodeHashes,
  encodeRecord,
  type BlobRecord,
} from '../../src/store/blob-facts.ts'
import { fuzz } from './fuzz.ts'

const digest = digestOf(Buffer.from('a blob'))
const other = digestOf(Buffer.from('another blob'))

const record: fc.Arbitrary<BlobRecord> = fc.record(
  {
    sizeBytes: fc.nat(),
    private: fc.boolean(),
    pinned: fc.boolean(),
    usedAtMs: fc.nat(),
    mediaType: fc.string({ unit: 'binary' }),
    repositories: fc.array(fc.string(), { minLength: 1, maxLength: 64 }),
  },
  { requiredKeys: ['sizeBytes', 'pinned', 'usedAtMs'] },
)

describe('the record of a blob', () => {
  test('is absent when a byte of it is damaged, or it is cut (fuzz)', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, place, mask) => {
        const bytes = Buffer.from(encodeRecord(digest, written))
        const at = place % bytes.byteLength
        assert.equal(decodeRecord(digest, bytes.subarray(0, at)), undefined)
        bytes[at] = (bytes[at] ?? 0) ^ mask
        assert.equal(decodeRecord(digest, bytes), undefined)
      }),
      fuzz,
    )
  })

  test('is absent when it is that of another blob', () => {
    const bytes = encodeRecord(other, { sizeBytes: 1, private: false, pinned: false, usedAtMs: 0 })
    assert.equal(decodeRecord(digest, bytes), undefined)
  })
})

describe('the list of piece hashes', () => {
  const hashes = fc
    .integer({ min: 0, max: 20 })
    .chain((count) => fc.uint8Array({ minLength: count * 32, maxLength: count * 32 }))

  test('is absent when it is damaged, cut, that of another blob, or for another number of pieces (fuzz)', () => {
    fc.assert(
      fc.property(hashes, fc.nat(), fc.nat(7), (written, place, bit) => {
        const count = written.byteLength / 32
        const bytes = Buffer.from(encodeHashes(digest, written))
        const at = place % bytes.byteLength
        assert.equal(decodeHashes(digest, bytes.subarray(0, at), count), undefined)
        assert.equal(decodeHashes(digest, bytes, count + 1), undefined)
        assert.equal(decodeHashes(other, bytes, count), undefined)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
        assert.equal(decodeHashes(digest, bytes, count), undefined)
      }),
      fuzz,
    )
  })
})
