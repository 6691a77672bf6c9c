import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import type { PieceRun } from '../../src/wire/messages.ts'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

const unwant = { type: 'demand:changed', wanted: false, originUsable: false } as const
const pieceBytes = 256 * 1024

/** A session whose tracker is the test. */
function asking(options: DrawnSessionOptions): DrawnSession {
  return drawnSession({ origin: true, tracker: false, ...options })
}

function asks(effects: readonly Effect[]): (Effect & { type: 'ask-lease' })[] {
  return only('ask-lease', effects)
}

interface AnswerOptions {
  readonly number?: number
  readonly validMs?: number
  readonly retryAfterMs?: number
}

function answer(session: DrawnSession, runs: readonly PieceRun[], options: AnswerOptions = {}): Effect[] {
  const { number = 7, validMs = 3000, retryAfterMs = 0 } = options
  return session.tell({ type: 'lease:answered', number, validMs, retryAfterMs, runs, imports: [] })
}

function refuse(session: DrawnSession, retryAfterMs = 1000): Effect[] {
  return answer(session, [], { number: 0, retryAfterMs })
}

/** When leases are asked for while bytes come every 50 ms, and each ask is granted as it stands. */
function askTimes(session: DrawnSession, ms: number, every: () => void = () => {}): number[] {
  const times: number[] = []
  for (const end = session.now + ms; session.now < end; ) {
    every()
    for (const { held } of asks(session.wait(50))) {
      times.push(session.now)
      answer(session, held)
    }
  }
  return times
}

function pieces(runs: readonly PieceRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0)
}

describe('a lease is asked for', () => {
  test('when the search is over, for what no peer has or fetches', () => {
    const session = asking({ peers: ['* ff  '], settled: false })
    assert.deepEqual(asks(session.effects), [])
    assert.deepEqual(asks(session.tell({ type: 'discovery:settled' })), [
      {
        type: 'ask-lease',
        number: 0,
        count: 16,
        held: [],
        wanted: [
          { first: 1, count: 1 },
          { first: 4, count: 2 },
        ],
        rateBytesPerSecond: 0,
      },
    ])
  })

  test('while peers give, for what none of them has, next to a fetcher, but not before the time that a refusal named', () => {
    const session = asking({ peers: ['**        ff'] })
    assert.equal(session.outstanding.length, 2)
    assert.equal(asks(session.effects).length, 1)
    refuse(session, 1500)
    assert.deepEqual(asks(session.wait(1499)), [])
    assert.equal(asks(session.wait(100)).length, 1)
  })

  test('for what peers have that do not deliver, when fewer than two requests are out', () => {
    const session = asking({ peers: ['************'] })
    const ask = session.outstanding.map((request) => asks(session.end(1, Number(request.split(':')[1]), { kind: 'failed' })).length)
    assert.deepEqual(ask, [0, 0, 1, 0])
  })

  test('never when peers have or fetch all that is missing, or the origin may not be asked', () => {
    for (const session of [asking({ peers: ['*fff'] }), asking({ peers: ['    '], origin: false })]) {
      session.wait(2000)
      assert.deepEqual(asks(session.effects), [])
    }
  })

  test('from where this node begins, or a reader waits, and round to the front', () => {
    const wanted = (options: Partial<DrawnSessionOptions>, readers: number[] = []): unknown => {
      const session = asking({ peers: [' '.repeat(10)], settled: false, ...options })
      session.tell({ type: 'readers:moved', pieces: readers })
      return asks(session.tell({ type: 'discovery:settled' }))[0]?.wanted
    }
    const from = (first: number): unknown => [
      { first, count: 10 - first },
      { first: 0, count: first },
    ]
    assert.deepEqual(wanted({ startFraction: 0.5 }), from(5))
    assert.deepEqual(wanted({ startFraction: 0.5 }, [3]), from(3))
  })

  test('for the whole blob by a node that has no link', () => {
    assert.equal(asks(asking({ have: ' '.repeat(100) }).effects)[0]?.count, 100)
    assert.equal(asks(asking({ peers: [' '.repeat(100)] }).effects)[0]?.count, 16)
  })

  test('once: what was asked is waited for', () => {
    const session = asking({ peers: ['    '] })
    assert.equal(asks(session.wait(2000)).length, 0)
  })

  test('again when the time is over that a refusal named', () => {
    const session = asking({ peers: ['    '] })
    refuse(session, 1500)
    assert.deepEqual(asks(session.wait(1499)), [])
    assert.equal(asks(session.wait(100)).length, 1)
  })

  test('again at once when the tracker that refused is gone', () => {
    const session = asking({ peers: ['    '] })
    refuse(session, 60_000)
    assert.equal(asks(session.tell({ type: 'tracker:lost' })).length, 1)
  })
})

