import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { isUnfinished } from '../../src/engine/link-state.ts'
import { drawnSession, only, type DrawnSession, type DrawnSessionOptions } from '../support/drawn-session.ts'

function withOrigin(options: DrawnSessionOptions): DrawnSession {
  return drawnSession({ origin: true, ...options })
}

function give(session: DrawnSession, first: number, count: number): void {
  for (let piece = first; piece < first + count; piece++) session.give('origin', piece)
}

function have(session: DrawnSession, link: number, first: number, count: number): void {
  session.tell({ type: 'link:have', link, pieces: Array.from({ length: count }, (_, index) => first + index) })
}

function fetched({ effects }: DrawnSession): [number, number][] {
  return only('fetch', effects).map(({ first, count }) => [first, count])
}

const blank = ' '.repeat(40)

describe('pieces that no near peer has', () => {
  const firstEight = [0, 2, 4, 6].map((first) => [first, 2])

  test('are eight at most while a near peer lacks some, read or being read', () => {
    const session = withOrigin({ peers: [blank] })
    assert.deepEqual(fetched(session), firstEight)
    give(session, 0, 8)
    session.wait(400)
    assert.deepEqual(fetched(session), firstEight)
    assert.deepEqual([...session.state.sole], [0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('make room for others when a peer has them', () => {
    const session = withOrigin({ peers: [blank] })
    give(session, 0, 8)
    have(session, 1, 0, 3)
    assert.deepEqual(fetched(session).slice(4), [[8, 2]], 'and no more: what is left is less than a run')
  })

  test('make room when they were given: they are on their way', () => {
    const session = withOrigin({ peers: [blank] })
    give(session, 0, 8)
    session.tell({ type: 'piece:given', link: 1, piece: 5 })
    assert.deepEqual(fetched(session).slice(4), [[8, 1]])
  })

  test('make room in whole runs while another run is read', () => {
    const session = withOrigin({ peers: [blank] })
    give(session, 0, 4)
    have(session, 1, 0, 1)
    assert.deepEqual(fetched(session), firstEight)
    have(session, 1, 1, 1)
    assert.deepEqual(fetched(session).slice(4), [[8, 2]])
  })

  test('count again when who had them leaves', () => {
    const session = withOrigin({ peers: [blank, blank] })
    give(session, 0, 8)
    have(session, 1, 0, 8)
    assert.equal(session.state.sole.size, 0)
    session.tell({ type: 'link:closed', link: 1 })
    assert.equal(session.state.sole.size, 8)
    give(session, 8, 8)
    session.wait(400)
    assert.equal(session.state.origin.runs.size, 0, 'there is no room for more')
  })

  test('that peers gave do not count when who had them leaves', () => {
    const session = withOrigin({ peers: ['**      ', '        '] })
    session.give(1, 0)
    session.give(1, 1)
    session.tell({ type: 'link:closed', link: 1 })
    assert.deepEqual([...session.state.sole], [])
  })

  test('are not counted where nobody near lacks any', () => {
    for (const [name, options] of [
      ['nobody wants the blob', { peersWant: false }],
      ['who wants it is far', { distances: [3] }],
    ] as const) {
      const session = withOrigin({ peers: [blank], pieceBytes: 4 * 1024 * 1024, ...options })
      give(session, 0, 16)
      assert.ok(session.state.stored.count === 16 && session.state.origin.runs.size > 0, name)
    }
  })

  test('hold nobody back when the last one who lacked some forgets the blob', () => {
    const session = withOrigin({ peers: [blank] })
    give(session, 0, 8)
    session.tell({ type: 'link:forgot', link: 1 })
    assert.ok(fetched(session).length > 4)
  })

  test('are never more than eight, whatever happens', () => {
    const event = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ type: 'origin' } as const) },
      { weight: 4, arbitrary: fc.record({ type: fc.constant('have' as const), link: fc.integer({ min: 1, max: 4 }), nth: fc.nat(8) }) },
      fc.record({ type: fc.constant('given' as const), nth: fc.nat(8) }),
      fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 300 }) }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.nat(), (events, seed) => {
        const session = withOrigin({ peers: [blank, blank, blank, blank], seed })
        const { state } = session
        for (const each of events) {
          const before = session.effects.length
          if (each.type === 'wait') session.wait(each.ms)
          else if (each.type === 'origin') {
            const [run] = state.origin.runs.values()
            if (run) session.give('origin', state.stored.firstMissing(run.first))
          } else {
            const piece = [...state.sole][each.nth]
            if (piece !== undefined && each.type === 'have') have(session, each.link, piece, 1)
            else if (piece !== undefined) session.tell({ type: 'piece:given', link: 1, piece })
          }
          if (only('fetch', session.effects.slice(before)).length === 0 || !state.nearestFirst.some(isUnfinished)) continue
          let reading = 0
          for (const { first, count } of state.origin.runs.values()) {
            for (let piece = first; piece < first + count; piece++) if (!state.stored.has(piece)) reading++
          }
          assert.ok(state.sole.size + reading <= 8, `${state.sole.size} read, ${reading} being read`)
        }
      }),
      { numRuns: 200, seed: 1 },
    )
  })
})
