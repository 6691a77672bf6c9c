import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { DrawnTrust } from '../support/drawn-trust.ts'

function drawn(pieceCount = 8): DrawnTrust {
  return new DrawnTrust(pieceCount)
}

describe('a piece of a peer', () => {
  test('is asked for by the claim that the peer told, and is proven only if that is trusted', () => {
    const blob = drawn()
    assert.equal(blob.give(1, 0, '.'), 'not asked')
    blob.tell(1, blob.claim('stranger', '........'))
    blob.tell(2, blob.claim('friend', '....', { tier: 'trusted' }))
    assert.deepEqual([blob.give(1, 5, '.'), blob.give(2, 1, '.'), blob.give(2, 5, '.')], ['stored', 'stored', 'not asked'])
    assert.deepEqual([blob.trust.isProven(5), blob.trust.isProven(1), blob.trust.isProven(0)], [false, true, false])
    blob.read(0)
    assert.equal(blob.trust.isProven(0), true)
  })

  test('with other bytes than offered convicts who sent it, not who signed', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('signer', '........'))
    assert.equal(blob.give(1, 0, 'x'), 'corrupt')
    assert.deepEqual([...blob.convicted], ['peer 1'])
    assert.equal(blob.wastedBytes, blob.pieceBytes)
  })

  test('that the peer had offered by another claim as well convicts nobody', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('a', '.'))
    blob.tell(1, blob.claim('b', 'x'))
    assert.equal(blob.give(1, 0, 'x'), 'corrupt')
    assert.deepEqual([...blob.convicted], [])
  })

  test('becomes proven when somebody trusted says the same', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('stranger', '..'))
    blob.give(1, 0, '.')
    const effects = blob.tell(2, blob.claim('friend', '.x', { tier: 'trusted' }))
    assert.deepEqual(effects.filter(({ type }) => type === 'claimed'), [{ type: 'claimed', pieces: [0] }])
    assert.deepEqual([blob.trust.isProven(0), blob.trust.basisOf(0)?.issuer], [true, 'friend'])
  })

  test('that was here from before can be offered when a claim fits it', () => {
    const blob = drawn()
    blob.store(2, '.', false)
    assert.equal(blob.trust.basisOf(2), undefined)
    blob.tell(1, blob.claim('stranger', '...'))
    assert.equal(blob.trust.basisOf(2)?.issuer, 'stranger')
  })

  test('keeps its claim when the link that told it ends', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('a', '....'))
    blob.give(1, 0, '.')
    blob.trust.close(1)
    assert.equal(blob.trust.basisOf(0)?.issuer, 'a')
    assert.equal(blob.give(1, 1, '.'), 'not asked')
  })
})

