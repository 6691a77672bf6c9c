import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { wakeAtMs } from '../../src/engine/decide.ts'
import { drawnSession, only, type DrawnSession } from '../support/drawn-session.ts'

describe('haves', () => {
  const peers = ['            ', '            ']

  const told = (pieces: number[]): unknown[] => [1, 2].map((link) => ({ type: 'tell-have', link, pieces }))

  test('are told at once to all who want the blob, when the last ones were told 20 ms ago or earlier', () => {
    const session = drawnSession({ peers })
    session.wait(20)
    assert.deepEqual(only('tell-have', session.give(1, 3)), told([3]))
    session.wait(20)
    assert.deepEqual(only('tell-have', session.give(1, 4)), told([4]))
    assert.deepEqual(only('tell-have', session.wait(1000)), [], 'once is enough')
  })

  test('that follow within 20 ms are told together at the end of them', () => {
    const session = drawnSession({ peers })
    session.wait(20)
    session.give(1, 3)
    session.wait(5)
    assert.deepEqual(only('tell-have', session.give(1, 7)), [])
    session.wait(10)
    assert.deepEqual(only('tell-have', session.give(1, 8)), [])
    assert.deepEqual(only('tell-have', session.wait(4)), [])
    assert.deepEqual(only('tell-have', session.wait(1)), told([7, 8]))
  })

  test('are told to the giver too: it counts who has what', () => {
    const session = drawnSession({ peers: ['*           '] })
    session.give(1, 0)
    assert.deepEqual(only('tell-have', session.wait(50)), [{ type: 'tell-have', link: 1, pieces: [0] }])
  })

  test('are not told to who does not want the blob, or not any more', () => {
    const session = drawnSession({ peers, peersWant: false })
    session.give(1, 3)
    assert.deepEqual(only('tell-have', session.wait(100)), [])
    const forgotten = drawnSession({ peers })
    forgotten.give(1, 3)
    forgotten.tell({ type: 'link:forgot', link: 1 })
    assert.deepEqual(
      only('tell-have', forgotten.wait(100)).map(({ link }) => link),
      [2],
    )
  })

  test('do not wait for the end of the blob', () => {
    const session = drawnSession({ have: '*** ', peers: ['   *'] })
    assert.deepEqual(only('tell-have', session.give(1, 3)), [{ type: 'tell-have', link: 1, pieces: [3] }])
  })

  test('are not lost when the peer repeats what it has', () => {
    const session = drawnSession({ peers: ['*           '] })
    session.give(1, 0)
    session.tell({ type: 'link:copy', link: 1, holds: [0, 1], wants: true })
    assert.deepEqual(only('tell-have', session.wait(100)), [{ type: 'tell-have', link: 1, pieces: [0] }])
  })

  test('are not told twice to a peer that was just told the whole copy', () => {
    const session = drawnSession({ peers: ['*           '] })
    session.give(1, 0)
    session.tell({ type: 'link:forgot', link: 1 })
    const effects = session.tell({ type: 'link:copy', link: 1, holds: [], wants: true })
    assert.equal(only('tell-copy', effects).length, 1)
    assert.deepEqual(only('tell-have', session.wait(100)), [])
  })
})

describe('wakeAtMs', () => {
  const wake = ({ state, now }: DrawnSession): number | undefined => wakeAtMs(state, now)

  test('an idle, complete or failed session needs no waking', () => {
    assert.equal(wake(drawnSession({ peers: ['*   '], wanted: false })), undefined)
    assert.equal(wake(drawnSession({ have: '****', complete: true, wanted: false })), undefined)
    const failed = drawnSession({ have: '    ' })
    assert.equal(failed.state.phase, 'failed')
    assert.equal(wake(failed), undefined)
  })

  test('a loading session is woken ten times a second', () => {
    assert.equal(wake(drawnSession({ peers: ['*   '] })), 100)
  })

  test('the settle time and haves that are due are kept to the millisecond', () => {
    const session = drawnSession({ peers: ['    '], settled: false })
    session.wait(950)
    assert.equal(wake(session), 1000)
    session.give('origin', 0)
    session.wait(5)
    session.give('origin', 1)
    assert.equal(wake(session), 970)
  })

  test('is never in the past', () => {
    const session = drawnSession({ peers: ['    '], settled: false })
    session.give('origin', 0)
    assert.equal(wakeAtMs(session.state, 500), 501)
  })
})

describe('giving up', () => {
  const failures = (session: DrawnSession): unknown[] => only('fail', session.effects).map(({ reason }) => reason)
  const drawing = { have: '*   ' }

  test('is prompt when nobody is linked', () => {
    assert.deepEqual(failures(drawnSession(drawing)), ['no-source'])
  })

  test('waits until discovery is over', () => {
    const session = drawnSession({ ...drawing, settled: false })
    session.wait(5000)
    assert.deepEqual(failures(session), [])
    session.tell({ type: 'discovery:settled' })
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('is prompt when no linked peer has anything for us or loads the blob', () => {
    assert.deepEqual(failures(drawnSession({ ...drawing, peers: ['*   ', '    '], peersWant: false })), ['no-source'])
  })

  test('waits for a peer that has yet to answer', () => {
    const session = drawnSession({ ...drawing, peers: ['    '], wanted: false })
    session.tell({ type: 'demand:changed', wanted: true, originUsable: false })
    session.tell({ type: 'discovery:settled' })
    assert.deepEqual(failures(session), [])
    session.tell({ type: 'link:copy', link: 1, holds: [], wants: false })
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('takes 30 s while a peer is loading the blob too', () => {
    const session = drawnSession({ ...drawing, peers: ['    '] })
    session.wait(29_900)
    assert.deepEqual(failures(session), [])
    session.wait(200)
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('takes 30 s from the last sign of life', () => {
    const session = drawnSession({ ...drawing, peers: ['    '] })
    session.wait(20_000)
    session.give(1, 1)
    session.wait(29_900)
    assert.deepEqual(failures(session), [])
    session.wait(200)
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('is prompt when the last hopeful peer leaves', () => {
    const session = drawnSession({ ...drawing, peers: ['****'] })
    assert.deepEqual(failures(session), [])
    session.tell({ type: 'link:closed', link: 1 })
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('is prompt when the only peer is distrusted', () => {
    const session = drawnSession({ ...drawing, peers: ['****'] })
    session.end(1, 1, { kind: 'corrupt' })
    assert.deepEqual(failures(session), ['no-source'])
  })

  test('never happens while an origin may be asked', () => {
    const session = drawnSession({ ...drawing, origin: true })
    session.wait(120_000)
    assert.deepEqual(failures(session), [])
  })

  test('takes back all requests, and tells peers that we do not listen any more', () => {
    const session = drawnSession({ ...drawing, peers: ['    '] })
    session.effects.length = 0
    session.wait(31_000)
    assert.deepEqual(session.effects, [
      { type: 'tell-forget', link: 1 },
      { type: 'fail', reason: 'no-source' },
    ])
    assert.deepEqual(session.outstanding, [])
  })
})
