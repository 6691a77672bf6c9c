import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import type { PieceRun } from '../../src/wire/messages.ts'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

const kib = 1024
const mib = 1024 * kib

function withOrigin(options: DrawnSessionOptions): DrawnSession {
  return drawnSession({ origin: true, ...options })
}

function fetched(effects: readonly Effect[]): [number, number][] {
  return only('fetch', effects).map(({ first, count }) => [first, count])
}

/** One character per piece: `o` is being read from the origin. */
function reading({ state }: DrawnSession): string {
  const runs = [...state.origin.runs.values()]
  return Array.from({ length: state.layout.pieceCount }, (_, piece) =>
    runs.some(({ first, count }) => piece >= first && piece < first + count) ? 'o' : ' ',
  ).join('')
}

/** The piece that the origin would give next. */
function nextToRead({ state }: DrawnSession): number | undefined {
  const [run] = state.origin.runs.values()
  return run && state.stored.firstMissing(run.first)
}

/** The origin gives pieces from `first` to before `end`. */
function giveAll(session: DrawnSession, first: number, end: number): number[] {
  const pieces = Array.from({ length: end - first }, (_, index) => first + index)
  for (const piece of pieces) session.give('origin', piece)
  return pieces
}

const eight = [0, 2, 4, 6].map((first) => [first, 2])

function runIds({ state }: DrawnSession): number[] {
  return [...state.origin.runs.keys()]
}

