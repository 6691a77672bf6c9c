import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import type { PieceRun } from '../../src/wire/messages.ts'
import { askedOf, drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

const blank = ' '.repeat(12)
const all = '*'.repeat(12)

/** The last peer is in another region. */
function withFar(near: readonly string[], far: string, options: Partial<DrawnSessionOptions> = {}): DrawnSession {
  const distances = [...near.map(() => 2), 3]
  return drawnSession({ peers: [...near, far], distances, origin: true, tracker: false, ...options })
}

function bringIn(session: DrawnSession, link: number, runs: readonly PieceRun[]): Effect[] {
  const imports = [{ link, runs }]
  return session.tell({ type: 'lease:answered', number: 4, validMs: 3000, retryAfterMs: 0, runs: [], imports })
}

function wanted(effects: readonly Effect[]): readonly PieceRun[] | undefined {
  return only('ask-lease', effects).at(-1)?.wanted
}

const whole = [{ first: 0, count: 12 }]

describe('a peer in another region', () => {
  test('is not asked for what it has, and what it has is asked of the tracker all the same', () => {
    const session = withFar([blank], all)
    session.wait(4900)
    assert.deepEqual(session.outstanding, [])
    assert.deepEqual(wanted(session.effects), whole)
  })

  test('does not make a piece less rare', () => {
    const session = withFar(['**          '], all)
    assert.equal(session.state.availability.count(0), 1)
    assert.equal(session.state.availability.count(11), 0)
  })

  test('does not keep us from the origin by what it fetches', () => {
    const session = withFar([blank], 'ffffffffffff', { tracker: true })
    assert.equal(only('fetch', session.effects)[0]?.first, 0)
  })

  test('is asked for what is to be brought in from there, and for nothing else', () => {
    const session = withFar([blank], all)
    const effects = bringIn(session, 2, [{ first: 3, count: 2 }])
    assert.deepEqual(askedOf(2, effects), [3, 4])
    assert.deepEqual(only('fetch', effects), [])
    session.give(2, 3)
    session.give(2, 4)
    assert.deepEqual(session.outstanding, [])
  })

  test('gives what is to be brought in as others there do, whoever was named: their links are filled evenly', () => {
    const session = withFar([blank, blank], all)
    session.tell({ type: 'link:opened', link: 4, distance: 3, weYield: false })
    session.tell({ type: 'link:copy', link: 4, holds: 'all', wants: false })
    bringIn(session, 4, [{ first: 0, count: 12 }])
    assert.deepEqual(askedOf(3, session.effects), [0, 2, 4, 6])
    assert.deepEqual(askedOf(4, session.effects), [1, 3, 5, 7])
  })

  test('is asked by a node that got nothing for five seconds', () => {
    const session = withFar([blank], all, { origin: false })
    assert.deepEqual(only('request', session.wait(4999)), [])
    assert.equal(askedOf(2, session.wait(101)).length, 3)
  })

  test('is not to blame when nothing comes: it was not asked', () => {
    const session = withFar([blank], all)
    session.wait(3500)
    assert.deepEqual([1, 2].map((link) => session.state.links.get(link)?.score.snubbed), [false, false])
    bringIn(session, 2, [{ first: 3, count: 1 }])
    session.wait(7000)
    assert.equal(session.state.links.get(2)?.score.snubbed, true, 'now it was')
  })

  test('is not asked by a node that gets something', () => {
    const session = withFar([blank], all)
    for (let piece = 0; piece < 6; piece++) {
      assert.deepEqual(only('request', session.wait(4900)), [])
      session.give(1, piece)
    }
  })

  test('is asked for no second copy in the endgame', () => {
    const session = withFar(['* '], '* ', { origin: false })
    session.wait(100)
    assert.deepEqual(session.outstanding, ['1:0'])
  })
})

describe('a piece to be brought in', () => {
  test('is in the lease: renewals say that it is held', () => {
    const session = withFar([blank], all)
    bringIn(session, 2, [{ first: 3, count: 9 }])
    const [first = 0] = askedOf(2, session.effects)
    session.wait(500)
    const effects = session.tell({ type: 'request:moved', link: 2, piece: first, bytes: 1 })
    assert.deepEqual(only('ask-lease', [...effects, ...session.wait(100)])[0]?.held, [{ first: 3, count: 9 }])
  })

  test('that a near peer has in the meantime is asked of that one', () => {
    const session = withFar([blank], blank)
    bringIn(session, 2, [{ first: 3, count: 1 }])
    assert.deepEqual(askedOf(1, session.tell({ type: 'link:have', link: 1, pieces: [3] })), [3])
    session.give(1, 3)
    assert.equal(session.state.lease.imports.size, 0)
  })

  test('is lost with its link, and asked for anew', () => {
    const session = withFar([blank], all)
    bringIn(session, 2, [{ first: 3, count: 2 }])
    const effects = session.tell({ type: 'link:closed', link: 2 })
    assert.equal(session.state.lease.imports.size, 0)
    assert.ok(session.state.availability.isOpen(3) && session.state.availability.isOpen(4))
    assert.deepEqual(wanted(effects), whole)
  })

  test('counts for nothing when there is no such link', () => {
    const session = withFar([blank], all)
    bringIn(session, 77, [{ first: 3, count: 2 }])
    assert.equal(session.state.lease.imports.size, 0)
  })

  test('is told to one near neighbour first, and counts among those that nobody near has', () => {
    const session = withFar([blank, blank], all)
    session.wait(20)
    bringIn(session, 3, [{ first: 3, count: 1 }])
    assert.deepEqual(only('tell-fresh', session.give(3, 3)), [{ type: 'tell-fresh', link: 1, pieces: [3] }])
    assert.deepEqual([...session.state.sole], [3])
  })

  test('that came unasked from afar is told to all', () => {
    const session = withFar([blank, blank], all)
    session.wait(20)
    assert.equal(only('tell-have', session.give(3, 5)).length, 3)
  })
})
