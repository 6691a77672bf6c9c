import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { checkInvariants } from '../../src/engine/invariants.ts'
import type { SessionState } from '../../src/engine/session-state.ts'
import { drawnSession } from '../support/drawn-session.ts'

const damage: Record<string, (state: SessionState) => void> = {
  'is stored and asked for': (state) => state.stored.add(state.requests.all()[0]?.piece ?? 0),
  'is open exactly when': (state) => state.availability.open(state.requests.all()[0]?.piece ?? 0),
  'is asked for 3 times': (state) => {
    const piece = state.requests.all()[0]?.piece ?? 0
    state.requests.add(2, piece, 1, 0)
    state.requests.add(2, piece, 1, 0)
  },
  'of the origin is stored': (state) => state.fromOrigin.add(11),
  'is counted at its 1 holders': (state) => state.availability.change(0, 1),
  'is open while piece': (state) => state.requests.add(99, 11, 1, 0),
  'is not asked for while run': (state) =>
    state.origin.runs.set(5, { id: 5, first: state.requests.all()[0]?.piece ?? 0, count: 1, movedMs: 0, settles: false }),
  'lies inside the blob': (state) => state.origin.runs.set(5, { id: 5, first: 10, count: 3, movedMs: 0, settles: false }),
  'leased and not here': (state) => {
    state.stored.add(11)
    state.lease.pieces.add(11)
  },
  'is to be brought in and not here': (state) => {
    state.stored.add(11)
    state.lease.imports.add(11)
  },
  'is here and nowhere near': (state) => state.sole.add(11),
  'is here while one peer alone knows of it': (state) => state.fresh.set(11, { link: 1, toldMs: 0 }),
  'which alone knows of piece 11, is open': (state) => state.fresh.set(11, { link: 99, toldMs: 0 }),
  'link 2 alone knows of 0 pieces, not 1': (state) => {
    const link = state.links.get(2)
    if (link) link.freshCount++
  },
  '0 links were not asked what they have, not 1': (state) => (state.unaskedCount = 1),
  '0 links fetch something, not 1': (state) => (state.fetchingCount = 1),
  'has nothing to be asked for while links are not looked at': (state) => {
    for (const request of state.requests.all()) state.requests.remove(request)
    for (const link of state.links.values()) link.openCount = 1
    state.askDueMs = Infinity
  },
  'nothing is on its way while the session is idle': (state) => (state.phase = 'idle'),
  'a complete session has every piece': (state) => (state.phase = 'complete'),
}

describe('checkInvariants', () => {
  test('has nothing to say of a healthy session', () => {
    assert.deepEqual(checkInvariants(drawnSession({ peers: ['***********f', '           *'], origin: true }).state), [])
  })

  for (const [rule, damageIt] of Object.entries(damage)) {
    test(`finds that a rule is broken: ${rule}`, () => {
      const { state } = drawnSession({ peers: ['*********   ', '            '] })
      damageIt(state)
      const broken = checkInvariants(state)
      assert.ok(
        broken.some((words) => words.includes(rule)),
        broken.join('\n'),
      )
    })
  }
})
