import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { rangeWithin } from '../../src/core/byte-range.ts'
import { sleep } from '../../src/core/clock.ts'
import { parseDescriptor, parseSize } from '../../src/core/descriptor.ts'
import { createHasher, digestFromBytes, digestOf, digestToBytes, isDigest, parseDigest } from '../../src/core/digest.ts'
import { OriginError, StoreError, SwarmError } from '../../src/core/errors.ts'
import { seededRandom } from '../../src/core/random.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const hex = 'a'.repeat(64)

describe('digest', () => {
  test.for(['', 'sha256:', `sha256:${hex.slice(1)}`, `sha256:${hex}a`, `sha256:${hex.toUpperCase()}`, `md5:${hex}`, `${hex}`, `sha256:${'/'.repeat(64)}`, `sha512:${hex}${hex}`])(
    '%s is refused',
    (text) => {
      assert.equal(isDigest(text), false)
      assert.throws(() => parseDigest(text), { code: 'ERR_REQUEST_DIGEST' })
    },
  )

  test('is Node’s own sha256, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const hasher = createHasher()
        for (const chunk of chunks) hasher.update(chunk)
        const whole = Buffer.concat(chunks)
        const digest = `sha256:${createHash('sha256').update(whole).digest('hex')}`
        assert.equal(hasher.digest(), digest)
        assert.equal(digestOf(whole), digest)
        assert.equal(digestFromBytes(digestToBytes(digestOf(whole))), digest)
      }),
    )
  })
})

describe('descriptor', () => {
  test.for([-1, 1.5, Number.NaN, 2 ** 40 + 1, '5', undefined, null])('a size of %s is refused', (size) => {
    assert.throws(() => parseSize(size), { code: 'ERR_REQUEST_SIZE' })
  })

  test.for([[[`sha256:${hex}`]], [{ toString: 1 }], [null], [5]])('a digest that is %o and no text is refused', ([digest]) => {
    assert.throws(() => parseDescriptor({ digest, size: 3 }), { code: 'ERR_REQUEST_DIGEST' })
  })

  test('keeps the fields that are known', () => {
    const digest = parseDigest(`sha256:${hex}`)
    const value = { mediaType: 'a/b', digest, size: 3, urls: ['http://evil.example'], annotations: { a: 'b' } }
    assert.deepEqual(parseDescriptor(value), { mediaType: 'a/b', digest, size: 3, annotations: { a: 'b' } })
    assert.deepEqual(parseDescriptor({ digest, size: 3 }), { mediaType: 'application/octet-stream', digest, size: 3 })
  })
})

describe('rangeWithin', () => {
  test('gives the whole blob without a range, and refuses one that is not inside', () => {
    const numbers = fc.oneof(fc.integer({ min: -5, max: 20 }), fc.constantFrom(0.5, Number.NaN, 2 ** 53))
    fc.assert(
      fc.property(fc.nat(15), numbers, numbers, (size, offset, length) => {
        const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
        const inside = whole && offset >= 0 && length >= 0 && offset + length <= size
        if (inside) assert.deepEqual(rangeWithin(size, { offset, length }), { offset, length })
        else assert.throws(() => rangeWithin(size, { offset, length }), { code: 'ERR_REQUEST_RANGE' })
        assert.deepEqual(rangeWithin(size), { offset: 0, length: size })
      }),
      fuzzRuns(10_000),
    )
  })
})

describe('errors', () => {
  test('say by their code whether trying again may help', () => {
    assert.equal(new OriginError('ERR_ORIGIN_RATE', 'slow down', { retryAfterMs: 5 }).retryable, true)
    assert.equal(new OriginError('ERR_ORIGIN_DENIED', 'no').retryable, false)
    assert.equal(new StoreError('ERR_STORE_NO_SPACE', 'full').retryable, true)
    assert.ok(new StoreError('ERR_STORE_IO', 'broken', { cause: 1 }) instanceof SwarmError)
  })
})

describe('seededRandom', () => {
  test('draws the same numbers from the same seed, all within bounds', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (seed, bound) => {
        const [one, other] = [seededRandom(seed), seededRandom(seed)]
        for (let draw = 0; draw < 20; draw++) {
          const value = one.below(bound)
          assert.equal(value, other.below(bound))
          assert.ok(Number.isInteger(value) && value >= 0 && value < bound)
        }
      }),
    )
  })
})

describe('sleep', () => {
  test('ends when its time has come, and not before', async () => {
    const clock = fakeClock()
    let awake = false
    const sleeping = sleep(clock, 100).then(() => (awake = true))
    await clock.advanceAsync(99)
    assert.equal(awake, false)
    await clock.advanceAsync(1)
    assert.equal(await sleeping, true)
  })

  test('is ended by its signal, and leaves no timer', async () => {
    const clock = fakeClock()
    const controller = new AbortController()
    const sleeping = sleep(clock, 100, controller.signal)
    controller.abort(new RangeError('enough'))
    await assert.rejects(sleeping, RangeError)
    await assert.rejects(sleep(clock, 100, controller.signal), RangeError)
    assert.equal(clock.timerCount, 0)
  })
})
