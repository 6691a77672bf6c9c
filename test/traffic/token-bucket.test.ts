import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { TokenBucket } from '../../src/traffic/token-bucket.ts'
import { fuzzRuns } from '../support/fuzz.ts'

describe('a token bucket', () => {
  test('gives its burst at once, and then what comes in', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 })
    assert.deepEqual([0, 0, 0, 0].map((now) => bucket.take(1, now)), [0, 0, 0, 100])
    assert.ok(bucket.take(1, 99) > 0)
    assert.equal(bucket.take(1, 100), 0)
    assert.deepEqual([9000, 9000, 9000, 9000].map((now) => bucket.take(1, now)), [0, 0, 0, 100])
  })

  test('never gives more than its burst and its rate, whatever the clock does', () => {
    const step = fc.record({ waitMs: fc.integer({ min: -500, max: 3000 }), count: fc.nat(5) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const bucket = new TokenBucket({ perSecond: 4, burst: 8 })
        let [now, forwardMs, taken] = [0, 0, 0]
        for (const { waitMs, count } of steps) {
          now += waitMs
          forwardMs += Math.max(0, waitMs)
          if (bucket.take(count, now) === 0) taken += count
          assert.ok(taken <= 8 + (forwardMs * 4) / 1000 + 1e-9)
        }
      }),
      fuzzRuns(500),
    )
  })
})
