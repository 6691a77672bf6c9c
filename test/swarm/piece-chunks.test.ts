import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { PieceChunks } from '../../src/swarm/piece-chunks.ts'
import { fuzzRuns } from '../support/fuzz.ts'

describe('the chunks of a piece', () => {
  test('are its bytes, however they came', () => {
    const size = fc.oneof(fc.nat(10), fc.integer({ min: 0, max: 200_000 }))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 30 }), (sizes) => {
        const chunks = new PieceChunks()
        let next = 0
        const all = sizes.map((length) => Uint8Array.from({ length }, () => next++ & 0xff))
        for (const bytes of all) chunks.add(bytes)
        assert.ok(Buffer.concat(chunks.take()).equals(Buffer.concat(all)))
      }),
      fuzzRuns(50),
    )
  })

  test('keep no more memory than a few times their own when they come byte by byte, each in a buffer of its own', () => {
    const chunks = new PieceChunks()
    for (let count = 0; count < 100_000; count++) chunks.add(new Uint8Array(4096).subarray(0, 1))
    const buffers = new Set(chunks.take().map(({ buffer }) => buffer))
    assert.equal(buffers.size, 2)
  })

  test('are kept as they are when they are long', () => {
    const chunks = new PieceChunks()
    const long = new Uint8Array(65_536)
    chunks.add(long)
    assert.equal(chunks.take()[0], long)
  })
})
