import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

/** So many nodes that nobody's draw succeeds before it is certain. */
const crowd = 1e9

function session(options: DrawnSessionOptions): DrawnSession {
  return drawnSession({ origin: true, tracker: false, ...options })
}

function hasFetched({ effects }: DrawnSession): boolean {
  return only('fetch', effects).length > 0
}

/** Time passes while every ask ends as `end` says; returns when the origin is first read, if it is. */
function fetchTime(drawn: DrawnSession, ms: number, end: (drawn: DrawnSession) => void): number | undefined {
  for (const endMs = drawn.now + ms; !hasFetched(drawn); ) {
    if (drawn.state.lease.asking) end(drawn)
    if (hasFetched(drawn)) break
    if (drawn.now >= endMs) return undefined
    drawn.wait(10)
  }
  return drawn.now
}

const silent =
  (swarmSize: number) =>
  (drawn: DrawnSession): void =>
    void drawn.tell({ type: 'lease:silent', swarmSize })

const refuse = (drawn: DrawnSession): void =>
  void drawn.tell({ type: 'lease:answered', number: 0, validMs: 0, retryAfterMs: 1000, runs: [], imports: [] })

describe('when no tracker is in reach', () => {
  const peers = [' '.repeat(40)]

  test('a node that knows nobody reads at once', () => {
    assert.equal(fetchTime(session({ have: '    ' }), 5000, silent(1)), 0)
  })

  test('a node draws every 250 ms, with odds that double, and reads after three seconds in any case', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: crowd }), fc.nat(), (swarmSize, seed) => {
        const atMs = fetchTime(session({ peers, seed }), 5000, silent(swarmSize)) ?? Infinity
        assert.ok(atMs <= Math.min(3000, 250 * Math.ceil(Math.log2(swarmSize))), `${atMs} ms`)
        assert.equal(atMs % 250, 0)
      }),
      { numRuns: 200, seed: 1 },
    )
  })

  test('one node in N reads at once, and twice as many 250 ms later', () => {
    const times = Array.from({ length: 1600 }, (_, seed) => fetchTime(session({ peers, seed }), 5000, silent(8)))
    const share = (atMs: number): number => times.filter((time) => time === atMs).length / times.length
    assert.ok(Math.abs(share(0) - 1 / 8) < 0.03, `${share(0)} at once`)
    assert.ok(Math.abs(share(250) - (7 / 8) * (2 / 8)) < 0.04, `${share(250)} later`)
  })

  test('it takes a few pieces at a time while others are linked, and goes on without another draw', () => {
    for (let seed = 0; seed < 20; seed++) {
      const drawn = session({ peers, seed })
      fetchTime(drawn, 5000, silent(64))
      assert.equal(drawn.state.lease.pieces.count, 16)
      drawn.tell({ type: 'link:have', link: 1, pieces: [...Array(16).keys()] })
      for (let piece = 0; piece < 16; piece++) {
        if (!drawn.state.stored.has(piece)) drawn.give('origin', piece)
      }
      assert.ok(drawn.state.lease.pieces.count > 0, `seed ${seed}`)
    }
  })

  test('who holds a lease goes on', () => {
    const drawn = session({ peers })
    drawn.tell({ type: 'lease:answered', number: 3, validMs: 3000, retryAfterMs: 0, runs: [{ first: 0, count: 16 }], imports: [] })
    for (let count = 0; count < 60; count++) {
      for (const run of drawn.state.origin.runs.keys()) drawn.tell({ type: 'origin:moved', run })
      drawn.wait(100)
      if (drawn.state.lease.asking) silent(crowd)(drawn)
    }
    assert.equal(drawn.state.lease.pieces.count, 16)
    assert.deepEqual(only('trim', drawn.effects), [])
  })

  test('an answer ends the drawing, even one that refuses', () => {
    const drawn = session({ peers })
    drawn.tell({ type: 'lease:silent', swarmSize: crowd })
    drawn.wait(250)
    refuse(drawn)
    drawn.give(1, 39)
    assert.equal(fetchTime(drawn, 2900, refuse), undefined)
  })

  test('what a node allows itself, no tracker takes away', () => {
    const drawn = session({ peers })
    silent(1)(drawn)
    assert.ok(hasFetched(drawn))
    refuse(drawn)
    assert.deepEqual(only('trim', drawn.effects), [])
    assert.equal(drawn.state.lease.pieces.count, 16)
  })

  test('a tracker that takes part again replaces what a node allowed itself', () => {
    const drawn = session({ peers })
    silent(1)(drawn)
    drawn.tell({ type: 'lease:answered', number: 9, validMs: 3000, retryAfterMs: 0, runs: [{ first: 0, count: 2 }], imports: [] })
    assert.deepEqual(
      only('trim', drawn.effects),
      [2, 3, 4].map((run) => ({ type: 'trim', run, count: 1 })),
    )
  })

  test('silence of long ago does not count: peers gave what was needed since then', () => {
    const drawn = session({ peers: [...peers, ...peers] })
    silent(crowd)(drawn)
    drawn.tell({ type: 'link:copy', link: 1, holds: 'all', wants: true })
    const giveNext = (): void => {
      const [next] = drawn.state.requests.all()
      if (next) drawn.give(1, next.piece)
    }
    for (let count = 0; count < 18; count++) {
      drawn.wait(250)
      giveNext()
    }
    assert.ok(drawn.now > 4000 && !hasFetched(drawn))
    drawn.tell({ type: 'link:closed', link: 1 })
    assert.equal(fetchTime(drawn, 2900, silent(crowd)), undefined)
  })

  test('a tracker that does not answer at all is as good as none after four seconds', () => {
    const drawn = session({ peers: ['     f'], tuning: { idleMs: 60_000, fetchStaleMs: 60_000 } })
    const atMs = fetchTime(drawn, 10_000, () => {})
    assert.ok(atMs && atMs > 4000 && atMs <= 4600, `${atMs} ms`)
  })
})