describe('whose turn it is to ask', () => {
  const blank = ' '.repeat(8)

  /** When the session asks for the first time, in steps of 10 ms; refused asks are asked again. */
  function askedAt(session: DrawnSession, ms: number, each: () => void = () => {}): number | undefined {
    for (const end = session.now + ms; asks(session.effects).length === 0; session.wait(10)) {
      if (session.now >= end) return undefined
      each()
    }
    return session.now
  }

  test('before anybody has anything: after a wait of up to 40 ms for each near peer that loads too, drawn once', () => {
    for (const crowd of [1, 5, 15]) {
      const peers = Array.from({ length: crowd }, () => blank)
      const times = Array.from({ length: 200 }, (_, seed) => askedAt(asking({ peers, seed, first: false }), 1000) ?? Infinity)
      const mean = times.reduce((sum, time) => sum + time, 0) / times.length
      assert.ok(times.every((time) => time <= crowd * 40 + 10), `${Math.max(...times)} ms`)
      assert.ok(mean > crowd * 16 && mean < crowd * 24 + 10, `${mean} ms on average for ${crowd}`)
    }
  })

  test('the wait is not drawn again when others come', () => {
    const session = asking({ peers: [blank], first: false })
    const drawnMs = session.state.lease.firstAskMs
    assert.ok(drawnMs !== undefined)
    for (let link = 2; link < 10; link++) session.open(link, [])
    assert.equal(session.state.lease.firstAskMs, drawnMs)
  })

  test('peers that are far, or want nothing, are not waited for: a node that is alone asks at once', () => {
    assert.equal(askedAt(asking({ have: blank, first: false }), 1000), 0)
    assert.equal(askedAt(asking({ peers: [blank], distances: [3], first: false }), 1000), 0)
    assert.equal(askedAt(asking({ peers: [blank], peersWant: false, first: false }), 1000), 0)
  })

  test('next to a fetcher: at once, and then as it is told to, while pieces are missing that nobody near has', () => {
    const session = asking({ peers: ['ff      ', blank], first: false })
    assert.equal(asks(session.effects).length, 1)
    refuse(session, 400)
    assert.deepEqual(asks(session.wait(399)), [])
    assert.equal(asks(session.wait(100)).length, 1)
  })

  test('next to a fetcher that others already have all from: only when it starves', () => {
    const session = asking({ peers: ['******ff', '      **'], first: false })
    assert.ok(session.outstanding.length >= 2)
    assert.deepEqual(asks(session.wait(1000)), [])
  })

  test('next to a far fetcher it is as without one', () => {
    assert.equal(asks(asking({ peers: ['f*      ', blank], distances: [3, 2], first: false }).effects).length, 0)
  })

  test('when it has begun: after half a second without news from anybody, with fewer than two requests out', () => {
    const session = asking({ peers: ['*       ', blank], first: false })
    assert.deepEqual(session.outstanding, ['1:0'])
    assert.deepEqual(asks(session.wait(499)), [])
    assert.equal(asks(session.wait(101)).length, 1)
    const fed = asking({ peers: ['**      ', blank], first: false })
    assert.deepEqual(asks(fed.wait(1500)), [], 'two requests are out')
  })

  test('a have, or a fetcher that stops, is news', () => {
    for (const tell of [
      (session: DrawnSession) => session.tell({ type: 'link:have', link: 2, pieces: [0] }),
      (session: DrawnSession) => session.tell({ type: 'link:fetching', link: 2, runs: [] }),
    ]) {
      const session = asking({ peers: ['*           ', ' '.repeat(12)], first: false })
      session.wait(400)
      tell(session)
      assert.deepEqual(asks(session.wait(490)), [])
      assert.equal(asks(session.wait(110)).length, 1)
    }
  })

  test('who was told to come back comes back, whether or not there is news', () => {
    const session = asking({ peers: [blank, blank], settled: false })
    session.wait(10)
    session.tell({ type: 'discovery:settled' })
    assert.equal(asks(session.effects).length, 1)
    refuse(session, 300)
    session.wait(200)
    session.tell({ type: 'link:have', link: 2, pieces: [0] })
    assert.equal(asks(session.wait(200)).length, 1)
  })

  test('who held a lease asks again as long as nobody near has what is missing', () => {
    const session = asking({ peers: ['**      ', blank], first: false })
    session.wait(1500)
    answer(session, [{ first: 2, count: 1 }])
    session.give('origin', 2)
    const asked = asks(session.effects).length
    answer(session, [], { number: 0, retryAfterMs: 200 })
    session.wait(300)
    assert.ok(asks(session.effects).length > asked, `${asked} asks`)
  })
})

