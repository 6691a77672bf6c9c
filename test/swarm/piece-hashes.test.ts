import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { consecutive, ToldHashes } from '../../src/swarm/piece-hashes.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const mib = 1024 * 1024
const digest = digestOf(Buffer.from('blob'))
const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

describe('ToldHashes', () => {
  test('the hash of the only piece is the digest, whatever was told', () => {
    const told = new ToldHashes(digest, pieceLayout(1000))
    told.tell(0, hash(1))
    assert.deepEqual(told.of(0), Uint8Array.from(digestToBytes(digest)))
  })

  test('pieces beyond the blob and hashes of another length are not kept', () => {
    const told = new ToldHashes(digest, pieceLayout(2 * mib))
    told.tell(8, hash(1))
    told.tell(0, new Uint8Array(31))
    assert.deepEqual([told.of(8), told.of(0), told.known([0, 1, 8, 60_000])], [undefined, undefined, []])
  })

  test('what is told later does not change the hash by which a piece was checked', () => {
    const told = new ToldHashes(digest, pieceLayout(2 * mib))
    told.tell(3, hash(1))
    const checked = told.of(3)
    told.tell(3, hash(2))
    assert.deepEqual([checked, told.of(3)], [hash(1), hash(2)])
  })
})

describe('consecutive', () => {
  test('joins neighbours, never more than asked for, and loses none', () => {
    const pieces = fc.uniqueArray(fc.nat(60)).map((list) => list.toSorted((a, b) => a - b))
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 9 }), (list, most) => {
        const runs = [...consecutive(list, most)]
        assert.deepEqual(runs.flat(), list)
        for (const run of runs) {
          assert.ok(run.length > 0 && run.length <= most)
          assert.equal(run.at(-1), (run[0] ?? 0) + run.length - 1)
        }
      }),
      fuzzRuns(300),
    )
  })
})