describe('claims that contradict each other', () => {
  test('are settled by what the origin says twice: the liar falls, and what rests on its word', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('liar', '...x.x..'))
    assert.equal(blob.give(1, 5, 'x'), 'stored')
    blob.tell(2, blob.claim('honest', '........'))
    assert.deepEqual(blob.doubted, [3])
    assert.equal(blob.give(2, 3, '.'), 'not asked', 'the first is followed until then')
    blob.settle()
    assert.deepEqual([...blob.convicted], ['liar'])
    assert.equal(blob.stored.has(5), false)
    assert.equal(blob.wastedBytes, blob.pieceBytes)
    assert.deepEqual([blob.give(2, 5, '.'), blob.give(1, 0, '.')], ['stored', 'not asked'])
  })

  test('keep pieces that somebody else vouches for too', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('liar', '...x....'))
    blob.give(1, 0, '.')
    blob.tell(2, blob.claim('honest', '........'))
    blob.settle()
    assert.equal(blob.trust.basisOf(0)?.issuer, 'honest')
    assert.equal(blob.wastedBytes, 0)
  })

  test('are not settled where one is trusted and the other came later, of a stranger', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('friend', '........', { tier: 'trusted' }))
    blob.tell(2, blob.claim('liar', 'xxxxxxxx'))
    assert.deepEqual(blob.doubted, [])
    assert.equal(blob.give(2, 0, 'x'), 'not asked')
    assert.equal(blob.give(1, 0, '.'), 'stored')
  })

  test('are settled three times, then the origin gives the rest', () => {
    const blob = drawn(16)
    blob.tell(1, blob.claim('honest', '................'))
    for (const liar of ['a', 'b', 'c']) {
      blob.tell(2, blob.claim(liar, 'x'))
      blob.settle()
    }
    assert.deepEqual([...blob.convicted], ['a', 'b', 'c'])
    assert.equal(blob.originOnly, true)
  })

  test('put three pieces in doubt at most, however many they are, and whatever the origin gives later', () => {
    const blob = drawn(16)
    blob.tell(1, blob.claim('honest', '................'))
    for (let first = 0; first < 16; first++) blob.tell(2, blob.claim(`liar ${first}`, 'x', { first }))
    assert.deepEqual(blob.doubted, [0, 1, 2])
    assert.equal(blob.originOnly, true)
    blob.settle()
    assert.deepEqual([...blob.convicted], ['liar 0', 'liar 1', 'liar 2'])
    for (let piece = 3; piece < 16; piece++) blob.read(piece)
    blob.tell(3, blob.claim('another', 'x'))
    assert.deepEqual(blob.doubted, [])
    blob.complete()
    assert.equal(blob.convicted.size, 17)
  })

  test('of an origin that failed once convict nobody', () => {
    const blob = drawn()
    blob.tell(1, blob.claim('honest', '........'))
    blob.read(3, 'o')
    assert.deepEqual(blob.doubted, [3])
    blob.settle()
    assert.deepEqual([[...blob.convicted], blob.bytes[3]], [[], '.'])
  })

  test('with what the origin gave before are settled, too', () => {
    const blob = drawn()
    blob.read(3)
    blob.tell(1, blob.claim('liar', '...x'))
    assert.deepEqual(blob.doubted, [3])
    blob.settle()
    blob.settle()
    assert.deepEqual([...blob.convicted], ['liar'])
  })
})