describe('when the tracker refuses and nothing comes', () => {
  const peers = ['    ', '    ', '    ']

  test('it is believed for three seconds, and a little longer the more neighbours are waiting too', () => {
    const times = Array.from({ length: 400 }, (_, seed) => fetchTime(session({ peers, seed }), 9000, refuse) ?? Infinity)
    const share = (atMs: number): number => times.filter((time) => time < atMs).length / times.length
    assert.equal(share(3000), 0)
    assert.ok(Math.abs(share(3200) - 1 / 4) < 0.08, `${share(3200)} do not wait longer`)
    assert.equal(share(3700), 1)
  })

  test('refusals do not stop what began in doubt', () => {
    const drawn = session({ peers: [' '.repeat(80)] })
    fetchTime(drawn, 9000, refuse)
    const startMs = drawn.now
    while (drawn.state.stored.count < 80 && drawn.now < 20_000) {
      if (drawn.state.lease.asking) refuse(drawn)
      drawn.wait(20)
      const [run] = drawn.state.origin.runs.values()
      if (!run) continue
      const piece = drawn.state.stored.firstMissing(run.first)
      drawn.give('origin', piece)
      drawn.tell({ type: 'link:have', link: 1, pieces: [piece] })
    }
    assert.equal(drawn.state.stored.count, 80)
    assert.ok(drawn.now - startMs < 3000, `${drawn.now - startMs} ms for what the origin gives in 1600 ms`)
  })

  test('it is believed while something comes', () => {
    const drawn = session({ peers: [' '.repeat(40)] })
    for (let piece = 0; piece < 10; piece++) {
      assert.equal(fetchTime(drawn, 2900, refuse), undefined)
      drawn.give(1, piece)
    }
  })

  test('it is believed while a link shows that it fetches', () => {
    const drawn = session({ peers: ['    ', '    '], tuning: { idleMs: 60_000 } })
    for (let round = 0; round < 10; round++) {
      drawn.tell({ type: 'link:fetching', link: 1, runs: [{ first: 0, count: 1 }] })
      assert.equal(fetchTime(drawn, 1000, refuse), undefined)
    }
    assert.ok(fetchTime(drawn, 4000, refuse))
  })

  test('an origin that asked to be left alone is left alone', () => {
    const drawn = session({ peers })
    drawn.state.origin.retryAtMs = 8000
    assert.equal(fetchTime(drawn, 10_900, refuse), undefined)
    assert.ok(fetchTime(drawn, 1000, refuse))
  })
})
