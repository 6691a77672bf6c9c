import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { drawPieces, swarmPicture } from '../../src/testing/swarm-picture.ts'

describe('swarmPicture', () => {
  test('counts become peers, the first with the most pieces', () => {
    const { pieceCount, have, peers } = swarmPicture({ peers: '2013', have: '*   ' })
    assert.equal(pieceCount, 4)
    assert.deepEqual(have, [0])
    assert.deepEqual(peers.map(({ has }) => drawPieces(has, 4)), ['* **', '*  *', '   *'])
  })

  test('a row per peer says what it has and what it fetches', () => {
    const { peers } = swarmPicture({ peers: ['** ff.f', '.......'] })
    assert.deepEqual(peers[0], {
      has: [0, 1],
      fetching: [
        { first: 3, count: 2 },
        { first: 6, count: 1 },
      ],
    })
    assert.deepEqual(peers[1], { has: [], fetching: [] })
  })

  test('pieces from the origin are here', () => {
    const { have, fromOrigin } = swarmPicture({ have: '*o.o' })
    assert.deepEqual(have, [0, 1, 3])
    assert.deepEqual(fromOrigin, [1, 3])
  })

  test('an empty blob has no piece', () => {
    assert.deepEqual(swarmPicture({ have: '', peers: [''] }), {
      pieceCount: 0,
      have: [],
      fromOrigin: [],
      peers: [{ has: [], fetching: [] }],
    })
  })

  for (const [why, drawing] of [
    ['rows of unequal length', { have: '** ', peers: ['** ', '**'] }],
    ['counts of another length', { have: '** ', peers: '12' }],
    ['an unknown mark of ours', { have: '*x ' }],
    ['an unknown mark of a peer', { peers: ['*o '] }],
    ['counts that are no digits', { peers: '1*2' }],
  ] as const) {
    test(`${why} are refused`, () => {
      assert.throws(() => swarmPicture(drawing), { code: 'ERR_REQUEST_OPTION' })
    })
  }
})
