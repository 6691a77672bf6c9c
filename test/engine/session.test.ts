import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import { drawnSession, only, type DrawnSession } from '../support/drawn-session.ts'

const want = { type: 'demand:changed', wanted: true, originUsable: false } as const
const unwant = { type: 'demand:changed', wanted: false, originUsable: false } as const

function types(effects: readonly Effect[]): string[] {
  return effects.map(({ type }) => type)
}

/** Everything that is out arrives, until nothing is. */
function deliverAll(session: DrawnSession): void {
  for (let [next] = session.state.requests.all(); next; [next] = session.state.requests.all()) {
    session.give(next.link, next.piece)
  }
}

describe('demand', () => {
  test('asks all links for their copies, whether they come before or after it', () => {
    const session = drawnSession({ have: '*  ', peers: ['   ', '   '], wanted: false })
    assert.deepEqual(only('tell-copy', session.tell(want)), [
      { type: 'tell-copy', link: 1, wants: true },
      { type: 'tell-copy', link: 2, wants: true },
    ])
    const opened = session.tell({ type: 'link:opened', link: 9, distance: 0, weYield: false })
    assert.deepEqual(only('tell-copy', opened), [{ type: 'tell-copy', link: 9, wants: true }])
  })

  test('asks a link that had nothing once more when its peer gathers around the blob, and no other', () => {
    const session = drawnSession({ have: '*  ', peers: ['   ', ' * '] })
    const joined = (link: number): ReturnType<typeof session.tell> => session.tell({ type: 'link:joined', link })
    assert.deepEqual(only('tell-copy', joined(1)), [{ type: 'tell-copy', link: 1, wants: true }])
    assert.deepEqual(joined(2), [])
    session.tell(unwant)
    assert.deepEqual(joined(1), [])
  })

  test('asks the links that are left when one closed before it', () => {
    const session = drawnSession({ have: '*  ', peers: ['   ', '   '], wanted: false })
    session.tell({ type: 'link:closed', link: 1 })
    assert.deepEqual(only('tell-copy', session.tell(want)), [{ type: 'tell-copy', link: 2, wants: true }])
  })

  test('a node that nobody asks loads nothing', () => {
    const session = drawnSession({ peers: ['****'], origin: true, wanted: false })
    session.wait(60_000)
    assert.deepEqual(only('request', session.effects), [])
    assert.deepEqual(only('fetch', session.effects), [])
  })

  test('that ends takes everything back, and keeps what is stored', () => {
    const session = drawnSession({ have: '*           ', peers: ['      *     '], origin: true })
    session.wait(600)
    const asked = session.outstanding.length
    const runs = session.state.origin.runs.size
    assert.ok(asked > 0 && runs > 0)
    const effects = session.tell(unwant)
    assert.equal(only('cancel', effects).length, asked)
    assert.deepEqual(
      only('trim', effects).map(({ count }) => count),
      Array.from({ length: runs }, () => 0),
    )
    assert.equal(only('tell-forget', effects).length, 1)
    assert.deepEqual(only('tell-fetching', effects), [{ type: 'tell-fetching', link: 1, runs: [] }])
    assert.deepEqual(session.outstanding, [])
    assert.equal(session.drawing, '*           ')
  })

  test('that begins again goes on where it was', () => {
    const session = drawnSession({ peers: ['****'] })
    session.give(1, 2)
    session.tell(unwant)
    assert.deepEqual(session.wait(10_000), [])
    const effects = session.tell(want)
    assert.deepEqual(only('tell-copy', effects), [{ type: 'tell-copy', link: 1, wants: true }])
    session.tell({ type: 'link:copy', link: 1, holds: 'all', wants: true })
    session.tell({ type: 'discovery:settled' })
    deliverAll(session)
    assert.equal(session.drawing, '****')
    assert.equal(session.state.phase, 'checking')
  })

  test('that is repeated changes nothing', () => {
    const session = drawnSession({ peers: ['************'] })
    assert.deepEqual(session.tell(want), [])
  })

  test('after giving up starts again', () => {
    const session = drawnSession({ have: '    ' })
    assert.equal(session.state.phase, 'failed')
    session.tell(want)
    assert.equal(session.state.phase, 'loading')
    session.open(1, 'all')
    assert.equal(session.outstanding.length, 4)
  })

  test('a piece that was on its way when demand ended still counts', () => {
    const session = drawnSession({ peers: ['****'] })
    session.tell(unwant)
    assert.deepEqual(only('tell-have', session.tell({ type: 'piece:stored', piece: 1, from: 1 })), [
      { type: 'tell-have', link: 1, pieces: [1] },
    ])
    assert.equal(session.drawing, ' *  ')
  })
})

describe('a peer that asks', () => {
  test('is answered whatever we have, and whether or not we want the blob', () => {
    for (const [options, wants] of [
      [{ have: '    ', wanted: false }, false],
      [{ have: '** *', wanted: false }, false],
      [{ have: '****', complete: true, wanted: false }, false],
      [{ have: '** *', settled: false }, true],
      [{ have: '    ' }, false],
    ] as const) {
      const session = drawnSession(options)
      session.tell({ type: 'link:opened', link: 5, distance: 2, weYield: false })
      const effects = session.tell({ type: 'link:copy', link: 5, holds: [], wants: true })
      assert.deepEqual(only('tell-copy', effects), [{ type: 'tell-copy', link: 5, wants }], JSON.stringify(options))
    }
  })

  test('is answered while the blob is being checked, and still hears that we listen', () => {
    const session = drawnSession({ have: '*** ', peers: ['   *'] })
    session.give(1, 3)
    assert.equal(session.state.phase, 'checking')
    const effects = session.open(5, [])
    assert.ok(only('tell-copy', effects).length > 0)
    assert.ok(only('tell-copy', effects).every(({ link, wants }) => link === 5 && wants))
    const done = session.tell({ type: 'blob:checked', ok: true })
    assert.deepEqual(
      only('tell-forget', done).map(({ link }) => link),
      [1, 5],
    )
  })

  test('is answered once, so that two nodes do not answer each other for ever', () => {
    const session = drawnSession({ peers: ['    '] })
    assert.deepEqual(only('tell-copy', session.tell({ type: 'link:copy', link: 1, holds: [], wants: true })), [])
  })

  test('is answered again after it forgot us', () => {
    const session = drawnSession({ peers: ['    '] })
    session.tell({ type: 'link:forgot', link: 1 })
    assert.equal(only('tell-copy', session.tell({ type: 'link:copy', link: 1, holds: [], wants: true })).length, 1)
  })
})

