import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { pickPiece } from '../../src/engine/piece-picker.ts'
import { askedOf, drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

/** What a session that asked for nothing yet would ask the first peer for. */
function firstPick(drawing: DrawnSessionOptions): number | undefined {
  const { state } = drawnSession({ wanted: false, ...drawing })
  const link = state.links.get(1)
  return link && pickPiece(state, link)
}

/** Pieces in the order in which they are asked for while each one arrives at once from the first peer. */
function order(session: DrawnSession): number[] {
  const pieces: number[] = []
  for (let next = only('request', session.effects)[0]; next; next = only('request', session.effects)[pieces.length]) {
    pieces.push(next.piece)
    session.give(next.link, next.piece)
  }
  return pieces
}

/** The same, while a reader waits for the first piece. */
function pickForReader(drawing: DrawnSessionOptions): number | undefined {
  const session = drawnSession({ wanted: false, ...drawing })
  session.tell({ type: 'readers:moved', pieces: [0] })
  const link = session.state.links.get(1)
  return link && pickPiece(session.state, link)
}

const oneAtATime = { minRequests: 1, inFlightBytes: 0 }

describe('pickPiece', () => {
  test('takes the piece fewest peers have', () => {
    assert.equal(firstPick({ peers: '2213', have: '*   ' }), 2)
    assert.equal(firstPick({ peers: '1213', have: '*   ' }), 2)
    assert.equal(firstPick({ peers: '3213', have: '* * ' }), 1)
  })

  test('takes only what the peer has', () => {
    assert.equal(firstPick({ peers: ['*  *', ' ***', '  **', ' * *'] }), 0)
    assert.equal(firstPick({ peers: ['   *', '****'] }), 3)
    assert.equal(firstPick({ peers: ['    ', '****'] }), undefined)
  })

  test('takes nothing that is here, or asked for and far from the end', () => {
    assert.equal(firstPick({ peers: '1111', have: '****' }), undefined)
    const { state, outstanding } = drawnSession({ peers: ['**          ', '**          '] })
    assert.equal(outstanding.length, 2)
    const link = state.links.get(2)
    assert.equal(link && pickPiece(state, link), undefined)
  })

  test('ties are broken at random, and alike for a seed', () => {
    const picks = (): unknown[] => Array.from({ length: 100 }, (_, seed) => firstPick({ peers: '22222222', seed }))
    assert.equal(new Set(picks()).size, 8)
    assert.deepEqual(picks(), picks())
  })

  test('without a reader the front of the blob has no precedence', () => {
    const pieces = order(drawnSession({ peers: ['*'.repeat(64)], tuning: oneAtATime }))
    assert.equal(new Set(pieces).size, 64)
    assert.ok(pieces.slice(0, 16).some((piece) => piece >= 16))
  })

  test('leaves pieces to the origin that are being read there', () => {
    const session = drawnSession({ peers: ['           '], origin: true })
    const [run] = only('fetch', session.effects)
    assert.deepEqual(run && [run.first, run.count], [0, 2])
    const effects = session.tell({ type: 'link:have', link: 1, pieces: [0, 1, 2] })
    assert.deepEqual(askedOf(1, effects), [])
  })
})

describe('the in-order window', () => {
  function withReaders(readers: readonly number[], size = 64): number[] {
    const session = drawnSession({ peers: ['*'.repeat(size)], wanted: false, tuning: oneAtATime })
    session.tell({ type: 'readers:moved', pieces: readers })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: false })
    return order(session)
  }

  test('gives a waiting reader the next piece in order with one request in four', () => {
    const inOrder = withReaders([0]).filter((_, pick) => pick % 4 === 0)
    assert.equal(inOrder[0], 0)
    // Those that the rarest-first picks took before are stepped over.
    assert.deepEqual(inOrder, [...inOrder].sort((a, b) => a - b))
  })

  test('leaves three requests in four to rarity', () => {
    const pieces = withReaders([0], 400)
    const ahead = pieces.slice(0, 40).filter((piece) => piece < 20)
    assert.ok(ahead.length >= 10, 'a quarter goes to the reader')
    assert.ok(ahead.length <= 16, `${ahead.length} of 40 requests went to the front of the blob`)
  })

  test('takes no larger share for more readers', () => {
    const pieces = withReaders([0, 100, 200, 300], 400)
    const near = pieces.slice(0, 40).filter((piece) => piece % 100 < 10)
    assert.ok(near.length <= 18, `${near.length} of 40 requests went to readers`)
  })

  test('begins where the reader is', () => {
    assert.equal(withReaders([40])[0], 40)
  })

  test('looks eight pieces ahead and no further', () => {
    const picks = (peer: string): Set<unknown> =>
      new Set(Array.from({ length: 30 }, (_, seed) => pickForReader({ peers: [peer], seed })))
    assert.deepEqual([...picks('       *********')], [7])
    assert.ok(picks('        ********').size > 1, 'beyond it, the choice is random')
  })

  test('takes a piece that nobody waits for when the window is empty', () => {
    assert.equal(pickForReader({ peers: ['                *'] }), 16)
  })
})

describe('the endgame', () => {
  test('asks an idle peer for what another one was asked for', () => {
    const { outstanding } = drawnSession({ peers: ['*', '*'] })
    assert.deepEqual(outstanding, ['1:0', '2:0'])
  })

  test('makes no more than two copies', () => {
    const { outstanding } = drawnSession({ peers: ['*', '*', '*', '*'] })
    assert.deepEqual(outstanding, ['1:0', '2:0'])
  })

  test('begins with the last eight pieces', () => {
    const nine = drawnSession({ peers: ['*********', '*********'], tuning: { minRequests: 100 } })
    assert.equal(new Set(nine.outstanding.map((request) => request.split(':')[1])).size, nine.outstanding.length)
    const eight = drawnSession({ peers: ['********', '        '], tuning: { minRequests: 100 } })
    const asked = askedOf(1, eight.effects)
    assert.equal(asked.length, 3)
    const more = eight.tell({ type: 'link:have', link: 2, pieces: asked })
    assert.deepEqual(askedOf(2, more), asked, 'the oldest first')
  })

  test('cancels the other copy when one arrives', () => {
    const session = drawnSession({ peers: ['*', '*'] })
    assert.deepEqual(only('cancel', session.give(2, 0)), [{ type: 'cancel', link: 1, piece: 0 }])
    assert.deepEqual(session.outstanding, [])
  })

  test('does not cancel the copy that arrived', () => {
    const session = drawnSession({ peers: ['* ', '* '] })
    assert.deepEqual(only('cancel', session.give(1, 0)), [{ type: 'cancel', link: 2, piece: 0 }])
  })

  test('a piece whose both copies fail is asked for again', () => {
    const session = drawnSession({ peers: ['*', '*', ' '] })
    session.end(1, 0, { kind: 'failed' })
    session.end(2, 0, { kind: 'failed' })
    const effects = session.tell({ type: 'link:have', link: 3, pieces: [0] })
    assert.deepEqual(askedOf(3, effects), [0])
  })

  test('asks no slower peer than the one that was asked', () => {
    const outstanding = (firstMs: number, secondMs: number): string[] => {
      const session = drawnSession({ peers: ['*', '*'], wanted: false })
      session.state.links.get(1)?.score.delivered(firstMs)
      session.state.links.get(2)?.score.delivered(secondMs)
      session.tell({ type: 'demand:changed', wanted: true, originUsable: false })
      session.wait(100)
      return session.outstanding
    }
    assert.deepEqual(outstanding(100, 5000), ['1:0'])
    assert.deepEqual(outstanding(5000, 100), ['1:0', '2:0'])
  })
})