describe('the origin', () => {
  test('is asked for what nobody linked has or fetches, and for nothing else', () => {
    assert.equal(reading(withOrigin({ have: '*        ', peers: [' *  ff   ', '   f     '] })), '  o   ooo')
    assert.equal(reading(withOrigin({ have: '*        ', peers: [' ********'] })), '         ')
    assert.equal(reading(withOrigin({ have: '*        ', peers: [' ffffffff'] })), '         ')
  })

  test('is not asked for what a peer has and was not asked for yet', () => {
    const session = withOrigin({ peers: ['*'.repeat(20) + '    '], tuning: { minRequests: 1 } })
    assert.deepEqual(session.outstanding.length, 1)
    session.wait(600)
    assert.equal(reading(session), ' '.repeat(20) + 'oooo')
  })

  test('is not asked when it may not be', () => {
    const session = withOrigin({ peers: ['         '], origin: false })
    session.wait(29_000)
    assert.deepEqual(fetched(session.effects), [])
  })

  test('is asked for eight pieces at a time, in short runs, while a near peer wants the blob', () => {
    const session = withOrigin({ peers: [' '.repeat(40)] })
    assert.deepEqual(fetched(session.effects), eight)
    session.tell({ type: 'link:have', link: 1, pieces: giveAll(session, 0, 2) })
    assert.deepEqual(fetched(session.effects).slice(4), [[8, 2]], 'the next run begins when one was read and given on')
  })

  test('is asked for 16 MiB at a time while no near peer wants the blob', () => {
    const drawing = { peers: [' '.repeat(40)], pieceBytes: mib }
    assert.deepEqual(fetched(withOrigin(drawing).effects), eight)
    assert.deepEqual(fetched(withOrigin({ ...drawing, peersWant: false }).effects), [[0, 16]])
    assert.deepEqual(fetched(withOrigin({ ...drawing, distances: [3] }).effects), [[0, 16]], 'a far one is not waited for')
  })

  test('is asked for 64 MiB at a time by a node that knows nobody', () => {
    const small = withOrigin({ have: ' '.repeat(600) })
    assert.deepEqual(fetched(small.effects), [
      [0, 256],
      [256, 256],
    ])
    assert.deepEqual(fetched(withOrigin({ have: ' '.repeat(40), pieceBytes: 16 * mib }).effects), [
      [0, 4],
      [4, 4],
    ])
  })

  test('nodes that start together begin apart', () => {
    const starts = [0, 0.25, 0.5, 0.75].map(
      (startFraction) => fetched(withOrigin({ peers: [' '.repeat(64)], startFraction }).effects)[0],
    )
    assert.deepEqual(starts, [
      [0, 2],
      [16, 2],
      [32, 2],
      [48, 2],
    ])
  })

  test('a run wraps round to the front of the blob', () => {
    const session = withOrigin({ peers: [' '.repeat(10)], startFraction: 0.8 })
    assert.deepEqual(fetched(session.effects), [
      [8, 2],
      [0, 2],
      [2, 2],
      [4, 2],
    ])
  })

  test('serves a waiting reader first', () => {
    const session = withOrigin({ have: ' '.repeat(64), peers: [' '.repeat(64)], startFraction: 0.5, wanted: false })
    session.tell({ type: 'readers:moved', pieces: [5] })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.tell({ type: 'link:copy', link: 1, holds: [], wants: true })
    const effects = session.tell({ type: 'discovery:settled' })
    assert.deepEqual(fetched(effects)[0], [5, 2])
  })

  test('gets back the pieces of a peer that is snubbed, distrusted or gone', () => {
    for (const lose of [
      (session: DrawnSession) => session.end(1, 0, { kind: 'failed' }),
      (session: DrawnSession) => session.end(1, 0, { kind: 'absent' }),
      (session: DrawnSession) => session.end(1, 0, { kind: 'corrupt' }),
      (session: DrawnSession) => session.tell({ type: 'link:closed', link: 1 }),
    ]) {
      const session = withOrigin({ peers: ['*  f', '    '], have: ' ** ' })
      assert.equal(reading(session), '    ')
      lose(session)
      session.wait(600)
      assert.equal(reading(session).replaceAll(' ', ''), 'oo')
    }
  })

  test('is passed over for a piece while it is asked of a peer', () => {
    const session = withOrigin({ peers: ['*           '] })
    assert.deepEqual(session.outstanding, ['1:0'])
    assert.equal(reading(session)[0], ' ')
  })

  test('gives up a run that stands still when a peer has of it', () => {
    const session = withOrigin({ peers: [' '.repeat(20)] })
    session.tell({ type: 'link:have', link: 1, pieces: [0] })
    assert.deepEqual(session.outstanding, [], 'it may yet come')
    session.wait(2000)
    for (const run of runIds(session)) if (run !== 1) session.tell({ type: 'origin:moved', run })
    const effects = session.wait(2000)
    assert.deepEqual(only('trim', effects), [{ type: 'trim', run: 1, count: 0 }])
    assert.deepEqual(session.outstanding, ['1:0'])
    assert.equal(reading(session).slice(0, 8), ' ooooooo', 'the rest is read in another run')
  })
})

