import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { isSignedBy } from '../../src/net/signing-key.ts'
import { consecutive, OwnClaims } from '../../src/swarm/own-claims.ts'
import { covers, hashIn, signedBytes } from '../../src/trust/claim.ts'
import { fuzzRuns } from '../support/fuzz.ts'
import { signer } from '../support/signer.ts'

const digest = digestOf(Buffer.from('blob'))
const layout = pieceLayout(2 ** 32)
const hash = (piece: number): Uint8Array => new Uint8Array(32).fill(piece % 251)

describe('OwnClaims', () => {
  test('signs runs of pieces, at most 1,024 together', () => {
    const claims = new OwnClaims(signer('a'), digest, pieceLayout(2 ** 34)).of(Array.from({ length: 1500 }, (_, piece) => piece), hash)
    assert.deepEqual(claims.map(({ first, count }) => [first, count]), [[0, 1024], [1024, 476]])
    for (const claim of claims) {
      assert.ok(isSignedBy(claim.issuerId, signedBytes(digest, pieceLayout(2 ** 34), claim), claim.signature))
      assert.deepEqual(hashIn(claim, claim.first + 3), hash(claim.first + 3))
    }
  })

  test('signs each piece once', () => {
    const own = new OwnClaims(signer('a'), digest, layout)
    const [first] = own.of([4, 5], hash)
    const again = own.of([5, 6], hash)
    assert.deepEqual(again.map(({ first: start, count }) => [start, count]), [[4, 2], [6, 1]])
    assert.equal(again[0], first)
  })

  test('signs anew what was forgotten, and nothing that is not here', () => {
    const own = new OwnClaims(signer('a'), digest, layout)
    own.of([0, 1, 2], hash)
    own.forget([1])
    const [claim] = own.of([1], () => new Uint8Array(32).fill(255))
    assert.ok(claim && covers(claim, 1) && !covers(claim, 0) && !covers(claim, 2))
    assert.deepEqual(hashIn(claim, 1), new Uint8Array(32).fill(255))
    assert.deepEqual(own.of([9], () => undefined), [])
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
