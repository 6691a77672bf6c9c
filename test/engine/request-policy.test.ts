import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { askedOf, drawnSession, only, type DrawnSession } from '../support/drawn-session.ts'

const kib = 1024
const mib = 1024 * kib

function peersThatHaveAll(count: number, pieces = 64): string[] {
  return Array.from({ length: count }, () => '*'.repeat(pieces))
}

function requestsByLink({ state }: DrawnSession): number[] {
  return [...state.links.keys()].map((link) => state.requests.countOf(link))
}

describe('the request window', () => {
  const tuning = { minRequests: 100 }

  test('is four requests to the only link there is, three a link with two: one is left for what a peer offers us alone', () => {
    assert.deepEqual(requestsByLink(drawnSession({ peers: peersThatHaveAll(1), tuning })), [4])
    assert.deepEqual(requestsByLink(drawnSession({ peers: peersThatHaveAll(2), tuning })), [3, 3])
    const [first, second] = requestsByLink(drawnSession({ peers: peersThatHaveAll(2), tuning: { minRequests: 5 } }))
    assert.deepEqual([first, second], [3, 2])
  })

  test('is two requests a link with three to five links', () => {
    assert.deepEqual(requestsByLink(drawnSession({ peers: peersThatHaveAll(3), tuning })), [2, 2, 2])
    assert.deepEqual(requestsByLink(drawnSession({ peers: peersThatHaveAll(5), tuning })), [2, 2, 2, 2, 2])
  })

  test('is one request a link with six links and more', () => {
    assert.deepEqual(requestsByLink(drawnSession({ peers: peersThatHaveAll(6), tuning })), [1, 1, 1, 1, 1, 1])
  })

  test('counts only links that have something for us', () => {
    const nothingNew = Array.from({ length: 9 }, () => '*' + ' '.repeat(63))
    const session = drawnSession({ have: '*' + ' '.repeat(63), peers: ['*'.repeat(64), ...nothingNew], tuning })
    assert.deepEqual(requestsByLink(session), [3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  test('is twelve requests in all before anything is known of the rate', () => {
    const session = drawnSession({ peers: peersThatHaveAll(15) })
    assert.equal(session.outstanding.length, 12)
  })

  test('grows to 100 ms of the download rate', () => {
    const session = drawnSession({ peers: peersThatHaveAll(15) })
    // 34 MiB in a second are 13.6 pieces of 256 KiB in 100 ms.
    session.tell({ type: 'request:moved', link: 1, piece: askedOf(1, session.effects)[0] ?? 0, bytes: 34 * mib })
    session.wait(1000)
    assert.equal(session.outstanding.length, 14)
  })

  test('counts what comes from the origin too', () => {
    const session = drawnSession({ peers: peersThatHaveAll(15, 128), origin: true })
    for (let piece = 127; piece >= 8; piece--) {
      if (session.state.requests.of(piece).length === 0) session.give('origin', piece)
    }
    session.wait(1000)
    assert.ok(session.state.rate > (100 * 256 * kib) / 1000)
  })

  test('is bounded by memory, and never below two', () => {
    const inFlightBytes = 3 * 256 * kib
    assert.equal(drawnSession({ peers: peersThatHaveAll(12), tuning: { inFlightBytes } }).outstanding.length, 3)
    assert.equal(drawnSession({ peers: peersThatHaveAll(12), tuning: { inFlightBytes: 1 } }).outstanding.length, 2)
  })

  test('fills the nearest links first, and all of them evenly', () => {
    const session = drawnSession({ peers: peersThatHaveAll(4), distances: [2, 0, 1, 0], tuning: { minRequests: 6 } })
    assert.deepEqual(only('request', session.effects).map(({ link }) => link), [2, 4, 3, 1, 2, 4])
  })

  test('refills as pieces arrive', () => {
    const session = drawnSession({ peers: peersThatHaveAll(1) })
    const [piece = 0] = askedOf(1, session.effects)
    assert.equal(askedOf(1, session.give(1, piece)).length, 1)
    assert.equal(session.outstanding.length, 4)
  })
})

describe('a deadline', () => {
  /** A piece that two peers have, asked of the first; and the last of a blob, so that it does not end soon. */
  function oneRequest(options: { pieceBytes?: number; elsewhere: boolean }): DrawnSession {
    const elsewhere = options.elsewhere ? '*' : ' '
    const session = drawnSession({ peers: ['*           ', `${elsewhere}           `], ...options })
    assert.deepEqual(session.outstanding, ['1:0'])
    return session
  }

  function cancelledAfter(session: DrawnSession, limitMs: number): number | undefined {
    while (session.now < limitMs) {
      if (only('cancel', session.wait(50)).length > 0) return session.now
    }
    return undefined
  }

  /** Bytes come ten times a second: the peer is slow, not silent. */
  function trickle(session: DrawnSession, limitMs: number, bytes = 7000): number | undefined {
    while (session.now < limitMs) {
      session.tell({ type: 'request:moved', link: 1, piece: 0, bytes })
      if (only('cancel', session.wait(100)).length > 0) return session.now
    }
    return undefined
  }

  for (const [name, pieceBytes, dueMs] of [
    ['256 KiB', 256 * kib, 2500],
    ['1 MiB', mib, 4000],
    ['4 MiB', 4 * mib, 10_000],
  ] as const) {
    test(`is 2 s and 2 s a MiB for the first piece of a peer: ${name}`, () => {
      const atMs = trickle(oneRequest({ pieceBytes, elsewhere: true }), 30_000)
      assert.ok(atMs && atMs > dueMs && atMs <= dueMs + 200, `cancelled at ${atMs} ms`)
    })
  }

  test('sends the piece elsewhere at once', () => {
    const session = oneRequest({ elsewhere: true })
    trickle(session, 30_000)
    assert.deepEqual(session.outstanding, ['2:0'])
  })

  test('is four times the mean of a peer that is known', () => {
    const session = drawnSession({ peers: ['**          ', '            '], tuning: { minRequests: 1 } })
    const [first = 0] = askedOf(1, session.effects)
    session.wait(500)
    const [second = 0] = askedOf(1, session.give(1, first))
    session.tell({ type: 'link:have', link: 2, pieces: [second] })
    const atMs = cancelledAfter(session, 30_000)
    assert.ok(atMs && atMs > 2500 && atMs <= 2700, `cancelled at ${atMs} ms`)
  })

  test('is not put off by a byte every 2 s', () => {
    const session = oneRequest({ elsewhere: true })
    session.wait(1)
    session.tell({ type: 'request:moved', link: 1, piece: 0, bytes: 1 })
    const atMs = cancelledAfter(session, 2900)
    assert.ok(atMs && atMs > 2500 && atMs <= 2700, `cancelled at ${atMs} ms`)
  })

  test('means nothing to who has no other source', () => {
    assert.equal(trickle(oneRequest({ elsewhere: false }), 120_000, 200), undefined)
  })

  test('ten seconds below 64 KiB/s are too long where there is another source, whatever is known of the peer', () => {
    for (const [bytes, limitMs] of [[6000, 10_200], [7000, 38_300]] as const) {
      const session = oneRequest({ elsewhere: true })
      session.state.links.get(1)?.score.delivered(9500)
      const atMs = trickle(session, 60_000, bytes)
      assert.ok(atMs && atMs >= limitMs - 300 && atMs <= limitMs, `${bytes} bytes each time: cancelled at ${atMs} ms`)
    }
  })

  test('ten seconds below 1 KiB/s are too long in any case', () => {
    const atMs = trickle(oneRequest({ elsewhere: false }), 60_000, 50)
    assert.ok(atMs && atMs >= 10_000 && atMs <= 10_200, `cancelled at ${atMs} ms`)
  })

  test('a peer that fails is no other source', () => {
    const session = oneRequest({ elsewhere: true })
    session.tell({ type: 'link:have', link: 2, pieces: [5] })
    session.end(2, 5, { kind: 'failed' })
    assert.equal(trickle(session, 900), undefined)
    assert.equal(session.state.links.get(2)?.score.snubbed, true)
  })

  test('counts from when the request left, not from when it waited for a stream of ours', () => {
    const session = drawnSession({ peers: ['*           ', '*           '], wanted: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: false })
    const request = session.state.requests.find(1, 0)
    assert.ok(request)
    request.sent = false
    assert.equal(cancelledAfter(session, 30_000), undefined)
    session.tell({ type: 'request:sent', link: 1, piece: 0 })
    const atMs = cancelledAfter(session, 60_000)
    assert.ok(atMs && atMs > 32_500 && atMs <= 32_700, `cancelled at ${atMs} ms`)
  })

  test('silence for 3 s ends a request whatever else there is', () => {
    const atMs = cancelledAfter(oneRequest({ elsewhere: false }), 30_000)
    assert.ok(atMs && atMs > 3000 && atMs <= 3200, `cancelled at ${atMs} ms`)
  })

  test('silence of a peer that is known to be slow is four times its mean', () => {
    const session = drawnSession({ peers: ['**          '], tuning: { minRequests: 1 } })
    const [first = 0] = askedOf(1, session.effects)
    session.wait(2000)
    session.give(1, first)
    const atMs = cancelledAfter(session, 30_000)
    assert.ok(atMs && atMs > 10_000 && atMs <= 10_200, `cancelled at ${atMs} ms`)
  })

  test('silence counts from the last byte', () => {
    const session = oneRequest({ elsewhere: false })
    session.wait(2500)
    session.tell({ type: 'request:moved', link: 1, piece: 0, bytes: 1 })
    const atMs = cancelledAfter(session, 60_000)
    assert.ok(atMs && atMs > 5500 && atMs <= 5700, `cancelled at ${atMs} ms`)
  })

  test('a far peer is no other source', () => {
    const drawing = { peers: ['*           ', '*           '], distances: [2, 3] }
    assert.equal(trickle(drawnSession(drawing), 30_000), undefined)
    assert.ok(trickle(drawnSession({ ...drawing, distances: [2, 2] }), 30_000))
  })

  test('has no hold on a piece that arrived and is being stored', () => {
    const session = oneRequest({ elsewhere: true })
    session.end(1, 0, { kind: 'verified' })
    assert.equal(cancelledAfter(session, 60_000), undefined)
    assert.deepEqual(session.outstanding, ['1:0'])
  })
})

describe('a peer that fails', () => {
  test('is probed with one request at a time, later each time, until it delivers', () => {
    const session = drawnSession({ peers: peersThatHaveAll(1) })
    const probes: number[] = []
    for (let round = 0; round < 4; round++) {
      for (const request of session.outstanding) session.end(1, Number(request.split(':')[1]), { kind: 'failed' })
      const failedMs = session.now
      while (session.outstanding.length === 0 && session.now < 60_000) session.wait(100)
      assert.equal(session.outstanding.length, 1)
      probes.push(session.now - failedMs)
    }
    assert.deepEqual(probes, [1000, 2000, 4000, 8000])
    const [piece = 0] = session.outstanding.map((request) => Number(request.split(':')[1]))
    session.give(1, piece)
    assert.equal(session.outstanding.length, 4)
  })

  test('does not take pieces from a peer that works', () => {
    const session = drawnSession({ peers: peersThatHaveAll(2) })
    const ofFirst = askedOf(1, session.effects)
    for (const piece of ofFirst) session.end(1, piece, { kind: 'failed' })
    session.wait(900)
    assert.deepEqual(requestsByLink(session), [0, 3])
  })

  test('busy: nothing is asked of it until the time it named', () => {
    const session = drawnSession({ peers: peersThatHaveAll(1) })
    for (const piece of askedOf(1, session.effects)) session.end(1, piece, { kind: 'busy', retryAfterMs: 700 })
    assert.deepEqual(session.outstanding, [])
    session.wait(699)
    assert.deepEqual(session.outstanding, [])
    session.wait(101)
    assert.equal(session.outstanding.length, 4, 'busy is no failure')
  })

  test('busy with no time to wait is not answered at once', () => {
    const session = drawnSession({ peers: ['*           '] })
    assert.deepEqual(session.end(1, 0, { kind: 'busy', retryAfterMs: 0 }), [])
  })

  test('absent: the piece does not count as held any more, and goes elsewhere', () => {
    const session = drawnSession({ peers: ['*           ', '            '] })
    session.end(1, 0, { kind: 'absent' })
    assert.equal(session.state.availability.count(0), 0)
    session.wait(5000)
    assert.deepEqual(session.outstanding, [])
    assert.deepEqual(only('distrust', session.effects), [])
    assert.deepEqual(askedOf(2, session.tell({ type: 'link:have', link: 2, pieces: [0] })), [0])
  })

  test('who announces all and has nothing delays no piece for long', () => {
    const session = drawnSession({ peers: [' '.repeat(8), '********'], weYield: false })
    session.open(3, 'all')
    const ofLiar = askedOf(3, session.effects)
    const elsewhere = ofLiar.flatMap((piece) => session.end(3, piece, { kind: 'absent' }))
    assert.deepEqual(only('distrust', elsewhere), [])
    for (const piece of ofLiar) assert.ok(session.state.requests.of(piece).every(({ link }) => link === 2))
  })

  test('corrupt: it is distrusted, all it was asked for goes elsewhere, and it is not asked again', () => {
    const session = drawnSession({ peers: peersThatHaveAll(2, 16) })
    const [piece = 0, ...others] = askedOf(1, session.effects)
    const effects = session.end(1, piece, { kind: 'corrupt' })
    assert.deepEqual(only('distrust', effects), [{ type: 'distrust', link: 1 }])
    assert.deepEqual(
      only('cancel', effects).map((cancel) => cancel.piece),
      others,
    )
    assert.equal(session.state.links.get(1)?.holds.count, 0)
    const later = [
      ...session.tell({ type: 'link:copy', link: 1, holds: 'all', wants: true }),
      ...session.tell({ type: 'link:have', link: 1, pieces: [piece] }),
      ...session.wait(120_000),
    ]
    assert.deepEqual(askedOf(1, later), [])
    assert.equal(session.state.availability.count(15), 1, 'what it says it has does not make a piece less rare')
  })

  test('who says now this and now that is taken at its last word', () => {
    const session = drawnSession({ peers: ['            '] })
    for (let round = 0; round < 20; round++) {
      session.tell({ type: 'link:copy', link: 1, holds: round % 2 === 0 ? 'all' : [], wants: true })
      for (const piece of session.state.requests.all().map((request) => request.piece)) {
        session.end(1, piece, { kind: 'absent' })
      }
      session.wait(50)
    }
    assert.equal(session.state.availability.unheldCount, 12)
    assert.ok(only('request', session.effects).length <= 4, 'it is probed later and later')
  })

  test('a link that closes gives its pieces back', () => {
    const session = drawnSession({ peers: ['*           ', '*           '] })
    assert.deepEqual(session.outstanding, ['1:0'])
    const effects = session.tell({ type: 'link:closed', link: 1 })
    assert.deepEqual(askedOf(2, effects), [0])
    assert.deepEqual(only('cancel', effects), [], 'there is nobody left to tell')
    assert.equal(session.state.availability.count(0), 1)
  })
})

describe('peers that say they have a piece and say nothing more', () => {
  test('keep a node from its origin for a while only, however many come one after the other', () => {
    const session = drawnSession({ peers: ['*'], origin: true })
    for (let link = 2; session.now < 60_000 && only('fetch', session.effects).length === 0; link++) {
      session.open(link, 'all', false)
      session.wait(400)
    }
    assert.ok(session.now < 8000, `the origin was asked after ${session.now} ms`)
  })
})
