import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { Availability } from '../../src/engine/availability.ts'
import { swarmPicture } from '../../src/testing/swarm-picture.ts'

const anything = (): boolean => true

/** Missing pieces of a drawing are to be asked for. */
function availability(drawing: { have?: string; peers: string }): Availability {
  const { pieceCount, have, peers } = swarmPicture(drawing)
  const result = new Availability(pieceCount)
  for (let piece = 0; piece < pieceCount; piece++) if (!have.includes(piece)) result.open(piece)
  for (const { has } of peers) for (const piece of has) result.change(piece, 1)
  return result
}

describe('Availability', () => {
  test('the rarest open piece is the one that fewest peers have', () => {
    assert.equal(availability({ peers: '2213', have: '*   ' }).rarest(seededRandom(1), anything), 2)
    assert.equal(availability({ peers: '2213', have: '* * ' }).rarest(seededRandom(1), anything), 1)
  })

  test('what nobody has cannot be asked for', () => {
    const nobody = availability({ peers: '0020', have: '    ' })
    assert.equal(nobody.rarest(seededRandom(1), anything), 2)
    assert.equal(nobody.unheldCount, 3)
    assert.equal(availability({ peers: '0000' }).rarest(seededRandom(1), anything), undefined)
  })

  test('a piece that the peer at hand cannot give is passed over, not waited for', () => {
    assert.equal(availability({ peers: '3123' }).rarest(seededRandom(1), (piece) => piece !== 1), 2)
  })

  test('ties are broken at random, and alike for a seed', () => {
    const equal = availability({ peers: '22222222' })
    const choices = Array.from({ length: 200 }, (_, seed) => equal.rarest(seededRandom(seed), anything))
    assert.equal(new Set(choices).size, 8, 'each piece is chosen by some seed')
    assert.deepEqual(choices, Array.from({ length: 200 }, (_, seed) => equal.rarest(seededRandom(seed), anything)))
  })

  test('agrees with counting by hand, whatever happens', () => {
    const pieceCount = 12
    const change = fc.tuple(fc.constantFrom('open', 'close', 'more', 'fewer'), fc.nat(pieceCount - 1))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), fc.nat(), fc.nat(2 ** pieceCount - 1), (changes, seed, mask) => {
        const subject = new Availability(pieceCount)
        const open = new Set<number>()
        const counts = Array.from({ length: pieceCount }, () => 0)
        for (const [what, piece] of changes) {
          const count = counts[piece] ?? 0
          if (what === 'open') {
            subject.open(piece)
            open.add(piece)
          } else if (what === 'close') {
            subject.close(piece)
            open.delete(piece)
          } else if (what === 'more') {
            subject.change(piece, 1)
            counts[piece] = count + 1
          } else {
            subject.change(piece, -1)
            counts[piece] = Math.max(0, count - 1)
          }
        }
        assert.equal(subject.openCount, open.size)
        assert.equal(subject.unheldCount, [...open].filter((piece) => counts[piece] === 0).length)
        for (const [piece, count] of counts.entries()) {
          assert.equal(subject.count(piece), count)
          assert.equal(subject.isOpen(piece), open.has(piece))
        }
        const usable = (piece: number): boolean => (mask & (1 << piece)) !== 0
        const candidates = [...open].filter((piece) => usable(piece) && (counts[piece] ?? 0) > 0)
        const chosen = subject.rarest(seededRandom(seed), usable)
        if (chosen === undefined) assert.deepEqual(candidates, [])
        else {
          assert.ok(candidates.includes(chosen))
          assert.equal(counts[chosen], Math.min(...candidates.map((piece) => counts[piece] ?? 0)))
        }
      }),
      { numRuns: 500, seed: 1 },
    )
  })
})
