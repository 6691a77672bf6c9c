import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import { drawnSession, only, type DrawnSession } from '../support/drawn-session.ts'

const runs = [{ first: 0, count: 4 }]

/** Grants pieces that are to come from a peer in another region to which there is no link. */
function grantUnreachable(session: DrawnSession): Effect[] {
  return session.tell({
    type: 'lease:answered',
    number: 7,
    validMs: 3000,
    retryAfterMs: 250,
    runs: [],
    imports: [{ link: 99, runs }],
  })
}

describe('pieces that are to be brought in over a link that is not there', () => {
  test('are not asked for again in a loop: the tracker would answer the same at once', () => {
    const session = drawnSession({ origin: true, tracker: false, peers: ['    '] })
    assert.equal(only('ask-lease', session.effects).length, 1)
    const asks: number[] = []
    let unanswered = grantUnreachable(session)
    for (const end = session.now + 1000; session.now < end && asks.length < 1000; ) {
      for (const _ of only('ask-lease', unanswered)) asks.push(session.now)
      unanswered = only('ask-lease', unanswered).length > 0 ? grantUnreachable(session) : session.wait(25)
    }
    assert.ok(asks.length > 0 && asks.length <= 40, `${asks.length} asks in a second`)
  })
})

describe('pieces that the tracker grants from the origin, and a peer in another region has', () => {
  const granted = { type: 'lease:answered', number: 7, validMs: 3000, retryAfterMs: 250, runs, imports: [] } as const

  test('are brought in from there: a tracker that took over does not know what other regions have', () => {
    const session = drawnSession({ origin: true, tracker: false, peers: ['** '], distances: [3] })
    const effects = session.tell(granted)
    assert.deepEqual(only('request', effects).map(({ link, piece }) => [link, piece]), [[1, 0], [1, 1]])
    assert.deepEqual(only('fetch', effects).map(({ first, count }) => [first, count]), [[2, 1]])
  })

  test('are read on where they are being read', () => {
    const session = drawnSession({ origin: true, tracker: false, peers: ['    '], distances: [3] })
    session.tell({ ...granted, runs: [{ first: 0, count: 4 }] })
    session.tell({ type: 'link:have', link: 1, pieces: [0, 1, 2, 3] })
    assert.deepEqual(only('trim', session.tell(granted)), [])
    assert.deepEqual(only('request', session.effects), [])
  })

  test('are read from the origin when that peer gives nothing', () => {
    const session = drawnSession({ origin: true, tracker: false, peers: ['**  '], distances: [3] })
    session.tell(granted)
    for (const piece of [0, 1]) session.tell({ type: 'request:ended', link: 1, piece, outcome: { kind: 'failed' } })
    assert.deepEqual(only('fetch', session.tell(granted)).map(({ first }) => first), [0])
  })
})

describe('pieces that are to be brought in', () => {
  test('are not asked for while they are being read from the origin: what has begun is not thrown away', () => {
    const session = drawnSession({ origin: true, tracker: false, peers: ['    '], distances: [3] })
    session.wait(1100)
    session.tell({ type: 'lease:answered', number: 7, validMs: 3000, retryAfterMs: 250, runs, imports: [] })
    session.tell({ type: 'link:have', link: 1, pieces: [0, 1, 2, 3] })
    const imports = [{ link: 1, runs }]
    session.tell({ type: 'lease:answered', number: 7, validMs: 3000, retryAfterMs: 250, runs: [], imports })
    const read = [...session.state.origin.runs.values()].flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))
    assert.ok(read.length > 0)
    const asked = session.state.requests.all().map(({ piece }) => piece)
    assert.deepEqual([...read, ...asked].toSorted((x, y) => x - y), [0, 1, 2, 3])
  })
})

describe('a node that gets nothing in its own region', () => {
  const far = { origin: false, peers: ['************************'], distances: [3] } as const

  /** Answers every request as it comes, 10 ms later. */
  function serve(session: DrawnSession, ms: number): number {
    let served = 0
    for (const end = session.now + ms; session.now < end; ) {
      session.wait(10)
      for (const { link, piece } of session.state.requests.all()) {
        session.tell({ type: 'request:sent', link, piece })
        session.give(link, piece)
        served++
      }
    }
    return served
  }

  test('takes from another after five seconds all that it lacks, not a few pieces at a time', () => {
    const session = drawnSession(far)
    assert.equal(serve(session, 4900), 0)
    assert.equal(serve(session, 1000), 24)
  })

  test('begins where it would begin to read: its neighbours begin elsewhere', () => {
    const session = drawnSession({ ...far, startFraction: 0.5 })
    session.wait(5100)
    assert.equal(session.outstanding[0], '1:12')
  })
})