describe('the end', () => {
  test('is checked as a whole, and done only then', () => {
    const session = drawnSession({ have: '** *', peers: ['  * '] })
    const effects = session.give(1, 2)
    assert.deepEqual(types(effects).filter((type) => type === 'check' || type === 'done'), ['check'])
    const done = session.tell({ type: 'blob:checked', ok: true })
    assert.deepEqual(types(done), ['tell-forget', 'done'])
    assert.equal(session.state.phase, 'complete')
  })

  test('leaves nothing on its way', () => {
    const session = drawnSession({ peers: ['** ', '** '], origin: true })
    session.give('origin', 2)
    deliverAll(session)
    session.tell({ type: 'blob:checked', ok: true })
    session.wait(300)
    session.effects.length = 0
    session.wait(60_000)
    assert.deepEqual(session.effects, [])
  })

  test('an empty blob needs no source', () => {
    const session = drawnSession({ have: '' })
    assert.deepEqual(types(session.effects), ['check'])
    assert.deepEqual(types(session.tell({ type: 'blob:checked', ok: true })), ['done'])
  })

  test('a part that turns out to be whole is checked at once', () => {
    const session = drawnSession({ have: '****', peers: ['    '] })
    assert.equal(only('check', session.effects).length, 1)
    assert.deepEqual(only('request', session.effects), [])
  })

  test('a blob that is complete serves, and is done as soon as somebody wants it', () => {
    const session = drawnSession({ have: '****', peers: ['    '], complete: true, wanted: false })
    assert.deepEqual(only('tell-copy', session.effects), [{ type: 'tell-copy', link: 1, wants: false }])
    assert.deepEqual(types(session.tell(want)), ['done'])
    assert.deepEqual(types(session.tell(want)), ['done'])
    assert.deepEqual(types(session.effects).filter((type) => type !== 'tell-copy'), ['done', 'done'])
  })

  test('the check goes on when demand ends, and its answer is kept', () => {
    const session = drawnSession({ have: '*** ', peers: ['   *'] })
    session.give(1, 3)
    session.tell(unwant)
    assert.equal(only('check', session.tell(want)).length, 0, 'one check is enough')
    session.tell(unwant)
    assert.deepEqual(only('done', session.tell({ type: 'blob:checked', ok: true })), [])
    assert.equal(session.state.phase, 'complete')
    assert.deepEqual(types(session.tell(want)), ['done'])
  })

  test('a check that fails when nobody wants the blob loads nothing', () => {
    const session = drawnSession({ have: '*** ', peers: ['   *', '****'] })
    for (const { link, piece } of session.state.requests.all().slice(0, 1)) session.give(link, piece)
    session.tell(unwant)
    const effects = session.tell({ type: 'blob:checked', ok: false, drop: [0, 1, 2, 3], next: 'origin' })
    assert.equal(session.state.phase, 'idle')
    assert.deepEqual(only('request', effects), [])
    assert.deepEqual(only('fail', effects), [])
  })
})

describe('step', () => {
  test('ignores what it hears of links, requests and runs that are gone', () => {
    const session = drawnSession({ peers: ['************'] })
    const before = session.outstanding
    for (const event of [
      { type: 'link:closed', link: 77 },
      { type: 'link:copy', link: 77, holds: 'all', wants: true },
      { type: 'link:have', link: 77, pieces: [1] },
      { type: 'link:fetching', link: 77, runs: [{ first: 0, count: 3 }] },
      { type: 'link:forgot', link: 77 },
      { type: 'link:joined', link: 77 },
      { type: 'request:sent', link: 77, piece: 1 },
      { type: 'request:moved', link: 77, piece: 1, bytes: 5 },
      { type: 'request:ended', link: 77, piece: 1, outcome: { kind: 'verified' } },
      { type: 'origin:moved', run: 77 },
      { type: 'origin:ended', run: 77 },
      { type: 'origin:failed', run: 77, retryable: false, retryAfterMs: undefined },
    ] as const) {
      assert.deepEqual(session.tell(event), [], event.type)
    }
    assert.deepEqual(session.outstanding, before)
  })

  test('a piece that is stored twice is told once', () => {
    const session = drawnSession({ peers: ['************'] })
    session.give(1, 4)
    session.tell({ type: 'piece:stored', piece: 4, from: 'origin' })
    assert.deepEqual(only('tell-have', session.wait(100)), [{ type: 'tell-have', link: 1, pieces: [4] }])
  })

  test('moving bytes alone change nothing', () => {
    const session = drawnSession({ peers: ['*   '], origin: true })
    session.now = 60_000
    assert.deepEqual(session.tell({ type: 'request:moved', link: 1, piece: 0, bytes: 1 }), [])
    assert.deepEqual(session.tell({ type: 'origin:moved', run: 1 }), [])
  })
})
