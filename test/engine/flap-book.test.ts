import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { FlapBook } from '../../src/engine/flap-book.ts'

const cutOff = { given: 0, lost: 1 }

/** How long a peer has to wait after each of its flaps, one right after the other. */
function waits(book: FlapBook, count: number): number[] {
  let now = 0
  return Array.from({ length: count }, () => {
    book.ended('peer', cutOff, now)
    const from = now
    while (!book.mayLink('peer', now)) now += 100
    return now - from
  })
}

describe('a peer that leaves in the middle of what it gives', () => {
  test('waits a second, then twice as long each time, up to a minute', () => {
    assert.deepEqual(waits(new FlapBook(), 8), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  })

  test('is forgiven when it gives a piece', () => {
    const book = new FlapBook()
    waits(book, 4)
    book.ended('peer', { given: 1, lost: 3 }, 100_000)
    assert.equal(book.mayLink('peer', 100_000), true)
    assert.deepEqual(waits(book, 1), [1000])
  })

  test('is forgotten after ten minutes', () => {
    const book = new FlapBook()
    for (const now of [0, 2000, 700_000]) book.ended('peer', cutOff, now)
    assert.deepEqual([700_999, 701_000].map((now) => book.mayLink('peer', now)), [false, true])
  })

  test('is not one that owed nothing', () => {
    const book = new FlapBook()
    book.ended('peer', { given: 0, lost: 0 }, 0)
    assert.equal(book.mayLink('peer', 0), true)
  })

  test('is one of a thousand and twenty-four that are remembered', () => {
    const book = new FlapBook()
    for (let peer = 0; peer < 2000; peer++) book.ended(`peer ${peer}`, cutOff, 0)
    assert.equal(book.mayLink('peer 0', 0), true)
    assert.equal(book.mayLink('peer 1999', 0), false)
  })
})