describe('a lease that is held', () => {
  const peers = [' '.repeat(200)]
  const half = [{ first: 0, count: 100 }]

  test('is all that is read', () => {
    const session = asking({ peers })
    assert.deepEqual(only('fetch', session.effects), [])
    const effects = answer(session, [{ first: 50, count: 3 }])
    assert.deepEqual(only('fetch', effects), [
      { type: 'fetch', run: 1, first: 50, count: 2 },
      { type: 'fetch', run: 2, first: 52, count: 1 },
    ])
  })

  test('is renewed twice a second while bytes come', () => {
    const session = asking({ peers })
    answer(session, half)
    const times = askTimes(session, 3000, () => session.tell({ type: 'origin:moved', run: 1 }))
    assert.deepEqual(times, [500, 1000, 1500, 2000, 2500, 3000])
  })

  test('is renewed while the origin asks for patience', () => {
    const session = asking({ peers })
    answer(session, half)
    session.tell({ type: 'origin:waits', run: 1, durationMs: 2900 })
    assert.deepEqual(askTimes(session, 4000), [500, 1000, 1500, 2000, 2500, 3000])
  })

  test('is renewed while the origin asks for patience, even if something else came since then', () => {
    const session = asking({ peers })
    answer(session, half)
    session.tell({ type: 'origin:waits', run: 1, durationMs: 4900 })
    session.give(1, 150)
    assert.equal(askTimes(session, 4800).length, 9)
    assert.deepEqual(only('trim', session.effects), [])
  })

  test('is not renewed while nothing comes; it ends, and with it the runs, but for what has begun', () => {
    const session = asking({ peers })
    answer(session, half, { validMs: 2000 })
    const quiet = session.wait(1999)
    assert.deepEqual([...asks(quiet), ...only('trim', quiet)], [])
    const effects = session.wait(1)
    assert.deepEqual(
      only('trim', effects),
      [1, 2, 3, 4].map((run) => ({ type: 'trim', run, count: 1 })),
    )
    assert.deepEqual(asks(effects).map(({ number, held }) => [number, held]), [[0, []]], 'and it is asked for anew')
    session.give('origin', 0)
    assert.deepEqual(only('fetch', session.wait(900)), [])
  })

  test('is told with what is read of it, and two seconds of work; others may have the rest', () => {
    const session = asking({ peers })
    answer(session, [{ first: 0, count: 200 }])
    let piece = 0
    const wait = (): Effect[] => {
      for (let count = 0; count < 4; count++) session.give('origin', piece++)
      return session.wait(100)
    }
    const [renewal] = [wait(), wait(), wait(), wait(), wait()].flatMap(asks)
    assert.ok(renewal)
    // Twenty pieces in half a second.
    assert.deepEqual(renewal.held, [{ first: 20, count: 80 }])
    assert.equal(renewal.count, 0)
    assert.deepEqual(renewal.wanted, [{ first: 100, count: 100 }])
    answer(session, renewal.held)
    const [next] = [wait(), wait(), wait(), wait(), wait(), wait()].flatMap(asks)
    assert.equal(next?.number, 7)
    const rate = next.rateBytesPerSecond / pieceBytes
    assert.ok(rate >= 36 && rate <= 44, `${rate} pieces a second`)
  })

  test('grows between renewals when less than half of it is left', () => {
    const session = asking({ peers })
    answer(session, [{ first: 0, count: 16 }])
    session.wait(400)
    for (let piece = 0; piece < 16; piece++) {
      const [ask] = asks(session.give('origin', piece))
      session.wait(1)
      if (!ask) continue
      assert.deepEqual(ask.held, [{ first: piece + 1, count: 15 - piece }])
      assert.ok(15 - piece < ask.count, `${ask.count} pieces on top of ${15 - piece}`)
      return
    }
    assert.fail('nothing was asked for')
  })

  test('is not asked to grow before the time that the tracker named', () => {
    const session = asking({ peers })
    answer(session, [{ first: 0, count: 4 }], { retryAfterMs: 300 })
    assert.deepEqual(asks(session.wait(299)), [])
    assert.equal(asks(session.wait(1)).length, 1)
  })

  test('is not asked to grow where there is nothing more: others read the rest', () => {
    const session = asking({ peers: [' '.repeat(8) + 'f'.repeat(8)] })
    answer(session, [{ first: 0, count: 8 }])
    session.wait(30)
    session.give('origin', 0)
    session.wait(400)
    assert.equal(asks(session.effects).length, 1)
  })

  test('is told to the next tracker at once when its own is gone', () => {
    const session = asking({ peers })
    answer(session, [{ first: 0, count: 16 }])
    session.wait(100)
    const [ask, ...others] = asks(session.tell({ type: 'tracker:lost' }))
    assert.deepEqual(ask?.held, [{ first: 0, count: 16 }])
    assert.deepEqual(others, [])
    assert.deepEqual(asks(session.tell({ type: 'tracker:lost' })), [], 'what was asked already goes there anyway')
  })

  test('that is read when its tracker goes is no leave to read on', () => {
    const session = asking({ peers: ['    '] })
    answer(session, [{ first: 0, count: 1 }])
    assert.equal(asks(session.give('origin', 0)).length, 1)
    session.tell({ type: 'tracker:lost' })
    assert.deepEqual(only('fetch', session.wait(1000)), [])
  })
})

