import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'

describe('seededContent', () => {
  const sizeBytes = 50_000
  const content = seededContent(7, sizeBytes)
  const whole = content.read({ offset: 0, length: sizeBytes })

  test('any range holds the bytes that the whole has there', () => {
    fc.assert(
      fc.property(fc.nat(sizeBytes), fc.nat(sizeBytes), (one, other) => {
        const [offset, end] = [Math.min(one, other), Math.max(one, other)]
        assert.deepEqual(content.read({ offset, length: end - offset }), whole.subarray(offset, end))
      }),
      { numRuns: 200, seed: 1 },
    )
  })

  test('the digest is that of the whole', () => {
    assert.equal(content.digest, digestOf(whole))
  })

  test('the same seed makes the same bytes, another seed others', () => {
    assert.equal(seededContent(7, sizeBytes).digest, content.digest)
    assert.notEqual(seededContent(8, sizeBytes).digest, content.digest)
  })

  test('no two blocks are equal', () => {
    const blocks = new Set<string>()
    for (let offset = 0; offset + 4096 <= sizeBytes; offset += 4096) {
      blocks.add(digestOf(whole.subarray(offset, offset + 4096)))
    }
    assert.equal(blocks.size, Math.floor(sizeBytes / 4096))
  })

  test('a far byte of a huge blob costs no more than a near one', () => {
    const huge = seededContent(1, 2 ** 40)
    assert.equal(huge.read({ offset: 2 ** 40 - 10, length: 10 }).byteLength, 10)
  })

  test('an empty blob has the digest of nothing', () => {
    assert.equal(seededContent(1, 0).digest, digestOf(new Uint8Array()))
  })
})
