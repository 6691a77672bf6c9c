import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { isEndgame, pickPiece } from '../../src/engine/piece-picker.ts'
import { drawnSession } from '../support/drawn-session.ts'
import { fuzzRuns } from '../support/fuzz.ts'

/** From 9 pieces on the endgame has not begun. */
const drawing = fc.integer({ min: 1, max: 14 }).chain((pieceCount) => {
  const pieces = fc.array(fc.constantFrom('*', '*', ' '), { minLength: pieceCount, maxLength: pieceCount }).map((marks) => marks.join(''))
  return fc.record({
    peers: fc.array(pieces, { minLength: 1, maxLength: 3 }),
    have: pieces.map((marks) => marks.replaceAll(/\*(?=.*\*)/g, ' ')),
    wanted: fc.boolean(),
    reader: fc.option(fc.nat(pieceCount - 1)),
    seed: fc.nat(1000),
  })
})

describe('pickPiece', () => {
  test('takes of any swarm what the peer has and we lack: nobody else’s before the end, the rarest where nobody reads, and nothing only where there is nothing', () => {
    fc.assert(
      fc.property(drawing, ({ peers, have, wanted, reader, seed }) => {
        const session = drawnSession({ peers, have, wanted, seed, settled: wanted })
        if (reader !== null) session.tell({ type: 'readers:moved', pieces: [reader] })
        const { state } = session
        const { pieceCount } = state.layout
        for (const link of state.links.values()) {
          const usable = Array.from({ length: pieceCount }, (_, piece) => piece).filter((piece) => link.holds.has(piece) && !state.stored.has(piece))
          const open = usable.filter((piece) => state.availability.isOpen(piece))
          const piece = pickPiece(state, link)
          if (piece === undefined) {
            assert.deepEqual(open, [])
            continue
          }
          assert.ok(usable.includes(piece), `${piece} is not to be had there`)
          if (!open.includes(piece)) {
            assert.ok(isEndgame(state) && open.length === 0, `${piece} was asked for elsewhere`)
            assert.equal(state.requests.of(piece).length, 1)
            assert.notEqual(state.requests.of(piece)[0]?.link, link.id)
          } else if (reader === null) {
            const rarest = Math.min(...open.map((each) => state.availability.count(each)))
            assert.equal(state.availability.count(piece), rarest)
          }
        }
      }),
      fuzzRuns(10_000),
    )
  })
})
