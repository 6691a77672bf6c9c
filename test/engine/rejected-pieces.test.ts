import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import type { AfterMismatch } from '../../src/engine/session-event.ts'
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

function mismatch(session: DrawnSession, drop: readonly number[], next: AfterMismatch): Effect[] {
  return session.tell({ type: 'blob:checked', ok: false, drop, next })
}

function reasons(effects: readonly Effect[]): string[] {
  return only('fail', effects).map(({ reason }) => reason)
}

function dropped(effects: readonly Effect[]): number[] {
  return only('drop', effects).flatMap(({ pieces }) => pieces)
}

describe('a blob that does not match', () => {
  test('by the fault of the origin is given up, and nothing of it kept', () => {
    const session = assembled('oooo')
    const effects = mismatch(session, [0, 1, 2, 3], 'origin-mismatch')
    assert.deepEqual(dropped(effects), [0, 1, 2, 3])
    assert.deepEqual(reasons(effects), ['origin-mismatch'])
    assert.equal(session.drawing, '    ')
    assert.equal(session.state.fromOrigin.count, 0)
  })

  test('is told to peers: nothing is left here', () => {
    const effects = mismatch(assembled('oooo'), [0, 1, 2, 3], 'origin-mismatch')
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
    mismatch(session, [0, 3], 'origin')
    session.give('origin', 0)
    session.give('origin', 3)
    assert.deepEqual(reasons(mismatch(session, [0, 1, 2, 3], 'origin-mismatch')), ['origin-mismatch'])
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.tell({ type: 'link:copy', link: 1, holds: 'all', wants: false })
    assert.equal(session.outstanding.length, 3)
  })

  test('reads what was dropped from the origin only, if that is what is left', () => {
    const session = assembled('1o2o')
    const effects = mismatch(session, [0, 2], 'origin')
    assert.deepEqual(dropped(effects), [0, 2])
    assert.deepEqual(reasons(effects), [])
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
  })

  test('does not yield to peers what it has to read from the origin', () => {
    const session = assembled('1o2o', { weYield: true })
    mismatch(session, [0, 2], 'origin')
    assert.deepEqual(
      only('trim', session.tell({ type: 'link:fetching', link: 1, runs: [{ first: 0, count: 4 }] })),
      [],
    )
  })

  test('tells peers that its copy shrank', () => {
    const effects = mismatch(assembled('1o2o'), [0, 2], 'origin')
    assert.deepEqual(
      only('tell-copy', effects).map(({ link, wants }) => [link, wants]),
      [
        [1, true],
        [2, true],
        [3, true],
      ],
    )
  })

  test('asks peers again where there is somebody to ask', () => {
    const session = assembled('1111', { origin: false })
    session.tell({ type: 'link:have', link: 3, pieces: [0, 1, 2, 3] })
    session.tell({ type: 'link:closed', link: 1 })
    const effects = mismatch(session, [0, 1, 2, 3], 'load')
    assert.deepEqual(
      only('request', effects).map(({ link }) => link),
      [3, 3, 3],
    )
    for (const piece of [0, 1, 2, 3]) session.give(3, piece)
    assert.deepEqual(only('done', session.tell({ type: 'blob:checked', ok: true })).length, 1)
  })

  test('and that nobody else has fails for what peers sent', () => {
    const session = assembled('1111', { origin: false, peersWant: false })
    session.tell({ type: 'discovery:settled' })
    for (const link of [1, 2, 3]) session.tell({ type: 'link:closed', link })
    assert.deepEqual(reasons(mismatch(session, [0, 1, 2, 3], 'load')), ['peer-mismatch'])
    assert.deepEqual(reasons(mismatch(assembled('1122', { origin: false }), [0, 1, 2, 3], 'peer-mismatch')), ['peer-mismatch'])
  })

  test('fails at once when the origin that alone is believed is gone', () => {
    const session = assembled('1o2o')
    mismatch(session, [0, 2], 'origin')
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

const pieces = (effects: readonly Effect[]): number[] => only('request', effects).map(({ piece }) => piece)

describe('pieces that rest on a false claim', () => {
  test('are dropped, told of, and asked for again', () => {
    const session = drawnSession({ have: '*** ', peers: ['****'] })
    const effects = session.tell({ type: 'pieces:refuted', pieces: [1, 3] })
    assert.deepEqual(dropped(effects), [1])
    assert.equal(session.drawing, '* * ')
    assert.deepEqual(only('tell-copy', effects).map(({ link }) => link), [1])
    assert.deepEqual(pieces(effects), [1])
  })

  test('stay while the whole is being checked: the digest decides', () => {
    const session = assembled('1111')
    assert.deepEqual(session.tell({ type: 'pieces:refuted', pieces: [1] }), [])
    assert.equal(session.state.stored.complete, true)
  })
})

describe('pieces of a link that nobody can check any more', () => {
  test('are not waited for', () => {
    const session = drawnSession({ have: '**  ', peers: ['****'] })
    assert.deepEqual(session.outstanding.length, 2)
    const effects = session.tell({ type: 'link:lost', link: 1, pieces: [0, 3] })
    assert.deepEqual(only('cancel', effects), [{ type: 'cancel', link: 1, piece: 3 }])
    assert.equal(session.state.links.get(1)?.holds.has(3), false)
    session.tell({ type: 'link:have', link: 1, pieces: [3] })
    assert.deepEqual(session.outstanding.length, 2)
  })
})

describe('a piece in doubt', () => {
  test('is read from the origin though it is here, once, without a lease, and told to nobody', () => {
    const session = drawnSession({ have: '*** ', peers: ['    '], origin: true, settled: false })
    const effects = session.tell({ type: 'piece:doubted', piece: 1 })
    assert.deepEqual(only('fetch', effects).map(({ first, count }) => [first, count]), [[1, 1]])
    assert.deepEqual(only('tell-fetching', effects), [])
    assert.deepEqual(only('fetch', session.wait(500)), [])
    assert.deepEqual(only('fetch', session.give('origin', 1)), [])
    assert.equal(session.state.origin.doubted.size, 0)
    assert.ok(session.state.fromOrigin.has(1))
  })

  test('is read again when the origin failed', () => {
    const session = drawnSession({ have: '*** ', peers: ['    '], origin: true, settled: false })
    session.tell({ type: 'piece:doubted', piece: 1 })
    const [run = 0] = session.state.origin.runs.keys()
    session.tell({ type: 'origin:failed', run, retryable: true, retryAfterMs: undefined })
    assert.deepEqual(only('fetch', session.wait(1000)).map(({ first }) => first), [1])
  })
})

describe('peers that cost too much', () => {
  test('are not asked any more where there is an origin', () => {
    const session = drawnSession({ have: '** *', peers: ['    '], origin: true })
    session.tell({ type: 'peers:spent' })
    const effects = session.tell({ type: 'link:have', link: 1, pieces: [2] })
    assert.deepEqual(pieces(effects), [])
    assert.equal(session.state.origin.only, true)
    const alone = drawnSession({ have: '** *', peers: ['    '], origin: false })
    alone.tell({ type: 'peers:spent' })
    assert.deepEqual(pieces(alone.tell({ type: 'link:have', link: 1, pieces: [2] })), [2])
  })
})