describe('pieces that an answer takes away', () => {
  const session = (): DrawnSession => {
    const drawn = asking({ peers: [' '.repeat(8)] })
    answer(drawn, [{ first: 0, count: 8 }])
    return drawn
  }

  test('are not read any more', () => {
    const trims = only('trim', answer(session(), [{ first: 0, count: 3 }, { first: 4, count: 2 }]))
    assert.deepEqual(trims, [
      { type: 'trim', run: 2, count: 1 },
      { type: 'trim', run: 4, count: 1 },
    ])
  })

  test('are read to their end when they have begun, at the front of a run or in the middle', () => {
    const drawn = session()
    for (const piece of [2, 4, 5]) drawn.give('origin', piece)
    assert.deepEqual(only('trim', refuse(drawn)), [
      { type: 'trim', run: 1, count: 1 },
      { type: 'trim', run: 4, count: 1 },
    ])
    assert.deepEqual(
      [...drawn.state.origin.runs.values()].map(({ first, count }) => [first, count]),
      [
        [0, 1],
        [2, 2],
        [6, 1],
      ],
    )
  })

  test('that are last of their run leave it as it is', () => {
    const drawn = session()
    for (const piece of [0, 2, 3]) drawn.give('origin', piece)
    assert.deepEqual(only('trim', answer(drawn, [{ first: 4, count: 4 }])), [])
  })
})

