import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Effect } from '../../src/engine/effect.ts'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

const blank = ' '.repeat(12)

/** A session with room to tell haves at once; no origin, so that nothing else happens. */
function session(options: DrawnSessionOptions): DrawnSession {
  const drawn = drawnSession(options)
  drawn.wait(20)
  drawn.effects.length = 0
  return drawn
}

/** Which links are offered which pieces before all others, as `link:piece`. */
function offered(effects: readonly Effect[]): string[] {
  return only('tell-fresh', effects).flatMap(({ link, pieces }) => pieces.map((piece) => `${link}:${piece}`))
}

/** Which links are told of which pieces, as `link:piece`. */
function told(effects: readonly Effect[]): string[] {
  return only('tell-have', effects).flatMap(({ link, pieces }) => pieces.map((piece) => `${link}:${piece}`))
}

describe('a piece from the origin', () => {
  test('is offered at once to one near neighbour, the one that has fewest of those to take', () => {
    const drawn = session({ peers: [blank, blank, blank] })
    for (const piece of [0, 1, 2, 3]) drawn.give('origin', piece)
    assert.deepEqual(offered(drawn.effects), ['1:0', '2:1', '3:2', '1:3'])
    assert.deepEqual(told(drawn.effects), [])
  })

  for (const [how, release] of [
    ['the first one has it', { type: 'link:have', link: 1, pieces: [0] }],
    ['its copy shows that the first one has it', { type: 'link:copy', link: 1, holds: [0], wants: true }],
    ['the first one was given it', { type: 'piece:given', link: 1, piece: 0 }],
    ['the first one leaves', { type: 'link:closed', link: 1 }],
  ] as const) {
    test(`is told to the others when ${how}`, () => {
      const drawn = session({ peers: [blank, blank, blank] })
      drawn.give('origin', 0)
      drawn.wait(20)
      assert.deepEqual(told(drawn.tell(release)), ['2:0', '3:0'])
      assert.equal(drawn.state.fresh.size, 0)
      assert.deepEqual(told(drawn.wait(1000)), [], 'and once is enough')
    })
  }

  test('is not told to the others because somebody else was given it', () => {
    const drawn = session({ peers: [blank, blank, blank] })
    drawn.give('origin', 0)
    drawn.wait(20)
    assert.deepEqual(told(drawn.tell({ type: 'piece:given', link: 2, piece: 0 })), [])
  })

  test('is told to the others after 250 ms at the latest', () => {
    const drawn = session({ peers: [blank, blank, blank] })
    drawn.give('origin', 0)
    assert.deepEqual(told(drawn.wait(249)), [])
    assert.deepEqual(told(drawn.wait(100)), ['2:0', '3:0'])
  })

  test('is told to the others even when the blob is whole by then', () => {
    const drawn = session({ have: '*** ', peers: ['    ', '    '] })
    drawn.give('origin', 3)
    drawn.tell({ type: 'blob:checked', ok: true })
    assert.deepEqual(told(drawn.wait(400)), ['2:3'])
  })

  test('is told to all at once when one neighbour alone lacks pieces', () => {
    for (const options of [
      { peers: [blank, '************'] },
      { peers: [blank, blank], distances: [2, 3] },
    ]) {
      const drawn = session(options)
      assert.deepEqual(told(drawn.give('origin', 0)), ['1:0', '2:0'])
    }
    assert.deepEqual(told(session({ peers: [blank] }).give('origin', 0)), ['1:0'])
  })

  test('is told to all at once when somebody near has it already', () => {
    const drawn = session({ peers: [blank, blank, '*           '] })
    assert.deepEqual(told(drawn.give('origin', 0)), ['1:0', '2:0', '3:0'])
  })

  test('is told to nobody after it was dropped', () => {
    const drawn = session({ have: '*** ', peers: ['    ', '    '], origin: false })
    drawn.give('origin', 3)
    drawn.tell({ type: 'blob:checked', ok: false, drop: [0, 1, 2], next: 'load' })
    assert.equal(drawn.state.stored.has(3), true, 'the origin is believed')
    const whole = session({ have: 'ooo ', peers: ['    ', '    '], origin: false })
    whole.give('origin', 3)
    whole.tell({ type: 'blob:checked', ok: false, drop: [0, 1, 2, 3], next: 'origin-mismatch' })
    assert.equal(whole.state.stored.has(3), false)
    assert.deepEqual(told(whole.wait(1000)), [])
  })
})

describe('a piece that a peer offers to us alone', () => {
  test('is asked for at once, on top of all that is out', () => {
    const drawn = session({ peers: ['*****       ', blank], tuning: { minRequests: 3 } })
    assert.equal(drawn.outstanding.length, 3)
    assert.deepEqual(only('request', drawn.tell({ type: 'link:fresh', link: 2, pieces: [9, 11] })), [
      { type: 'request', link: 2, piece: 9 },
      { type: 'request', link: 2, piece: 11 },
    ])
  })

  test('waits while its peer has four requests, and is the next that it is asked for', () => {
    const drawn = session({ peers: ['******      '] })
    drawn.tell({ type: 'link:fresh', link: 1, pieces: [11] })
    const [first] = drawn.state.requests.all()
    assert.ok(first)
    assert.deepEqual(only('request', drawn.give(1, first.piece)), [{ type: 'request', link: 1, piece: 11 }])
  })

  test('counts as held', () => {
    const drawn = session({ peers: [blank], wanted: false })
    drawn.tell({ type: 'link:fresh', link: 1, pieces: [3] })
    assert.equal(drawn.state.availability.count(3), 1)
  })

  test('is not asked for when it is here, on its way, or from a peer that lied', () => {
    const drawn = session({ have: '*           ', peers: [' *          ', '           *'] })
    assert.deepEqual(only('request', drawn.tell({ type: 'link:fresh', link: 2, pieces: [0, 1] })), [])
    drawn.end(2, 11, { kind: 'corrupt' })
    assert.deepEqual(only('request', drawn.tell({ type: 'link:fresh', link: 2, pieces: [5] })), [])
  })

  test('is remembered within bounds, however often it is offered', () => {
    const drawn = session({ peers: [' '.repeat(200)], wanted: false })
    for (let round = 0; round < 10; round++) {
      drawn.tell({ type: 'link:fresh', link: 1, pieces: Array.from({ length: 64 }, (_, index) => index) })
    }
    assert.equal(drawn.state.links.get(1)?.offered.length, 64)
  })
})

describe('a piece from a peer', () => {
  test('is told to all at once', () => {
    const drawn = session({ peers: [blank, blank, '*           '] })
    assert.deepEqual(told(drawn.give(3, 0)), ['1:0', '2:0', '3:0'])
    assert.equal(drawn.state.fresh.size, 0)
  })
})
