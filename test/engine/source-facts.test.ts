import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

/**
 * A session whose last pieces arrive: one character per piece, a link's number or `o` for the origin, a dot for
 * what is here already.
 */
function assembled(givers: string, options: DrawnSessionOptions = {}): DrawnSession {
  const session = drawnSession({
    have: givers.replaceAll(/[^.]/g, ' ').replaceAll('.', '*'),
    peers: Array.from({ length: 3 }, () => ' '.repeat(givers.length)),
    origin: true,
    settled: false,
    ...options,
  })
  for (const [piece, giver] of Array.from(givers).entries()) {
    if (giver !== '.') session.give(giver === 'o' ? 'origin' : Number(giver), piece)
  }
  assert.equal(session.state.phase, 'checking')
  return session
}

function mismatch(session: DrawnSession): Effect[] {
  return session.tell({ type: 'blob:checked', ok: false })
}

function reasons(effects: readonly Effect[]): string[] {
  return only('fail', effects).map(({ reason }) => reason)
}

function dropped(effects: readonly Effect[]): number[] {
  return only('drop', effects).flatMap(({ pieces }) => pieces)
}

describe('a blob that does not match', () => {
  test('and came from the origin alone is the origin\'s fault: nothing of it is kept', () => {
    const session = assembled('oooo')
    const effects = mismatch(session)
    assert.deepEqual(dropped(effects), [0, 1, 2, 3])
    assert.deepEqual(reasons(effects), ['origin-mismatch'])
    assert.deepEqual(only('distrust', effects), [])
    assert.equal(session.drawing, '    ')
    assert.equal(session.state.fromOrigin.count, 0)
  })

  test('peers learn that nothing is left here', () => {
    const effects = mismatch(assembled('oooo'))
    assert.deepEqual(
      only('tell-copy', effects).map(({ link, wants }) => [link, wants]),
      [
        [1, false],
        [2, false],
        [3, false],
      ],
    )
  })

  test('is read anew, from whomever, when it is wanted again: perhaps the peers were right', () => {
    const session = assembled('1oo2')
    mismatch(session)
    session.give('origin', 0)
    session.give('origin', 3)
    assert.deepEqual(reasons(mismatch(session)), ['origin-mismatch'])
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.tell({ type: 'link:copy', link: 1, holds: 'all', wants: false })
    assert.equal(session.outstanding.length, 3)
  })

  test('and came from several: what is not the origin\'s is dropped and read from the origin only', () => {
    const session = assembled('1o2o')
    const effects = mismatch(session)
    assert.deepEqual(dropped(effects), [0, 2])
    assert.deepEqual(reasons(effects), [])
    assert.deepEqual(only('distrust', effects), [], 'nobody knows yet who lied')
    assert.deepEqual(
      only('fetch', effects).map(({ first, count }) => [first, count]),
      [
        [0, 1],
        [2, 1],
      ],
    )
    assert.equal(session.drawing, ' * *')
    const later = [
      ...session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] }),
      ...session.tell({ type: 'link:fetching', link: 3, runs: [{ first: 0, count: 4 }] }),
      ...session.wait(20_000),
    ]
    assert.deepEqual(only('request', later), [])
    session.give('origin', 0)
    assert.equal(only('check', session.give('origin', 2)).length, 1)
    assert.deepEqual(reasons(mismatch(session)), ['origin-mismatch'])
  })

  test('does not yield to peers what it has to read from the origin', () => {
    const session = assembled('1o2o', { weYield: true })
    mismatch(session)
    assert.deepEqual(
      only('trim', session.tell({ type: 'link:fetching', link: 1, runs: [{ first: 0, count: 4 }] })),
      [],
    )
  })

  test('tells peers that its copy shrank', () => {
    const effects = mismatch(assembled('1o2o'))
    assert.deepEqual(
      only('tell-copy', effects).map(({ link, wants }) => [link, wants]),
      [
        [1, true],
        [2, true],
        [3, true],
      ],
    )
  })

  test('and came from one peer is that peer\'s fault', () => {
    for (const givers of ['2222', '2oo2']) {
      const session = assembled(givers)
      const effects = mismatch(session)
      assert.deepEqual(only('distrust', effects), [{ type: 'distrust', link: 2 }])
      assert.deepEqual(reasons(effects), [])
      assert.ok(only('fetch', effects).length > 0)
    }
  })

  test('without an origin, goes to another peer when one is to blame', () => {
    const session = assembled('1111', { origin: false })
    session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] })
    const effects = mismatch(session)
    assert.deepEqual(only('distrust', effects), [{ type: 'distrust', link: 1 }])
    assert.deepEqual(
      only('request', effects).map(({ link }) => link),
      [3, 3, 3],
    )
    for (const piece of [0, 1, 2, 3]) session.give(3, piece)
    assert.deepEqual(only('done', session.tell({ type: 'blob:checked', ok: true })).length, 1)
  })

  test('without an origin or another peer, fails', () => {
    const session = assembled('1111', { origin: false, peersWant: false })
    session.tell({ type: 'discovery:settled' })
    assert.deepEqual(reasons(mismatch(session)), ['peer-mismatch'])
  })

  test('without an origin, fails when several may be to blame', () => {
    const session = assembled('1122', { origin: false })
    session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] })
    const effects = mismatch(session)
    assert.deepEqual(reasons(effects), ['peer-mismatch'])
    assert.deepEqual(only('distrust', effects), [])
    assert.deepEqual(dropped(effects), [0, 1, 2, 3])
  })

  test('and was here from before is nobody\'s fault: it is loaded anew, once', () => {
    const session = assembled('..11', { origin: false })
    session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] })
    const effects = mismatch(session)
    assert.deepEqual(only('distrust', effects), [])
    assert.deepEqual(dropped(effects), [0, 1, 2, 3])
    assert.equal(only('request', effects).length, 3)
  })

  test('and whose giver has left is loaded anew, once', () => {
    const session = assembled('1111', { origin: false })
    session.tell({ type: 'link:closed', link: 1 })
    session.open(8, 'all')
    assert.deepEqual(reasons(mismatch(session)), [])
    for (const piece of [0, 1, 2, 3]) session.give(8, piece)
    session.tell({ type: 'link:closed', link: 8 })
    assert.deepEqual(reasons(mismatch(session)), ['peer-mismatch'])
  })

  test('fails at once when the origin that alone is believed is gone', () => {
    const session = assembled('1o2o')
    mismatch(session)
    session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] })
    const [run = 0] = session.state.origin.runs.keys()
    session.tell({ type: 'origin:failed', run, retryable: false, retryAfterMs: undefined })
    const [rest] = session.state.origin.runs.keys()
    assert.ok(rest)
    assert.deepEqual(
      reasons(session.tell({ type: 'origin:failed', run: rest, retryable: false, retryAfterMs: undefined })),
      ['peer-mismatch'],
    )
  })
})
