import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { compareDistance, estimateCount, isNearer, smallest } from '../../src/engine/place.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Few different values: equal and nearly equal places are met. */
const place = fc.oneof(bytes, fc.tuple(fc.nat(3), fc.nat(3)).map(([first, last]) => at(first, last)))

describe('distance on the ring', () => {
  test('it is the XOR of two places, read as a number', () => {
    fc.assert(
      fc.property(place, place, place, (a, b, target) => {
        const [toA, toB] = [numberOf(a) ^ numberOf(target), numberOf(b) ^ numberOf(target)]
        assert.equal(isNearer(a, b, target), toA < toB)
        assert.equal(Math.sign(compareDistance(a, b, target)), toA < toB ? -1 : toA > toB ? 1 : 0)
      }),
      fuzzRuns(1000),
    )
  })

  test('no place is nearer than itself, and none is nearer to a place than that place', () => {
    fc.assert(
      fc.property(place, place, (a, target) => {
        assert.equal(isNearer(a, a, target), false)
        assert.equal(isNearer(a, target, target), false)
      }),
      fuzzRuns(300),
    )
  })
})

describe('smallest', () => {
  test('the first ones of the sorted list come, equal ones in the order in which they were given', () => {
    const item = fc.record({ key: fc.nat(20), name: fc.nat() })
    fc.assert(
      fc.property(fc.array(item), fc.integer({ min: -1, max: 12 }), (items, count) => {
        const sorted = items.toSorted((a, b) => a.key - b.key).slice(0, Math.max(0, count))
        assert.deepEqual(smallest(items, count, (a, b) => a.key - b.key), sorted)
      }),
      fuzzRuns(500),
    )
  })

  test('three of 4096 are chosen without sorting the others', () => {
    const random = seededRandom(1)
    let compared = 0
    const items = Array.from({ length: 4096 }, () => random.next())
    smallest(items, 3, (a, b) => {
      compared++
      return a - b
    })
    assert.ok(compared < 5000, `${compared} comparisons`)
  })
})

describe('estimateCount', () => {
  test('a node that knows nobody counts itself', () => {
    assert.equal(estimateCount([], at(1, 1)), 1)
    assert.equal(estimateCount([at(1, 1)], at(1, 1)), 1)
  })

  test('it is never less than what is known, and the order of what is known does not matter', () => {
    const different = fc.uniqueArray(place, { selector: numberOf, maxLength: 40 })
    fc.assert(
      fc.property(different, bytes, (places, own) => {
        const others = places.filter((one) => numberOf(one) !== numberOf(own)).length
        const estimate = estimateCount(places, own)
        assert.ok(Number.isSafeInteger(estimate) || estimate > Number.MAX_SAFE_INTEGER)
        assert.ok(estimate >= 1 + others)
        assert.equal(estimateCount(places.toReversed(), own), estimate)
      }),
      fuzzRuns(500),
    )
  })

  test.for([100, 1000, 10_000])('of %i nodes, knowing the 40 nearest to oneself, it is right to a factor of two', (count) => {
    const ratios: number[] = []
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const own = randomPlace(random)
      const others = Array.from({ length: count - 1 }, () => randomPlace(random))
      const known = smallest(others, 40, (a, b) => compareDistance(a, b, own))
      ratios.push(estimateCount(known, own) / count)
    }
    ratios.sort((a, b) => a - b)
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
    assert.ok(mean > 0.88 && mean < 1.12, `mean ${mean}`)
    const wrong = ratios.filter((ratio) => ratio < 0.5 || ratio > 2)
    assert.ok(wrong.length <= 2, wrong.join())
  })

  test('when all others come twice as near, there are twice as many', () => {
    const random = seededRandom(7)
    const own = new Uint8Array(32)
    const others = Array.from({ length: 32 }, () => randomPlace(random))
    const estimate = (shift: bigint): number => estimateCount(others.map((one) => bytesOf(numberOf(one) >> shift)), own)
    const [once, twice] = [estimate(4n), estimate(5n)]
    assert.ok(Math.abs(twice - 2 * once) <= 2, `${once} and ${twice}`)
  })
})

function at(first: number, last: number): Uint8Array {
  const made = new Uint8Array(32)
  made[0] = first
  made[31] = last
  return made
}

function randomPlace(random: { below(bound: number): number }): Uint8Array {
  const made = new Uint8Array(32)
  for (let index = 0; index < 8; index++) made[index] = random.below(256)
  return made
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function bytesOf(number: bigint): Uint8Array {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex')
}
