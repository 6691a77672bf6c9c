import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { createLink, type LinkState } from '../../src/engine/link-state.ts'
import { UntoldPieces } from '../../src/engine/untold-pieces.ts'

function linkOf(id: number, toldUpTo = 0): LinkState {
  return Object.assign(createLink(id, 0, false, 8), { toldUpTo })
}

describe('UntoldPieces', () => {
  it('has for every peer what came since all were told', () => {
    const untold = new UntoldPieces()
    untold.add(3)
    untold.add(1)
    const told = untold.of(linkOf(1))
    untold.clear()
    untold.add(2)
    assert.deepEqual(told, [3, 1])
    assert.deepEqual([untold.of(linkOf(1)), untold.count, untold.end], [[2], 1, 3])
  })

  it('has nothing for a peer that was told our copy since then', () => {
    const untold = new UntoldPieces()
    untold.add(3)
    const link = linkOf(1, untold.end)
    assert.deepEqual(untold.of(link), [])
    untold.add(1)
    assert.deepEqual(untold.of(link), [1])
    untold.clear()
    untold.add(2)
    assert.deepEqual(untold.of(link), [2])
  })

  it('leaves out who knew a piece before all others', () => {
    const untold = new UntoldPieces()
    untold.add(3, 1)
    untold.add(4)
    assert.deepEqual([untold.of(linkOf(1)), untold.of(linkOf(2))], [[4], [3, 4]])
    untold.clear()
    untold.add(5)
    assert.deepEqual(untold.of(linkOf(1)), [5])
  })
})
