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