describe('a whole that does not match', () => {
  function whole(claims: readonly [issuer: string, text: string, first: number][], tier: 'stranger' | 'trusted' = 'stranger'): DrawnTrust {
    const blob = drawn(4)
    for (const [index, [issuer, text, first]] of claims.entries()) {
      blob.tell(index, blob.claim(issuer, text, { first, tier }))
      for (const [offset, letter] of Array.from(text).entries()) blob.give(index, first + offset, letter)
    }
    return blob
  }

  test('and rests on one issuer is its fault, not that of who gave it', () => {
    const blob = whole([['liar', '..x.', 0]])
    const { next, drop } = blob.mismatch()
    assert.deepEqual([[...blob.convicted], next, drop], [['liar'], 'origin', [0, 1, 2, 3]])
    assert.equal(blob.wastedBytes, 4 * blob.pieceBytes)
  })

  test('and rests on one issuer is loaded from others where there is no origin', () => {
    const blob = whole([['liar', '..x.', 0]])
    assert.equal(blob.mismatch(false).next, 'load')
    blob.tell(5, blob.claim('liar', '....'))
    assert.equal(blob.give(5, 0, '.'), 'not asked')
  })

  test('and rests on several convicts nobody until the origin was read', () => {
    const blob = whole([['honest', '..', 0], ['liar', 'x.', 2]])
    const { next } = blob.mismatch()
    assert.deepEqual([[...blob.convicted], next], [[], 'origin'])
    for (const piece of [0, 1, 2, 3]) blob.read(piece)
    blob.settle()
    assert.deepEqual([...blob.convicted], ['liar'])
  })

  test('and has pieces of the origin too is not one issuer\'s fault yet: the origin may have failed', () => {
    const blob = whole([['honest', '...', 0]])
    blob.read(3, 'o')
    assert.deepEqual([blob.mismatch().next, [...blob.convicted]], ['origin', []])
    for (const piece of [0, 1, 2]) blob.read(piece)
    assert.equal(blob.mismatch().next, 'load')
    assert.deepEqual([...blob.convicted], [])
  })

  test('is read again from the lowest tier up', () => {
    const blob = drawn(4)
    blob.tell(1, blob.claim('friend', '..', { tier: 'trusted' }))
    blob.tell(2, blob.claim('stranger', 'x.', { first: 2 }))
    for (const [link, piece, letter] of [[1, 0, '.'], [1, 1, '.'], [2, 2, 'x'], [2, 3, '.']] as const) blob.give(link, piece, letter)
    assert.deepEqual(blob.mismatch().drop, [2, 3])
    for (const piece of [2, 3]) blob.read(piece)
    blob.settle()
    assert.deepEqual(blob.mismatch().drop, [0, 1], 'then what is trusted')
  })

  test('because our own bytes changed is nobody\'s fault', () => {
    const blob = whole([['honest', '....', 0]])
    const { drop, next } = blob.mismatch(true, [2])
    assert.deepEqual([drop, next, [...blob.convicted], blob.wastedBytes], [[2], 'load', [], 0])
  })

  test('and is all the origin\'s reverses what was concluded from its bytes', () => {
    const blob = drawn(4)
    blob.tell(1, blob.claim('honest', '....'))
    for (const piece of [0, 1, 2, 3]) blob.read(piece, 'o')
    blob.settle(() => 'o')
    assert.deepEqual([...blob.convicted], ['honest'])
    assert.equal(blob.mismatch().next, 'load')
    assert.deepEqual([...blob.convicted], [])
    blob.tell(1, blob.claim('honest', '....'))
    assert.equal(blob.give(1, 0, '.'), 'stored', 'it is heard again')
  })

  test('and is all the origin\'s is loaded once more, and then given up', () => {
    const blob = drawn(4)
    for (const next of ['load', 'origin-mismatch', 'load']) {
      for (const piece of [0, 1, 2, 3]) blob.read(piece, 'o')
      const answer = blob.mismatch()
      assert.deepEqual([answer.drop, answer.next], [[0, 1, 2, 3], next])
    }
  })

  test('and whose pieces are from before a restart is loaded anew', () => {
    const blob = drawn(4)
    for (const piece of [0, 1, 2, 3]) blob.store(piece, 'x', false)
    const { next } = blob.mismatch(false)
    assert.deepEqual([next, [...blob.convicted]], ['load', []])
  })
})

describe('a whole that matches', () => {
  test('convicts whose claims it contradicts, and acquits whom the origin\'s failures had convicted', () => {
    const blob = drawn(4)
    blob.tell(1, blob.claim('honest', '....'))
    blob.read(2, 'o')
    blob.settle(() => 'o')
    assert.deepEqual([...blob.convicted], ['honest'])
    blob.tell(2, blob.claim('liar', '...x'))
    for (const piece of [0, 1, 2, 3]) blob.store(piece, '.', true)
    blob.complete()
    assert.deepEqual([...blob.convicted], ['liar'])
  })
})

describe('the budget', () => {
  test('is four pieces, or a tenth; past it, the origin gives the rest', () => {
    const blob = drawn(100)
    assert.equal(blob.trust.budget.maxBytes, 10 * blob.pieceBytes)
    assert.equal(drawn(8).trust.budget.maxBytes, 4 * blob.pieceBytes)
    for (let link = 0; link < 10; link++) {
      assert.equal(blob.originOnly, false)
      blob.tell(link, blob.claim('a', '.'.repeat(100)))
      blob.give(link, link, 'x')
    }
    assert.equal(blob.originOnly, true)
  })
})