describe('a lease is given back', () => {
  const back = (number: number, wanted: readonly PieceRun[]): Effect => ({
    type: 'ask-lease',
    number,
    count: 0,
    held: [],
    wanted,
    rateBytesPerSecond: 0,
  })
  const four = [{ first: 0, count: 4 }]

  test('when nobody waits for the blob any more, with what was not read of it', () => {
    const session = asking({ peers: ['      '] })
    answer(session, four)
    session.give('origin', 0)
    assert.deepEqual(asks(session.tell(unwant)), [back(7, [{ first: 1, count: 3 }])])
    assert.deepEqual(asks(session.wait(5000)), [])
  })

  test('when the blob is whole', () => {
    const session = asking({ have: '**  ' })
    answer(session, [{ first: 2, count: 2 }])
    for (const piece of [2, 3]) session.give('origin', piece)
    assert.deepEqual(asks(session.tell({ type: 'blob:checked', ok: true })), [back(7, [])])
  })

  test('when the session gives up', () => {
    const session = asking({ have: '    ' })
    answer(session, four)
    const effects = session.tell({ type: 'origin:failed', run: 1, retryable: false, retryAfterMs: undefined })
    assert.equal(only('fail', effects).length, 1)
    assert.deepEqual(asks(effects), [back(7, four)])
  })

  test('when all of it is read and peers have what is missing', () => {
    const session = asking({ peers: ['    '] })
    answer(session, [{ first: 0, count: 2 }])
    session.tell({ type: 'link:have', link: 1, pieces: [2, 3] })
    session.give('origin', 0)
    session.give('origin', 1)
    session.give(1, 2)
    assert.deepEqual(asks(session.effects).at(-1), back(7, []))
  })

  test('when it comes after the demand ended: its tracker must not take its pieces for read', () => {
    const session = asking({ peers: ['    '] })
    assert.deepEqual(asks(session.tell(unwant)), [], 'nothing is held yet')
    const effects = answer(session, [{ first: 0, count: 3 }])
    assert.deepEqual(effects, [back(7, [{ first: 0, count: 3 }])])
    assert.equal(session.state.lease.pieces.count, 0)
  })

  test('not when it is one of our own making', () => {
    const session = asking({ peers: ['    '] })
    session.tell({ type: 'lease:silent', swarmSize: 1 })
    assert.equal(session.state.lease.pieces.count, 4)
    assert.deepEqual(asks(session.tell(unwant)), [])
  })
})

describe('the pieces of an ask', () => {
  test('are never both held and wanted', () => {
    for (let seed = 0; seed < 30; seed++) {
      const session = drawnSession({ peers: [' '.repeat(64), ' '.repeat(64)], origin: true, seed, startFraction: seed / 30 })
      for (let round = 0; round < 12; round++) {
        session.wait(60)
        const [run] = session.state.origin.runs.values()
        if (run) session.give('origin', session.state.stored.firstMissing(run.first))
      }
      for (const { held, wanted, count } of asks(session.effects)) {
        const all = [...held, ...wanted].flatMap(({ first, count: length }) => Array.from({ length }, (_, index) => first + index))
        assert.equal(new Set(all).size, all.length)
        assert.ok(pieces(held) + count <= 512)
      }
    }
  })
})