describe('the settle rule', () => {
  const drawing = { have: '   ', peers: ['   '] }

  test('the origin waits until discovery is over and all peers have answered', () => {
    const session = withOrigin({ ...drawing, wanted: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.wait(500)
    session.tell({ type: 'link:copy', link: 1, holds: [], wants: false })
    assert.equal(reading(session), '   ', 'discovery goes on')
    session.tell({ type: 'discovery:settled' })
    assert.equal(reading(session), 'ooo')
  })

  test('a peer that has not answered is waited for', () => {
    const session = withOrigin({ ...drawing, wanted: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.tell({ type: 'discovery:settled' })
    assert.equal(reading(session), '   ')
    session.tell({ type: 'link:copy', link: 1, holds: 'all', wants: false })
    assert.equal(reading(session), '   ', 'it has everything')
  })

  test('nobody is waited for longer than 1 s', () => {
    const session = withOrigin({ ...drawing, wanted: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.wait(999)
    assert.equal(reading(session), '   ')
    session.wait(1)
    assert.equal(reading(session), 'ooo')
  })

  test('a node that knows nobody goes as soon as discovery is over', () => {
    const session = withOrigin({ have: '   ' })
    assert.equal(session.now, 0)
    assert.equal(reading(session), 'ooo')
  })

  test('what a peer said before we asked is old', () => {
    const session = withOrigin({ ...drawing, wanted: false })
    session.tell({ type: 'link:copy', link: 1, holds: [], wants: true })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.tell({ type: 'discovery:settled' })
    assert.equal(reading(session), '   ')
  })
})

describe('fetching', () => {
  const fetching = (session: DrawnSession, runs: PieceRun[], link = 1): Effect[] =>
    session.tell({ type: 'link:fetching', link, runs })

  test('a peer that shows no progress for 3 s is not counted on', () => {
    const session = withOrigin({ peers: ['ffff'] })
    session.wait(2999)
    assert.equal(reading(session), '    ')
    session.wait(100)
    assert.equal(reading(session), 'oooo')
  })

  test('a have, or another announcement, is progress', () => {
    for (const sign of [
      (session: DrawnSession) => session.tell({ type: 'link:have', link: 1, pieces: [0] }),
      (session: DrawnSession) => fetching(session, [{ first: 1, count: 3 }]),
    ]) {
      const session = withOrigin({ have: '*   ', peers: [' fff'], tuning: { idleMs: 60_000 } })
      session.wait(2900)
      sign(session)
      session.wait(2900)
      assert.deepEqual(fetched(session.effects), [])
      session.wait(200)
      assert.equal(reading(session), ' ooo')
    }
  })

  test('a peer that stops fetching is not waited for', () => {
    const session = withOrigin({ peers: ['ffff'] })
    fetching(session, [])
    assert.equal(reading(session), 'oooo')
  })

  test('a peer whose announcements come to nothing keeps us from the origin for 3 s at most', () => {
    const session = withOrigin({ peers: ['ffff'], weYield: true })
    while (session.now < 2500) {
      session.wait(500)
      fetching(session, [{ first: 0, count: 4 }])
      assert.equal(reading(session), '    ')
    }
    session.wait(700)
    assert.equal(reading(session), 'oooo')
    assert.deepEqual(only('trim', fetching(session, [{ first: 0, count: 4 }])), [], 'and it is not yielded to')
    assert.equal(reading(session), 'oooo')
  })

  test('a peer that is always busy keeps us from the origin for 2 s at most', () => {
    const session = withOrigin({ peers: ['*'] })
    while (session.now < 1900) {
      if (session.outstanding.length > 0) session.end(1, 0, { kind: 'busy', retryAfterMs: 400 })
      session.wait(100)
      assert.deepEqual(fetched(session.effects), [])
    }
    while (session.now < 3000 && fetched(session.effects).length === 0) {
      if (session.outstanding.length > 0) session.end(1, 0, { kind: 'busy', retryAfterMs: 400 })
      session.wait(100)
    }
    assert.deepEqual(fetched(session.effects), [[0, 1]])
  })

  test('a run ends when a peer gives the last piece that it would read: one that was on its way when its link was lost', () => {
    const session = withOrigin({ peers: [], have: '  ' })
    const [run] = only('fetch', session.effects)
    assert.equal(run?.count, 2)
    assert.deepEqual(only('trim', session.tell({ type: 'piece:stored', piece: 1, from: 9 })), [])
    assert.deepEqual(only('trim', session.give('origin', 0)), [{ type: 'trim', run: run?.run, count: 0 }])
  })

  test('a peer that begins to read, or has something, after a long silence gets its time', () => {
    const session = drawnSession({ peers: [' ', ' '] })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.wait(3500)
    session.tell({ type: 'link:fetching', link: 1, runs: [{ first: 0, count: 1 }] })
    session.tell({ type: 'link:have', link: 2, pieces: [0] })
    session.wait(500)
    for (const link of [1, 2]) assert.ok(!session.state.links.get(link)?.score.snubbed)
    session.wait(3000)
    for (const link of [1, 2]) assert.ok(session.state.links.get(link)?.score.snubbed)
  })

  test('a peer that has nothing is not blamed when nothing comes for 3 s: it is asked as soon as it has something', () => {
    const session = drawnSession({ peers: ['*', ' '] })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    session.wait(3500)
    assert.ok(session.state.links.get(1)?.score.snubbed)
    assert.ok(!session.state.links.get(2)?.score.snubbed)
  })

  test('is told to peers that want the blob, when it begins, changes and ends', () => {
    const session = withOrigin({ peers: ['    '] })
    const runs = [
      { first: 0, count: 2 },
      { first: 2, count: 2 },
    ]
    assert.deepEqual(only('tell-fetching', session.effects), [{ type: 'tell-fetching', link: 1, runs }])
    session.give('origin', 2)
    const ended = session.give('origin', 3)
    assert.deepEqual(only('tell-fetching', ended), [{ type: 'tell-fetching', link: 1, runs: runs.slice(0, 1) }])
    const [id = 0] = runIds(session)
    const failed = session.tell({ type: 'origin:failed', run: id, retryable: false, retryAfterMs: undefined })
    assert.deepEqual(only('tell-fetching', failed), [{ type: 'tell-fetching', link: 1, runs: [] }])
  })

  test('that ended is told after its last pieces: nobody is to think that they are neither here nor on their way', () => {
    const session = withOrigin({ peers: [' '.repeat(24)] })
    session.give('origin', 0)
    const effects = session.give('origin', 1)
    assert.deepEqual(
      effects.flatMap(({ type }) => (type.startsWith('tell') ? [type] : [])),
      ['tell-have', 'tell-fetching'],
    )
  })

  test('is told to who comes later, with the copy', () => {
    const session = withOrigin({ have: '    ' })
    session.tell({ type: 'link:opened', link: 7, distance: 2, weYield: false })
    const effects = session.tell({ type: 'link:copy', link: 7, holds: [], wants: true })
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['tell-copy', 'tell-fetching'],
    )
  })

  test('is told again each second while it moves, and only then', () => {
    const session = withOrigin({ peers: [' '.repeat(8)] })
    session.effects.length = 0
    for (let count = 0; count < 31; count++) {
      session.wait(100)
      session.tell({ type: 'origin:moved', run: 1 })
    }
    assert.equal(only('tell-fetching', session.effects).length, 3)
    session.wait(1000)
    session.effects.length = 0
    session.wait(1500)
    assert.equal(only('tell-fetching', session.effects).length, 0)
  })

  test('on overlap, who has to yield lets go from the first piece that both read', () => {
    const session = withOrigin({ peers: [' '.repeat(12)], weYield: true })
    assert.equal(reading(session), 'oooooooo    ')
    const effects = fetching(session, [{ first: 1, count: 4 }])
    assert.deepEqual(only('trim', effects), [
      { type: 'trim', run: 1, count: 1 },
      { type: 'trim', run: 2, count: 0 },
      { type: 'trim', run: 3, count: 0 },
    ])
    assert.equal(reading(session), 'o    ooooo  ', 'what comes after the overlap is read instead')
  })

  test('pieces after the overlap are read in the next run', () => {
    const session = withOrigin({ peers: ['    '], weYield: true })
    const effects = fetching(session, [{ first: 1, count: 2 }])
    assert.deepEqual(only('trim', effects), [
      { type: 'trim', run: 1, count: 1 },
      { type: 'trim', run: 2, count: 0 },
    ])
    assert.deepEqual(fetched(effects), [[3, 1]])
    assert.equal(reading(session), 'o  o')
  })

  test('on overlap, who has precedence goes on', () => {
    const session = withOrigin({ peers: [' '.repeat(12)], weYield: false })
    assert.deepEqual(only('trim', fetching(session, [{ first: 0, count: 12 }])), [])
    assert.equal(reading(session), 'oooooooo    ')
  })

  test('a far peer is not yielded to: nothing would come from there', () => {
    const session = withOrigin({ peers: [' '.repeat(12)], weYield: true, distances: [3] })
    assert.deepEqual(only('trim', fetching(session, [{ first: 0, count: 12 }])), [])
  })

  test('a run of which nothing is left ends', () => {
    const session = withOrigin({ peers: ['  '], weYield: true })
    assert.deepEqual(only('trim', fetching(session, [{ first: 0, count: 2 }])), [{ type: 'trim', run: 1, count: 0 }])
    assert.equal(reading(session), '  ')
  })

  test('a run of which only stored pieces are left ends', () => {
    const session = withOrigin({ peers: ['  '], weYield: true })
    session.give('origin', 0)
    const effects = fetching(session, [{ first: 1, count: 1 }])
    assert.deepEqual(only('trim', effects), [{ type: 'trim', run: 1, count: 0 }])
  })

  test('what has arrived is no overlap', () => {
    const session = withOrigin({ peers: [' '.repeat(8)], weYield: true })
    for (const piece of [0, 1, 2]) session.give('origin', piece)
    assert.deepEqual(only('trim', fetching(session, [{ first: 0, count: 3 }])), [])
  })

  test('of two that overlap exactly one yields, and no piece is left unread', () => {
    const run = fc.record({ first: fc.nat(23), count: fc.integer({ min: 1, max: 8 }) })
    fc.assert(
      fc.property(run, run, fc.array(fc.nat(23), { maxLength: 6 }), (ours, theirs, stored) => {
        const clip = ({ first, count }: PieceRun): PieceRun => ({ first, count: Math.min(count, 24 - first) })
        const nodes = [clip(ours), clip(theirs)].map((planned, index) => {
          const node = withOrigin({ peers: [' '.repeat(24)], weYield: index === 0, settled: false, tuning: { soleCopies: 99 } })
          for (const piece of stored) node.give('origin', piece)
          if (node.state.stored.firstMissing(planned.first) < planned.first + planned.count) {
            node.state.origin.runs.set(100, { id: 100, ...planned, movedMs: 0, settles: false })
          }
          return node
        })
        const [yielding, other] = nodes
        assert.ok(yielding && other)
        const covers = ({ first, count }: PieceRun, piece: number): boolean => piece >= first && piece < first + count
        fetching(yielding, [clip(theirs)])
        fetching(other, [clip(ours)])
        for (let piece = 0; piece < 24; piece++) {
          if (stored.includes(piece) || !covers(clip(theirs), piece)) continue
          assert.equal(reading(other)[piece], 'o', `piece ${piece} is read by the one that has precedence`)
          assert.equal(reading(yielding)[piece], ' ', `piece ${piece} is not read by the other one`)
        }
        yielding.tell({ type: 'discovery:settled' })
        for (let next = nextToRead(yielding); next !== undefined; next = nextToRead(yielding)) {
          yielding.give('origin', next)
        }
        for (let piece = 0; piece < 24; piece++) {
          assert.ok(yielding.state.stored.has(piece) || covers(clip(theirs), piece), `piece ${piece} is read by one`)
        }
      }),
      { numRuns: 300, seed: 1 },
    )
  })
})

describe('an origin that fails', () => {
  const fail = (session: DrawnSession, run: number, options: { retryable?: boolean; retryAfterMs?: number } = {}): Effect[] =>
    session.tell({
      type: 'origin:failed',
      run,
      retryable: options.retryable ?? true,
      retryAfterMs: options.retryAfterMs,
    })

  test('is tried again later each time, and given up after five times', () => {
    const session = withOrigin({ have: '   ' })
    const waits: number[] = []
    for (let attempt = 1; attempt < 5; attempt++) {
      fail(session, runIds(session)[0] ?? 0)
      const failedMs = session.now
      while (runIds(session).length === 0 && session.now < 60_000) session.wait(10)
      waits.push(session.now - failedMs)
    }
    const bounds = [500, 1000, 2000, 4000]
    for (const [index, waitMs] of waits.entries()) {
      const most = bounds[index] ?? 0
      assert.ok(waitMs >= most / 2 && waitMs <= most + 100, `wait ${index} is ${waitMs} ms`)
    }
    assert.deepEqual(only('fail', session.effects), [])
    const last = fail(session, runIds(session)[0] ?? 0)
    assert.deepEqual(only('fail', last), [{ type: 'fail', reason: 'no-source' }])
  })

  test('nodes that failed together come back apart', () => {
    const backAt = (seed: number): number => {
      const session = withOrigin({ have: '   ', seed })
      fail(session, 1)
      while (runIds(session).length === 0) session.wait(10)
      return session.now
    }
    assert.ok(new Set(Array.from({ length: 20 }, (_, seed) => backAt(seed))).size > 2)
  })

  test('runs that fail together are one failure, and the next try is one run', () => {
    const session = withOrigin({ peers: [' '.repeat(40)] })
    for (const id of runIds(session)) fail(session, id)
    assert.equal(session.state.origin.failures, 1)
    session.wait(600)
    assert.equal(runIds(session).length, 1)
    session.give('origin', 0)
    assert.equal(runIds(session).length, 4)
  })

  test('is left alone for as long as it asks', () => {
    const session = withOrigin({ have: '   ' })
    fail(session, 1, { retryAfterMs: 20_000 })
    session.wait(19_999)
    assert.equal(runIds(session).length, 0)
    session.wait(100)
    assert.equal(runIds(session).length, 1)
  })

  test('is not read in other runs while one waits as it asked, and that run is not given up for a peer', () => {
    const session = withOrigin({ peers: [' '.repeat(20)] })
    const [first = 0] = runIds(session)
    session.tell({ type: 'origin:waits', run: first, durationMs: 8000 })
    session.tell({ type: 'link:have', link: 1, pieces: [1, ...giveAll(session, 2, 8)] })
    session.effects.length = 0
    session.wait(7900)
    assert.deepEqual([...only('trim', session.effects), ...fetched(session.effects)], [])
    assert.deepEqual(runIds(session), [first])
    session.wait(200)
    assert.deepEqual(fetched(session.effects)[0], [8, 2])
  })

  test('a wait of a run that ended is none', () => {
    const session = withOrigin({ peers: [' '.repeat(20)] })
    session.tell({ type: 'origin:waits', run: 99, durationMs: 8000 })
    assert.equal(session.state.movedMs, 0)
  })

  test('is forgiven when it gives a piece', () => {
    const session = withOrigin({ peers: [' '.repeat(40)] })
    for (let round = 0; round < 12; round++) {
      fail(session, runIds(session)[0] ?? 0)
      while (runIds(session).length === 0 && session.now < 60_000) session.wait(50)
      session.give('origin', session.state.stored.firstMissing())
    }
    assert.deepEqual(only('fail', session.effects), [])
  })

  test('is given up at once when there is no point', () => {
    const session = withOrigin({ have: '   ' })
    assert.deepEqual(only('fail', fail(session, 1, { retryable: false })), [{ type: 'fail', reason: 'no-source' }])
  })

  test('leaves the rest to peers', () => {
    const session = withOrigin({ peers: ['    '] })
    for (const id of runIds(session)) fail(session, id, { retryable: false })
    assert.deepEqual(only('fail', session.effects), [], 'the peer is loading the blob too')
    assert.equal(only('request', session.tell({ type: 'link:have', link: 1, pieces: [0, 1, 2, 3] })).length, 4)
  })

  test('is revived by a caller who brings it anew', () => {
    const session = withOrigin({ peers: ['    '] })
    for (const id of runIds(session)) fail(session, id, { retryable: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: true })
    assert.equal(reading(session), 'oooo')
  })

  test('a failure of a run that we let go of is none', () => {
    const session = withOrigin({ have: '    ' })
    fail(session, 99)
    assert.equal(session.state.origin.failures, 0)
    assert.equal(reading(session), 'oooo')
  })
})
